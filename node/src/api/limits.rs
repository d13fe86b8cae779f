//! How much one node serves.

use std::time::Duration;

/// A token bucket: `burst` at once, then `per_second`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Requests that may come at once.
    pub burst: u32,
    /// Requests that come back each second.
    pub per_second: f64,
}

/// Limits of the local API.
#[derive(Debug, Clone)]
pub struct ApiLimits {
    /// HTTP connections at once; event streams count, WebSockets do not.
    pub connections: usize,
    /// WebSockets at once.
    pub sockets: usize,
    /// Searches at once.
    pub searches: usize,
    /// Bytes of a request line with its headers.
    pub header_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Bytes of a request body, and of a WebSocket frame.
    pub body_bytes: usize,
    /// Time for a request's line and headers.
    pub header_timeout: Duration,
    /// Time for a request's body.
    pub body_timeout: Duration,
    /// How long a connection may rest between requests.
    pub idle_timeout: Duration,
    /// How long a client may take nothing of an answer.
    pub write_timeout: Duration,
    /// Time for a WebSocket's first frame.
    pub socket_auth_timeout: Duration,
    /// Between pings of a WebSocket; it is closed when two go unanswered.
    pub socket_ping: Duration,
    /// Between comments on a quiet event stream.
    pub stream_ping: Duration,
    /// How long requests may go on after the stop.
    pub drain: Duration,
    /// Requests without a valid token, per client address.
    pub anonymous: RateLimit,
    /// Requests with the cookie token.
    pub cookie: RateLimit,
    /// Requests with the token of a paired page, per token.
    pub paired: RateLimit,
    /// Wrong pairing codes, per client address.
    pub pairing: RateLimit,
    /// Wrong passwords, per client address and name.
    pub logins: RateLimit,
    /// How long the token of a login works.
    pub login_access: Duration,
    /// How long a login goes on without being used.
    pub login_refresh: Duration,
    /// How long a pairing link works.
    pub pairing_code: Duration,
    /// How long the token of a paired page works.
    pub paired_session: Duration,
}

/// Files that a node has open besides connections to its doors: its stores, its peers.
const OTHER_FILES: u64 = 1024;

impl ApiLimits {
    /// Socket.IO sessions of one gateway at once. Its other calls have the connections for themselves.
    pub(crate) fn gateway_sockets(&self) -> usize {
        self.sockets.min(self.connections)
    }

    /// These, made smaller if need be, so that this many doors with all their connections stay within so many open files. A
    /// door that passes requests on counts twice.
    #[must_use]
    pub fn within(mut self, files: u64, doors: u64) -> Self {
        let share = files.saturating_sub(OTHER_FILES.min(files / 2)) / doors.max(1);
        let share = usize::try_from(share).unwrap_or(usize::MAX).max(2);
        // Connections first, up to a half: without one, no socket is asked for.
        self.connections = self.connections.min(share / 2);
        self.sockets = self.sockets.min(share.saturating_sub(self.connections));
        self
    }
}

impl Default for ApiLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connections: 1024,
            sockets: 8192,
            searches: 4,
            header_bytes: 16 * 1024,
            headers: 64,
            body_bytes: 64 * 1024,
            header_timeout: seconds(10),
            body_timeout: seconds(12),
            idle_timeout: seconds(75),
            write_timeout: seconds(60),
            socket_auth_timeout: seconds(5),
            socket_ping: seconds(30),
            stream_ping: seconds(15),
            drain: seconds(3),
            anonymous: RateLimit {
                burst: 100,
                per_second: 100.0 / 900.0,
            },
            cookie: RateLimit {
                burst: 50_000,
                per_second: 20_000.0,
            },
            paired: RateLimit {
                burst: 100,
                per_second: 20.0,
            },
            pairing: RateLimit {
                burst: 5,
                per_second: 5.0 / 900.0,
            },
            logins: RateLimit {
                burst: 5,
                per_second: 5.0 / 900.0,
            },
            login_access: seconds(15 * 60),
            login_refresh: seconds(7 * 24 * 3600),
            pairing_code: seconds(5 * 60),
            paired_session: seconds(12 * 3600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_connections_fit_into_the_files_there_may_be() {
        let usual = ApiLimits::default();
        for (files, doors) in [(65_536, 3), (8_192, 2), (1_024, 1), (1_024, 3), (256, 2), (8, 1)] {
            let limits = usual.clone().within(files, doors);
            let taken = u64::try_from(limits.connections + limits.sockets).unwrap() * doors;
            assert!(taken <= files.max(2 * doors), "{files} files, {doors} doors: {taken}");
            assert!(limits.connections >= 1 && limits.sockets >= 1);
        }
        // What Linux lets every process have, where nobody has changed it.
        assert!(usual.clone().within(4_096, 1).sockets >= 2_000);
        let plenty = usual.clone().within(65_536, 4);
        assert_eq!((plenty.connections, plenty.sockets), (usual.connections, usual.sockets));
    }
}

//! Tokens: kept as hashes, compared in constant time, taken from the `Authorization` header or a WebSocket's first frame and
//! from nowhere else. Each is for one account of the node. The command line's live as long as the process, those of paired pages for
//! some hours.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header::AUTHORIZATION};
use rand_core::Rng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::error::ApiError;
use crate::random::SystemRng;
use crate::runner::now_ms;

/// Longest token that is looked at.
const MAX_TOKEN: usize = 512;
/// Paired sessions of an account at once; the one that ends first makes room.
const MAX_SESSIONS: usize = 64;

/// Whose token it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Which of the node's accounts it is for, by number.
    pub(crate) account: usize,
    /// Who shows it.
    pub(crate) program: Program,
}

/// Who shows a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// The command line.
    CommandLine,
    /// A paired page.
    Page {
        /// Tells sessions apart.
        session: u64,
        /// When its token ends, ms since 1970.
        until: u64,
    },
}

impl Caller {
    /// Waits until the token ends.
    pub(crate) async fn expired(self) {
        match self.program {
            Program::CommandLine => std::future::pending().await,
            Program::Page { until, .. } => {
                // In steps, since the wall clock may be set.
                const STEP: u64 = 60_000;
                loop {
                    let left = until.saturating_sub(now_ms());
                    if left == 0 {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(left.min(STEP))).await;
                }
            }
        }
    }
}

/// Knows the valid tokens by their hashes.
pub(crate) struct Auth {
    /// The command line's, by account.
    cookies: Mutex<Vec<blake3::Hash>>,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    made: u64,
    open: Vec<Session>,
}

struct Session {
    account: usize,
    token: blake3::Hash,
    number: u64,
    until: u64,
}

impl Auth {
    pub(crate) fn new(cookie: &str) -> Self {
        Self {
            cookies: Mutex::new(vec![hash(cookie)]),
            sessions: Mutex::default(),
        }
    }

    /// Takes the command line's token for one more account.
    pub(crate) fn add_cookie(&self, cookie: &str) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        cookies.push(hash(cookie));
    }

    /// Whose token this is, if it is valid at `now` (ms since 1970).
    pub(crate) fn accepts(&self, token: &str, now: u64) -> Option<Caller> {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return None;
        }
        let given = blake3::hash(token.as_bytes());
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = cookies.iter().position(|known| same(&given, known)) {
            let program = Program::CommandLine;
            return Some(Caller { account, program });
        }
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sessions
            .open
            .iter()
            .find(|session| same(&given, &session.token) && now < session.until)?;
        Some(Caller {
            account: known.account,
            program: Program::Page {
                session: known.number,
                until: known.until,
            },
        })
    }

    /// A new token of the full scope of an account, valid until `until`.
    pub(crate) fn open_session(&self, account: usize, now: u64, until: u64) -> Zeroizing<String> {
        let token = random_token();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.open.retain(|session| now < session.until);
        let own = |session: &&Session| session.account == account;
        if sessions.open.iter().filter(own).count() >= MAX_SESSIONS {
            sessions.open.sort_by_key(|session| session.until);
            if let Some(oldest) = sessions.open.iter().position(|session| session.account == account) {
                sessions.open.remove(oldest);
            }
        }
        sessions.made = sessions.made.saturating_add(1);
        let session = Session {
            account,
            token: blake3::hash(token.as_bytes()),
            number: sessions.made,
            until,
        };
        sessions.open.push(session);
        token
    }

    /// Whose valid token the headers carry.
    pub(crate) fn check(&self, headers: &HeaderMap, now: u64) -> Result<Caller, ApiError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (first, second) = (values.next(), values.next());
        if second.is_some() {
            return Err(ApiError::bad_request(
                "duplicate_header",
                "the request has more than one Authorization header",
            ));
        }
        let token = first.and_then(|value| value.to_str().ok()).and_then(bearer);
        match token {
            Some(token) => self.accepts(token, now).ok_or_else(|| {
                ApiError::unauthorized("the token is not valid, or not any more; the node makes new ones at each start")
            }),
            None => Err(ApiError::unauthorized(
                "this needs the header \"Authorization: Bearer TOKEN\"",
            )),
        }
    }
}

/// 256 random bits as text.
pub(crate) fn random_token() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    SystemRng.fill_bytes(bytes.as_mut_slice());
    Zeroizing::new(data_encoding::HEXLOWER.encode(bytes.as_slice()))
}

fn hash(cookie: &str) -> blake3::Hash {
    blake3::hash(cookie.trim().as_bytes())
}

/// Equality in constant time.
pub(crate) fn same(one: &blake3::Hash, other: &blake3::Hash) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (AUTHORIZATION, value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_the_very_token_is_taken() {
        let auth = Auth::new("0123456789abcdef\n");
        let program = Program::CommandLine;
        assert_eq!(
            auth.accepts("0123456789abcdef", 0),
            Some(Caller { account: 0, program })
        );
        auth.add_cookie("another");
        assert_eq!(auth.accepts("another", 0), Some(Caller { account: 1, program }));
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789ABCDEF",
            &"x".repeat(10_000),
        ] {
            assert_eq!(auth.accepts(wrong, 0), None);
        }
    }

    #[test]
    fn a_session_ends_at_its_time_and_only_so_many_are_open() {
        let auth = Auth::new("cookie");
        let token = auth.open_session(3, 0, 1_000);
        let caller = auth.accepts(&token, 999);
        assert!(
            matches!(
                caller,
                Some(Caller {
                    account: 3,
                    program: Program::Page { until: 1_000, .. }
                })
            ),
            "{caller:?}"
        );
        assert_eq!(auth.accepts(&token, 1_000), None);
        let later: Vec<_> = (0..MAX_SESSIONS).map(|_| auth.open_session(0, 0, 2_000)).collect();
        assert!(auth.accepts(&token, 0).is_some(), "another account's pages end nothing");
        auth.open_session(0, 0, 2_000);
        assert_eq!(auth.accepts(&later[0], 1_999), None);
        let later = &later[1..];
        assert!(later.iter().all(|token| auth.accepts(token, 1_999).is_some()));
        auth.open_session(0, 2_000, 3_000);
        assert_eq!(auth.sessions.lock().unwrap().open.len(), 1);
    }

    #[test]
    fn the_header_is_one_bearer_token() {
        let auth = Auth::new("secret");
        assert!(auth.check(&headers(&["Bearer secret"]), 0).is_ok());
        assert!(auth.check(&headers(&["bearer  secret"]), 0).is_ok());
        for wrong in [
            &[][..],
            &["secret"],
            &["Basic secret"],
            &["Bearer"],
            &["Bearer secret", "Bearer secret"],
            &["Bearersecret"],
        ] {
            assert!(auth.check(&headers(wrong), 0).is_err(), "{wrong:?}");
        }
    }
}

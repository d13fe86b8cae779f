//! How much a node serves: what `DATA/parlour.toml` says of it.

use anyhow::{Result, ensure};
use parlour_node::{ApiLimits, RateLimit};
use serde::Deserialize;

/// More than any machine serves, so that sums of it stay numbers.
const MOST: u32 = 1_000_000;

/// What the file says, under `[limits]`; what it does not say is as usual.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsPart {
    /// HTTP connections at once.
    connections: Option<u32>,
    /// WebSockets at once.
    sockets: Option<u32>,
    /// Requests without a token, of each address.
    anonymous: Option<Rate>,
    /// Requests with a token, of each; the one in the data directory has no part in it.
    tokens: Option<Rate>,
    /// Wrong passwords, of each address and name.
    logins: Option<Rate>,
}

/// So many requests at once, and as many again in so many seconds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    requests: u32,
    seconds: u32,
}

impl LimitsPart {
    /// The node's limits with what is said here.
    ///
    /// # Errors
    /// A number is none to serve by.
    pub(crate) fn apply(&self, mut limits: ApiLimits) -> Result<ApiLimits> {
        let counts = [
            ("connections", self.connections, &mut limits.connections),
            ("sockets", self.sockets, &mut limits.sockets),
        ];
        for (name, told, limit) in counts {
            if let Some(told) = told {
                ensure!((1..=MOST).contains(&told), "{name} is a number from 1 to {MOST}");
                *limit = usize::try_from(told)?;
            }
        }
        let rates = [
            ("anonymous", self.anonymous, &mut limits.anonymous),
            ("tokens", self.tokens, &mut limits.paired),
            ("logins", self.logins, &mut limits.logins),
        ];
        for (name, told, limit) in rates {
            if let Some(Rate { requests, seconds }) = told {
                let fit = (1..=MOST).contains(&requests) && (1..=MOST).contains(&seconds);
                ensure!(fit, "{name} has requests and seconds, each a number from 1 to {MOST}");
                *limit = RateLimit {
                    burst: requests,
                    per_second: f64::from(requests) / f64::from(seconds),
                };
            }
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<ApiLimits> {
        let part: LimitsPart = toml_of(text)?;
        part.apply(ApiLimits::default())
    }

    fn toml_of(text: &str) -> Result<LimitsPart> {
        use figment::providers::{Format, Toml};
        Ok(figment::Figment::from(Toml::string(text)).extract()?)
    }

    #[test]
    fn what_is_said_holds_and_the_rest_is_as_usual() {
        let limits = of("sockets = 5\nlogins = { requests = 30, seconds = 60 }\n").unwrap();
        let usual = ApiLimits::default();
        assert_eq!((limits.sockets, limits.connections), (5, usual.connections));
        let half_a_second = RateLimit {
            burst: 30,
            per_second: 0.5,
        };
        assert_eq!((limits.logins, limits.paired), (half_a_second, usual.paired));
        assert_eq!(limits.anonymous, usual.anonymous);
    }

    #[test]
    fn what_nothing_could_be_served_by_is_refused_by_name() {
        for text in [
            "connections = 0",
            "sockets = 2000000",
            "tokens = { requests = 0, seconds = 1 }",
            "tokens = { requests = 1, seconds = 0 }",
        ] {
            let told = of(text).unwrap_err().to_string();
            assert!(text.starts_with(told.split(' ').next().unwrap()), "{text}: {told}");
        }
        for text in ["logins = 5", "logins = { requests = 1 }", "loggins = 1", "sockets = -1"] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}

//! Pairing: a one-time code that only somebody who sees the node's terminal has, exchanged for a token.
//!
//! There is one code for an account at a time; a new one takes the place of the one before. Only its hash is kept.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use data_encoding::BASE32_NOPAD;
use rand_core::Rng;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::auth::same;
use super::error::ApiError;
use super::limits::ApiLimits;
use super::rate::{Buckets, client};
use crate::random::SystemRng;

/// Longest code that is looked at.
const MAX_CODE: usize = 64;

/// The codes that are out, one for an account.
pub(crate) struct Pairing {
    codes: Mutex<Vec<Code>>,
    wrong: Buckets<IpAddr>,
}

struct Code {
    account: usize,
    hash: blake3::Hash,
    until: u64,
}

impl Pairing {
    pub(crate) fn new(limits: &ApiLimits) -> Self {
        Self {
            codes: Mutex::default(),
            wrong: Buckets::new(limits.pairing),
        }
    }

    /// A new code of 128 bits for an account, good once and before `until` (ms since 1970).
    pub(crate) fn new_code(&self, account: usize, until: u64) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0u8; 16]);
        SystemRng.fill_bytes(bytes.as_mut_slice());
        let mut text = Zeroizing::new(BASE32_NOPAD.encode(bytes.as_slice()));
        text.make_ascii_lowercase();
        let hash = blake3::hash(text.as_bytes());
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|code| code.account != account);
        codes.push(Code { account, hash, until });
        text
    }

    /// Uses the code up; returns the account it is for. Wrong ones are limited, the right one is not: others on this machine could keep its owner out.
    pub(crate) fn redeem(&self, code: &str, from: IpAddr, now: Instant, now_ms: u64) -> Result<usize, ApiError> {
        if let Some(account) = self.take(code, now_ms) {
            return Ok(account);
        }
        self.wrong.take(client(from), now).map_err(ApiError::too_many)?;
        Err(ApiError::forbidden(
            "bad_code",
            "this link is not valid, or not any more: it works once, for a few minutes; `parlour open` prints a new one",
        ))
    }

    fn take(&self, code: &str, now_ms: u64) -> Option<usize> {
        if code.len() > MAX_CODE {
            return None;
        }
        let given = blake3::hash(code.as_bytes());
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let at = codes.iter().position(|known| same(&given, &known.hash))?;
        Some(codes.swap_remove(at))
            .filter(|known| now_ms < known.until)
            .map(|known| known.account)
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;
    use crate::api::limits::RateLimit;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn pairing() -> Pairing {
        Pairing::new(&ApiLimits {
            pairing: RateLimit {
                burst: 3,
                per_second: 0.5,
            },
            ..ApiLimits::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_code_works_once_and_before_its_end() {
        let (pairing, now) = (pairing(), Instant::now());
        let code = pairing.new_code(0, 1_000);
        assert_eq!(code.len(), 26);
        assert!(pairing.redeem(&code, HERE, now, 999).is_ok());
        assert!(pairing.redeem(&code, HERE, now, 999).is_err());
        let late = pairing.new_code(0, 1_000);
        assert!(pairing.redeem(&late, HERE, now, 1_000).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_code_takes_the_place_of_the_old_one_and_a_wrong_one_harms_neither() {
        let (pairing, now) = (pairing(), Instant::now());
        let old = pairing.new_code(0, 1_000);
        let new = pairing.new_code(0, 1_000);
        assert_ne!(old, new);
        assert!(pairing.redeem(&old, HERE, now, 0).is_err());
        assert!(pairing.redeem("", HERE, now, 0).is_err());
        assert!(pairing.redeem(&new, HERE, now, 0).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_guesses_has_to_wait_and_who_knows_has_not() {
        let (pairing, now) = (pairing(), Instant::now());
        let code = pairing.new_code(0, 1_000);
        for _ in 0..3 {
            assert!(pairing.redeem("guess", HERE, now, 0).is_err());
        }
        let too_many = pairing.redeem("guess", HERE, now, 0).unwrap_err().into_response();
        assert_eq!(too_many.status(), axum::http::StatusCode::TOO_MANY_REQUESTS);
        assert!(
            pairing.redeem(&code, HERE, now, 0).is_ok(),
            "the right one does not wait"
        );
    }
}

//! The token: kept as a hash, compared in constant time, taken from the `Authorization` header or a WebSocket's first frame
//! and from nowhere else.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use subtle::ConstantTimeEq;

use super::error::ApiError;

/// Longest token that is looked at.
const MAX_TOKEN: usize = 512;

/// Knows the valid token by its hash.
pub(crate) struct Auth {
    cookie: blake3::Hash,
}

impl Auth {
    pub(crate) fn new(cookie: &str) -> Self {
        Self {
            cookie: blake3::hash(cookie.trim().as_bytes()),
        }
    }

    /// Whether `token` is the valid one.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return false;
        }
        let given = blake3::hash(token.as_bytes());
        given.as_bytes().ct_eq(self.cookie.as_bytes()).into()
    }

    /// Whether the headers carry the valid token.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
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
            Some(token) if self.accepts(token) => Ok(()),
            Some(_) => Err(ApiError::unauthorized(
                "the token is not valid; the node makes a new one at each start",
            )),
            None => Err(ApiError::unauthorized(
                "this needs the header \"Authorization: Bearer TOKEN\"",
            )),
        }
    }
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
        assert!(auth.accepts("0123456789abcdef"));
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789ABCDEF",
            &"x".repeat(10_000),
        ] {
            assert!(!auth.accepts(wrong));
        }
    }

    #[test]
    fn the_header_is_one_bearer_token() {
        let auth = Auth::new("secret");
        assert!(auth.check(&headers(&["Bearer secret"])).is_ok());
        assert!(auth.check(&headers(&["bearer  secret"])).is_ok());
        for wrong in [
            &[][..],
            &["secret"],
            &["Basic secret"],
            &["Bearer"],
            &["Bearer secret", "Bearer secret"],
            &["Bearersecret"],
        ] {
            assert!(auth.check(&headers(wrong)).is_err(), "{wrong:?}");
        }
    }
}

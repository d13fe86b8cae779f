//! Cookies of logins: each for one gateway, whose port is in the name, since browsers share cookies between ports. No script sees
//! them, no page of another site sends them, and no server behind a gateway is shown them.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

use crate::api::Door;

/// A cookie of one family.
pub(super) struct Cookie {
    /// Without the port.
    name: &'static str,
    path: &'static str,
}

/// Renews a login.
pub(super) const REFRESH: Cookie = Cookie {
    name: "refreshToken_",
    path: "/auth",
};
/// Is a login.
pub(super) const SESSION: Cookie = Cookie {
    name: "chatterboxSession_",
    path: "/api",
};

/// Whether a cookie of this name belongs to a gateway, this one or another.
pub(super) fn is_of_gateway(name: &[u8]) -> bool {
    [REFRESH, SESSION]
        .iter()
        .any(|cookie| name.starts_with(cookie.name.as_bytes()))
}

impl Cookie {
    fn full_name(&self, door: &Door) -> String {
        format!("{}{}", self.name, door.address.port())
    }

    /// What it holds.
    pub(super) fn value(&self, door: &Door, headers: &HeaderMap) -> Option<String> {
        let wanted = self.full_name(door);
        let cookies = headers
            .get_all(COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok());
        let mut pairs = cookies
            .flat_map(|text| text.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == wanted)?;
        Some(value.to_owned())
    }

    /// Sets it for as long as a login lasts.
    pub(super) fn set(&self, door: &Door, token: &str, response: &mut Response) {
        self.put(door, token, door.limits.login_refresh.as_secs(), response);
    }

    /// Takes it away.
    pub(super) fn clear(&self, door: &Door, response: &mut Response) {
        self.put(door, "", 0, response);
    }

    fn put(&self, door: &Door, token: &str, seconds: u64, response: &mut Response) {
        let (name, path) = (self.full_name(door), self.path);
        let cookie = format!("{name}={token}; Path={path}; HttpOnly; SameSite=Strict; Max-Age={seconds}");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
    }
}

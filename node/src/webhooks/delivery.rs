//! One delivery: what is sent, and how it is signed.

use std::fmt;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::book::Hook;

/// Of a test.
const TEST: &str = "test";

/// The key of a webhook's signatures.
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// The key of the webhook with this id: HMAC-SHA256(root, id), so that no secret has to be kept beside it.
    pub(super) fn of(root: &Zeroizing<[u8; 32]>, id: &str) -> Self {
        Self(Zeroizing::new(hmac(root, &[id.as_bytes()])))
    }

    /// As receivers have it.
    pub(super) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("whsec_{}", BASE64.encode(self.0.as_slice())))
    }
}

/// Something to tell.
pub(super) struct Delivery {
    id: String,
    body: Bytes,
}

/// A delivery as it goes out now.
pub(super) struct Signed {
    pub(super) headers: [(HeaderName, HeaderValue); 4],
    pub(super) body: Bytes,
}

impl Delivery {
    /// A change of the feed, under an id that is the same whenever it is sent.
    pub(super) fn change(hook: &str, seq: u64, json: &str) -> Self {
        Self {
            id: format!("{hook}-{seq}"),
            body: Bytes::copy_from_slice(json.as_bytes()),
        }
    }

    pub(super) fn test(hook: &Hook, now: u64) -> Self {
        let body = json!({ "type": TEST, "webhook": hook.id });
        Self {
            id: format!("{}-{TEST}-{now}", hook.id),
            body: body.to_string().into(),
        }
    }

    /// `webhook-signature = "v1," || base64(HMAC-SHA256(key, id || "." || timestamp || "." || body))`, the timestamp in seconds.
    pub(super) fn signed(&self, key: &Key, now: u64) -> Signed {
        let timestamp = (now / 1_000).to_string();
        let mac = hmac(
            &key.0,
            &[self.id.as_bytes(), b".", timestamp.as_bytes(), b".", &self.body],
        );
        let signature = format!("v1,{}", BASE64.encode(&mac));
        let header = |name: &'static str, value: &str| {
            // Ids, numbers and base64 are all of the letters that headers take.
            let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
            (HeaderName::from_static(name), value)
        };
        Signed {
            headers: [
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                header("webhook-id", &self.id),
                header("webhook-timestamp", &timestamp),
                header("webhook-signature", &signature),
            ],
            body: self.body.clone(),
        }
    }
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("any key length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hmac module from the scheme's description.
    #[test]
    fn the_signature_is_the_one_that_libraries_compute() {
        let key = Key(Zeroizing::new([7; 32]));
        let delivery = Delivery::change("hook_1", 9, "{\"seq\":9}");
        let signed = delivery.signed(&key, 1_700_000_000_999);
        let value = |name: &str| {
            let found = signed.headers.iter().find(|(known, _)| known == name);
            found.unwrap().1.to_str().unwrap().to_owned()
        };
        assert_eq!(value("webhook-id"), "hook_1-9");
        assert_eq!(value("webhook-timestamp"), "1700000000");
        assert_eq!(
            value("webhook-signature"),
            "v1,d3q+8Tby1PgjNdYs0JWO0+JgaN8Anr9in5UtonK9YMc="
        );
        assert_eq!(
            key.text().as_str(),
            "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="
        );
        assert!(!format!("{key:?}").contains('7'));
    }

    #[test]
    fn each_webhook_has_a_key_of_its_own() {
        let root = Zeroizing::new([1; 32]);
        assert_ne!(*Key::of(&root, "a").text(), *Key::of(&root, "b").text());
        assert_eq!(*Key::of(&root, "a").text(), *Key::of(&root, "a").text());
    }
}

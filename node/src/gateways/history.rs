//! Messages as more than one family reads them: what of one is read, and pages that are counted from the newest message on.

use serde_json::Value;

use super::inside::{Refused, part};
use super::request::{Asker, bad};

/// Messages that a page may leave out.
const MAX_SKIP: usize = 5_000;
/// Messages that API v1 gives at once.
const STEP: usize = 200;

/// What of a message is read; `None`, if it is gone or says only what happened.
pub(super) fn words(message: &Value) -> Option<String> {
    if message["deleted"] == true || message.get("gone").is_some() || message.get("timer").is_some() {
        return None;
    }
    let own = |text: &Value| text.as_str().map(ToOwned::to_owned);
    own(&message["text"])
        .or_else(|| own(&message["poll"]["question"]))
        .or_else(|| own(&message["sticker"]["emoji"]))
        .or_else(|| own(&message["file"]["name"]))
        .or_else(|| {
            let place = message.get("location")?;
            Some(format!("{}, {}", place["latitude"], place["longitude"]))
        })
}

/// Whether so many can be left out: all of them are read.
pub(super) fn check_skip(skip: usize) -> Result<(), Refused> {
    match skip <= MAX_SKIP {
        true => Ok(()),
        false => Err(bad(&format!(
            "this is too far back: at most {MAX_SKIP} messages can be left out"
        ))),
    }
}

/// Messages of a conversation, the newest first.
pub(super) struct Newest {
    pub(super) messages: Vec<Value>,
    /// Whether there are more.
    pub(super) more: bool,
}

/// At most `limit` of the messages that have a number, without the first `skip` of them.
pub(super) async fn newest(asker: &Asker, conversation: &str, skip: usize, limit: usize) -> Result<Newest, Refused> {
    let (mut messages, mut seen, mut before) = (Vec::new(), 0_usize, String::new());
    loop {
        // One more tells whether there are more.
        let left = skip
            .saturating_add(limit)
            .saturating_sub(seen)
            .saturating_add(1)
            .min(STEP);
        let path = format!("/api/v1/conversations/{conversation}/messages?limit={left}{before}");
        let page = asker.get(&path).await?;
        let items = page["items"].as_array().into_iter().flatten().rev();
        for item in items.filter(|item| item["seq"] != 0) {
            if messages.len() >= limit {
                return Ok(Newest { messages, more: true });
            }
            if seen >= skip {
                messages.push(item.clone());
            }
            seen = seen.saturating_add(1);
        }
        match page["prev"].as_str() {
            Some(prev) => before = format!("&before={}", part(prev)),
            None => return Ok(Newest { messages, more: false }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_gone_or_only_happened_is_not_read() {
        assert_eq!(words(&json!({ "text": "hello" })).as_deref(), Some("hello"));
        let poll = json!({ "text": null, "poll": { "question": "when?" } });
        assert_eq!(words(&poll).as_deref(), Some("when?"));
        let place = json!({ "text": null, "location": { "latitude": 1.5, "longitude": 2.0 } });
        assert_eq!(words(&place).as_deref(), Some("1.5, 2.0"));
        for gone in [
            json!({ "deleted": true, "text": "x" }),
            json!({ "text": null, "gone": "expired" }),
            json!({ "text": null, "timer": {} }),
            json!({ "text": null }),
        ] {
            assert_eq!(words(&gone), None, "{gone}");
        }
    }
}

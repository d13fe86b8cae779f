//! What the doctor says of webhooks.

use serde_json::Value;

use super::check::Check;

/// One for each, and nothing where there are none.
pub(crate) fn checks(doctor: &Value) -> Vec<Check> {
    let webhooks = doctor["webhooks"].as_array().into_iter().flatten();
    webhooks.map(check).collect()
}

fn check(webhook: &Value) -> Check {
    let field = |name: &str| webhook[name].as_str().unwrap_or_default();
    let (id, error, since) = (field("id"), field("error"), webhook["failing_since"].as_str());
    match field("state") {
        "active" => Check::ok("webhook", id, "its receiver takes what is sent"),
        "paused" => Check::bad(
            "webhook",
            id,
            format!("paused, since nothing was taken for a day: {error}"),
        )
        .since(since)
        .help("once the receiver works, `parlour webhook test` lets it go on; nothing is lost"),
        _ => Check::warn("webhook", id, format!("tried again and again: {error}"))
            .since(since)
            .help("look at the receiver; what it misses waits for it"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::check::Level;
    use super::*;

    #[test]
    fn what_is_paused_is_bad_and_what_is_tried_again_is_worth_a_word() {
        let of = |state: &str| {
            let webhook = json!({ "id": "hook_1", "state": state, "failing_since": null, "error": "it is away" });
            checks(&json!({ "webhooks": [webhook] })).remove(0)
        };
        assert_eq!(of("active").level, Level::Ok);
        assert_eq!(of("retrying").level, Level::Warn);
        let paused = of("paused");
        assert!(paused.level == Level::Bad && paused.detail.contains("it is away"));
        assert!(checks(&json!({})).is_empty(), "a node of another version");
    }
}

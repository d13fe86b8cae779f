//! Each contact: whether they are there, why not, what waits for them.

use serde_json::Value;

use super::check::Check;
use super::node::{left_ms, list};
use crate::text;

/// A connected contact has a message on its disk sooner than this, ms.
const PROMPT_MS: i64 = 60_000;
/// A contact's node renews its certificate half a year before the end.
const CERTIFICATE_MS: i64 = 30 * 24 * 3_600_000;

/// One check a contact, and one more for a certificate that ends.
pub(crate) fn checks(doctor: &Value, running: bool) -> Vec<Check> {
    let contacts = list(&doctor["contacts"]);
    contacts
        .flat_map(|contact| {
            let state = match contact["state"].as_str() {
                Some("accepted") => accepted(doctor, contact, running).refreshes(contact["refreshes"].as_u64()),
                Some("refused") => refused(contact),
                _ => invited(doctor, contact, running),
            };
            [Some(state), certificate(doctor, contact)].into_iter().flatten()
        })
        .collect()
}

fn name(contact: &Value) -> String {
    contact["display"].as_str().unwrap_or("somebody").to_owned()
}

fn refused(contact: &Value) -> Check {
    let reason = contact["reason"].as_str().unwrap_or("no reason was given");
    Check::bad("contact", name(contact), format!("their node refused: {reason}"))
        .help("ask them for a new invite and open it with `parlour add`")
}

fn invited(doctor: &Value, contact: &Value, running: bool) -> Check {
    let end = contact["invite_expires_at"].as_str();
    let made = contact["created_at"].as_str();
    if end.and_then(|end| left_ms(doctor, end)).is_some_and(|left| left <= 0) {
        return Check::bad(
            "contact",
            name(contact),
            "their invite expired before their node answered",
        )
        .since(end)
        .help("ask them for a new invite and open it with `parlour add`");
    }
    let until = end
        .map(|end| format!("; the invite ends {}", text::local_time(end)))
        .unwrap_or_default();
    let detail = format!(
        "waits for the maker of the invite: {}{}{until}",
        why(contact, running),
        queued(contact)
    );
    Check::warn("contact", name(contact), detail)
        .since(made)
        .help("ask them to start their node; it comes by itself")
}

/// What the user has decided about a contact, or has to decide: it says more than whether their node is there.
fn decision(contact: &Value) -> Option<Check> {
    let who = name(contact);
    let since = contact["trust_since"].as_str();
    let quoted = text::quoted(&who);
    if contact["blocked"] == true {
        let detail = format!(
            "you have blocked them: nothing goes to them or comes from them{}",
            queued(contact)
        );
        return Some(Check::ok("contact", who, detail));
    }
    if contact["trust"] == "changed" {
        let detail = format!(
            "their devices have changed, and nothing is sent to them{}",
            queued(contact)
        );
        let help = format!(
            "ask them, by voice or face to face, whether they set up a new device; `parlour contacts verify {quoted}` says how to accept it"
        );
        return Some(Check::warn("contact", who, detail).since(since).help(help));
    }
    if contact["warning"].is_string() {
        let help = format!("ask them whether they set it up; if so, `parlour contacts trust {quoted}`");
        return Some(Check::warn("contact", who, "they have a device that you have not been asked about").help(help));
    }
    None
}

fn accepted(doctor: &Value, contact: &Value, running: bool) -> Check {
    if let Some(decision) = decision(contact) {
        return decision;
    }
    let waiting = contact["waiting"]["count"].as_u64().unwrap_or(0);
    let oldest = contact["waiting"]["since"].as_str();
    let who = name(contact);
    if contact["reachable"] == true {
        let late = oldest
            .and_then(|since| left_ms(doctor, since))
            .is_some_and(|left| -left > PROMPT_MS);
        if waiting > 0 && late {
            let detail = format!("connected, and yet {}", messages(waiting));
            return Check::warn("contact", who, detail)
                .since(oldest)
                .help("their disk may be full; ask them what `doctor` says there");
        }
        return Check::ok("contact", who, "connected").since(contact["since"].as_str());
    }
    let reason = why(contact, running);
    if waiting > 0 {
        let detail = format!("{}: {reason}", messages(waiting));
        let help = if running {
            "ask them to start their node; it comes by itself"
        } else {
            "`parlour up`"
        };
        return Check::warn("contact", who, detail).since(oldest).help(help);
    }
    if running && contact["connected"] == true && contact["session"] == false {
        return Check::warn(
            "contact",
            who,
            "connected, but without a session: nothing can be read or written yet",
        )
        .help("one begins by itself; if not, a new invite makes one");
    }
    Check::ok("contact", who, format!("away: {reason}")).since(away(contact))
}

/// When they were last here, or else since when they cannot be reached.
fn away(contact: &Value) -> Option<&str> {
    contact["last_seen"]
        .as_str()
        .or_else(|| contact["failure"]["since"].as_str())
}

fn why(contact: &Value, running: bool) -> String {
    if !running {
        return "no node runs here".to_owned();
    }
    let seen = contact["last_seen"]
        .as_str()
        .map(|seen| format!(", last seen {}", text::local_time(seen)))
        .unwrap_or_default();
    let reason = match (&contact["failure"]["reason"], &contact["reason"]) {
        (Value::String(reason), _) | (_, Value::String(reason)) => reason.as_str(),
        _ if contact["connected"] == true => "connected, but without a stream yet",
        _ => "not connected yet",
    };
    format!("{}{seen}", text::dial_failures(reason))
}

fn messages(waiting: u64) -> String {
    match waiting {
        1 => "1 message waits".to_owned(),
        more => format!("{more} messages wait"),
    }
}

fn queued(contact: &Value) -> String {
    match contact["waiting"]["count"].as_u64() {
        None | Some(0) => String::new(),
        Some(waiting) => format!("; {}", messages(waiting)),
    }
}

fn certificate(doctor: &Value, contact: &Value) -> Option<Check> {
    let end = contact["certificate_expires_at"].as_str()?;
    let left = left_ms(doctor, end).filter(|left| *left < CERTIFICATE_MS)?;
    let detail = if left > 0 {
        format!("the certificate of their device expires {}", text::local_time(end))
    } else {
        "the certificate of their device has expired: no new session can begin with it".to_owned()
    };
    let check = Check::warn("contact", name(contact), detail).since(Some(end).filter(|_| left <= 0));
    Some(check.help("their node renews it when it runs, and tells this one: ask them to start it"))
}

#[cfg(test)]
mod tests {
    use super::super::check::Level;
    use super::*;
    use serde_json::json;

    fn only(contact: Value) -> Check {
        let mut checks = checks(
            &json!({ "now": "2026-11-20T12:00:00.000Z", "contacts": [contact] }),
            true,
        );
        assert_eq!(checks.len(), 1, "{checks:?}");
        checks.remove(0)
    }

    #[test]
    fn an_absent_contact_is_a_problem_only_if_something_waits() {
        let contact = |count: u64| {
            json!({
                "display": "bob", "state": "accepted", "reachable": false, "connected": false, "session": true,
                "failure": { "reason": "connection refused", "since": "2026-11-20T11:00:00.000Z" },
                "last_seen": null,
                "waiting": { "count": count, "since": "2026-11-20T11:30:00.000Z" },
            })
        };
        let (quiet, waiting) = (only(contact(0)), only(contact(3)));
        assert_eq!(
            (quiet.level, quiet.since.as_deref()),
            (Level::Ok, Some("2026-11-20T11:00:00.000Z"))
        );
        assert_eq!(
            (waiting.level, waiting.since.as_deref()),
            (Level::Warn, Some("2026-11-20T11:30:00.000Z"))
        );
        assert_eq!(waiting.detail, "3 messages wait: connection refused");
        assert!(waiting.help.unwrap().contains("start their node"));
    }

    #[test]
    fn messages_under_way_to_a_connected_contact_are_no_problem_until_they_are_late() {
        let contact = |since: &str| {
            only(json!({
                "display": "bob", "state": "accepted", "reachable": true,
                "waiting": { "count": 1, "since": since },
            }))
        };
        assert_eq!(contact("2026-11-20T11:59:30.000Z").level, Level::Ok);
        assert_eq!(contact("2026-11-20T11:58:30.000Z").level, Level::Warn);
    }

    #[test]
    fn invites_wait_end_or_are_refused() {
        let invited = |end: &str| only(json!({ "display": "bob", "state": "waiting", "invite_expires_at": end }));
        assert_eq!(invited("2026-11-27T12:00:00.000Z").level, Level::Warn);
        let expired = invited("2026-11-20T11:00:00.000Z");
        assert!(expired.level == Level::Bad && expired.help.unwrap().contains("new invite"));
        let refused = only(json!({ "display": "bob", "state": "refused", "reason": "the invite was used up" }));
        assert!(refused.level == Level::Bad && refused.detail.contains("used up"));
    }

    #[test]
    fn what_the_user_has_to_decide_comes_before_what_the_network_does() {
        let contact = |trust: &str, blocked: bool, warning: Option<&str>| {
            only(json!({
                "display": "bob", "state": "accepted", "reachable": true, "since": "2026-11-20T11:00:00.000Z",
                "trust": trust, "trust_since": "2026-11-20T11:30:00.000Z", "blocked": blocked, "warning": warning,
                "waiting": { "count": 2, "since": "2026-11-20T11:40:00.000Z" },
            }))
        };
        let changed = contact("changed", false, Some("the devices of this contact have changed"));
        assert_eq!(
            (changed.level, changed.since.as_deref()),
            (Level::Warn, Some("2026-11-20T11:30:00.000Z"))
        );
        assert!(
            changed.detail.ends_with("nothing is sent to them; 2 messages wait"),
            "{}",
            changed.detail
        );
        assert!(changed.help.unwrap().contains("parlour contacts verify bob"));
        let blocked = contact("changed", true, None);
        assert!(blocked.level == Level::Ok && blocked.detail.contains("you have blocked them"));
        let device = contact("unverified", false, Some("this contact has a new device"));
        assert!(device.level == Level::Warn && device.help.unwrap().contains("parlour contacts trust bob"));
        let late = contact("verified", false, None);
        assert!(
            late.detail.contains("connected, and yet 2 messages wait"),
            "{}",
            late.detail
        );
    }

    #[test]
    fn a_contact_without_a_session_or_with_an_old_certificate_is_named() {
        let without = json!({ "display": "bob", "state": "accepted", "connected": true, "session": false });
        assert!(only(without).detail.contains("without a session"));
        let old = json!({
            "display": "bob", "state": "accepted", "reachable": true,
            "certificate_expires_at": "2026-11-20T11:00:00.000Z",
        });
        let found = checks(&json!({ "now": "2026-11-20T12:00:00.000Z", "contacts": [old] }), true);
        assert_eq!((found.len(), found[1].level), (2, Level::Warn));
    }
}

//! The door to the network, and the nodes that the configuration names.

use serde_json::Value;

use super::check::Check;
use super::node::{left_ms, list};
use crate::text;

/// A TLS certificate from elsewhere that ends so soon should have been replaced.
const TLS_MS: i64 = 14 * 86_400_000;

/// The door to the network, if it is open.
pub(super) fn lan(stats: &Value, doctor: &Value) -> Option<Check> {
    let end = stats["lan"]["expires_at"].as_str()?;
    let (when, left) = (text::local_time(end), left_ms(doctor, end).unwrap_or(0));
    let urls: Vec<String> = list(&stats["lan"]["urls"])
        .filter_map(|url| Some(text::one_line(url.as_str()?)))
        .collect();
    let own = stats["lan"]["own_certificate"] == true;
    Some(match left {
        left if left <= 0 => Check::bad("api", "network", format!("its TLS certificate ended {when}"))
            .help("is this clock right? put a new one in the place of the files that --tls-cert and --tls-key name"),
        left if left < TLS_MS && !own => Check::warn("api", "network", format!("its TLS certificate ends {when}"))
            .help("put a new one in the place of the files that --tls-cert and --tls-key name; the node takes it within an hour"),
        _ => Check::ok("api", "network", format!("{}, over TLS; the certificate is good until {when}", urls.join(", "))),
    })
}

/// A node that the configuration names.
pub(super) fn bootstrap(bootstrap: &Value) -> Check {
    let address = text::one_line(bootstrap["address"].as_str().unwrap_or_default());
    match bootstrap["reason"].as_str() {
        Some(reason) => {
            let reason = text::one_line(&text::dial_failures(reason));
            Check::warn("network", "bootstrap", format!("{address} cannot be reached: {reason}"))
                .since(bootstrap["since"].as_str())
                .help("is it the right address, and does that node run? It is tried again by itself")
        }
        None if bootstrap["connected"] == true => Check::ok("network", "bootstrap", format!("{address} is connected")),
        None => Check::ok(
            "network",
            "bootstrap",
            format!("{address} is this node itself, or is being tried"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::check::Level;
    use super::*;

    #[test]
    fn a_certificate_from_elsewhere_warns_before_it_ends_and_the_own_one_is_made_anew() {
        let doctor = json!({ "now": "2026-11-20T12:00:00.000Z" });
        let at = |end: &str, own: bool| {
            let stats = json!({ "lan": { "urls": ["https://box"], "expires_at": end, "own_certificate": own } });
            lan(&stats, &doctor).unwrap().level
        };
        assert_eq!(at("2026-12-20T12:00:00.000Z", false), Level::Ok);
        assert_eq!(at("2026-12-01T12:00:00.000Z", false), Level::Warn);
        assert_eq!(at("2026-12-01T12:00:00.000Z", true), Level::Ok);
        assert_eq!(at("2026-11-20T11:59:59.000Z", false), Level::Bad);
        assert!(lan(&json!({ "lan": null }), &doctor).is_none());
    }

    #[test]
    fn a_node_of_the_configuration_that_cannot_be_reached_is_named() {
        let away = json!({ "address": "bo:1", "connected": false, "reason": "refused", "since": null });
        let away = bootstrap(&away);
        assert_eq!(away.level, Level::Warn);
        assert!(away.detail.contains("bo:1"), "{}", away.detail);
        let there = bootstrap(&json!({ "address": "bo:1", "connected": true, "reason": null }));
        assert_eq!(there.level, Level::Ok);
    }
}

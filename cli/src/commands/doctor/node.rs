//! What the node says of itself: store, API, network, clock, certificate, counters.

use std::net::IpAddr;

use jiff::Timestamp;
use parlour_net::{Multiaddr, Scope};
use serde_json::Value;

use super::check::Check;
use super::reach::{bootstrap, lan};
use crate::text;

/// Clocks that differ by more are worth a word, and by more than that do harm, ms.
const SKEW_MS: (u64, u64) = (60_000, 600_000);
/// The node renews its certificate half a year before the end: later than this it has failed to.
const CERTIFICATE_MS: i64 = 90 * 24 * 3_600_000;
/// Another copy is alive if it wrote something within this time, ms.
const COPY_MS: i64 = 24 * 3_600_000;
/// A disk that was put back is worth a word for so long, ms.
const ROLLBACK_MS: i64 = 7 * 24 * 3_600_000;
/// Some of these come of ordinary restarts.
const FEW: u64 = 20;

/// Refusals that come of ordinary life: a neighbour's burst, a node that connects too often.
const FEW_REFUSALS: u64 = 200;
const REFUSED: [(&str, &str); 10] = [
    ("handshakes", "handshakes begun and not finished"),
    ("connections", "connections too many or too fast"),
    ("gossip_rate", "envelopes and orders over the rate"),
    ("gossip_topics", "envelopes on topics that are not ours"),
    ("gossip_control", "orders that no honest neighbour gives"),
    ("floods", "neighbours left"),
    ("streams", "streams too many or malformed"),
    ("knocks", "knocks too many"),
    ("addresses", "addresses told too often"),
    ("discovery", "times discovery was switched off"),
];

const COUNTERS: [(&str, u64, &str); 7] = [
    (
        "forged_events",
        0,
        "messages with a wrong signature or in the wrong conversation; none was taken",
    ),
    ("malformed_events", 0, "messages that could not be read; none was taken"),
    (
        "unopened_envelopes",
        FEW,
        "envelopes for us that did not open: an old copy of a disk was put back, here or there",
    ),
    ("unknown_authors", FEW, "messages of devices that nobody has introduced"),
    (
        "void_votes",
        FEW,
        "votes of others that no poll allows, or that came after it was closed; none was counted",
    ),
    (
        "void_operations",
        FEW,
        "acts of others in rooms that they had no right to, or that somebody above them undid; none has an effect",
    ),
    (
        "unruled_events",
        FEW,
        "things said in rooms by those who may not, as by some who do not know that they were removed; none was taken",
    ),
];

/// All checks of the node; those that need a running one only if it does.
pub(crate) fn checks(stats: &Value, doctor: &Value, running: bool) -> Vec<Check> {
    let mut checks = store(stats);
    checks.extend(copies(stats, doctor));
    checks.push(certificate(doctor));
    if running {
        checks.push(api(stats));
        checks.extend(lan(stats, doctor));
        checks.extend(network(stats, doctor));
        checks.push(refused(stats));
        checks.push(clock(doctor));
        checks.extend(counters(stats));
    }
    checks
}

fn store(stats: &Value) -> Vec<Check> {
    let mut checks = vec![match stats["store"]["health"].as_str() {
        Some("ok") => Check::ok("store", "health", "reading and writing"),
        Some("disk_full") => Check::bad("store", "health", "read-only: the disk is full")
            .help("free some space; the node goes on by itself"),
        _ => Check::bad("store", "health", "read-only: writing failed")
            .help("look at the node's log and at the disk; nothing acknowledged is lost"),
    }];
    let damage: Vec<&str> = list(&stats["store"]["damage"]).filter_map(Value::as_str).collect();
    checks.push(if damage.is_empty() {
        Check::ok("store", "damage", "none was found when it was opened")
    } else {
        Check::bad(
            "store",
            "damage",
            format!("found when it was opened: {}", damage.join("; ")),
        )
        .help("contacts send again what they have; look at the disk, and keep the copy until nothing is missed")
    });
    checks
}

/// Whether this disk is the only one of its device, and the newest.
fn copies(stats: &Value, doctor: &Value) -> [Check; 2] {
    let within = |time: Option<&str>, ms: i64| time.and_then(|at| left_ms(doctor, at)).is_some_and(|left| -left < ms);
    let (copy, back) = (&stats["other_copy"], stats["rolled_back_at"].as_str());
    let copy = match copy["last"].as_str() {
        last @ Some(_) if within(last, COPY_MS) => Check::bad(
            "store",
            "copy",
            "another copy of this data directory runs, and writes in the name of this device",
        )
        .since(copy["since"].as_str())
        .help("stop one of the two for good: each misses some of what is live, and contacts see a device that contradicts itself"),
        _ => Check::ok("store", "copy", "nothing was seen of another copy that runs"),
    };
    let rollback = match back {
        Some(_) if within(back, ROLLBACK_MS) => Check::warn(
            "store",
            "state",
            "this disk was put back to an earlier state, or has lost something",
        )
        .since(back)
        .help("messages come back from contacts by themselves; what only this node knew is lost"),
        _ => Check::ok("store", "state", "nothing was seen of a later one"),
    };
    [copy, rollback]
}

fn certificate(doctor: &Value) -> Check {
    let Some(end) = doctor["certificate_expires_at"].as_str() else {
        return Check::bad("node", "certificate", "this device's certificate cannot be read");
    };
    let when = text::local_time(end);
    match left_ms(doctor, end) {
        Some(left) if left <= 0 => Check::bad("node", "certificate", "expired: no new sessions can begin")
            .since(Some(end))
            .help("is this clock right? `parlour up` renews it at its start"),
        Some(left) if left < CERTIFICATE_MS => {
            Check::warn("node", "certificate", format!("expires {when} and was not renewed"))
                .help("`parlour up` renews it at its start; its log says why it cannot")
        }
        _ => Check::ok("node", "certificate", format!("valid until {when}")),
    }
}

/// From the node's now to a time, ms.
pub(super) fn left_ms(doctor: &Value, end: &str) -> Option<i64> {
    let now: Timestamp = doctor["now"].as_str()?.parse().ok()?;
    let end: Timestamp = end.parse().ok()?;
    Some(end.as_millisecond().saturating_sub(now.as_millisecond()))
}

fn api(stats: &Value) -> Check {
    let url = stats["api"].as_str().unwrap_or_default();
    let ip = reqwest::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str()?.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    match ip {
        Some(ip) if ip.is_loopback() => Check::ok("api", "address", format!("{url}, for this machine only")),
        _ => Check::warn(
            "api",
            "address",
            format!("{url} can be reached from other machines, without encryption"),
        )
        .help("use --api 127.0.0.1:PORT, and a tunnel or a proxy with TLS for others"),
    }
}

fn network(stats: &Value, doctor: &Value) -> Vec<Check> {
    if doctor["network"] == false {
        return vec![Check::ok(
            "network",
            "off",
            "this node was started for a moment and connects to nobody",
        )];
    }
    let addresses: Vec<&str> = list(&stats["listen"]).filter_map(Value::as_str).collect();
    let beyond = |address: &&&str| {
        let address = address.parse::<Multiaddr>();
        address.is_ok_and(|address| parlour_net::scope(&address) != Scope::Machine)
    };
    let listening = match (addresses.is_empty(), addresses.iter().filter(beyond).count()) {
        (true, _) => Check::bad("network", "listening", "on no address: nobody can connect to this node")
            .help("start it with another --listen IP:PORT; is the port taken?"),
        (false, 0) => Check::warn(
            "network",
            "listening",
            format!(
                "only nodes on this machine can connect to it ({})",
                addresses.join(", ")
            ),
        )
        .help("`parlour up --listen 0.0.0.0:PORT`"),
        (false, _) => Check::ok("network", "listening", addresses.join(", ")),
    };
    let peers = list(&stats["peers"]).count();
    let accepted = list(&doctor["contacts"])
        .filter(|contact| contact["state"] == "accepted")
        .count();
    let connected = format!("{peers} connected; accepted contacts: {accepted}");
    let mut checks = vec![
        listening,
        if peers == 0 && accepted > 0 {
            Check::warn("network", "peers", "connected to nobody")
                .help("is this machine online, and are nodes of your contacts running? It is tried again by itself")
        } else {
            Check::ok("network", "peers", connected)
        },
        Check::ok(
            "network",
            "mdns",
            if doctor["mdns"] == true {
                "looks for contacts on this network"
            } else {
                "switched off: contacts on this network are found by known addresses only"
            },
        ),
    ];
    checks.extend(list(&stats["bootstraps"]).map(bootstrap));
    checks
}

/// What strangers tried that was not let in.
fn refused(stats: &Value) -> Check {
    let numbers = REFUSED.map(|(name, meaning)| (stats["refused"][name].as_u64().unwrap_or(0), meaning));
    let sum = numbers
        .iter()
        .fold(0u64, |sum, (number, _)| sum.saturating_add(*number));
    if sum <= FEW_REFUSALS {
        return Check::ok(
            "network",
            "refused",
            format!("{sum} things of strangers since the node started"),
        );
    }
    let parts = numbers.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, meaning)| format!("{number} {meaning}")).collect();
    Check::warn(
        "network",
        "refused",
        format!("strangers try too much of this node: {}", parts.join(", ")),
    )
    .help("none of it was let in and contacts come first; if it goes on and hurts, listen on another port or behind a firewall")
}

fn clock(doctor: &Value) -> Check {
    let mut off: Vec<(u64, String)> = list(&doctor["contacts"])
        .filter_map(|contact| {
            let ms = contact["clock_skew_ms"].as_i64()?;
            let who = contact["display"].as_str().unwrap_or("somebody");
            let direction = if ms > 0 { "ahead" } else { "behind" };
            let by = ms.unsigned_abs();
            Some((by, format!("{who} is {} s {direction}", by / 1_000)))
        })
        .collect();
    off.sort_by_key(|(by, _)| std::cmp::Reverse(*by));
    let compared = off.len();
    let worst = off.first().map_or(0, |(by, _)| *by);
    let named: Vec<String> = off
        .into_iter()
        .filter(|(by, _)| *by > SKEW_MS.0)
        .map(|(_, who)| who)
        .collect();
    let detail = format!(
        "{} of {compared} clocks differ from this one: {}",
        named.len(),
        named.join(", ")
    );
    let help = "set this machine's clock if it is wrong (NTP), or tell them that theirs is";
    match worst {
        _ if compared == 0 => Check::ok("clock", "skew", "nobody is connected to compare it with"),
        worst if worst > SKEW_MS.1 => Check::bad("clock", "skew", detail).help(help),
        worst if worst > SKEW_MS.0 => Check::warn("clock", "skew", detail).help(help),
        _ => Check::ok(
            "clock",
            "skew",
            format!("no notable difference; clocks compared: {compared}"),
        ),
    }
}

fn counters(stats: &Value) -> Vec<Check> {
    let checks = COUNTERS.into_iter().map(|(name, few, meaning)| {
        let count = stats["counters"][name].as_u64().unwrap_or(0);
        let detail = format!("{count} {meaning}");
        if count > few {
            Check::warn("counters", name, detail)
                .help("counted since the node started; if it grows, the node's log (-vv) says whose they are")
        } else {
            Check::ok("counters", name, format!("{count} since the node started"))
        }
    });
    checks.collect()
}

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::super::check::Level;
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-11-20T12:00:00.000Z";

    #[test]
    fn a_copy_that_runs_and_a_disk_put_back_are_named_while_they_matter() {
        let doctor = json!({ "now": NOW });
        let levels = |stats: Value| copies(&stats, &doctor).map(|check| check.level);
        assert_eq!(levels(json!({})), [Level::Ok, Level::Ok]);
        let copy = |last: &str| json!({ "other_copy": { "since": "2026-11-01T12:00:00.000Z", "last": last } });
        assert_eq!(levels(copy("2026-11-20T11:00:00.000Z")), [Level::Bad, Level::Ok]);
        assert_eq!(
            levels(copy("2026-11-18T11:00:00.000Z")),
            [Level::Ok, Level::Ok],
            "it was stopped"
        );
        let found = copies(&copy("2026-11-20T11:00:00.000Z"), &doctor);
        assert_eq!(found[0].since.as_deref(), Some("2026-11-01T12:00:00.000Z"));
        assert_eq!(
            levels(json!({ "rolled_back_at": "2026-11-19T12:00:00.000Z" })),
            [Level::Ok, Level::Warn]
        );
        assert_eq!(
            levels(json!({ "rolled_back_at": "2026-11-01T12:00:00.000Z" })),
            [Level::Ok, Level::Ok]
        );
    }

    fn level(checks: &[Check], name: &str) -> Level {
        checks.iter().find(|check| check.name == name).unwrap().level
    }

    #[test]
    fn clocks_are_judged_by_the_worst_and_the_peers_are_named() {
        let skew = |ms: &[i64]| {
            let contacts: Vec<Value> = ms
                .iter()
                .map(|ms| json!({ "display": format!("peer{ms}"), "clock_skew_ms": ms }))
                .collect();
            clock(&json!({ "contacts": contacts }))
        };
        assert_eq!(skew(&[]).level, Level::Ok);
        assert_eq!(skew(&[59_000, -60_000]).level, Level::Ok);
        let warned = skew(&[1_000, -61_000]);
        assert_eq!(warned.level, Level::Warn);
        assert!(warned.detail.contains("1 of 2") && warned.detail.contains("peer-61000 is 61 s behind"));
        assert_eq!(skew(&[61_000, 600_001]).level, Level::Bad);
    }

    #[test]
    fn strangers_who_try_too_much_are_named_by_what_they_try() {
        let quiet = refused(&json!({ "refused": { "gossip_rate": FEW_REFUSALS } }));
        assert_eq!(quiet.level, Level::Ok);
        let attacked = refused(&json!({ "refused": { "gossip_rate": FEW_REFUSALS, "streams": 7, "knocks": 0 } }));
        assert_eq!(attacked.level, Level::Warn);
        assert!(attacked.detail.contains("7 streams") && !attacked.detail.contains("knocks"));
    }

    #[test]
    fn a_certificate_warns_before_it_ends() {
        let at = |end: &str| certificate(&json!({ "now": NOW, "certificate_expires_at": end })).level;
        assert_eq!(at("2027-11-20T12:00:00.000Z"), Level::Ok);
        assert_eq!(at("2027-01-20T12:00:00.000Z"), Level::Warn);
        assert_eq!(at("2026-11-20T11:59:59.000Z"), Level::Bad);
        assert_eq!(certificate(&json!({ "now": NOW })).level, Level::Bad);
    }

    #[test]
    fn a_node_that_listens_nowhere_or_only_here_is_named() {
        let listens = |addresses: Value| network(&json!({ "listen": addresses }), &json!({ "network": true }));
        assert_eq!(level(&listens(json!([])), "listening"), Level::Bad);
        assert_eq!(
            level(&listens(json!(["/ip4/127.0.0.1/tcp/1"])), "listening"),
            Level::Warn
        );
        let both = listens(json!(["/ip4/127.0.0.1/tcp/1", "/ip4/192.168.1.2/tcp/1"]));
        assert_eq!(level(&both, "listening"), Level::Ok);
        let alone = network(&json!({}), &json!({ "contacts": [{ "state": "accepted" }] }));
        assert_eq!(level(&alone, "peers"), Level::Warn);
    }

    #[test]
    fn a_store_that_cannot_write_or_was_damaged_is_bad() {
        let stats = json!({ "store": { "health": "disk_full", "damage": ["journal 1 is missing", "copy in X"] } });
        let checks = store(&stats);
        assert_eq!(
            (level(&checks, "health"), level(&checks, "damage")),
            (Level::Bad, Level::Bad)
        );
        assert!(checks[1].detail.contains("copy in X"));
        let well = store(&json!({ "store": { "health": "ok", "damage": [] } }));
        assert!(well.iter().all(|check| check.level == Level::Ok));
    }

    #[test]
    fn an_api_for_other_machines_and_counters_that_should_be_low_are_warned_of() {
        assert_eq!(api(&json!({ "api": "http://127.0.0.1:7700" })).level, Level::Ok);
        assert_eq!(api(&json!({ "api": "http://[::1]:7700" })).level, Level::Ok);
        assert_eq!(api(&json!({ "api": "http://0.0.0.0:7700" })).level, Level::Warn);
        let counted = counters(&json!({ "counters": { "forged_events": 1, "unopened_envelopes": FEW } }));
        assert_eq!(level(&counted, "forged_events"), Level::Warn);
        assert_eq!(level(&counted, "unopened_envelopes"), Level::Ok);
    }
}

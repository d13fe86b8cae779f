//! `parlour status`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::args::Global;
use crate::client::Client;
use crate::connect::{data_dir, waiting};
use crate::output::Output;
use crate::text;

/// Clocks that differ by less are in order.
const NOTABLE_SKEW_MS: u64 = 10_000;

const EXAMPLES: &str = "\
Examples:
  parlour status
  parlour status --json | jq '.unreachable'";

/// Show how the node is: addresses, peers, what waits to be delivered
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Status {}

impl Status {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let mut stats = client.get(&["stats"], &[]).await?;
        stats["running"] = json!(!client.is_embedded());
        if client.is_embedded() {
            stats["api"] = Value::Null;
        }
        out.data(&stats, || shown(&stats, out))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// How a node is that has no account yet, if such a one runs.
pub(crate) async fn of_waiting(global: &Global, out: &Output) -> Result<Option<ExitCode>> {
    let Some(client) = waiting(&data_dir(global)?).await else {
        return Ok(None);
    };
    let status = json!({
        "running": true,
        "account": null,
        "state": "no_account",
        "detail": "no account yet",
        "api": client.url(),
        "next": [out.command("parlour init --name NAME"), out.command("parlour open")],
    });
    out.data(&status, || {
        format!(
            "no account yet\n  running        waiting for its account\n  API            {}\n  next           {}\n",
            text::one_line(client.url()),
            out.addressed("`parlour init --name NAME`, or a browser and the link that `parlour open` prints")
        )
    })?;
    Ok(Some(ExitCode::SUCCESS))
}

fn shown(stats: &Value, out: &Output) -> String {
    let field = |name: &str| text::one_line(stats[name].as_str().unwrap_or_default());
    let number = |name: &str| stats[name].as_u64().unwrap_or(0);
    let mut lines = vec![format!("{} ({})", field("name"), field("user_id"))];
    if stats["running"] == json!(true) {
        let minutes = number("uptime_s") / 60;
        lines.push(format!(
            "  running        for {} h {} min, version {}",
            minutes / 60,
            minutes % 60,
            field("version")
        ));
        lines.push(format!("  API            {}", field("api")));
        for url in list(&stats["lan"], "urls") {
            lines.push(format!(
                "  network        {}",
                text::one_line(url.as_str().unwrap_or_default())
            ));
        }
        if let Some(fingerprint) = stats["lan"]["fingerprint"].as_str() {
            lines.push(format!("  certificate    SHA-256 {}", text::one_line(fingerprint)));
        }
    } else {
        lines.push(out.addressed("  not running    start it with `parlour up`"));
    }
    lines.push(format!("  peer id        {}", field("peer_id")));
    for address in list(stats, "listen") {
        lines.push(format!(
            "  listens on     {}",
            text::one_line(address.as_str().unwrap_or_default())
        ));
    }
    for peer in list(stats, "peers") {
        let address = peer["address"].as_str().unwrap_or_default();
        lines.push(format!("  connected to   {}", text::one_line(address)));
    }
    for address in list(stats, "announced") {
        lines.push(format!(
            "  announces      {}",
            text::one_line(address.as_str().unwrap_or_default())
        ));
    }
    for bootstrap in list(stats, "bootstraps") {
        let address = text::one_line(bootstrap["address"].as_str().unwrap_or_default());
        lines.push(match bootstrap["reason"].as_str() {
            Some(reason) => format!(
                "  bootstrap      {address} cannot be reached: {}",
                text::one_line(&text::dial_failures(reason))
            ),
            None if bootstrap["connected"] == json!(true) => format!("  bootstrap      {address}, connected"),
            None => format!("  bootstrap      {address}"),
        });
    }
    for peer in list(stats, "unreachable") {
        let (id, reason) = (
            peer["peer_id"].as_str().unwrap_or_default(),
            text::dial_failures(peer["reason"].as_str().unwrap_or_default()),
        );
        lines.push(format!(
            "  cannot reach   {}: {}",
            text::one_line(id),
            text::one_line(&reason)
        ));
    }
    lines.push(format!("  contacts       {}", number("contacts")));
    lines.push(format!("  conversations  {}", number("conversations")));
    lines.push(format!("  undelivered    {}", number("outbox")));
    if let Some(bytes) = stats["store"]["bytes"].as_u64() {
        let health = text::one_line(stats["store"]["health"].as_str().unwrap_or_default());
        lines.push(format!("  on disk        {:.1} MB, {health}", bytes as f64 / 1e6));
    }
    if let Some(last) = stats["other_copy"]["last"].as_str() {
        lines.push(format!(
            "  copy           another copy of this data wrote something {}; only one may run",
            text::local_time(last)
        ));
    }
    for skew in list(stats, "clock_skew") {
        let ms = skew["ms"].as_i64().unwrap_or(0);
        if ms.unsigned_abs() >= NOTABLE_SKEW_MS {
            let direction = if ms > 0 { "ahead of" } else { "behind" };
            lines.push(format!(
                "  clock          a contact's device is {} s {direction} this one",
                ms.unsigned_abs() / 1_000
            ));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn list<'a>(stats: &'a Value, name: &str) -> &'a [Value] {
    stats[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clocks_that_are_wrong_are_named() {
        let out = Output::plain();
        let stats = |ms: i64| shown(&json!({ "name": "ada", "clock_skew": [{ "ms": ms }] }), &out);
        assert!(!stats(900).contains("clock"), "{}", stats(900));
        assert!(stats(65_000).contains("65 s ahead of this one"));
        assert!(stats(-65_000).contains("65 s behind this one"));
    }

    #[test]
    fn another_copy_that_runs_is_named() {
        let out = Output::plain();
        let copy = json!({ "name": "ada", "other_copy": { "since": "2026-11-20T11:00:00.000Z", "last": "2026-11-20T12:00:00.000Z" } });
        assert!(shown(&copy, &out).contains("another copy of this data wrote something"));
        assert!(!shown(&json!({ "name": "ada", "other_copy": null }), &out).contains("copy"));
    }

    #[test]
    fn a_node_that_does_not_run_says_how_to_start_it() {
        let out = Output::plain();
        assert!(shown(&json!({ "name": "ada" }), &out).contains("parlour up"));
        let stats = json!({ "name": "ada", "running": true, "api": "http://127.0.0.1:7700", "uptime_s": 3_720 });
        let running = shown(&stats, &out);
        assert!(
            running.contains("for 1 h 2 min") && running.contains("http://127.0.0.1:7700"),
            "{running}"
        );
    }
}

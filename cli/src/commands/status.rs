//! `parlour status`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::client::Client;
use crate::output::Output;
use crate::text;

/// Show how the node is: addresses, peers, what waits to be delivered
#[derive(Debug, Args)]
pub(crate) struct Status {}

impl Status {
    pub(crate) async fn run(self, client: &Client, out: &Output) -> Result<ExitCode> {
        let mut stats = client.get(&["stats"], &[]).await?;
        stats["running"] = json!(!client.is_embedded());
        if client.is_embedded() {
            stats["api"] = Value::Null;
        }
        out.data(&stats, || shown(&stats))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn shown(stats: &Value) -> String {
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
    } else {
        lines.push("  not running    start it with `parlour up`".to_owned());
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
    for peer in list(stats, "unreachable") {
        let (id, reason) = (
            peer["peer_id"].as_str().unwrap_or_default(),
            peer["reason"].as_str().unwrap_or_default(),
        );
        lines.push(format!(
            "  cannot reach   {}: {}",
            text::one_line(id),
            text::one_line(reason)
        ));
    }
    lines.push(format!("  contacts       {}", number("contacts")));
    lines.push(format!("  conversations  {}", number("conversations")));
    lines.push(format!("  undelivered    {}", number("outbox")));
    if let Some(bytes) = stats["store"]["bytes"].as_u64() {
        let health = text::one_line(stats["store"]["health"].as_str().unwrap_or_default());
        lines.push(format!("  on disk        {:.1} MB, {health}", bytes as f64 / 1e6));
    }
    for skew in list(stats, "clock_skew") {
        let seconds = skew["ms"].as_i64().unwrap_or(0) / 1_000;
        lines.push(format!("  clock          {seconds} s from that of a contact's device"));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn list<'a>(stats: &'a Value, name: &str) -> &'a [Value] {
    stats[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

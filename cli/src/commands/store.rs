//! `parlour store`: looks after what is on disk, while no node runs.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use parlour_node::{DataDir, NodeError, OfflineAccount};
use parlour_store::{AuditReport, Compacted, LockError, Problem, check};
use serde_json::{Value, json};

use crate::args::Global;
use crate::connect::data_dir;
use crate::failure::needs_password;
use crate::output::Output;
use crate::password;

const EXAMPLES: &str = "\
Examples:
  parlour store check             reads every message and compares every index with it
  parlour store check --json
  parlour store compact           gives back the space that old forms of rows take
  parlour store reindex           makes the search index anew

The node must not run meanwhile. Exit status of check: 0 all is well, 1 something is wrong.";

const CHECK_EXAMPLES: &str = "\
Reads every row, verifies its seal, verifies the signature of every message, and compares logs, timelines, conversations, the
stream of changes and the search index with the messages. Changes nothing but the index, which is brought up to date first.

Examples:
  parlour store check
  parlour store check --json | jq '.problems[].what'";

const COMPACT_EXAMPLES: &str = "\
Writes all rows into new files, reads them back, and puts them in place of the old ones. It can be cut off at any time. It
needs as much free space as the history takes.

Example:
  parlour store compact";

const REINDEX_EXAMPLES: &str = "\
Example:
  parlour store reindex";

/// Check, compact or reindex what is on disk
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Store {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Task {
    /// Read everything, compare it, and say what is wrong
    #[command(after_help = CHECK_EXAMPLES)]
    Check,
    /// Rewrite the history so that it takes less space
    #[command(after_help = COMPACT_EXAMPLES)]
    Compact,
    /// Make the search index anew
    #[command(after_help = REINDEX_EXAMPLES)]
    Reindex,
}

impl Store {
    /// # Errors
    /// A node runs, the account cannot be opened, or the disk fails.
    pub(crate) fn run(self, global: &Global, out: &Output) -> Result<ExitCode> {
        let account = open(global)?;
        match self.task {
            Task::Check => run_check(&account, out),
            Task::Compact => run_compact(&account, out),
            Task::Reindex => run_reindex(&account, out),
        }
    }
}

/// Unlocks the account, asking for its password if need be, and keeps nodes out.
fn open(global: &Global) -> Result<OfflineAccount> {
    let data = DataDir::new(data_dir(global)?);
    let given = password::given(global)?;
    let name = global.account.as_deref();
    let opened = match OfflineAccount::unlock(&data, name, given.as_ref().map(|p| p.as_str())) {
        Err(error) if given.is_none() && needs_password(&error) => {
            OfflineAccount::unlock(&data, name, Some(password::ask_once()?.as_str()))
        }
        opened => opened,
    };
    match opened {
        Err(error @ NodeError::Lock(LockError::InUse { .. })) => {
            Err(anyhow::Error::new(error).context("stop the node first"))
        }
        opened => Ok(opened?),
    }
}

fn run_check(account: &OfflineAccount, out: &Output) -> Result<ExitCode> {
    let (store, opened) = account.open_store()?;
    let mut damage: Vec<String> = opened.damage.iter().map(ToString::to_string).collect();
    if let Some(aside) = opened.set_aside.as_ref().filter(|_| !damage.is_empty()) {
        damage.push(format!("the files as they were found are in {}", aside.display()));
    }
    let report = check(&store, |what, count| progress(out, what, count))?;
    drop(store);
    let sound = damage.is_empty() && report.problem_count == 0;
    out.data(&check_json(&report, &damage), || check_text(&report, &damage))?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn progress(out: &Output, what: &str, count: u64) {
    if out.is_watched() && count > 0 {
        out.note(&format!("{count} {what} read"));
    }
}

fn check_json(report: &AuditReport, damage: &[String]) -> Value {
    let problems: Vec<Value> = report
        .problems
        .iter()
        .map(|one| json!({ "what": one.to_string(), "help": one.help() }))
        .collect();
    json!({
        "ok": damage.is_empty() && report.problem_count == 0,
        "rows": report.rows,
        "events": report.events,
        "messages_shown": report.shown,
        "messages_indexed": report.indexed,
        "damage": damage,
        "problems": problems,
        "problem_count": report.problem_count,
    })
}

fn check_text(report: &AuditReport, damage: &[String]) -> String {
    let mut lines: Vec<String> = damage.iter().map(|one| format!("damage: {one}")).collect();
    lines.extend(report.problems.iter().map(|one| format!("wrong: {one}")));
    let unnamed = report.problem_count.saturating_sub(report.problems.len() as u64);
    if unnamed > 0 {
        lines.push(format!("and {unnamed} more"));
    }
    let mut helps: Vec<&str> = report.problems.iter().map(Problem::help).collect();
    helps.sort_unstable();
    helps.dedup();
    lines.extend(helps.into_iter().map(|help| format!("help: {help}")));
    lines.push(format!(
        "{} rows, {} events, {} messages shown, {} in the search index: {}",
        report.rows,
        report.events,
        report.shown,
        report.indexed,
        if damage.is_empty() && report.problem_count == 0 {
            "all is well".to_owned()
        } else {
            format!("{} wrong", report.problem_count.saturating_add(damage.len() as u64))
        }
    ));
    lines.join("\n")
}

fn run_compact(account: &OfflineAccount, out: &Output) -> Result<ExitCode> {
    let mut told = 0;
    let Compacted { before, after, rows } = account.compact(|rows| {
        if rows >= told + 100_000 {
            told = rows;
            progress(out, "rows", rows);
        }
    })?;
    let value = json!({ "bytes_before": before, "bytes_after": after, "rows": rows });
    out.data(&value, || {
        format!("{rows} rows: {} before, {} after", size(before), size(after))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn run_reindex(account: &OfflineAccount, out: &Output) -> Result<ExitCode> {
    let (store, _) = account.open_store()?;
    let count = store.finder().rebuild(&store, |done| progress(out, "messages", done))?;
    drop(store);
    out.data(&json!({ "messages_indexed": count }), || {
        format!("{count} messages in the search index")
    })?;
    Ok(ExitCode::SUCCESS)
}

fn size(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_what_helps_once() {
        let text = check_text(&AuditReport::default(), &["a file is gone".to_owned()]);
        assert!(text.starts_with("damage: a file is gone\n"), "{text}");
        assert!(text.ends_with("1 wrong"), "{text}");
        let text = check_text(&AuditReport::default(), &[]);
        assert!(text.ends_with("all is well"), "{text}");
    }
}

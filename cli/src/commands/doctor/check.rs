//! One finding, and all of them together: as lines for people, as JSON for programs.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::output::Output;
use crate::text;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Ok,
    Warn,
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub area: &'static str,
    pub name: String,
    pub level: Level,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Post-quantum refreshes that the sessions with a contact have had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refreshes: Option<u64>,
}

impl Check {
    pub(crate) fn ok(area: &'static str, name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            area,
            name: name.into(),
            level: Level::Ok,
            detail: detail.into(),
            since: None,
            help: None,
            refreshes: None,
        }
    }

    pub(crate) fn warn(area: &'static str, name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            level: Level::Warn,
            ..Self::ok(area, name, detail)
        }
    }

    pub(crate) fn bad(area: &'static str, name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            level: Level::Bad,
            ..Self::ok(area, name, detail)
        }
    }

    /// What would help.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// Since when, as the API says it.
    pub(crate) fn since(self, since: Option<&str>) -> Self {
        Self {
            since: since.map(str::to_owned),
            ..self
        }
    }

    /// How often the sessions with a contact were refreshed.
    pub(crate) fn refreshes(self, refreshes: Option<u64>) -> Self {
        Self { refreshes, ..self }
    }

    fn line(&self, now: Timestamp) -> String {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Bad => "bad",
        };
        let what = format!("{} {}", self.area, text::one_line(&self.name));
        let mut line = format!("{level:<5} {what:<27} {}", text::one_line(&self.detail));
        match self.refreshes {
            None | Some(0) => {}
            Some(1) => line.push_str(", 1 post-quantum refresh"),
            Some(more) => line.push_str(&format!(", {more} post-quantum refreshes")),
        }
        if let Some(since) = &self.since {
            line.push_str(&format!(
                " (since {}, {})",
                text::local_time(since),
                text::ago(since, now)
            ));
        }
        if let Some(help) = self.help.as_ref().filter(|_| self.level != Level::Ok) {
            line.push_str(&format!("\n{:34}help: {}", "", text::one_line(help)));
        }
        line.push('\n');
        line
    }
}

/// Everything that was looked at, in order.
#[derive(Debug)]
pub(crate) struct Report {
    strict: bool,
    checks: Vec<Check>,
}

impl Report {
    pub(crate) fn new(strict: bool) -> Self {
        Self {
            strict,
            checks: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    pub(crate) fn extend(&mut self, checks: impl IntoIterator<Item = Check>) {
        self.checks.extend(checks);
    }

    /// Lets the commands that would help be for the same data as this one.
    pub(crate) fn address(&mut self, out: &Output) {
        for help in self.checks.iter_mut().filter_map(|check| check.help.as_mut()) {
            *help = out.addressed(help);
        }
    }

    /// Nothing is bad; if strict, nothing is worth a warning either.
    pub(crate) fn is_ok(&self) -> bool {
        let limit = if self.strict { Level::Ok } else { Level::Warn };
        self.checks.iter().all(|check| check.level <= limit)
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "ok": self.is_ok(), "checks": self.checks })
    }

    /// What is not in order, or everything, and one line that counts.
    pub(crate) fn text(&self, all: bool) -> String {
        let now = Timestamp::now();
        let shown = self.checks.iter().filter(|check| all || check.level != Level::Ok);
        let mut lines: String = shown.map(|check| check.line(now)).collect();
        let count = |level| self.checks.iter().filter(|check| check.level == level).count();
        lines.push_str(&match (count(Level::Bad), count(Level::Warn), count(Level::Ok)) {
            (0, 0, ok) => format!("all well: {ok} checks\n"),
            (bad, warn, ok) => format!("{bad} bad, {warn} to look at, {ok} in order\n"),
        });
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(strict: bool, checks: Vec<Check>) -> Report {
        Report { strict, checks }
    }

    #[test]
    fn warnings_count_only_when_asked_to() {
        let warned = vec![Check::ok("a", "b", "c"), Check::warn("a", "b", "c")];
        assert!(report(false, warned.clone()).is_ok());
        assert!(!report(true, warned).is_ok());
        assert!(!report(false, vec![Check::bad("a", "b", "c")]).is_ok());
    }

    #[test]
    fn refreshes_are_said_in_both_forms() {
        let refreshed = |count| Check::ok("contact", "bob", "connected").refreshes(Some(count));
        let found = report(false, vec![refreshed(0), refreshed(1), refreshed(12)]);
        let shown = found.text(true);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[0].ends_with("connected"), "{shown}");
        assert!(lines[1].ends_with("connected, 1 post-quantum refresh"), "{shown}");
        assert!(lines[2].ends_with("connected, 12 post-quantum refreshes"), "{shown}");
        assert_eq!(found.json()["checks"][2]["refreshes"], 12);
    }

    #[test]
    fn only_problems_are_shown_with_their_help_and_foreign_names_cannot_act() {
        let checks = vec![
            Check::ok("disk", "space", "plenty"),
            Check::warn("contact", "bo\u{1b}\nb", "away").help("wait"),
        ];
        let report = report(false, checks);
        let shown = report.text(false);
        assert_eq!(shown.lines().count(), 3, "{shown}");
        assert!(
            shown.starts_with("warn  contact bo␛␊b") && shown.contains("help: wait"),
            "{shown}"
        );
        assert!(shown.ends_with("0 bad, 1 to look at, 1 in order\n"), "{shown}");
        assert!(report.text(true).contains("plenty"));
        assert_eq!(report.json()["checks"][1]["level"], "warn");
        assert!(report.json()["checks"][1].get("refreshes").is_none());
        assert!(report.json()["checks"][1].get("since").is_none());
    }
}

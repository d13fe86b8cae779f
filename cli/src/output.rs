//! All that the program prints: data on stdout, as text for people or as JSON; everything else on stderr. Nothing else in
//! the program prints, so text of other people passes here and cannot act on the terminal.

use std::io::{self, IsTerminal, Write};

use serde_json::{Value, json};

use crate::args::Global;
use crate::client::CallError;
use crate::failure;
use crate::text;

/// Where results and remarks go.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    json: bool,
    /// How commands begin that are meant for the same data as this one.
    program: String,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let mut program = "parlour ".to_owned();
        if let Some(data) = &global.data {
            program.push_str(&format!("--data {} ", text::quoted(&data.to_string_lossy())));
        }
        if let Some(account) = &global.account {
            program.push_str(&format!("--account {} ", text::quoted(account)));
        }
        Self {
            json: global.json,
            program,
        }
    }

    /// As if nothing had been said of data and accounts.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self {
            json: false,
            program: "parlour ".to_owned(),
        }
    }

    /// Commands that a text of ours names, with what this one was given to find its data.
    pub(crate) fn addressed(&self, remark: &str) -> String {
        remark.replace("`parlour ", &format!("`{}", self.program))
    }

    /// A command, with what this one was given to find its data.
    pub(crate) fn command(&self, command: &str) -> String {
        command.replacen("parlour ", &self.program, 1)
    }

    /// Whether a program reads the results.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person sees the remarks.
    pub(crate) fn is_watched(&self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// The result of a command.
    ///
    /// # Errors
    /// Nobody reads stdout any more.
    pub(crate) fn data(&self, value: &Value, text: impl FnOnce() -> String) -> io::Result<()> {
        if !self.json {
            return print(&text::visible(&text()));
        }
        let pretty = io::stdout().is_terminal();
        let json = if pretty {
            serde_json::to_string_pretty(value)?
        } else {
            serde_json::to_string(value)?
        };
        print(&text::json_visible(&json))
    }

    /// One of many results: always one line of JSON.
    ///
    /// # Errors
    /// Nobody reads stdout any more.
    pub(crate) fn item(&self, value: &Value, text: impl FnOnce() -> String) -> io::Result<()> {
        if self.json {
            print(&text::json_visible(&serde_json::to_string(value)?))
        } else {
            print(&text::visible(&text()))
        }
    }

    /// Bytes made by this program itself, such as a completion script.
    ///
    /// # Errors
    /// Nobody reads stdout any more.
    pub(crate) fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// A remark for the person at the terminal.
    pub(crate) fn note(&self, text: &str) {
        remark(&text::visible(&self.addressed(text)));
    }

    /// A question to the person at the terminal, answered on the same line.
    pub(crate) fn ask(&self, question: &str) -> io::Result<String> {
        let mut stderr = io::stderr().lock();
        write!(stderr, "{question} ")?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }

    /// Why the command failed.
    pub(crate) fn failure(&self, error: &anyhow::Error) {
        if !self.json {
            return self.note(&format!("parlour: {error:#}"));
        }
        let mut fields = json!({ "message": self.addressed(&format!("{error:#}")) });
        fields["code"] = json!(failure::code(error));
        if let Some(CallError::Refused(problem)) = error.downcast_ref::<CallError>()
            && !problem.candidates.is_null()
        {
            fields["candidates"] = problem.candidates.clone();
        }
        remark(&text::json_visible(&json!({ "error": fields }).to_string()));
    }
}

/// What was typed is not understood; said by a program that has not begun, to one that asked for JSON.
pub(crate) fn wrong_usage(message: &str) {
    remark(&text::json_visible(
        &json!({ "error": { "code": "usage", "message": message } }).to_string(),
    ));
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') && !text.is_empty() {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

/// A remark nobody can read is no reason to fail.
fn remark(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

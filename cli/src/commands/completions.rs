//! `parlour completions`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;
use serde_json::json;

use crate::args::command_line;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  parlour completions bash > ~/.local/share/bash-completion/completions/parlour
  parlour completions zsh > ~/.zfunc/_parlour
  parlour completions fish > ~/.config/fish/completions/parlour.fish

With --json the script is the field `script` of an object.";

/// Print a script that lets a shell complete commands and options
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, out: &Output) -> Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command_line(), "parlour", &mut script);
        if out.is_json() {
            let script = String::from_utf8_lossy(&script);
            out.data(
                &json!({ "shell": self.shell.to_string(), "script": script }),
                String::new,
            )?;
        } else {
            out.raw(&script)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

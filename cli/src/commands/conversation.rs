//! `parlour conversation`: how a conversation of any kind is kept. `contacts` and `timer` do the same for those who look there.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use crate::args::{duration, moment};
use crate::client::Client;
use crate::commands::contacts::{keep, mute_until};
use crate::commands::timer::Timer;
use crate::connect::Reach;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  parlour conversation mute garden --for 8h
  parlour conversation unmute garden
  parlour conversation archive bob         comes back with the next message
  parlour conversation unarchive bob
  parlour conversation timer garden 1d     new messages disappear a day after they were written; `off` ends that";

/// Mute a conversation, archive it, or have its messages disappear
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Conversation {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Do not be disturbed by what is said there; it comes all the same
    Mute {
        /// A contact's or room's name or id
        #[arg(value_name = "WHO")]
        who: String,
        /// For how long; without it, until `unmute`
        #[arg(long = "for", value_name = "TIME", value_parser = duration, conflicts_with = "until")]
        lasts: Option<Duration>,
        /// Until when, such as 2026-12-24T18:00:00Z
        #[arg(long, value_name = "TIME", value_parser = moment)]
        until: Option<Timestamp>,
    },
    /// Be disturbed again
    Unmute {
        /// A contact's or room's name or id
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Put it away; the next message brings it back
    Archive {
        /// A contact's or room's name or id
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Take it back out
    Unarchive {
        /// A contact's or room's name or id
        #[arg(value_name = "WHO")]
        who: String,
    },
    Timer(Timer),
}

impl Conversation {
    pub(crate) fn reach(&self) -> Reach {
        match self.action {
            Action::Timer(_) => Reach::Disk,
            _ => Reach::Network,
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let (who, wish) = match &self.action {
            Action::Timer(timer) => return timer.run(client, out).await,
            Action::Mute { who, lasts, until } => (who, json!({ "muted_until": mute_until(*lasts, *until) })),
            Action::Unmute { who } => (who, json!({ "muted_until": null })),
            Action::Archive { who } => (who, json!({ "archived": true })),
            Action::Unarchive { who } => (who, json!({ "archived": false })),
        };
        keep(client, out, who, &wish).await
    }
}

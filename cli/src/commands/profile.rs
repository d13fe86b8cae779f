//! `parlour profile`, `parlour avatar`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use parlour_crypto::{MAX_AVATAR, image_kind};
use serde_json::{Value, json};

use crate::args::{duration, emoji};
use crate::client::Client;
use crate::output::Output;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  parlour profile                                what contacts see
  parlour profile bob                            what bob says about himself
  parlour profile set --about \"gardener\" --pronouns she/her
  parlour profile set --status \"on holiday\" --emoji 🌴 --status-for 7d
  parlour profile set --status \"\"               no status any more";

/// Show or change what you say about yourself
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Profile {
    #[command(subcommand)]
    action: Option<Action>,
    /// A contact whose profile to show, instead of your own
    #[arg(value_name = "WHO")]
    who: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Change what is given; an empty text takes it away
    #[command(group = ArgGroup::new("given").multiple(true).required(true))]
    Set {
        /// Display name
        #[arg(long, value_name = "TEXT", group = "given")]
        name: Option<String>,
        /// Who you are, at most 512 bytes
        #[arg(long, value_name = "TEXT", group = "given")]
        about: Option<String>,
        /// How others speak of you
        #[arg(long, value_name = "TEXT", group = "given")]
        pronouns: Option<String>,
        /// What you do just now
        #[arg(long, value_name = "TEXT", group = "given")]
        status: Option<String>,
        /// The same as a picture: exactly one emoji
        #[arg(long, value_name = "EMOJI", value_parser = emoji_or_none, group = "given")]
        emoji: Option<String>,
        /// How long the status lasts
        #[arg(long, value_name = "TIME", value_parser = duration, group = "given")]
        status_for: Option<Duration>,
    },
}

impl Profile {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let profile = match (&self.action, &self.who) {
            (Some(action), _) => client.patch(&["me", "profile"], &action.wish()).await?,
            (None, None) => client.get(&["me", "profile"], &[]).await?,
            (None, Some(who)) => {
                let contact = client.get(&["contacts", who], &[]).await?;
                let mut profile = contact["profile"].clone();
                profile["name"] = contact["name"].clone();
                profile
            }
        };
        out.data(&profile, || shown(&profile))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Action {
    fn wish(&self) -> Value {
        let Self::Set {
            name,
            about,
            pronouns,
            status,
            emoji,
            status_for,
        } = self;
        let mut wish = json!({});
        let texts = [
            ("name", name),
            ("about", about),
            ("pronouns", pronouns),
            ("status", status),
            ("status_emoji", emoji),
        ];
        for (field, text) in texts {
            if let Some(text) = text {
                wish[field] = json!(text);
            }
        }
        match status_for.map(|lasts| Timestamp::now().checked_add(lasts).unwrap_or(Timestamp::MAX)) {
            Some(until) => wish["status_expires_at"] = json!(format!("{until:.3}")),
            // A new status does not end when the last one would have.
            None if status.is_some() || emoji.is_some() => wish["status_expires_at"] = Value::Null,
            None => {}
        }
        wish
    }
}

fn emoji_or_none(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Ok(String::new())
    } else {
        emoji(text)
    }
}

fn shown(profile: &Value) -> String {
    let field = |name: &str| profile[name].as_str().map(text::one_line);
    let mut lines = format!("{}\n", field("name").unwrap_or_default());
    let status: Vec<String> = [field("status_emoji"), field("status")].into_iter().flatten().collect();
    let until = profile["status_expires_at"]
        .as_str()
        .map(|time| format!(" (until {})", text::local_time(time)));
    for (what, value) in [
        ("pronouns", field("pronouns")),
        (
            "status",
            Some(status.join(" "))
                .filter(|status| !status.is_empty())
                .map(|s| s + &until.unwrap_or_default()),
        ),
        ("about", profile["about"].as_str().map(|about| text::hanging(about, 12))),
        ("picture", field("avatar")),
    ] {
        if let Some(value) = value {
            lines.push_str(&format!("  {what:<10}{value}\n"));
        }
    }
    lines
}

const AVATAR_EXAMPLES: &str = "\
Examples:
  parlour avatar set me.png        PNG, JPEG, GIF or WebP; at most 512 × 512 pixels and 24 KiB
  parlour avatar clear";

/// Set or take away the picture that contacts see
#[derive(Debug, Args)]
#[command(after_help = AVATAR_EXAMPLES)]
pub(crate) struct Avatar {
    #[command(subcommand)]
    action: AvatarAction,
}

#[derive(Debug, Subcommand)]
enum AvatarAction {
    /// Take a picture from a file
    Set {
        /// PNG, JPEG, GIF or WebP; at most 512 × 512 pixels and 24 KiB
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Have none
    Clear,
}

impl Avatar {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        match &self.action {
            AvatarAction::Set { file } => {
                let bytes = read_picture(file)?;
                let kind = image_kind(&bytes)?;
                client.put_bytes(&["me", "avatar"], kind.media_type(), bytes).await?;
            }
            AvatarAction::Clear => client.delete(&["me", "avatar"]).await?,
        }
        let profile = client.get(&["me", "profile"], &[]).await?;
        out.data(&profile, || shown(&profile))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads a picture from a file that is small enough to be one.
pub(super) fn read_picture(file: &std::path::Path) -> Result<Vec<u8>> {
    let name = file.display();
    let size = std::fs::metadata(file)
        .with_context(|| format!("cannot read {name}"))?
        .len();
    if size > MAX_AVATAR as u64 {
        bail!("{name} is {size} bytes long; a picture has at most {MAX_AVATAR}");
    }
    std::fs::read(file).with_context(|| format!("cannot read {name}"))
}

//! `parlour send`

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use data_encoding::HEXLOWER;
use parlour_crypto::MAX_TEXT;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::args::{Expiry, Global, duration, emoji, expiry};
use crate::client::{CallError, Client};
use crate::output::Output;
use crate::view::Message;

/// A request whose answer was lost is repeated this often; its client id keeps it one message.
const REPEATS: u32 = 2;
const REPEAT_PAUSE: Duration = Duration::from_millis(200);
/// How long a node that runs for this command alone tries to deliver, unless told otherwise.
const EMBEDDED_WAIT: Duration = Duration::from_secs(10);
const WAIT: Duration = Duration::from_secs(20);

const EXAMPLES: &str = "\
Examples:
  parlour send bob \"see you at eight\"
  parlour send bob --wait delivered --timeout 1m \"are you there?\"
  df -h | parlour send bob -
  parlour send bob --reply-to msg_ab3cde7h \"yes, at eight\"
  parlour send garden --thread msg_ab3cde7h \"and the beans?\"
  parlour send bob --location 52.5200,13.4050 --place \"the weir\"
  parlour send bob --sticker 🌱
  parlour send bob --expires 1h \"the code is 4711\"       gone on both sides after an hour
  parlour send bob --view-once \"only look once\"

The message is safe once this command says yes: it is delivered when both nodes run, however much later that is.";

/// Send a text, a place or a sticker to somebody or into a room
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Send {
    /// A contact's or room's name or id, or `notes`
    #[arg(value_name = "TO")]
    to: String,
    /// The text; `-`, or none when stdin is no terminal, reads it from stdin
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    text: Option<String>,
    /// Wait until it has left, until every device of theirs has it on disk, or until they say they have read it
    #[arg(long, value_enum, value_name = "STATE")]
    wait: Option<Wait>,
    /// How long to wait; after that the exit status is 1, and the message is still on its way
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// The message it answers: its id or the beginning of it
    #[arg(long, visible_alias = "reply-to", value_name = "ID")]
    reply: Option<String>,
    /// The thread it belongs to: the id of its root, or the beginning of it
    #[arg(long, value_name = "ID")]
    thread: Option<String>,
    /// Send a place instead of a text, in degrees: north of the equator, east of Greenwich
    #[arg(long, value_name = "LAT,LON", value_parser = degrees, allow_hyphen_values = true, conflicts_with_all = ["text", "sticker"])]
    location: Option<Degrees>,
    /// What the place is called
    #[arg(long, value_name = "NAME", requires = "location", conflicts_with_all = ["text", "sticker"])]
    place: Option<String>,
    /// Send a sticker instead of a text: exactly one emoji
    #[arg(long, value_name = "EMOJI", value_parser = emoji, conflicts_with = "text")]
    sticker: Option<String>,
    /// Call somebody by name; repeat for more
    #[arg(long, value_name = "WHO")]
    mention: Vec<String>,
    /// Disappear on both sides after this time, from 5s to 365d, or `off` [default: as `parlour timer` says]
    #[arg(long, value_name = "TIME", value_parser = expiry)]
    expires: Option<Expiry>,
    /// They can look once, on demand
    #[arg(long, conflicts_with = "view_twice")]
    view_once: bool,
    /// They can look twice, on demand
    #[arg(long)]
    view_twice: bool,
    /// A name for this sending: the same name twice is one message
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
}

/// A latitude and a longitude.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Degrees(f64, f64);

fn degrees(text: &str) -> Result<Degrees, String> {
    let parts = text.split_once(',').map(|(a, b)| (a.trim().parse(), b.trim().parse()));
    match parts {
        Some((Ok(latitude), Ok(longitude))) => Ok(Degrees(latitude, longitude)),
        _ => Err("a place is two numbers of degrees with a comma between them, such as 52.52,13.405".to_owned()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    Sent,
    Delivered,
    Read,
}

/// A message that can be sent.
#[derive(Debug)]
pub(crate) struct Ready {
    to: String,
    wait: Option<Wait>,
    timeout: Option<Duration>,
    body: Value,
}

impl Send {
    /// Takes the text from where it is.
    ///
    /// # Errors
    /// There is none, or it is too long.
    pub(crate) fn read(self, global: &Global) -> Result<Ready> {
        let mut body = match (self.location, self.sticker) {
            (Some(Degrees(latitude, longitude)), _) => json!({
                "location": { "latitude": latitude, "longitude": longitude, "name": self.place },
            }),
            (None, Some(emoji)) => json!({ "sticker": { "emoji": emoji } }),
            (None, None) => {
                json!({ "text": given_text(self.text, global, &format!("parlour send {} \"text\"", self.to))? })
            }
        };
        if let Some(id) = self.client_id {
            body["client_id"] = json!(id);
        }
        if let Some(root) = self.thread {
            body["thread"] = json!(root);
        }
        if let Some(reply) = self.reply {
            body["reply_to"] = json!(reply);
        }
        if !self.mention.is_empty() {
            body["mentions"] = json!(self.mention);
        }
        if let Some(Expiry(after)) = self.expires {
            body["expires_after_ms"] = json!(after);
        }
        if self.view_once || self.view_twice {
            body["view_once"] = json!(if self.view_twice { 2 } else { 1 });
        }
        Ok(Ready {
            timeout: self.timeout,
            ..Ready::new(&self.to, self.wait, body)?
        })
    }
}

impl Ready {
    /// A message as the API takes it, with a client id if it has none.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn new(to: &str, wait: Option<Wait>, mut body: Value) -> Result<Self> {
        if body["client_id"].is_null() {
            body["client_id"] = json!(random_id()?);
        }
        Ok(Self {
            to: to.to_owned(),
            wait,
            timeout: None,
            body,
        })
    }

    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let (goal, patience) = self.goal(client);
        let deadline = Instant::now() + patience;
        let sent = self.post(client).await?;
        let id = sent["id"].as_str().context("the node's answer has no message id")?;
        let read = async || client.get(&["messages", id], &[]).await;
        let waited = match goal {
            Some(goal) => {
                client
                    .wait_until(deadline, read, |message| goal.is_reached(message))
                    .await
            }
            None => read().await.map(|message| (message, true)),
        };
        let (message, reached) = waited.context("the message is accepted, but what became of it is not known")?;
        out.data(&message, || told(&message, goal.is_some()))?;
        if !reached && client.is_embedded() {
            out.note("queued; will be delivered when a node runs: `parlour up`");
        } else if !reached {
            out.note("not there yet; the node keeps trying");
        }
        let failed = !reached && self.wait.is_some();
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// A node that lives only for this command is kept until it has done its work.
    fn goal(&self, client: &Client) -> (Option<Wait>, Duration) {
        match self.wait {
            None if client.is_embedded() => (Some(Wait::Delivered), self.timeout.unwrap_or(EMBEDDED_WAIT)),
            wait => (wait, self.timeout.unwrap_or(WAIT)),
        }
    }

    async fn post(&self, client: &Client) -> Result<Value, CallError> {
        let mut repeats = 0;
        loop {
            match client.post(&["conversations", &self.to, "messages"], &self.body).await {
                Err(CallError::Unreachable(_)) if repeats < REPEATS => repeats += 1,
                answer => return answer,
            }
            sleep(REPEAT_PAUSE).await;
        }
    }
}

impl Wait {
    fn is_reached(self, message: &Value) -> bool {
        match message["status"].as_str() {
            Some("read") => true,
            Some("delivered") => self != Self::Read,
            Some("sent") => self == Self::Sent,
            _ => false,
        }
    }
}

fn told(message: &Value, waited: bool) -> String {
    let shown = Message::of(message);
    let mut text = match shown.status.as_str() {
        "read" => return "Read.\n".to_owned(),
        "delivered" => "Delivered.\n".to_owned(),
        _ if !waited => return "Accepted; on its way.\n".to_owned(),
        "sent" => "Sent; they have not confirmed it yet.\n".to_owned(),
        _ => "Queued.\n".to_owned(),
    };
    text.push_str(&shown.whereabouts(|device| !matches!(device.state.as_str(), "delivered" | "read")));
    text
}

/// The text given as an argument, or on stdin.
///
/// # Errors
/// There is none, or it is too long.
pub(crate) fn given_text(text: Option<String>, global: &Global, usage: &str) -> Result<String> {
    let text = match text {
        Some(text) if text != "-" => text,
        None if io::stdin().is_terminal() => bail!("say what to write: {usage}"),
        _ if global.password_stdin => bail!("stdin cannot hold both the password and the text"),
        _ => from_stdin()?,
    };
    if text.len() > MAX_TEXT {
        bail!(
            "the text is {} bytes long; a message holds at most {MAX_TEXT}",
            text.len()
        );
    }
    Ok(text)
}

/// The text on stdin, without the line break programs end it with; never more than is needed to see that it is too long.
fn from_stdin() -> Result<String> {
    let mut text = String::new();
    let limit = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX).saturating_add(3);
    let read = io::stdin().lock().take(limit).read_to_string(&mut text);
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            bail!("the text on stdin is not UTF-8, or longer than {MAX_TEXT} bytes")
        }
        read => read.context("cannot read the text from stdin")?,
    };
    if text.len() > MAX_TEXT + 2 {
        bail!("the text on stdin is longer than the {MAX_TEXT} bytes a message holds");
    }
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn random_id() -> Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    Ok(HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivered_counts_as_sent_and_not_the_other_way_round() {
        let message = |status: &str| json!({ "status": status });
        assert!(Wait::Sent.is_reached(&message("delivered")) && Wait::Sent.is_reached(&message("sent")));
        assert!(Wait::Delivered.is_reached(&message("delivered")) && !Wait::Delivered.is_reached(&message("sent")));
        assert!(!Wait::Sent.is_reached(&message("sending")));
        assert!(Wait::Read.is_reached(&message("read")) && !Wait::Read.is_reached(&message("delivered")));
        assert!(Wait::Delivered.is_reached(&message("read")));
    }

    #[test]
    fn what_is_not_delivered_says_why() {
        let devices = json!([
            { "name": "bo", "device_id": "dev_aaaaaaaaaa", "state": "queued", "reason": "not reachable" },
            { "name": "bo", "device_id": "dev_bbbbbbbbbb", "state": "delivered" },
        ]);
        let message = json!({ "status": "sending", "devices": devices });
        assert_eq!(told(&message, false), "Accepted; on its way.\n");
        let shown = told(&message, true);
        assert_eq!(shown, "Queued.\n  bo (dev_aaaaaaaa): queued: not reachable\n");
    }

    #[test]
    fn client_ids_differ() {
        assert_ne!(random_id().unwrap(), random_id().unwrap());
    }
}

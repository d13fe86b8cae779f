//! The command line: what can be typed. What it does is in [`crate::commands`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use jiff::Timestamp;

use crate::commands::account::Account;
use crate::commands::accounts::Accounts;
use crate::commands::draft::{Draft, Typing};
use crate::commands::notes::Notes;
use crate::commands::poll::Poll;
use crate::commands::presence::Presence;
use crate::commands::profile::{Avatar, Profile};
use crate::commands::read::Read;
use crate::commands::requests::Requests;
use crate::commands::room::Room;
use crate::commands::settings::Settings;
use crate::commands::thread::Thread;
use crate::commands::token::Token;
use crate::commands::webhook::Webhook;
use crate::commands::{
    add::Add, bench::Bench, completions::Completions, contacts::Contacts, conversation::Conversation, demo::Demo,
    doctor::Doctor, health::Health, history::History, init::Init, invite::Invite, message::Message, open::Open,
    pins::Pins, search::Search, send::Send, status::Status, store::Store, tail::Tail, timer::Timer, up::Up,
    whoami::Whoami,
};
use crate::text;

const EXAMPLES: &str = "\
First steps:
  parlour init --name ada        make an account; shows 24 words, once
  parlour up                     run the node
  parlour invite                 a link for somebody you want to talk to
  parlour add parlour:... --petname bo
  parlour send bo \"hello\"
  parlour tail -f                what is said, as it comes

Just looking:
  parlour demo                   three throw-away nodes that talk to each other

Results go to stdout, all else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage.";

/// Private rooms with no landlord: a peer-to-peer chat node and its command line.
#[derive(Debug, Parser)]
#[command(name = "parlour", version, about, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every command understands, before or after its name.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Where the node keeps everything [default: the platform's data directory]
    #[arg(
        long,
        global = true,
        env = "PARLOUR_DATA",
        value_name = "DIR",
        help_heading = "Everywhere"
    )]
    pub data: Option<PathBuf>,
    /// Which account, if the data directory has several
    #[arg(
        long,
        global = true,
        env = "PARLOUR_ACCOUNT",
        value_name = "NAME",
        help_heading = "Everywhere"
    )]
    pub account: Option<String>,
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Log more to stderr; repeat for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Everywhere")]
    pub verbose: u8,
    /// Read the account's password from the first line of stdin
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub password_stdin: bool,
    /// Read the account's password from the first line of this file
    #[arg(
        long,
        global = true,
        env = "PARLOUR_PASSWORD_FILE",
        value_name = "FILE",
        help_heading = "Everywhere"
    )]
    pub password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(Up),
    Init(Init),
    Open(Open),
    Demo(Demo),
    Bench(Bench),
    Whoami(Whoami),
    Account(Account),
    Accounts(Accounts),
    Invite(Invite),
    Add(Add),
    Contacts(Contacts),
    Conversation(Conversation),
    Requests(Requests),
    Room(Room),
    Draft(Draft),
    Typing(Typing),
    Send(Send),
    History(History),
    Read(Read),
    Notes(Notes),
    Tail(Tail),
    Search(Search),
    Profile(Profile),
    Avatar(Avatar),
    Presence(Presence),
    Settings(Settings),
    Status(Status),
    Health(Health),
    Doctor(Doctor),
    Store(Store),
    Message(Message),
    Poll(Poll),
    Thread(Thread),
    Pins(Pins),
    Timer(Timer),
    Token(Token),
    Webhook(Webhook),
    Completions(Completions),
}

/// The command line, in which a command without examples of its own shows those of its group that are about it.
pub(crate) fn command_line() -> clap::Command {
    with_examples(Cli::command(), "parlour")
}

fn with_examples(command: clap::Command, path: &str) -> clap::Command {
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command.mut_subcommands(|command| {
        let path = format!("{path} {}", command.get_name());
        let about = |line: &&str| {
            let rest = line.trim_start().strip_prefix(&path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let own: Vec<&str> = examples.lines().filter(about).collect();
        let command = match command.get_after_help().is_none() && !own.is_empty() {
            true => command.after_help(format!("Examples:\n{}", own.join("\n"))),
            false => command,
        };
        with_examples(command, &path)
    })
}

/// What was typed, if it can be understood.
pub(crate) fn typed() -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command_line().try_get_matches()?)
}

/// `500ms`, `20s`, `5m`, `12h`, `7d`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| "a duration is a number with a unit, such as 20s, 5m, 12h or 7d".to_owned())?;
    let ms = match unit.trim() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("{unit:?} is no unit of time: use ms, s, m, h or d")),
    };
    let ms = number.checked_mul(ms).filter(|ms| *ms <= 3_660 * 86_400_000);
    ms.map(Duration::from_millis)
        .ok_or_else(|| "that is more than ten years".to_owned())
}

/// A [`duration`] that is neither shorter nor longer than these.
pub(crate) fn between(
    least: Duration,
    most: Duration,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + std::marker::Send + Sync + 'static {
    move |text| {
        let found = duration(text)?;
        let shown = |time: Duration| text::span(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        match (least..=most).contains(&found) {
            true => Ok(found),
            false => Err(format!("it is from {} to {}", shown(least), shown(most))),
        }
    }
}

/// A time of day and year, or how long from now.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    match text.parse() {
        Ok(time) => Ok(time),
        Err(_) => match duration(text) {
            Ok(lasts) => Ok(Timestamp::now().checked_add(lasts).unwrap_or(Timestamp::MAX)),
            Err(_) => Err("it is a time such as 2026-12-24T18:00:00Z, or how long from now, such as 2h".to_owned()),
        },
    }
}

/// Days, as [`between`] takes them.
pub(crate) const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

/// Exactly one emoji.
pub(crate) fn emoji(text: &str) -> Result<String, String> {
    match parlour_crypto::is_emoji(text) {
        true => Ok(text.to_owned()),
        false => Err("it is exactly one emoji".to_owned()),
    }
}

/// A [`duration`] after which messages disappear, in ms, or `off`.
pub(crate) fn expiry(text: &str) -> Result<Expiry, String> {
    match text.trim() {
        "off" | "never" => Ok(Expiry(None)),
        text => {
            let ms = duration(text)?.as_millis();
            Ok(Expiry(Some(u64::try_from(ms).unwrap_or(u64::MAX))))
        }
    }
}

/// When messages disappear, in ms; nothing: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry(pub Option<u64>);

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// A command and all below it, with what they are called.
    fn all(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
        let below = command.get_subcommands();
        let below = below.flat_map(|sub| all(sub, &format!("{path} {}", sub.get_name())));
        std::iter::once((path.to_owned(), command.clone()))
            .chain(below)
            .collect()
    }

    /// The words of an example, up to its remark or to what a shell does with it.
    fn words(example: &str) -> Vec<String> {
        let (mut words, mut word): (_, Option<String>) = (Vec::new(), None);
        let (mut quote, mut rest) = (None, example.chars().peekable());
        while let Some(c) = rest.next() {
            match (quote, c) {
                (None, '\'' | '"') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (Some(open), c) if open == c => quote = None,
                (None, '|' | '<' | '>' | '&') => break,
                (None, ' ') if rest.peek() == Some(&' ') => break,
                (None, ' ') => words.extend(word.take()),
                (_, c) => word.get_or_insert_default().push(c),
            }
        }
        words.into_iter().chain(word).collect()
    }

    #[test]
    fn every_command_shows_examples_of_itself_that_can_be_typed() {
        let commands = all(&command_line(), "parlour");
        assert!(commands.len() > 90, "{}", commands.len());
        for (path, command) in commands {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let mut of_itself = 0;
            let examples = help.lines().filter_map(|line| line.strip_prefix("  "));
            for example in examples.filter(|line| line.starts_with("parlour ")) {
                of_itself += usize::from(example.starts_with(&path));
                match Cli::try_parse_from(words(example)) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{example}: {error}"),
                }
            }
            assert!(of_itself > 0, "{path} has no example: {help}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("20"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "s", "-1s", "1.5s", "20 parsecs", "99999999999999999999s", "999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_to_disappear_can_be_off() {
        assert_eq!(expiry("1h"), Ok(Expiry(Some(3_600_000))));
        assert_eq!(expiry("off"), Ok(Expiry(None)));
        assert!(expiry("soon").is_err());
    }

    #[test]
    fn global_options_may_stand_before_or_after_the_command() {
        for line in [
            ["parlour", "--json", "--data", "D", "contacts"],
            ["parlour", "contacts", "--json", "--data", "D"],
        ] {
            let cli = Cli::try_parse_from(line).unwrap();
            assert!(cli.global.json);
            assert_eq!(cli.global.data, Some(PathBuf::from("D")));
        }
    }

    #[test]
    fn options_of_send_may_stand_behind_the_text_and_the_text_may_begin_with_a_dash() {
        let parse = |line: &[&str]| {
            let cli = Cli::try_parse_from(["parlour", "send", "bob"].iter().chain(line)).unwrap();
            format!("{:?}", cli.command.unwrap())
        };
        for line in [
            &["-", "--wait", "delivered", "--timeout", "20s"][..],
            &["--wait", "delivered", "--timeout", "20s", "-"][..],
        ] {
            let parsed = parse(line);
            assert!(
                parsed.contains("text: Some(\"-\"), wait: Some(Delivered), timeout: Some(20s)"),
                "{parsed}"
            );
        }
        assert!(parse(&["-5 degrees"]).contains("text: Some(\"-5 degrees\")"));
        assert!(parse(&["--", "--wait"]).contains("text: Some(\"--wait\"), wait: None"));
        assert!(parse(&[]).contains("text: None"));
    }

    #[test]
    fn a_password_is_never_an_argument() {
        let mut ways = 0;
        for command in Cli::command().get_subcommands().chain([&Cli::command()]) {
            for arg in command
                .get_arguments()
                .filter(|arg| arg.get_id().as_str().contains("password"))
            {
                ways += 1;
                let id = arg.get_id().as_str();
                assert!(
                    matches!(
                        id,
                        "password_stdin" | "password_file" | "no_password" | "require_password"
                    ),
                    "{id} could hold a password"
                );
            }
        }
        assert!(ways >= 3);
    }
}

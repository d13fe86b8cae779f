//! What can be asked of rooms, as it is typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::args::duration;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Make a room; you are its owner
    New {
        /// What everybody calls it
        name: String,
        /// What it is about
        #[arg(long, value_name = "TEXT")]
        topic: Option<String>,
        #[command(flatten)]
        rules: Rules,
    },
    /// List your rooms, and those you are invited to
    List,
    /// Show a room and its rules
    Info {
        /// Its name here, its id, or the beginning of it
        room: String,
    },
    /// Let a contact join
    Invite {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// A contact
        who: String,
        /// As a guest, who reads and does not write
        #[arg(long)]
        guest: bool,
    },
    /// Make a link with which others can join
    Link {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// How often it can be used; without: as often as it is shown
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        uses: Option<u32>,
        /// Whoever shows it waits until you let them in
        #[arg(long, conflicts_with = "uses")]
        knock: bool,
        /// How long it is good
        #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
        expires: Duration,
        /// End this link instead of making one
        #[arg(long, value_name = "LINK", conflicts_with_all = ["uses", "knock"])]
        revoke: Option<String>,
    },
    /// List who knocks, here or with a link of another member
    Requests {
        /// Its name here, its id, or the beginning of it
        room: String,
    },
    /// Let in who knocks
    Accept {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// What they call themselves, or their user id
        who: String,
    },
    /// Turn away who knocks
    Decline {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// What they call themselves, or their user id
        who: String,
    },
    /// List the messages that members have reported
    Reports {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// Dismiss what was reported of this message
        #[arg(long, value_name = "ID")]
        dismiss: Option<String>,
    },
    /// List the public rooms of your contacts and of nodes on the LAN
    Discover {
        /// How long to wait for their answers
        #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
        timeout: Duration,
    },
    /// Join a room that you are invited to or have a link to, or a public one
    Join {
        /// A link; or the room's name, its id, or the beginning of it; or that of a public room that `discover` lists
        #[arg(value_name = "ROOM|LINK")]
        room: String,
        /// How long to wait for the answer of whoever lets you in
        #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
        timeout: Duration,
    },
    /// Leave a room, or turn an invitation down
    Leave {
        /// Its name here, its id, or the beginning of it
        room: String,
    },
    /// List who takes part
    Members {
        /// Its name here, its id, or the beginning of it
        room: String,
    },
    /// Give a member another rank
    Role {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// A member: a contact's name, or a user id
        who: String,
        /// Which; `owner` gives the room away
        role: Rank,
    },
    /// Remove a member, who reads nothing from then on
    Remove {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// A member: a contact's name, or a user id
        who: String,
        #[command(flatten)]
        removal: Removal,
    },
    /// Do not see what a member writes, in any room; they are not told, and `parlour contacts` lists them
    Block {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// A member: their name, or a user id
        who: String,
    },
    /// See it again, with what they wrote meanwhile
    Unblock {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// A member: their name, or a user id
        who: String,
    },
    /// Remove a member and keep them out
    Ban {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// A member: a contact's name, or a user id
        who: String,
        #[command(flatten)]
        removal: Removal,
    },
    /// Let somebody who is banned be invited again
    Unban {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// A contact's name, or a user id
        who: String,
    },
    /// Change who may do what
    Policy {
        /// Its name here, its id, or the beginning of it
        room: String,
        #[command(flatten)]
        rules: Rules,
    },
    /// Give it another name
    Rename {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// What everybody calls it from now on
        name: String,
    },
    /// Call it something else on this node alone; scripts and other programs find it by that
    Alias {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// Letters and digits in lower case, with one - between words
        name: String,
    },
    /// Pin a message
    Pin {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// The message's id, or the beginning of it
        message: String,
        /// Take the pin away
        #[arg(long)]
        remove: bool,
    },
    /// Say what it is about; without a text: nothing
    Topic {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// What it is about
        topic: Option<String>,
    },
    /// Set its picture; with --remove: take it away
    Avatar {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// PNG, JPEG, GIF or WebP; at most 512 × 512 pixels and 24 KiB
        #[arg(value_name = "FILE", required_unless_present = "remove", conflicts_with = "remove")]
        file: Option<PathBuf>,
        /// Take the picture away
        #[arg(long)]
        remove: bool,
    },
    /// Say what those who join are given of what was said before
    HistoryPolicy {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// How much
        history: History,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Rank {
    Guest,
    Member,
    Moderator,
    Admin,
    Owner,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Join {
    /// Whom a member invites
    Invite,
    /// Also whoever has a link
    Link,
    /// Also whoever asks and is let in
    Knock,
    /// Everybody
    Public,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum History {
    /// Nothing
    None,
    /// The last hundred messages
    Last100,
    /// Those of the last thirty days
    #[value(name = "30days")]
    Days30,
    /// Everything
    All,
}

#[derive(Debug, Args)]
pub(super) struct Removal {
    /// Delete all that they said in it, at everybody's
    #[arg(long)]
    pub(super) purge: bool,
    /// Why; members can read it
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

/// What is not given stays.
#[derive(Debug, Args)]
pub(super) struct Rules {
    /// Least rank to write
    #[arg(long, value_name = "RANK")]
    post: Option<Rank>,
    /// Least rank to invite
    #[arg(long, value_name = "RANK")]
    invite: Option<Rank>,
    /// Least rank to pin messages
    #[arg(long, value_name = "RANK")]
    pin: Option<Rank>,
    /// Least rank to change name and topic
    #[arg(long, value_name = "RANK")]
    info: Option<Rank>,
    /// Least rank to remove and ban
    #[arg(long, value_name = "RANK")]
    remove: Option<Rank>,
    /// Least rank to give ranks
    #[arg(long, value_name = "RANK")]
    roles: Option<Rank>,
    /// Pause between two messages of one member; 0s: none
    #[arg(long, value_name = "TIME", value_parser = duration)]
    slow: Option<Duration>,
    /// How one comes in
    #[arg(long, value_name = "HOW")]
    join: Option<Join>,
    /// What those who join are given of what was said before
    #[arg(long, value_name = "HOW MUCH")]
    history: Option<History>,
}

pub(super) fn word(value: impl ValueEnum) -> String {
    let name = value.to_possible_value();
    name.map_or_else(String::new, |name| name.get_name().to_owned())
}

impl Rules {
    /// As the API takes them; nothing if none is given.
    pub(super) fn body(&self) -> Option<Value> {
        let mut body = serde_json::Map::new();
        let ranks = [
            ("post", self.post),
            ("invite", self.invite),
            ("pin", self.pin),
            ("info", self.info),
            ("remove", self.remove),
            ("roles", self.roles),
        ];
        for (field, rank) in ranks {
            body.extend(rank.map(|rank| (field.to_owned(), json!(word(rank)))));
        }
        let slow = self
            .slow
            .map(|slow| u32::try_from(slow.as_millis()).unwrap_or(u32::MAX));
        body.extend(slow.map(|slow| ("slow_mode_ms".to_owned(), json!(slow))));
        body.extend(self.join.map(|join| ("join".to_owned(), json!(word(join)))));
        body.extend(self.history.map(|history| ("history".to_owned(), json!(word(history)))));
        (!body.is_empty()).then_some(Value::Object(body))
    }
}

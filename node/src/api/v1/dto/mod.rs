//! The JSON of the API, one file a resource. Ids have their text form, times are RFC 3339 in UTC with milliseconds.

mod access;
mod account;
mod change;
mod contact;
mod content;
mod conversation;
mod invite;
mod message;
mod passing;
mod poll;
mod profile;
mod request;
mod room;
mod system;
mod webhook;

use serde::{Deserialize, Serialize, Serializer};

pub(crate) use access::{
    AccountInvite, InviteAccount, LogIn, LoggedIn, Login, MadeToken, MakeToken, OwnLogin, Refresh, Register,
    Registered, Session, SetLogin, Token,
};
pub(crate) use account::{
    Account, ChangeNodeAccount, ChangeSettings, DrawQr, Link, MadeAccount, MakeAccount, Me, NodeAccount, Pair, Paired,
    Settings,
};
pub(crate) use change::{Change, What};
pub(crate) use contact::{
    AddContact, AddedContact, ChangeContact, Contact, ContactDevice, Safety, TakeAsTheyAre, Verify,
};
pub(crate) use content::{Call, File, Parts, Place, PutSticker, Sticker};
pub(crate) use conversation::{ChangeConversation, Conversation, MarkRead, ReadUpTo, SetTimer, Timer};
pub(crate) use invite::{Invite, MakeInvite, NewInvite};
pub(crate) use message::{
    DeviceState, EditMessage, FoundMessage, Message, MessageDetails, More, Quote, Reaction, Replies, SendMessage,
    Version, ViewOnce, Viewed,
};
pub(crate) use passing::{OwnPresence, Passing, PresenceName, SetPresence, SetTyping, Typing, TypingUser};
pub(crate) use poll::{AskPoll, CastVote, Poll, PollOption};
pub(crate) use profile::{ChangeProfile, OwnProfile, Profile};
pub(crate) use request::{AcceptRequest, ContactAddress, Request};
pub(crate) use room::{
    Banned, ChangeRoom, GiveRank, InviteToRoom, MakeReport, MakeRoom, MakeRoomLink, OpenRoomLink, PublicRoom,
    RemoveMember, Report, Room, RoomLink, RoomMember, RoomRequest, Rules, ShownRules,
};
pub(crate) use system::System;
pub(crate) use webhook::{MadeWebhook, MakeWebhook, Webhook, WebhookTest};

/// A moment, ms since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) u64);

impl Time {
    /// `None` for 0, which stands for never.
    pub(crate) fn unless_never(ms: u64) -> Option<Self> {
        (ms > 0).then_some(Self(ms))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        serializer.collect_str(&format_args!("{time:.3}"))
    }
}

/// A list that is not paged.
#[derive(Debug, Serialize)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
}

/// A part of a list, with the cursors of its neighbours.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) prev: Option<String>,
    pub(crate) next: Option<String>,
}

/// Tells null from a field that is not there.
pub(super) fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A request that says all by its path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_never_fail() {
        let text = |ms| serde_json::to_string(&Time(ms)).unwrap();
        assert_eq!(text(0), "\"1970-01-01T00:00:00.000Z\"");
        assert_eq!(text(1_795_176_000_007), "\"2026-11-20T12:00:00.007Z\"");
        assert!(text(u64::MAX).starts_with("\"9999-12-30T"));
    }
}

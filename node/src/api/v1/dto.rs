//! The JSON of the API. Ids have their text form, times are RFC 3339 in UTC with milliseconds.

mod room;

use parlour_crypto::{ConversationId, DeviceId, EventId, UserId};
use serde::{Deserialize, Serialize, Serializer};

pub(crate) use room::{
    ChangeRoom, GiveRank, InviteToRoom, MakeRoom, MakeRoomLink, OpenRoomLink, RemoveMember, Room, RoomLink, RoomMember,
    RoomRequest, Rules, ShownRules,
};

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

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    pub(crate) id: EventId,
    pub(crate) conversation: ConversationId,
    pub(crate) author: UserId,
    pub(crate) author_name: String,
    pub(crate) device: DeviceId,
    pub(crate) text: Option<String>,
    /// A newer version wrote it; this one cannot show it.
    pub(crate) unsupported: bool,
    pub(crate) deleted: bool,
    pub(crate) pinned: bool,
    pub(crate) reactions: Vec<Reaction>,
    #[serde(flatten)]
    pub(crate) more: Box<More>,
    pub(crate) created_at: Time,
    pub(crate) status: &'static str,
    pub(crate) seq: u64,
    pub(crate) own: bool,
}

/// What most messages have not.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct More {
    /// Why there is no text any more: `deleted`, `expired`, `viewed` or `erased`; in the answer to a send that was repeated also `hidden`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gone: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edited_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Time>,
    /// It is seen on demand only, so often yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) views_left: Option<u8>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mentions: Vec<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<Quote>,
    /// No message: the conversation's timer was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timer: Option<Timer>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reaction {
    pub(crate) emoji: String,
    pub(crate) count: usize,
    pub(crate) mine: bool,
    pub(crate) users: Vec<UserId>,
}

/// The message that another one answers.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Quote {
    pub(crate) id: EventId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) author_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snippet: Option<String>,
    /// Why there is no snippet: `missing`, `hidden`, `deleted`, `expired`, `viewed`, `erased`, `on_demand` or `unsupported`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
}

/// After which time new messages disappear; nothing: they stay.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Timer {
    pub(crate) expires_after_ms: Option<u64>,
}

/// One version of an edited message.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) id: EventId,
    pub(crate) text: String,
    pub(crate) created_at: Time,
}

/// What was seen of a message that is seen on demand.
#[derive(Serialize)]
pub(crate) struct Viewed {
    pub(crate) id: EventId,
    pub(crate) text: String,
    pub(crate) views_left: u8,
}

#[derive(Debug, Serialize)]
pub(crate) struct MessageDetails {
    #[serde(flatten)]
    pub(crate) message: Message,
    pub(crate) devices: Vec<DeviceState>,
}

/// How far a message has come on its way to one device.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceState {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) device_id: DeviceId,
    pub(crate) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct FoundMessage {
    #[serde(flatten)]
    pub(crate) message: Message,
    pub(crate) snippet: String,
    /// Byte ranges of the snippet.
    pub(crate) ranges: Vec<(usize, usize)>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Contact {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) petname: Option<String>,
    pub(crate) display: String,
    pub(crate) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) reachable: bool,
    pub(crate) since: Option<Time>,
    /// Only while they let us know when they are there.
    pub(crate) last_seen: Option<Time>,
    /// `online` or `away`; nothing if they do not tell, or are not reachable.
    pub(crate) presence: Option<&'static str>,
    pub(crate) blocked: bool,
    /// `unverified`, `verified`, or `changed`: all their devices were replaced, and nothing is sent until that is decided.
    pub(crate) trust: &'static str,
    pub(crate) trust_since: Option<Time>,
    /// What the user should know before talking to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warning: Option<&'static str>,
    pub(crate) profile: Profile,
    pub(crate) conversation: ConversationId,
    pub(crate) created_at: Time,
    pub(crate) devices: Vec<ContactDevice>,
}

/// What two users compare.
#[derive(Debug, Serialize)]
pub(crate) struct Safety {
    /// Twelve groups of five digits, the same on both sides.
    pub(crate) number: String,
    pub(crate) trust: &'static str,
    pub(crate) trust_since: Option<Time>,
    /// What a decision about their devices names: 16 hexadecimal digits; nothing while their devices are not known.
    pub(crate) devices: Option<String>,
    /// What the user should know before they decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warning: Option<&'static str>,
}

/// The digits that the other side shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verify {
    pub(crate) code: String,
    /// The devices that are accepted, as the safety number's answer names them.
    #[serde(default)]
    pub(crate) devices: Option<String>,
}

/// Somebody is taken as they are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TakeAsTheyAre {
    /// The devices that are accepted, as the safety number's answer names them.
    #[serde(default)]
    pub(crate) devices: Option<String>,
}

/// What somebody says about themselves.
#[derive(Debug, Serialize)]
pub(crate) struct Profile {
    pub(crate) about: Option<String>,
    pub(crate) pronouns: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) status_emoji: Option<String>,
    pub(crate) status_expires_at: Option<Time>,
    /// The media type of the picture, if there is one.
    pub(crate) avatar: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OwnProfile {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) profile: Profile,
}

/// What is not there stays; null takes away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeProfile {
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) about: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) pronouns: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) status: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) status_emoji: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) status_expires_at: Option<Option<String>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ContactDevice {
    pub(crate) device_id: DeviceId,
    pub(crate) reachable: bool,
    pub(crate) last_seen: Option<Time>,
}

/// Somebody who asks to become a contact.
#[derive(Debug, Serialize)]
pub(crate) struct Request {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) display: String,
    pub(crate) note: String,
    pub(crate) received_at: Time,
    pub(crate) expires_at: Time,
}

/// Where this account can be asked.
#[derive(Debug, Serialize)]
pub(crate) struct ContactAddress {
    pub(crate) link: String,
    pub(crate) addresses: Vec<String>,
    /// From where it can be used, and what would widen that.
    pub(crate) works: &'static str,
    pub(crate) hint: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct AddedContact {
    #[serde(flatten)]
    pub(crate) contact: Contact,
    pub(crate) already: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Conversation {
    pub(crate) id: ConversationId,
    pub(crate) kind: &'static str,
    pub(crate) title: String,
    /// The other side; nothing in rooms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) with: Option<UserId>,
    pub(crate) unread: u64,
    /// Unread messages that call the account by name.
    pub(crate) mentions: u64,
    pub(crate) last_seq: u64,
    pub(crate) last: Option<Message>,
    /// What the user should know before talking here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warning: Option<&'static str>,
    pub(crate) muted: bool,
    /// Until when; nothing if not, or for ever.
    pub(crate) muted_until: Option<Time>,
    pub(crate) archived: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) draft: Option<String>,
    pub(crate) created_at: Time,
}

/// How a contact is to be kept; what is not there stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeContact {
    #[serde(default, deserialize_with = "given")]
    pub(crate) petname: Option<Option<String>>,
    pub(crate) blocked: Option<bool>,
}

/// How a conversation is to be kept; what is not there stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeConversation {
    /// A time, `"forever"`, or null.
    #[serde(default, deserialize_with = "given")]
    pub(crate) muted_until: Option<Option<String>>,
    pub(crate) archived: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) draft: Option<Option<String>>,
}

/// Tells null from a field that is not there.
pub(super) fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Debug, Serialize)]
pub(crate) struct Invite {
    pub(crate) token: String,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Time,
    pub(crate) max_uses: u32,
    pub(crate) uses: usize,
    pub(crate) state: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct NewInvite {
    pub(crate) link: String,
    pub(crate) token: String,
    pub(crate) expires_at: Time,
    pub(crate) max_uses: u32,
    pub(crate) addresses: Vec<String>,
    pub(crate) works: &'static str,
    pub(crate) hint: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct Me {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) device_id: DeviceId,
    pub(crate) peer_id: String,
    pub(crate) account: String,
    pub(crate) listen: Vec<String>,
    pub(crate) version: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct Account {
    pub(crate) account: String,
    pub(crate) user_id: UserId,
    pub(crate) name: String,
}

/// A new account. The words are shown this once.
#[derive(Serialize)]
pub(crate) struct MadeAccount {
    pub(crate) account: String,
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) words: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Link {
    pub(crate) link: String,
    pub(crate) expires_at: Time,
}

#[derive(Serialize)]
pub(crate) struct Paired {
    pub(crate) token: String,
    pub(crate) expires_at: Time,
}

/// One change of the feed.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) seq: u64,
    #[serde(flatten)]
    pub(crate) what: What,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum What {
    Message {
        message: Box<Message>,
    },
    /// A message as it stands after a change.
    MessageUpdated {
        message: Box<Message>,
    },
    /// This account has deleted it for itself.
    MessageHidden {
        conversation: ConversationId,
        id: EventId,
    },
    Receipt {
        conversation: ConversationId,
        device_id: DeviceId,
        user_id: UserId,
        state: &'static str,
        /// The newest ones, at most 256.
        message_ids: Vec<EventId>,
        count: u64,
    },
    Contact {
        contact: Box<Contact>,
    },
    Conversation {
        conversation: Box<Conversation>,
    },
    /// Somebody asks to become a contact; without a request, they do no more.
    Request {
        user_id: UserId,
        request: Option<Box<Request>>,
    },
}

impl What {
    /// The event name on a stream.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Message { .. } => "message",
            Self::MessageUpdated { .. } => "message_updated",
            Self::MessageHidden { .. } => "message_hidden",
            Self::Receipt { .. } => "receipt",
            Self::Contact { .. } => "contact",
            Self::Conversation { .. } => "conversation",
            Self::Request { .. } => "request",
        }
    }
}

/// A message to write.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendMessage {
    pub(crate) text: String,
    pub(crate) client_id: Option<String>,
    /// A message's id or the beginning of one.
    pub(crate) reply_to: Option<String>,
    /// Names or ids.
    #[serde(default)]
    pub(crate) mentions: Vec<String>,
    /// Absent: as the conversation's timer says; null: never.
    #[serde(default, deserialize_with = "given")]
    pub(crate) expires_after_ms: Option<Option<u64>>,
    /// `true` or 1: once, 2: twice.
    #[serde(default)]
    pub(crate) view_once: ViewOnce,
}

/// How often a message may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum ViewOnce {
    Flag(bool),
    Times(u8),
}

impl Default for ViewOnce {
    fn default() -> Self {
        Self::Flag(false)
    }
}

impl ViewOnce {
    pub(crate) fn visibility(self) -> u8 {
        match self {
            Self::Flag(once) => u8::from(once),
            Self::Times(times) => times,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditMessage {
    pub(crate) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetTimer {
    pub(crate) expires_after_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarkRead {
    pub(crate) seq: u64,
}

/// How far a conversation has been read: up to a message, or to its end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadUpTo {
    pub(crate) up_to: Option<EventId>,
}

/// Whether somebody writes in a conversation just now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetTyping {
    pub(crate) typing: bool,
}

/// Who writes in a conversation just now.
#[derive(Debug, Serialize)]
pub(crate) struct Typing {
    pub(crate) typing: Vec<TypingUser>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TypingUser {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
}

/// Whether this account's user is there, and until when.
#[derive(Debug, Serialize)]
pub(crate) struct OwnPresence {
    pub(crate) presence: &'static str,
    pub(crate) until: Option<Time>,
    /// Whether contacts are told.
    pub(crate) shared: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetPresence {
    pub(crate) presence: PresenceName,
    /// How long somebody is there unless it is said again.
    #[serde(default = "SetPresence::a_while")]
    pub(crate) for_s: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PresenceName {
    Online,
    Away,
}

impl SetPresence {
    fn a_while() -> u64 {
        300
    }
}

/// What happens just now and is not kept: no part of the feed, without a cursor.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Passing {
    Typing {
        conversation: ConversationId,
        user_id: UserId,
        typing: bool,
    },
    Presence {
        user_id: UserId,
        presence: Option<&'static str>,
    },
}

impl Passing {
    /// The event name on a stream.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Typing { .. } => "typing",
            Self::Presence { .. } => "presence",
        }
    }
}

/// How the account behaves towards others.
#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) read_receipts: bool,
    pub(crate) presence: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeSettings {
    pub(crate) read_receipts: Option<bool>,
    pub(crate) presence: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeInvite {
    #[serde(default = "MakeInvite::week")]
    pub(crate) expires_in_s: u64,
    #[serde(default = "MakeInvite::once")]
    pub(crate) max_uses: u32,
}

impl MakeInvite {
    fn week() -> u64 {
        7 * 24 * 3600
    }

    fn once() -> u32 {
        1
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddContact {
    pub(crate) link: String,
    pub(crate) petname: Option<String>,
    /// What to say when asking at a contact address.
    pub(crate) note: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptRequest {
    pub(crate) petname: Option<String>,
}

/// An account to make.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeAccount {
    pub(crate) name: String,
    pub(crate) password: Option<String>,
    #[serde(default)]
    pub(crate) require_password: bool,
    pub(crate) words: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pair {
    pub(crate) code: String,
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

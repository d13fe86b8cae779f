//! Rooms, as the API tells of them and is told.

use parlour_crypto::{ConversationId, EventId, UserId};
use serde::{Deserialize, Serialize};

use super::{Message, Time};

#[derive(Debug, Serialize)]
pub(crate) struct Room {
    pub(crate) id: ConversationId,
    /// What it is called on this node.
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) topic: String,
    /// The media type of its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) avatar: Option<&'static str>,
    /// `member`, `invited`, `joining`, `refused` or `gone`.
    pub(crate) standing: &'static str,
    /// Why nobody let us in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    /// Own rank: `owner`, `admin`, `moderator`, `member`, `guest`, or `none`.
    pub(crate) role: &'static str,
    pub(crate) members: u32,
    pub(crate) policy: ShownRules,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invited_by: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invited_by_name: Option<String>,
    pub(crate) unread: u64,
    /// Unread messages that call the account by name.
    pub(crate) mentions: u64,
    pub(crate) last_seq: u64,
    /// Who is kept out.
    pub(crate) banned: Vec<Banned>,
    pub(crate) created_at: Time,
}

/// A public room that others list. Only who made it is proved.
#[derive(Serialize)]
pub(crate) struct PublicRoom {
    pub(crate) id: ConversationId,
    /// What it would be called here.
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) members: u32,
    pub(crate) made_by: UserId,
    pub(crate) made_by_name: String,
    pub(crate) created_at: Time,
    /// Whether another room that is listed has the same slug.
    pub(crate) ambiguous: bool,
    pub(crate) joined: bool,
    /// Whether somebody of this node lists it.
    pub(crate) here: bool,
    /// With which it can be joined.
    pub(crate) link: String,
}

impl std::fmt::Debug for PublicRoom {
    /// Leaves out the link.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicRoom")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Somebody who is kept out.
#[derive(Debug, Serialize)]
pub(crate) struct Banned {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
}

/// What somebody said of a message to those who keep order.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) message_id: EventId,
    /// The message as it stands; nothing if it is not here.
    pub(crate) message: Option<Box<Message>>,
    /// Who reported it.
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) reason: String,
    pub(crate) reported_at: Time,
    /// Nobody has dismissed it.
    pub(crate) open: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeReport {
    /// What is wrong, at most 512 bytes.
    #[serde(default)]
    pub(crate) reason: String,
}

/// The least rank for each, and what else is ruled.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ShownRules {
    pub(crate) post: &'static str,
    pub(crate) invite: &'static str,
    pub(crate) pin: &'static str,
    pub(crate) info: &'static str,
    pub(crate) remove: &'static str,
    pub(crate) roles: &'static str,
    pub(crate) join: &'static str,
    pub(crate) history: &'static str,
    pub(crate) slow_mode_ms: u32,
    /// The timer of the conversation, set there.
    pub(crate) expires_after_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct RoomMember {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) role: &'static str,
    /// Whether it is the account itself.
    pub(crate) own: bool,
    /// Whether the account has blocked them.
    pub(crate) blocked: bool,
    pub(crate) since: Time,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeRoom {
    pub(crate) name: String,
    pub(crate) topic: Option<String>,
    pub(crate) policy: Option<Rules>,
}

/// Rules of a room; what is not there stays.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    pub(crate) post: Option<String>,
    pub(crate) invite: Option<String>,
    pub(crate) pin: Option<String>,
    pub(crate) info: Option<String>,
    pub(crate) remove: Option<String>,
    pub(crate) roles: Option<String>,
    /// `invite`, `link`, `knock` or `public`.
    pub(crate) join: Option<String>,
    /// `none`, `last100`, `30days` or `all`.
    pub(crate) history: Option<String>,
    pub(crate) slow_mode_ms: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeRoom {
    pub(crate) name: Option<String>,
    pub(crate) topic: Option<String>,
    /// What it is called on this node.
    pub(crate) slug: Option<String>,
    pub(crate) policy: Option<Rules>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InviteToRoom {
    /// A contact's name or id.
    pub(crate) user: String,
    /// `member` (as it is without) or `guest`.
    pub(crate) role: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GiveRank {
    pub(crate) role: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveMember {
    #[serde(default)]
    pub(crate) ban: bool,
    #[serde(default)]
    pub(crate) purge: bool,
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeRoomLink {
    /// How often it can be used; without: as often as it is shown.
    pub(crate) uses: Option<u32>,
    /// How long, seconds.
    pub(crate) valid_s: Option<u64>,
    /// Whoever shows it waits until somebody lets them in.
    #[serde(default)]
    pub(crate) knock: bool,
}

/// Somebody who asks to be let in.
#[derive(Debug, Serialize)]
pub(crate) struct RoomRequest {
    pub(crate) user_id: UserId,
    /// What they call themselves.
    pub(crate) name: String,
    pub(crate) note: String,
    pub(crate) asked_at: Time,
    /// The member at whose door they are; nothing: here.
    pub(crate) told_by: Option<UserId>,
    pub(crate) told_by_name: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct RoomLink {
    pub(crate) link: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uses: Option<u32>,
    pub(crate) expires_at: Time,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenRoomLink {
    pub(crate) link: String,
}

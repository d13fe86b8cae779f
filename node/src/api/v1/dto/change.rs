//! The stream of changes.

use parlour_crypto::{ConversationId, DeviceId, EventId, UserId};
use serde::Serialize;

use super::{Contact, Conversation, Message, OwnProfile, PublicRoom, Report, Request, RoomRequest, Settings};

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
    /// Something happened; as a message, which has no number.
    System {
        message: Box<Message>,
    },
    /// A message as it stands after a change.
    MessageUpdated {
        message: Box<Message>,
    },
    /// This account has deleted it for itself, or what it says happened turns out not to have.
    MessageHidden {
        conversation: ConversationId,
        id: EventId,
    },
    Receipt {
        conversation: ConversationId,
        device_id: DeviceId,
        user_id: UserId,
        state: &'static str,
        /// Why they will not come there, or are tried no more.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
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
    /// A message of a room was reported, or a report dismissed.
    Report {
        conversation: ConversationId,
        report: Box<Report>,
    },
    /// Somebody asks to become a contact; without a request, they do no more.
    Request {
        user_id: UserId,
        request: Option<Box<Request>>,
    },
    /// Somebody knocks at a room; without a request, they do no more.
    RoomRequest {
        conversation: ConversationId,
        user_id: UserId,
        request: Option<Box<RoomRequest>>,
    },
    /// A contact or a node near by lists a public room that was not known.
    PublicRoom {
        room: Box<PublicRoom>,
    },
    /// What this account's user says about themselves, and their settings.
    Me {
        profile: Box<OwnProfile>,
        settings: Settings,
    },
}

impl What {
    /// All event names.
    pub(crate) const NAMES: [&str; 12] = [
        "message",
        "system",
        "message_updated",
        "message_hidden",
        "receipt",
        "contact",
        "conversation",
        "request",
        "report",
        "room_request",
        "public_room",
        "me",
    ];

    /// The event name on a stream.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Message { .. } => "message",
            Self::System { .. } => "system",
            Self::MessageUpdated { .. } => "message_updated",
            Self::MessageHidden { .. } => "message_hidden",
            Self::Receipt { .. } => "receipt",
            Self::Contact { .. } => "contact",
            Self::Conversation { .. } => "conversation",
            Self::Request { .. } => "request",
            Self::Report { .. } => "report",
            Self::RoomRequest { .. } => "room_request",
            Self::PublicRoom { .. } => "public_room",
            Self::Me { .. } => "me",
        }
    }
}

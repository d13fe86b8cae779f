//! A message as a reader sees it.

use parlour_crypto::{Content, ConversationId, DeviceId, EventId, KIND_MESSAGE, Message, UserId, VerifiedEvent};

use crate::db::Read;
use crate::events;
use crate::keyspace::EventKey;
use crate::record::StoreError;
use crate::timeline::{self, Position, TimelineEntry};
use crate::view::{DeliveryView, MessageStatus, State, state};

/// One shown message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Its event id.
    pub id: EventId,
    /// Where it is stored.
    pub event: EventKey,
    /// The conversation.
    pub conversation: ConversationId,
    /// Who wrote it.
    pub author: UserId,
    /// On which device.
    pub device: DeviceId,
    /// Its clock, ms.
    pub clock: u64,
    /// Arrival number in the conversation on this node.
    pub room_seq: u64,
    /// What it says and what is said about it.
    pub state: State,
    /// How far it has come.
    pub status: MessageStatus,
    /// It came when what is behind it had been seen already.
    pub late: bool,
}

/// The text of a message event; `None` for anything else.
#[must_use]
pub fn message_text(event: &VerifiedEvent) -> Option<String> {
    if event.header().kind != KIND_MESSAGE {
        return None;
    }
    let (_, body) = event.body()?;
    match Message::decode(body).ok()?.content {
        Content::Text(text) => Some(text),
        _ => None,
    }
}

/// The message of a timeline entry.
///
/// # Errors
/// The database cannot be read, or a row is malformed or missing.
pub fn message<R: Read>(
    read: &R,
    entry: &TimelineEntry,
    delivery: &mut DeliveryView<'_, R>,
) -> Result<MessageView, StoreError> {
    let missing = StoreError::Malformed { noun: "timeline" };
    let Some(event) = events::get(read, &entry.event)? else {
        return Err(missing);
    };
    let Some((author, device)) = delivery.author(entry.event.log.device)? else {
        return Err(missing);
    };
    Ok(MessageView {
        id: event.id(),
        event: entry.event,
        conversation: event.header().conversation,
        author,
        device,
        clock: entry.at.clock,
        room_seq: entry.room_seq,
        state: state(read, &entry.event, &event, &author)?,
        status: delivery.status(&entry.event.log, entry.event.seq, entry.at.clock)?,
        late: timeline::is_late(read, entry.event.log.conversation, &entry.at.id)?,
    })
}

/// The message stored at `at`, if it is shown.
///
/// # Errors
/// As [`message`].
pub fn message_at<R: Read>(
    read: &R,
    at: &EventKey,
    delivery: &mut DeliveryView<'_, R>,
) -> Result<Option<MessageView>, StoreError> {
    let Some(event) = events::get(read, at)? else {
        return Ok(None);
    };
    let position = Position {
        clock: event.header().clock,
        id: event.id(),
    };
    match timeline::get(read, at.log.conversation, &position)? {
        Some(entry) => message(read, &entry, delivery).map(Some),
        None => Ok(None),
    }
}

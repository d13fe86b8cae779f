//! Rows of the feed as changes.

use parlour_store::feed::FeedRow;
use parlour_store::registers::{self, OwnProfile, Register};
use parlour_store::requests;
use parlour_store::view::{DeliveryState, DeviceDelivery};
use parlour_store::{
    ConversationNo, DeviceNo, EventKey, LogKey, StoreError, annotations, contacts, conversations, devices, events,
    rooms,
};

use super::names::delivery_name;
use super::{Reader, profile};
use crate::api::v1::dto::{self, What};
use crate::engine::is_open_request;
use crate::runner::now_ms;

/// Message ids named in one receipt.
const MAX_RECEIPT_IDS: usize = 256;
/// Events looked at for one receipt; those behind them are counted as messages.
const MAX_RECEIPT_LOOKUPS: usize = 4_096;

impl Reader<'_> {
    /// What a row of the feed says; `None` if what it refers to is gone.
    pub(crate) fn change(&mut self, row: &FeedRow) -> Result<Option<What>, StoreError> {
        match row {
            FeedRow::Message { event, room_seq } => {
                let message = self
                    .message(event, *room_seq)?
                    .map(|message| Ok::<_, StoreError>((annotations::is_hidden(&self.rows, &message.id)?, message)))
                    .transpose()?;
                // What the account has taken out of its sight is not told to those who come later.
                let message = message.and_then(|(hidden, message)| (!hidden).then_some(message));
                Ok(message.map(|message| What::Message {
                    message: Box::new(message),
                }))
            }
            FeedRow::Changed { event } => self.updated(event),
            FeedRow::System { event } => self.what_happened(event),
            FeedRow::Report {
                conversation,
                target,
                by,
            } => {
                let Some(row) = rooms::report(&self.rows, *conversation, target, by)? else {
                    return Ok(None);
                };
                let id = conversations::id_of(&self.rows, *conversation)?;
                let report = Box::new(self.report(target, by, &row)?);
                Ok(id.map(|conversation| What::Report { conversation, report }))
            }
            FeedRow::Knock { conversation, user } => {
                let row = rooms::request(&self.rows, *conversation, user)?.filter(rooms::RequestRow::is_open);
                let request = match row {
                    Some(row) => self.room_request(user, &row)?.map(Box::new),
                    None => None,
                };
                let id = conversations::id_of(&self.rows, *conversation)?;
                Ok(id.map(|conversation| What::RoomRequest {
                    conversation,
                    user_id: *user,
                    request,
                }))
            }
            FeedRow::PublicRoom { room } => {
                let heard = rooms::heard(&self.rows, room)?;
                let heard = heard.map(|row| self.public_room(room, &row)).transpose()?;
                Ok(heard.flatten().map(|room| What::PublicRoom { room: Box::new(room) }))
            }
            FeedRow::Sent {
                conversation,
                log,
                device,
                seqs,
            } => self.receipt(*conversation, *log, *device, seqs, DeliveryState::Sent),
            FeedRow::Delivered {
                conversation,
                log,
                device,
                seqs,
            } => self.receipt(*conversation, *log, *device, seqs, DeliveryState::Delivered),
            FeedRow::Read {
                conversation,
                log,
                device,
                seqs,
            } => self.receipt(*conversation, *log, *device, seqs, DeliveryState::Read),
            FeedRow::Failed {
                conversation,
                log,
                device,
                seqs,
            } => self.receipt(*conversation, *log, *device, seqs, DeliveryState::Failed),
            FeedRow::Expired {
                conversation,
                log,
                device,
                seqs,
            } => self.receipt(*conversation, *log, *device, seqs, DeliveryState::Expired),
            FeedRow::Contact { user } => {
                let contact = contacts::get(&self.rows, user)?
                    .map(|row| self.contact(&row))
                    .transpose()?;
                Ok(contact.map(|contact| What::Contact {
                    contact: Box::new(contact),
                }))
            }
            FeedRow::Own => {
                let own: OwnProfile = registers::get(&self.rows, Register::Profile)?.unwrap_or_default();
                Ok(Some(What::Me {
                    profile: Box::new(dto::OwnProfile {
                        profile: profile(&own.details, now_ms()),
                        name: Some(own.name)
                            .filter(|name| !name.is_empty())
                            .unwrap_or_else(|| self.own_name.clone()),
                    }),
                    settings: registers::settings(&self.rows)?.into(),
                }))
            }
            FeedRow::Request { user } => {
                let row = requests::get(&self.rows, user)?.filter(|row| is_open_request(row, now_ms()));
                Ok(Some(What::Request {
                    user_id: *user,
                    request: row.as_ref().map(crate::api::v1::requests::request).map(Box::new),
                }))
            }
            FeedRow::Conversation { conversation } => {
                let conversation = conversations::get(&self.rows, *conversation)?.map(|row| self.conversation(&row));
                Ok(conversation.transpose()?.map(|conversation| What::Conversation {
                    conversation: Box::new(conversation),
                }))
            }
        }
    }

    pub(super) fn receipt(
        &mut self,
        conversation: ConversationNo,
        log: u32,
        device: DeviceNo,
        seqs: &parlour_crypto::Intervals,
        state: DeliveryState,
    ) -> Result<Option<What>, StoreError> {
        let Some(to) = devices::get(&self.rows, device)? else {
            return Ok(None);
        };
        let (id, _) = self.conversation_view(conversation)?;
        let id = *id;
        let why = match state {
            DeliveryState::Failed | DeliveryState::Expired => {
                let to = DeviceDelivery {
                    user: to.user,
                    device: to.id,
                    state,
                };
                self.why(&to, conversation, 0)?
            }
            DeliveryState::Queued | DeliveryState::Sent | DeliveryState::Delivered | DeliveryState::Read => None,
        };
        let log = LogKey {
            conversation,
            device: self.facts.own.device,
            log,
        };
        let newest = seqs
            .iter()
            .rev()
            .flat_map(|(from, to)| (from..=to).rev())
            .take(MAX_RECEIPT_LOOKUPS);
        let mut message_ids = Vec::new();
        let mut others = 0u64;
        for seq in newest {
            let at = EventKey { log, seq, branch: 0 };
            let message = if message_ids.len() < MAX_RECEIPT_IDS {
                let event = events::get(&self.rows, &at)?;
                let event = event.filter(|event| events::has_a_place(event.header().kind));
                message_ids.extend(event.as_ref().map(|event| event.id()));
                event.is_some()
            } else {
                events::brief(&self.rows, &at)?.is_some_and(|brief| events::has_a_place(brief.kind))
            };
            others = others.saturating_add(u64::from(!message));
        }
        if message_ids.is_empty() {
            // Edits, reactions and the like are seen on their messages.
            return Ok(None);
        }
        message_ids.reverse();
        Ok(Some(What::Receipt {
            conversation: id,
            device_id: to.id,
            user_id: to.user,
            state: delivery_name(state),
            reason: why.map(|why| why.reason),
            message_ids,
            count: seqs.count().saturating_sub(others),
        }))
    }
}

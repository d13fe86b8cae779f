//! How far own messages have come, device by device, and why no further. What the user has decided, or has to decide, is said before what
//! the network does.

use parlour_crypto::DeviceId;
use parlour_store::contacts::{self, ContactRow, ContactState};
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::registers::{self, Trust};
use parlour_store::view::{DeliveryState, DeviceDelivery, TRIED_MS};
use parlour_store::{ConversationNo, EventKey, StoreError, devices, events, read_marks};

use super::Reader;
use super::names::delivery_name;
use crate::api::v1::dto::{self, Time};
use crate::runner::now_ms;

/// Why a message is not there yet, and since when that is so.
pub(super) struct Why {
    pub(super) reason: String,
    pub(super) since: Option<Time>,
}

impl Why {
    fn since(reason: &str, since: u64) -> Self {
        let since = Time::unless_never(since);
        let reason = reason.to_owned();
        Self { reason, since }
    }

    pub(super) fn parts(why: Option<Self>) -> (Option<String>, Option<Time>) {
        why.map_or((None, None), |why| (Some(why.reason), why.since))
    }
}

impl Reader<'_> {
    /// How far an own message has come on its way to each device; nothing for messages of others.
    pub(crate) fn deliveries(&mut self, key: &EventKey) -> Result<Vec<dto::DeviceState>, StoreError> {
        if key.log.device != self.facts.own.device {
            return Ok(Vec::new());
        }
        let clock = events::brief(&self.rows, key)?.map_or(0, |brief| brief.clock);
        let (_, delivery) = self.conversation_view(key.log.conversation)?;
        let mut states = Vec::new();
        for to in delivery.devices(&key.log, key.seq, clock, now_ms())? {
            let (reason, mut since) = Why::parts(self.why(&to, key.log.conversation, clock)?);
            if let (DeliveryState::Read, Some(no)) = (to.state, devices::number(&self.rows, &to.device)?) {
                since = read_marks::of_log(&self.rows, &key.log, no)?.read_at(key.seq).map(Time);
            }
            states.push(dto::DeviceState {
                user_id: to.user,
                name: self.name_of(&to.user)?,
                device_id: to.device,
                state: delivery_name(to.state),
                reason,
                since,
            });
        }
        Ok(states)
    }

    /// Why an own message goes to nobody yet: whom it is for is no contact, and none of their devices is among those it is for.
    pub(crate) fn held_up(
        &self,
        key: &EventKey,
        devices: &[dto::DeviceState],
    ) -> Result<(Option<String>, Option<Time>), StoreError> {
        if key.log.device != self.facts.own.device {
            return Ok((None, None));
        }
        let row = match conversations::get(&self.rows, key.log.conversation)?.map(|row| row.kind) {
            Some(ConversationKind::Direct { with }) => contacts::get(&self.rows, &with)?,
            Some(ConversationKind::Notes | ConversationKind::Room) | None => None,
        };
        let told = |row: &ContactRow| devices.iter().any(|device| device.user_id == row.user);
        let Some(row) = row.filter(|row| row.state != ContactState::Accepted && !told(row)) else {
            return Ok((None, None));
        };
        let (_, reason) = self.contact_state(&row);
        let since = match row.state {
            ContactState::Former => contacts::removed(&self.rows, &row.user)?.unwrap_or(0),
            ContactState::Asked { told: Some(told), .. } => told,
            _ => row.created,
        };
        let why = Why::since(reason.as_deref().unwrap_or(NO_CONTACT), since);
        Ok(Why::parts(Some(why)))
    }

    /// Why a message written at `clock` is not there yet; nothing once it is.
    pub(super) fn why(
        &self,
        to: &DeviceDelivery,
        conversation: ConversationNo,
        clock: u64,
    ) -> Result<Option<Why>, StoreError> {
        match to.state {
            DeliveryState::Delivered | DeliveryState::Read => return Ok(None),
            DeliveryState::Failed => return self.why_failed(to, conversation).map(Some),
            DeliveryState::Expired | DeliveryState::Queued | DeliveryState::Sent => {}
        }
        if let Some(since) = registers::blocked(&self.rows, &to.user)? {
            return Ok(Some(Why::since(BLOCKED, since)));
        }
        if let Trust::Changed { at, .. } = registers::trust(&self.rows, &to.user)? {
            return Ok(Some(Why::since(CHANGED, at)));
        }
        if to.state == DeliveryState::Expired {
            return Ok(Some(Why::since(EXPIRED, clock.saturating_add(TRIED_MS))));
        }
        self.why_on_its_way(&to.device, clock)
    }

    fn why_failed(&self, to: &DeviceDelivery, conversation: ConversationNo) -> Result<Why, StoreError> {
        let retired = match devices::number(&self.rows, &to.device)? {
            Some(no) => devices::get(&self.rows, no)?
                .filter(|row| row.is_retired())
                .map(|_| devices::left(&self.rows, no))
                .transpose()?,
            None => None,
        };
        if let Some(left) = retired {
            let reason = if to.user == self.facts.own.user { LEFT_OWN } else { LEFT };
            return Ok(Why::since(reason, left.unwrap_or(0)));
        }
        let room = conversations::get(&self.rows, conversation)?.is_some_and(|row| row.kind == ConversationKind::Room);
        if room {
            return Ok(Why::since(LEFT_ROOM, 0));
        }
        let removed = contacts::removed(&self.rows, &to.user)?;
        Ok(Why::since(NO_CONTACT, removed.unwrap_or(0)))
    }

    fn why_on_its_way(&self, device: &DeviceId, clock: u64) -> Result<Option<Why>, StoreError> {
        if let Some(since) = self.link(device) {
            return Ok(Some(Why::since(UNCONFIRMED, since.max(clock))));
        }
        let number = devices::number(&self.rows, device)?;
        let Some(row) = number.map(|no| devices::get(&self.rows, no)).transpose()?.flatten() else {
            return Ok(None);
        };
        let there = match self.live.sessionless.contains(device) {
            true => "connected, but there is no session with this device yet",
            false => "connected, but without a stream yet",
        };
        let failed = parlour_net::peer_from_bytes(&row.peer).ok().and_then(|peer| {
            let mut unreachable = self.live.unreachable.iter();
            unreachable.find(|failed| failed.peer == peer)
        });
        Ok(Some(Why {
            reason: self.why_peer_unreachable(&row.peer, there),
            since: failed.map(|failed| Time(failed.since)),
        }))
    }
}

const BLOCKED: &str = "you have blocked them, and nothing goes to them until you let them in again";
const CHANGED: &str = "their devices have changed, and nothing goes to them until you accept the new ones";
const EXPIRED: &str = "tried for 30 days; it goes when their node connects";
const LEFT: &str = "this device is none of theirs any more";
const LEFT_OWN: &str = "this device is none of yours any more";
const LEFT_ROOM: &str = "they do not take part in the room any more";
const NO_CONTACT: &str = "they are no contact any more, and nothing goes to them";
const UNCONFIRMED: &str = "connected; their node has not said yet that it is safe on its disk";

//! Whoever hears of their removal before what makes it void: they are out at their own node, and in at others. They say what they hold to
//! members who take them for one, and go on hearing what is done in the room, and nothing of what is said.

use parlour_crypto::{ConversationId, SignedEvent};
use parlour_store::rooms::{self, Standing};
use parlour_store::{ConversationNo, DeviceNo, StoreError};

use super::is_operation;
use crate::engine::Engine;
use crate::engine::effects::Turn;

/// How often a member is told what we hold of a room that we are out of, ms.
const EVERY_MS: u64 = 30_000;

impl Engine {
    /// Tells a member who takes us for one what we hold, so that they give us what we lack; not too often, since they answer with the same.
    pub(super) fn hear_on(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        no: ConversationNo,
        room: &ConversationId,
    ) -> Result<(), StoreError> {
        let now = turn.now;
        let Some((stream, link)) = self.link_to(device) else {
            return Ok(());
        };
        let told = link.told_astray.get(&no);
        if told.is_some_and(|told| now.saturating_sub(*told) < EVERY_MS) {
            return Ok(());
        }
        link.told_astray.insert(no, now);
        self.tell_conversation(turn, stream, no, room)
    }

    /// Takes what a member gives of a room that we are out of: what was done in it, since it may say that we are not. `false`: it is
    /// malformed.
    pub(crate) fn take_astray(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        room: &ConversationId,
        wire: &[Vec<u8>],
    ) -> Result<bool, StoreError> {
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(true);
        };
        let Some((no, row)) = self.room_number(turn, room)? else {
            return Ok(true);
        };
        if row.standing != Standing::Gone || self.is_blocked(&user) || rooms::member(turn.txn, no, &user)?.is_none() {
            return Ok(true);
        }
        self.gather_operations();
        let mut whole = true;
        for bytes in wire {
            let Ok(event) = SignedEvent::decode(bytes) else {
                self.counters.malformed_events += 1;
                whole = false;
                break;
            };
            if is_operation(event.header().kind) && event.header().conversation == *room {
                self.take_operation(turn, no, event)?;
            }
        }
        self.settle_operations(turn, no)?;
        Ok(whole)
    }
}

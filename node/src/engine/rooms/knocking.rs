//! Knocking: whoever shows a link that lets nobody in waits until a person has decided, at the device that made the link.

use std::collections::BTreeSet;

use parlour_crypto::{ConversationId, JoinRule, MAX_NAME, RoomAsk, RoomState, UserId};
use parlour_store::feed::{self, FeedRow};
use parlour_store::rooms::{self, RequestRow};
use parlour_store::{ConversationNo, DeviceNo, StoreError};

use super::acts::RoomError;
use super::joining::refused;
use crate::engine::Engine;
use crate::engine::effects::Turn;

/// Who waits at one room.
const MAX_REQUESTS: usize = 64;
/// So long they wait.
const WAIT_MS: u64 = 7 * 24 * 3_600_000;

impl Engine {
    /// Whether a link that is shown is one with which one asks.
    pub(super) fn is_knock(&self, turn: &Turn<'_, '_>, no: ConversationNo, ask: &RoomAsk) -> Result<bool, StoreError> {
        let rows = rooms::tokens(turn.txn)?;
        let shown = rows.iter().find(|row| Some(row.token) == ask.token && row.room == no);
        Ok(shown.is_some_and(|row| row.knock))
    }

    /// Somebody knocks.
    pub(super) fn let_wait(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        device: DeviceNo,
        state: &RoomState,
        ask: &RoomAsk,
    ) -> Result<(), StoreError> {
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(());
        };
        if state.policy.join_rule() == JoinRule::Public && !state.banned.contains(&user) {
            // Whoever comes needs nobody's leave, only what makes the room.
            return self.welcome_to_room(turn, no, &user);
        }
        let waiting = rooms::requests(turn.txn, Some(no))?;
        let reason = if state.banned.contains(&user) {
            Some(refused::BANNED)
        } else if state.policy.join_rule() < JoinRule::Knock || waiting.len() >= MAX_REQUESTS {
            Some(refused::NO)
        } else {
            None
        };
        if let Some(reason) = reason {
            return self.refuse_to_join(turn, device, &ask.room, reason);
        }
        if waiting.iter().any(|(_, other, _)| *other == user) {
            return Ok(());
        }
        let mut name = ask.name.clone();
        name.truncate(name.floor_char_boundary(MAX_NAME));
        let row = RequestRow {
            name,
            note: ask.note.clone(),
            device,
            at: turn.now,
        };
        rooms::put_request(turn.txn, no, &user, &row);
        feed::append(turn.txn, &FeedRow::Conversation { conversation: no })?;
        Ok(())
    }

    /// Those who wait to be let in. Who has waited too long is turned away.
    pub(super) fn knocking(&mut self, turn: &mut Turn<'_, '_>) -> Result<BTreeSet<UserId>, StoreError> {
        let mut waiting = BTreeSet::new();
        for (no, user, row) in rooms::requests(turn.txn, None)? {
            if turn.now.saturating_sub(row.at) < WAIT_MS {
                waiting.insert(user);
                continue;
            }
            if let Some(room) = parlour_store::conversations::id_of(turn.txn, no)? {
                self.turn_away(turn, no, &room, &user)?.ok();
            }
        }
        Ok(waiting)
    }

    /// Does not let in who waits.
    pub(super) fn turn_away(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        room: &ConversationId,
        user: &UserId,
    ) -> Result<Result<(), RoomError>, StoreError> {
        let Some(row) = rooms::request(turn.txn, no, user)? else {
            return Ok(Err(RoomError::NotAsking));
        };
        rooms::delete_request(turn.txn, no, user);
        feed::append(turn.txn, &FeedRow::Conversation { conversation: no })?;
        self.refuse_to_join(turn, row.device, room, refused::NO)?;
        Ok(Ok(()))
    }
}

//! What the rules of a room do to what is said in it, on receipt as on sending: who deletes for all, what came too soon, and what was
//! deleted before it came. Nothing valid is dropped.

use std::sync::Arc;

use parlour_crypto::{
    DeviceId, EventHeader, EventId, Intervals, KIND_DELETE, KIND_MESSAGE, Purge, Rank, RoomState, Said, UserId,
};
use parlour_store::annotations::Ruling;
use parlour_store::timeline::Position;
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError, annotations, events, logs};

use super::slow;
use crate::engine::Engine;
use crate::engine::effects::Turn;

impl Engine {
    /// Writes down what the rules of a room say of an event that is about to be stored; nothing in other conversations.
    pub(crate) fn apply_rules(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        (id, header): (EventId, &EventHeader),
        (user, device): (&UserId, DeviceNo),
    ) -> Result<(), StoreError> {
        let Some(view) = header.view else { return Ok(()) };
        let Some(state) = self.state_of_view(turn, no, &view)? else {
            return Ok(());
        };
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let now = folded.state();
        // Whoever was removed deletes nothing that others wrote any more, whenever they say it was.
        let stands = now.stands(&state, user, header) == Said::Stands;
        let around_removal = !stands;
        let slow = folded.had_slow_mode();
        let log = (header.device, header.log);
        let purges = now.purged.get(&log).into_iter().flatten();
        let purges = purges.filter(|purge| header.seq <= purge.last && !knows(&state, log, purge));
        let purged = purges.map(|purge| purge.by).min();
        if header.kind == KIND_DELETE && stands && may_delete_for_all(&state, user) {
            annotations::let_delete_for_all(turn.txn, &id);
        }
        if header.kind != KIND_MESSAGE {
            return Ok(());
        }
        if around_removal {
            let ruling = Ruling {
                around_removal,
                ..annotations::ruling(turn.txn, &id)?
            };
            annotations::rule(turn.txn, &id, ruling);
        }
        if let Some(by) = purged {
            let target = Position {
                clock: header.clock,
                id,
            };
            annotations::delete_for_all(turn.txn, no, target, &by)?;
        }
        // Whom no pause holds back may have written shortly before, when one did.
        if slow {
            let log = LogKey {
                conversation: no,
                device,
                log: header.log,
            };
            self.hide_what_is_too_soon(turn, &log, (id, header), slow::pause(&state, user))?;
        }
        Ok(())
    }

    /// Whether this account may delete what others wrote in a conversation.
    pub(crate) fn may_delete_for_all(&mut self, turn: &Turn<'_, '_>, no: ConversationNo) -> Result<bool, StoreError> {
        let own = self.own.user;
        let folded = self.folded(turn, no)?;
        Ok(folded.is_some_and(|folded| may_delete_for_all(folded.state(), &own)))
    }

    /// Has deleted what those had said who were removed with all that.
    pub(super) fn purge_logs(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo) -> Result<(), StoreError> {
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let purged = folded.state().purged.clone();
        for ((device, log), purges) in purged {
            let Some((number, _)) = self.known_device(&device) else {
                continue;
            };
            let key = LogKey {
                conversation: no,
                device: number,
                log,
            };
            for purge in purges {
                let up_to = match annotations::is_purged(turn.txn, &key, purge.last)? {
                    true => continue,
                    false => self.last_before(turn, &key, (device, log), &purge)?,
                };
                if up_to > 0 && annotations::purge(turn.txn, &key, up_to, &purge.by)? {
                    turn.effects.erase_at(turn.now);
                }
            }
        }
        Ok(())
    }

    /// The last place of a log, of those that are held, that a purge is about: who was let in again writes on in the same log, knowing of it,
    /// and what they write may be here before everything is deleted.
    fn last_before(
        &mut self,
        turn: &Turn<'_, '_>,
        key: &LogKey,
        log: (DeviceId, u32),
        purge: &Purge,
    ) -> Result<u64, StoreError> {
        let held = logs::get(turn.txn, key)?.have;
        let held = held.intersection(&Intervals::range(1, purge.last));
        let knowing = held.first_where(|seq| {
            let state = self.state_at_place(turn, key, seq)?;
            Ok::<_, StoreError>(state.is_some_and(|state| knows(&state, log, purge)))
        })?;
        // What comes later is judged when it comes.
        Ok(match knowing {
            Some(first) => first.saturating_sub(1),
            None => held.max().unwrap_or(0),
        })
    }

    /// What those knew who wrote at a place of a log.
    fn state_at_place(
        &mut self,
        turn: &Turn<'_, '_>,
        log: &LogKey,
        seq: u64,
    ) -> Result<Option<Arc<RoomState>>, StoreError> {
        match view_at(turn, log, seq)? {
            Some(view) => self.state_of_view(turn, log.conversation, &view),
            None => Ok(None),
        }
    }
}

/// The view of what is held at a place of a log.
pub(super) fn view_at(turn: &Turn<'_, '_>, log: &LogKey, seq: u64) -> Result<Option<[u8; 32]>, StoreError> {
    let at = EventKey {
        log: *log,
        seq,
        branch: 0,
    };
    Ok(events::get(turn.txn, &at)?.and_then(|event| event.header().view))
}

/// Whether who spoke under this state knew of a purge.
fn knows(state: &RoomState, log: (DeviceId, u32), purge: &Purge) -> bool {
    let known = state.purged.get(&log).into_iter().flatten();
    known.into_iter().any(|known| known.operation == purge.operation)
}

/// Whether a user may delete what others wrote.
pub(super) fn may_delete_for_all(state: &RoomState, user: &UserId) -> bool {
    let rank = state.rank(user);
    rank == Rank::Owner || (rank >= Rank::Moderator && rank.number() >= state.policy.remove)
}

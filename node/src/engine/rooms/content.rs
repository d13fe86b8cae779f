//! What the rules of a room do to what is said in it, on receipt as on sending: who deletes for all, what came too soon, and what was
//! deleted before it came. Nothing valid is dropped.

use parlour_crypto::{EventHeader, EventId, KIND_DELETE, KIND_MESSAGE, Rank, RoomState, UserId};
use parlour_store::timeline::Position;
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError, annotations, events, feed, logs};

use crate::engine::Engine;
use crate::engine::effects::Turn;

/// Places of a log around a message in which others are looked for that are too near to it.
const NEAR: u64 = 64;

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
        if header.kind == KIND_DELETE && may_delete_for_all(&state, user) {
            annotations::let_delete_for_all(turn.txn, &id);
        }
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let purged = folded.state().purged.get(&(header.device, header.log)).copied();
        let slow = folded.had_slow_mode();
        if header.kind != KIND_MESSAGE {
            return Ok(());
        }
        if let Some((_, by)) = purged.filter(|(last, _)| header.seq <= *last) {
            let target = Position {
                clock: header.clock,
                id,
            };
            annotations::delete_for_all(turn.txn, no, target, &by)?;
        }
        if slow && state.rank(user) < Rank::Moderator {
            let log = LogKey {
                conversation: no,
                device,
                log: header.log,
            };
            self.hide_what_is_too_soon(turn, &log, (id, header), pause(&state, user))?;
        }
        Ok(())
    }

    /// Hides a message that comes too soon behind another one of its log, and what comes too soon behind it. Both are looked for, so that the
    /// order of arrival makes no difference.
    fn hide_what_is_too_soon(
        &mut self,
        turn: &mut Turn<'_, '_>,
        log: &LogKey,
        (id, header): (EventId, &EventHeader),
        pause_ms: u64,
    ) -> Result<(), StoreError> {
        let held = logs::get(turn.txn, log)?.have;
        for seq in header.seq.saturating_sub(NEAR)..header.seq {
            let at = EventKey {
                log: *log,
                seq,
                branch: 0,
            };
            if !held.contains(seq) || pause_ms == 0 {
                continue;
            }
            let brief = events::brief(turn.txn, &at)?.filter(|brief| brief.kind == KIND_MESSAGE);
            if brief.is_some_and(|brief| is_too_soon(brief.clock, header.clock, pause_ms)) {
                annotations::veil(turn.txn, &id);
                break;
            }
        }
        for seq in header.seq.saturating_add(1)..=header.seq.saturating_add(NEAR) {
            let at = EventKey {
                log: *log,
                seq,
                branch: 0,
            };
            if !held.contains(seq) {
                continue;
            }
            let Some(later) = events::get(turn.txn, &at)?.filter(|event| event.header().kind == KIND_MESSAGE) else {
                continue;
            };
            let Some(view) = later.header().view else { continue };
            let user = self.known.get(&log.device).map(|known| known.user);
            let state = self.state_of_view(turn, log.conversation, &view)?;
            let Some((state, user)) = state.zip(user) else { continue };
            if is_too_soon(header.clock, later.header().clock, pause(&state, &user))
                && !annotations::is_veiled(turn.txn, &later.id())?
            {
                annotations::veil(turn.txn, &later.id());
                feed::append(turn.txn, &feed::FeedRow::Changed { event: at })?;
            }
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
        for ((device, log), (last, by)) in purged {
            let Some((device, _)) = self.known_device(&device) else {
                continue;
            };
            let log = LogKey {
                conversation: no,
                device,
                log,
            };
            if annotations::purge(turn.txn, &log, last, &by)? {
                turn.effects.erase_at(turn.now);
            }
        }
        Ok(())
    }
}

/// Whether a user may delete what others wrote.
pub(super) fn may_delete_for_all(state: &RoomState, user: &UserId) -> bool {
    let rank = state.rank(user);
    rank == Rank::Owner || (rank >= Rank::Moderator && rank.number() >= state.policy.remove)
}

/// What a room asks of a user between two messages, ms; 0: nothing.
fn pause(state: &RoomState, user: &UserId) -> u64 {
    match state.rank(user) {
        rank if rank >= Rank::Moderator => 0,
        _ => u64::from(state.policy.slow_mode_ms),
    }
}

fn is_too_soon(before: u64, clock: u64, pause_ms: u64) -> bool {
    before.saturating_add(pause_ms) > clock
}

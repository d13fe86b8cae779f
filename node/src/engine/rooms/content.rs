//! What the rules of a room do to what is said in it, on receipt as on sending: who deletes for all, what came too soon, and what was
//! deleted before it came. Nothing valid is dropped.

use parlour_crypto::{EventHeader, EventId, KIND_DELETE, KIND_MESSAGE, Rank, RoomState, Said, UserId};
use parlour_store::annotations::Ruling;
use parlour_store::timeline::Position;
use parlour_store::{ConversationNo, DeviceNo, LogKey, StoreError, annotations, events};

use super::{purging, slow};
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
        let slow = folded.had_slow_mode();
        let purged = purging::purged_by(now, &state, header);
        if header.kind == KIND_DELETE && stands && may_delete_for_all(&state, user) {
            annotations::let_delete_for_all(turn.txn, &id, true);
        }
        let known = annotations::ruling(turn.txn, &id)?;
        // What was written down of it before it was lost holds no more.
        let ruling = match known != Ruling::default() && events::place(turn.txn, &id)?.is_none() {
            true => Ruling::default(),
            false => known,
        };
        let around_removal = ruling.around_removal || (!stands && header.kind == KIND_MESSAGE);
        let ruling = Ruling {
            around_removal,
            ..ruling
        };
        if ruling != known {
            annotations::rule(turn.txn, &id, ruling);
        }
        if header.kind != KIND_MESSAGE {
            return Ok(());
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
}

/// Whether a user may delete what others wrote.
pub(super) fn may_delete_for_all(state: &RoomState, user: &UserId) -> bool {
    let rank = state.rank(user);
    rank == Rank::Owner || (rank >= Rank::Moderator && rank.number() >= state.policy.remove)
}

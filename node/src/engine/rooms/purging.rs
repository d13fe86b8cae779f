//! Removals that take with them what was said: what is here is deleted some at a time, what comes later when it comes.

use std::collections::BTreeSet;

use parlour_crypto::{EventHeader, EventId, Intervals, KIND_MESSAGE, Purge, RoomState, UserId};
use parlour_store::annotations::{self, Folded};
use parlour_store::{ConversationNo, EventKey, LogKey, StoreError, events, logs};

use super::said::{Anew, Grounds};
use crate::engine::Engine;
use crate::engine::append::tell;
use crate::engine::effects::Turn;

/// Places of a log that are looked at in one turn.
const SEQS_AT_ONCE: usize = 1_000;

/// By whom a message was deleted with all that its author had said, not knowing of it, before they were removed. Who was let in again
/// and knows of it means what they say anew.
pub(super) fn purged_by(now: &RoomState, then: &RoomState, header: &EventHeader) -> Option<UserId> {
    let log = (header.device, header.log);
    let known = then.purged.get(&log).map_or(&[][..], Vec::as_slice);
    let knows = |purge: &Purge| known.iter().any(|known| known.operation == purge.operation);
    let purges = now.purged.get(&log).into_iter().flatten();
    let purges = purges.filter(|purge| header.seq <= purge.last && !knows(purge));
    purges.map(|purge| purge.by).min()
}

impl Engine {
    /// Has deleted what those had said who were removed with all that.
    pub(super) fn purge_logs(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo) -> Result<(), StoreError> {
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let purged = folded.state().purged.clone();
        for ((device, log), purges) in purged {
            let Some((device, _)) = self.known_device(&device) else {
                continue;
            };
            let key = LogKey {
                conversation: no,
                device,
                log,
            };
            for purge in purges {
                if annotations::purge(turn.txn, &key, purge.last)? {
                    turn.effects.erase_at(turn.now);
                }
            }
        }
        Ok(())
    }

    /// Goes on with one log, as far as this turn may.
    pub(crate) fn purge_more(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let Some((log, left)) = annotations::purging(turn.txn)? else {
            return Ok(());
        };
        let mut out = Folded::default();
        let mut rest = left.values();
        let mut next = rest.next();
        for _ in 0..SEQS_AT_ONCE {
            let Some(seq) = next.filter(|_| !annotations::is_spent(turn.txn)) else {
                break;
            };
            for branch in 0..=u8::MAX {
                let at = EventKey { log, seq, branch };
                let Some(event) = events::get(turn.txn, &at)? else {
                    break;
                };
                if let Some(by) = self.purged_now(turn, log.conversation, event.header())? {
                    annotations::purge_message(turn.txn, &at, &event, &by, turn.now, &mut out)?;
                }
            }
            next = rest.next();
        }
        annotations::purged(turn.txn, &log, next)?;
        tell(turn, &out)
    }

    /// Deletes those of some messages again that are still to be deleted with all that their authors had said.
    pub(super) fn purge_again(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        ids: &BTreeSet<EventId>,
    ) -> Result<(), StoreError> {
        let mut out = Folded::default();
        for id in ids {
            let Some(at) = events::place(turn.txn, id)?.filter(|at| at.log.conversation == no) else {
                continue;
            };
            if let Some(event) = events::get(turn.txn, &at)?
                && let Some(by) = self.purged_now(turn, no, event.header())?
            {
                annotations::purge_message(turn.txn, &at, &event, &by, turn.now, &mut out)?;
            }
        }
        tell(turn, &out)
    }

    fn purged_now(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        header: &EventHeader,
    ) -> Result<Option<UserId>, StoreError> {
        let Some(view) = header.view.filter(|_| header.kind == KIND_MESSAGE) else {
            return Ok(None);
        };
        let then = self.state_of_view(turn, no, &view)?;
        let folded = self.folded(turn, no)?;
        Ok(folded
            .zip(then)
            .and_then(|(folded, then)| purged_by(folded.state(), &then, header)))
    }

    /// Removals that were to take with them what was said, and count no more, leave it. Says what is to be made anew: who did them may have
    /// deleted some of it besides.
    pub(super) fn forget_purges(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        (before, grounds): (&Grounds, &Grounds),
    ) -> Result<Anew, StoreError> {
        let mut anew = Anew::new();
        for ((device, log), purges) in &before.purged {
            let left = grounds.purged.get(&(*device, *log));
            let gone = purges
                .iter()
                .filter(|purge| left.is_none_or(|left| !left.contains(purge)));
            let gone: Vec<&Purge> = gone.collect();
            let (Some((device, _)), false) = (self.known_device(device), left == Some(purges)) else {
                continue;
            };
            let log = LogKey {
                conversation: no,
                device,
                log: *log,
            };
            // All that is left is looked for from the beginning: one that comes second may be about what the first is not about.
            annotations::forget_purge(turn.txn, &log);
            let have = logs::get(turn.txn, &log)?.have;
            for purge in gone {
                let about = anew.entry(purge.by).or_default();
                for seq in have.intersection(&Intervals::range(1, purge.last)).values() {
                    for branch in 0..=u8::MAX {
                        let at = EventKey { log, seq, branch };
                        let Some(event) = events::get(turn.txn, &at)? else {
                            break;
                        };
                        if event.header().kind == KIND_MESSAGE
                            && annotations::is_deleted_by(turn.txn, no, &event.id(), &purge.by)?
                        {
                            about.insert(event.id());
                        }
                    }
                }
            }
        }
        Ok(anew)
    }
}

//! What happened in a room is shown between what was said there: rows for readers, of the operations that count.

use std::collections::BTreeMap;

use parlour_crypto::EventId;
use parlour_store::feed::{self, FeedRow};
use parlour_store::timeline::{Position, TimelineEntry};
use parlour_store::{ConversationNo, EventKey, StoreError, events, rooms, system};

use super::holds_operations;
use crate::engine::Engine;
use crate::engine::effects::Turn;

impl Engine {
    /// Operations have been added: those that count are shown, and those that do no more are not. `only`: nothing else was judged.
    pub(super) fn show_operations(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        only: Option<&[EventId]>,
    ) -> Result<(), StoreError> {
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        if let Some(only) = only {
            let mut happened = only.iter().filter(|id| folded.has_happened(id));
            return happened.try_for_each(|id| show(turn, id));
        }
        let happened: Vec<EventId> = folded.happened().collect();
        let mut shown = shown(turn, no)?;
        for id in happened {
            if shown.remove(&id).is_none() {
                show(turn, &id)?;
            }
        }
        for (id, (clock, event)) in shown {
            system::remove(turn.txn, no, &Position { clock, id });
            feed::append(turn.txn, &FeedRow::System { event })?;
        }
        Ok(())
    }

    /// Writes down what happened in rooms, and who is kept out of them, where that was never done or went with a repair. It is no news.
    pub(crate) fn show_past_operations(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for (no, _) in rooms::all(turn.txn)? {
            let mut known = system::all(turn.txn, no);
            if known.any(|entry| entry.is_ok_and(|entry| is_operation(&entry))) {
                continue;
            }
            drop(known);
            let Some(folded) = self.folded(turn, no)? else { continue };
            let banned = folded.state().banned.clone();
            let happened: Vec<EventId> = folded.happened().collect();
            rooms::set_banned(turn.txn, no, &banned)?;
            for id in happened {
                if let Some((at, event)) = place(turn, &id)? {
                    system::put(turn.txn, &at, &event);
                }
            }
        }
        Ok(())
    }
}

fn is_operation(entry: &TimelineEntry) -> bool {
    holds_operations(&entry.event.log)
}

/// The operations that are shown.
fn shown(turn: &Turn<'_, '_>, no: ConversationNo) -> Result<BTreeMap<EventId, (u64, EventKey)>, StoreError> {
    let mut shown = BTreeMap::new();
    for entry in system::all(turn.txn, no) {
        let entry = entry?;
        if is_operation(&entry) {
            shown.insert(entry.at.id, (entry.at.clock, entry.event));
        }
    }
    Ok(shown)
}

fn show(turn: &mut Turn<'_, '_>, id: &EventId) -> Result<(), StoreError> {
    if let Some((at, event)) = place(turn, id)? {
        system::put(turn.txn, &at, &event);
        feed::append(turn.txn, &FeedRow::System { event })?;
    }
    Ok(())
}

fn place(turn: &Turn<'_, '_>, id: &EventId) -> Result<Option<(Position, EventKey)>, StoreError> {
    let Some(event) = events::place(turn.txn, id)? else {
        return Ok(None);
    };
    let brief = events::brief(turn.txn, &event)?;
    Ok(brief.map(|brief| {
        (
            Position {
                clock: brief.clock,
                id: *id,
            },
            event,
        )
    }))
}

//! Operations can take away what somebody had the right to say: a removal that did not know of it, or the end of what had let them in.
//! What is held already is judged again then, and marked or hidden, as those mark and leave it who get it later.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{DeviceId, Ending, EventId, Intervals, KIND_MESSAGE, RoomState, Said, UserId, VerifiedEvent};
use parlour_store::annotations::{self, Ruling};
use parlour_store::{ConversationNo, EventKey, LogKey, StoreError, events, feed, logs, rooms};

use super::content::view_at;
use super::holds_operations;
use crate::engine::Engine;
use crate::engine::effects::Turn;

/// What rulings on messages go by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Grounds {
    ends: BTreeMap<UserId, BTreeMap<EventId, Ending>>,
    device_ends: BTreeMap<(UserId, DeviceId), Ending>,
    void: Vec<EventId>,
}

impl Grounds {
    pub(super) fn of(state: &RoomState) -> Self {
        Self {
            ends: state.ends.clone(),
            device_ends: state.device_ends.clone(),
            void: state.dropped.keys().copied().collect(),
        }
    }

    /// The operations that count here and not there, or the other way round.
    fn turned(&self, other: &Self) -> Vec<EventId> {
        let only = |one: &Self, other: &Self| {
            let ids = one.void.iter().filter(|id| other.void.binary_search(id).is_err());
            ids.copied().collect::<Vec<_>>()
        };
        [only(self, other), only(other, self)].concat()
    }

    /// What ended a user and a device of theirs here or there, as the last event of a log that stands in spite of it and the removal, if
    /// it was one; nothing where it is the same. Of several removals the one that leaves most counts, so that a new one is about what the
    /// others are about, too.
    fn endings(&self, other: &Self, user: &UserId, device: &DeviceId, log: u32) -> BTreeSet<(u64, Option<EventId>)> {
        let removals = [self, other].map(|of| of.ends.get(user));
        let ended = [self, other].map(|of| of.device_ends.get(&(*user, *device)));
        if removals[0] == removals[1] && ended[0] == ended[1] {
            return BTreeSet::new();
        }
        let removals = removals.into_iter().flatten().flatten();
        let removals = removals.map(|(id, ending)| (ending.last(device, log), Some(*id)));
        let ended = ended
            .into_iter()
            .flatten()
            .map(|ending| (ending.last(device, log), None));
        removals.chain(ended).collect()
    }
}

impl Engine {
    /// Judges again what is held, as far as operations have changed the grounds for it; `anew`: some that were here before count, or do
    /// not count, otherwise than they did.
    pub(super) fn judge_anew(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        anew: bool,
    ) -> Result<(), StoreError> {
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let grounds = Grounds::of(folded.state());
        let Some(before) = self.rooms.grounds.insert(no, grounds.clone()) else {
            return Ok(());
        };
        if before == grounds {
            return Ok(());
        }
        let turned = if anew { before.turned(&grounds) } else { Vec::new() };
        for (log, row) in logs::of_conversation(turn.txn, no)? {
            let Some(known) = self.known.get(&log.device).filter(|_| !holds_operations(&log)) else {
                continue;
            };
            let (user, device) = (known.user, known.id);
            let mut concerned = Intervals::default();
            for (last, removal) in before.endings(&grounds, &user, &device, log.log) {
                // Who was let in again and knows of it is not meant.
                let known = self.first_under(turn, &log, removal.as_slice())?;
                concerned.insert_range(
                    last.saturating_add(1),
                    known.map_or(u64::MAX, |first| first.saturating_sub(1)),
                );
            }
            if let Some(first) = self.first_under(turn, &log, &turned)? {
                concerned.insert_range(first, u64::MAX);
            }
            for seq in row.have.intersection(&concerned).values() {
                for branch in 0..=u8::MAX {
                    let at = EventKey { log, seq, branch };
                    let Some(event) = events::get(turn.txn, &at)? else {
                        break;
                    };
                    self.rule_again(turn, &at, &event, &user)?;
                }
            }
        }
        Ok(())
    }

    fn rule_again(
        &mut self,
        turn: &mut Turn<'_, '_>,
        at: &EventKey,
        event: &VerifiedEvent,
        user: &UserId,
    ) -> Result<(), StoreError> {
        let header = event.header();
        if header.kind != KIND_MESSAGE {
            return Ok(());
        }
        let Some(said) = self.judge_said(turn, at.log.conversation, header, user)? else {
            return Ok(());
        };
        let before = annotations::ruling(turn.txn, &event.id())?;
        let ruling = Ruling {
            around_removal: said == Said::AroundRemoval,
            void: said == Said::Void,
            ..before
        };
        if ruling == before {
            return Ok(());
        }
        if ruling.hides() && !before.hides() {
            self.count_veiled(turn, at.log.conversation, event)?;
        }
        annotations::rule(turn.txn, &event.id(), ruling);
        feed::append(turn.txn, &feed::FeedRow::Changed { event: *at })?;
        Ok(())
    }

    /// The first event of a log, of those that are held, under whose view one of some operations stands. Views of a log only grow.
    fn first_under(
        &mut self,
        turn: &Turn<'_, '_>,
        log: &LogKey,
        operations: &[EventId],
    ) -> Result<Option<u64>, StoreError> {
        if operations.is_empty() {
            return Ok(None);
        }
        let held = logs::get(turn.txn, log)?.have;
        held.first_where(|seq| match view_at(turn, log, seq)? {
            Some(view) => self.is_under(turn, log.conversation, &view, operations),
            None => Ok(false),
        })
    }

    /// Whether one of some operations was known to those who wrote under a view.
    fn is_under(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        view: &[u8; 32],
        operations: &[EventId],
    ) -> Result<bool, StoreError> {
        let heads = match self.single_head(turn, no, view)? {
            Some(head) => Some(vec![head]),
            None => rooms::view(turn.txn, no, view)?,
        };
        let folded = self.folded(turn, no)?;
        Ok(folded
            .zip(heads)
            .is_some_and(|(folded, heads)| folded.is_under(&heads, operations)))
    }
}

//! Operations can take away what somebody had the right to say: a removal that did not know of it, or the end of what had let them in.
//! What is held already is judged again then, and marked or hidden, as those mark and leave it who get it later.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{
    DeviceId, Ending, EventId, Intervals, KIND_DELETE, KIND_MESSAGE, KIND_PIN, Purge, RoomState, Said, UserId,
    VerifiedEvent,
};
use parlour_store::annotations::{self, Ruling};
use parlour_store::{ConversationNo, EventKey, LogKey, StoreError, events, feed, logs, rooms, system, timeline};

use super::content::may_delete_for_all;
use super::holds_operations;
use crate::engine::Engine;
use crate::engine::append::tell;
use crate::engine::effects::Turn;
use crate::engine::write::position;

/// What rulings on messages go by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Grounds {
    ends: BTreeMap<UserId, BTreeMap<EventId, Ending>>,
    device_ends: BTreeMap<(UserId, DeviceId), Ending>,
    pub(super) purged: BTreeMap<(DeviceId, u32), Vec<Purge>>,
    void: Vec<EventId>,
}

/// Of users, the messages of which what they say is to be made anew.
pub(super) type Anew = BTreeMap<UserId, BTreeSet<EventId>>;

impl Grounds {
    pub(super) fn of(state: &RoomState) -> Self {
        Self {
            ends: state.ends.clone(),
            device_ends: state.device_ends.clone(),
            purged: state.purged.clone(),
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
        let (grounds, slow) = (Grounds::of(folded.state()), folded.had_slow_mode());
        let Some(before) = self.rooms.grounds.insert(no, grounds.clone()) else {
            return Ok(());
        };
        if before == grounds {
            return Ok(());
        }
        let turned = if anew { before.turned(&grounds) } else { Vec::new() };
        let mut renew = self.forget_purges(turn, no, (&before, &grounds))?;
        for (log, row) in logs::of_conversation(turn.txn, no)? {
            let Some(known) = self.known.get(&log.device).filter(|_| !holds_operations(&log)) else {
                continue;
            };
            let (user, device) = (known.user, known.id);
            let mut concerned = Intervals::default();
            for (last, removal) in before.endings(&grounds, &user, &device, log.log) {
                // Who was let in again and knows of it is not meant. Of who tells two histories, one may know of it and the other not.
                let known = match row.forked {
                    true => None,
                    false => self.first_under(turn, &log, removal.as_slice())?,
                };
                concerned.insert_range(
                    last.saturating_add(1),
                    known.map_or(u64::MAX, |first| first.saturating_sub(1)),
                );
            }
            let first = match row.forked && !turned.is_empty() {
                true => Some(1),
                false => self.first_under(turn, &log, &turned)?,
            };
            if let Some(first) = first {
                concerned.insert_range(first, u64::MAX);
            }
            let mut earliest = None;
            for seq in row.have.intersection(&concerned).values() {
                for branch in 0..=u8::MAX {
                    let at = EventKey { log, seq, branch };
                    let Some(event) = events::get(turn.txn, &at)? else {
                        break;
                    };
                    let clock = event.header().clock;
                    earliest = Some(earliest.map_or(clock, |earliest: u64| earliest.min(clock)));
                    self.rule_again(turn, &at, &event, &user, &mut renew)?;
                }
            }
            if let Some(earliest) = earliest.filter(|_| slow) {
                self.pace_again(turn, no, log.device, earliest)?;
            }
        }
        for (user, about) in renew.into_iter().filter(|(_, about)| !about.is_empty()) {
            let folded = annotations::renew(turn.txn, no, &user, &about, turn.now)?;
            tell(turn, &folded)?;
            // What was deleted is asked of others.
            self.want_soon(turn, no)?;
        }
        Ok(())
    }

    /// Judges again something that was said; `anew` grows by what it said of messages, if that counts otherwise now.
    fn rule_again(
        &mut self,
        turn: &mut Turn<'_, '_>,
        at: &EventKey,
        event: &VerifiedEvent,
        user: &UserId,
        anew: &mut Anew,
    ) -> Result<(), StoreError> {
        let (header, id) = (event.header(), event.id());
        let Some(said) = self.judge_said(turn, at.log.conversation, header, user)? else {
            return Ok(());
        };
        let before = annotations::ruling(turn.txn, &id)?;
        let ruling = Ruling {
            around_removal: header.kind == KIND_MESSAGE && said == Said::AroundRemoval,
            void: said == Said::Void,
            ..before
        };
        self.rule(turn, at, event, ruling)?;
        let mut turned = ruling.void != before.void;
        if header.kind == KIND_DELETE {
            let then = match header.view {
                Some(view) => self.state_of_view(turn, at.log.conversation, &view)?,
                None => None,
            };
            let may = said == Said::Stands && then.is_some_and(|then| may_delete_for_all(&then, user));
            turned |= may != annotations::deletes_for_all(turn.txn, &id)?;
            annotations::let_delete_for_all(turn.txn, &id, may);
        }
        if turned {
            anew.entry(*user).or_default().extend(annotations::targets(event));
        }
        Ok(())
    }

    /// Writes down what the rules say of something that is here already, and what follows from it for readers.
    pub(super) fn rule(
        &mut self,
        turn: &mut Turn<'_, '_>,
        at: &EventKey,
        event: &VerifiedEvent,
        ruling: Ruling,
    ) -> Result<(), StoreError> {
        let (no, id) = (at.log.conversation, event.id());
        let before = annotations::ruling(turn.txn, &id)?;
        if ruling == before {
            return Ok(());
        }
        annotations::rule(turn.txn, &id, ruling);
        if event.header().kind == KIND_PIN && ruling.void {
            system::remove(turn.txn, no, &position(event));
            feed::append(turn.txn, &feed::FeedRow::System { event: *at })?;
        }
        if timeline::get(turn.txn, no, &position(event))?.is_none() {
            return Ok(());
        }
        if ruling.hides() != before.hides() {
            self.count_veiled(turn, no, event, ruling.hides())?;
            let folded = match ruling.hides() {
                true => annotations::withdraw(turn.txn, at, &id)?,
                false => annotations::fold(turn.txn, at, event, false, turn.now)?,
            };
            tell(turn, &folded)?;
        }
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

/// The view of what is held at a place of a log.
fn view_at(turn: &Turn<'_, '_>, log: &LogKey, seq: u64) -> Result<Option<[u8; 32]>, StoreError> {
    let at = EventKey {
        log: *log,
        seq,
        branch: 0,
    };
    Ok(events::get(turn.txn, &at)?.and_then(|event| event.header().view))
}

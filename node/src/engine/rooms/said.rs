//! Operations can take away what somebody had the right to say: a removal that did not know of it, or the end of what had let them in.
//! What is held already is judged again then, and marked or hidden, as those mark and leave it who get it later.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{
    DeviceId, Ending, EventHeader, EventId, Intervals, KIND_DELETE, KIND_MESSAGE, KIND_PIN, Purge, RoomState, Said,
    UserId, VerifiedEvent,
};
use parlour_store::annotations::{self, Ruling};
use parlour_store::{ConversationNo, EventKey, LogKey, StoreError, events, feed, logs, rooms, system, timeline};

use super::content::may_delete_for_all;
use super::holds_operations;
use crate::engine::Engine;
use crate::engine::append::tell;
use crate::engine::effects::Turn;
use crate::engine::write::position;

/// Logs of which the newest view is kept at hand.
const MAX_NEWEST: usize = 4_096;
/// Events that are remembered as without a right to be here.
const MAX_REFUSED: usize = 4_096;

/// What rulings on messages go by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Grounds {
    ends: BTreeMap<UserId, BTreeMap<EventId, Ending>>,
    device_ends: BTreeMap<(UserId, DeviceId), Ending>,
    pub(super) purged: BTreeMap<(DeviceId, u32), Vec<Purge>>,
}

/// Of users, the messages of which what they say is to be made anew.
pub(super) type Anew = BTreeMap<UserId, BTreeSet<EventId>>;

impl Grounds {
    pub(super) fn of(state: &RoomState) -> Self {
        Self {
            ends: state.ends.clone(),
            device_ends: state.device_ends.clone(),
            purged: state.purged.clone(),
        }
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
    /// Judges again what is held, as far as operations have changed the grounds for it.
    pub(super) fn judge_anew(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo) -> Result<(), StoreError> {
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let turned = folded.take_turned();
        let (grounds, slow) = (Grounds::of(folded.state()), folded.had_slow_mode());
        let Some(before) = self.rooms.grounds.insert(no, grounds.clone()) else {
            return Ok(());
        };
        self.rooms.refused.retain(|(of, _)| *of != no);
        if before == grounds && turned.is_empty() {
            return Ok(());
        }
        let mut renew = self.forget_purges(turn, no, (&before, &grounds))?;
        for (log, row) in logs::of_conversation(turn.txn, no)? {
            let Some(known) = self.known.get(&log.device).filter(|_| !holds_operations(&log)) else {
                continue;
            };
            let (user, device) = (known.user, known.id);
            let mut concerned = Intervals::default();
            // Of who tells two histories, or forgets what they knew, nothing is found by bisection.
            let in_order = !row.forked && !row.unordered;
            for (last, removal) in before.endings(&grounds, &user, &device, log.log) {
                // Who was let in again and knows of it is not meant.
                let known = match in_order {
                    true => self.first_under(turn, &log, removal.as_slice())?,
                    false => None,
                };
                concerned.insert_range(
                    last.saturating_add(1),
                    known.map_or(u64::MAX, |first| first.saturating_sub(1)),
                );
            }
            let first = match in_order || turned.is_empty() {
                true => self.first_under(turn, &log, &turned)?,
                false => Some(1),
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
            // What one who purges deleted besides is not to come back with that.
            if grounds.purged.values().flatten().any(|purge| purge.by == user) {
                self.purge_again(turn, no, &about)?;
            }
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

    /// Remembers that something has no right to be here, so that it is not asked for again until operations have changed.
    pub(crate) fn note_refused(&mut self, no: ConversationNo, id: EventId) {
        if self.rooms.refused.len() >= MAX_REFUSED {
            self.rooms.refused.clear();
        }
        self.rooms.refused.insert((no, id));
    }

    /// Whether something had no right to be here when it came.
    pub(crate) fn is_refused(&self, no: ConversationNo, id: &EventId) -> bool {
        self.rooms.refused.contains(&(no, *id))
    }

    /// Notes of a log whether its device knew less of the operations at one event than at one before it.
    pub(crate) fn note_order(
        &mut self,
        turn: &mut Turn<'_, '_>,
        at: &EventKey,
        header: &EventHeader,
    ) -> Result<(), StoreError> {
        let Some(view) = header.view else { return Ok(()) };
        // Mostly it comes behind all others, and its author has heard of nothing new.
        let newest = self.rooms.newest_views.get(&at.log).copied();
        if newest.is_none_or(|(seq, _)| at.seq > seq) {
            if self.rooms.newest_views.len() >= MAX_NEWEST {
                self.rooms.newest_views.clear();
            }
            self.rooms.newest_views.insert(at.log, (at.seq, view));
            if newest.is_some_and(|(_, known)| known == view) {
                return Ok(());
            }
        }
        let mut row = logs::get(turn.txn, &at.log)?;
        if row.forked || row.unordered {
            return Ok(());
        }
        let below = Intervals::range(1, at.seq.saturating_sub(1))
            .intersection(&row.have)
            .max();
        let above = Intervals::range(at.seq.saturating_add(1), u64::MAX).intersection(&row.have);
        let above = above.values().next();
        let mut in_order = true;
        if let Some(below) = below {
            in_order &= self.has_grown(turn, &at.log, (below, at.seq))?;
        }
        if let Some(above) = above {
            in_order &= self.has_grown(turn, &at.log, (at.seq, above))?;
        }
        if !in_order {
            row.unordered = true;
            logs::put(turn.txn, &at.log, &row);
        }
        Ok(())
    }

    /// Whether a device knew all at one place of its log that it knew at an earlier one.
    fn has_grown(
        &mut self,
        turn: &Turn<'_, '_>,
        log: &LogKey,
        (earlier, later): (u64, u64),
    ) -> Result<bool, StoreError> {
        let (Some(earlier), Some(later)) = (view_at(turn, log, earlier)?, view_at(turn, log, later)?) else {
            return Ok(true);
        };
        if earlier == later {
            return Ok(true);
        }
        let Some(heads) = self.heads_of(turn, log.conversation, &earlier)? else {
            return Ok(false);
        };
        for head in heads {
            if !self.is_under(turn, log.conversation, &later, &[head])? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The heads of the operations that those knew who wrote under a view.
    pub(super) fn heads_of(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        view: &[u8; 32],
    ) -> Result<Option<Vec<EventId>>, StoreError> {
        match self.single_head(turn, no, view)? {
            Some(head) => Ok(Some(vec![head])),
            None => rooms::view(turn.txn, no, view),
        }
    }

    /// Whether one of some operations was known to those who wrote under a view.
    fn is_under(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        view: &[u8; 32],
        operations: &[EventId],
    ) -> Result<bool, StoreError> {
        let heads = self.heads_of(turn, no, view)?;
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

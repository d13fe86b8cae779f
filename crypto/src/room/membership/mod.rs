//! Membership: the fold of a set of operations, whatever the order they came in (PROTOCOL.md section 11, "The fold").
//!
//! Pure: the same set gives the same [`RoomState`] on every device. `dag` knows what comes before what, `judge` which operations
//! count, `state` what they come to, `said` what stands of what the removed have said.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod dag;
mod index;
mod judge;
mod said;
mod state;
#[cfg(test)]
mod tests;

pub use self::judge::Dropped;
pub use self::said::{Ending, MAX_AROUND_REMOVAL, Said};
pub use self::state::{LinkState, Member, OpenInvite, Purge, RoomState};

use self::dag::{Bits, Dag, contains};
use self::judge::{Judge, Verdict};
use super::operation::{Act, RoomOperation, membership_view};
use super::rules::Rank;
use crate::ids::{ConversationId, DeviceId, EventId, UserId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use thiserror::Error;

/// Most operations of a room.
pub const MAX_OPERATIONS: usize = 16_384;

/// The operations of a room, and what they come to.
#[derive(Debug)]
pub struct Membership {
    room: ConversationId,
    judge: Judge,
    /// Operations of which an ancestor is missing.
    waiting: BTreeMap<EventId, RoomOperation>,
    state: RoomState,
    /// Operations of which another thing was found since somebody asked.
    turned: BTreeSet<EventId>,
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was there.
    Known,
    /// An ancestor is missing.
    Waiting,
    /// It came last, and nothing before it was judged again.
    Last,
    /// Everything was folded anew.
    Anew,
}

impl Membership {
    /// Folds the operations of `room`; others, and repeated ones, do not matter.
    ///
    /// # Errors
    /// When there are more than 16 384.
    pub fn fold(
        room: ConversationId,
        operations: impl IntoIterator<Item = RoomOperation>,
    ) -> Result<Self, TooManyOperations> {
        let mut ids = BTreeSet::new();
        let of_room = operations.into_iter().filter(|operation| operation.room == room);
        let operations: Vec<_> = of_room.filter(|operation| ids.insert(operation.id)).collect();
        if operations.len() > MAX_OPERATIONS {
            return Err(TooManyOperations);
        }
        let (dag, waiting) = in_order(operations);
        let judge = Judge::new(dag);
        let state = RoomState::of(&judge, &Bits::all(judge.dag.len()));
        Ok(Self {
            room,
            judge,
            waiting,
            state,
            turned: BTreeSet::new(),
        })
    }

    /// Adds an operation. One that has all others in its past is judged alone; otherwise all are folded anew.
    ///
    /// # Errors
    /// When there are 16 384 already; nothing has changed then.
    pub fn apply(&mut self, operation: RoomOperation) -> Result<Applied, TooManyOperations> {
        let id = operation.id;
        if operation.room != self.room || self.contains(&id) {
            return Ok(Applied::Known);
        }
        if self.judge.dag.len().saturating_add(self.waiting.len()) >= MAX_OPERATIONS {
            return Err(TooManyOperations);
        }
        if self.judge.dag.missing_parent(&operation).is_some() {
            self.waiting.insert(id, operation);
            return Ok(Applied::Waiting);
        }
        // A list after a recovered one may give a device back what it did.
        let lists = operation.list.is_some() && (self.judge.index.recovered || has_recovered(&operation));
        let is_last = self.waiting.is_empty() && !lists && self.judge.dag.covers_all(&operation.parents);
        let applied = if is_last {
            self.judge.extend(operation);
            Applied::Last
        } else {
            self.fold_with(operation);
            Applied::Anew
        };
        self.state = RoomState::of(&self.judge, &Bits::all(self.judge.dag.len()));
        Ok(applied)
    }

    /// What the operations come to.
    #[must_use]
    pub fn state(&self) -> &RoomState {
        &self.state
    }

    /// The operations that were here and were judged otherwise since the last time this was asked: they count or do not, or another one may
    /// gainsay them. What was said under a view with one of them in it may have another right now.
    pub fn take_turned(&mut self) -> Vec<EventId> {
        std::mem::take(&mut self.turned).into_iter().collect()
    }

    /// What those with these heads knew: the operations up to them, of those that count here. Nothing if one is not here.
    #[must_use]
    pub fn state_at(&self, heads: &[EventId]) -> Option<RoomState> {
        Some(RoomState::of(&self.judge, &self.judge.dag.closure(heads)?))
    }

    /// Whether those with these heads knew one of some operations. Not if one of the heads is not here.
    #[must_use]
    pub fn is_under(&self, heads: &[EventId], operations: &[EventId]) -> bool {
        let Some(past) = self.judge.dag.closure(heads) else {
            return false;
        };
        let mut places = operations.iter().filter_map(|id| self.judge.dag.place(id));
        places.any(|at| contains(past.as_slice(), at))
    }

    /// The operations that no other names as a parent, ascending.
    #[must_use]
    pub fn heads(&self) -> Vec<EventId> {
        self.judge.dag.heads()
    }

    /// The number and id of the last operation of a device.
    #[must_use]
    pub fn last_of(&self, device: &DeviceId) -> Option<(u32, EventId)> {
        let of_device = self
            .judge
            .dag
            .iter()
            .filter(|(_, operation)| operation.device == *device);
        of_device.map(|(_, operation)| (operation.op_seq, operation.id)).max()
    }

    /// Whether there is an operation of a user: nobody takes part, or is removed, without one.
    #[must_use]
    pub fn knows(&self, user: &UserId) -> bool {
        self.judge.dag.iter().any(|(_, operation)| operation.user == *user)
    }

    /// HASH("membership view", room, heads).
    #[must_use]
    pub fn view(&self) -> [u8; 32] {
        membership_view(&self.room, &self.heads())
    }

    /// Whether the operation is here, if only waiting.
    #[must_use]
    pub fn contains(&self, id: &EventId) -> bool {
        self.judge.dag.place(id).is_some() || self.waiting.contains_key(id)
    }

    /// Operations that others name as parents and that are not here, ascending.
    #[must_use]
    pub fn missing(&self) -> Vec<EventId> {
        let named: BTreeSet<_> = self.waiting.values().flat_map(|operation| &operation.parents).collect();
        named.into_iter().filter(|id| !self.contains(id)).copied().collect()
    }

    /// The operations that are here, ancestors first, without those that wait.
    pub fn ids(&self) -> impl Iterator<Item = EventId> {
        self.judge.dag.iter().map(|(_, operation)| operation.id)
    }

    /// What happened in the room that people want to be told of, ancestors first: who made it, came and went, what they may and what it is
    /// called. Only what counts, and of those who go nobody who was not there.
    pub fn happened(&self) -> impl Iterator<Item = EventId> {
        let all = self.judge.dag.iter();
        all.filter(|(at, operation)| self.is_told(*at, operation))
            .map(|(_, operation)| operation.id)
    }

    /// Whether an operation is among what [happened](Self::happened).
    #[must_use]
    pub fn has_happened(&self, id: &EventId) -> bool {
        let at = self.judge.dag.place(id);
        at.is_some_and(|at| {
            self.judge
                .dag
                .get(at)
                .is_some_and(|operation| self.is_told(at, operation))
        })
    }

    fn is_told(&self, at: usize, operation: &RoomOperation) -> bool {
        let verdict = self.judge.verdict(at);
        verdict.counts()
            && match operation.act() {
                Some(Act::Leave) => verdict.rank > 0,
                Some(
                    Act::Create { .. }
                    | Act::Info(_)
                    | Act::Policy(_)
                    | Act::Join { .. }
                    | Act::Remove { .. }
                    | Act::Unban { .. }
                    | Act::Role { .. }
                    | Act::Transfer { .. },
                ) => true,
                Some(Act::Invite { .. } | Act::Link { .. } | Act::RevokeLink { .. } | Act::Devices { .. }) | None => {
                    false
                }
            }
    }

    /// Whether an operation waits for others.
    #[must_use]
    pub fn waits(&self, id: &EventId) -> bool {
        self.waiting.contains_key(id)
    }

    /// The operations that wait for others.
    pub fn waiting_ids(&self) -> impl Iterator<Item = EventId> {
        self.waiting.keys().copied()
    }

    /// Whether a user came once and never went.
    #[must_use]
    pub fn came_once(&self, user: &UserId) -> bool {
        let about = self
            .judge
            .index
            .about(user)
            .iter()
            .filter_map(|&at| self.judge.dag.get(at));
        let moves = about.filter(|operation| !matches!(operation.act(), Some(Act::Role { .. })));
        moves.count() == 1
    }

    /// Whether anybody has ever let a user in, if it counts or not.
    #[must_use]
    pub fn was_invited(&self, user: &UserId) -> bool {
        self.judge.index.invites.contains_key(user)
    }

    /// What somebody who takes part no more has to know to see why, ancestors first: how they went, or those who had let them in, and all
    /// that was before.
    #[must_use]
    pub fn until_gone(&self, user: &UserId) -> Vec<EventId> {
        let index = &self.judge.index;
        let invites = index.invites.get(user).into_iter().flatten();
        let inviters = invites
            .filter_map(|&at| self.judge.dag.get(at))
            .map(|invite| invite.user);
        let concerned: BTreeSet<UserId> = inviters.chain([*user]).collect();
        let ends = concerned.iter().flat_map(|user| index.about(user)).filter_map(|&at| {
            let operation = self.judge.dag.get(at)?;
            let ends = matches!(operation.act(), Some(Act::Remove { .. } | Act::Leave));
            (ends && self.judge.verdict(at).counts()).then_some(operation.id)
        });
        let ends: Vec<EventId> = ends.collect();
        let Some(past) = self.judge.dag.closure(&ends) else {
            return Vec::new();
        };
        let all = self.judge.dag.iter();
        all.filter(|(at, _)| contains(past.as_slice(), *at))
            .map(|(_, operation)| operation.id)
            .collect()
    }

    /// Whether the room ever asked for a pause between two messages.
    #[must_use]
    pub fn had_slow_mode(&self) -> bool {
        let policies = self
            .judge
            .index
            .policies
            .iter()
            .filter_map(|&at| self.judge.dag.get(at)?.act());
        let mut slow = policies.filter_map(|act| match act {
            Act::Create { policy, .. } | Act::Policy(policy) => Some(policy.slow_mode_ms > 0),
            _ => None,
        });
        slow.any(|slow| slow)
    }

    /// How many operations of a user there are, and how many of them are without effect, wait for others, or are by somebody who took no
    /// part then and neither made the room nor came.
    #[must_use]
    pub fn of_user(&self, user: &UserId) -> (usize, usize) {
        let idle = |at: usize, operation: &RoomOperation| {
            let verdict = self.judge.verdict(at);
            let outside = verdict.rank == 0 && matches!(operation.act(), Some(Act::Leave | Act::Devices { .. }));
            verdict.dropped.is_some() || outside
        };
        let all = self.judge.dag.iter().filter(|(_, operation)| operation.user == *user);
        let here = all.fold((0_usize, 0_usize), |(all, void), (at, operation)| {
            (
                all.saturating_add(1),
                void.saturating_add(usize::from(idle(at, operation))),
            )
        });
        let waiting = self
            .waiting
            .values()
            .filter(|operation| operation.user == *user)
            .count();
        (here.0.saturating_add(waiting), here.1.saturating_add(waiting))
    }

    /// How many operations of those who are no members wait for others.
    #[must_use]
    pub fn waiting_of_outsiders(&self) -> usize {
        let outside = |operation: &&RoomOperation| self.state.rank(&operation.user) == Rank::Nobody;
        self.waiting.values().filter(outside).count()
    }

    /// Whether something that a member did cannot be taken up without an operation: it, or what it builds on, names it.
    #[must_use]
    pub fn is_wanted(&self, id: &EventId) -> bool {
        let members = self
            .waiting
            .values()
            .filter(|operation| self.state.rank(&operation.user) > Rank::Nobody);
        let mut open: Vec<&RoomOperation> = members.collect();
        let mut seen: BTreeSet<EventId> = open.iter().map(|operation| operation.id).collect();
        while let Some(operation) = open.pop() {
            for parent in &operation.parents {
                if parent == id {
                    return true;
                }
                if seen.insert(*parent) {
                    open.extend(self.waiting.get(parent));
                }
            }
        }
        false
    }

    /// How many operations wait for others.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many operations there are, without those that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.judge.dag.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn fold_with(&mut self, operation: RoomOperation) {
        let judge = std::mem::take(&mut self.judge);
        let ids = judge
            .dag
            .iter()
            .map(|(at, operation)| (operation.id, judge.verdict(at)));
        let before: Vec<(EventId, Verdict)> = ids.collect();
        let mut operations = judge.dag.into_operations();
        operations.extend(std::mem::take(&mut self.waiting).into_values());
        operations.push(operation);
        let (dag, waiting) = in_order(operations);
        (self.judge, self.waiting) = (Judge::new(dag), waiting);
        let now = |id: &EventId| self.judge.dag.place(id).map(|at| self.judge.verdict(at));
        let turned = before.into_iter().filter(|(id, verdict)| now(id) != Some(*verdict));
        self.turned.extend(turned.map(|(id, _)| id));
    }
}

fn has_recovered(operation: &RoomOperation) -> bool {
    operation.list.as_ref().is_some_and(|list| list.recovered)
}

/// Puts ancestors first, otherwise keeps the order; what has no way back to a beginning waits.
fn in_order(operations: Vec<RoomOperation>) -> (Dag, BTreeMap<EventId, RoomOperation>) {
    let mut dag = Dag::default();
    let mut waiting: HashMap<EventId, RoomOperation> = HashMap::new();
    // Who waits for whom; each is looked at once for every parent.
    let mut children: HashMap<EventId, Vec<EventId>> = HashMap::new();
    for operation in operations {
        let mut ready = vec![operation];
        while let Some(operation) = ready.pop() {
            let id = operation.id;
            if let Some(parent) = dag.missing_parent(&operation) {
                children.entry(parent).or_default().push(id);
                waiting.insert(id, operation);
                continue;
            }
            dag.push(operation);
            let next = children.remove(&id).unwrap_or_default();
            ready.extend(next.into_iter().filter_map(|child| waiting.remove(&child)));
        }
    }
    (dag, waiting.into_iter().collect())
}

/// A room has at most 16 384 operations.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the room has more than 16384 operations")]
pub struct TooManyOperations;

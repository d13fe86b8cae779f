//! Which operations count (PROTOCOL.md section 11, "The fold", steps 1 to 7).
//!
//! Ranks are found from the highest down. Who has rank k is decided by operations whose authors stand above k, so when their turn
//! comes these are known, wherever they are in the order; only joining, the lowest step, goes by the order of causality.
//! Nothing here depends on which of the possible orders the operations are in.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::dag::{At, Dag, contains};
use super::index::Index;
use crate::ids::UserId;
use crate::room::operation::{Act, RoomOperation};
use crate::room::rules::Policy;
use thiserror::Error;

mod rights;

/// Ranks as numbers.
const MEMBER: u8 = 2;
const MODERATOR: u8 = 3;
const ADMIN: u8 = 4;
const OWNER: u8 = 5;
/// Height of a join, and of what nobody can take back.
const HEIGHT_OF_JOINS: u8 = 3;
const HIGHEST: u8 = 6;

/// What was found out about one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The author's rank at it.
    pub(super) rank: u8,
    /// Why it does not count.
    pub(super) dropped: Option<Dropped>,
    decided: bool,
    /// If it says what a user is: who may gainsay it, and the rank it gives. 0: it says nothing.
    height: u8,
    says: u8,
}

impl Verdict {
    pub(super) fn counts(&self) -> bool {
        self.decided && self.dropped.is_none()
    }
}

/// The operations with what was found out about them.
#[derive(Debug, Default)]
pub(super) struct Judge {
    pub(super) dag: Dag,
    pub(super) index: Index,
    verdicts: Vec<Verdict>,
}

impl Judge {
    pub(super) fn new(dag: Dag) -> Self {
        let mut judge = Self {
            verdicts: vec![Verdict::default(); dag.len()],
            dag,
            index: Index::default(),
        };
        for (at, operation) in judge.dag.iter() {
            judge.index.add(&judge.dag, at, operation);
        }
        judge.index.end_devices(&judge.dag);
        judge.judge_all();
        judge
    }

    /// Appends an operation with everything in its past.
    pub(super) fn extend(&mut self, operation: RoomOperation) {
        let at = self.dag.push(operation);
        self.verdicts.push(Verdict::default());
        let Some(operation) = self.dag.get(at) else {
            return;
        };
        self.index.add(&self.dag, at, operation);
        self.index.end_devices(&self.dag);
        self.begin(at);
        if self.owns_at(at) {
            self.set_rank(at, OWNER);
        }
        (1..=ADMIN).rev().for_each(|rank| self.raise(at, rank));
        self.decide(at);
    }

    pub(super) fn verdict(&self, at: At) -> Verdict {
        self.verdicts.get(at).copied().unwrap_or_default()
    }

    fn counts(&self, at: At) -> bool {
        self.verdict(at).counts()
    }

    fn judge_all(&mut self) {
        let all = 0..self.dag.len();
        all.clone().for_each(|at| self.begin(at));
        for at in self.index.ownership.clone() {
            self.decide_if(at, |act| matches!(act, Act::Create { .. } | Act::Transfer { .. }));
        }
        for at in all.clone() {
            if self.owns_at(at) {
                self.set_rank(at, OWNER);
            }
            self.decide_if(at, |act| matches!(act, Act::Leave));
        }
        all.clone().for_each(|at| self.end_beside(at));
        for rank in [OWNER, ADMIN, MODERATOR] {
            if rank < OWNER {
                all.clone().for_each(|at| self.raise(at, rank));
            }
            self.decide_of(rank, |act| matches!(act, Act::Policy(_)));
            self.decide_of(rank, |act| matches!(act, Act::Remove { .. } | Act::Role { .. }));
        }
        for at in all {
            self.raise(at, MEMBER);
            self.raise(at, 1);
            self.decide(at);
        }
    }

    fn decide_if(&mut self, at: At, wanted: impl Fn(&Act) -> bool) {
        if self
            .dag
            .get(at)
            .and_then(|operation| operation.act.as_ref())
            .is_some_and(wanted)
        {
            self.decide(at);
        }
    }

    fn decide_of(&mut self, rank: u8, wanted: impl Fn(&Act) -> bool) {
        for at in 0..self.dag.len() {
            if self.verdict(at).rank == rank {
                self.decide_if(at, &wanted);
            }
        }
    }

    /// Steps 1 to 3: what is wrong with an operation whoever may do it.
    fn begin(&mut self, at: At) {
        let Some(operation) = self.dag.get(at) else { return };
        let ended = self.index.ended.get(&(operation.user, operation.device));
        let dropped = if !self.index.is_rooted(&self.dag, at) {
            Some(Dropped::NoRoot)
        } else if operation.op_seq != self.index.last_seq(at).saturating_add(1) {
            // Before the next one: what is out of sequence is no sign of a fork, of an ended device either.
            Some(Dropped::OutOfSequence)
        } else if ended.is_some_and(|ends| ends.iter().any(|&end| self.dag.is_before(end, at))) {
            Some(Dropped::DeviceEnded)
        } else if operation.act.is_none() {
            Some(Dropped::NeedsNewerVersion)
        } else {
            None
        };
        if let Some(verdict) = self.verdicts.get_mut(at) {
            verdict.dropped = dropped;
            verdict.decided = dropped.is_some();
        }
    }

    /// Step 2, what is beside the end of an owner's device.
    fn end_beside(&mut self, at: At) {
        let Some(operation) = self.dag.get(at) else { return };
        let ends = self
            .index
            .ended
            .get(&(operation.user, operation.device))
            .into_iter()
            .flatten();
        let mut by_owner = ends.filter(|&&end| self.verdict(end).rank == OWNER && self.dag.is_beside(end, at));
        let exempt = matches!(operation.act, Some(Act::Create { .. } | Act::Transfer { .. }));
        if !exempt
            && by_owner.next().is_some()
            && let Some(verdict) = self.verdicts.get_mut(at)
        {
            verdict.dropped = verdict.dropped.or(Some(Dropped::DeviceEnded));
            verdict.decided = true;
        }
    }

    fn set_rank(&mut self, at: At, rank: u8) {
        if let Some(verdict) = self.verdicts.get_mut(at) {
            verdict.rank = rank;
        }
    }

    /// Step 4, at an operation: its author owns the room, and gave it to nobody beside it.
    fn owns_at(&self, at: At) -> bool {
        let Some(operation) = self.dag.get(at) else {
            return false;
        };
        if !self.owns(&operation.user, self.dag.past(at)) {
            return false;
        }
        let gave = |&transfer: &At| {
            let by = self.dag.get(transfer).map(|transfer| transfer.user);
            by == Some(operation.user)
                && self.counts(transfer)
                && !self.is_create(transfer)
                && self.dag.is_beside(transfer, at)
        };
        matches!(operation.act, Some(Act::Transfer { .. })) || !self.index.ownership.iter().any(gave)
    }

    /// Step 4, in a set.
    fn owns(&self, user: &UserId, set: &[u64]) -> bool {
        let tops = self.dag.tops(&self.index.ownership, set, |at| self.counts(at));
        !tops.is_empty() && tops.iter().all(|&at| self.heir(at) == Some(*user))
    }

    fn heir(&self, at: At) -> Option<UserId> {
        let operation = self.dag.get(at)?;
        match &operation.act {
            Some(Act::Create { .. }) => Some(operation.user),
            Some(Act::Transfer { user }) => Some(*user),
            _ => None,
        }
    }

    fn is_create(&self, at: At) -> bool {
        matches!(self.dag.get(at).and_then(RoomOperation::act), Some(Act::Create { .. }))
    }

    /// Step 5, in a set: whether the user has rank `k` (at most 4).
    fn has(&self, user: &UserId, k: u8, set: &[u64]) -> bool {
        let tops = self
            .dag
            .tops(self.index.about(user), set, |at| self.speaks_above(at, k));
        !tops.is_empty() && tops.iter().all(|&at| self.verdict(at).says >= k)
    }

    fn speaks_above(&self, at: At, k: u8) -> bool {
        let verdict = self.verdict(at);
        verdict.counts() && verdict.height > k
    }

    /// Whether somebody who may put the user below `k` does so beside the operation.
    fn is_lowered_beside(&self, at: At, user: &UserId, k: u8) -> bool {
        self.index.about(user).iter().any(|&other| {
            self.speaks_above(other, k)
                && self.verdict(other).says < k
                && matches!(
                    self.dag.get(other).and_then(RoomOperation::act),
                    Some(Act::Remove { .. } | Act::Role { .. })
                )
                && self.dag.is_beside(other, at)
        })
    }

    /// Whether somebody above `k` removed the device, and the operation did not come before that.
    fn is_device_removed(&self, at: At, operation: &RoomOperation, k: u8) -> bool {
        let removals = self.index.removed.get(&(operation.user, operation.device));
        let mut removals = removals.into_iter().flatten();
        removals.any(|&removal| self.speaks_above(removal, k) && !self.dag.is_before(at, removal))
    }

    /// Gives the operation's author rank `k` at it, if they have it and no higher one.
    fn raise(&mut self, at: At, k: u8) {
        let Some(operation) = self.dag.get(at) else { return };
        if self.verdict(at).rank == 0
            && self.has(&operation.user, k, self.dag.past(at))
            && !self.is_lowered_beside(at, &operation.user, k)
            && !self.is_device_removed(at, operation, k)
        {
            self.set_rank(at, k);
        }
    }

    /// A user's rank in a set.
    pub(super) fn rank_in(&self, user: &UserId, set: &[u64]) -> u8 {
        if self.owns(user, set) {
            return OWNER;
        }
        (1..=ADMIN).rev().find(|&k| self.has(user, k, set)).unwrap_or(0)
    }

    fn is_at_least(&self, user: &UserId, rank: u8, set: &[u64]) -> bool {
        self.owns(user, set) || (rank..=ADMIN).any(|k| self.has(user, k, set))
    }

    /// Step 6: the policy in a set.
    pub(super) fn policy_in(&self, set: &[u64]) -> Option<Policy> {
        let tops = self.dag.tops(&self.index.policies, set, |at| self.counts(at));
        let policies = tops.iter().filter_map(|&at| match self.dag.get(at)?.act() {
            Some(Act::Create { policy, .. } | Act::Policy(policy)) => Some(policy),
            _ => None,
        });
        policies.fold(None, |merged, policy| {
            Some(merged.map_or_else(|| policy.clone(), |merged: Policy| merged.meet(policy)))
        })
    }

    /// The policy at an operation; at a create operation, its own.
    pub(super) fn policy_at(&self, at: At) -> Option<Policy> {
        match self.dag.get(at)?.act() {
            Some(Act::Create { policy, .. }) => Some(policy.clone()),
            _ => self.policy_in(self.dag.past(at)),
        }
    }

    pub(super) fn is_banned(&self, user: &UserId, set: &[u64]) -> bool {
        let candidates = self.index.bans.get(user).map(Vec::as_slice).unwrap_or_default();
        let tops = self.dag.tops(candidates, set, |at| self.counts(at));
        let is_ban = |&at: &At| matches!(self.dag.get(at).and_then(RoomOperation::act), Some(Act::Remove { .. }));
        tops.iter().any(is_ban)
    }

    /// Step 7: whether all that is said about the user in `set` was known to the invite.
    pub(super) fn is_fresh(&self, invite: At, user: &UserId, set: &[u64]) -> bool {
        let about = self.index.about(user).iter();
        let mut said = about.filter(|&&at| contains(set, at) && self.speaks_above(at, 0));
        said.all(|&at| self.dag.is_before(at, invite))
    }
}

fn require(right: bool) -> Result<(), Dropped> {
    if right { Ok(()) } else { Err(Dropped::NoRight) }
}

/// Why an operation does not count.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// No create operation of the room is in its past.
    #[error("the operation does not go back to the beginning of the room")]
    NoRoot,
    /// Its device's user had revoked the device, or did at the same time.
    #[error("the device was revoked")]
    DeviceEnded,
    /// Its number does not follow the device's last one.
    #[error("the operation does not follow its device's last one")]
    OutOfSequence,
    /// Only a later version knows what it does.
    #[error("the operation needs a newer version")]
    NeedsNewerVersion,
    /// Its author had too low a rank, or was removed or lowered at the same time.
    #[error("the author had no right to do this")]
    NoRight,
    /// Its author did not stand above the user it is about.
    #[error("the author did not stand above that user")]
    NotAbove,
    /// A removal or rank is not for oneself.
    #[error("nobody removes or ranks themselves")]
    AboutOneself,
    /// The user never came, or has gone.
    #[error("that user has not joined")]
    NoConsent,
    /// The owner hands the room over first.
    #[error("the owner cannot leave")]
    OwnerStays,
    /// Who is there need not come.
    #[error("the user is a member")]
    IsMember,
    /// The user is kept out.
    #[error("the user is banned")]
    Banned,
    /// There is no invite for the user that counts and was not used.
    #[error("the user was not invited")]
    NotInvited,
    /// The link does not exist, has ended, or does not allow this.
    #[error("the link does not allow this")]
    NoLink,
}

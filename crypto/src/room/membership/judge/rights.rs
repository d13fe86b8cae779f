//! Whether an operation is within its author's rights, by what they had seen (PROTOCOL.md section 11).

use super::super::dag::{At, contains};
use super::{ADMIN, Dropped, HEIGHT_OF_JOINS, HIGHEST, Judge, MEMBER, MODERATOR, OWNER, require};
use crate::ids::{EventId, UserId};
use crate::room::operation::{Act, RoomOperation};
use crate::room::rules::{JoinRule, Policy};

impl Judge {
    /// Decides whether an operation counts, whose author's rank is known, and what it says.
    pub(super) fn decide(&mut self, at: At) {
        let Some(operation) = self.dag.get(at) else { return };
        let verdict = self.verdict(at);
        if verdict.decided {
            return;
        }
        let judged = self.judge(at, operation, verdict.rank);
        if let Some(verdict) = self.verdicts.get_mut(at) {
            verdict.decided = true;
            match judged {
                Ok((height, says)) => (verdict.height, verdict.says) = (height, says),
                Err(dropped) => verdict.dropped = Some(dropped),
            }
        }
    }

    /// Height of what the operation says about a user, and the rank it gives; zeros where it says nothing.
    pub(super) fn judge(&self, at: At, operation: &RoomOperation, rank: u8) -> Result<(u8, u8), Dropped> {
        let past = self.dag.past(at);
        let author = &operation.user;
        let Some(act) = &operation.act else {
            return Err(Dropped::NeedsNewerVersion);
        };
        let least = |of: fn(&Policy) -> u8| match rank {
            OWNER => true,
            _ => self.policy_in(past).is_some_and(|policy| rank >= of(&policy)),
        };
        match act {
            Act::Create { .. } => return Ok((HIGHEST, OWNER)),
            Act::Devices { .. } => {}
            Act::Leave if rank == OWNER => return Err(Dropped::OwnerStays),
            Act::Leave => return Ok((HIGHEST, 0)),
            Act::Join { invite, .. } => {
                let role = self.judge_join(past, author, invite.as_ref())?;
                return Ok((HEIGHT_OF_JOINS, role));
            }
            Act::Transfer { user } => {
                if !self.owns(author, past) {
                    return Err(Dropped::NoRight);
                }
                if !self.has_been(user, past) {
                    return Err(Dropped::NoConsent);
                }
            }
            Act::Policy(_) => require(rank >= ADMIN)?,
            Act::Info(_) => require(least(|policy| policy.info))?,
            Act::Unban { .. } => require(least(|policy| policy.remove))?,
            Act::Remove { user, .. } => {
                require(rank >= MODERATOR && least(|policy| policy.remove))?;
                self.check_below(author, user, rank, past)?;
                return Ok((rank, 0));
            }
            Act::Role { user, role } => {
                require(rank >= MODERATOR && *role < rank && least(|policy| policy.roles))?;
                self.check_below(author, user, rank, past)?;
                if !self.consents(user, past) {
                    return Err(Dropped::NoConsent);
                }
                return Ok((rank, *role));
            }
            Act::Invite { role, link, .. } => {
                require(rank >= *role && least(|policy| policy.invite))?;
                if let Some(used) = link {
                    self.judge_use(at, operation, *role, &used.link, used.number)?;
                }
            }
            Act::Link { role, .. } => require(rank >= *role && least(|policy| policy.invite))?,
            Act::RevokeLink { link } => {
                let made = self
                    .dag
                    .place(link)
                    .filter(|&made| contains(past, made) && self.counts(made));
                let made = made.and_then(|made| self.dag.get(made)).ok_or(Dropped::NoLink)?;
                if !matches!(made.act, Some(Act::Link { .. })) {
                    return Err(Dropped::NoLink);
                }
                require(made.user == *author || rank >= MODERATOR)?;
            }
        }
        Ok((0, 0))
    }

    pub(super) fn check_below(&self, author: &UserId, user: &UserId, rank: u8, past: &[u64]) -> Result<(), Dropped> {
        if author == user {
            return Err(Dropped::AboutOneself);
        }
        if self.is_at_least(user, rank, past) {
            Err(Dropped::NotAbove)
        } else {
            Ok(())
        }
    }

    /// Whether the user made the room or joined it, whatever came of that.
    pub(super) fn has_been(&self, user: &UserId, past: &[u64]) -> bool {
        self.index
            .about(user)
            .iter()
            .any(|&at| contains(past, at) && self.is_coming(at, user))
    }

    pub(in super::super) fn is_coming(&self, at: At, user: &UserId) -> bool {
        let operation = self.dag.get(at).filter(|operation| operation.user == *user);
        matches!(
            operation.and_then(RoomOperation::act),
            Some(Act::Create { .. } | Act::Join { .. })
        )
    }

    /// Whether the user has come, by their own word, and not gone since.
    pub(super) fn consents(&self, user: &UserId, past: &[u64]) -> bool {
        let gone: Vec<At> = self
            .index
            .about(user)
            .iter()
            .copied()
            .filter(|&at| {
                contains(past, at) && matches!(self.dag.get(at).and_then(RoomOperation::act), Some(Act::Leave))
            })
            .collect();
        self.index.about(user).iter().any(|&at| {
            contains(past, at)
                && self.is_coming(at, user)
                && (self.is_create(at) || !gone.iter().any(|&leave| self.dag.is_before(at, leave)))
        })
    }

    pub(super) fn judge_join(&self, past: &[u64], user: &UserId, invite: Option<&EventId>) -> Result<u8, Dropped> {
        if self.rank_in(user, past) > 0 {
            return Err(Dropped::IsMember);
        }
        if self.is_banned(user, past) {
            return Err(Dropped::Banned);
        }
        if self
            .policy_in(past)
            .is_some_and(|policy| policy.join_rule() == JoinRule::Public)
        {
            return Ok(MEMBER);
        }
        let invite = invite.and_then(|id| self.dag.place(id)).ok_or(Dropped::NotInvited)?;
        match self.dag.get(invite).and_then(RoomOperation::act) {
            Some(Act::Invite {
                user: invited, role, ..
            }) if invited == user
                && contains(past, invite)
                && self.counts(invite)
                && self.is_fresh(invite, user, past) =>
            {
                Ok(*role)
            }
            _ => Err(Dropped::NotInvited),
        }
    }

    pub(super) fn judge_use(
        &self,
        at: At,
        invite: &RoomOperation,
        given: u8,
        link: &EventId,
        number: u32,
    ) -> Result<(), Dropped> {
        let past = self.dag.past(at);
        let made = self
            .dag
            .place(link)
            .filter(|&made| contains(past, made) && self.counts(made));
        let made = made.and_then(|made| self.dag.get(made)).ok_or(Dropped::NoLink)?;
        let Some(Act::Link {
            role, uses, expires, ..
        }) = &made.act
        else {
            return Err(Dropped::NoLink);
        };
        let in_past = |other: At| contains(past, other) && self.counts(other);
        let mut revocations = self.index.revocations.get(link).into_iter().flatten().copied();
        let revoked = revocations.any(in_past);
        let closed = self
            .policy_in(past)
            .is_none_or(|policy| policy.join_rule() == JoinRule::Invite);
        let late = expires.is_some_and(|end| invite.clock >= end);
        if revoked || closed || late || *role != given {
            return Err(Dropped::NoLink);
        }
        let Some(uses) = uses else { return Ok(()) };
        let mut before = self.index.uses.get(link).into_iter().flatten().copied();
        let again = before.any(|other| {
            let act = self.dag.get(other).and_then(RoomOperation::act);
            in_past(other) && matches!(act, Some(Act::Invite { link: Some(used), .. }) if used.number == number)
        });
        if again || invite.device != made.device || !(1..=*uses).contains(&number) {
            return Err(Dropped::NoLink);
        }
        Ok(())
    }
}

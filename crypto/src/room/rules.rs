//! Ranks, and what a room allows to whom (PROTOCOL.md section 11).
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::operation::OperationError;
use crate::body::{MAX_TIMER_MS, MIN_TIMER_MS};
use serde::{Deserialize, Serialize};

/// Longest pause slow mode asks for, ms: a day.
pub const MAX_SLOW_MODE_MS: u32 = 86_400_000;

/// What a user is in a room; the greater may more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Rank {
    /// Not there.
    Nobody = 0,
    /// Reads.
    Guest = 1,
    /// Takes part.
    Member = 2,
    /// Keeps order.
    Moderator = 3,
    /// Sets the rules.
    Admin = 4,
    /// Made the room, or was given it; cannot be removed.
    Owner = 5,
}

impl Rank {
    /// The rank with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Nobody,
            1 => Self::Guest,
            2 => Self::Member,
            3 => Self::Moderator,
            4 => Self::Admin,
            5 => Self::Owner,
            _ => return None,
        })
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// How one comes into a room; each rule also allows what those before it allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum JoinRule {
    /// By name.
    Invite = 0,
    /// With a link.
    Link = 1,
    /// By asking.
    Knock = 2,
    /// By joining.
    Public = 3,
}

/// What of the past those see who join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum History {
    /// Nothing.
    None = 0,
    /// The last 100 messages.
    Last100 = 1,
    /// 30 days.
    Days30 = 2,
    /// Everything.
    All = 3,
}

/// What a room allows, as it is on the wire; ranks as numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Least rank to write, 2–5.
    pub post: u8,
    /// Least rank to invite and make links, 2–5.
    pub invite: u8,
    /// Least rank to pin, 2–5.
    pub pin: u8,
    /// Least rank to change name, topic and picture, 2–5.
    pub info: u8,
    /// Least rank to remove and ban those below, 3–5.
    pub remove: u8,
    /// Least rank to give ranks below the own one, 3–5.
    pub roles: u8,
    /// How one comes in: a [`JoinRule`].
    pub join: u8,
    /// What those who join see of the past: a [`History`].
    pub history: u8,
    /// Time between two messages of one user, ms; 0: none.
    pub slow_mode_ms: u32,
    /// When messages disappear, ms after their clock.
    pub expires_after_ms: Option<u64>,
}

impl Default for Policy {
    /// Members write, invite and pin; join by link; the last 100 messages.
    fn default() -> Self {
        Self {
            post: 2,
            invite: 2,
            pin: 2,
            info: 3,
            remove: 3,
            roles: 4,
            join: JoinRule::Link as u8,
            history: History::Last100 as u8,
            slow_mode_ms: 0,
            expires_after_ms: None,
        }
    }
}

impl History {
    /// The rule of this number; above 3, all.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::None,
            1 => Self::Last100,
            2 => Self::Days30,
            _ => Self::All,
        }
    }
}

impl Policy {
    /// How one comes in.
    #[must_use]
    pub fn join_rule(&self) -> JoinRule {
        match self.join {
            0 => JoinRule::Invite,
            1 => JoinRule::Link,
            2 => JoinRule::Knock,
            _ => JoinRule::Public,
        }
    }

    /// What those who join see of the past.
    #[must_use]
    pub fn history_rule(&self) -> History {
        History::from_number(self.history)
    }

    pub(super) fn validate(&self) -> Result<(), OperationError> {
        let ranks = [self.post, self.invite, self.pin, self.info];
        let high = [self.remove, self.roles];
        let in_bounds = ranks.iter().all(|rank| (2..=5).contains(rank))
            && high.iter().all(|rank| (3..=5).contains(rank))
            && self.join <= 3
            && self.history <= 3
            && self.slow_mode_ms <= MAX_SLOW_MODE_MS
            && self
                .expires_after_ms
                .is_none_or(|ms| (MIN_TIMER_MS..=MAX_TIMER_MS).contains(&ms));
        if in_bounds { Ok(()) } else { Err(OperationError::Policy) }
    }

    /// What two that do not know of each other allow both.
    pub(super) fn meet(self, other: &Self) -> Self {
        let expiry = [self.expires_after_ms, other.expires_after_ms];
        Self {
            post: self.post.max(other.post),
            invite: self.invite.max(other.invite),
            pin: self.pin.max(other.pin),
            info: self.info.max(other.info),
            remove: self.remove.max(other.remove),
            roles: self.roles.max(other.roles),
            join: self.join.min(other.join),
            history: self.history.min(other.history),
            slow_mode_ms: self.slow_mode_ms.max(other.slow_mode_ms),
            expires_after_ms: expiry.into_iter().flatten().min(),
        }
    }
}

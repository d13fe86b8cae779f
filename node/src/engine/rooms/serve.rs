//! What of a room is given to whom (PROTOCOL.md section 11, "Serving"): operations to every member; what is said to those who were
//! members as far as its author knew, and to those who came later as far as the history rule says.

use parlour_crypto::{
    EventId, History, Intervals, KIND_MESSAGE, KIND_PIN, KIND_TIMER, Policy, Rank, UserId, VerifiedEvent,
};
use parlour_store::rooms::{self, MemberRow};
use parlour_store::timeline::{self, Position};
use parlour_store::{ConversationNo, EventKey, LogKey, StoreError, events, logs};

use super::holds_operations;
use crate::engine::Engine;
use crate::engine::effects::Turn;
use crate::engine::input::Refusal;

/// Messages before a member came that they are given where the rule says so.
const LAST: usize = 100;
/// Own events that are looked through for the last message, in slow mode.
const SAID_SINCE: usize = 64;
const DAY_MS: u64 = 24 * 3_600_000;

impl Engine {
    /// Seqs of a log that were found not to be for a user.
    pub(crate) fn denied(&self, log: &LogKey, user: &UserId) -> Option<&Intervals> {
        self.rooms.denied.get(&(*log, *user))
    }

    /// Whether an event may go to a user who takes part in the conversation; what may not is remembered.
    pub(crate) fn may_give(
        &mut self,
        turn: &Turn<'_, '_>,
        log: &LogKey,
        event: &VerifiedEvent,
        user: &UserId,
    ) -> Result<bool, StoreError> {
        let header = event.header();
        let Some(view) = header.view.filter(|_| !holds_operations(log)) else {
            return Ok(true);
        };
        let no = log.conversation;
        let Some(member) = rooms::member(turn.txn, no, user)? else {
            return Ok(false);
        };
        if self.was_member(turn, no, &view, user)? {
            return Ok(true);
        }
        let from = history_from(turn, no, &member)?;
        if header.clock >= from {
            return Ok(true);
        }
        let before = self.before_they_came(turn, log, header.seq, (user, from))?;
        let denied = self.rooms.denied.entry((*log, *user)).or_default();
        *denied = denied.union(&before);
        denied.insert(header.seq);
        Ok(false)
    }

    /// Whether what was said under a view, or by the clock since the history rule's beginning, is for a user.
    fn is_for(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        (view, clock): (&[u8; 32], u64),
        (user, from): (&UserId, u64),
    ) -> Result<bool, StoreError> {
        Ok(clock >= from || self.was_member(turn, no, view, user)?)
    }

    /// Whether those who wrote under a view knew a user for a member.
    fn was_member(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        view: &[u8; 32],
        user: &UserId,
    ) -> Result<bool, StoreError> {
        let state = self.state_of_view(turn, no, view)?;
        Ok(state.is_some_and(|state| state.members.contains_key(user)))
    }

    /// What of a log was said before a user came, up to `seq`. Views and clocks of a log only grow, so that those who came once have one
    /// beginning in it, found by bisection: what is denied need not be read event by event. Of those who went and came back each is read.
    fn before_they_came(
        &mut self,
        turn: &Turn<'_, '_>,
        log: &LogKey,
        seq: u64,
        of: (&UserId, u64),
    ) -> Result<Intervals, StoreError> {
        let once = self
            .folded(turn, log.conversation)?
            .is_some_and(|folded| folded.came_once(of.0));
        let Some(max) = logs::get(turn.txn, log)?.have.max().filter(|_| once) else {
            return Ok(Intervals::default());
        };
        let (mut low, mut high) = (seq, max.saturating_add(1));
        while low.saturating_add(1) < high {
            let middle = low.midpoint(high);
            let at = EventKey {
                log: *log,
                seq: middle,
                branch: 0,
            };
            let given = match events::get(turn.txn, &at)? {
                Some(event) => {
                    let header = event.header();
                    let view = header.view.unwrap_or_default();
                    self.is_for(turn, log.conversation, (&view, header.clock), of)?
                }
                // A hole in what we hold: only what is known to be before is left out.
                None => true,
            };
            if given {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(Intervals::range(1, low))
    }
}

impl Engine {
    /// Why nothing of a kind may be said in a room now; nothing in other conversations.
    pub(crate) fn refuse_in_room(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        kind: u16,
    ) -> Result<Option<Refusal>, StoreError> {
        let own = self.own.user;
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(None);
        };
        let state = folded.state();
        let rank = state.rank(&own);
        let slow_mode = u64::from(state.policy.slow_mode_ms);
        if rank == Rank::Nobody {
            return Ok(Some(Refusal::NotMember));
        }
        if rank.number() < least_rank(&state.policy, kind) {
            return Ok(Some(match kind {
                KIND_PIN => Refusal::MayNotPin,
                KIND_TIMER => Refusal::MayNotSetTimer,
                _ => Refusal::MayNotPost,
            }));
        }
        if kind != KIND_MESSAGE || slow_mode == 0 || rank >= Rank::Moderator {
            return Ok(None);
        }
        let again = self
            .last_said(turn, no)?
            .map_or(0, |last| last.saturating_add(slow_mode));
        let wait_ms = again.saturating_sub(turn.now);
        Ok((wait_ms > 0).then_some(Refusal::SlowMode { wait_ms }))
    }

    /// The clock of this device's last message in a room.
    fn last_said(&self, turn: &Turn<'_, '_>, no: ConversationNo) -> Result<Option<u64>, StoreError> {
        let log = LogKey {
            conversation: no,
            device: self.own.device,
            log: self.own_log,
        };
        for seq in logs::get(turn.txn, &log)?.have.values().rev().take(SAID_SINCE) {
            let brief = events::brief(turn.txn, &EventKey { log, seq, branch: 0 })?;
            if let Some(brief) = brief.filter(|brief| brief.kind == KIND_MESSAGE) {
                return Ok(Some(brief.clock));
            }
        }
        Ok(None)
    }
}

/// The least rank to say something of a kind, or to have the rules say it, as of timers.
pub(super) fn least_rank(policy: &Policy, kind: u16) -> u8 {
    match kind {
        KIND_PIN => policy.pin,
        KIND_TIMER => Rank::Admin.number(),
        _ => policy.post,
    }
}

/// The clock from which on a member is given what was said before they came.
fn history_from(turn: &Turn<'_, '_>, no: ConversationNo, member: &MemberRow) -> Result<u64, StoreError> {
    let came = Position {
        clock: member.since,
        id: EventId::from_bytes([0; 32]),
    };
    Ok(match History::from_number(member.history) {
        History::None => u64::MAX,
        History::Days30 => member.since.saturating_sub(30 * DAY_MS),
        History::All => 0,
        History::Last100 => timeline::before(turn.txn, no, Some(&came), LAST)?
            .iter()
            .map(|entry| entry.at.clock)
            .min()
            .unwrap_or(u64::MAX),
    })
}

//! Slow mode: what comes too soon behind another message of its device is hidden, as all members see by the author's own clocks. Nothing is
//! dropped, and the order of arrival makes no difference.

use parlour_crypto::{EventHeader, EventId, Intervals, KIND_MESSAGE, Rank, RoomState, UserId, VerifiedEvent};
use parlour_store::annotations::{self, Ruling};
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError, events, logs};

use super::holds_operations;
use crate::engine::Engine;
use crate::engine::effects::Turn;

/// Places of a log around a message in which others are looked for that are too near to it.
const NEAR: u64 = 64;

impl Engine {
    /// Hides a message that comes too soon behind another one of its device, and what comes too soon behind it. Both are looked for, in all
    /// logs and branches: whoever begins a new log, or two in one place, waits no less.
    pub(super) fn hide_what_is_too_soon(
        &mut self,
        turn: &mut Turn<'_, '_>,
        log: &LogKey,
        (id, header): (EventId, &EventHeader),
        pause_ms: u64,
    ) -> Result<(), StoreError> {
        let this = (header.clock, id);
        let mut too_soon = false;
        for (near, row) in logs::of_device(turn.txn, log.conversation, log.device)? {
            if holds_operations(&near) {
                continue;
            }
            let around = match near == *log {
                true => header.seq,
                false => first_after(turn, &near, &row.have, header.clock)?,
            };
            let places = Intervals::range(around.saturating_sub(NEAR).max(1), around.saturating_add(NEAR));
            for seq in row.have.intersection(&places).values() {
                let branches = if row.forked { u8::MAX } else { 0 };
                for branch in 0..=branches {
                    let at = EventKey { log: near, seq, branch };
                    let Some(brief) = events::brief(turn.txn, &at)? else {
                        break;
                    };
                    // Most are neither close before, nor behind it.
                    let apart = brief.clock < header.clock && !is_too_soon(brief.clock, header.clock, pause_ms);
                    if apart || brief.kind != KIND_MESSAGE {
                        continue;
                    }
                    let Some(other) = events::get(turn.txn, &at)? else {
                        break;
                    };
                    if annotations::ruling(turn.txn, &other.id())?.void {
                        continue;
                    }
                    if (brief.clock, other.id()) < this {
                        too_soon |= is_too_soon(brief.clock, header.clock, pause_ms);
                    } else if other.id() != id {
                        self.hide_if_too_soon(turn, &at, &other, header.clock)?;
                    }
                }
            }
        }
        if too_soon {
            let ruling = annotations::ruling(turn.txn, &id)?;
            annotations::rule(turn.txn, &id, Ruling { too_soon, ..ruling });
        }
        Ok(())
    }

    /// Hides a message that is here already and comes too soon behind one said at `before`.
    fn hide_if_too_soon(
        &mut self,
        turn: &mut Turn<'_, '_>,
        at: &EventKey,
        event: &VerifiedEvent,
        before: u64,
    ) -> Result<(), StoreError> {
        if !is_too_soon(before, event.header().clock, self.pause_before(turn, at, event)?) {
            return Ok(());
        }
        let ruling = annotations::ruling(turn.txn, &event.id())?;
        let too_soon = true;
        self.rule(turn, at, event, Ruling { too_soon, ..ruling })
    }

    /// How long its author had to wait before a message, ms.
    fn pause_before(&mut self, turn: &Turn<'_, '_>, at: &EventKey, event: &VerifiedEvent) -> Result<u64, StoreError> {
        let user = self.known.get(&at.log.device).map(|known| known.user);
        let (Some(view), Some(user)) = (event.header().view, user) else {
            return Ok(0);
        };
        let state = self.state_of_view(turn, at.log.conversation, &view)?;
        Ok(state.map_or(0, |state| pause(&state, &user)))
    }

    /// Judges again which messages of a device come too soon, from a time on: others before them count, or do not, or the rules were others.
    pub(super) fn pace_again(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        device: DeviceNo,
        from: u64,
    ) -> Result<(), StoreError> {
        let mut messages = Vec::new();
        for (log, row) in logs::of_device(turn.txn, no, device)? {
            if holds_operations(&log) {
                continue;
            }
            let first = first_after(turn, &log, &row.have, from)?.saturating_sub(NEAR).max(1);
            for seq in row.have.intersection(&Intervals::range(first, u64::MAX)).values() {
                let branches = if row.forked { u8::MAX } else { 0 };
                for branch in 0..=branches {
                    let at = EventKey { log, seq, branch };
                    let Some(event) = events::get(turn.txn, &at)? else {
                        break;
                    };
                    if event.header().kind == KIND_MESSAGE && !annotations::ruling(turn.txn, &event.id())?.void {
                        messages.push((event.header().clock, event.id(), at));
                    }
                }
            }
        }
        messages.sort_unstable_by_key(|(clock, id, _)| (*clock, *id));
        for (index, (clock, id, at)) in messages.iter().enumerate().filter(|(_, (clock, ..))| *clock >= from) {
            let Some(event) = events::get(turn.txn, at)? else {
                continue;
            };
            let pause = self.pause_before(turn, at, &event)?;
            let earlier = messages.get(..index).unwrap_or_default().iter().rev();
            let mut too_soon = false;
            for (_, _, other) in earlier.take_while(|(before, ..)| is_too_soon(*before, *clock, pause)) {
                if is_near(turn, other, (at, *clock))? {
                    too_soon = true;
                    break;
                }
            }
            let ruling = annotations::ruling(turn.txn, id)?;
            self.rule(turn, at, &event, Ruling { too_soon, ..ruling })?;
        }
        Ok(())
    }
}

/// Whether a message is among the places that are looked at before another one of its device.
fn is_near(turn: &Turn<'_, '_>, other: &EventKey, (at, clock): (&EventKey, u64)) -> Result<bool, StoreError> {
    let around = match other.log == at.log {
        true => at.seq,
        false => first_after(turn, &other.log, &logs::get(turn.txn, &other.log)?.have, clock)?,
    };
    Ok(other.seq.abs_diff(around) <= NEAR)
}

/// The first seq of a log, of those that are held, that was said after a time. Clocks of a log only grow.
fn first_after(turn: &Turn<'_, '_>, log: &LogKey, held: &Intervals, clock: u64) -> Result<u64, StoreError> {
    let first = held.first_where(|seq| {
        let at = EventKey {
            log: *log,
            seq,
            branch: 0,
        };
        Ok::<_, StoreError>(events::brief(turn.txn, &at)?.is_some_and(|brief| brief.clock > clock))
    })?;
    Ok(first.unwrap_or_else(|| held.max().map_or(1, |last| last.saturating_add(1))))
}

/// What a room asks of a user between two messages, ms; 0: nothing.
pub(super) fn pause(state: &RoomState, user: &UserId) -> u64 {
    match state.rank(user) {
        rank if rank >= Rank::Moderator => 0,
        _ => u64::from(state.policy.slow_mode_ms),
    }
}

fn is_too_soon(before: u64, clock: u64, pause_ms: u64) -> bool {
    pause_ms > 0 && before.saturating_add(pause_ms) > clock
}

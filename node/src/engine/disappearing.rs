//! The timer of a conversation, and what time does with messages: those whose time is over are erased, and own ones that were to be
//! viewed once or twice when they have arrived.

use parlour_crypto::{Body, ConversationId, KIND_TIMER, MAX_TIMER_MS, MIN_TIMER_MS, Timer as TimerBody};
use parlour_store::annotations;
use parlour_store::view::{self, MessageStatus};
use parlour_store::{StoreError, conversations, events};

use super::Engine;
use super::append::tell;
use super::effects::{StorageFailed, Turn};
use super::input::Refusal;
use super::rooms::RoomError;
use super::timers::Timer;

/// Own messages to be viewed once that are looked at per round of housekeeping.
const SENT_ONCE_AT_ONCE: usize = 256;

/// A conversation's timer to set.
#[derive(Debug, Clone, Copy)]
pub struct SetTimer {
    /// Where.
    pub conversation: ConversationId,
    /// After which time new messages disappear, ms; nothing: they stay.
    pub expires_after_ms: Option<u64>,
}

/// Why a timer was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimerError {
    /// No such conversation.
    #[error("there is no such conversation")]
    UnknownConversation,
    /// Too short or too long.
    #[error("messages disappear after {} seconds at least and {} days at most", MIN_TIMER_MS / 1_000, MAX_TIMER_MS / 86_400_000)]
    OutOfBounds,
    /// Nothing may be sent to whoever the conversation is with.
    #[error(transparent)]
    Refused(Refusal),
    /// The rules of the room, which say it there, cannot be changed.
    #[error(transparent)]
    Room(RoomError),
    /// Not written.
    #[error(transparent)]
    Storage(#[from] StorageFailed),
}

impl Engine {
    pub(crate) fn set_timer(
        &mut self,
        turn: &mut Turn<'_, '_>,
        set: &SetTimer,
    ) -> Result<Result<(), TimerError>, StoreError> {
        let Some(no) = conversations::number(turn.txn, &set.conversation)? else {
            return Ok(Err(TimerError::UnknownConversation));
        };
        if set
            .expires_after_ms
            .is_some_and(|ms| !(MIN_TIMER_MS..=MAX_TIMER_MS).contains(&ms))
        {
            return Ok(Err(TimerError::OutOfBounds));
        }
        if view::timer(turn.txn, no)? != set.expires_after_ms {
            if let Some(refusal) = self.refuse_recipient(turn, no, KIND_TIMER)? {
                return Ok(Err(TimerError::Refused(refusal)));
            }
            if self.is_room(turn, no)? {
                let set = self.set_room_timer(turn, no, set.expires_after_ms)?;
                return Ok(set.map_err(TimerError::Room));
            }
            let body = Body::Timer(TimerBody {
                expires_after_ms: set.expires_after_ms,
                ext: Vec::new(),
            });
            self.say(turn, no, &body)?;
        }
        Ok(Ok(()))
    }

    /// Erases what has had its time, some at a time.
    pub(crate) fn erase_due(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        self.purge_more(turn)?;
        let folded = annotations::erase_due(turn.txn, turn.now)?;
        tell(turn, &folded)?;
        self.set_erase_timer(turn);
        Ok(())
    }

    /// Takes up what folding left to do: when something is to be erased, and what did not count.
    pub(crate) fn set_erase_timer(&mut self, turn: &mut Turn<'_, '_>) {
        self.counters.void_votes = self.counters.void_votes.saturating_add(turn.effects.take_void());
        if let Some(due) = turn.effects.take_erase() {
            // What is left of this turn is for the next one, whose batch has room again.
            let next = turn.now.saturating_add(1);
            self.timers.set_earliest(Timer::Erase, due.max(next));
        }
    }

    /// Erases own messages that were to be viewed once or twice from this disk when every recipient has them. Each round goes on
    /// behind the last one, so that what does not arrive holds up nothing.
    pub(crate) fn erase_arrived(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let round = annotations::sent_once(turn.txn, self.sent_once_after.as_ref(), SENT_ONCE_AT_ONCE)?;
        self.sent_once_after = round.last().filter(|_| round.len() == SENT_ONCE_AT_ONCE).copied();
        for at in round {
            if !annotations::waits_to_arrive(turn.txn, &at)? {
                annotations::forget_sent_once(turn.txn, &at);
                continue;
            }
            let clock = events::brief(turn.txn, &at)?.map_or(0, |brief| brief.clock);
            let mut delivery = view::DeliveryView::new(&*turn.txn, self.own, at.log.conversation)?;
            let status = delivery.status(&at.log, at.seq, clock)?;
            match status {
                MessageStatus::Delivered | MessageStatus::Read => {
                    let folded = annotations::erase_sent_once(turn.txn, &at, turn.now)?;
                    tell(turn, &folded)?;
                }
                MessageStatus::Received => annotations::forget_sent_once(turn.txn, &at),
                MessageStatus::Sending | MessageStatus::Sent => {}
            }
        }
        Ok(())
    }
}

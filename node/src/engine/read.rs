//! Read marks (PROTOCOL.md section 8): how far this user has read. `marks` tells others, and hears how far they have; `unread` counts.
//! A mark is a place in the order of (clock, event id); the greatest counts, so that it never goes back.

use parlour_crypto::ConversationId;
use parlour_store::conversations::{self, ConversationRow};
use parlour_store::feed::{self, FeedRow};
use parlour_store::read_marks::{self, ReadMarkRow};
use parlour_store::timeline::{self, Position, TimelineEntry};
use parlour_store::{ConversationNo, StoreError, events, system};

use super::Engine;
use super::effects::Turn;
use super::input::{ReadMarkError, UpTo};
use super::unread::COUNT_PAGE;

/// Entries looked at in one step while the last message of others is looked for.
const BACK_PAGE: usize = 64;

impl Engine {
    pub(crate) fn mark_read(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: &ConversationId,
        up_to: UpTo,
    ) -> Result<Result<(), ReadMarkError>, StoreError> {
        let Some(no) = conversations::number(turn.txn, id)? else {
            return Ok(Err(ReadMarkError::UnknownConversation));
        };
        let Some(mut row) = conversations::get(turn.txn, no)? else {
            return Err(StoreError::Malformed { noun: "conversation" });
        };
        let before = row.clone();
        let target = match up_to {
            UpTo::End => row.last.map(|(clock, id, _)| Position { clock, id }),
            UpTo::Message(message) => match self.place_of(turn, no, &message)? {
                Some(at) => Some(at),
                None => return Ok(Err(ReadMarkError::UnknownMessage)),
            },
            UpTo::Seq(seq) if seq <= row.read_seq => return Ok(Ok(())),
            UpTo::Seq(seq) => {
                row.read_seq = seq.min(row.last_seq);
                None
            }
        };
        if before.unread == 0 && before.read_seq == before.last_seq {
            return Ok(Ok(()));
        }
        let known = read_marks::get(turn.txn, no, self.own.device)?;
        let mark = match target {
            Some(target) => self.mark_up_to(turn, no, &row, known, &target)?,
            None => self.mark_by_arrival(turn, no, &row, known)?,
        };
        let news = mark.filter(|mark| Some(*mark) != known);
        if let Some(mark) = &news {
            read_marks::put(turn.txn, no, self.own.device, mark);
        }
        let first_unread = self.count_unread(turn, no, &mut row, mark.as_ref())?;
        if let Some(mark) = news.filter(|_| row.unread < before.unread)
            && first_unread.is_none_or(|unread| unread > mark.at())
        {
            self.tell_read(turn, no, &mark.at())?;
        }
        if row != before {
            conversations::put(turn.txn, no, &row);
            feed::append(turn.txn, &FeedRow::Conversation { conversation: no })?;
        }
        Ok(Ok(()))
    }

    /// The mark that says that everything up to a place was read.
    fn mark_up_to(
        &self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        row: &ConversationRow,
        known: Option<ReadMarkRow>,
        target: &Position,
    ) -> Result<Option<ReadMarkRow>, StoreError> {
        if let Some(mark) = known.filter(|mark| mark.at() > *target) {
            let mut arrived = mark.arrived.min(row.last_seq);
            'pages: loop {
                let page = timeline::arrived(turn.txn, no, arrived, COUNT_PAGE)?;
                for entry in &page {
                    let unseen = entry.at > *target && entry.at <= mark.at();
                    if unseen && self.is_foreign(entry) && entry.room_seq > row.read_seq {
                        break 'pages;
                    }
                    arrived = entry.room_seq;
                }
                if page.len() < COUNT_PAGE {
                    break;
                }
            }
            return Ok(Some(ReadMarkRow { arrived, ..mark }));
        }
        let floor = known.map(|mark| mark.at());
        let there = timeline::get(turn.txn, no, target)?.filter(|entry| self.is_foreign(entry));
        let at = match there {
            Some(entry) => Some(entry.at).filter(|at| floor.is_none_or(|floor| *at > floor)),
            None => self.last_foreign(turn, no, target, floor.as_ref())?,
        };
        let arrived = row.last_seq;
        Ok(match at {
            Some(at) => Some(mark_at(&at, turn.now, arrived)),
            None => known.map(|mark| ReadMarkRow { arrived, ..mark }),
        })
    }

    /// The mark that stands before the first message that was not read by its arrival number.
    fn mark_by_arrival(
        &self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        row: &ConversationRow,
        known: Option<ReadMarkRow>,
    ) -> Result<Option<ReadMarkRow>, StoreError> {
        let arrived = known.map_or(0, |mark| mark.arrived).min(row.last_seq).max(row.read_seq);
        let mut after = known.map(|mark| mark.at());
        let mut at = None;
        'pages: loop {
            let page = timeline::after(turn.txn, no, after.as_ref(), COUNT_PAGE)?;
            for entry in &page {
                if self.is_foreign(entry) {
                    if entry.room_seq > row.read_seq {
                        break 'pages;
                    }
                    at = Some(entry.at);
                }
                after = Some(entry.at);
            }
            if page.len() < COUNT_PAGE {
                break;
            }
        }
        Ok(match at {
            Some(at) => Some(mark_at(&at, turn.now, arrived)),
            None => known.map(|mark| ReadMarkRow { arrived, ..mark }),
        })
    }

    pub(super) fn is_foreign(&self, entry: &TimelineEntry) -> bool {
        entry.event.log.device != self.own.device
    }

    /// The last message of others before a place and behind another.
    pub(super) fn last_foreign(
        &self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        before: &Position,
        floor: Option<&Position>,
    ) -> Result<Option<Position>, StoreError> {
        let mut before = *before;
        loop {
            let page = timeline::before(turn.txn, no, Some(&before), BACK_PAGE)?;
            for entry in page.iter().rev() {
                if floor.is_some_and(|floor| entry.at <= *floor) {
                    return Ok(None);
                }
                if self.is_foreign(entry) {
                    return Ok(Some(entry.at));
                }
            }
            match page.first() {
                Some(first) if page.len() == BACK_PAGE => before = first.at,
                _ => return Ok(None),
            }
        }
    }

    /// Where a shown message of the conversation stands.
    fn place_of(
        &self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        message: &parlour_crypto::EventId,
    ) -> Result<Option<Position>, StoreError> {
        let Some(key) = events::place(turn.txn, message)?.filter(|key| key.log.conversation == no) else {
            return Ok(None);
        };
        let Some(event) = events::get(turn.txn, &key)? else {
            return Ok(None);
        };
        let at = Position {
            clock: event.header().clock,
            id: *message,
        };
        let shown = timeline::get(turn.txn, no, &at)?.is_some() || system::is_shown(turn.txn, no, &at)?;
        Ok(shown.then_some(at))
    }
}

pub(super) fn mark_at(at: &Position, now: u64, arrived: u64) -> ReadMarkRow {
    ReadMarkRow {
        clock: at.clock,
        event: at.id,
        noted: now,
        arrived,
    }
}

//! How many messages of others nobody has read here, and how many of them call this account by name.

use parlour_crypto::{KIND_MESSAGE, KIND_TIMER, Message, VerifiedEvent};
use parlour_store::conversations::{self, ConversationRow};
use parlour_store::read_marks::{self, ReadMarkRow};
use parlour_store::timeline::{self, Position, TimelineEntry};
use parlour_store::{ConversationNo, EventKey, StoreError, annotations, events};

use super::Engine;
use super::effects::Turn;

/// Entries looked at in one step while unread messages are counted.
pub(super) const COUNT_PAGE: usize = 1_000;

impl Engine {
    /// Counts the messages of others that are not read, lets `read_seq` follow what is, and says where the first unread one stands.
    pub(super) fn count_unread(
        &self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        row: &mut ConversationRow,
        mark: Option<&ReadMarkRow>,
    ) -> Result<Option<Position>, StoreError> {
        let mut after = row.read_seq;
        let mut first: Option<Position> = None;
        let called = row.mentions > 0;
        (row.unread, row.mentions) = (0, 0);
        loop {
            let page = timeline::arrived(turn.txn, no, after, COUNT_PAGE)?;
            for entry in &page {
                after = entry.room_seq;
                let counts = self.is_foreign(entry) && !is_behind(mark, entry);
                // What came too soon is not shown.
                if counts && is_said(turn, entry)? && !annotations::is_veiled(turn.txn, &entry.at.id)? {
                    row.unread = row.unread.saturating_add(1);
                    if called && self.calls_us(turn, &entry.event)? {
                        row.mentions = row.mentions.saturating_add(1);
                    }
                    first = Some(first.map_or(entry.at, |first| first.min(entry.at)));
                } else if row.unread == 0 {
                    row.read_seq = entry.room_seq;
                }
            }
            if page.len() < COUNT_PAGE {
                break;
            }
        }
        if row.unread == 0 {
            row.read_seq = row.last_seq;
        }
        Ok(first)
    }

    /// Whether a message calls this account by name, as it was sent.
    pub(crate) fn calls_us(&self, turn: &Turn<'_, '_>, at: &EventKey) -> Result<bool, StoreError> {
        let event = events::get(turn.txn, at)?;
        Ok(event.is_some_and(|event| self.is_called_in(&event)))
    }

    fn is_called_in(&self, event: &VerifiedEvent) -> bool {
        let message = event.body().filter(|_| event.header().kind == KIND_MESSAGE);
        let message = message.and_then(|(_, body)| Message::decode(body).ok());
        message.is_some_and(|message| message.mentions.contains(&self.own.user))
    }

    /// A message has come to be shown: counted, if it calls this account by name and is unread.
    pub(crate) fn count_mention(
        &self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        event: &VerifiedEvent,
    ) -> Result<(), StoreError> {
        if !self.is_called_in(event) || annotations::is_veiled(turn.txn, &event.id())? {
            return Ok(());
        }
        if let Some(mut row) = self.row_of_unread(turn, no, event)? {
            row.mentions = row.mentions.saturating_add(1);
            conversations::put(turn.txn, no, &row);
        }
        Ok(())
    }

    /// The body of a message came after it.
    pub(crate) fn count_completed(
        &self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        event: &VerifiedEvent,
    ) -> Result<(), StoreError> {
        if !annotations::is_veiled(turn.txn, &event.id())?
            && let Some(mut row) = self.row_of_unread(turn, no, event)?
        {
            row.unread = row.unread.saturating_add(1);
            conversations::put(turn.txn, no, &row);
        }
        Ok(())
    }

    /// A message that was shown is not to be shown any more, or the other way round.
    pub(crate) fn count_veiled(
        &self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        event: &VerifiedEvent,
        veiled: bool,
    ) -> Result<(), StoreError> {
        if event.body().is_some()
            && let Some(mut row) = self.row_of_unread(turn, no, event)?
        {
            let called = u64::from(self.is_called_in(event));
            (row.unread, row.mentions) = match veiled {
                true => (row.unread.saturating_sub(1), row.mentions.saturating_sub(called)),
                false => (row.unread.saturating_add(1), row.mentions.saturating_add(called)),
            };
            conversations::put(turn.txn, no, &row);
        }
        Ok(())
    }

    /// The row of a conversation in which a message is shown and unread.
    fn row_of_unread(
        &self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        event: &VerifiedEvent,
    ) -> Result<Option<ConversationRow>, StoreError> {
        let entry = timeline::get(turn.txn, no, &super::write::position(event))?;
        let (Some(entry), Some(row)) = (entry, conversations::get(turn.txn, no)?) else {
            return Ok(None);
        };
        Ok(self.is_unread(turn, &row, &entry)?.then_some(row))
    }

    /// Whether a shown message counts as unread.
    pub(crate) fn is_unread(
        &self,
        turn: &Turn<'_, '_>,
        row: &ConversationRow,
        entry: &TimelineEntry,
    ) -> Result<bool, StoreError> {
        let mark = read_marks::get(turn.txn, entry.event.log.conversation, self.own.device)?;
        Ok(self.is_foreign(entry) && entry.room_seq > row.read_seq && !is_behind(mark.as_ref(), entry))
    }
}

/// Whether it is a message: that somebody set the timer is nothing to be read, and what others had erased nobody can read.
fn is_said(turn: &Turn<'_, '_>, entry: &TimelineEntry) -> Result<bool, StoreError> {
    let brief = events::brief(turn.txn, &entry.event)?;
    Ok(brief.is_some_and(|brief| !brief.stub && brief.kind != KIND_TIMER))
}

/// Whether a mark speaks of a message: it stands before it, and was there when the mark was made.
fn is_behind(mark: Option<&ReadMarkRow>, entry: &TimelineEntry) -> bool {
    mark.is_some_and(|mark| entry.at <= mark.at() && entry.room_seq <= mark.arrived)
}

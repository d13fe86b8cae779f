//! Read marks (PROTOCOL.md section 8): how far this user has read, told to contacts; and how far contacts have read what we wrote.
//! A mark is a place in the order of (clock, event id); the greatest counts, so that it never goes back.

use parlour_crypto::{Control, ConversationId, Intervals, ReadMark};
use parlour_store::contacts::{self, ContactState};
use parlour_store::conversations::{self, ConversationRow};
use parlour_store::feed::{self, FeedRow};
use parlour_store::outbox::{self, OutboxRow};
use parlour_store::read_marks::{self, ReadLogRow};
use parlour_store::timeline::{self, Position};
use parlour_store::{ConversationNo, DeviceNo, LogKey, StoreError, events, logs, registers};

use super::Engine;
use super::append::MAX_AHEAD_MS;
use super::effects::Turn;
use super::input::{ReadMarkError, UpTo};
use super::timers::Timer;

/// A mark waits this long for a later one before it goes over a stream, and before it goes by envelope.
const STREAM_MS: u64 = 500;
const ENVELOPE_MS: u64 = 10_000;
/// Entries looked at in one step while unread messages are counted.
const COUNT_PAGE: usize = 1_000;

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
        let newest = row.last.map(|(clock, id, _)| Position { clock, id });
        let at = match up_to {
            UpTo::End => newest,
            UpTo::Seq(seq) if seq >= row.last_seq => newest,
            UpTo::Seq(seq) => self.furthest_arrival(turn, no, row.read_seq, seq)?,
            UpTo::Message(message) => match self.place_of(turn, no, &message)? {
                Some(at) => Some(at),
                None => return Ok(Err(ReadMarkError::UnknownMessage)),
            },
        };
        if let UpTo::Seq(seq) = up_to {
            row.read_seq = row.read_seq.max(seq.min(row.last_seq));
        }
        if let Some(at) = at
            && read_marks::advance(turn.txn, no, self.own.device, &at, turn.now)?
        {
            self.tell_read(turn, no, &at)?;
        }
        row.unread = self.count_unread(turn, no, &row)?;
        if row.unread == 0 {
            row.read_seq = row.last_seq;
        }
        if row != before {
            conversations::put(turn.txn, no, &row);
            feed::append(turn.txn, &FeedRow::Conversation { conversation: no })?;
        }
        Ok(Ok(()))
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
        Ok(timeline::get(turn.txn, no, &at)?.map(|_| at))
    }

    /// The place furthest on among messages by their arrival numbers.
    fn furthest_arrival(
        &self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        after: u64,
        up_to: u64,
    ) -> Result<Option<Position>, StoreError> {
        let mut furthest = None;
        for seq in after.saturating_add(1)..=up_to {
            furthest = furthest.max(timeline::by_room_seq(turn.txn, no, seq)?);
        }
        Ok(furthest)
    }

    /// Messages of others behind the mark that were not read by their arrival number either.
    fn count_unread(&self, turn: &Turn<'_, '_>, no: ConversationNo, row: &ConversationRow) -> Result<u64, StoreError> {
        let mut after = read_marks::get(turn.txn, no, self.own.device)?.map(|mark| mark.at());
        let mut unread = 0u64;
        loop {
            let page = timeline::after(turn.txn, no, after.as_ref(), COUNT_PAGE)?;
            let foreign = page
                .iter()
                .filter(|entry| entry.room_seq > row.read_seq && entry.event.log.device != self.own.device);
            unread = unread.saturating_add(foreign.count() as u64);
            match page.last() {
                Some(last) if page.len() == COUNT_PAGE => after = Some(last.at),
                _ => return Ok(unread),
            }
        }
    }

    /// Lets the other side know, in place of any older mark that still waits.
    fn tell_read(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo, at: &Position) -> Result<(), StoreError> {
        let Some(members) = self.members(turn, no)? else {
            return Ok(());
        };
        let accepted = contacts::get(turn.txn, &members.with)?.is_some_and(|c| c.state == ContactState::Accepted);
        if !accepted || !registers::settings(turn.txn)?.read_receipts {
            return Ok(());
        }
        for device in members.recipients {
            for row in outbox::of_device(turn.txn, device)? {
                if matches!(&row.control, Control::Read(mark) if mark.conversation == members.id) {
                    outbox::remove(turn.txn, device, &row.id)?;
                }
            }
            let row = OutboxRow {
                id: self.random_id(),
                control: Control::Read(ReadMark {
                    conversation: members.id,
                    clock: at.clock,
                    event: at.id,
                }),
                created: turn.now,
                envelope: None,
            };
            outbox::put(turn.txn, device, &row);
            let (timer, pause) = match self.link_to(device) {
                Some(_) => (Timer::ReadMarks(device), STREAM_MS),
                None => (Timer::Controls(device), ENVELOPE_MS),
            };
            self.timers.set_earliest(timer, turn.now.saturating_add(pause));
        }
        Ok(())
    }

    /// Marks that have not been told stay untold.
    pub(crate) fn drop_read_marks(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for (device, _) in outbox::devices(turn.txn)? {
            for row in outbox::of_device(turn.txn, device)? {
                if matches!(row.control, Control::Read(_)) {
                    outbox::remove(turn.txn, device, &row.id)?;
                }
            }
        }
        Ok(())
    }

    /// Sends the marks that waited for company.
    pub(crate) fn on_read_marks_timer(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        let Some((stream, _)) = self.link_to(device) else {
            self.timers
                .set_earliest(Timer::Controls(device), turn.now.saturating_add(ENVELOPE_MS));
            return Ok(());
        };
        for row in outbox::of_device(turn.txn, device)? {
            if matches!(row.control, Control::Read(_)) {
                self.send_control_frame(turn, stream, &row);
            }
        }
        Ok(())
    }

    /// A contact's device says how far its user has read. `false`: not taken yet, so not to be acknowledged.
    pub(crate) fn on_read_mark(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        mark: &ReadMark,
    ) -> Result<bool, StoreError> {
        if mark.clock > turn.now.saturating_add(MAX_AHEAD_MS) {
            return Ok(false);
        }
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(true);
        };
        let contact = contacts::get(turn.txn, &user)?;
        let Some(no) = self.shared_number(turn, &user, &mark.conversation)? else {
            return Ok(true);
        };
        let at = Position {
            clock: mark.clock,
            id: mark.event,
        };
        if contact.is_none_or(|contact| contact.state != ContactState::Accepted)
            || !read_marks::advance(turn.txn, no, device, &at, turn.now)?
        {
            return Ok(true);
        }
        for (log, _) in logs::of_conversation(turn.txn, no)? {
            if log.device == self.own.device {
                self.note_read(turn, device, log, &at)?;
            }
        }
        Ok(true)
    }

    fn note_read(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        log: LogKey,
        at: &Position,
    ) -> Result<(), StoreError> {
        let before = read_marks::of_log(turn.txn, &log, device)?.seq;
        let seq = read_marks::seq_at(turn.txn, &log, at)?;
        if seq <= before {
            return Ok(());
        }
        let noted = turn.now;
        read_marks::put_of_log(turn.txn, &log, device, &ReadLogRow { seq, noted });
        feed::append(
            turn.txn,
            &FeedRow::Read {
                conversation: log.conversation,
                log: log.log,
                device,
                seqs: Intervals::range(before.saturating_add(1), seq),
            },
        )?;
        Ok(())
    }
}

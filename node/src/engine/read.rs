//! Read marks (PROTOCOL.md section 8): how far this user has read, told to contacts and in rooms to their members; and how far those have
//! read what we wrote.
//! A mark is a place in the order of (clock, event id); the greatest counts, so that it never goes back.

use parlour_crypto::{Control, ConversationId, Intervals, KIND_MESSAGE, KIND_TIMER, Message, ReadMark, VerifiedEvent};
use parlour_store::contacts::{self, ContactState};
use parlour_store::conversations::{self, ConversationRow};
use parlour_store::feed::{self, FeedRow};
use parlour_store::outbox::{self, OutboxRow};
use parlour_store::read_marks::{self, ReadMarkRow};
use parlour_store::timeline::{self, Position, TimelineEntry};
use parlour_store::{
    ConversationNo, DeviceNo, EventKey, LogKey, StoreError, annotations, events, logs, registers, system,
};

use super::Engine;
use super::append::MAX_AHEAD_MS;
use super::effects::Turn;
use super::gossip::MAX_ROW_INTERVALS;
use super::input::{ReadMarkError, UpTo};
use super::people::{Members, With};
use super::timers::Timer;

/// A mark waits this long for a later one before it goes over a stream, and before it goes by envelope.
const STREAM_MS: u64 = 500;
const ENVELOPE_MS: u64 = 10_000;
/// Entries looked at in one step while unread messages are counted.
const COUNT_PAGE: usize = 1_000;
/// … and while the last message of others is looked for.
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

    fn is_foreign(&self, entry: &TimelineEntry) -> bool {
        entry.event.log.device != self.own.device
    }

    /// The last message of others before a place and behind another.
    fn last_foreign(
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

    /// Counts the messages of others that are not read, lets `read_seq` follow what is, and says where the first unread one stands.
    fn count_unread(
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
        if let Some(mut row) = self.row_of_unread(turn, no, event)? {
            row.unread = row.unread.saturating_add(1);
            conversations::put(turn.txn, no, &row);
        }
        Ok(())
    }

    /// A message that was shown is not to be shown any more.
    pub(crate) fn count_veiled(
        &self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        event: &VerifiedEvent,
    ) -> Result<(), StoreError> {
        if event.body().is_some()
            && let Some(mut row) = self.row_of_unread(turn, no, event)?
        {
            row.unread = row.unread.saturating_sub(1);
            let called = self.is_called_in(event);
            row.mentions = row.mentions.saturating_sub(called.into());
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

    /// A message came that stands before the mark: nobody has seen it, so a mark that waits still must not speak of it.
    pub(crate) fn lower_waiting_marks(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        late: &Position,
    ) -> Result<(), StoreError> {
        let mark = read_marks::get(turn.txn, no, self.own.device)?;
        if mark.is_none_or(|mark| mark.at() < *late) || timeline::get(turn.txn, no, late)?.is_none() {
            return Ok(());
        }
        let Some(members) = self.members(turn, no)? else {
            return Ok(());
        };
        let mut waited = false;
        for &device in &members.recipients {
            waited |= drop_marks_of(turn, device, &members.id)?;
        }
        match self.last_foreign(turn, no, late, None)? {
            Some(at) if waited => self.tell_read(turn, no, &at),
            _ => Ok(()),
        }
    }

    /// Lets the other side know, or the members of a room, in place of any older mark that still waits.
    fn tell_read(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo, at: &Position) -> Result<(), StoreError> {
        let Some(members) = self.members(turn, no)? else {
            return Ok(());
        };
        for &device in &members.recipients {
            self.tell_device_read(turn, &members, device, at)?;
        }
        Ok(())
    }

    fn tell_device_read(
        &mut self,
        turn: &mut Turn<'_, '_>,
        members: &Members,
        device: DeviceNo,
        at: &Position,
    ) -> Result<(), StoreError> {
        if !registers::settings(turn.txn)?.read_receipts || !self.shares_marks(turn, members, device)? {
            return Ok(());
        }
        drop_marks_of(turn, device, &members.id)?;
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
        match self.link_to(device) {
            Some(_) => self
                .timers
                .set_earliest(Timer::ReadMarks(device), turn.now.saturating_add(STREAM_MS)),
            None => self.marks_by_envelope(turn.now, device),
        }
        Ok(())
    }

    /// Whether a device that takes part in a conversation is told how far others have read: a contact's, in rooms that of each member.
    fn shares_marks(&self, turn: &Turn<'_, '_>, members: &Members, device: DeviceNo) -> Result<bool, StoreError> {
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(false);
        };
        let accepted =
            || contacts::get(turn.txn, &user).map(|row| row.is_some_and(|row| row.state == ContactState::Accepted));
        Ok(!self.is_blocked(&user)
            && match members.with {
                With::Nobody => false,
                With::User(_) => accepted()?,
                // Whoever has no session with us is told when one stands.
                With::Room(_) => members.tell_each_other() && (self.sessions.any(device).is_some() || accepted()?),
            })
    }

    /// A stream stands: says again how far we have read what we share with its user. Their disk may have been put back, or have learned
    /// only since that we hold what the mark speaks of. What came later and stands before the mark would count as read with it, so
    /// nothing is said while something is unread.
    pub(crate) fn tell_read_again(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        for (no, _) in self.shared(turn, device)? {
            let unread = conversations::get(turn.txn, no)?.is_none_or(|row| row.unread > 0);
            let mark = read_marks::get(turn.txn, no, self.own.device)?;
            let members = self.members(turn, no)?;
            if let Some((mark, members)) = mark.filter(|_| !unread).zip(members) {
                self.tell_device_read(turn, &members, device, &mark.at())?;
            }
        }
        Ok(())
    }

    /// Marks wait for their turn: nobody who is away may be sent more envelopes because much is read.
    fn marks_by_envelope(&mut self, now: u64, device: DeviceNo) {
        if !self.timers.is_set(Timer::Controls(device)) {
            let pause = ENVELOPE_MS.max(self.control_pause(device));
            self.timers.set(Timer::Controls(device), now.saturating_add(pause));
        }
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

    /// A mark must not go by envelope while something that may stand before it is still to come: that is acknowledged when it comes, and
    /// an acknowledgement that is faster than the mark, or than a repeat of it, would count it as read. A stream keeps the order.
    pub(crate) fn must_wait_for_a_stream(&self, turn: &Turn<'_, '_>, control: &Control) -> Result<bool, StoreError> {
        let Control::Read(mark) = control else {
            return Ok(false);
        };
        let Some(no) = conversations::number(turn.txn, &mark.conversation)? else {
            return Ok(false);
        };
        let logs = logs::of_conversation(turn.txn, no)?;
        let mut theirs = logs.iter().filter(|(log, _)| log.device != self.own.device);
        Ok(theirs.any(|(_, row)| !matches!(row.have.as_slice(), [] | [(1, _)])))
    }

    /// Sends the marks that waited for company.
    pub(crate) fn on_read_marks_timer(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        let Some((stream, _)) = self.link_to(device) else {
            self.marks_by_envelope(turn.now, device);
            return Ok(());
        };
        for row in outbox::of_device(turn.txn, device)? {
            if matches!(row.control, Control::Read(_)) {
                self.send_control_frame(turn, stream, &row);
                self.repeat_on_stream(turn.now, device);
            }
        }
        Ok(())
    }

    /// A device says how far its user has read. `false`: not taken yet, so not to be acknowledged.
    pub(crate) fn on_read_mark(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        mark: &ReadMark,
    ) -> Result<bool, StoreError> {
        if mark.clock > turn.now.saturating_add(MAX_AHEAD_MS) {
            return Ok(false);
        }
        let Some(no) = self.shared_number(turn, device, &mark.conversation)? else {
            return Ok(true);
        };
        let Some(members) = self.members(turn, no)? else {
            return Ok(true);
        };
        let at = Position {
            clock: mark.clock,
            id: mark.event,
        };
        if !self.shares_marks(turn, &members, device)? {
            return Ok(true);
        }
        // One that is said again speaks of what the device holds by now.
        let again = || read_marks::get(turn.txn, no, device).map(|mark| mark.is_some_and(|mark| mark.at() == at));
        if !again()? && !read_marks::advance(turn.txn, no, device, &at, turn.now)? {
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
        let up_to = read_marks::seq_at(turn.txn, &log, at)?;
        if up_to == 0 {
            return Ok(());
        }
        // What that device did not hold when it said so, its user has not seen.
        let held = logs::delivery(turn.txn, &log, device)?.acked;
        let mut row = read_marks::of_log(turn.txn, &log, device)?;
        let seqs = Intervals::range(1, up_to).intersection(&held).difference(&row.seqs);
        if seqs.is_empty() {
            return Ok(());
        }
        row.add(&seqs, turn.now, MAX_ROW_INTERVALS);
        read_marks::put_of_log(turn.txn, &log, device, &row);
        feed::append(
            turn.txn,
            &FeedRow::Read {
                conversation: log.conversation,
                log: log.log,
                device,
                seqs,
            },
        )?;
        Ok(())
    }
}

/// Whether it is a message: that somebody set the timer is nothing to be read, and what others had erased nobody can read.
fn is_said(turn: &Turn<'_, '_>, entry: &TimelineEntry) -> Result<bool, StoreError> {
    let brief = events::brief(turn.txn, &entry.event)?;
    Ok(brief.is_some_and(|brief| !brief.stub && brief.kind != KIND_TIMER))
}

fn mark_at(at: &Position, now: u64, arrived: u64) -> ReadMarkRow {
    ReadMarkRow {
        clock: at.clock,
        event: at.id,
        noted: now,
        arrived,
    }
}

/// Whether a mark speaks of a message: it stands before it, and was there when the mark was made.
fn is_behind(mark: Option<&ReadMarkRow>, entry: &TimelineEntry) -> bool {
    mark.is_some_and(|mark| entry.at <= mark.at() && entry.room_seq <= mark.arrived)
}

/// Takes the marks of a conversation that wait for a device out of the outbox; `true` if there were any.
fn drop_marks_of(turn: &mut Turn<'_, '_>, device: DeviceNo, id: &ConversationId) -> Result<bool, StoreError> {
    let mut waited = false;
    for row in outbox::of_device(turn.txn, device)? {
        if matches!(&row.control, Control::Read(mark) if mark.conversation == *id) {
            outbox::remove(turn.txn, device, &row.id)?;
            waited = true;
        }
    }
    Ok(waited)
}

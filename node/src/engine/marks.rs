//! Read marks on their way: told to contacts and fellow members, and heard from them (PROTOCOL.md section 8).

use parlour_crypto::{Control, ConversationId, Intervals, ReadMark};
use parlour_store::contacts::{self, ContactState};
use parlour_store::conversations;
use parlour_store::feed::{self, FeedRow};
use parlour_store::outbox::{self, OutboxRow};
use parlour_store::read_marks::{self};
use parlour_store::timeline::{self, Position};
use parlour_store::{ConversationNo, DeviceNo, LogKey, StoreError, logs, registers};

use super::Engine;
use super::append::MAX_AHEAD_MS;
use super::effects::Turn;
use super::gossip::MAX_ROW_INTERVALS;
use super::people::{Members, With};
use super::timers::Timer;

/// A mark waits this long for a later one before it goes over a stream, and before it goes by envelope.
const STREAM_MS: u64 = 500;
const ENVELOPE_MS: u64 = 10_000;

impl Engine {
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
    pub(super) fn tell_read(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        at: &Position,
    ) -> Result<(), StoreError> {
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

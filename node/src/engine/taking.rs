//! Taking events that others give us on a stream: whose they are, and whether they may be here.

use parlour_crypto::{ConversationId, KIND_EDIT, KIND_MESSAGE, SignedEvent, UserId, VerifiedEvent};
use parlour_store::annotations::bodiless;
use parlour_store::{
    ConversationNo, DeviceNo, EventKey, LogKey, StoreError, conversations, events, logs, read_marks, timeline,
};

use super::Engine;
use super::append::{Appended, Origin, append, tell};
use super::effects::Turn;
use super::rooms::{Taken, is_operation};
use super::sync::REFUSED_MS;
use super::timers::Timer;
use super::write::position;

/// What is younger when it comes is no late arrival, ms.
const LATE_MS: u64 = 10_000;

impl Engine {
    pub(super) fn on_events(
        &mut self,
        turn: &mut Turn<'_, '_>,
        stream: u64,
        conversation: &ConversationId,
        wire: &[Vec<u8>],
    ) -> Result<(), StoreError> {
        let Some(link) = self.link(stream) else { return Ok(()) };
        let (device, user) = (link.device, link.user);
        let Some(number) = self.shared_number(turn, device, conversation)? else {
            if !self.take_astray(turn, device, conversation, wire)? {
                self.close_stream(turn, stream);
            }
            return Ok(());
        };
        self.gather_operations();
        let parted = self.take_events(turn, stream, (number, conversation, &user), wire);
        self.settle_operations(turn, number)?;
        let Some(parted) = parted? else {
            self.close_stream(turn, stream);
            return Ok(());
        };
        if parted {
            // A branch is asked for from its end: the next part of it at once.
            self.timers.set_earliest(Timer::Want(stream), turn.now);
        }
        self.ask_for_views(turn, device)
    }

    /// Takes events of one frame. Says whether a log has parted in two; nothing if one of them is malformed.
    fn take_events(
        &mut self,
        turn: &mut Turn<'_, '_>,
        stream: u64,
        (number, conversation, user): (ConversationNo, &ConversationId, &UserId),
        wire: &[Vec<u8>],
    ) -> Result<Option<bool>, StoreError> {
        let Some(device) = self.link(stream).map(|link| link.device) else {
            return Ok(None);
        };
        let mut parted = false;
        for bytes in wire {
            let Ok(event) = SignedEvent::decode(bytes) else {
                self.counters.malformed_events += 1;
                return Ok(None);
            };
            let bodiless = event.is_stub().then(|| event.id());
            let received = self.counters.events_received;
            let taken = self.take_event(turn, number, conversation, user, event)?;
            let is_new = self.counters.events_received > received;
            parted |= is_new && taken.is_some_and(|key| key.branch > 0);
            // Its author may look for the body, too, and does not say so when all is given.
            if let (Some(id), Some(key)) = (bodiless, taken)
                && !(is_new && key.log.device == device)
            {
                let folded = bodiless::is_without(turn.txn, &key, &id, device, turn.now)?;
                tell(turn, &folded)?;
            }
            match (taken, self.link(stream)) {
                (Some(key), Some(link)) => {
                    // They may lack the other one of that number.
                    if key.branch == 0 {
                        link.peer_has.entry(key.log).or_default().insert(key.seq);
                    }
                    // Their window is to open soon, whoever wrote it.
                    if link.quiet.remove(&key.log) {
                        link.unacknowledged.insert(key.log);
                        link.unacknowledged_events = link.unacknowledged_events.saturating_add(1);
                    }
                }
                (None, Some(link)) => {
                    // Their window is open again when we have said twice that we do not hold it.
                    link.refused = 2;
                    let due = turn.now.saturating_add(REFUSED_MS);
                    self.timers.set_earliest(Timer::FullHave(stream), due);
                }
                (_, None) => {}
            }
        }
        Ok(Some(parted))
    }

    /// Verifies and stores an event of a conversation shared with `user`, and has it acknowledged. `None`: it was not taken.
    pub(crate) fn take_event(
        &mut self,
        turn: &mut Turn<'_, '_>,
        conversation: ConversationNo,
        id: &ConversationId,
        user: &UserId,
        event: SignedEvent,
    ) -> Result<Option<EventKey>, StoreError> {
        let header = event.header();
        let room = self.is_room(turn, conversation)?;
        if room && is_operation(header.kind) && header.conversation == *id {
            let Taken::Stored(key) = self.take_operation(turn, conversation, event)? else {
                return Ok(None);
            };
            self.have_acknowledged(turn, key, key.log.device)?;
            return Ok(Some(key));
        }
        let Some((author, known)) = self.known_device(&header.device) else {
            self.counters.unknown_authors += 1;
            return Ok(None);
        };
        let (by, signer) = (known.user, known.signer.clone());
        // A direct conversation has no membership, and so no view of it.
        let alone = || header.view.is_none() && (by == *user || by == self.account.user());
        let belongs = header.conversation == *id && (room || alone());
        let verified = match signer.filter(|_| belongs).map(|signer| event.verify_by(&signer)) {
            Some(Ok(event)) => event,
            _ => {
                self.counters.forged_events += 1;
                return Ok(None);
            }
        };
        // Of nothing else the body is ever erased.
        let whole = verified.body().is_some() || [KIND_MESSAGE, KIND_EDIT].contains(&verified.header().kind);
        if room {
            // What is said is judged by operations that have been taken in with all that follows from them.
            self.settle_room(turn, conversation)?;
        }
        let unruled = self.counters.unruled_events;
        if !whole || (room && !self.takes_said(turn, conversation, verified.header(), (&by, user))?) {
            if self.counters.unruled_events > unruled {
                self.note_refused(conversation, verified.id());
            }
            return Ok(None);
        }
        let clock = verified.header().clock;
        if room {
            self.apply_rules(turn, conversation, (verified.id(), verified.header()), (&by, author))?;
        }
        let taken = self.take_verified(turn, conversation, author, &verified)?;
        if room && taken.is_some() {
            self.miss_chain(turn, conversation, author, clock)?;
        }
        Ok(taken)
    }

    /// Stores an event that belongs into a conversation and whose signature holds, and has it acknowledged.
    pub(crate) fn take_verified(
        &mut self,
        turn: &mut Turn<'_, '_>,
        conversation: ConversationNo,
        author: DeviceNo,
        event: &VerifiedEvent,
    ) -> Result<Option<EventKey>, StoreError> {
        let key = match append(turn, conversation, author, event, self.origin_of(author))? {
            Appended::New(key) => {
                self.counters.events_received += 1;
                self.note_order(turn, &key, event.header())?;
                self.ends_typing(author);
                self.hear(turn, conversation, event, author)?;
                if author == self.own.device {
                    let clock = event.header().clock;
                    self.on_own_event_returned(turn, &key, clock)?;
                } else {
                    self.lower_waiting_marks(turn, conversation, &position(event))?;
                    self.mark_if_late(turn, conversation, event)?;
                    self.let_rest(turn, &key)?;
                }
                key
            }
            Appended::Completed(key) => {
                self.hear(turn, conversation, event, author)?;
                self.count_completed(turn, conversation, event)?;
                key
            }
            Appended::Known(key) => key,
            Appended::Refused => return Ok(None),
        };
        self.have_acknowledged(turn, key, author)?;
        Ok(Some(key))
    }

    /// What an event that can be read now does beside being there.
    fn hear(
        &mut self,
        turn: &mut Turn<'_, '_>,
        conversation: ConversationNo,
        event: &VerifiedEvent,
        author: DeviceNo,
    ) -> Result<(), StoreError> {
        if !self.is_blocked_device(author) {
            self.wake_conversation(turn, conversation, event)?;
            self.count_mention(turn, conversation, event)?;
        }
        Ok(())
    }

    /// Marks a message that takes its place above what the user has seen, or has written since: it would not be noticed there. Two who
    /// write at the same moment are not late.
    fn mark_if_late(
        &self,
        turn: &mut Turn<'_, '_>,
        conversation: ConversationNo,
        event: &VerifiedEvent,
    ) -> Result<(), StoreError> {
        let at = position(event);
        if turn.now.saturating_sub(at.clock) < LATE_MS || !events::has_a_place(event.header().kind) {
            return Ok(());
        }
        let newest = conversations::get(turn.txn, conversation)?.and_then(|row| row.last);
        if newest.is_none_or(|(clock, id, _)| (clock, id) <= (at.clock, at.id)) {
            return Ok(());
        }
        let mark = read_marks::get(turn.txn, conversation, self.own.device)?;
        let log = LogKey {
            conversation,
            device: self.own.device,
            log: self.own_log,
        };
        let written = match logs::get(turn.txn, &log)?.top {
            Some(top) => events::place(turn.txn, &top)?.map(|place| events::brief(turn.txn, &place)),
            None => None,
        };
        let written = written.transpose()?.flatten().map_or(0, |brief| brief.clock);
        if (written > at.clock || mark.is_some_and(|mark| mark.at() > at))
            && timeline::get(turn.txn, conversation, &at)?.is_some()
        {
            timeline::mark_late(turn.txn, conversation, &at.id);
        }
        Ok(())
    }

    /// Where an event that others give us comes from.
    pub(crate) fn origin_of(&self, author: DeviceNo) -> Origin {
        if author == self.own.device {
            Origin::Returned
        } else if self.is_blocked_device(author) {
            Origin::Blocked
        } else {
            Origin::Elsewhere
        }
    }
}

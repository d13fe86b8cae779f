//! What two devices say on their stream (PROTOCOL.md section 9): what each holds, and exactly what the other lacks. `Have` is
//! also the acknowledgement: it leaves after the commit that stored the events, so it speaks of what is on disk.

use bytes::Bytes;
use parlour_crypto::{
    ControlError, ConversationId, EXT_REFRESH, Frame, Have, Hello, Intervals, LogHave, MAX_INTERVALS, MAX_LOGS,
    SYNC_VERSION, SignedEvent, UserId, VerifiedEvent, day_of,
};
use parlour_net::NetCommand;
use parlour_store::{
    ConversationNo, DeviceNo, EventKey, LogKey, StoreError, contacts, conversations, devices, logs, outbox, rooms,
};

use super::Engine;
use super::append::{Appended, Origin, append};
use super::effects::Turn;
use super::link::{Link, Phase};
use super::rooms::{OPERATIONS, Taken, holds_operations, is_operation};
use super::sessions::takes_part_in_refreshes;
use super::timers::{Timer, jitter};
use super::write::position;

/// Acknowledgements wait at most this long for company.
const ACKNOWLEDGE_MS: u64 = 50;
/// … and not at all once this many events wait for one.
const ACKNOWLEDGE_EVENTS: usize = 128;
/// How often each side says everything it holds.
const FULL_HAVE_MS: u64 = 60_000;
/// … and while it does not take what the other side sends, so that this does not hold up everything else.
const REFUSED_MS: u64 = 2_000;
/// What is named and missing is asked for this long after everything was told, since most of it comes by itself.
const WANT_MS: u64 = 5_000;
/// A claim that others hold more of our log than we do begins no log after this one; only our own signatures do.
const MAX_HINTED_LOG: u32 = 32;
/// Controls sent when a link stands; the others follow on the next one.
const CONTROLS_AT_ONCE: usize = 32;
/// How often a link renews its keys at the latest.
const REKEY_MS: u64 = 8 * 60_000;

impl Engine {
    pub(crate) fn link(&mut self, stream: u64) -> Option<&mut Link> {
        match &mut self.streams.get_mut(&stream)?.phase {
            Phase::Ready(link) => Some(link),
            _ => None,
        }
    }

    /// The ready link to a device.
    pub(crate) fn link_to(&mut self, device: DeviceNo) -> Option<(u64, &mut Link)> {
        let stream = *self.link_of.get(&device)?;
        self.link(stream).filter(|link| link.greeted).map(|link| (stream, link))
    }

    pub(crate) fn send_frame(&mut self, turn: &mut Turn<'_, '_>, stream: u64, frame: &Frame) {
        let Some(link) = self.link(stream) else { return };
        let plain = match frame.encode() {
            Ok(plain) => plain,
            Err(error) => return tracing::error!(%error, "a frame could not be encoded"),
        };
        let data = Bytes::from(link.sealer.seal(&plain));
        turn.net(NetCommand::SendFrame { stream, data });
        if link.sealer.needs_rekey(turn.now) && *frame != Frame::Rekey {
            self.rekey(turn, stream);
        }
    }

    pub(crate) fn rekey(&mut self, turn: &mut Turn<'_, '_>, stream: u64) {
        self.send_frame(turn, stream, &Frame::Rekey);
        if let Some(link) = self.link(stream) {
            link.sealer.rekey();
        }
        self.timers.set(Timer::Rekey(stream), turn.now.saturating_add(REKEY_MS));
    }

    /// Says hello on a fresh link; the rest follows when the other side has done so.
    pub(crate) fn greet(&mut self, turn: &mut Turn<'_, '_>, stream: u64, _device: DeviceNo) -> Result<(), StoreError> {
        let reference = self.account.list.reference();
        let hello = Hello {
            version: 1,
            wall_time_ms: turn.now,
            list_version: reference.version,
            list_hash: reference.hash,
            bundle_serial: self.bundle_serial,
            ext: vec![(EXT_REFRESH, Vec::new())],
        };
        self.send_frame(turn, stream, &Frame::Hello(hello));
        self.timers.set(Timer::Rekey(stream), turn.now.saturating_add(REKEY_MS));
        Ok(())
    }

    pub(crate) fn on_sync_frame(
        &mut self,
        turn: &mut Turn<'_, '_>,
        stream: u64,
        plain: &[u8],
    ) -> Result<(), StoreError> {
        let Some(link) = self.link(stream) else { return Ok(()) };
        let (device, greeted) = (link.device, link.greeted);
        let frame = match Frame::decode(plain) {
            Ok(frame) => frame,
            Err(ControlError::NeedsNewerVersion) => return Ok(()),
            Err(error) => {
                tracing::debug!(device = device.0, %error, "a malformed frame ends the stream");
                self.close_stream(turn, stream);
                return Ok(());
            }
        };
        match (frame, greeted) {
            (Frame::Hello(hello), false) => self.on_hello(turn, stream, &hello),
            (Frame::Have(have), true) => self.on_have(turn, device, &have),
            (Frame::Events { conversation, events }, true) => self.on_events(turn, stream, &conversation, &events),
            (Frame::Control { id, control }, true) => self.on_control(turn, device, id, control),
            (Frame::Received { ids }, true) => self.on_received(turn, device, &ids),
            (Frame::Rekey, true) => {
                if let Some(link) = self.link(stream) {
                    link.opener.rekey();
                }
                Ok(())
            }
            (Frame::Want { conversation, ids }, true) => self.on_want(turn, stream, &conversation, &ids),
            (Frame::Typing { conversation, typing }, true) => self.on_typing(turn, stream, &conversation, typing),
            (Frame::Presence(presence), true) => self.on_presence(turn, stream, presence),
            (Frame::Hello(_), true) | (_, false) => {
                self.close_stream(turn, stream);
                Ok(())
            }
        }
    }

    fn on_hello(&mut self, turn: &mut Turn<'_, '_>, stream: u64, hello: &Hello) -> Result<(), StoreError> {
        let Some(link) = self.link(stream) else { return Ok(()) };
        if hello.version != SYNC_VERSION {
            tracing::info!(got = hello.version, "a peer speaks another version on its stream");
            self.close_stream(turn, stream);
            return Ok(());
        }
        link.greeted = true;
        let device = link.device;
        if takes_part_in_refreshes(&hello.ext) {
            self.sessions.know_refresh(turn, device);
        }
        self.reopen.remove(&device);
        let skew = i64::try_from(hello.wall_time_ms)
            .unwrap_or(i64::MAX)
            .saturating_sub_unsigned(turn.now);
        self.skews.insert(device, skew);
        self.live_changed = true;
        if let Some(mut row) = devices::get(turn.txn, device)? {
            row.last_seen = turn.now;
            devices::put(turn.txn, &row)?;
        }
        self.tell_everything(turn, stream)?;
        for row in outbox::of_device(turn.txn, device)?.into_iter().take(CONTROLS_AT_ONCE) {
            self.send_control_frame(turn, stream, &row);
            self.repeat_on_stream(turn.now, device);
        }
        self.tell_read_again(turn, device)?;
        self.tell_presence_to(turn, stream)?;
        if !self.timers.is_set(Timer::Presence) {
            self.tell_presence(turn)?;
        }
        Ok(())
    }

    /// Says everything we hold of every shared conversation.
    pub(crate) fn tell_everything(&mut self, turn: &mut Turn<'_, '_>, stream: u64) -> Result<(), StoreError> {
        let Some(device) = self.link(stream).map(|link| link.device) else {
            return Ok(());
        };
        for (no, id) in self.shared(turn, device)? {
            self.tell_conversation(turn, stream, no, &id)?;
        }
        self.timers
            .set_earliest(Timer::Want(stream), turn.now.saturating_add(WANT_MS));
        let random = self.random();
        let mut pause = jitter(FULL_HAVE_MS, random);
        if let Some(link) = self.link(stream).filter(|link| link.refused > 0) {
            link.refused = link.refused.saturating_sub(1);
            pause = REFUSED_MS;
        }
        self.timers.set(Timer::FullHave(stream), turn.now.saturating_add(pause));
        Ok(())
    }

    /// Says everything we hold of one conversation.
    pub(crate) fn tell_conversation(
        &mut self,
        turn: &mut Turn<'_, '_>,
        stream: u64,
        no: ConversationNo,
        id: &ConversationId,
    ) -> Result<(), StoreError> {
        let Some(user) = self.link(stream).map(|link| link.user) else {
            return Ok(());
        };
        // What they say may come; what is here of it, they do not learn.
        let held = match self.is_undecided(&user) {
            true => Vec::new(),
            false => logs::of_conversation(turn.txn, no)?,
        };
        let mut logs: Vec<_> = held
            .iter()
            .filter_map(|(log, row)| self.log_have(log, &row.have))
            .collect();
        let mut full = true;
        loop {
            let rest = logs.split_off(logs.len().min(MAX_LOGS));
            let conversation = *id;
            self.send_frame(
                turn,
                stream,
                &Frame::Have(Have {
                    conversation,
                    full,
                    logs,
                }),
            );
            if rest.is_empty() {
                return Ok(());
            }
            (logs, full) = (rest, false);
        }
    }

    /// What to tell of a log.
    pub(crate) fn log_have(&self, log: &LogKey, have: &Intervals) -> Option<LogHave> {
        let device = self.known.get(&log.device)?.id;
        Some(LogHave {
            device,
            log: log.log,
            have: have.bounded(MAX_INTERVALS),
        })
    }

    /// The conversation that this account has with a user and nobody else.
    fn alone_with(&self, user: &UserId) -> ConversationId {
        match *user == self.own.user {
            true => ConversationId::notes(user),
            false => ConversationId::direct(&self.own.user, user),
        }
    }

    /// The conversations this device shares with a device.
    pub(crate) fn shared(
        &self,
        turn: &Turn<'_, '_>,
        device: DeviceNo,
    ) -> Result<Vec<(ConversationNo, ConversationId)>, StoreError> {
        let Some(known) = self.known.get(&device) else {
            return Ok(Vec::new());
        };
        let id = self.alone_with(&known.user);
        let alone = conversations::number(turn.txn, &id)?.map(|no| (no, id));
        let mut shared: Vec<_> = alone.into_iter().collect();
        for no in rooms::of_user(turn.txn, &known.user)? {
            if self.are_both_in(turn, no, &known.user, &known.id)?
                && let Some(id) = conversations::id_of(turn.txn, no)?
            {
                shared.push((no, id));
            }
        }
        Ok(shared)
    }

    /// The number of a conversation, if it is shared with this device.
    pub(crate) fn shared_number(
        &self,
        turn: &Turn<'_, '_>,
        device: DeviceNo,
        id: &ConversationId,
    ) -> Result<Option<ConversationNo>, StoreError> {
        let (Some(no), Some(known)) = (conversations::number(turn.txn, id)?, self.known.get(&device)) else {
            return Ok(None);
        };
        let shared = *id == self.alone_with(&known.user) || self.are_both_in(turn, no, &known.user, &known.id)?;
        Ok(shared.then_some(no))
    }

    /// A device tells what it holds, on its stream or by envelope.
    pub(crate) fn on_have(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo, have: &Have) -> Result<(), StoreError> {
        let Some(conversation) = self.shared_number(turn, device, &have.conversation)? else {
            return self.tell_gone(turn, device, have);
        };
        let mut told = Vec::new();
        for log in &have.logs {
            if let Some((author, _)) = self.known_device(&log.device) {
                let key = LogKey {
                    conversation,
                    device: author,
                    log: log.log,
                };
                if author == self.own.device {
                    self.on_own_log_held(turn, device, key, &log.have)?;
                }
                // What we do not hold ourselves is nothing we could send.
                let ours = logs::get(turn.txn, &key)?.have;
                if !ours.is_empty() {
                    told.push((key, log.have.intersection(&ours)));
                }
            }
        }
        if let Some((_, link)) = self.link_to(device) {
            if have.full {
                link.peer_has.retain(|key, _| key.conversation != conversation);
                link.told.insert(conversation);
                link.begin_round(conversation);
            }
            let mut learned = false;
            for (key, held) in told {
                link.acknowledged(key, &held);
                let known = link.peer_has.entry(key).or_default();
                learned |= holds_operations(&key) && !held.difference(known).is_empty();
                *known = known.union(&held);
            }
            if learned {
                // What they did not take without these operations they may take now.
                link.untaken.retain(|log, _| log.conversation != conversation);
            }
            link.wanting.insert(conversation);
        }
        Ok(())
    }

    /// `device` holds these events of ours.
    fn on_own_log_held(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        log: LogKey,
        held: &Intervals,
    ) -> Result<(), StoreError> {
        let ours = logs::get(turn.txn, &log)?;
        // Unproved: worth a new log, but once only in the life of a process, and not for ever. Others keep so many logs of a device and
        // no more, and nobody is to use them up for us.
        let user = self.known.get(&device).map(|known| known.user);
        let trusted = match user {
            Some(user) => user == self.own.user || contacts::get(turn.txn, &user)?.is_some(),
            None => false,
        };
        let hinted = self.rollback_hinted || self.own_log > MAX_HINTED_LOG || !trusted;
        let number = log.log & !OPERATIONS;
        if held.max() > ours.have.max() && number == self.own_log && !hinted {
            self.rollback_hinted = true;
            self.suspect_rollback(turn, number)?;
        }
        self.record_acknowledged(turn, device, log, &held.intersection(&ours.have))
    }

    fn on_events(
        &mut self,
        turn: &mut Turn<'_, '_>,
        stream: u64,
        conversation: &ConversationId,
        wire: &[Vec<u8>],
    ) -> Result<(), StoreError> {
        let Some(link) = self.link(stream) else { return Ok(()) };
        let (device, user) = (link.device, link.user);
        let Some(number) = self.shared_number(turn, device, conversation)? else {
            return Ok(());
        };
        for bytes in wire {
            let Ok(event) = SignedEvent::decode(bytes) else {
                self.counters.malformed_events += 1;
                self.close_stream(turn, stream);
                return Ok(());
            };
            let taken = self.take_event(turn, number, conversation, &user, event)?;
            match (taken, self.link(stream)) {
                (Some(key), Some(link)) => {
                    link.peer_has.entry(key.log).or_default().insert(key.seq);
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
        self.ask_for_views(turn, device)
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
        if room && !self.may_say(turn, conversation, verified.header(), &by)? {
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
                self.ends_typing(author);
                if !self.is_blocked_device(author) {
                    self.wake_conversation(turn, conversation, event)?;
                    self.count_mention(turn, conversation, event)?;
                }
                if author == self.own.device {
                    self.suspect_rollback(turn, key.log.log & !OPERATIONS)?;
                } else {
                    self.lower_waiting_marks(turn, conversation, &position(event))?;
                }
                key
            }
            Appended::Known(key) => key,
            Appended::Refused => return Ok(None),
        };
        self.have_acknowledged(turn, key, author)?;
        Ok(Some(key))
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

    /// Tells every link that shares the conversation, in time, that we hold more of a log.
    pub(crate) fn have_acknowledged(
        &mut self,
        turn: &mut Turn<'_, '_>,
        key: EventKey,
        author: DeviceNo,
    ) -> Result<(), StoreError> {
        let EventKey { log, seq, .. } = key;
        let mut author_is_linked = author == self.own.device;
        for stream in self.links_sharing(turn, log.conversation)? {
            let Some(link) = self.link(stream) else { continue };
            author_is_linked |= link.device == author;
            if link.device == author {
                link.peer_has.entry(log).or_default().insert(seq);
            }
            link.unacknowledged.insert(log);
            link.unacknowledged_events = link.unacknowledged_events.saturating_add(1);
            link.wanting.insert(log.conversation);
        }
        if !author_is_linked {
            self.acknowledge_by_envelope(turn, log, author);
        }
        Ok(())
    }

    /// Greeted links to devices that take part in a conversation.
    pub(crate) fn links_sharing(
        &mut self,
        turn: &Turn<'_, '_>,
        conversation: ConversationNo,
    ) -> Result<Vec<u64>, StoreError> {
        let Some(members) = self.members(turn, conversation)? else {
            return Ok(Vec::new());
        };
        let (me, here) = (self.own.user, self.account.keys.id());
        if !members.has_device(&me, &here, &me) {
            return Ok(Vec::new());
        }
        Ok(self
            .streams
            .iter()
            .filter_map(|(stream, s)| match &s.phase {
                Phase::Ready(link) if link.greeted => {
                    let known = self.known.get(&link.device)?;
                    members.has_device(&link.user, &known.id, &me).then_some(*stream)
                }
                _ => None,
            })
            .collect())
    }

    /// The end of a turn: acknowledgements that are due and whatever fits into the windows.
    pub(crate) fn flush_links(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let streams: Vec<u64> = self.link_of.values().copied().collect();
        for stream in streams {
            self.acknowledge(turn, stream, false)?;
            self.pump(turn, stream)?;
        }
        Ok(())
    }

    /// Acknowledges on a link what waits for it, or sets the timer for it.
    pub(crate) fn acknowledge(&mut self, turn: &mut Turn<'_, '_>, stream: u64, due: bool) -> Result<(), StoreError> {
        let Some(user) = self.link(stream).map(|link| link.user) else {
            return Ok(());
        };
        let undecided = self.is_undecided(&user);
        let Some(link) = self.link(stream) else { return Ok(()) };
        if undecided {
            link.unacknowledged.clear();
            link.unacknowledged_events = 0;
        }
        if link.unacknowledged.is_empty() {
            return Ok(());
        }
        let at = link.acknowledged_at.saturating_add(ACKNOWLEDGE_MS);
        if !due && at > turn.now && link.unacknowledged_events < ACKNOWLEDGE_EVENTS {
            self.timers.set_earliest(Timer::Acknowledge(stream), at);
            return Ok(());
        }
        link.acknowledged_at = turn.now;
        link.unacknowledged_events = 0;
        let logs = std::mem::take(&mut link.unacknowledged);
        let mut by_conversation: Vec<(ConversationNo, Vec<LogHave>)> = Vec::new();
        for log in logs {
            let Some(have) = self.log_have(&log, &logs::get(turn.txn, &log)?.have) else {
                continue;
            };
            match by_conversation.last_mut() {
                Some((conversation, list)) if *conversation == log.conversation => list.push(have),
                _ => by_conversation.push((log.conversation, vec![have])),
            }
        }
        for (conversation, logs) in by_conversation {
            let Some(members) = self.members(turn, conversation)? else {
                continue;
            };
            let have = Have {
                conversation: members.id,
                full: false,
                logs,
            };
            self.send_frame(turn, stream, &Frame::Have(have));
        }
        Ok(())
    }

    /// Envelopes and tags are for this day.
    pub(crate) fn today(turn: &Turn<'_, '_>) -> u16 {
        day_of(turn.now)
    }
}

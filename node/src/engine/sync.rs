//! What two devices say on their stream (PROTOCOL.md section 9): what each holds, and exactly what the other lacks. `Have` is
//! also the acknowledgement: it leaves after the commit that stored the events, so it speaks of what is on disk.

use bytes::Bytes;
use parlour_crypto::{
    ControlError, ConversationId, EXT_REFRESH, Frame, Have, Hello, Intervals, LogHave, MAX_INTERVALS, MAX_LOGS,
    SYNC_VERSION, SignedEvent, UserId, day_of,
};
use parlour_net::NetCommand;
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError, conversations, devices, logs, outbox};

use super::append::{Appended, Origin, append};
use super::effects::Turn;
use super::link::{Link, Phase};
use super::sessions::takes_part_in_refreshes;
use super::timers::{Timer, jitter};
use super::write::position;
use super::{Engine, Members};

/// Acknowledgements wait at most this long for company.
const ACKNOWLEDGE_MS: u64 = 50;
/// … and not at all once this many events wait for one.
const ACKNOWLEDGE_EVENTS: usize = 128;
/// How often each side says everything it holds.
const FULL_HAVE_MS: u64 = 60_000;
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
        if let Some(user) = self.link(stream).map(|link| link.user) {
            self.tell_read_again(turn, &user)?;
        }
        self.tell_presence_to(turn, stream)?;
        if !self.timers.is_set(Timer::Presence) {
            self.tell_presence(turn)?;
        }
        Ok(())
    }

    /// Says everything we hold of every shared conversation.
    pub(crate) fn tell_everything(&mut self, turn: &mut Turn<'_, '_>, stream: u64) -> Result<(), StoreError> {
        let Some(user) = self.link(stream).map(|link| link.user) else {
            return Ok(());
        };
        let undecided = self.is_undecided(&user);
        for (no, id) in self.shared(turn, &user)? {
            // What they say may come; what is here of it, they do not learn.
            let held = match undecided {
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
                let conversation = id;
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
                    break;
                }
                (logs, full) = (rest, false);
            }
        }
        self.timers
            .set_earliest(Timer::Want(stream), turn.now.saturating_add(WANT_MS));
        let random = self.random();
        let pause = jitter(FULL_HAVE_MS, random);
        self.timers.set(Timer::FullHave(stream), turn.now.saturating_add(pause));
        Ok(())
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

    /// The conversations this account shares with a user.
    pub(crate) fn shared(
        &self,
        turn: &Turn<'_, '_>,
        user: &UserId,
    ) -> Result<Vec<(ConversationNo, ConversationId)>, StoreError> {
        let id = match *user == self.account.user() {
            true => ConversationId::notes(user),
            false => ConversationId::direct(&self.account.user(), user),
        };
        Ok(conversations::number(turn.txn, &id)?
            .map(|no| (no, id))
            .into_iter()
            .collect())
    }

    /// The number of a conversation, if it is shared with this user.
    pub(crate) fn shared_number(
        &self,
        turn: &Turn<'_, '_>,
        user: &UserId,
        id: &ConversationId,
    ) -> Result<Option<ConversationNo>, StoreError> {
        Ok(self
            .shared(turn, user)?
            .into_iter()
            .find(|(_, c)| c == id)
            .map(|(no, _)| no))
    }

    /// A device tells what it holds, on its stream or by envelope.
    pub(crate) fn on_have(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo, have: &Have) -> Result<(), StoreError> {
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(());
        };
        let Some(conversation) = self.shared_number(turn, &user, &have.conversation)? else {
            return Ok(());
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
            for (key, held) in told {
                link.acknowledged(key, &held);
                let known = link.peer_has.entry(key).or_default();
                *known = known.union(&held);
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
        let hinted = self.rollback_hinted || self.own_log > MAX_HINTED_LOG;
        if held.max() > ours.have.max() && log.log == self.own_log && !hinted {
            self.rollback_hinted = true;
            self.suspect_rollback(turn, log.log)?;
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
        let user = link.user;
        let Some(number) = self.shared_number(turn, &user, conversation)? else {
            return Ok(());
        };
        for bytes in wire {
            let Ok(event) = SignedEvent::decode(bytes) else {
                self.counters.malformed_events += 1;
                self.close_stream(turn, stream);
                return Ok(());
            };
            if let Some(key) = self.take_event(turn, number, conversation, &user, event)?
                && let Some(link) = self.link(stream)
            {
                link.peer_has.entry(key.log).or_default().insert(key.seq);
            }
        }
        Ok(())
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
        let Some((author, known)) = self.known_device(&header.device) else {
            self.counters.unknown_authors += 1;
            return Ok(None);
        };
        // A direct conversation has no membership, and so no view of it.
        let belongs = header.conversation == *id
            && header.view.is_none()
            && (known.user == *user || known.user == self.account.user());
        let verified = match known.signer.as_ref().map(|signer| event.verify_by(signer)) {
            Some(Ok(event)) if belongs => event,
            _ => {
                self.counters.forged_events += 1;
                return Ok(None);
            }
        };
        let own = author == self.own.device;
        let key = match append(turn, conversation, author, &verified, self.origin_of(author))? {
            Appended::New(key) => {
                self.counters.events_received += 1;
                self.ends_typing(author);
                self.wake_conversation(turn, conversation, &verified)?;
                if own {
                    self.suspect_rollback(turn, key.log.log)?;
                } else {
                    self.lower_waiting_marks(turn, conversation, &position(&verified))?;
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
        } else {
            Origin::Elsewhere
        }
    }

    /// Tells every link that shares the conversation, in time, that we hold more of a log.
    fn have_acknowledged(
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
        let Some(Members { with, .. }) = self.members(turn, conversation)? else {
            return Ok(Vec::new());
        };
        let me = self.account.user();
        Ok(self
            .streams
            .iter()
            .filter_map(|(stream, s)| match &s.phase {
                Phase::Ready(link) if link.greeted && (link.user == with || link.user == me) => Some(*stream),
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

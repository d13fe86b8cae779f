//! What two devices say on their stream (PROTOCOL.md section 9): what each holds, and exactly what the other lacks. `Have` is
//! also the acknowledgement: it leaves after the commit that stored the events, so it speaks of what is on disk.

use bytes::Bytes;
use parlour_crypto::{
    ControlError, ConversationId, EXT_REFRESH, Frame, Have, Hello, Intervals, LogHave, MAX_INTERVALS, MAX_LOGS,
    SYNC_VERSION, UserId, day_of,
};
use parlour_net::NetCommand;
use parlour_store::{
    ConversationNo, DeviceNo, LogKey, StoreError, contacts, conversations, devices, logs, outbox, rooms,
};

use super::Engine;
use super::effects::Turn;
use super::link::{Link, Phase};
use super::rooms::{OPERATIONS, holds_operations};
use super::sessions::takes_part_in_refreshes;
use super::timers::{Timer, jitter};

/// How often each side says everything it holds.
const FULL_HAVE_MS: u64 = 60_000;
/// … and while it does not take what the other side sends, so that this does not hold up everything else.
pub(super) const REFUSED_MS: u64 = 2_000;
/// What is named and missing is asked for this long after everything was told, since most of it comes by itself.
pub(super) const WANT_MS: u64 = 5_000;
/// A claim that others hold more of our log than we do begins no log after this one; only our own signatures do. Numbers are given out
/// with gaps, so that these are some thirty logs.
const MAX_HINTED_LOG: u32 = 144;
/// Controls sent when a link stands; the others follow on the next one.
const CONTROLS_AT_ONCE: usize = 32;
/// How often a link renews its keys at the latest.
const REKEY_MS: u64 = 8 * 60_000;

impl Engine {
    pub(crate) fn link(&mut self, stream: u64) -> Option<&mut Link> {
        match &mut self.streams.get_mut(&stream)?.phase {
            Phase::Ready(link) => {
                self.touched.insert(stream);
                Some(link)
            }
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
            // Whatever was overlooked is seen now.
            if let Some(link) = self.link(stream) {
                link.want(no);
            }
            // All of a large room is much to say again and again. Who did not take something has to be heard of all, though.
            let members = self.members(turn, no)?;
            let large = members.is_some_and(|members| members.is_large());
            let undecided = self.is_undecided_device(device);
            let known = !undecided
                && self
                    .link(stream)
                    .is_some_and(|link| !link.all_told.insert(no) && link.refused == 0);
            match large && known {
                true => self.tell_new(turn, stream, no, &id)?,
                false => self.tell_conversation(turn, stream, no, &id)?,
            }
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
        let logs = held.iter().filter_map(|(log, row)| self.log_have(log, &row.have));
        let logs = logs.collect();
        if let Some(link) = self.link(stream) {
            link.quiet.retain(|log| log.conversation != no);
        }
        self.tell_logs(turn, stream, id, (true, logs));
        Ok(())
    }

    /// Says what is new of a conversation since the last time that something was said of it.
    fn tell_new(
        &mut self,
        turn: &mut Turn<'_, '_>,
        stream: u64,
        no: ConversationNo,
        id: &ConversationId,
    ) -> Result<(), StoreError> {
        let Some(link) = self.link(stream) else { return Ok(()) };
        let quiet: Vec<LogKey> = link.quiet.extract_if(.., |log| log.conversation == no).collect();
        let mut logs = Vec::with_capacity(quiet.len());
        for log in quiet {
            logs.extend(self.log_have(&log, &logs::get(turn.txn, &log)?.have));
        }
        self.tell_logs(turn, stream, id, (false, logs));
        Ok(())
    }

    /// Says what we hold of logs of a conversation, in as many frames as it takes.
    pub(crate) fn tell_logs(
        &mut self,
        turn: &mut Turn<'_, '_>,
        stream: u64,
        id: &ConversationId,
        (mut full, mut logs): (bool, Vec<LogHave>),
    ) {
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
                return;
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
        let now = turn.now;
        let resting: Vec<LogKey> = self.offering.resting_in(conversation).copied().collect();
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
                link.want(conversation);
                link.peer_has.retain(|key, _| key.conversation != conversation);
                link.begin_round(conversation);
            }
            if have.full || link.told.contains_key(&conversation) {
                link.told.insert(conversation, now);
            }
            let mut learned = false;
            for (key, held) in told {
                link.want_log(key);
                link.acknowledged(key, &held);
                let known = link.peer_has.entry(key).or_default();
                learned |= holds_operations(&key) && !held.difference(known).is_empty();
                *known = known.union(&held);
            }
            if learned {
                // What they did not take without these operations they may take now.
                let refused = link.untaken.extract_if(.., |log, _| log.conversation == conversation);
                let refused: Vec<LogKey> = refused.map(|(log, _)| log).collect();
                refused.into_iter().for_each(|log| link.want_log(log));
            }
            // What rested until they told what they hold.
            resting.into_iter().for_each(|log| link.want_log(log));
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
            self.suspect_rollback(turn)?;
        }
        self.record_acknowledged(turn, device, log, &held.intersection(&ours.have))
    }

    /// Envelopes and tags are for this day.
    pub(crate) fn today(turn: &Turn<'_, '_>) -> u16 {
        day_of(turn.now)
    }
}

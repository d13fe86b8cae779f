//! Own events in the air. Gossip is for speed: what is not acknowledged goes by stream, or is sealed anew and published again.

use std::collections::BTreeMap;

use parlour_crypto::{Intervals, Payload};
use parlour_net::PublishResult;
use parlour_store::feed::{self, FeedRow};
use parlour_store::view::TRIED_MS;
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError, events, logs};

use super::Engine;
use super::effects::Turn;
use super::rooms::{OPERATIONS, holds_operations};
use super::timers::{Timer, jitter};

/// Unacknowledged envelopes per conversation and device; what exceeds them goes by stream.
const MAX_IN_FLIGHT: usize = 64;
/// After this long without an acknowledgement a stream takes over.
const STREAM_AFTER_MS: u64 = 1_000;
/// Pauses between publications of one event: doubling from the first to the last.
const RETRY_MS: (u64, u64) = (2_000, 120_000);
/// Intervals in a row of the store; what is left out is told, and so known, again.
pub(crate) const MAX_ROW_INTERVALS: usize = 1_024;
/// How long marks of what was sent may stay in memory alone.
const SENT_FLUSH_MS: u64 = 200;

/// An event is sealed at most this often for a device that is not heard: each sealing moves the ratchet, and a receiver follows
/// only so far.
const MAX_TRIES: u32 = 8;
/// How often what waits is looked through anew when some of it turns out not to be for a device.
const DENIED_ROUNDS: usize = 8;
/// Own logs before the current one that are still published.
const MAX_OLD_LOGS: usize = 4;

#[derive(Clone, Copy)]
struct Flight {
    published: u64,
    tries: u32,
}

impl Flight {
    fn is_due(&self, now: u64) -> bool {
        let pause = RETRY_MS.0.saturating_mul(1 << self.tries.min(10)).min(RETRY_MS.1);
        self.tries < MAX_TRIES && now.saturating_sub(self.published) >= pause
    }
}

/// Whether an event is too old for gossip; streams go on.
pub(crate) fn is_expired(clock: u64, now: u64) -> bool {
    now.saturating_sub(clock) > TRIED_MS
}

/// What is in the air.
#[derive(Default)]
pub(crate) struct Gossip {
    flights: BTreeMap<(LogKey, DeviceNo), BTreeMap<u64, Flight>>,
    publishing: BTreeMap<u64, (LogKey, Vec<DeviceNo>, u64)>,
    sent: BTreeMap<(LogKey, DeviceNo), Intervals>,
}

impl Gossip {
    /// Seqs of a log of ours that fly to a device.
    pub(crate) fn in_flight(&self, log: &LogKey, device: DeviceNo) -> Option<Intervals> {
        let flights = self.flights.get(&(*log, device)).filter(|f| !f.is_empty())?;
        Some(flights.keys().copied().collect())
    }

    /// The clock was set back.
    pub(crate) fn set_back(&mut self, by: u64) {
        for flight in self.flights.values_mut().flat_map(BTreeMap::values_mut) {
            flight.published = flight.published.saturating_sub(by);
        }
    }
}

impl Engine {
    /// Sends on what this account has written and a conversation's devices lack.
    pub(crate) fn distribute(
        &mut self,
        turn: &mut Turn<'_, '_>,
        conversation: ConversationNo,
    ) -> Result<(), StoreError> {
        let Some(members) = self.members(turn, conversation)? else {
            return Ok(());
        };
        self.publish_by_chain(turn, &members)?;
        for &device in &members.recipients {
            self.fill_flights(turn, conversation, device)?;
        }
        Ok(())
    }

    /// What a device lacks of a log of ours that is not on its way to it, as much as there is room for in the air; nothing where a stream
    /// has more to bring.
    pub(crate) fn lacks_in_the_air(
        &mut self,
        turn: &Turn<'_, '_>,
        log: &LogKey,
        held: &Intervals,
        device: DeviceNo,
    ) -> Result<Vec<u64>, StoreError> {
        let mut waiting = held.difference(&logs::delivery(turn.txn, log, device)?.acked);
        let user = self.known.get(&device).map(|known| known.user);
        if let Some(denied) = user.and_then(|user| self.denied(log, &user)) {
            waiting = waiting.difference(denied);
        }
        let linked = self.link_to(device).is_some();
        // An envelope for each member of a large room would be carried by all the others.
        let by_stream = holds_operations(log)
            && self
                .members(turn, log.conversation)?
                .is_some_and(|members| members.is_large());
        if linked && (by_stream || waiting.count() > MAX_IN_FLIGHT as u64) {
            return Ok(Vec::new());
        }
        let flying = self.gossip.in_flight(log, device).unwrap_or_default();
        let room = MAX_IN_FLIGHT.saturating_sub(usize::try_from(flying.count()).unwrap_or(usize::MAX));
        Ok(waiting.difference(&flying).values().take(room).collect())
    }

    /// The first connection is there: publishes what waits, device by device.
    pub(crate) fn gossip_everything(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for &device in self.known.keys().filter(|&&device| device != self.own.device) {
            self.timers.set_earliest(Timer::Distribute(device), turn.now);
        }
        for (device, _) in parlour_store::outbox::devices(turn.txn)? {
            self.timers
                .set_earliest(Timer::Controls(device), turn.now.saturating_add(RETRY_MS.0));
        }
        Ok(())
    }

    /// Publishes what a device lacks of this account's events, as far as there is room in the air.
    pub(crate) fn fill_flights(
        &mut self,
        turn: &mut Turn<'_, '_>,
        conversation: ConversationNo,
        device: DeviceNo,
    ) -> Result<(), StoreError> {
        // After damage there are older logs, too.
        let old = self.past_logs.len().saturating_sub(MAX_OLD_LOGS);
        let mut logs: Vec<u32> = self.past_logs.get(old..).unwrap_or_default().to_vec();
        logs.push(self.own_log);
        if self.is_room(turn, conversation)? {
            let operations: Vec<u32> = logs.iter().map(|log| log | OPERATIONS).collect();
            logs = [operations, logs].concat();
        }
        for log in logs {
            let log = LogKey {
                conversation,
                device: self.own.device,
                log,
            };
            self.fill_flights_of(turn, log, device)?;
        }
        Ok(())
    }

    fn fill_flights_of(&mut self, turn: &mut Turn<'_, '_>, log: LogKey, device: DeviceNo) -> Result<(), StoreError> {
        for _ in 0..DENIED_ROUNDS {
            if !self.publish_some_of(turn, log, device)? {
                break;
            }
        }
        Ok(())
    }

    /// Publishes as much as there is room for; `true` if all that was looked at is not for them, and there may be more.
    fn publish_some_of(&mut self, turn: &mut Turn<'_, '_>, log: LogKey, device: DeviceNo) -> Result<bool, StoreError> {
        let held = logs::get(turn.txn, &log)?.have;
        let user = self.known.get(&device).map(|known| known.user);
        let denied = |engine: &Self| {
            user.and_then(|user| engine.denied(&log, &user).cloned())
                .unwrap_or_default()
        };
        let before = denied(self);
        if let Some((_, link)) = self.link_to(device) {
            link.want_log(log);
        }
        if self.is_undecided_device(device)
            || self.dialer.connected().is_empty()
            || self.sessions.confirmed(device).is_none()
        {
            return Ok(false);
        }
        let next = self.lacks_in_the_air(turn, &log, &held, device)?;
        for seq in next {
            self.publish_event(turn, &EventKey { log, seq, branch: 0 }, device, 0)?;
        }
        Ok(denied(self) != before)
    }

    fn publish_event(
        &mut self,
        turn: &mut Turn<'_, '_>,
        key: &EventKey,
        device: DeviceNo,
        tries: u32,
    ) -> Result<(), StoreError> {
        let Some(event) = events::get(turn.txn, key)? else {
            return Ok(());
        };
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(());
        };
        if is_expired(event.header().clock, turn.now) || !self.may_give(turn, &key.log, &event, &user)? {
            return Ok(());
        }
        let Some(token) = self.publish(turn, device, &Payload::Event(event.to_wire()))? else {
            return Ok(());
        };
        self.note_flight(turn.now, token, (key.log, key.seq), vec![device], tries);
        Ok(())
    }

    /// An event is on its way to devices in an envelope of all of them.
    pub(crate) fn fly(&mut self, now: u64, token: u64, at: (LogKey, u64), devices: Vec<DeviceNo>) {
        self.note_flight(now, token, at, devices, 0);
    }

    fn note_flight(&mut self, now: u64, token: u64, (log, seq): (LogKey, u64), devices: Vec<DeviceNo>, tries: u32) {
        for &device in &devices {
            let flights = self.gossip.flights.entry((log, device)).or_default();
            flights.insert(seq, Flight { published: now, tries });
            let timer = Timer::Gossip(log.conversation, device);
            self.timers.set_earliest(timer, now.saturating_add(STREAM_AFTER_MS));
        }
        self.gossip.publishing.insert(token, (log, devices, seq));
    }

    pub(crate) fn on_published(&mut self, turn: &mut Turn<'_, '_>, token: u64, result: PublishResult) {
        let Some((log, devices, seq)) = self.gossip.publishing.remove(&token) else {
            return;
        };
        match result {
            PublishResult::Sent { peers } if peers > 0 => {
                let mut seqs = Intervals::default();
                seqs.insert(seq);
                for device in devices {
                    self.mark_sent(turn, log, device, &seqs);
                }
            }
            // It stays in flight, so that the timer takes it up again.
            _ => {}
        }
    }

    /// Remembers that events of ours were handed to the network; written down with the next commit.
    pub(crate) fn mark_sent(&mut self, turn: &mut Turn<'_, '_>, log: LogKey, device: DeviceNo, seqs: &Intervals) {
        let sent = self.gossip.sent.entry((log, device)).or_default();
        *sent = sent.union(seqs);
        self.timers
            .set_earliest(Timer::FlushSent, turn.now.saturating_add(SENT_FLUSH_MS));
    }

    pub(crate) fn flush_sent(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for ((log, device), seqs) in std::mem::take(&mut self.gossip.sent) {
            let mut row = logs::delivery(turn.txn, &log, device)?;
            let seqs = seqs.difference(&row.sent).difference(&row.acked);
            if seqs.is_empty() {
                continue;
            }
            row.sent = row.sent.union(&seqs).bounded(MAX_ROW_INTERVALS);
            logs::put_delivery(turn.txn, &log, device, &row);
            let LogKey { conversation, log, .. } = log;
            feed::append(
                turn.txn,
                &FeedRow::Sent {
                    conversation,
                    log,
                    device,
                    seqs,
                },
            )?;
        }
        Ok(())
    }

    /// A device holds these events of ours on its disk.
    pub(crate) fn record_acknowledged(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        log: LogKey,
        held: &Intervals,
    ) -> Result<(), StoreError> {
        let mut row = logs::delivery(turn.txn, &log, device)?;
        let seqs = held.difference(&row.acked);
        if seqs.is_empty() {
            return Ok(());
        }
        self.heard(device);
        row.acked = row.acked.union(&seqs).bounded(MAX_ROW_INTERVALS);
        row.sent = row.sent.difference(&row.acked);
        logs::put_delivery(turn.txn, &log, device, &row);
        self.counters.events_delivered = self.counters.events_delivered.saturating_add(seqs.count());
        let LogKey {
            conversation,
            log: number,
            ..
        } = log;
        if let Some(flights) = self.gossip.flights.get_mut(&(log, device)) {
            flights.retain(|seq, _| !row.acked.contains(*seq));
        }
        feed::append(
            turn.txn,
            &FeedRow::Delivered {
                conversation,
                log: number,
                device,
                seqs,
            },
        )?;
        self.fill_flights(turn, conversation, device)
    }

    /// Looks after envelopes that were not acknowledged.
    pub(crate) fn on_gossip_timer(
        &mut self,
        turn: &mut Turn<'_, '_>,
        conversation: ConversationNo,
        device: DeviceNo,
    ) -> Result<(), StoreError> {
        let now = turn.now;
        let offline = self.dialer.connected().is_empty();
        let linked = self.link_to(device).is_some();
        let logs: Vec<LogKey> = self
            .gossip
            .flights
            .keys()
            .filter(|(log, to)| log.conversation == conversation && *to == device)
            .map(|(log, _)| *log)
            .collect();
        let mut again = Vec::new();
        let mut left = false;
        for log in logs {
            let Some(flights) = self.gossip.flights.get_mut(&(log, device)) else {
                continue;
            };
            if offline {
                flights.clear();
            } else if linked {
                flights.retain(|_, flight| now.saturating_sub(flight.published) < STREAM_AFTER_MS);
            }
            left |= flights.values().any(|flight| flight.tries < MAX_TRIES);
            let due = flights.iter().filter(|(_, flight)| flight.is_due(now));
            again.extend(due.map(|(seq, flight)| {
                (
                    EventKey {
                        log,
                        seq: *seq,
                        branch: 0,
                    },
                    flight.tries,
                )
            }));
            if flights.is_empty() {
                self.gossip.flights.remove(&(log, device));
            }
        }
        if linked {
            if let Some((_, link)) = self.link_to(device) {
                link.want(conversation);
            }
        } else {
            for (key, tries) in again {
                self.publish_event(turn, &key, device, tries.saturating_add(1))?;
            }
        }
        if left {
            let due = now.saturating_add(jitter(STREAM_AFTER_MS, self.random()));
            self.timers.set(Timer::Gossip(conversation, device), due);
        }
        Ok(())
    }

    /// The way to a device has changed: what waits for it is looked at again, from the start.
    pub(crate) fn distribute_again(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        self.gossip.flights.retain(|(_, to), _| *to != device);
        self.control_tries.remove(&device);
        for (conversation, _) in self.shared(turn, device)? {
            self.fill_flights(turn, conversation, device)?;
        }
        self.timers
            .set_earliest(Timer::Controls(device), turn.now.saturating_add(RETRY_MS.0));
        Ok(())
    }
}

//! Envelopes: sealed when they leave, published to gossip, found again by their tag. Gossip is for speed; what is not
//! acknowledged goes by stream, or is sealed anew and published again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use parlour_crypto::{Control, EnvelopePrefix, Have, Intervals, Payload, SignedEvent, parse as parse_envelope, shard};
use parlour_net::{NetCommand, PublishResult};
use parlour_store::feed::{self, FeedRow};
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError, conversations, events, logs};

use super::Engine;
use super::effects::Turn;
use super::timers::{Timer, jitter};

/// Unacknowledged envelopes per conversation and device; what exceeds them goes by stream.
const MAX_IN_FLIGHT: usize = 64;
/// After this long without an acknowledgement a stream takes over.
const STREAM_AFTER_MS: u64 = 1_000;
/// Pauses between publications of one event: doubling from the first to the last.
const RETRY_MS: (u64, u64) = (2_000, 120_000);
/// Gossip of an event ends after this; streams go on.
const EXPIRES_MS: u64 = 30 * 24 * 3_600_000;
/// Acknowledgements by envelope wait this long for company.
const ACKNOWLEDGE_MS: u64 = 2_000;
/// How long marks of what was sent may stay in memory alone.
const SENT_FLUSH_MS: u64 = 200;
/// Envelopes kept that no tag matches yet.
const UNMATCHED: (usize, usize, u64) = (4_096, 4 * 1024 * 1024, 120_000);

#[derive(Clone, Copy)]
struct Flight {
    published: u64,
    tries: u32,
}

/// What is in the air, and what came that nobody could open yet.
#[derive(Default)]
pub(crate) struct Gossip {
    flights: BTreeMap<(ConversationNo, DeviceNo), BTreeMap<u64, Flight>>,
    publishing: BTreeMap<u64, (LogKey, DeviceNo, u64)>,
    sent: BTreeMap<(LogKey, DeviceNo), Intervals>,
    acknowledge: BTreeMap<DeviceNo, BTreeSet<LogKey>>,
    unmatched: VecDeque<(u64, Bytes)>,
    unmatched_bytes: usize,
}

impl Gossip {
    /// Seqs of our log that fly to a device of a conversation.
    pub(crate) fn in_flight(&self, conversation: ConversationNo, device: DeviceNo) -> Option<Intervals> {
        let flights = self.flights.get(&(conversation, device)).filter(|f| !f.is_empty())?;
        Some(flights.keys().copied().collect())
    }

    fn keep_unmatched(&mut self, now: u64, data: Bytes) {
        self.unmatched_bytes = self.unmatched_bytes.saturating_add(data.len());
        self.unmatched.push_back((now, data));
        self.drop_unmatched(now);
    }

    pub(crate) fn drop_unmatched(&mut self, now: u64) {
        let (count, bytes, age) = UNMATCHED;
        while let Some((at, data)) = self.unmatched.front() {
            let fits = self.unmatched.len() <= count && self.unmatched_bytes <= bytes;
            if fits && now.saturating_sub(*at) < age {
                break;
            }
            self.unmatched_bytes = self.unmatched_bytes.saturating_sub(data.len());
            self.unmatched.pop_front();
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
        for device in members.recipients {
            self.fill_flights(turn, conversation, device)?;
        }
        Ok(())
    }

    /// The first connection is there: publishes what waits.
    pub(crate) fn gossip_everything(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for (conversation, _) in conversations::all(turn.txn)? {
            self.distribute(turn, conversation)?;
        }
        for (device, _) in parlour_store::outbox::devices(turn.txn)? {
            self.timers
                .set_earliest(Timer::Controls(device), turn.now.saturating_add(RETRY_MS.0));
        }
        Ok(())
    }

    fn fill_flights(
        &mut self,
        turn: &mut Turn<'_, '_>,
        conversation: ConversationNo,
        device: DeviceNo,
    ) -> Result<(), StoreError> {
        let log = LogKey {
            conversation,
            device: self.own.device,
            log: self.own_log,
        };
        let held = logs::get(turn.txn, &log)?.have;
        let waiting = held.difference(&logs::delivery(turn.txn, &log, device)?.acked);
        let linked = match self.link_to(device) {
            Some((_, link)) => {
                link.wanting.insert(conversation);
                true
            }
            None => false,
        };
        let bulk = waiting.count() > MAX_IN_FLIGHT as u64;
        if self.dialer.connected().is_empty() || self.sessions.confirmed(device).is_none() || (linked && bulk) {
            return Ok(());
        }
        let flying = self.gossip.in_flight(conversation, device).unwrap_or_default();
        let room = MAX_IN_FLIGHT.saturating_sub(usize::try_from(flying.count()).unwrap_or(usize::MAX));
        let next: Vec<u64> = waiting.difference(&flying).values().take(room).collect();
        for seq in next {
            self.publish_event(turn, &EventKey { log, seq, branch: 0 }, device, 0)?;
        }
        Ok(())
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
        if turn.now.saturating_sub(event.header().clock) > EXPIRES_MS {
            return Ok(());
        }
        let Some(token) = self.publish(turn, device, &Payload::Event(event.to_wire()))? else {
            return Ok(());
        };
        self.gossip.publishing.insert(token, (key.log, device, key.seq));
        let flights = self.gossip.flights.entry((key.log.conversation, device)).or_default();
        flights.insert(
            key.seq,
            Flight {
                published: turn.now,
                tries,
            },
        );
        let timer = Timer::Gossip(key.log.conversation, device);
        self.timers
            .set_earliest(timer, turn.now.saturating_add(STREAM_AFTER_MS));
        Ok(())
    }

    /// Seals a payload for a device and publishes it; `None` if there is no session to seal it with.
    fn publish(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        payload: &Payload,
    ) -> Result<Option<u64>, StoreError> {
        let (Some(session), Some(known)) = (self.sessions.confirmed(device), self.known.get(&device)) else {
            return Ok(None);
        };
        let recipient = known.user;
        let day = Self::today(turn);
        let Ok(payload) = payload.encode() else { return Ok(None) };
        let rng = &mut self.rng;
        let sealed = self.sessions.update(turn, &session, |s| s.seal(rng, day, &payload));
        let data = match sealed {
            Some(Ok(data)) => Bytes::from(data),
            Some(Err(error)) => {
                tracing::warn!(device = device.0, %error, "an envelope could not be sealed");
                return Ok(None);
            }
            None => return Ok(None),
        };
        let token = self.token();
        turn.net(NetCommand::Publish {
            topic: shard(&recipient, day),
            data,
            token,
        });
        Ok(Some(token))
    }

    pub(crate) fn on_published(&mut self, turn: &mut Turn<'_, '_>, token: u64, result: PublishResult) {
        let Some((log, device, seq)) = self.gossip.publishing.remove(&token) else {
            return;
        };
        match result {
            PublishResult::Sent { peers } if peers > 0 => {
                let mut seqs = Intervals::default();
                seqs.insert(seq);
                self.mark_sent(turn, log, device, &seqs);
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
            row.sent = row.sent.union(&seqs);
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
        row.acked = row.acked.union(&seqs);
        row.sent = row.sent.difference(&row.acked);
        logs::put_delivery(turn.txn, &log, device, &row);
        self.counters.events_delivered = self.counters.events_delivered.saturating_add(seqs.count());
        let LogKey {
            conversation,
            log: number,
            ..
        } = log;
        if let Some(flights) = self.gossip.flights.get_mut(&(conversation, device)) {
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
        let log = LogKey {
            conversation,
            device: self.own.device,
            log: self.own_log,
        };
        let Some(flights) = self.gossip.flights.get_mut(&(conversation, device)) else {
            return Ok(());
        };
        if offline {
            flights.clear();
            return Ok(());
        }
        let late = |f: &Flight| now.saturating_sub(f.published) >= STREAM_AFTER_MS;
        if linked {
            flights.retain(|_, flight| !late(flight));
            if let Some((_, link)) = self.link_to(device) {
                link.wanting.insert(conversation);
            }
        } else {
            let pause = |tries: u32| RETRY_MS.0.saturating_mul(1 << tries.min(10)).min(RETRY_MS.1);
            let again: Vec<(u64, u32)> = flights
                .iter()
                .filter(|(_, f)| now.saturating_sub(f.published) >= pause(f.tries))
                .map(|(seq, f)| (*seq, f.tries))
                .collect();
            for (seq, tries) in again {
                self.publish_event(turn, &EventKey { log, seq, branch: 0 }, device, tries.saturating_add(1))?;
            }
        }
        let left = self
            .gossip
            .flights
            .get(&(conversation, device))
            .is_some_and(|f| !f.is_empty());
        if left {
            let due = now.saturating_add(jitter(STREAM_AFTER_MS, self.random()));
            self.timers.set(Timer::Gossip(conversation, device), due);
        }
        Ok(())
    }

    pub(crate) fn acknowledge_by_envelope(&mut self, turn: &mut Turn<'_, '_>, log: LogKey, author: DeviceNo) {
        self.gossip.acknowledge.entry(author).or_default().insert(log);
        let due = turn.now.saturating_add(ACKNOWLEDGE_MS);
        self.timers.set_earliest(Timer::GossipAcknowledge(author), due);
    }

    pub(crate) fn on_gossip_acknowledge(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
    ) -> Result<(), StoreError> {
        let Some(waiting) = self.gossip.acknowledge.remove(&device) else {
            return Ok(());
        };
        if self.link_to(device).is_some() {
            return Ok(());
        }
        for log in waiting {
            let Some(members) = self.members(turn, log.conversation)? else {
                continue;
            };
            let Some(have) = self.log_have(&log, &logs::get(turn.txn, &log)?.have) else {
                continue;
            };
            let control = Control::Have(Have {
                conversation: members.id,
                full: false,
                logs: vec![have],
            });
            let id = self.random_id();
            self.publish_control(turn, device, id, control)?;
        }
        Ok(())
    }

    /// Sends a control by envelope, now and once.
    pub(crate) fn publish_control(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        id: [u8; 16],
        control: Control,
    ) -> Result<(), StoreError> {
        if !self.dialer.connected().is_empty() {
            self.publish(turn, device, &Payload::Control { id, control })?;
        }
        Ok(())
    }

    /// An envelope that gossip brought.
    pub(crate) fn on_envelope(&mut self, turn: &mut Turn<'_, '_>, data: Bytes) -> Result<(), StoreError> {
        let Ok((prefix, _)) = parse_envelope(&data) else {
            return Ok(());
        };
        if !self.open_envelope(turn, &prefix, &data)? {
            self.gossip.keep_unmatched(turn.now, data);
        }
        Ok(())
    }

    /// New tags are known: tries again what nobody could open.
    pub(crate) fn match_again(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        self.gossip.unmatched_bytes = 0;
        for (at, data) in std::mem::take(&mut self.gossip.unmatched) {
            let Ok((prefix, _)) = parse_envelope(&data) else {
                continue;
            };
            if !self.open_envelope(turn, &prefix, &data)? {
                self.gossip.unmatched_bytes = self.gossip.unmatched_bytes.saturating_add(data.len());
                self.gossip.unmatched.push_back((at, data));
            }
        }
        Ok(())
    }

    /// `false` if no session knows the tag.
    fn open_envelope(
        &mut self,
        turn: &mut Turn<'_, '_>,
        prefix: &EnvelopePrefix,
        data: &[u8],
    ) -> Result<bool, StoreError> {
        let Some(session) = self.sessions.by_tag(&prefix.tag) else {
            return Ok(false);
        };
        let Some(device) = self.sessions.device(&session) else {
            return Ok(false);
        };
        let now = turn.now;
        let payload = match self.sessions.update(turn, &session, |s| s.open(data, now)) {
            Some(Ok(payload)) => payload,
            Some(Err(error)) => {
                self.counters.unopened_envelopes += 1;
                tracing::debug!(device = device.0, %error, "an envelope did not open");
                return Ok(true);
            }
            None => return Ok(false),
        };
        self.confirmed(turn, device, &session)?;
        self.on_payload(turn, device, &payload)?;
        Ok(true)
    }

    fn on_payload(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo, payload: &[u8]) -> Result<(), StoreError> {
        let Some((id, user)) = self.known.get(&device).map(|known| (known.id, known.user)) else {
            return Ok(());
        };
        match Payload::decode(payload) {
            Ok(Payload::Event(wire)) => {
                let Ok(event) = SignedEvent::decode(&wire) else {
                    self.counters.malformed_events += 1;
                    return Ok(());
                };
                if event.header().device != id {
                    self.counters.forged_events += 1;
                    return Ok(());
                }
                let id = event.header().conversation;
                if let Some(conversation) = self.shared_number(turn, &user, &id)? {
                    self.take_event(turn, conversation, &id, &user, event)?;
                }
                Ok(())
            }
            Ok(Payload::Control { id, control }) => self.on_control(turn, device, id, control),
            Err(error) => {
                tracing::debug!(device = device.0, %error, "a payload that cannot be read was dropped");
                Ok(())
            }
        }
    }
}

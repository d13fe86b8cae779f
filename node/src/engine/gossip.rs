//! Own events in the air. Gossip is for speed: what is not acknowledged goes by stream, or is sealed anew and published again.

use std::collections::BTreeMap;

use parlour_crypto::{Intervals, Payload};
use parlour_net::PublishResult;
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
/// How long marks of what was sent may stay in memory alone.
const SENT_FLUSH_MS: u64 = 200;

#[derive(Clone, Copy)]
struct Flight {
    published: u64,
    tries: u32,
}

/// What is in the air.
#[derive(Default)]
pub(crate) struct Gossip {
    flights: BTreeMap<(ConversationNo, DeviceNo), BTreeMap<u64, Flight>>,
    publishing: BTreeMap<u64, (LogKey, DeviceNo, u64)>,
    sent: BTreeMap<(LogKey, DeviceNo), Intervals>,
}

impl Gossip {
    /// Seqs of our log that fly to a device of a conversation.
    pub(crate) fn in_flight(&self, conversation: ConversationNo, device: DeviceNo) -> Option<Intervals> {
        let flights = self.flights.get(&(conversation, device)).filter(|f| !f.is_empty())?;
        Some(flights.keys().copied().collect())
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
}

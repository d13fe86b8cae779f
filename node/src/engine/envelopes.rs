//! Envelopes: sealed when they leave, found again by their tag when they come, kept for a while if no tag is known yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use parlour_crypto::{Control, EnvelopePrefix, Have, OpenError, Payload, SignedEvent, parse as parse_envelope, shard};
use parlour_net::{NetCommand, PeerId};
use parlour_store::{DeviceNo, LogKey, StoreError, logs};

use super::Engine;
use super::effects::Turn;
use super::timers::Timer;

/// Acknowledgements by envelope wait this long for company.
const ACKNOWLEDGE_MS: u64 = 2_000;
/// Nothing more is sealed for a device after so many envelopes without a sign that they arrive: it follows the ratchet 1 000 ahead,
/// and what waits goes by stream.
const MAX_UNHEARD: u32 = 900;
/// Envelopes kept that no tag matches yet.
const UNMATCHED: (usize, usize, u64) = (4_096, 4 * 1024 * 1024, 120_000);

/// What came that nobody could open yet, and what is to be acknowledged without a stream.
#[derive(Default)]
pub(crate) struct Envelopes {
    acknowledge: BTreeMap<DeviceNo, BTreeSet<LogKey>>,
    unmatched: VecDeque<(u64, Bytes)>,
    unmatched_bytes: usize,
    /// Envelopes sealed for a device since it was last heard.
    unheard: BTreeMap<DeviceNo, u32>,
}

impl Envelopes {
    fn keep_unmatched(&mut self, now: u64, data: Bytes) {
        self.unmatched_bytes = self.unmatched_bytes.saturating_add(data.len());
        self.unmatched.push_back((now, data));
        self.drop_unmatched(now);
    }

    /// The clock was set back.
    pub(crate) fn set_back(&mut self, by: u64) {
        for (at, _) in &mut self.unmatched {
            *at = at.saturating_sub(by);
        }
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
    /// Seals a payload for a device and publishes it; `None` if there is no session to seal it with.
    pub(crate) fn publish(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        payload: &Payload,
    ) -> Result<Option<u64>, StoreError> {
        let (Some(session), Some(known)) = (self.sessions.confirmed(device), self.known.get(&device)) else {
            return Ok(None);
        };
        let recipient = known.user;
        if self.is_blocked(&recipient) {
            return Ok(None);
        }
        let day = Self::today(turn);
        if self
            .envelopes
            .unheard
            .get(&device)
            .is_some_and(|&sealed| sealed >= MAX_UNHEARD)
        {
            return Ok(None);
        }
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
        let unheard = self.envelopes.unheard.entry(device).or_default();
        *unheard = unheard.saturating_add(1);
        let token = self.token();
        turn.net(NetCommand::Publish {
            topic: shard(&recipient, day),
            data,
            token,
        });
        Ok(Some(token))
    }

    /// The device has received what was sealed for it: it can follow the ratchet.
    pub(crate) fn heard(&mut self, device: DeviceNo) {
        self.envelopes.unheard.remove(&device);
    }

    fn is_connected_to(&self, device: DeviceNo) -> bool {
        let peer = self
            .known
            .get(&device)
            .and_then(|known| PeerId::from_bytes(&known.peer).ok());
        peer.is_some_and(|peer| self.dialer.is_connected(&peer))
    }

    pub(crate) fn acknowledge_by_envelope(&mut self, turn: &mut Turn<'_, '_>, log: LogKey, author: DeviceNo) {
        self.envelopes.acknowledge.entry(author).or_default().insert(log);
        let due = turn.now.saturating_add(ACKNOWLEDGE_MS);
        self.timers.set_earliest(Timer::GossipAcknowledge(author), due);
    }

    pub(crate) fn on_gossip_acknowledge(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
    ) -> Result<(), StoreError> {
        if self.is_undecided_device(device) {
            return Ok(());
        }
        let Some(waiting) = self.envelopes.acknowledge.remove(&device) else {
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
            self.envelopes.keep_unmatched(turn.now, data);
        }
        Ok(())
    }

    /// New tags are known: tries again what nobody could open.
    pub(crate) fn match_again(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        self.envelopes.unmatched_bytes = 0;
        for (at, data) in std::mem::take(&mut self.envelopes.unmatched) {
            let Ok((prefix, _)) = parse_envelope(&data) else {
                continue;
            };
            if !self.open_envelope(turn, &prefix, &data)? {
                self.envelopes.unmatched_bytes = self.envelopes.unmatched_bytes.saturating_add(data.len());
                self.envelopes.unmatched.push_back((at, data));
            }
        }
        Ok(())
    }

    /// `false` if neither a session nor a sender chain knows the tag.
    fn open_envelope(
        &mut self,
        turn: &mut Turn<'_, '_>,
        prefix: &EnvelopePrefix,
        data: &[u8],
    ) -> Result<bool, StoreError> {
        let Some(session) = self.sessions.by_tag(&prefix.tag) else {
            return self.open_by_chain(turn, prefix, data);
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
                let deaf = matches!(error, OpenError::TooManySkipped { .. });
                if deaf && self.is_connected_to(device) && !self.is_blocked_device(device) {
                    self.begin_again(turn, device)?;
                }
                return Ok(true);
            }
            None => return Ok(false),
        };
        // Opened only so that the ratchet keeps step: nothing of a blocked user is taken, and nothing goes back.
        if self.is_blocked_device(device) {
            return Ok(true);
        }
        self.heard(device);
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
                if let Some(conversation) = self.shared_number(turn, device, &id)? {
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

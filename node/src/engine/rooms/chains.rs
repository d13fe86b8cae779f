//! Sender chains in use (PROTOCOL.md section 11): one envelope for all who are in a room. Each device that may read is handed the chain
//! through its session; what the chain did not bring comes by the session or by stream, as in any conversation.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use parlour_crypto::{ChainId, ChainSender, ConversationId, DeviceCert, DeviceId, RoomSealError, UserId, room_shard};
use parlour_net::NetCommand;
use parlour_store::chains::{self, OwnChain, Which};
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError, conversations, devices, events, logs};

use crate::engine::Engine;
use crate::engine::effects::Turn;
use crate::engine::people::{Members, With};
use crate::engine::timers::Allowance;

/// Fewer devices than these are served through their sessions: nothing would be saved, and sessions heal faster.
const MIN_READERS: usize = 2;

/// Envelopes that a device's chains did not open, though their headers said so: one per this time, and so many at once. Each costs as
/// many steps as its header says. What is over is not tried, and comes by session or stream.
const FALSE_EVERY_MS: u64 = 1_000;
const FALSE_AT_ONCE: u64 = 32;

/// Where an envelope's tag leads.
type Place = (ConversationNo, DeviceNo, ChainId);

/// The chains in memory, found by the tag of an envelope. Every change is written into the turn's batch.
#[derive(Default)]
pub(crate) struct Chains {
    pub(super) own: BTreeMap<(ConversationNo, Which), OwnChain>,
    pub(super) senders: BTreeMap<(ConversationNo, DeviceNo), ChainSender>,
    /// Whoever has a chain can make another one of its own with the same tags: so there may be several.
    pub(super) tags: HashMap<[u8; 8], Vec<Place>>,
    /// How often something may still come that the chains of a device do not open.
    false_ones: BTreeMap<DeviceNo, Allowance>,
    today: u16,
    /// The day of the last look for old keys.
    purged: u16,
}

impl Chains {
    fn learn_tags(&mut self) {
        self.tags.clear();
        let all: Vec<_> = self.senders.keys().copied().collect();
        for (no, device) in all {
            self.learn_tags_of(no, device);
        }
    }

    /// Computes the tags of a sender's chains anew.
    pub(super) fn learn_tags_of(&mut self, no: ConversationNo, device: DeviceNo) {
        self.forget_tags_of(no, device);
        let Some(sender) = self.senders.get(&(no, device)) else {
            return;
        };
        for day in self.today.saturating_sub(1)..=self.today.saturating_add(1) {
            for (chain, tag) in sender.tags(day) {
                self.tags.entry(tag).or_default().push((no, device, chain));
            }
        }
    }

    pub(super) fn forget_tags_of(&mut self, no: ConversationNo, device: DeviceNo) {
        self.tags.retain(|_, places| {
            places.retain(|(room, of, _)| (*room, *of) != (no, device));
            !places.is_empty()
        });
    }

    /// Whether one more envelope may be tried that seems to be by a device; one that is not as its header says is counted.
    pub(super) fn may_try(&self, device: DeviceNo, now: u64) -> bool {
        self.false_ones
            .get(&device)
            .is_none_or(|allowance| allowance.clone().take(now))
    }

    /// An envelope was not as its header said.
    pub(super) fn was_false(&mut self, device: DeviceNo, now: u64) {
        let allowance = self.false_ones.entry(device);
        allowance
            .or_insert(Allowance::new(FALSE_EVERY_MS, FALSE_AT_ONCE))
            .take(now);
    }

    /// The clock was set back.
    pub(super) fn set_back(&mut self, by: u64) {
        self.false_ones
            .values_mut()
            .for_each(|allowance| allowance.set_back(by));
    }

    /// An own chain, read if it is not in memory.
    pub(super) fn take_own(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        which: Which,
    ) -> Result<Option<OwnChain>, StoreError> {
        match self.own.remove(&(no, which)) {
            Some(own) => Ok(Some(own)),
            None => chains::own(turn.txn, no, which),
        }
    }

    pub(super) fn keep_own(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo, which: Which, own: OwnChain) {
        chains::put_own(turn.txn, no, which, &own);
        self.own.insert((no, which), own);
    }

    /// Computes the tags of a new day, and erases the keys of messages that were skipped before `before`, ms, and never came.
    fn set_day(&mut self, turn: &mut Turn<'_, '_>, today: u16, before: u64) {
        if today != self.today {
            self.today = today;
            self.learn_tags();
        }
        if today != self.purged {
            self.purged = today;
            for ((no, device), sender) in &mut self.senders {
                if sender.purge(before) {
                    chains::save(turn.txn, *no, *device, sender);
                }
            }
        }
    }
}

impl Engine {
    /// The chains, read when they are first asked for. What cannot be read is forgotten: its messages come by stream.
    pub(super) fn chains(&mut self, turn: &mut Turn<'_, '_>) -> Result<&mut Chains, StoreError> {
        if self.rooms.chains.is_none() {
            let mut chains = Chains {
                today: Self::today(turn),
                ..Chains::default()
            };
            for ((no, device), records) in chains::all_records(turn.txn)? {
                let (room, owner) = (conversations::id_of(turn.txn, no)?, self.certificate_of(turn, device)?);
                let sender = room
                    .zip(owner)
                    .map(|(room, owner)| ChainSender::load(room, &owner, records));
                match sender {
                    Some(Ok(sender)) => drop(chains.senders.insert((no, device), sender)),
                    _ => chains::delete(turn.txn, no, device)?,
                }
            }
            chains.learn_tags();
            self.rooms.chains = Some(chains);
        }
        Ok(self.rooms.chains.get_or_insert_default())
    }

    pub(super) fn certificate_of(
        &self,
        turn: &Turn<'_, '_>,
        device: DeviceNo,
    ) -> Result<Option<DeviceCert>, StoreError> {
        let row = devices::get(turn.txn, device)?;
        let known = |id: &DeviceId| self.proof_of(id);
        Ok(row.and_then(|row| DeviceCert::verify_unless_known(&row.certificate, known).ok()))
    }

    /// What a day brings: new tags, and keys to erase.
    pub(crate) fn look_after_chains(&mut self, turn: &mut Turn<'_, '_>, before: u64) -> Result<(), StoreError> {
        let today = Self::today(turn);
        self.chains(turn)?;
        if let Some(chains) = &mut self.rooms.chains {
            chains.set_day(turn, today, before);
        }
        Ok(())
    }

    /// Seals for all in one envelope each what several devices of a room lack of this device's newest log.
    pub(crate) fn publish_by_chain(&mut self, turn: &mut Turn<'_, '_>, members: &Members) -> Result<(), StoreError> {
        if !matches!(members.with, With::Room(_)) || self.dialer.connected().is_empty() {
            return Ok(());
        }
        let Some(no) = conversations::number(turn.txn, &members.id)? else {
            return Ok(());
        };
        let log = LogKey {
            conversation: no,
            device: self.own.device,
            log: self.own_log,
        };
        let readers: BTreeSet<DeviceNo> = members.recipients.iter().copied().collect();
        let readers = readers.into_iter().filter(|&device| self.may_read(device)).collect();
        let mut lacking: BTreeMap<u64, Vec<DeviceNo>> = BTreeMap::new();
        let held = logs::get(turn.txn, &log)?.have;
        for &device in &readers {
            for seq in self.lacks_in_the_air(turn, &log, &held, device)? {
                lacking.entry(seq).or_default().push(device);
            }
        }
        lacking.retain(|_, devices| devices.len() >= MIN_READERS);
        if lacking.is_empty() || !self.ready_chain(turn, no, &readers)? {
            return Ok(());
        }
        for (seq, devices) in lacking {
            let key = EventKey { log, seq, branch: 0 };
            let sealed = self.seal_by_chain(turn, (no, &members.id), &key, &devices)?
                || (self.ready_chain(turn, no, &readers)?
                    && self.seal_by_chain(turn, (no, &members.id), &key, &devices)?);
            if !sealed {
                break;
            }
        }
        let own = self.rooms.chains.as_ref();
        if let Some(own) = own.and_then(|chains| chains.own.get(&(no, Which::Current))) {
            chains::put_own(turn.txn, no, Which::Current, own);
        }
        Ok(())
    }

    /// Whether a device can be handed a chain.
    pub(super) fn may_read(&self, device: DeviceNo) -> bool {
        !self.is_undecided_device(device)
            && !self.is_blocked_device(device)
            && self.sessions.confirmed(device).is_some()
    }

    /// Seals one event for all readers. `false` if the chain is at its end.
    fn seal_by_chain(
        &mut self,
        turn: &mut Turn<'_, '_>,
        (no, room): (ConversationNo, &ConversationId),
        key: &EventKey,
        devices: &[DeviceNo],
    ) -> Result<bool, StoreError> {
        let Some(event) = events::get(turn.txn, key)? else {
            return Ok(true);
        };
        let header = event.header();
        if crate::engine::gossip::is_expired(header.clock, turn.now) {
            return Ok(true);
        }
        // Everybody who was handed the chain can read it, whoever lacks it.
        let chains = self.rooms.chains.as_ref();
        let given = chains.and_then(|chains| chains.own.get(&(no, Which::Current)));
        let given = given.map(|own| own.given.clone()).unwrap_or_default();
        let users: BTreeSet<UserId> = given.iter().filter_map(|no| Some(self.known.get(no)?.user)).collect();
        for user in users {
            if !self.may_give(turn, &key.log, &event, &user)? {
                return Ok(true);
            }
        }
        let day = Self::today(turn);
        let chains = self.rooms.chains.as_mut();
        let own = chains.and_then(|chains| chains.own.get_mut(&(no, Which::Current)));
        let data = match own.map(|own| own.chain.seal(&mut self.rng, day, &event)) {
            Some(Ok(data)) => Bytes::from(data),
            Some(Err(RoomSealError::TooLarge { .. } | RoomSealError::Foreign)) => return Ok(true),
            Some(Err(RoomSealError::Exhausted)) | None => return Ok(false),
        };
        let token = self.token();
        turn.net(NetCommand::Publish {
            topic: room_shard(room, day),
            data,
            token,
        });
        self.fly(turn.now, token, (key.log, key.seq), devices.to_vec());
        Ok(true)
    }

    /// The disk may be an earlier one: what was sealed with our chains since is out there.
    pub(crate) fn forget_own_chains(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        if let Some(chains) = &mut self.rooms.chains {
            chains.own.clear();
        }
        chains::delete_all_own(turn.txn)
    }
}

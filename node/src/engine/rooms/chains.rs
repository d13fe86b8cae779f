//! Sender chains in use (PROTOCOL.md section 11): one envelope for all who are in a room. Each device that may read is handed the chain
//! through its session; what the chain did not bring comes by the session or by stream, as in any conversation.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use parlour_crypto::{
    Audience, ChainCert, ChainId, ChainSender, Control, ConversationId, DeviceCert, DeviceId, MAX_VIEW_HEADS,
    RoomSealError, SendingChain, SharedChain, UserId, room_shard,
};
use parlour_net::NetCommand;
use parlour_store::chains::{self, OwnChain};
use parlour_store::rooms::{self, MemberRow};
use parlour_store::{
    ConversationNo, DeviceNo, EventKey, LogKey, StoreError, conversations, devices, events, logs, outbox,
};

use crate::engine::Engine;
use crate::engine::effects::Turn;
use crate::engine::people::{Members, With};

/// Fewer devices than these are served through their sessions: nothing would be saved, and sessions heal faster.
const MIN_READERS: usize = 2;

/// Where an envelope's tag leads.
type Place = (ConversationNo, DeviceNo, ChainId);

/// The chains in memory, found by the tag of an envelope. Every change is written into the turn's batch.
#[derive(Default)]
pub(crate) struct Chains {
    own: BTreeMap<ConversationNo, OwnChain>,
    pub(super) senders: BTreeMap<(ConversationNo, DeviceNo), ChainSender>,
    /// Whoever has a chain can make another one of its own with the same tags: so there may be several.
    pub(super) tags: HashMap<[u8; 8], Vec<Place>>,
    today: u16,
    /// The day of the last look for old keys.
    purged: u16,
}

impl Chains {
    pub(super) fn learn_tags(&mut self) {
        self.tags.clear();
        for ((no, device), sender) in &self.senders {
            for day in self.today.saturating_sub(1)..=self.today.saturating_add(1) {
                for (chain, tag) in sender.tags(day) {
                    self.tags.entry(tag).or_default().push((*no, *device, chain));
                }
            }
        }
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
            if !self.seal_by_chain(turn, (no, &members.id), &key, devices)? {
                break;
            }
        }
        if let Some(own) = self.rooms.chains.as_ref().and_then(|chains| chains.own.get(&no)) {
            chains::put_own(turn.txn, no, own);
        }
        Ok(())
    }

    /// Whether a device can be handed a chain.
    fn may_read(&self, device: DeviceNo) -> bool {
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
        devices: Vec<DeviceNo>,
    ) -> Result<bool, StoreError> {
        let Some(event) = events::get(turn.txn, key)? else {
            return Ok(true);
        };
        let header = event.header();
        if crate::engine::gossip::is_expired(header.clock, turn.now) {
            return Ok(true);
        }
        // Everybody who was handed the chain can read it, whoever lacks it.
        let given = self.rooms.chains.as_ref().and_then(|chains| chains.own.get(&no));
        let given = given.map(|own| own.given.clone()).unwrap_or_default();
        let users: BTreeSet<UserId> = given.iter().filter_map(|no| Some(self.known.get(no)?.user)).collect();
        for user in users {
            if !self.may_give(turn, &key.log, &event, &user)? {
                return Ok(true);
            }
        }
        let day = Self::today(turn);
        let own = self.rooms.chains.as_mut().and_then(|chains| chains.own.get_mut(&no));
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
        self.fly(turn.now, token, (key.log, key.seq), devices);
        Ok(true)
    }

    /// Sees that there is a chain that nobody else reads, and that every reader has been handed it. A new one takes the place of one that
    /// somebody has who is no reader any more, or that is old.
    fn ready_chain(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        readers: &BTreeSet<DeviceNo>,
    ) -> Result<bool, StoreError> {
        self.chains(turn)?;
        let held = match self.rooms.chains.as_mut().and_then(|chains| chains.own.remove(&no)) {
            Some(own) => Some(own),
            None => chains::own(turn.txn, no)?,
        };
        let fits = |own: &OwnChain| !own.chain.is_due(turn.now) && own.given.iter().all(|to| readers.contains(to));
        let own = match held.filter(fits) {
            Some(own) => Some(own),
            None => self.new_chain(turn, no, readers)?,
        };
        let Some(mut own) = own else { return Ok(false) };
        for device in readers {
            if own.given.binary_search(device).is_err()
                && let Some(shared) = own.chain.share(own.heads.clone())
            {
                self.hand_over(turn, (no, *device), shared)?;
                own.given.push(*device);
                own.given.sort_unstable();
            }
        }
        chains::put_own(turn.txn, no, &own);
        self.chains(turn)?.own.insert(no, own);
        Ok(true)
    }

    fn new_chain(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        readers: &BTreeSet<DeviceNo>,
    ) -> Result<Option<OwnChain>, StoreError> {
        let here = self.account.keys.id();
        let ids = readers
            .iter()
            .filter_map(|no| Some(self.known.get(no)?.id))
            .chain([here]);
        let (Some(room), Ok(audience)) = (conversations::id_of(turn.txn, no)?, Audience::new(ids)) else {
            return Ok(None);
        };
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(None);
        };
        let (view, mut heads) = (folded.view(), folded.heads());
        if heads.len() > MAX_VIEW_HEADS {
            heads.clear();
        }
        let chain = SendingChain::create(&mut self.rng, &self.account.keys, room, view, &audience, turn.now);
        Ok(Some(OwnChain {
            chain,
            given: Vec::new(),
            heads,
        }))
    }

    /// A device gets a chain of this one; an earlier one of the same room that has not arrived is of no use to it.
    fn hand_over(
        &mut self,
        turn: &mut Turn<'_, '_>,
        (no, device): (ConversationNo, DeviceNo),
        shared: SharedChain,
    ) -> Result<(), StoreError> {
        self.take_back(turn, no, device)?;
        let control = Control::SenderChain {
            chains: vec![shared],
            ext: Vec::new(),
        };
        self.post_control(turn, device, control)
    }

    /// Chains of this device that are still on their way to another one stay here.
    fn take_back(&self, turn: &mut Turn<'_, '_>, no: ConversationNo, device: DeviceNo) -> Result<(), StoreError> {
        let Some(room) = conversations::id_of(turn.txn, no)? else {
            return Ok(());
        };
        let here = self.account.keys.id();
        for row in outbox::of_device(turn.txn, device)? {
            let Control::SenderChain { chains, .. } = &row.control else {
                continue;
            };
            let of_it = |shared: &SharedChain| ChainCert::claimed(&shared.cert) == Some((room, here));
            if chains.iter().all(of_it) {
                outbox::remove(turn.txn, device, &row.id)?;
            }
        }
        Ok(())
    }

    /// A device has begun anew, and may have lost what it was handed.
    pub(crate) fn hand_over_again(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(());
        };
        for no in rooms::of_user(turn.txn, &user)? {
            let own = match self.chains(turn)?.own.get(&no) {
                Some(own) => own.given.contains(&device).then(|| own.chain.share(own.heads.clone())),
                None => chains::own(turn.txn, no)?
                    .filter(|own| own.given.contains(&device))
                    .map(|own| own.chain.share(own.heads)),
            };
            let reads = self
                .members(turn, no)?
                .is_some_and(|members| members.recipients.contains(&device));
            if let Some(shared) = own.flatten().filter(|_| reads && self.may_read(device)) {
                self.hand_over(turn, (no, device), shared)?;
            }
        }
        Ok(())
    }

    /// A device asks for chains: it gets our own, if it was handed them before.
    pub(crate) fn on_key_request(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        room: &ConversationId,
        wanted: &[(DeviceId, ChainId)],
    ) -> Result<(), StoreError> {
        let Some(no) = self.shared_number(turn, device, room)? else {
            return Ok(());
        };
        let here = self.account.keys.id();
        let own = match self.chains(turn)?.own.remove(&no) {
            Some(own) => Some(own),
            None => chains::own(turn.txn, no)?,
        };
        let Some(own) = own else { return Ok(()) };
        let asked = wanted.contains(&(here, own.chain.cert().chain())) && own.given.contains(&device);
        let shared = own
            .chain
            .share(own.heads.clone())
            .filter(|_| asked && self.may_read(device));
        self.chains(turn)?.own.insert(no, own);
        match shared {
            Some(shared) => self.hand_over(turn, (no, device), shared),
            None => Ok(()),
        }
    }

    /// Who takes part has changed: chains of those who do not are forgotten, and the own one if they were handed it, even if they come back.
    pub(super) fn prune_chains(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        members: &BTreeMap<UserId, MemberRow>,
    ) -> Result<(), StoreError> {
        let here = self.account.keys.id();
        let member = members
            .get(&self.own.user)
            .is_some_and(|own| own.devices.contains(&here));
        let devices: BTreeSet<DeviceId> = members.values().flat_map(|row| row.devices.iter().copied()).collect();
        self.chains(turn)?;
        let Some(chains) = &mut self.rooms.chains else {
            return Ok(());
        };
        let gone: Vec<DeviceNo> = chains
            .senders
            .iter()
            .filter(|((room, _), sender)| *room == no && !(member && devices.contains(&sender.device())))
            .map(|((_, device), _)| *device)
            .collect();
        for device in &gone {
            chains.senders.remove(&(no, *device));
            chains::delete(turn.txn, no, *device)?;
        }
        if !gone.is_empty() {
            chains.learn_tags();
        }
        let own = match chains.own.remove(&no) {
            Some(own) => Some(own),
            None => chains::own(turn.txn, no)?,
        };
        let reads = |to: &DeviceNo| self.known.get(to).is_some_and(|known| devices.contains(&known.id));
        match own {
            Some(own) if member && own.given.iter().all(reads) => drop(chains.own.insert(no, own)),
            Some(own) => {
                chains::delete_own(turn.txn, no);
                let gone: Vec<DeviceNo> = own.given.into_iter().filter(|to| !(member && reads(to))).collect();
                for device in gone {
                    self.take_back(turn, no, device)?;
                }
            }
            None => {}
        }
        Ok(())
    }

    /// The disk may be an earlier one: what was sealed with our chains since is out there.
    pub(crate) fn forget_own_chains(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        if let Some(chains) = &mut self.rooms.chains {
            chains.own.clear();
        }
        chains::delete_all_own(turn.txn)
    }
}

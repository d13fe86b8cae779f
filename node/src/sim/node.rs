//! One node of a simulation: an engine and its store, which outlive nothing but the store when it crashes.

use std::collections::BTreeSet;
use std::path::Path;

use parlour_crypto::{
    ConversationId, DeviceCert, DeviceKeys, DeviceList, EventId, Frame, Identity, Keystore, ListError, Payload,
    RoomState, Secrets, SignedEvent, Suites, Unlock, UserId,
};
use parlour_net::{NetCommand, NodeKey, PeerId};
use parlour_store::{DbOptions, Store};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use super::disk::{Crash, Disk, Files};
use crate::engine::{Account, Effects, Engine, Input, Released, Start};
use crate::renewal::renew;

const NODE_KEY: [u8; 32] = [7; 32];
/// A checkpoint is due when the journal is so long.
const CHECKPOINT_BYTES: u64 = 128 * 1024;

pub(super) struct SimNode {
    pub(super) peer: PeerId,
    pub(super) user: UserId,
    /// Counts the starts, so that what was meant for an earlier life is void.
    pub(super) life: u32,
    /// How far this node's clock is off, ms.
    pub(super) ahead: i64,
    /// Whether its disk was damaged on purpose.
    pub(super) damaged: bool,
    /// What its store said of its disk when it was opened last.
    pub(super) told: Vec<String>,
    /// Whether it keeps to no rules.
    pub(super) bad: bool,
    /// Whether its disk was ever put back to an earlier copy.
    pub(super) rolled_back: bool,
    /// When its next tick is in the queue.
    pub(super) ticks_at: Option<u64>,
    /// Peers that its network refuses.
    pub(super) refuses: BTreeSet<PeerId>,
    disk: Disk,
    keystore: Vec<u8>,
    running: Option<(Box<Engine>, Store)>,
    ephemera: crate::engine::Ephemera,
}

impl SimNode {
    pub(super) fn create(name: &str, rng: &mut ChaCha8Rng, now: u64) -> Self {
        let mut entropy = Zeroizing::new([0; 32]);
        rng.fill_bytes(entropy.as_mut_slice());
        let first =
            |identity: &Identity, cert: &DeviceCert| DeviceList::first(identity, std::slice::from_ref(cert), now);
        Self::with_identity(name, entropy, first, rng, now)
    }

    /// A new device of the same user, made from the words alone.
    pub(super) fn recovered(&self, rng: &mut ChaCha8Rng, now: u64) -> Self {
        let (secrets, _) = Keystore::unlock(&self.keystore, Unlock::NodeKey(&NODE_KEY)).expect("it unlocks");
        let list = |identity: &Identity, cert: &DeviceCert| {
            DeviceList::recovered(identity, 1 << 31, std::slice::from_ref(cert), &[], now)
        };
        Self::with_identity(
            &secrets.name,
            secrets.entropy.expect("a primary device"),
            list,
            rng,
            now,
        )
    }

    /// A second node with all that this one was made with, and a copy of its disk.
    pub(super) fn copied(&self, files: &Files) -> Self {
        let mut disk = Disk::new();
        disk.restore(files);
        Self {
            peer: self.peer,
            user: self.user,
            life: 0,
            ahead: self.ahead,
            damaged: false,
            bad: false,
            rolled_back: true,
            ticks_at: None,
            refuses: BTreeSet::new(),
            disk,
            keystore: self.keystore.clone(),
            running: None,
            ephemera: crate::engine::Ephemera::default(),
            told: Vec::new(),
        }
    }

    /// This node's certificate, and its list with another device on it that nobody was told of.
    pub(super) fn with_another_device(&self, rng: &mut ChaCha8Rng, now: u64) -> (DeviceCert, DeviceList) {
        let (secrets, _) = Keystore::unlock(&self.keystore, Unlock::NodeKey(&NODE_KEY)).expect("it unlocks");
        let identity = Identity::from_entropy(&secrets.entropy.expect("a primary device"));
        let other = DeviceCert::issue(&identity, &DeviceKeys::generate(rng), 1, now);
        let certs = [secrets.cert.clone(), other];
        let list = secrets.list.next(&identity, &certs, &[], now).expect("a list");
        (secrets.cert, list)
    }

    /// The same, where the new certificate of a device, which may be this one, names suite 1 alone.
    pub(super) fn with_weaker_device(&self, device: &DeviceKeys, now: u64) -> (DeviceCert, DeviceList) {
        let (secrets, _) = Keystore::unlock(&self.keystore, Unlock::NodeKey(&NODE_KEY)).expect("it unlocks");
        let identity = Identity::from_entropy(&secrets.entropy.expect("a primary device"));
        let weaker = DeviceCert::issue_for(&identity, device, Suites::CLASSIC, 2, now);
        let own = match device.id() == secrets.device.id() {
            true => weaker.clone(),
            false => secrets.cert,
        };
        let mut certs = vec![own.clone(), weaker];
        certs.dedup();
        let list = secrets.list.next(&identity, &certs, &[], now).expect("a list");
        (own, list)
    }

    fn with_identity(
        name: &str,
        entropy: Zeroizing<[u8; 32]>,
        list: impl Fn(&Identity, &DeviceCert) -> Result<DeviceList, ListError>,
        rng: &mut ChaCha8Rng,
        now: u64,
    ) -> Self {
        let identity = Identity::from_entropy(&entropy);
        let device = DeviceKeys::generate(rng);
        let cert = DeviceCert::issue(&identity, &device, 1, now);
        let list = list(&identity, &cert).expect("a list");
        let secrets = Secrets {
            entropy: Some(entropy),
            device,
            cert,
            list,
            name: name.to_owned(),
        };
        let (keystore, _) = Keystore::create(rng, &secrets, None, Some(&NODE_KEY)).expect("a keystore");
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        Self {
            peer: NodeKey::from_bytes(&mut secret).peer(),
            user: identity.user_id(),
            life: 0,
            ahead: i64::try_from(rng.next_u64() % 3_000).unwrap_or(0),
            damaged: false,
            told: Vec::new(),
            bad: false,
            rolled_back: false,
            ticks_at: None,
            refuses: BTreeSet::new(),
            disk: Disk::new(),
            keystore,
            running: None,
            ephemera: crate::engine::Ephemera::default(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn store(&self) -> &Store {
        &self.running.as_ref().expect("the node is up").1
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.running.as_ref().expect("the node is up").0
    }

    /// Who writes something and who is there, as its readers see it.
    pub(super) fn ephemera(&mut self) -> crate::engine::Ephemera {
        let (engine, _) = self.running.as_mut().expect("the node is up");
        if let Some(new) = engine.take_ephemera() {
            self.ephemera = new;
        }
        self.ephemera.clone()
    }

    /// What its readers see of the network, if there is news.
    pub(super) fn live(&mut self) -> Option<crate::engine::Live> {
        let (engine, _) = self.running.as_mut().expect("the node is up");
        engine.take_live()
    }

    pub(super) fn next_tick(&self) -> Option<u64> {
        self.running
            .as_ref()
            .and_then(|(engine, _)| engine.next_tick())
            .map(|due| due.saturating_sub_signed(self.ahead))
    }

    /// Opens the store and loads the engine, as a process does.
    pub(super) fn start(&mut self, seed: u64, now: u64) -> Released {
        assert!(self.running.is_none(), "the node is up already");
        self.life += 1;
        let (mut secrets, key) = Keystore::unlock(&self.keystore, Unlock::NodeKey(&NODE_KEY)).expect("it unlocks");
        if renew(&mut secrets, now) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 1);
            self.keystore = Keystore::set_secrets(&mut rng, &self.keystore, &key, &secrets).expect("its own key");
        }
        let account = Account {
            keys: secrets.device,
            certificate: secrets.cert,
            list: secrets.list,
            name: secrets.name,
        };
        let options = DbOptions {
            checkpoint_bytes: CHECKPOINT_BYTES,
            cache_bytes: 2 * 1024 * 1024,
            reserve_bytes: 0,
            ..DbOptions::default()
        };
        let (store, report) = Store::open(self.disk.path(), &key, options).expect("the store opens");
        assert!(
            self.damaged || report.damage.is_empty(),
            "a crash is no damage: {:?}",
            report.damage
        );
        self.told = report.damage.iter().map(ToString::to_string).collect();
        if report.torn_tail_bytes > 0 {
            self.told
                .push(format!("{} bytes were not a whole record", report.torn_tail_bytes));
        }
        let begun = Start {
            damaged: report.damage.iter().any(parlour_store::Damage::is_loss),
            online: true,
            announce: Vec::new(),
            bootstraps: Vec::new(),
        };
        let rng = Box::new(ChaCha8Rng::seed_from_u64(seed));
        let (engine, batch, effects) =
            Engine::load(account, self.peer, &store, rng, begun, self.clock(now)).expect("it loads");
        let released = effects.release(store.commit(batch).expect("the first turn is written"));
        self.running = Some((Box::new(engine), store));
        self.disk.synced();
        released
    }

    /// One whole turn: decided and durable.
    pub(super) fn turn(&mut self, input: Input, now: u64) -> Released {
        let now = self.clock(now);
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut effects = Effects::default();
        let mut txn = store.begin();
        let mut decided = engine.handle(&mut txn, &mut effects, input, now);
        if decided.is_ok() && engine.next_tick().is_some_and(|due| due <= now) {
            decided = engine.handle(&mut txn, &mut effects, Input::Tick, now);
        }
        let decided = decided.and_then(|()| engine.finish_turn(&mut txn, &mut effects, now));
        if decided.is_err() && self.bad {
            // Others gave it back what it forged in its own name; no honest node has such a log.
            return Released::default();
        }
        decided.expect("the store is readable");
        let batch = txn.into_batch();
        effects.release(store.commit(batch).expect("the store is writable"))
    }

    /// A turn whose batch never reaches the disk.
    pub(super) fn decide_and_forget(&mut self, input: Input, now: u64) {
        let now = self.clock(now);
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut txn = store.begin();
        engine
            .handle(&mut txn, &mut Effects::default(), input, now)
            .expect("the store is readable");
    }

    /// Has this node's engine say anything on its streams to a user (or everybody), as a node with other code could.
    pub(super) fn forge_frame(&mut self, frame: &Frame, to: Option<&UserId>, now: u64) -> Vec<NetCommand> {
        let now = self.clock(now);
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut effects = Effects::default();
        engine.say_anything(&mut store.begin(), &mut effects, (frame, to), now);
        effects.forged()
    }

    /// Has this node's engine seal anything for everybody it has a session with.
    pub(super) fn forge_envelopes(&mut self, payload: &Payload, now: u64) -> Vec<NetCommand> {
        let now = self.clock(now);
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut effects = Effects::default();
        let mut txn = store.begin();
        engine.seal_anything(&mut txn, &mut effects, payload, now);
        store.commit(txn.into_batch()).expect("the store is writable");
        effects.forged()
    }

    /// Has this node lose its sessions and begin anew with everybody it had one with.
    pub(super) fn lose_sessions(&mut self, now: u64) -> Vec<NetCommand> {
        let now = self.clock(now);
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut effects = Effects::default();
        let mut txn = store.begin();
        engine.lose_sessions(&mut txn, &mut effects, now);
        store.commit(txn.into_batch()).expect("the store is writable");
        effects.forged()
    }

    /// Gives this node an event of a conversation with `user`, as a stream does; whether it was taken.
    #[must_use]
    pub(super) fn take_wire(&mut self, conversation: &ConversationId, user: &UserId, wire: &[u8], now: u64) -> bool {
        let now = self.clock(now);
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut txn = store.begin();
        let taken = engine.take_wire(&mut txn, (conversation, user), wire, now);
        store.commit(txn.into_batch()).expect("the store is writable");
        taken
    }

    /// Keeps a room that nobody told it of, and takes what it is given of it.
    pub(super) fn keep_room(&mut self, room: &ConversationId, now: u64) {
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut txn = store.begin();
        engine.keep_room(&mut txn, room, now);
        store.commit(txn.into_batch()).expect("the store is writable");
    }

    /// One turn in which members give this node events of a room, and tell of the heads behind views: which events were taken.
    pub(super) fn take_of_room(
        &mut self,
        room: &ConversationId,
        views: &[Vec<EventId>],
        events: &[SignedEvent],
        now: u64,
    ) -> Vec<bool> {
        let now = self.clock(now);
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut effects = Effects::default();
        let mut txn = store.begin();
        let taken = engine.take_of_room((&mut txn, &mut effects), (room, views), events, now);
        let finished = engine.finish_turn(&mut txn, &mut effects, now);
        finished.expect("the store is readable");
        store.commit(txn.into_batch()).expect("the store is writable");
        taken
    }

    /// What the operations of a room come to at this node.
    pub(super) fn room_state(&mut self, room: &ConversationId, now: u64) -> RoomState {
        let (engine, store) = self.running.as_mut().expect("the node is up");
        engine.room_state(&mut store.begin(), room, now)
    }

    /// A peer lists public rooms: how many of them are taken.
    pub(super) fn hears_listed(
        &mut self,
        peer: parlour_net::PeerId,
        rooms: Vec<parlour_crypto::ListedRoom>,
        now: u64,
    ) -> usize {
        let now = self.clock(now);
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut txn = store.begin();
        let taken = engine.hear_listed(&mut txn, peer, rooms, now);
        store.commit(txn.into_batch()).expect("written");
        taken
    }

    /// A peer says that it has public rooms: how many peers are to be asked within half a minute.
    pub(super) fn hears_that_rooms_changed(&mut self, peer: parlour_net::PeerId, now: u64) -> usize {
        let now = self.clock(now);
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut txn = store.begin();
        engine.hear_that_rooms_changed(&mut txn, peer, now)
    }

    /// A turn that cannot be written: what its callers hear, the streams given up, and what the engine made again does first.
    pub(super) fn fail(&mut self, input: Input, now: u64) -> (Effects, Vec<NetCommand>, Released) {
        let now = self.clock(now);
        let (mut engine, store) = self.running.take().expect("the node is up");
        let mut effects = Effects::default();
        let mut txn = store.begin();
        engine
            .handle(&mut txn, &mut effects, input, now)
            .expect("the store is readable");
        drop(txn);
        let closed = engine.abandon_streams();
        let (engine, loaded) = engine.reload(&store, now);
        let (batch, again) = loaded.expect("the store is readable");
        let again = again.release(store.commit(batch).expect("the store is writable"));
        self.running = Some((engine, store));
        (effects, closed, again)
    }

    pub(super) fn journal_is_long(&self) -> bool {
        self.store().db().health().journal_bytes >= CHECKPOINT_BYTES
    }

    pub(super) fn checkpoint(&mut self) {
        self.store().db().checkpoint().expect("a checkpoint");
        self.disk.synced();
    }

    pub(super) fn remember_journal(&mut self) {
        self.disk.remember_journal();
    }

    /// This device's keys, for those who sign with other code.
    pub(super) fn keys(&self) -> DeviceKeys {
        let (secrets, _) = Keystore::unlock(&self.keystore, Unlock::NodeKey(&NODE_KEY)).expect("it unlocks");
        secrets.device
    }

    /// What this node's own clock says.
    pub(super) fn clock(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.ahead)
    }

    /// Where the files of a node that is down are.
    pub(super) fn disk(&self) -> &Path {
        assert!(self.running.is_none(), "a disk is damaged at rest");
        self.disk.path()
    }

    /// Everything that is written on the disk, as a copy made while it runs finds it.
    pub(super) fn copy_disk(&self) -> Files {
        self.disk.copy()
    }

    /// Puts the disk of a node that is down back to an earlier copy.
    pub(super) fn restore_disk(&mut self, copy: &Files) {
        assert!(self.running.is_none(), "a disk is put back at rest");
        self.disk.restore(copy);
    }

    pub(super) fn crash(&mut self, how: Crash, rng: &mut ChaCha8Rng) {
        self.life += 1;
        self.ticks_at = None;
        self.refuses.clear();
        if let Some((engine, store)) = self.running.take() {
            self.disk.crash(how, store, || drop(engine), rng);
        }
    }
}

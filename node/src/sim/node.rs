//! One node of a simulation: an engine and its store, which outlive nothing but the store when it crashes.

use parlour_crypto::{
    ConversationId, DeviceCert, DeviceKeys, DeviceList, Identity, Keystore, ListError, Secrets, Unlock, UserId,
};
use parlour_net::{NodeKey, PeerId};
use parlour_store::{DbOptions, Store};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use crate::engine::{Account, Effects, Engine, Input, Start};
use crate::renewal::renew;

const NODE_KEY: [u8; 32] = [7; 32];

pub(super) struct SimNode {
    pub(super) peer: PeerId,
    /// Counts the starts, so that what was meant for an earlier life is void.
    pub(super) life: u32,
    /// How far this node's clock is off, ms.
    pub(super) skew: u64,
    /// Whether its disk was damaged on purpose.
    pub(super) damaged: bool,
    dir: tempfile::TempDir,
    keystore: Vec<u8>,
    running: Option<(Engine, Store)>,
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

    /// This node's certificate, and its list with another device on it that nobody was told of.
    pub(super) fn with_another_device(&self, rng: &mut ChaCha8Rng, now: u64) -> (DeviceCert, DeviceList) {
        let (secrets, _) = Keystore::unlock(&self.keystore, Unlock::NodeKey(&NODE_KEY)).expect("it unlocks");
        let identity = Identity::from_entropy(&secrets.entropy.expect("a primary device"));
        let other = DeviceCert::issue(&identity, &DeviceKeys::generate(rng), 1, now);
        let certs = [secrets.cert.clone(), other];
        let list = secrets.list.next(&identity, &certs, &[], now).expect("a list");
        (secrets.cert, list)
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
            life: 0,
            skew: rng.next_u64() % 3_000,
            damaged: false,
            dir: tempfile::Builder::new()
                .prefix("parlour-sim")
                .tempdir()
                .expect("a directory"),
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

    pub(super) fn next_tick(&self) -> Option<u64> {
        self.running
            .as_ref()
            .and_then(|(engine, _)| engine.next_tick())
            .map(|due| due.saturating_sub(self.skew))
    }

    /// Opens the store and loads the engine, as a process does.
    pub(super) fn start(&mut self, seed: u64, now: u64) -> Effects {
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
            checkpoint_bytes: 128 * 1024,
            cache_bytes: 2 * 1024 * 1024,
            ..DbOptions::default()
        };
        let (store, report) = Store::open(self.dir.path(), &key, options).expect("the store opens");
        assert!(
            self.damaged || report.damage.is_empty(),
            "a crash is no damage: {:?}",
            report.damage
        );
        let begun = Start {
            damaged: report.damage.iter().any(parlour_store::Damage::is_loss),
            online: true,
        };
        let rng = Box::new(ChaCha8Rng::seed_from_u64(seed));
        let (engine, batch, effects) =
            Engine::load(account, self.peer, &store, rng, begun, now + self.skew).expect("it loads");
        store.commit(batch).expect("the first turn is written");
        self.running = Some((engine, store));
        effects
    }

    /// One whole turn: decided and durable.
    pub(super) fn turn(&mut self, input: Input, now: u64) -> Effects {
        let now = now + self.skew;
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut effects = Effects::default();
        let mut txn = store.begin();
        engine
            .handle(&mut txn, &mut effects, input, now)
            .expect("the store is readable");
        engine
            .finish_turn(&mut txn, &mut effects, now)
            .expect("the store is readable");
        let batch = txn.into_batch();
        store.commit(batch).expect("the store is writable");
        effects
    }

    /// A turn whose batch never reaches the disk.
    pub(super) fn decide_and_forget(&mut self, input: Input, now: u64) {
        let now = now + self.skew;
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut txn = store.begin();
        engine
            .handle(&mut txn, &mut Effects::default(), input, now)
            .expect("the store is readable");
    }

    /// Has this node's engine say anything on its streams, as a node with other code could.
    pub(super) fn forge_frame(&mut self, frame: &parlour_crypto::Frame, now: u64) -> Vec<parlour_net::NetCommand> {
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut effects = Effects::default();
        let mut txn = store.begin();
        engine.say_anything(&mut txn, &mut effects, frame, now + self.skew);
        effects.net
    }

    /// Gives this node an event of a conversation with `user`, as a stream does.
    pub(super) fn take_wire(&mut self, conversation: &ConversationId, user: &UserId, wire: &[u8], now: u64) {
        let (engine, store) = self.running.as_mut().expect("the node is up");
        let mut txn = store.begin();
        engine.take_wire(&mut txn, (conversation, user), wire, now + self.skew);
        store.commit(txn.into_batch()).expect("the store is writable");
    }

    /// Where the files of a node that is down are.
    pub(super) fn disk(&self) -> &std::path::Path {
        assert!(self.running.is_none(), "a disk is damaged at rest");
        self.dir.path()
    }

    /// Copies the disk of a node that is down.
    pub(super) fn copy_disk(&self) -> tempfile::TempDir {
        assert!(self.running.is_none(), "a copy is made of a disk at rest");
        let copy = tempfile::Builder::new()
            .prefix("parlour-copy")
            .tempdir()
            .expect("a directory");
        copy_folder(self.dir.path(), copy.path());
        copy
    }

    /// Puts the disk back to an earlier copy.
    pub(super) fn restore_disk(&mut self, copy: tempfile::TempDir) {
        assert!(self.running.is_none(), "a disk is put back at rest");
        self.dir = copy;
    }

    pub(super) fn crash(&mut self) {
        self.life += 1;
        self.running = None;
    }
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file");
        }
    }
}

//! An account with two contacts, and events of its own and of one of them.

use parlour_crypto::{
    Body, Content, ConversationId, DataKey, Delete, DeviceCert, DeviceKeys, DeviceList, Draft, Edit, EventId, Identity,
    Keystore, Secrets, UserId, VerifiedEvent,
};
use parlour_store::annotations::fold;
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::devices::{self, DeviceRow};
use parlour_store::timeline::Position;
use parlour_store::{ConversationNo, Damage, DbOptions, DeviceNo, EventKey, LogKey, Store, Txn, events};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

pub(crate) const START: u64 = 1_800_000_000_000;
pub(crate) const NOW: u64 = START + 20_000;
pub(crate) const MESSAGES: usize = 6;
pub(crate) const EMOJI: [&str; 3] = ["👍", "❤️", "🎉"];

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) key: DataKey,
    #[allow(dead_code, reason = "for whoever keeps the store")]
    pub(crate) keystore: Vec<u8>,
    pub(crate) users: Vec<UserId>,
    pub(crate) keys: Vec<DeviceKeys>,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) const CONVERSATION: ConversationNo = ConversationNo(1);
pub(crate) const ELSEWHERE: ConversationNo = ConversationNo(2);

impl World {
    pub(crate) fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let dir = tempfile::tempdir().unwrap();
        let mut users = Vec::new();
        let mut keys = Vec::new();
        let mut certs = Vec::new();
        for n in 0..3 {
            let entropy = Zeroizing::new([n; 32]);
            let identity = Identity::from_entropy(&entropy);
            let device = DeviceKeys::generate(&mut rng);
            certs.push((DeviceCert::issue(&identity, &device, 1, START), identity));
            users.push(certs[usize::from(n)].1.user_id());
            keys.push(device);
        }
        let (keystore, key) = data_key(&mut rng, &certs[0], &keys[0]);
        let (store, _) = Store::open(dir.path(), &key, DbOptions::default()).unwrap();
        let mut txn = store.begin();
        for ((cert, _), (user, keys)) in certs.iter().zip(users.iter().zip(&keys)) {
            let row = DeviceRow {
                id: keys.id(),
                user: *user,
                certificate: cert.as_bytes().to_vec(),
                bundle: Vec::new(),
                peer: Vec::new(),
                addresses: Vec::new(),
                good_addresses: Vec::new(),
                last_seen: 0,
            };
            devices::put(&mut txn, &row).unwrap();
        }
        for with in [1, 2] {
            let id = ConversationId::direct(&users[0], &users[with]);
            let kind = ConversationKind::Direct { with: users[with] };
            conversations::ensure(&mut txn, &id, kind, START).unwrap();
        }
        store.commit(txn.into_batch()).unwrap();
        Self {
            store,
            key,
            keystore,
            users,
            keys,
            dir,
        }
    }

    pub(crate) fn opened_again(self) -> (Self, Vec<Damage>) {
        drop(self.store);
        let (store, report) = Store::open(self.dir.path(), &self.key, DbOptions::default()).unwrap();
        (Self { store, ..self }, report.damage)
    }

    pub(crate) fn edit(&self, author: usize, n: usize, clock: u64, target: EventId, text: &str) -> Said {
        let body = Body::Edit(Edit {
            target,
            content: Content::Text(text.to_owned()),
            mentions: Vec::new(),
            ext: Vec::new(),
        });
        self.event(CONVERSATION, author, n, clock, &body)
    }

    pub(crate) fn delete(&self, author: usize, n: usize, targets: Vec<EventId>) -> Said {
        let ext = Vec::new();
        self.event(CONVERSATION, author, n, START, &Body::Delete(Delete { targets, ext }))
    }

    /// The same writes in a transaction of their own.
    pub(crate) fn next<'a>(&'a self, txn: Txn<'a>) -> Txn<'a> {
        Txn::resume(self.store.db(), txn.into_batch())
    }

    /// Event `n` of author 0 or 1, without parents.
    pub(crate) fn event(&self, conversation: ConversationNo, author: usize, n: usize, clock: u64, body: &Body) -> Said {
        let with = if conversation == ELSEWHERE { 2 } else { 1 };
        let draft = Draft {
            kind: body.kind(),
            conversation: ConversationId::direct(&self.users[0], &self.users[with]),
            device: self.keys[author].id(),
            log: u32::try_from(n + 1).unwrap(),
            seq: 1,
            prev: None,
            parents: Vec::new(),
            clock,
            view: None,
        };
        let log = LogKey {
            conversation,
            device: DeviceNo(u32::try_from(author + 1).unwrap()),
            log: draft.log,
        };
        let event = VerifiedEvent::sign(&self.keys[author], draft, [7; 16], &body.encode().unwrap()).unwrap();
        let at = EventKey { log, seq: 1, branch: 0 };
        Said {
            at,
            author,
            event,
            body: body.clone(),
        }
    }
}

pub(crate) fn data_key(
    rng: &mut ChaCha8Rng,
    (cert, identity): &(DeviceCert, Identity),
    keys: &DeviceKeys,
) -> (Vec<u8>, DataKey) {
    let (signing, dh) = keys.secrets();
    let secrets = Secrets {
        entropy: None,
        device: DeviceKeys::from_secrets(&signing, &dh),
        cert: cert.clone(),
        list: DeviceList::first(identity, std::slice::from_ref(cert), START).unwrap(),
        name: "ada".to_owned(),
    };
    Keystore::create(rng, &secrets, None, Some(&[9; 32])).unwrap()
}

#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) at: EventKey,
    pub(crate) author: usize,
    pub(crate) event: VerifiedEvent,
    pub(crate) body: Body,
}

impl Said {
    pub(crate) fn without_body(&self) -> Self {
        let event = VerifiedEvent::restore(self.event.header().clone(), *self.event.signature(), None);
        Self { event, ..self.clone() }
    }

    pub(crate) fn stamp(&self) -> Position {
        Position {
            clock: self.event.header().clock,
            id: self.event.id(),
        }
    }
}

pub(crate) fn take(txn: &mut Txn<'_>, order: &[&Said]) {
    for said in order {
        events::put(txn, &said.at, &said.event);
        fold(txn, &said.at, &said.event, false, NOW).unwrap();
    }
}

pub(crate) fn shuffled<'a>(order: &[&'a Said], seed: u64) -> Vec<&'a Said> {
    let mut order = order.to_vec();
    let mut state = seed | 1;
    for at in (1..order.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(at, usize::try_from(state % (at as u64 + 1)).unwrap());
    }
    order
}

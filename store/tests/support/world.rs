//! A small account: two contacts, two conversations, messages of both sides, written the way a node writes them: one commit
//! holds the event, its place, log, timeline, change and conversation.

#![allow(dead_code, reason = "not every test that includes this file needs all of it")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first failure")]

use std::path::Path;

use parlour_crypto::{
    ConversationId, DataKey, DeviceCert, DeviceKeys, DeviceList, Draft, EventId, Identity, KIND_MESSAGE, Keystore,
    Message, Secrets, Unlock, UserId, VerifiedEvent,
};
use parlour_store::contacts::{self, ContactRow, ContactState};
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::devices::{self, DeviceRow};
use parlour_store::feed::{self, FeedRow};
use parlour_store::timeline::{self, Position, TimelineEntry};
use parlour_store::view::message_text;
use parlour_store::{
    Batch, CommitError, ConversationNo, DbOptions, DeviceNo, EventKey, Filter, LogKey, OpenReport, Order, Query, Store,
    StoreOpenError, Txn, client_ids, events, logs,
};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

pub(crate) const NODE_KEY: [u8; 32] = [9; 32];
pub(crate) const START_MS: u64 = 1_800_000_000_000;
pub(crate) const NAMES: [&str; 3] = ["ada", "bo", "cy"];

struct Person {
    user: UserId,
    keys: DeviceKeys,
    cert: DeviceCert,
    list: DeviceList,
}

/// The keys of everybody, from a seed.
pub(crate) struct World {
    people: Vec<Person>,
    keystore: Vec<u8>,
    key: DataKey,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let people: Vec<Person> = NAMES.iter().map(|_| person(&mut rng)).collect();
        let ada = &people[0];
        let (signing, dh) = ada.keys.secrets();
        let secrets = Secrets {
            entropy: None,
            device: DeviceKeys::from_secrets(&signing, &dh),
            cert: ada.cert.clone(),
            list: ada.list.clone(),
            name: NAMES[0].to_owned(),
        };
        let (keystore, key) = Keystore::create(&mut rng, &secrets, None, Some(&NODE_KEY)).unwrap();
        Self { people, keystore, key }
    }

    /// The keystore file of the account.
    pub(crate) fn keystore(&self) -> &[u8] {
        &self.keystore
    }

    pub(crate) fn key(&self) -> &DataKey {
        &self.key
    }

    pub(crate) fn open(&self, dir: &Path) -> Result<(Store, OpenReport), StoreOpenError> {
        Store::open(dir, &self.key, options())
    }

    /// The contact and devices rows, and both conversations.
    pub(crate) fn begin(&self, store: &Store) {
        self.try_begin(store).unwrap();
    }

    pub(crate) fn try_begin(&self, store: &Store) -> Result<(), CommitError> {
        let mut txn = store.begin();
        for (person, name) in self.people.iter().zip(NAMES) {
            let row = DeviceRow {
                id: person.keys.id(),
                user: person.user,
                certificate: person.cert.as_bytes().to_vec(),
                bundle: Vec::new(),
                peer: name.as_bytes().to_vec(),
                addresses: Vec::new(),
                good_addresses: Vec::new(),
                last_seen: START_MS,
            };
            devices::put(&mut txn, &row).unwrap();
        }
        for (person, name) in self.people.iter().zip(NAMES).skip(1) {
            let row = ContactRow {
                user: person.user,
                petname: None,
                name: name.to_owned(),
                device_list: person.list.as_bytes().to_vec(),
                state: ContactState::Accepted,
                peer: name.as_bytes().to_vec(),
                addresses: Vec::new(),
                created: START_MS,
            };
            contacts::put(&mut txn, &row);
            let kind = ConversationKind::Direct { with: person.user };
            conversations::ensure(&mut txn, &self.conversation(row_number(name)), kind, START_MS).unwrap();
        }
        store.commit(txn.into_batch()).map(drop)
    }

    /// The conversation with contact 1 or 2.
    pub(crate) fn conversation(&self, with: usize) -> ConversationId {
        ConversationId::direct(&self.people[0].user, &self.people[with].user)
    }

    /// Message number `n` (from 1): in one of the two conversations, of one of its two sides.
    pub(crate) fn message(&self, store: &Store, n: u64) -> Batch {
        let with = 1 + (n % 2) as usize;
        let author = if n % 5 < 3 { 0 } else { with };
        let mut txn = store.begin();
        self.say(&mut txn, with, author, n);
        txn.into_batch()
    }

    pub(crate) fn say(&self, txn: &mut Txn<'_>, with: usize, author: usize, n: u64) -> VerifiedEvent {
        let conversation = conversations::number(txn, &self.conversation(with)).unwrap().unwrap();
        let author = &self.people[author];
        let device = devices::number(txn, &author.keys.id()).unwrap().unwrap();
        let log = LogKey {
            conversation,
            device,
            log: 1,
        };
        let event = self.sign(txn, author, &log, n);
        self.append(txn, &log, &event);
        if device == DeviceNo(1) {
            let key = EventKey {
                log,
                seq: event.header().seq,
                branch: 0,
            };
            let row = client_ids::ClientIdRow {
                event: key,
                created: START_MS + n,
            };
            client_ids::put(txn, conversation, &format!("client-{n}"), &row);
        }
        event
    }

    fn sign(&self, txn: &Txn<'_>, author: &Person, log: &LogKey, n: u64) -> VerifiedEvent {
        let row = conversations::get(txn, log.conversation).unwrap().unwrap();
        let held = logs::get(txn, log).unwrap();
        let mut parents: Vec<EventId> = row.heads.iter().map(|(_, id)| *id).collect();
        parents.sort_unstable();
        let draft = Draft {
            kind: KIND_MESSAGE,
            conversation: row.id,
            device: author.keys.id(),
            log: log.log,
            seq: held.have.max().unwrap_or(0) + 1,
            prev: held.top,
            parents,
            clock: START_MS + n,
            view: None,
        };
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&n.to_le_bytes());
        let body = Message::text(text(n)).encode().unwrap();
        VerifiedEvent::sign(&author.keys, draft, salt, &body).unwrap()
    }

    /// As the engine's own append, for events that come in order.
    fn append(&self, txn: &mut Txn<'_>, log: &LogKey, event: &VerifiedEvent) {
        let header = event.header();
        let key = EventKey {
            log: *log,
            seq: header.seq,
            branch: 0,
        };
        events::put(txn, &key, event);
        let mut held = logs::get(txn, log).unwrap();
        held.have.insert(header.seq);
        held.top = Some(event.id());
        txn.mark(logs::mark(log), held.have.count());
        logs::put(txn, log, &held);
        let mut row = conversations::get(txn, log.conversation).unwrap().unwrap();
        row.heads
            .retain(|(_, id)| !header.parents.contains(id) && Some(*id) != header.prev);
        row.heads.push((header.clock, event.id()));
        row.last_seq += 1;
        let at = Position {
            clock: header.clock,
            id: event.id(),
        };
        let entry = TimelineEntry {
            at,
            event: key,
            room_seq: row.last_seq,
        };
        timeline::put(txn, log.conversation, &entry);
        let change = FeedRow::Message {
            event: key,
            room_seq: row.last_seq,
        };
        feed::append(txn, &change).unwrap();
        row.last = Some((at.clock, at.id, key));
        conversations::put(txn, log.conversation, &row);
    }

    /// Commits messages `from..=to`, each alone.
    pub(crate) fn talk(&self, store: &Store, from: u64, to: u64) -> Result<(), CommitError> {
        for n in from..=to {
            store.commit(self.message(store, n))?;
        }
        Ok(())
    }

    /// The numbers of all messages that are shown, readable and in their order; panics where one is shown twice, or is
    /// not what was written.
    pub(crate) fn shown(&self, store: &Store) -> Vec<u64> {
        let mut all = Vec::new();
        for with in [1, 2] {
            let Some(no) = conversations::number(store, &self.conversation(with)).unwrap() else {
                continue;
            };
            all.extend(shown_in(store, no));
        }
        all.sort_unstable();
        assert!(all.windows(2).all(|two| two[0] != two[1]), "a message is shown twice");
        all
    }

    /// As [`World::shown`], leaving out what cannot be read.
    pub(crate) fn readable(&self, store: &Store) -> Vec<u64> {
        let mut all = Vec::new();
        for with in [1, 2] {
            let Ok(Some(no)) = conversations::number(store, &self.conversation(with)) else {
                continue;
            };
            let entries = timeline::after(store, no, None, usize::MAX).unwrap_or_default();
            for entry in entries {
                let Ok(Some(event)) = events::get(store, &entry.event) else {
                    continue;
                };
                let n = event.header().clock - START_MS;
                assert_eq!(message_text(&event).unwrap(), text(n));
                all.push(n);
            }
        }
        all.sort_unstable();
        all
    }

    /// Whether search finds message `n`, once.
    pub(crate) fn finds(&self, store: &Store, n: u64) -> bool {
        let query = Query::parse(&format!("word{n}")).unwrap();
        let found = store
            .finder()
            .find(store, &query, &Filter::default(), Order::Newest, 10)
            .unwrap();
        assert!(found.len() <= 1, "message {n} is found {} times", found.len());
        found.len() == 1
    }
}

fn shown_in(store: &Store, no: ConversationNo) -> Vec<u64> {
    let mut numbers = Vec::new();
    for entry in timeline::after(store, no, None, usize::MAX).unwrap() {
        let event = events::get(store, &entry.event).unwrap().unwrap();
        assert_eq!(event.id(), entry.at.id);
        let n = event.header().clock - START_MS;
        assert_eq!(message_text(&event).unwrap(), text(n));
        numbers.push(n);
    }
    numbers
}

/// The text of message `n`: about 200 bytes, with a word of its own.
pub(crate) fn text(n: u64) -> String {
    let mut text = format!("message number{n} word{n} ");
    while text.len() < 200 {
        text.push_str("and some more ");
    }
    text
}

pub(crate) fn options() -> DbOptions {
    DbOptions {
        cache_bytes: 1024 * 1024,
        checkpoint_bytes: 64 * 1024,
        reserve_bytes: 1024 * 1024,
        ..DbOptions::default()
    }
}

fn row_number(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).unwrap()
}

fn person(rng: &mut ChaCha8Rng) -> Person {
    let mut entropy = Zeroizing::new([0; 32]);
    rng.fill_bytes(entropy.as_mut_slice());
    let identity = Identity::from_entropy(&entropy);
    let keys = DeviceKeys::generate(rng);
    let cert = DeviceCert::issue(&identity, &keys, 1, START_MS);
    let list = DeviceList::first(&identity, std::slice::from_ref(&cert), START_MS).unwrap();
    Person {
        user: identity.user_id(),
        keys,
        cert,
        list,
    }
}

/// The key of a keystore that opens with [`NODE_KEY`].
pub(crate) fn unlock(keystore: &[u8]) -> DataKey {
    Keystore::unlock(keystore, Unlock::NodeKey(&NODE_KEY)).unwrap().1
}

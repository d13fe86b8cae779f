//! An account with forty contacts, and messages taken in the way a node takes them in: everything that the engine writes for a
//! message goes in, with the ratchet's state, and what recipients hold of own messages.

pub(crate) mod room;

use std::path::Path;

use parlour_crypto::{
    ConversationId, DataKey, DeviceCert, DeviceKeys, DeviceList, Draft, EnvelopePrefix, EventId, FirstFlight, Identity,
    Intervals, KIND_MESSAGE, Keystore, ListReference, Message, PrekeySecret, Secrets, Session, UserId, VerifiedEvent,
    initiate, parse,
};
use parlour_store::contacts::{self, ContactRow, ContactState};
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::devices::{self, DeviceRow};
use parlour_store::feed::{self, FeedRow};
use parlour_store::sessions::{self, SessionInfo};
use parlour_store::timeline::{self, Position, TimelineEntry};
use parlour_store::view::Own;
use parlour_store::{
    ConversationNo, DbOptions, DeviceNo, EventKey, LogKey, Store, Txn, annotations, client_ids, events, logs,
    read_marks, registers,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use crate::words::text;

pub(crate) const CONTACTS: usize = 40;
const START_MS: u64 = 1_700_000_000_000;
/// From one message to the next.
const STEP_MS: u64 = 60_000;

struct Person {
    user: UserId,
    keys: DeviceKeys,
    cert: DeviceCert,
    list: DeviceList,
}

/// A conversation as its writers know it.
struct Talk {
    id: ConversationId,
    no: ConversationNo,
    with: usize,
    device: DeviceNo,
    last: Option<EventId>,
    logs: [(u64, Option<EventId>); 2],
    session: Session,
    info: SessionInfo,
}

/// The account, and who writes to it.
pub(crate) struct Account {
    people: Vec<Person>,
    key: DataKey,
    talks: Vec<Talk>,
    rng: ChaCha8Rng,
    number: u64,
}

/// A signed message on its way into the store.
pub(crate) struct Arriving {
    talk: usize,
    own: bool,
    event: VerifiedEvent,
}

impl Account {
    /// The same people and the same key every time.
    pub(crate) fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let people: Vec<Person> = (0..=CONTACTS).map(|_| person(&mut rng)).collect();
        let own = &people[0];
        let (signing, dh) = own.keys.secrets();
        let secrets = Secrets {
            entropy: None,
            device: DeviceKeys::from_secrets(&signing, &dh),
            cert: own.cert.clone(),
            list: own.list.clone(),
            name: "ada".to_owned(),
        };
        let (_, key) = Keystore::create(&mut rng, &secrets, None, Some(&[9; 32])).unwrap();
        Self {
            people,
            key,
            talks: Vec::new(),
            rng,
            number: 0,
        }
    }

    pub(crate) fn key(&self) -> &DataKey {
        &self.key
    }

    pub(crate) fn open(&self, dir: &Path) -> Store {
        let (store, report) = Store::open(dir, &self.key, DbOptions::default()).unwrap();
        assert!(report.damage.is_empty());
        store
    }

    pub(crate) fn own(&self) -> Own {
        Own {
            user: self.people[0].user,
            device: DeviceNo(1),
        }
    }

    /// Contacts, devices, conversations and sessions.
    pub(crate) fn begin(&mut self, store: &Store) {
        let mut txn = store.begin();
        for person in &self.people {
            devices::put(&mut txn, &device_row(person)).unwrap();
        }
        for with in 1..self.people.len() {
            let person = &self.people[with];
            contacts::put(&mut txn, &contact_row(person));
            let id = ConversationId::direct(&self.people[0].user, &person.user);
            let kind = ConversationKind::Direct { with: person.user };
            let (no, _) = conversations::ensure(&mut txn, &id, kind, START_MS).unwrap();
            let device = devices::number(&txn, &person.keys.id()).unwrap().unwrap();
            self.talks.push(Talk {
                id,
                no,
                with,
                device,
                last: None,
                logs: [(0, None); 2],
                session: session(&mut self.rng, person, &self.people[0]),
                info: SessionInfo {
                    device,
                    confirmed: true,
                    created: START_MS,
                },
            });
        }
        store.commit(txn.into_batch()).unwrap();
    }

    /// Signs the next message; what is measured comes after that.
    pub(crate) fn next(&mut self) -> Arriving {
        let text = text(&mut self.rng);
        self.say(&text)
    }

    pub(crate) fn say(&mut self, text: &str) -> Arriving {
        let at = self.rng.next_u32() as usize % self.talks.len();
        let own = self.rng.next_u32().is_multiple_of(2);
        self.number += 1;
        let talk = &mut self.talks[at];
        let author = &self.people[if own { 0 } else { talk.with }];
        let (seq, prev) = talk.logs[usize::from(own)];
        let draft = Draft {
            kind: KIND_MESSAGE,
            conversation: talk.id,
            device: author.keys.id(),
            log: 1,
            seq: seq + 1,
            prev,
            parents: talk.last.into_iter().collect(),
            clock: START_MS + self.number * STEP_MS,
            view: None,
        };
        let mut salt = [0; 16];
        self.rng.fill_bytes(&mut salt);
        let body = Message::text(text).encode().unwrap();
        let event = VerifiedEvent::sign(&author.keys, draft, salt, &body).unwrap();
        talk.logs[usize::from(own)] = (seq + 1, Some(event.id()));
        talk.last = Some(event.id());
        Arriving { talk: at, own, event }
    }

    /// Takes messages into one batch, with the acknowledgements of own ones that a turn brings.
    pub(crate) fn take_in(&mut self, txn: &mut Txn<'_>, arriving: &[Arriving]) {
        let mut spoken = vec![false; self.talks.len()];
        for message in arriving {
            self.append(txn, message);
            spoken[message.talk] |= message.own;
        }
        for (talk, _) in self.talks.iter().zip(spoken).filter(|(_, own)| *own) {
            acknowledge(txn, talk);
        }
    }

    fn append(&mut self, txn: &mut Txn<'_>, message: &Arriving) {
        let Arriving { talk, own, event } = message;
        let talk = &mut self.talks[*talk];
        let now = event.header().clock;
        if *own {
            assert!(client_ids::get(txn, talk.no, "none").unwrap().is_none());
            assert!(annotations::timer(txn, talk.no).unwrap().is_none());
        } else {
            assert!(events::place(txn, &event.id()).unwrap().is_none());
        }
        sessions::save(txn, &talk.info, &mut talk.session);
        let log = LogKey {
            conversation: talk.no,
            device: if *own { DeviceNo(1) } else { talk.device },
            log: 1,
        };
        let key = EventKey {
            log,
            seq: event.header().seq,
            branch: 0,
        };
        let mut held = logs::get(txn, &log).unwrap();
        held.have.insert(key.seq);
        held.top = Some(event.id());
        txn.mark(logs::mark(&log), held.have.count());
        logs::put(txn, &log, &held);
        events::put(txn, &key, event);
        show(txn, &key, event, *own, now);
        assert!(
            !registers::get(txn, registers::Register::Archived(talk.id))
                .unwrap()
                .unwrap_or(false)
        );
        if !own {
            assert!(read_marks::get(txn, talk.no, DeviceNo(1)).unwrap().is_none());
        }
    }
}

/// Place, change and conversation.
fn show(txn: &mut Txn<'_>, key: &EventKey, event: &VerifiedEvent, own: bool, now: u64) {
    let (header, conversation) = (event.header(), key.log.conversation);
    let mut row = conversations::get(txn, conversation).unwrap().unwrap();
    for named in header.parents.iter().chain(&header.prev) {
        if row.heads.iter().any(|(_, id)| id == named) {
            row.heads.retain(|(_, id)| id != named);
        } else {
            assert!(events::place(txn, named).unwrap().is_some());
        }
    }
    row.heads.push((header.clock, event.id()));
    row.last_seq += 1;
    row.unread += u64::from(!own);
    let at = Position {
        clock: header.clock,
        id: event.id(),
    };
    assert!(own || !annotations::is_hidden(txn, &at.id).unwrap());
    let entry = TimelineEntry {
        at,
        event: *key,
        room_seq: row.last_seq,
    };
    timeline::put(txn, conversation, &entry);
    let change = FeedRow::Message {
        event: *key,
        room_seq: row.last_seq,
    };
    feed::append(txn, &change).unwrap();
    let folded = annotations::fold(txn, key, event, own, now).unwrap();
    assert!(folded.changed.is_empty());
    row.last = Some((at.clock, at.id, *key));
    conversations::put(txn, conversation, &row);
}

/// The other device has all that was written so far.
fn acknowledge(txn: &mut Txn<'_>, talk: &Talk) {
    let log = LogKey {
        conversation: talk.no,
        device: DeviceNo(1),
        log: 1,
    };
    let mut row = logs::delivery(txn, &log, talk.device).unwrap();
    let seqs = Intervals::range(1, logs::get(txn, &log).unwrap().have.max().unwrap()).difference(&row.acked);
    row.acked = row.acked.union(&seqs);
    logs::put_delivery(txn, &log, talk.device, &row);
    let (conversation, device) = (talk.no, talk.device);
    let sent = FeedRow::Sent {
        conversation,
        log: 1,
        device,
        seqs: seqs.clone(),
    };
    let delivered = FeedRow::Delivered {
        conversation,
        log: 1,
        device,
        seqs,
    };
    feed::append(txn, &sent).unwrap();
    feed::append(txn, &delivered).unwrap();
}

fn device_row(person: &Person) -> DeviceRow {
    DeviceRow {
        id: person.keys.id(),
        user: person.user,
        certificate: person.cert.as_bytes().to_vec(),
        bundle: Vec::new(),
        peer: vec![7; 38],
        addresses: Vec::new(),
        good_addresses: Vec::new(),
        last_seen: START_MS,
    }
}

fn contact_row(person: &Person) -> ContactRow {
    ContactRow {
        user: person.user,
        petname: None,
        name: "bo".to_owned(),
        device_list: person.list.as_bytes().to_vec(),
        state: ContactState::Accepted,
        peer: vec![7; 38],
        addresses: Vec::new(),
        created: START_MS,
    }
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

/// The session that a first flight of `a` makes for `b`.
fn session(rng: &mut ChaCha8Rng, a: &Person, b: &Person) -> Session {
    let prekey = PrekeySecret::generate(rng, 1);
    let bundle = prekey.bundle(&b.keys, &b.cert, START_MS, START_MS + 1_000_000);
    let list = ListReference {
        version: 1,
        hash: [1; 8],
    };
    let prefix = EnvelopePrefix {
        day: 20_000,
        tag: [7; 8],
    };
    let flight = initiate(rng, &a.keys, &a.cert, list, &b.cert, &bundle, None, START_MS).unwrap();
    let (_, envelope) = flight.seal(rng, &prefix, b"hello").unwrap();
    let (prefix, body) = parse(&envelope).unwrap();
    let flight = FirstFlight::parse(body).unwrap();
    let opened = flight.open(
        &prefix,
        &b.keys,
        &b.cert,
        &prekey,
        bundle.hash(),
        None,
        |_| None,
        START_MS,
    );
    opened.unwrap().session
}

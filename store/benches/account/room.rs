//! A room of many, one of whom is the account: its members, and what they say, with the rows of its timeline, feed and views.

use std::collections::BTreeMap;
use std::path::Path;

use parlour_crypto::{DataKey, DeviceId, Policy};
use parlour_store::rooms::{self, MemberRow, RoomRow, Standing};

use super::*;

pub(crate) const MEMBERS: usize = 256;
/// One message in so many is the account's own.
const OWN_EVERY: u64 = 10;
/// What is said stands under one view: no operation follows the first ones.
const VIEW: [u8; 32] = [5; 32];

/// The room, and where each of its members stands in their log.
pub(crate) struct Room {
    id: ConversationId,
    people: Vec<Person>,
    devices: Vec<DeviceNo>,
    logs: Vec<(u64, Option<EventId>)>,
    last: Option<EventId>,
    rng: ChaCha8Rng,
    said: u64,
}

/// A signed message of a member, by their place among the members.
pub(crate) struct Said {
    by: usize,
    event: VerifiedEvent,
}

impl Room {
    /// The account's number of the room.
    pub(crate) const NO: ConversationNo = ConversationNo(1);

    /// The same members every time; the first one is the account.
    pub(crate) fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let people: Vec<Person> = (0..MEMBERS).map(|_| person(&mut rng)).collect();
        Self {
            id: ConversationId::from_bytes([9; 32]),
            logs: vec![(0, None); people.len()],
            people,
            devices: Vec::new(),
            last: None,
            rng,
            said: 0,
        }
    }

    pub(crate) fn open(dir: &Path, key: &DataKey) -> Store {
        let (store, report) = Store::open(dir, key, DbOptions::default()).unwrap();
        assert!(report.damage.is_empty());
        store
    }

    pub(crate) fn own(&self) -> Own {
        Own {
            user: self.people[0].user,
            device: DeviceNo(1),
        }
    }

    /// Messages of others: so many are unread, since nothing is read.
    pub(crate) fn of_others(&self) -> u64 {
        self.said - self.said.div_ceil(OWN_EVERY)
    }

    /// Devices, the room and its members.
    pub(crate) fn begin(&mut self, store: &Store) {
        let mut txn = store.begin();
        for person in &self.people {
            let no = devices::put(&mut txn, &device_row(person)).unwrap();
            self.devices.push(no);
        }
        let (no, _) = conversations::ensure(&mut txn, &self.id, ConversationKind::Room, START_MS).unwrap();
        assert_eq!(no, Self::NO);
        let row = RoomRow {
            standing: Standing::Member,
            name: "Garden".to_owned(),
            topic: String::new(),
            slug: "garden".to_owned(),
            heads: Vec::new(),
            members: u32::try_from(MEMBERS).unwrap(),
            policy: Policy::default(),
            own_operations: 1,
        };
        rooms::put(&mut txn, no, &row);
        let member = |devices: Vec<DeviceId>| MemberRow {
            rank: 2,
            since: START_MS,
            history: 1,
            devices,
            came: Some(EventId::from_bytes([3; 32])),
        };
        let members = self.people.iter().map(|one| (one.user, member(vec![one.keys.id()])));
        rooms::set_members(&mut txn, no, &members.collect::<BTreeMap<_, _>>()).unwrap();
        store.commit(txn.into_batch()).unwrap();
    }

    /// Signs the next message; what is measured comes after that.
    pub(crate) fn next(&mut self) -> Said {
        let by = match self.said.is_multiple_of(OWN_EVERY) {
            true => 0,
            false => 1 + self.rng.next_u32() as usize % (MEMBERS - 1),
        };
        self.said += 1;
        let (seq, prev) = self.logs[by];
        let author = &self.people[by];
        let draft = Draft {
            kind: KIND_MESSAGE,
            conversation: self.id,
            device: author.keys.id(),
            log: 1,
            seq: seq + 1,
            prev,
            parents: self.last.into_iter().collect(),
            clock: START_MS + self.said * STEP_MS,
            view: Some(VIEW),
        };
        let mut salt = [0; 16];
        self.rng.fill_bytes(&mut salt);
        let body = Message::text(text(&mut self.rng)).encode().unwrap();
        let event = VerifiedEvent::sign(&author.keys, draft, salt, &body).unwrap();
        self.logs[by] = (seq + 1, Some(event.id()));
        self.last = Some(event.id());
        Said { by, event }
    }

    /// Takes messages into one batch. With `acknowledged`, everybody has all own ones of it and before.
    pub(crate) fn take_in(&mut self, txn: &mut Txn<'_>, said: &[Said], acknowledged: bool) {
        for Said { by, event } in said {
            let log = self.log(*by);
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
            show(txn, &key, event, *by == 0, event.header().clock);
        }
        if !acknowledged {
            return;
        }
        let log = self.log(0);
        for device in &self.devices[1..] {
            let mut row = logs::delivery(txn, &log, *device).unwrap();
            row.acked = Intervals::range(1, self.logs[0].0);
            logs::put_delivery(txn, &log, *device, &row);
        }
    }

    fn log(&self, by: usize) -> LogKey {
        LogKey {
            conversation: Self::NO,
            device: self.devices[by],
            log: 1,
        }
    }
}

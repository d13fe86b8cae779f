//! What is said about messages ends the same in every order of arrival, and as a simple model says.

#![allow(clippy::unwrap_used, reason = "a test stops at the first failure")]

use std::collections::BTreeMap;

use parlour_crypto::{
    Body, Content, ConversationId, DataKey, Delete, DeviceCert, DeviceKeys, DeviceList, Draft, Edit, EventId, Identity,
    Keystore, Message, Pin, Reaction, Secrets, Timer, UserId, VerifiedEvent,
};
use parlour_store::annotations::{self, fold};
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::devices::{self, DeviceRow};
use parlour_store::timeline::Position;
use parlour_store::view::{Absent, MAX_OWN_EMOJI, Shown, State, Version, state, versions};
use parlour_store::{Batch, ConversationNo, Damage, DbOptions, DeviceNo, EventKey, LogKey, Store, Txn, events};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

const START: u64 = 1_800_000_000_000;
const NOW: u64 = START + 20_000;
const MESSAGES: usize = 6;
const EMOJI: [&str; 3] = ["👍", "❤️", "🎉"];

struct World {
    store: Store,
    key: DataKey,
    users: Vec<UserId>,
    keys: Vec<DeviceKeys>,
    dir: tempfile::TempDir,
}

const CONVERSATION: ConversationNo = ConversationNo(1);
const ELSEWHERE: ConversationNo = ConversationNo(2);

impl World {
    fn new() -> Self {
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
        let key = data_key(&mut rng, &certs[0], &keys[0]);
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
            users,
            keys,
            dir,
        }
    }

    fn opened_again(self) -> (Self, Vec<Damage>) {
        drop(self.store);
        let (store, report) = Store::open(self.dir.path(), &self.key, DbOptions::default()).unwrap();
        (Self { store, ..self }, report.damage)
    }

    fn edit(&self, author: usize, n: usize, clock: u64, target: EventId, text: &str) -> Said {
        let body = Body::Edit(Edit {
            target,
            content: Content::Text(text.to_owned()),
            mentions: Vec::new(),
            ext: Vec::new(),
        });
        self.event(CONVERSATION, author, n, clock, &body)
    }

    fn delete(&self, author: usize, n: usize, targets: Vec<EventId>) -> Said {
        let ext = Vec::new();
        self.event(CONVERSATION, author, n, START, &Body::Delete(Delete { targets, ext }))
    }

    /// The same writes in a transaction of their own.
    fn next<'a>(&'a self, txn: Txn<'a>) -> Txn<'a> {
        Txn::resume(self.store.db(), txn.into_batch())
    }

    /// Event `n` of author 0 or 1, without parents.
    fn event(&self, conversation: ConversationNo, author: usize, n: usize, clock: u64, body: &Body) -> Said {
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

fn data_key(rng: &mut ChaCha8Rng, (cert, identity): &(DeviceCert, Identity), keys: &DeviceKeys) -> DataKey {
    let (signing, dh) = keys.secrets();
    let secrets = Secrets {
        entropy: None,
        device: DeviceKeys::from_secrets(&signing, &dh),
        cert: cert.clone(),
        list: DeviceList::first(identity, std::slice::from_ref(cert), START).unwrap(),
        name: "ada".to_owned(),
    };
    Keystore::create(rng, &secrets, None, Some(&[9; 32])).unwrap().1
}

#[derive(Clone)]
struct Said {
    at: EventKey,
    author: usize,
    event: VerifiedEvent,
    body: Body,
}

impl Said {
    fn without_body(&self) -> Self {
        let event = VerifiedEvent::restore(self.event.header().clone(), *self.event.signature(), None);
        Self { event, ..self.clone() }
    }

    fn stamp(&self) -> Position {
        Position {
            clock: self.event.header().clock,
            id: self.event.id(),
        }
    }
}

/// What is to be said: who, when, what kind, about which message, a detail.
type Plan = (usize, u64, u8, usize, usize);

fn say(world: &World, plans: &[Plan]) -> Vec<Said> {
    let mut all = Vec::new();
    for n in 0..MESSAGES {
        let message = Message {
            // One has had its time by now, one has not.
            expires_after_ms: match n {
                4 => Some(5_000),
                5 => Some(60_000),
                _ => None,
            },
            visibility: u8::from(n == 3),
            reply_to: all.first().map(|first: &Said| first.event.id()),
            ..Message::text(format!("message {n}"))
        };
        let body = Body::Message(message);
        all.push(world.event(CONVERSATION, n % 2, n, START + n as u64, &body));
    }
    let away = Body::Message(Message::text("elsewhere"));
    all.push(world.event(ELSEWHERE, 0, MESSAGES, START, &away));
    for (n, (author, clock, kind, target, detail)) in plans.iter().enumerate() {
        let target = match all.get(*target) {
            Some(said) => said.event.id(),
            None => EventId::from_bytes([0xEE; 32]),
        };
        let ext = Vec::new();
        let on = detail % 3 != 0;
        let body = match kind {
            0 => Body::Edit(Edit {
                target,
                content: Content::Text(format!("edit {n}")),
                mentions: Vec::new(),
                ext,
            }),
            1 => Body::Delete(Delete {
                targets: vec![target],
                ext,
            }),
            2 => Body::Reaction(Reaction {
                target,
                emoji: EMOJI[detail % EMOJI.len()].to_owned(),
                on,
                ext,
            }),
            3 => Body::Pin(Pin { target, on, ext }),
            _ => Body::Timer(Timer {
                expires_after_ms: on.then_some(5_000 + *detail as u64),
                ext,
            }),
        };
        all.push(world.event(CONVERSATION, *author, all.len(), START + 100 + clock, &body));
    }
    all
}

#[derive(Debug, PartialEq)]
struct Seen {
    messages: Vec<(State, Vec<Version>)>,
    bodies: Vec<bool>,
    pins: Vec<EventId>,
    timer: Option<annotations::ConversationTimer>,
}

fn take(txn: &mut Txn<'_>, order: &[&Said]) {
    for said in order {
        events::put(txn, &said.at, &said.event);
        fold(txn, &said.at, &said.event, false, NOW).unwrap();
    }
}

fn look(world: &World, txn: &Txn<'_>, all: &[Said]) -> Seen {
    let mut seen = Seen {
        messages: Vec::new(),
        bodies: Vec::new(),
        pins: annotations::pins(txn, CONVERSATION, 100).unwrap(),
        timer: annotations::timer(txn, CONVERSATION).unwrap(),
    };
    for said in &all[..=MESSAGES] {
        let event = events::get(txn, &said.at).unwrap().unwrap();
        assert_eq!(
            event.id(),
            said.event.id(),
            "what is left of it is still the same event"
        );
        let author = &world.users[said.author];
        let state = state(txn, &said.at, &event, author).unwrap();
        let versions = versions(txn, &said.at, &event, author, 100).unwrap();
        seen.messages.push((state, versions));
    }
    for said in all {
        let event = events::get(txn, &said.at).unwrap().unwrap();
        seen.bodies.push(event.body().is_some());
    }
    seen
}

/// What must be seen, found out in the simplest way.
fn model(world: &World, all: &[Said], seen: &Seen) {
    for (n, message) in all[..=MESSAGES].iter().enumerate() {
        let id = message.event.id();
        let here = n < MESSAGES;
        let by_author = |said: &&Said| here && said.author == message.author;
        let deleted = all.iter().filter(by_author).any(|said| match &said.body {
            Body::Delete(delete) => delete.targets.contains(&id),
            _ => false,
        });
        let edits = all.iter().filter(by_author).filter_map(|said| match &said.body {
            Body::Edit(edit) if edit.target == id => Some((said.stamp(), edit.content.clone())),
            _ => None,
        });
        let newest = edits
            .max_by_key(|(stamp, _)| *stamp)
            .map(|(_, Content::Text(text))| text);
        let expected = if deleted {
            Shown::Absent(Absent::Deleted)
        } else if n == 4 {
            Shown::Absent(Absent::Expired)
        } else if n == 3 {
            Shown::OnDemand { views_left: 1 }
        } else {
            let first = if here {
                format!("message {n}")
            } else {
                "elsewhere".to_owned()
            };
            Shown::Text(newest.unwrap_or(first))
        };
        let (state, _) = &seen.messages[n];
        assert_eq!(state.shown, expected, "message {n}");
        let gone = matches!(state.shown, Shown::Absent(_));
        assert_eq!(seen.bodies[n], !gone, "the body of message {n}");
        let mut last: BTreeMap<(usize, String), (Position, bool)> = BTreeMap::new();
        let mut pin: Option<(Position, bool)> = None;
        for said in all.iter().filter(|_| here && !gone) {
            match &said.body {
                Body::Reaction(reaction) if reaction.target == id => {
                    let entry = last
                        .entry((said.author, reaction.emoji.clone()))
                        .or_insert((said.stamp(), reaction.on));
                    *entry = (*entry).max((said.stamp(), reaction.on));
                }
                Body::Pin(to) if to.target == id => pin = pin.max(Some((said.stamp(), to.on))),
                _ => {}
            }
        }
        let on = last.values().filter(|(_, on)| *on).count();
        assert_eq!(state.reactions.iter().map(|r| r.users.len()).sum::<usize>(), on);
        let pinned = pin.is_some_and(|(_, on)| on);
        assert_eq!((state.pinned, seen.pins.contains(&id)), (pinned, pinned), "message {n}");
        for said in all {
            if let Body::Edit(edit) = &said.body
                && edit.target == id
                && said.author == message.author
                && gone
            {
                let place = all.iter().position(|other| other.at == said.at).unwrap();
                assert!(!seen.bodies[place], "a version of message {n} is left");
            }
        }
    }
    let timer = all.iter().filter_map(|said| match &said.body {
        Body::Timer(timer) => Some((said.stamp(), timer.expires_after_ms)),
        _ => None,
    });
    let timer = timer.max_by_key(|(stamp, _)| *stamp).map(|(_, after)| after);
    assert_eq!(seen.timer.map(|timer| timer.expires_after_ms), timer);
    let _ = world;
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    proptest::collection::vec((0..2usize, 0..12u64, 0..5u8, 0..MESSAGES + 3, 0..9usize), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_order_of_arrival_makes_no_difference(plans in plans(), seeds in proptest::collection::vec(any::<u64>(), 4)) {
        let world = World::new();
        let all = say(&world, &plans);
        let order: Vec<&Said> = all.iter().collect();
        let mut txn = world.store.begin();
        take(&mut txn, &order);
        let expected = look(&world, &txn, &all);
        model(&world, &all, &expected);
        for seed in seeds {
            let order = shuffled(&order, seed);
            let mut txn = world.store.begin();
            take(&mut txn, &order);
            prop_assert_eq!(&look(&world, &txn, &all), &expected);
        }
    }

    #[test]
    fn neither_does_it_where_messages_come_without_their_bodies(plans in plans(), stubs in 1..64u8, seeds in proptest::collection::vec(any::<u64>(), 4)) {
        let world = World::new();
        let mut all = say(&world, &plans);
        let is_stub = |n: usize| n < MESSAGES && stubs & (1 << n) != 0;
        for n in (0..MESSAGES).filter(|n| is_stub(*n)) {
            all[n] = all[n].without_body();
        }
        let order: Vec<&Said> = all.iter().collect();
        let mut txn = world.store.begin();
        take(&mut txn, &order);
        let expected = look(&world, &txn, &all);
        for seed in seeds {
            let order = shuffled(&order, seed);
            let mut txn = world.store.begin();
            take(&mut txn, &order);
            let seen = look(&world, &txn, &all);
            prop_assert_eq!(&seen, &expected);
            for (place, said) in all.iter().enumerate() {
                if let Body::Edit(edit) = &said.body
                    && let Some(n) = all.iter().position(|other| other.event.id() == edit.target)
                    && is_stub(n)
                    && all[n].author == said.author
                {
                    prop_assert!(!seen.bodies[place], "a version of a message that others have erased");
                }
            }
        }
    }
}

fn shuffled<'a>(order: &[&'a Said], seed: u64) -> Vec<&'a Said> {
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

#[test]
fn pins_of_one_user_are_bounded_and_hide_nobody_elses_in_any_order() {
    const TEXTS: usize = 130;
    let world = World::new();
    let mut all: Vec<Said> = (0..TEXTS)
        .map(|n| world.event(CONVERSATION, 0, n, START, &Body::Message(Message::text("hello"))))
        .collect();
    let pin = |author, n: usize, clock, target, on| {
        let ext = Vec::new();
        world.event(CONVERSATION, author, n, clock, &Body::Pin(Pin { target, on, ext }))
    };
    let ids: Vec<EventId> = all.iter().map(|said| said.event.id()).collect();
    for (n, id) in ids.iter().enumerate() {
        all.push(pin(1, n, START + 10 + n as u64, *id, true));
    }
    // One more of somebody else, older than all of them; and one that counts in the place of another user's.
    all.push(pin(0, TEXTS, START + 1, ids[5], true));
    all.push(pin(0, TEXTS + 1, START + 1_000, ids[60], true));
    // The newest is taken away: that makes room for an older one.
    all.push(pin(1, TEXTS, START + 1_001, ids[TEXTS - 1], false));
    let mut ends = Vec::new();
    for seed in 0..4 {
        let mut txn = world.store.begin();
        let order: Vec<&Said> = all.iter().collect();
        let order = if seed == 0 { order } else { shuffled(&order, seed) };
        take(&mut txn, &order);
        let shown = annotations::pins(&txn, CONVERSATION, 1_000).unwrap();
        for said in &all[..TEXTS] {
            let state = state(&txn, &said.at, &said.event, &world.users[0]).unwrap();
            assert_eq!(
                state.pinned,
                shown.contains(&said.event.id()),
                "the list and the message say the same"
            );
        }
        let count = |who: usize| annotations::pins_of(&txn, CONVERSATION, &world.users[who]).unwrap();
        assert_eq!((count(0), count(1)), (1, annotations::MAX_PINS), "{seed}");
        ends.push(shown);
    }
    assert!(ends.iter().all(|end| *end == ends[0]));
    assert_eq!(ends[0].len(), annotations::MAX_PINS + 1);
    assert_eq!(ends[0][0], ids[60]);
    assert!(
        !ends[0].contains(&ids[5]),
        "the later pin of it counts, and is one too many"
    );
}

#[test]
fn one_user_cannot_fill_a_message_with_emoji() {
    let world = World::new();
    let mut all = say(&world, &[]);
    let target = all[0].event.id();
    for n in 0..150u32 {
        let emoji = char::from_u32(0x1F400 + n % 0x3E).unwrap();
        let tone = char::from_u32(0x1F3FB + n / 0x3E).unwrap();
        let body = Body::Reaction(Reaction {
            target,
            emoji: format!("{emoji}{tone}"),
            on: true,
            ext: Vec::new(),
        });
        all.push(world.event(CONVERSATION, 1, all.len(), START + u64::from(n), &body));
    }
    let mut ends = Vec::new();
    for reverse in [false, true] {
        let mut order: Vec<&Said> = all.iter().collect();
        if reverse {
            order.reverse();
        }
        let mut txn = world.store.begin();
        take(&mut txn, &order);
        let rows = annotations::said(&txn, CONVERSATION, &target).unwrap().reactions.len();
        assert_eq!(rows, 64);
        let seen = look(&world, &txn, &all).messages.swap_remove(0).0.reactions;
        assert_eq!(seen.len(), MAX_OWN_EMOJI);
        ends.push(seen);
    }
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn what_is_due_is_erased_in_time_and_not_before() {
    let world = World::new();
    let all = say(&world, &[(1, 0, 0, 5, 0)]);
    let mut txn = world.store.begin();
    take(&mut txn, &all.iter().collect::<Vec<_>>());
    let due = START + 5 + 60_000;
    assert_eq!(annotations::next_due(&txn).unwrap(), Some(due));
    let early = annotations::erase_due(&mut txn, due - 1).unwrap();
    assert!(early.changed.is_empty());
    assert!(look(&world, &txn, &all).bodies[5]);
    let late = annotations::erase_due(&mut txn, due).unwrap();
    assert!(late.changed.contains(&all[5].at) && late.due.is_none());
    let seen = look(&world, &txn, &all);
    assert_eq!(seen.messages[5].0.shown, Shown::Absent(Absent::Expired));
    assert_eq!(
        (seen.bodies[5], seen.bodies[MESSAGES + 1]),
        (false, false),
        "message and version"
    );
}

#[test]
fn views_are_counted_and_the_last_one_erases() {
    let world = World::new();
    let body = Body::Message(Message {
        visibility: 2,
        ..Message::text("look")
    });
    let said = world.event(CONVERSATION, 1, 0, START, &body);
    let mut txn = world.store.begin();
    take(&mut txn, &[&said]);
    let id = said.event.id();
    for left in [1, 0] {
        let (now_left, folded) = annotations::use_view(&mut txn, &said.at, &id, 2, NOW).unwrap();
        assert_eq!(now_left, left);
        assert!(folded.changed.contains(&said.at));
        let event = events::get(&txn, &said.at).unwrap().unwrap();
        let shown = state(&txn, &said.at, &event, &world.users[1]).unwrap().shown;
        let expected = if left == 0 {
            Shown::Absent(Absent::Viewed)
        } else {
            Shown::OnDemand { views_left: 1 }
        };
        assert_eq!((shown, event.body().is_some()), (expected, left > 0));
    }
}

#[test]
fn many_versions_are_erased_some_at_a_time_and_none_is_shown_meanwhile() {
    let world = World::new();
    let mut all = say(&world, &[]);
    let target = all[0].event.id();
    for n in 0..1_100u64 {
        all.push(world.edit(0, all.len(), START + n, target, "again"));
    }
    let mut txn = world.store.begin();
    take(&mut txn, &all.iter().collect::<Vec<_>>());
    let mut txn = world.next(txn);
    all.push(world.delete(0, all.len(), vec![target]));
    take(&mut txn, &all.last().into_iter().collect::<Vec<_>>());
    let left = |txn: &Txn<'_>| {
        let seen = look(&world, txn, &all);
        assert_eq!(seen.messages[0].0.shown, Shown::Absent(Absent::Deleted));
        assert_eq!(seen.messages[0].1, []);
        seen.bodies[MESSAGES + 1..].iter().filter(|b| **b).count()
    };
    assert_eq!(left(&txn), 1_100 - 999 + 1, "the deletion itself stays");
    let mut txn = world.next(txn);
    let folded = annotations::erase_due(&mut txn, NOW).unwrap();
    assert!(folded.due.is_none_or(|due| due > NOW));
    assert!(folded.changed.is_empty(), "it was told when it was deleted");
    assert_eq!(left(&txn), 1);
}

#[test]
fn what_one_transaction_erases_is_bounded_whatever_is_asked_for_in_it() {
    const TARGETS: u8 = 40;
    let world = World::new();
    let mut all = Vec::new();
    for target in 0..TARGETS {
        for n in 0..30 {
            all.push(world.edit(
                1,
                all.len(),
                START + n,
                EventId::from_bytes([target; 32]),
                "in its place",
            ));
        }
    }
    // A message of the same user with a body of its own comes last, when nothing is left to be spent.
    let own = world.event(CONVERSATION, 1, all.len(), START, &Body::Message(Message::text("mine")));
    let mut txn = world.store.begin();
    take(&mut txn, &all.iter().chain([&own]).collect::<Vec<_>>());
    world.store.commit(txn.into_batch()).unwrap();
    let halves: Vec<EventId> = (0..TARGETS).map(|n| EventId::from_bytes([n; 32])).collect();
    let (first, second) = halves.split_at(20);
    let deletes = [
        world.delete(1, all.len() + 1, first.to_vec()),
        world.delete(1, all.len() + 2, second.to_vec()),
        world.delete(1, all.len() + 3, vec![own.event.id()]),
    ];
    let mut txn = world.store.begin();
    take(&mut txn, &deletes.iter().collect::<Vec<_>>());
    let bodies = |txn: &Txn<'_>| {
        let has_body = |said: &&Said| events::get(txn, &said.at).unwrap().unwrap().body().is_some();
        all.iter().chain([&own]).filter(has_body).count()
    };
    assert_eq!(bodies(&txn), 1_201 - 1_000);
    assert!(txn.batch().len() < 2_200, "{}", txn.batch().len());
    let event = events::get(&txn, &own.at).unwrap().unwrap();
    let shown = state(&txn, &own.at, &event, &world.users[1]).unwrap().shown;
    assert_eq!((shown, event.body().is_some()), (Shown::Absent(Absent::Deleted), true));
    assert!(annotations::next_due(&txn).unwrap().is_some_and(|due| due <= NOW));
    let mut txn = world.next(txn);
    assert_eq!(annotations::erase_due(&mut txn, NOW).unwrap().due, None);
    assert_eq!(bodies(&txn), 0);
}

#[test]
fn what_was_viewed_is_not_here_again_when_it_comes_again() {
    let world = World::new();
    let body = Body::Message(Message {
        visibility: 1,
        ..Message::text("look")
    });
    let said = world.event(CONVERSATION, 1, 0, START, &body);
    let mut txn = world.store.begin();
    take(&mut txn, &[&said]);
    annotations::use_view(&mut txn, &said.at, &said.event.id(), 1, NOW).unwrap();
    for reason_is_left in [true, false] {
        if !reason_is_left {
            let gone = [&[0x3a], said.event.id().as_bytes().as_slice()].concat();
            assert!(txn.get(&gone).unwrap().is_some());
            txn.delete(gone);
        }
        take(&mut txn, &[&said]);
        let event = events::get(&txn, &said.at).unwrap().unwrap();
        assert!(event.body().is_none());
        let shown = state(&txn, &said.at, &event, &world.users[1]).unwrap().shown;
        assert_eq!(shown, Shown::Absent(Absent::Viewed));
    }
}

#[test]
fn a_body_that_others_had_erased_is_refused_only_for_a_reason_of_ones_own() {
    let world = World::new();
    let said = world.event(CONVERSATION, 1, 0, START, &Body::Message(Message::text("here")));
    let edit = world.edit(1, 1, START + 1, said.event.id(), "there");
    let of_other = world.delete(0, 2, vec![said.event.id()]);
    let of_author = world.delete(1, 3, vec![said.event.id()]);
    let mut txn = world.store.begin();
    take(&mut txn, &[&said.without_body(), &edit.without_body(), &of_other]);
    let refused = |txn: &Txn<'_>, said: &Said| annotations::is_erased_here(txn, &said.at, &said.event).unwrap();
    assert!(!refused(&txn, &said));
    assert!(refused(&txn, &edit), "a version of what is not here");
    take(&mut txn, &[&said]);
    assert!(!refused(&txn, &edit));
    take(&mut txn, &[&of_author]);
    assert!(refused(&txn, &said) && refused(&txn, &edit));
}

#[test]
fn replies_hear_of_an_edit_only_if_what_they_quote_is_another_and_not_all_of_them() {
    let world = World::new();
    let long = "heron ".repeat(40);
    let message = world.event(CONVERSATION, 0, 0, START, &Body::Message(Message::text(long.as_str())));
    let target = message.event.id();
    let mut all = vec![message];
    for n in 1..20 {
        let reply = Message {
            reply_to: Some(target),
            ..Message::text("why?")
        };
        all.push(world.event(CONVERSATION, 1, n, START + n as u64, &Body::Message(reply)));
    }
    let mut txn = world.store.begin();
    take(&mut txn, &all.iter().collect::<Vec<_>>());
    let mut told = |n: usize, text: String| {
        let edit = world.edit(0, n, START + n as u64, target, &text);
        events::put(&mut txn, &edit.at, &edit.event);
        fold(&mut txn, &edit.at, &edit.event, false, NOW).unwrap().changed.len()
    };
    assert_eq!(told(30, format!("{long} and more")), 1);
    assert_eq!(told(31, format!("a {long}")), 1 + 8);
    assert_eq!(told(32, format!("a {long}, again")), 1);
}

#[test]
fn a_repair_that_was_cut_short_is_done_again() {
    let world = World::new();
    let all = say(
        &world,
        &[
            (0, 0, 0, 0, 0),
            (0, 1, 1, 2, 0),
            (1, 2, 2, 0, 1),
            (0, 3, 3, 0, 1),
            (1, 4, 4, 0, 1),
        ],
    );
    let mut txn = world.store.begin();
    take(&mut txn, &all.iter().collect::<Vec<_>>());
    let expected = look(&world, &txn, &all);
    let due = annotations::next_due(&txn).unwrap();
    assert!(due.is_some() && expected.pins.len() == 1 && expected.timer.is_some());
    world.store.commit(txn.into_batch()).unwrap();
    // As it is left by a process that is stopped between forgetting what events say and gathering it again.
    let mut batch = Batch::new();
    for kind in [0x38, 0x39, 0x3c, 0x3f] {
        for key in world.store.db().scan_keys(&[kind], &[kind + 1]) {
            batch.delete(key.unwrap());
        }
    }
    batch.put(vec![0x01, 17], vec![1, 1]);
    world.store.commit(batch).unwrap();
    let (world, damage) = world.opened_again();
    assert_eq!(damage, [Damage::HalfRepaired]);
    assert_eq!(look(&world, &world.store.begin(), &all), expected);
    assert_eq!(annotations::next_due(&world.store).unwrap(), due);
    // Who looks through them drops those of others.
    assert_eq!(annotations::sent_once(&world.store, None, 10).unwrap(), [all[3].at]);
    let (_, damage) = world.opened_again();
    assert_eq!(damage, []);
}

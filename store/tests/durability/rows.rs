//! One row of each table, with values that say nothing but are all different: how it is written, and what reading it has to give.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{
    Audience, CardDetails, ChainSender, Control, ConversationId, DeviceId, EnvelopePrefix, EventId, FirstFlight,
    Intervals, ListReference, Policy, PrekeySecret, SendingChain, Session, UserId, initiate, parse,
};
use parlour_store::chains::{self, OwnChain, Which};
use parlour_store::contacts::{self, ContactRow, ContactState, InviteRefusal};
use parlour_store::conversations::{self, ConversationKind, ConversationRow};
use parlour_store::devices::{self, DeviceRow};
use parlour_store::feed::{self, FeedRow};
use parlour_store::invites::{self, InviteRow};
use parlour_store::meta::{self, CounterName};
use parlour_store::registers::{self, OwnProfile, Register, Settings, Trust};
use parlour_store::rooms::{self, MemberRow, RoomRow, Standing};
use parlour_store::sessions::{self, SessionInfo};
use parlour_store::timeline::{self, Position, TimelineEntry};
use parlour_store::{
    ConversationNo, DeviceNo, EventKey, LogKey, Store, Txn, client_ids, logs, outbox, prekeys, read_marks, requests,
    system,
};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::annotated::START;

/// A table, what writes a row of it, and whether a store has that row.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) write: Box<dyn Fn(&mut Txn<'_>)>,
    pub(crate) holds: Box<dyn Fn(&Store) -> bool>,
}

fn table(
    name: &'static str,
    write: impl Fn(&mut Txn<'_>) + 'static,
    holds: impl Fn(&Store) -> bool + 'static,
) -> Table {
    Table {
        name,
        write: Box::new(write),
        holds: Box::new(holds),
    }
}

/// A conversation that the annotated ones are not.
const ROOM: ConversationNo = ConversationNo(3);
const DEVICE: DeviceNo = DeviceNo(3);
const LOG: LogKey = LogKey {
    conversation: ROOM,
    device: DEVICE,
    log: 9,
};
const AT: EventKey = EventKey {
    log: LOG,
    seq: 4,
    branch: 1,
};

fn user(n: u8) -> UserId {
    UserId::from_bytes([n; 32])
}

fn event(n: u8) -> EventId {
    EventId::from_bytes([n; 32])
}

fn seqs() -> Intervals {
    [1, 2, 5, 9].into_iter().collect()
}

fn details() -> CardDetails {
    CardDetails {
        about: "about".to_owned(),
        pronouns: "she".to_owned(),
        status: "away".to_owned(),
        emoji: "🎉".to_owned(),
        status_expires: 7,
        avatar: vec![8; 9].into(),
    }
}

pub(crate) fn tables() -> Vec<Table> {
    let mut all = people();
    all.extend(conversation_rows());
    all.extend(keys());
    all.extend(room_rows());
    all.extend(register_rows());
    all
}

fn people() -> Vec<Table> {
    let states = [
        ContactState::Invited {
            token: [1; 16],
            bundle_hash: [2; 32],
            expires: 3,
            refused: Some(InviteRefusal::Expired),
        },
        ContactState::Accepted,
        ContactState::Asked {
            token: [4; 16],
            expires: 5,
            note: "note".to_owned(),
            told: Some(6),
        },
        ContactState::Former,
    ];
    let contact = |n: u8, state: ContactState| ContactRow {
        user: user(100 + n),
        petname: Some("pet".to_owned()),
        name: "name".to_owned(),
        device_list: vec![1, 2, n],
        state,
        peer: vec![3; 38],
        addresses: vec![vec![4; 8], vec![5; 9]],
        created: 1_234,
    };
    let contacts: Vec<_> = (0..).zip(states).map(|(n, state)| contact(n, state)).collect();
    let device = DeviceRow {
        id: DeviceId::from_bytes([77; 32]),
        user: user(77),
        certificate: vec![1; 5],
        bundle: vec![2; 6],
        peer: vec![3; 38],
        addresses: vec![vec![4; 8]],
        good_addresses: vec![vec![5; 9]],
        last_seen: 99,
    };
    let invite = InviteRow {
        token: [6; 16],
        created: 1,
        expires: 2,
        max_uses: 3,
        used_by: vec![user(4)],
        revoked: true,
    };
    let request = requests::RequestRow {
        user: user(5),
        link: "parlour:link".to_owned(),
        name: "name".to_owned(),
        note: "note".to_owned(),
        received: 1,
        expires: 2,
        declined: Some(3),
    };
    let asking = requests::AskingRow {
        token: [7; 16],
        user: user(6),
        expires: 8,
        revoked: true,
    };
    let written = (
        contacts.clone(),
        device.clone(),
        invite.clone(),
        request.clone(),
        asking.clone(),
    );
    vec![
        table(
            "contacts",
            move |txn| written.0.iter().for_each(|row| contacts::put(txn, row)),
            move |store| {
                contacts
                    .iter()
                    .all(|row| contacts::get(store, &row.user).unwrap().as_ref() == Some(row))
            },
        ),
        table(
            "devices",
            move |txn| drop(devices::put(txn, &written.1).unwrap()),
            move |store| {
                let no = devices::number(store, &device.id).unwrap().unwrap();
                assert_eq!(devices::of_user(store, &device.user).unwrap(), [no]);
                assert_eq!(devices::id_of(store, no).unwrap(), Some(device.id));
                devices::get(store, no).unwrap().as_ref() == Some(&device)
            },
        ),
        table(
            "cards",
            |txn| {
                contacts::put_details(txn, &user(1), &details());
                contacts::set_shares_presence(txn, &user(1), true);
            },
            |store| {
                contacts::details(store, &user(1)).unwrap() == details()
                    && contacts::shares_presence(store, &user(1)).unwrap()
            },
        ),
        table(
            "invites",
            move |txn| invites::put(txn, &written.2),
            move |store| invites::all(store).unwrap() == std::slice::from_ref(&invite),
        ),
        table(
            "requests",
            move |txn| {
                requests::put(txn, &written.3);
                requests::put_asking(txn, &written.4);
            },
            move |store| {
                requests::all(store).unwrap() == std::slice::from_ref(&request)
                    && requests::all_asking(store).unwrap() == std::slice::from_ref(&asking)
            },
        ),
    ]
}

fn conversation() -> ConversationRow {
    ConversationRow {
        id: ConversationId::from_bytes([9; 32]),
        kind: ConversationKind::Room,
        created: 1,
        heads: vec![(2, event(3)), (4, event(5))],
        last_seq: 6,
        read_seq: 5,
        unread: 1,
        missing: 2,
        last: Some((7, event(8), AT)),
        mentions: 3,
        ..first_conversation()
    }
}

/// Whatever a conversation has beside that is as it is made.
fn first_conversation() -> ConversationRow {
    thread_local!(static MADE: std::cell::OnceCell<ConversationRow> = const { std::cell::OnceCell::new() });
    MADE.with(|made| {
        made.get_or_init(|| {
            let world = crate::annotated::World::new();
            conversations::get(&world.store, crate::annotated::CONVERSATION)
                .unwrap()
                .unwrap()
        })
        .clone()
    })
}

fn feed_rows() -> Vec<FeedRow> {
    let (conversation, log, device) = (ROOM, 2, DEVICE);
    vec![
        FeedRow::Message { event: AT, room_seq: 5 },
        FeedRow::Sent {
            conversation,
            log,
            device,
            seqs: seqs(),
        },
        FeedRow::Delivered {
            conversation,
            log,
            device,
            seqs: seqs(),
        },
        FeedRow::Contact { user: user(1) },
        FeedRow::Conversation { conversation },
        FeedRow::Changed { event: AT },
        FeedRow::Read {
            conversation,
            log,
            device,
            seqs: seqs(),
        },
        FeedRow::Request { user: user(2) },
        FeedRow::System { event: AT },
        FeedRow::Report {
            conversation,
            target: event(3),
            by: user(4),
        },
    ]
}

fn conversation_rows() -> Vec<Table> {
    let log = logs::LogRow {
        have: seqs(),
        top: Some(event(1)),
        forked: true,
    };
    let delivery = logs::DeliveryRow {
        acked: [1, 2].into_iter().collect(),
        sent: seqs(),
    };
    let mark = read_marks::ReadMarkRow {
        clock: 1,
        event: event(2),
        noted: 3,
        arrived: 4,
    };
    let read = read_marks::ReadLogRow { seqs: seqs(), noted: 5 };
    let client = client_ids::ClientIdRow { event: AT, created: 6 };
    let control = outbox::OutboxRow {
        id: [1; 16],
        control: Control::Received { ids: vec![[2; 16]] },
        created: 3,
        envelope: Some(vec![4; 5].into()),
    };
    let place = Position { clock: 9, id: event(9) };
    let entry = TimelineEntry {
        at: place,
        event: AT,
        room_seq: 7,
    };
    let (log_too, delivery_too, read_too, client_too, control_too) = (
        log.clone(),
        delivery.clone(),
        read.clone(),
        client.clone(),
        control.clone(),
    );
    vec![
        table(
            "conversations",
            |txn| {
                let (no, made) = conversations::ensure(txn, &conversation().id, ConversationKind::Room, 1).unwrap();
                assert_eq!((no, made), (ROOM, true));
                conversations::put(txn, ROOM, &conversation());
            },
            |store| {
                assert_eq!(conversations::number(store, &conversation().id).unwrap(), Some(ROOM));
                assert_eq!(conversations::id_of(store, ROOM).unwrap(), Some(conversation().id));
                conversations::get(store, ROOM).unwrap() == Some(conversation())
            },
        ),
        table(
            "logs",
            move |txn| {
                logs::put(txn, &LOG, &log_too);
                logs::put_delivery(txn, &LOG, DEVICE, &delivery_too);
            },
            move |store| {
                logs::get(store, &LOG).unwrap() == log && logs::delivery(store, &LOG, DEVICE).unwrap() == delivery
            },
        ),
        table(
            "read marks",
            move |txn| {
                read_marks::put(txn, ROOM, DEVICE, &mark);
                read_marks::put_of_log(txn, &LOG, DEVICE, &read_too);
            },
            move |store| {
                read_marks::get(store, ROOM, DEVICE).unwrap() == Some(mark)
                    && read_marks::of_log(store, &LOG, DEVICE).unwrap() == read
            },
        ),
        table(
            "client ids",
            move |txn| client_ids::put(txn, ROOM, "client", &client_too),
            move |store| client_ids::get(store, ROOM, "client").unwrap().as_ref() == Some(&client),
        ),
        table(
            "outbox",
            move |txn| outbox::put(txn, DEVICE, &control_too),
            move |store| outbox::of_device(store, DEVICE).unwrap() == std::slice::from_ref(&control),
        ),
        table(
            "timeline",
            move |txn| {
                timeline::put(txn, ROOM, &entry);
                timeline::hold(txn, 5, &AT);
                timeline::mark_missing(txn, ROOM, &event(6)).unwrap();
                system::put(txn, &place, &AT);
            },
            move |store| {
                timeline::get(store, ROOM, &place).unwrap() == Some(entry)
                    && timeline::by_room_seq(store, ROOM, 7).unwrap() == Some(place)
                    && timeline::due(store, 5, 9).unwrap() == [(5, AT)]
                    && timeline::missing(store, ROOM, 9).unwrap() == [event(6)]
                    && system::all(store, ROOM)
                        .map(Result::unwrap)
                        .map(|entry| entry.event)
                        .eq([AT])
            },
        ),
        table(
            "feed",
            |txn| feed_rows().iter().for_each(|row| drop(feed::append(txn, row).unwrap())),
            |store| {
                let rows = feed::after(store, 0, 100).unwrap().into_iter().map(|(_, row)| row);
                feed_rows().iter().all(|wanted| rows.clone().any(|row| row == *wanted))
            },
        ),
        table(
            "counters",
            |txn| meta::set_counter(txn, CounterName::Card, 1_234_567),
            |store| meta::counter(store, CounterName::Card).unwrap() == 1_234_567,
        ),
    ]
}

fn session() -> Session {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let world = crate::annotated::World::new();
    let certs = [0, 1].map(|n| {
        let no = devices::number(&world.store, &world.keys[n].id()).unwrap().unwrap();
        let row = devices::get(&world.store, no).unwrap().unwrap();
        parlour_crypto::DeviceCert::verify(&row.certificate).unwrap()
    });
    let prekey = PrekeySecret::generate(&mut rng, 1);
    let bundle = prekey.bundle(&world.keys[1], &certs[1], START, START + 1_000);
    let list = ListReference {
        version: 1,
        hash: [1; 8],
    };
    let begun = initiate(
        &mut rng,
        &world.keys[0],
        &certs[0],
        list,
        &certs[1],
        &bundle,
        None,
        START,
    )
    .unwrap();
    let prefix = EnvelopePrefix { day: 1, tag: [7; 8] };
    let (mut theirs, envelope) = begun.seal(&mut rng, &prefix, b"hello").unwrap();
    let (prefix, body) = parse(&envelope).unwrap();
    let flight = FirstFlight::parse(body).unwrap();
    let opened = flight.open(
        &prefix,
        &world.keys[1],
        &certs[1],
        &prekey,
        bundle.hash(),
        None,
        |_| None,
        START,
    );
    let mut session = opened.unwrap().session;
    // One that is lost, so that a key is skipped.
    theirs.seal(&mut rng, 1, b"lost").unwrap();
    let envelope = theirs.seal(&mut rng, 1, b"again").unwrap();
    session.open(&envelope, START).unwrap();
    session
}

fn keys() -> Vec<Table> {
    let info = SessionInfo {
        device: DEVICE,
        confirmed: true,
        created: 5,
    };
    let prekey = || prekeys::PrekeyRow {
        serial: 4,
        secret: vec![1; 9].into(),
        bundle: vec![2; 9].into(),
        issued: 3,
        superseded: Some(5),
        device_list: vec![6; 9].into(),
    };
    let chain = || {
        let world = crate::annotated::World::new();
        let audience = Audience::new([world.keys[0].id()]).unwrap();
        let room = conversation().id;
        let chain = SendingChain::create(
            &mut ChaCha8Rng::seed_from_u64(4),
            &world.keys[0],
            room,
            [3; 32],
            &audience,
            START,
        );
        (world, chain)
    };
    let own = move || OwnChain {
        chain: chain().1,
        given: vec![DeviceNo(1), DEVICE],
        heads: vec![event(1)],
    };
    vec![
        table(
            "sessions",
            move |txn| sessions::save(txn, &info, &mut session()),
            move |store| {
                let all = sessions::all(store).unwrap();
                all.len() == 1 && all[0].0 == info && *all[0].1.core() == *session().core()
            },
        ),
        table(
            "prekeys",
            move |txn| {
                prekeys::put(txn, &prekey());
                let secret = vec![7; 9].into();
                prekeys::put_one_time(txn, 8, &prekeys::OneTimeRow { secret, expires: 9 });
                prekeys::mark_answered(txn, 4, &[1; 32]);
            },
            move |store| {
                let (row, wanted) = (prekeys::get(store, 4).unwrap().unwrap(), prekey());
                let one_time = prekeys::one_time(store, 8).unwrap().unwrap();
                assert_eq!((one_time.secret.as_slice(), one_time.expires), (&[7; 9][..], 9));
                assert!(prekeys::is_answered(store, 4, &[1; 32]).unwrap());
                (&row.secret, &row.bundle, row.issued, row.superseded, &row.device_list)
                    == (
                        &wanted.secret,
                        &wanted.bundle,
                        wanted.issued,
                        wanted.superseded,
                        &wanted.device_list,
                    )
            },
        ),
        table(
            "chains",
            move |txn| {
                chains::put_own(txn, ROOM, Which::Current, &own());
                chains::put_own(txn, ROOM, Which::Next, &own());
                let (world, chain) = chain();
                let no = devices::number(&world.store, &world.keys[0].id()).unwrap().unwrap();
                let row = devices::get(&world.store, no).unwrap().unwrap();
                let cert = parlour_crypto::DeviceCert::verify(&row.certificate).unwrap();
                let mut sender = ChainSender::new(conversation().id, &cert).unwrap();
                let (device, shared) = (world.keys[0].id(), chain.share(vec![]).unwrap());
                sender.take(&shared, &device, &device).unwrap();
                chains::save(txn, ROOM, DEVICE, &mut sender);
            },
            move |store| {
                let same = |which| {
                    let (kept, wanted) = (chains::own(store, ROOM, which).unwrap().unwrap(), own());
                    *kept.chain.to_bytes() == *wanted.chain.to_bytes()
                        && (kept.given, kept.heads) == (wanted.given, wanted.heads)
                };
                let records = chains::all_records(store).unwrap();
                same(Which::Current) && same(Which::Next) && records.contains_key(&(ROOM, DEVICE))
            },
        ),
    ]
}

fn room_rows() -> Vec<Table> {
    let room = RoomRow {
        standing: Standing::Asked {
            user: user(1),
            at: 2,
            refused: Some(3),
        },
        name: "garden".to_owned(),
        topic: "beans".to_owned(),
        slug: "garden".to_owned(),
        heads: vec![event(4)],
        members: 5,
        policy: Policy::default(),
        own_operations: 6,
    };
    let member = MemberRow {
        rank: 3,
        since: 4,
        history: 2,
        devices: vec![DeviceId::from_bytes([5; 32])],
        came: Some(event(6)),
    };
    let members = BTreeMap::from([(user(7), member)]);
    let banned = BTreeSet::from([user(8)]);
    let token = rooms::TokenRow {
        token: [1; 16],
        room: ROOM,
        expires: 2,
        knock: true,
    };
    let joining = rooms::JoiningRow {
        room: ROOM,
        user: user(1),
        peer: vec![2; 38],
        addresses: vec![vec![3; 8]],
        bundle_hash: [4; 32],
        token: [5; 16],
        expires: 6,
    };
    let request = rooms::RequestRow {
        name: "name".to_owned(),
        note: "note".to_owned(),
        device: DEVICE,
        at: 7,
    };
    let report = rooms::ReportRow {
        reason: "noise".to_owned(),
        at: 8,
        dismissed: true,
    };
    let (r, m, b) = (room.clone(), members.clone(), banned.clone());
    let (t, j, q, p) = (token.clone(), joining.clone(), request.clone(), report.clone());
    vec![
        table(
            "rooms",
            move |txn| {
                rooms::put(txn, ROOM, &r);
                rooms::set_members(txn, ROOM, &m).unwrap();
                rooms::set_banned(txn, ROOM, &b).unwrap();
                rooms::put_view(txn, ROOM, &[1; 32], &[event(2), event(3)]);
                rooms::put_name(txn, &user(9), "told");
                rooms::put_parted(txn, &user(10), 11);
                rooms::put_let_in(txn, &user(12), ROOM);
            },
            move |store| {
                assert_eq!(rooms::of_user(store, &user(7)).unwrap(), [ROOM]);
                assert_eq!(
                    rooms::view(store, ROOM, &[1; 32]).unwrap(),
                    Some(vec![event(2), event(3)])
                );
                assert_eq!(rooms::name_of(store, &user(9)).unwrap().as_deref(), Some("told"));
                assert_eq!(rooms::parted(store, &user(10)).unwrap(), Some(11));
                assert_eq!(rooms::let_in_by(store, &user(12)).unwrap(), 1);
                assert_eq!(rooms::banned(store, ROOM).unwrap(), banned);
                rooms::get(store, ROOM).unwrap().as_ref() == Some(&room)
                    && rooms::members(store, ROOM).unwrap() == members
            },
        ),
        table(
            "doors",
            move |txn| {
                rooms::put_token(txn, &t);
                rooms::put_joining(txn, &j);
                rooms::put_request(txn, ROOM, &user(1), &q);
                rooms::put_report(txn, ROOM, &event(1), &user(2), &p);
            },
            move |store| {
                rooms::tokens(store).unwrap() == std::slice::from_ref(&token)
                    && rooms::joining(store, ROOM).unwrap().as_ref() == Some(&joining)
                    && rooms::request(store, ROOM, &user(1)).unwrap().as_ref() == Some(&request)
                    && rooms::report(store, ROOM, &event(1), &user(2)).unwrap().as_ref() == Some(&report)
            },
        ),
    ]
}

fn register_rows() -> Vec<Table> {
    let (about, by) = (ConversationId::from_bytes([4; 32]), DeviceId::from_bytes([5; 32]));
    let settings = Settings {
        read_receipts: false,
        presence: false,
    };
    let trust = Trust::Changed {
        at: 1,
        verified_before: true,
    };
    let profile = OwnProfile {
        name: "Ann".to_owned(),
        details: details(),
    };
    let written = profile.clone();
    vec![table(
        "registers",
        move |txn| {
            let mut set = |register, value: &dyn Fn(&mut Txn<'_>, Register)| value(txn, register);
            set(Register::Settings, &|txn, at| {
                registers::set(txn, at, &settings, by, 1).unwrap()
            });
            set(Register::Blocked(user(1)), &|txn, at| {
                registers::set(txn, at, &2u64, by, 1).unwrap()
            });
            set(Register::Trust(user(1)), &|txn, at| {
                registers::set(txn, at, &trust, by, 1).unwrap()
            });
            set(Register::NewDevice(user(1)), &|txn, at| {
                registers::set(txn, at, &3u64, by, 1).unwrap()
            });
            set(Register::Profile, &|txn, at| {
                registers::set(txn, at, &written, by, 1).unwrap()
            });
            set(Register::Muted(about), &|txn, at| {
                registers::set(txn, at, &4u64, by, 1).unwrap()
            });
            set(Register::Archived(about), &|txn, at| {
                registers::set(txn, at, &true, by, 1).unwrap()
            });
            set(Register::Draft(about), &|txn, at| {
                registers::set(txn, at, &"draft", by, 1).unwrap()
            });
        },
        move |store| {
            let kept = registers::kept(store, &about).unwrap();
            assert_eq!(
                (kept.muted_until, kept.archived, kept.draft.as_str()),
                (4, true, "draft")
            );
            assert_eq!(registers::settings(store).unwrap(), settings);
            assert_eq!(registers::blocked(store, &user(1)).unwrap(), Some(2));
            assert_eq!(registers::trust(store, &user(1)).unwrap(), trust);
            assert_eq!(registers::get(store, Register::NewDevice(user(1))).unwrap(), Some(3u64));
            registers::get::<OwnProfile>(store, Register::Profile).unwrap().as_ref() == Some(&profile)
        },
    )]
}

//! One row of each table, with values that say nothing but are all different: how it is written, and what reading it has to give.

mod doors;
mod secrets;
mod talk;

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
const GONE: DeviceId = DeviceId::from_bytes([78; 32]);
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
    all.extend(talk::tables());
    all.extend(secrets::tables());
    all.extend(doors::tables());
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
            move |txn| {
                devices::put(txn, &written.1).unwrap();
            },
            move |store| {
                let no = devices::number(store, &device.id).unwrap().unwrap();
                assert_eq!(devices::of_user(store, &device.user).unwrap(), [no]);
                assert_eq!(devices::id_of(store, no).unwrap(), Some(device.id));
                devices::get(store, no).unwrap().as_ref() == Some(&device)
            },
        ),
        table(
            "who went, and what came late",
            |txn| {
                let mut row = DeviceRow {
                    id: GONE,
                    user: user(78),
                    certificate: vec![1; 5],
                    bundle: Vec::new(),
                    peer: Vec::new(),
                    addresses: Vec::new(),
                    good_addresses: Vec::new(),
                    last_seen: 98,
                };
                row.retire();
                let no = devices::put(txn, &row).unwrap();
                devices::put_left(txn, no, 9);
                contacts::put_removed(txn, &user(79), 10);
                timeline::mark_late(txn, ROOM, &event(11));
            },
            |store| {
                let no = devices::number(store, &GONE).unwrap().unwrap();
                devices::left(store, no).unwrap() == Some(9)
                    && contacts::removed(store, &user(79)).unwrap() == Some(10)
                    && timeline::is_late(store, ROOM, &event(11)).unwrap()
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

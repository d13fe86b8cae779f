//! Rooms, and who comes into them.

use super::*;

pub(super) fn tables() -> Vec<Table> {
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
        door: rooms::Door::Elsewhere(DEVICE),
        at: 7,
        told: vec![DEVICE],
        answer: Some(rooms::Answer::TurnedAway(8)),
    };
    let report = rooms::ReportRow {
        reason: "noise".to_owned(),
        at: 8,
        dismissed: true,
    };
    let heard = rooms::HeardRow {
        creator: user(1),
        name: "garden".to_owned(),
        topic: "beans".to_owned(),
        members: 2,
        created: 3,
        link: "parlour:".to_owned(),
        peer: vec![4; 38],
        contact: Some(user(7)),
        seen: 5,
    };
    let listed = parlour_crypto::ConversationId::from_bytes([6; 32]);
    let h = heard.clone();
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
                rooms::set_picture(txn, ROOM, b"a picture").unwrap();
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
                assert_eq!(rooms::picture(store, ROOM).unwrap().as_deref(), Some(&b"a picture"[..]));
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
                rooms::put_heard(txn, &listed, &h);
            },
            move |store| {
                rooms::tokens(store).unwrap() == std::slice::from_ref(&token)
                    && rooms::joining(store, ROOM).unwrap().as_ref() == Some(&joining)
                    && rooms::request(store, ROOM, &user(1)).unwrap().as_ref() == Some(&request)
                    && rooms::report(store, ROOM, &event(1), &user(2)).unwrap().as_ref() == Some(&report)
                    && rooms::heard(store, &listed).unwrap().as_ref() == Some(&heard)
            },
        ),
    ]
}

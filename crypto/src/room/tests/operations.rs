//! The forms of operations, and what is read of their events.

use super::*;
use crate::ids::UserId;

fn place(user: UserId, act: Act) -> Operation {
    let begins = matches!(act, Act::Create { .. });
    Operation {
        user,
        op_seq: if begins { 1 } else { 7 },
        parents: if begins {
            Vec::new()
        } else {
            vec![EventId::from_bytes([1; 32])]
        },
        act,
        ext: Vec::new(),
    }
}

fn list(person: &Person) -> Vec<u8> {
    let list = DeviceList::first(&person.identity, std::slice::from_ref(&person.cert), NOW).unwrap();
    list.as_bytes().to_vec()
}

fn create(person: &Person) -> Act {
    Act::Create {
        info: Info {
            name: Some("Room".to_owned()),
            topic: Some(String::new()),
            avatar: None,
        },
        policy: Policy::default(),
        device_list: list(person),
    }
}

fn acts() -> Vec<Act> {
    let (ann, user) = (person(1), person(2).identity.user_id());
    let last = LastSeq {
        device: ann.keys.id(),
        log: 1,
        seq: 300,
    };
    vec![
        create(&ann),
        Act::Info(Info::default()),
        Act::Policy(Policy::default()),
        Act::Invite {
            user,
            role: 2,
            link: Some(LinkUse {
                link: EventId::from_bytes([2; 32]),
                number: 3,
            }),
        },
        Act::Join {
            invite: Some(EventId::from_bytes([2; 32])),
            device_list: list(&ann),
        },
        Act::Leave,
        Act::Remove {
            user,
            device: None,
            ban: true,
            purge: false,
            logs: vec![last],
            reason: "noise".to_owned(),
        },
        Act::Unban { user },
        Act::Role { user, role: 3 },
        Act::Transfer { user },
        Act::Link {
            token: link_token_hash(&[1; 16]),
            role: 1,
            uses: Some(10),
            expires: Some(NOW),
        },
        Act::RevokeLink {
            link: EventId::from_bytes([2; 32]),
        },
        Act::Devices {
            device_list: list(&ann),
            logs: vec![last],
        },
    ]
}

#[test]
fn every_act_has_one_form_and_its_number() {
    let user = person(1).identity.user_id();
    for (number, act) in acts().into_iter().enumerate() {
        let operation = place(user, act);
        let bytes = operation.encode().unwrap();
        let before = crate::codec::encode(&(user, operation.op_seq, &operation.parents)).len();
        assert_eq!(usize::from(bytes[before]), number);
        assert_eq!(Operation::decode(&bytes).as_ref(), Ok(&operation));
        for len in 0..bytes.len() {
            assert!(Operation::decode(&bytes[..len]).is_err(), "{operation:?} cut to {len}");
        }
        assert!(Operation::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn limits_are_kept() {
    let user = person(1).identity.user_id();
    let policy = |change: &dyn Fn(&mut Policy)| {
        let mut policy = Policy::default();
        change(&mut policy);
        place(user, Act::Policy(policy))
    };
    let with = |change: &dyn Fn(&mut Operation)| {
        let mut operation = place(user, Act::Leave);
        change(&mut operation);
        operation
    };
    let info = |info: Info| place(user, Act::Info(info));
    let invite = |role| place(user, Act::Invite { user, role, link: None });
    let link = |uses| {
        let token = [1; 32];
        place(
            user,
            Act::Link {
                token,
                role: 2,
                uses,
                expires: None,
            },
        )
    };
    let removal = |logs: usize, reason: usize| {
        let last = LastSeq {
            device: DeviceId::from_bytes([1; 32]),
            log: 0,
            seq: 0,
        };
        place(
            user,
            Act::Remove {
                user,
                device: None,
                ban: false,
                purge: false,
                logs: vec![last; logs],
                reason: "x".repeat(reason),
            },
        )
    };
    let id = |byte| EventId::from_bytes([byte; 32]);
    let refused = [
        with(&|operation| operation.op_seq = 0),
        with(&|operation| operation.op_seq = MAX_OP_SEQ + 1),
        with(&|operation| operation.op_seq = u32::MAX),
        with(&|operation| operation.parents.clear()),
        with(&|operation| operation.parents = vec![id(2), id(1)]),
        with(&|operation| operation.parents = vec![id(1), id(1)]),
        with(&|operation| operation.parents = (0..17).map(id).collect()),
        with(&|operation| operation.ext = vec![(1, Vec::new()); 17]),
        with(&|operation| operation.act = create(&person(1))),
        policy(&|policy| policy.post = 1),
        policy(&|policy| policy.invite = 6),
        policy(&|policy| policy.remove = 2),
        policy(&|policy| policy.roles = 6),
        policy(&|policy| policy.join = 4),
        policy(&|policy| policy.history = 4),
        policy(&|policy| policy.slow_mode_ms = MAX_SLOW_MODE_MS + 1),
        policy(&|policy| policy.expires_after_ms = Some(4999)),
        info(Info {
            name: Some(String::new()),
            ..Info::default()
        }),
        info(Info {
            name: Some("x".repeat(MAX_ROOM_NAME + 1)),
            ..Info::default()
        }),
        info(Info {
            topic: Some("x".repeat(MAX_TOPIC + 1)),
            ..Info::default()
        }),
        info(Info {
            avatar: Some(serde_bytes::ByteBuf::from(vec![0; 24 * 1024 + 1])),
            ..Info::default()
        }),
        invite(0),
        invite(3),
        place(user, Act::Role { user, role: 0 }),
        place(user, Act::Role { user, role: 5 }),
        link(Some(0)),
        link(Some(MAX_LINK_USES + 1)),
        removal(MAX_LAST_SEQS + 1, 0),
        removal(0, MAX_REASON + 1),
    ];
    for operation in refused {
        assert!(operation.encode().is_err(), "{operation:?}");
        assert!(
            Operation::decode(&crate::codec::encode(&operation)).is_err(),
            "{operation:?}"
        );
    }
    for operation in [
        removal(MAX_LAST_SEQS, MAX_REASON),
        link(Some(MAX_LINK_USES)),
        link(None),
    ] {
        assert!(Operation::decode(&operation.encode().unwrap()).is_ok());
    }
}

/// An event of the operation, in the room it makes or in [`ROOM`].
fn sign(person: &Person, operation: &Operation) -> VerifiedEvent {
    let bytes = crate::codec::encode(operation);
    let mut draft = Draft {
        kind: KIND_OPERATION,
        conversation: ROOM,
        device: person.keys.id(),
        log: 0,
        seq: 1,
        prev: None,
        parents: Vec::new(),
        clock: NOW,
        view: None,
    };
    if matches!(operation.act, Act::Create { .. }) {
        let unnamed = VerifiedEvent::sign(&person.keys, draft.clone(), [8; 16], &bytes).unwrap();
        draft.conversation = room_id(unnamed.header());
    }
    VerifiedEvent::sign(&person.keys, draft, [8; 16], &bytes).unwrap()
}

#[test]
fn a_room_has_the_id_its_creator_signed() {
    let (ann, bob) = (person(1), person(2));
    let operation = place(ann.cert.user(), create(&ann));
    let event = sign(&ann, &operation);
    let read = RoomOperation::read(&event, &ann.cert).unwrap();
    assert_eq!(read.room, event.header().conversation);
    assert_eq!(read.list.as_ref().unwrap().certified, [ann.keys.id()]);
    assert_eq!(
        room_id(event.header()),
        read.room,
        "what stands in its place does not matter"
    );

    // Everything that is signed is part of it.
    let mut changed = event.header().clone();
    changed.clock += 1;
    assert_ne!(room_id(&changed), read.room);
    let renamed = place(
        ann.cert.user(),
        Act::Create {
            info: Info {
                name: Some("Other".to_owned()),
                ..Info::default()
            },
            policy: Policy::default(),
            device_list: list(&ann),
        },
    );
    assert_ne!(sign(&ann, &renamed).header().conversation, read.room);

    // Somebody else's create operation, under this id.
    let draft = Draft {
        kind: KIND_OPERATION,
        conversation: read.room,
        device: bob.keys.id(),
        log: 0,
        seq: 1,
        prev: None,
        parents: Vec::new(),
        clock: NOW,
        view: None,
    };
    let body = crate::codec::encode(&place(bob.cert.user(), create(&bob)));
    let forged = VerifiedEvent::sign(&bob.keys, draft, [8; 16], &body).unwrap();
    assert_eq!(RoomOperation::read(&forged, &bob.cert), Err(OperationError::Room));
}

#[test]
fn an_operation_is_by_the_user_it_names_and_so_is_the_list_in_it() {
    let (ann, bob) = (person(1), person(2));
    let as_bob = sign(&ann, &place(bob.cert.user(), Act::Leave));
    assert_eq!(RoomOperation::read(&as_bob, &ann.cert), Err(OperationError::Author));
    assert_eq!(RoomOperation::read(&as_bob, &bob.cert), Err(OperationError::Author));
    let foreign_list = Act::Join {
        invite: None,
        device_list: list(&bob),
    };
    let foreign = sign(&ann, &place(ann.cert.user(), foreign_list));
    assert_eq!(RoomOperation::read(&foreign, &ann.cert), Err(OperationError::Author));
    let mut broken = list(&ann);
    *broken.last_mut().unwrap() ^= 1;
    let broken = Act::Devices {
        device_list: broken,
        logs: Vec::new(),
    };
    let broken = RoomOperation::read(&sign(&ann, &place(ann.cert.user(), broken)), &ann.cert);
    assert!(matches!(broken, Err(OperationError::List(_))));
    let erased = sign(&ann, &place(ann.cert.user(), Act::Leave)).into_stub();
    assert_eq!(
        RoomOperation::read(&erased, &ann.cert),
        Err(OperationError::NotAnOperation)
    );
    let message = event(&ann, ROOM, 1, "hello");
    assert_eq!(
        RoomOperation::read(&message, &ann.cert),
        Err(OperationError::NotAnOperation)
    );
}

#[test]
fn an_act_of_a_later_version_keeps_its_place() {
    let ann = person(1);
    let parents = vec![EventId::from_bytes([1; 32])];
    let place = crate::codec::encode(&(ann.cert.user(), 7u32, &parents));
    let body = |rest: &[u8]| [&place[..], rest].concat();
    let read = |body: &[u8]| {
        let draft = Draft {
            kind: KIND_OPERATION,
            conversation: ROOM,
            device: ann.keys.id(),
            log: 0,
            seq: 1,
            prev: None,
            parents: Vec::new(),
            clock: NOW,
            view: None,
        };
        RoomOperation::read(
            &VerifiedEvent::sign(&ann.keys, draft, [8; 16], body).unwrap(),
            &ann.cert,
        )
    };
    let later = read(&body(&[13, 1, 2, 3])).unwrap();
    assert_eq!((later.op_seq, &later.parents, later.act()), (7, &parents, None));
    assert_eq!(Operation::decode(&body(&[13])), Err(OperationError::NeedsNewerVersion));
    // 7 as two bytes is no second way to write it.
    let mut long = place.clone();
    long.splice(32..33, [0x87, 0]);
    assert!(read(&[&long[..], &[13]].concat()).is_err());
    assert!(read(&body(&[5, 0, 0])).is_err(), "a known act with a byte more");
}

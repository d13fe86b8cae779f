//! The forms of certificates, controls and links.

use super::*;

#[test]
fn a_chain_certificate_has_one_form_and_one_signer() {
    let (ann, bob) = (person(1), person(2));
    let chain = chain_of(&ann, ROOM, &audience(&[&ann]), 1);
    let good = chain.cert().as_bytes();
    let ann_key = SignerKey::read(ann.cert.signing_key()).unwrap();
    let bob_key = SignerKey::read(bob.cert.signing_key()).unwrap();
    let read = ChainCert::verify(good, &ann.keys.id(), &ann_key).unwrap();
    assert_eq!(&read, chain.cert());
    assert_eq!((read.room(), read.device(), *read.view()), (ROOM, ann.keys.id(), VIEW));
    assert_eq!(ChainCert::claimed(good).map(|(_, owner, _)| owner), Some(ann.keys.id()));
    let refused = ChainCert::verify(good, &ann.keys.id(), &bob_key);
    assert_eq!(refused, Err(ChainCertError::Signature));
    assert_eq!(
        ChainCert::verify(good, &bob.keys.id(), &ann_key),
        Err(ChainCertError::OtherDevice)
    );
    for (how, bad) in malformed(good, &[]) {
        assert!(ChainCert::verify(&bad, &ann.keys.id(), &ann_key).is_err(), "{how}");
    }
    let statement = crate::testing::fields(good)[0].1.clone();
    for (how, bad) in malformed(&statement, &[]) {
        let bad = with_field(good, 1, &bad);
        assert!(ChainCert::verify(&bad, &ann.keys.id(), &ann_key).is_err(), "{how}");
    }
    for tag in 2..=7 {
        let mut value = crate::testing::fields(&statement)[usize::from(tag) - 1].1.clone();
        value[0] ^= 1;
        let bad = with_field(good, 1, &with_field(&statement, tag, &value));
        assert!(
            ChainCert::verify(&bad, &ann.keys.id(), &ann_key).is_err(),
            "field {tag}"
        );
    }
    let newer = with_field(good, 1, &with_field(&statement, 1, &[2]));
    let refused = ChainCert::verify(&newer, &ann.keys.id(), &ann_key);
    assert_eq!(refused, Err(ChainCertError::Version { got: 2 }));
}

fn strict(control: &Control) {
    let bytes = control.encode().unwrap();
    assert_eq!(Control::decode(&bytes).as_ref(), Ok(control));
    for len in 0..bytes.len() {
        assert!(Control::decode(&bytes[..len]).is_err(), "cut to {len} bytes");
    }
    assert!(Control::decode(&[&bytes[..], &[0]].concat()).is_err(), "a byte more");
    let payload = Payload::Control {
        id: [1; 16],
        control: control.clone(),
    };
    assert_eq!(Payload::decode(&payload.encode().unwrap()), Ok(payload));
}

fn controls() -> Vec<Control> {
    let (ann, bob) = (person(1), person(2));
    let made_for = audience(&[&ann, &bob]);
    let mut shared = chain_of(&ann, ROOM, &made_for, 1)
        .share(vec![EventId::from_bytes([1; 32])])
        .unwrap();
    shared.proof = made_for.prove(&bob.keys.id());
    let list = DeviceList::first(&ann.identity, std::slice::from_ref(&ann.cert), NOW).unwrap();
    vec![
        Control::SenderChain {
            chains: vec![shared],
            ext: Vec::new(),
        },
        Control::KeyRequest {
            room: ROOM,
            chains: vec![(ann.keys.id(), [7; 16])],
            ext: vec![(1, vec![2])],
        },
        Control::RoomAsk(crate::RoomAsk {
            room: ROOM,
            token: Some([1; 16]),
            name: "Ann".to_owned(),
            device_list: list.as_bytes().to_vec(),
            note: "please".to_owned(),
            ext: Vec::new(),
        }),
        Control::RoomWelcome {
            room: ROOM,
            create: vec![1; 300],
            heads: vec![EventId::from_bytes([1; 32])],
            ext: Vec::new(),
        },
        Control::RoomRefused {
            room: ROOM,
            reason: 9,
            ext: Vec::new(),
        },
        Control::RoomHeads {
            room: ROOM,
            heads: Vec::new(),
            ext: Vec::new(),
        },
        Control::RoomOperations {
            room: ROOM,
            events: vec![serde_bytes::ByteBuf::from(vec![1; 300])],
            ext: Vec::new(),
        },
        Control::RoomReport {
            room: ROOM,
            target: EventId::from_bytes([7; 32]),
            reason: "x".repeat(crate::MAX_REPORT_REASON),
            ext: Vec::new(),
        },
        Control::RoomKnock(knock()),
        Control::RoomTurnedAway {
            room: ROOM,
            user: crate::UserId::from_bytes([8; 32]),
            at: 9,
            ext: Vec::new(),
        },
    ]
}

fn knock() -> crate::RoomKnock {
    crate::RoomKnock {
        room: ROOM,
        user: crate::UserId::from_bytes([8; 32]),
        at: 9,
        name: "x".repeat(crate::MAX_NAME),
        note: format!("please{}", "x".repeat(crate::MAX_REQUEST_NOTE - 6)),
        ext: Vec::new(),
    }
}

#[test]
fn the_controls_of_rooms_have_one_form() {
    for control in controls() {
        strict(&control);
        assert!(control.is_acknowledged());
    }
    let debug = format!("{:?}", controls());
    assert!(!debug.contains("please") && !debug.contains("header:"), "{debug}");
}

#[test]
fn the_controls_of_rooms_keep_their_limits() {
    let all = controls();
    let [
        Control::SenderChain { chains, .. },
        Control::KeyRequest { chains: asked, .. },
        ..,
    ] = &all[..]
    else {
        panic!("in that order")
    };
    let chain = |change: &dyn Fn(&mut SharedChain)| {
        let mut shared = chains[0].clone();
        change(&mut shared);
        Control::SenderChain {
            chains: vec![shared],
            ext: Vec::new(),
        }
    };
    let refused = [
        chain(&|shared| shared.cert.resize(513, 0)),
        chain(&|shared| shared.iteration = CHAIN_MESSAGES),
        chain(&|shared| shared.view = vec![EventId::from_bytes([1; 32]); MAX_VIEW_HEADS + 1]),
        chain(&|shared| shared.proof.as_mut().unwrap().path = vec![[0; 32]; 11]),
        chain(&|shared| shared.ext = vec![(1, Vec::new()); 17]),
        Control::SenderChain {
            chains: Vec::new(),
            ext: Vec::new(),
        },
        Control::SenderChain {
            chains: vec![chains[0].clone(); MAX_SHARED + 1],
            ext: Vec::new(),
        },
        Control::KeyRequest {
            room: ROOM,
            chains: vec![asked[0]; crate::MAX_KEY_REQUESTS + 1],
            ext: Vec::new(),
        },
        Control::RoomHeads {
            room: ROOM,
            heads: vec![EventId::from_bytes([1; 32]); crate::MAX_ROOM_HEADS + 1],
            ext: Vec::new(),
        },
        Control::RoomOperations {
            room: ROOM,
            events: Vec::new(),
            ext: Vec::new(),
        },
        Control::RoomReport {
            room: ROOM,
            target: EventId::from_bytes([7; 32]),
            reason: "x".repeat(crate::MAX_REPORT_REASON + 1),
            ext: Vec::new(),
        },
        Control::RoomKnock(crate::RoomKnock {
            name: "x".repeat(crate::MAX_NAME + 1),
            ..knock()
        }),
        Control::RoomKnock(crate::RoomKnock {
            note: "x".repeat(crate::MAX_REQUEST_NOTE + 1),
            ..knock()
        }),
        Control::RoomTurnedAway {
            room: ROOM,
            user: crate::UserId::from_bytes([8; 32]),
            at: 9,
            ext: vec![(1, Vec::new()); 17],
        },
    ];
    for control in refused {
        assert!(control.encode().is_err(), "{control:?}");
        let bytes = crate::codec::encode(&control);
        assert!(Control::decode(&bytes).is_err(), "{control:?}");
    }
    let most = Control::SenderChain {
        chains: vec![chains[0].clone(); MAX_SHARED],
        ext: Vec::new(),
    };
    assert!(most.encode().unwrap().len() < 32_768, "a full control fits an envelope");
    let unknown = [&[17][..], &[0; 40]].concat();
    assert_eq!(Control::decode(&unknown), Err(ControlError::NeedsNewerVersion));
}

#[test]
fn room_links_hold_what_a_stranger_needs_and_are_no_invites() {
    let invite = crate::Invite {
        user: person(1).identity.user_id(),
        peer: vec![1; 38],
        addresses: vec![vec![4; 12]; 4],
        bundle_hash: [2; 32],
        token: [3; 16],
        expires: NOW,
        name: Some("A room with a long name, as they".to_owned()),
    };
    let link = RoomLink {
        invite: invite.clone(),
        room: ROOM,
    };
    let text = link.to_link();
    assert!(text.len() <= 400, "{}", text.len());
    let read = RoomLink::parse(&format!(" {text}\n")).unwrap();
    assert_eq!((read.room, read.invite.token), (ROOM, invite.token));
    assert!(!read.invite.addresses.is_empty());
    assert!(crate::Invite::parse(&text).is_err() && crate::Link::parse(&text).is_err());
    assert!(RoomLink::parse(&invite.to_link()).is_err());
    assert!(RoomLink::parse(&text[..text.len() - 1]).is_err());
}

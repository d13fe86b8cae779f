//! What a member of a room, and whoever hands out links, can make: right keys and right checksums around anything.

use parlour_crypto::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::chains::{one_message, play};
use crate::links::{offer, tlv_of};
use crate::room::{NOW, ROOM, Room, forge, operation, padded};
use crate::{ROUNDS, mutate};

/// What stands before the signature of a wire event, and what behind it.
fn parts(wire: &[u8]) -> (&[u8], &[u8]) {
    let at = 2 + usize::from(u16::from_be_bytes([wire[0], wire[1]]));
    (&wire[2..at], &wire[at + 64..])
}

#[test]
fn whatever_a_member_seals_moves_no_reader_without_the_owners_signature() {
    let room = Room::new();
    let chain = room.chain(0);
    let wire = room.event(1).to_wire();
    let whole = [&[1][..], &wire].concat();
    for number in [0, 1, 5, 999] {
        assert!(one_message(&chain, &forge(&chain, number, number, &padded(&whole))));
        assert!(!one_message(
            &chain,
            &forge(&chain, number, number + 1, &padded(&whole))
        ));
    }
    assert!(!one_message(&chain, &forge(&chain, 1_000, 1_000, &padded(&whole))));
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    for _ in 0..ROUNDS {
        let number = rng.next_u32() % 4;
        let payload = mutate(&mut rng, &whole);
        let counts = one_message(&chain, &forge(&chain, number, number, &padded(&payload)));
        assert_eq!(counts, payload == whole, "what is not the owner's event counts");
        let body = mutate(&mut rng, &padded(&whole));
        one_message(&chain, &forge(&chain, number, number, &body[..body.len().min(40_000)]));
    }
}

#[test]
fn whatever_an_owner_signs_is_taken_whole_or_moves_nothing() {
    let room = Room::new();
    let chain = room.chain(0);
    let wire = room.event(1).to_wire();
    let (header, rest) = parts(&wire);
    let stub = [&[1][..], &room.signed(header, &[0])].concat();
    assert!(SignedEvent::decode(&stub[1..]).unwrap().is_stub());
    assert!(!one_message(&chain, &forge(&chain, 0, 0, &padded(&stub))));
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let mut counted = 0;
    for round in 0..ROUNDS {
        let (header, rest) = match round % 3 {
            0 => (mutate(&mut rng, header), rest.to_vec()),
            1 => (header.to_vec(), mutate(&mut rng, rest)),
            _ => (header.to_vec(), rest.to_vec()),
        };
        let payload = [&[1][..], &room.signed(&header, &rest)].concat();
        let counts = one_message(&chain, &forge(&chain, 0, 0, &padded(&payload)));
        if counts {
            let event = SignedEvent::decode(&payload[1..]).unwrap();
            assert_eq!(
                (event.header().device, event.header().conversation),
                (room.owner.id(), ROOM)
            );
            assert!(!event.is_stub());
            counted += 1;
        }
    }
    assert!(counted >= ROUNDS / 3, "{counted}");
}

#[test]
fn chains_come_and_go_in_any_order() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut counted = 0;
    for _ in 0..24 {
        let mut data = [0; 320];
        rng.fill_bytes(&mut data);
        counted += play(&data);
    }
    assert!(counted >= 40, "{counted} messages counted");
}

#[test]
fn whatever_is_signed_as_an_operation_is_read_or_refused() {
    let room = Room::new();
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    for act in acts(&room) {
        let begins = matches!(act, Act::Create { .. });
        let made = Operation {
            user: room.cert.user(),
            op_seq: 2,
            parents: vec![EventId::from_bytes([1; 32])],
            act,
            ext: vec![(1, vec![2])],
        };
        let good = encode(&made);
        // What makes a room is only good in the room it makes.
        assert_eq!(operation(&room, &good), !begins, "{made:?}");
        for _ in 0..ROUNDS / 3 {
            operation(&room, &mutate(&mut rng, &good));
        }
    }
}

/// One of each act.
fn acts(room: &Room) -> Vec<Act> {
    let list = DeviceList::first(&Identity::from_entropy(&[1; 32]), std::slice::from_ref(&room.cert), NOW).unwrap();
    let (device_list, user) = (list.as_bytes().to_vec(), UserId::from_bytes([3; 32]));
    let link = EventId::from_bytes([1; 32]);
    let logs = vec![LastSeq {
        device: room.reader,
        log: 1,
        seq: 2,
    }];
    let acts = vec![
        Act::Create {
            info: Info::default(),
            policy: Policy::default(),
            device_list: device_list.clone(),
        },
        Act::Info(Info {
            name: Some("Room".to_owned()),
            ..Info::default()
        }),
        Act::Policy(Policy::default()),
        Act::Invite {
            user,
            role: 2,
            link: Some(LinkUse { link, number: 1 }),
        },
        Act::Join {
            invite: Some(link),
            device_list: device_list.clone(),
        },
        Act::Leave,
        Act::Remove {
            user,
            device: None,
            ban: true,
            purge: true,
            logs: logs.clone(),
            reason: "noise".to_owned(),
        },
        Act::Unban { user },
        Act::Role { user, role: 2 },
        Act::Transfer { user },
        Act::Link {
            token: [1; 32],
            role: 2,
            uses: Some(3),
            expires: Some(NOW),
        },
        Act::RevokeLink { link },
        Act::Devices { device_list, logs },
    ];
    let numbers = acts.iter().map(|act| u32::from(encode(act)[0]));
    assert_eq!(
        numbers.collect::<Vec<_>>(),
        (0..KNOWN_ACTS).collect::<Vec<_>>(),
        "every act"
    );
    acts
}

#[test]
fn links_behind_a_right_checksum_say_the_same_again() {
    let user = UserId::from_bytes([3; 32]);
    let invite = RoomLink {
        invite: Invite {
            user,
            peer: vec![1; 38],
            addresses: vec![vec![4; 8]],
            bundle_hash: [2; 32],
            token: [1; 16],
            expires: NOW,
            name: None,
        },
        room: ROOM,
    };
    let address = ContactAddress {
        user,
        peer: vec![1; 38],
        addresses: vec![vec![4; 8], vec![5; 9]],
        name: Some("Ann".to_owned()),
    };
    let good = [
        (tlv_of(&address.to_link()), "address"),
        (tlv_of(&invite.invite.to_link()), "invite"),
        (tlv_of(&invite.to_link()), "room"),
    ];
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    for (tlv, what) in good {
        assert_eq!(offer(&tlv), Some(what));
        let mutations = (0..ROUNDS).map(|_| offer(&mutate(&mut rng, &tlv)));
        assert!(mutations.flatten().count() > 0, "no mutation of a link is one: {what}");
    }
}

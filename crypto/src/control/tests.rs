use super::*;

pub(crate) fn profile() -> Profile {
    Profile {
        name: "Ann".to_owned(),
        device_list: vec![1; 3],
        bundle: vec![2; 2],
        peer: vec![3],
        addresses: vec![vec![4, 4], vec![]],
        ext: vec![(300, vec![5])],
    }
}

fn have() -> Have {
    let log = LogHave {
        device: DeviceId::from_bytes([8; 32]),
        log: 2,
        have: Intervals::range(1, 300),
    };
    Have {
        conversation: ConversationId::from_bytes([7; 32]),
        full: true,
        logs: vec![log],
    }
}

fn all() -> [Control; 7] {
    [
        Control::ContactHello {
            token: Some([6; 16]),
            profile: profile(),
            ext: vec![],
        },
        Control::ContactAccept {
            profile: profile(),
            ext: vec![],
        },
        Control::Contact {
            profile: profile(),
            ext: vec![(1, vec![])],
        },
        Control::Have(have()),
        Control::Received {
            ids: vec![[9; 16], [1; 16]],
        },
        Control::Read(ReadMark {
            conversation: ConversationId::from_bytes([7; 32]),
            clock: 300,
            event: EventId::from_bytes([5; 32]),
        }),
        Control::ContactRequest {
            link: "parlour:".to_owned(),
            note: "hi".to_owned(),
            ext: vec![],
        },
    ]
}

#[test]
fn the_bytes_are_those_of_the_page() {
    let card = [
        3, b'A', b'n', b'n', 3, 1, 1, 1, 2, 2, 2, 1, 3, 2, 2, 4, 4, 0, 1, 0xAC, 0x02, 1, 5,
    ];
    let hello = [&[0, 1][..], &[6; 16], &card, &[0]].concat();
    assert_eq!(all()[0].encode().unwrap(), hello);
    assert_eq!(all()[1].encode().unwrap(), [&[1][..], &card, &[0]].concat());
    let held = [&[3][..], &[7; 32], &[1, 1], &[8; 32], &[2, 1, 1, 0xAC, 0x02]].concat();
    assert_eq!(all()[3].encode().unwrap(), held);
    assert_eq!(all()[4].encode().unwrap(), [&[4, 2][..], &[9; 16], &[1; 16]].concat());
    let read = [&[5][..], &[7; 32], &[0xAC, 0x02], &[5; 32]].concat();
    assert_eq!(all()[5].encode().unwrap(), read);
    assert_eq!(all()[6].encode().unwrap(), b"\x06\x08parlour:\x02hi\x00");
}

#[test]
fn controls_and_payloads_read_back_and_every_cut_or_longer_form_is_refused() {
    for control in all() {
        let bytes = control.encode().unwrap();
        assert_eq!(Control::decode(&bytes), Ok(control.clone()));
        for len in 0..bytes.len() {
            assert!(Control::decode(&bytes[..len]).is_err(), "{control:?} cut to {len}");
        }
        assert!(Control::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
        let mut overlong = bytes.clone();
        overlong[0] |= 0x80;
        overlong.insert(1, 0);
        assert_eq!(
            Control::decode(&overlong),
            Err(ControlError::Malformed(DecodeError::NotCanonical))
        );
        let payload = Payload::Control { id: [1; 16], control };
        assert_eq!(Payload::decode(&payload.encode().unwrap()), Ok(payload));
    }
    let event = Payload::Event(vec![1, 2, 3]);
    assert_eq!(event.encode().unwrap(), [1, 1, 2, 3]);
    assert_eq!(Payload::decode(&[1, 1, 2, 3]), Ok(event));
}

#[test]
fn what_is_newer_is_told_from_what_is_wrong() {
    assert_eq!(Control::decode(&[17]), Err(ControlError::NeedsNewerVersion));
    assert_eq!(
        Control::decode(&[]),
        Err(ControlError::Malformed(DecodeError::Malformed))
    );
    for kind in [0, 3, 255] {
        assert_eq!(Payload::decode(&[kind, 1]), Err(ControlError::NeedsNewerVersion));
    }
    assert_eq!(
        Payload::decode(&[]),
        Err(ControlError::Malformed(DecodeError::Malformed))
    );
    assert_eq!(
        Payload::decode(&[2, 1, 1]),
        Err(ControlError::Malformed(DecodeError::Malformed))
    );
}

#[test]
fn limits_hold_in_both_directions() {
    let over = |control: Control, name: &str| {
        let encoded = control.encode().map(|_| ());
        assert_eq!(encoded, Control::decode(&encode(&control)).map(|_| ()));
        assert!(
            matches!(encoded, Err(ControlError::OverLimit { field, .. }) if field == name),
            "{name}: {encoded:?}"
        );
    };
    let contact = |profile| Control::Contact { profile, ext: vec![] };
    over(
        contact(Profile {
            name: "a".repeat(65),
            ..profile()
        }),
        "name",
    );
    over(
        contact(Profile {
            peer: vec![0; 65],
            ..profile()
        }),
        "peer",
    );
    over(
        contact(Profile {
            addresses: vec![vec![]; 9],
            ..profile()
        }),
        "addresses",
    );
    over(
        contact(Profile {
            ext: vec![(0, vec![]); 17],
            ..profile()
        }),
        "ext",
    );
    over(
        Control::Contact {
            profile: profile(),
            ext: vec![(0, vec![]); 17],
        },
        "ext",
    );
    over(
        Control::Received {
            ids: vec![[0; 16]; 257],
        },
        "ids",
    );
    let log = |have| LogHave {
        have,
        ..self::have().logs[0].clone()
    };
    over(
        Control::Have(Have {
            logs: vec![log(Intervals::new()); 257],
            ..have()
        }),
        "logs",
    );
    let scattered: Intervals = (1..=65).map(|n| n * 2).collect();
    over(
        Control::Have(Have {
            logs: vec![log(scattered.clone())],
            ..have()
        }),
        "intervals",
    );
    assert!(
        Control::Have(Have {
            logs: vec![log(scattered.bounded(64))],
            ..have()
        })
        .encode()
        .is_ok()
    );
    let zero = Control::Have(Have {
        logs: vec![log(Intervals::range(0, 1))],
        ..have()
    });
    assert_eq!(zero.encode(), Err(ControlError::SeqZero));
    let large = contact(Profile {
        device_list: vec![0; MAX_CONTROL],
        ..profile()
    });
    assert!(matches!(
        large.encode(),
        Err(ControlError::OverLimit { field: "control", .. })
    ));
    assert!(matches!(
        Control::decode(&encode(&large)),
        Err(ControlError::Malformed(DecodeError::TooLong { .. }))
    ));
}

#[test]
fn acknowledgements_are_not_acknowledged() {
    assert_eq!(
        all().map(|control| control.is_acknowledged()),
        [true, true, true, false, false, true, true]
    );
}

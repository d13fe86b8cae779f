use super::*;

fn bundle(one_time: Option<(u32, [u8; 32])>) -> KnockResponse {
    KnockResponse::Bundle {
        device_list: vec![1],
        bundle: vec![2, 2],
        one_time,
    }
}

#[test]
fn the_bytes_are_those_of_the_page() {
    assert_eq!(
        KnockRequest::Bundle { hash: [7; 32] }.encode().unwrap(),
        [&[0][..], &[7; 32]].concat()
    );
    assert_eq!(
        KnockRequest::Deliver { envelope: vec![9, 9] }.encode().unwrap(),
        [1, 2, 9, 9]
    );
    let user = UserId::from_bytes([6; 32]);
    assert_eq!(
        KnockRequest::BundleOf { user }.encode().unwrap(),
        [&[2][..], &[6; 32]].concat()
    );
    let (nonce, envelope) = (300, vec![9, 9]);
    assert_eq!(
        KnockRequest::Ask { user, nonce, envelope }.encode().unwrap(),
        [&[3][..], &[6; 32], &[0xAC, 0x02, 2, 9, 9]].concat()
    );
    assert_eq!(KnockResponse::Nothing.encode().unwrap(), [0]);
    let expected = [&[1, 1, 1, 2, 2, 2, 1, 0xAC, 0x02][..], &[5; 32]].concat();
    assert_eq!(bundle(Some((300, [5; 32]))).encode().unwrap(), expected);
    assert_eq!(KnockResponse::Received.encode().unwrap(), [2]);
    assert_eq!(KnockRequest::Rooms.encode().unwrap(), [4]);
    assert_eq!(KnockRequest::RoomsChanged.encode().unwrap(), [6]);
    let rooms = vec![ListedRoom {
        create: vec![9, 9],
        link: "parlour:".to_owned(),
        ..listed(3)
    }];
    let expected = [&[4, 1, 2, 9, 9, 8][..], b"parlour:", &[3], b"aaa", &[0, 0xAC, 2, 0]].concat();
    assert_eq!(KnockResponse::Rooms { rooms }.encode().unwrap(), expected);
}

/// A room whose name is so long.
fn listed(length: usize) -> ListedRoom {
    ListedRoom {
        create: Vec::new(),
        link: String::new(),
        name: "a".repeat(length),
        topic: String::new(),
        members: 300,
        ext: Vec::new(),
    }
}

#[test]
fn requests_and_responses_read_back_and_every_cut_or_longer_form_is_refused() {
    for request in [
        KnockRequest::Bundle { hash: [7; 32] },
        KnockRequest::Deliver {
            envelope: vec![9; 49_152],
        },
        KnockRequest::BundleOf {
            user: UserId::from_bytes([6; 32]),
        },
        KnockRequest::Ask {
            user: UserId::from_bytes([6; 32]),
            nonce: u64::MAX,
            envelope: vec![9; MAX_ASKING_ENVELOPE],
        },
        KnockRequest::Rooms,
        KnockRequest::Link {
            nonce: [1; 16],
            proof: [2; 16],
        },
        KnockRequest::RoomsChanged,
    ] {
        let bytes = request.encode().unwrap();
        assert_eq!(KnockRequest::decode(&bytes), Ok(request));
        assert!((0..bytes.len().min(300)).all(|len| KnockRequest::decode(&bytes[..len]).is_err()));
        assert!(KnockRequest::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    }
    for response in [
        KnockResponse::Nothing,
        bundle(None),
        bundle(Some((1, [5; 32]))),
        KnockResponse::Received,
        KnockResponse::Rooms {
            rooms: vec![listed(128); MAX_LISTED],
        },
        KnockResponse::Member {
            proof: [3; 16],
            device_list: vec![4; 300],
            bundle: vec![5; 1_500],
        },
    ] {
        let bytes = response.encode().unwrap();
        assert_eq!(KnockResponse::decode(&bytes), Ok(response));
        assert!((0..bytes.len()).all(|len| KnockResponse::decode(&bytes[..len]).is_err()));
        assert!(KnockResponse::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    }
}

#[test]
fn what_is_unknown_or_over_a_limit_is_refused() {
    assert_eq!(KnockRequest::decode(&[7]), Err(DecodeError::Malformed));
    let long = |room: ListedRoom| KnockResponse::Rooms { rooms: vec![room] };
    for refused in [
        KnockResponse::Rooms {
            rooms: vec![listed(1); MAX_LISTED + 1],
        },
        long(listed(129)),
        long(ListedRoom {
            create: vec![0; MAX_LISTED_CREATE + 1],
            ..listed(1)
        }),
        long(ListedRoom {
            link: "x".repeat(MAX_INVITE + 1),
            ..listed(1)
        }),
        long(ListedRoom {
            topic: "x".repeat(MAX_TOPIC + 1),
            ..listed(1)
        }),
    ] {
        let read = KnockResponse::decode(&encode(&refused));
        assert!(matches!(read, Err(DecodeError::TooLong { .. })), "{refused:?}");
    }
    assert_eq!(KnockResponse::decode(&[3]), Err(DecodeError::Malformed));
    assert_eq!(
        KnockResponse::decode(&encode(&bundle(Some((0, [5; 32]))))),
        Err(DecodeError::Malformed)
    );
    let asking = KnockRequest::Ask {
        user: UserId::from_bytes([6; 32]),
        nonce: 0,
        envelope: vec![0; MAX_ASKING_ENVELOPE + 1],
    };
    assert!(matches!(
        KnockRequest::decode(&encode(&asking)),
        Err(DecodeError::TooLong { .. })
    ));
    let large = KnockRequest::Deliver {
        envelope: vec![0; MAX_KNOCK],
    };
    assert!(matches!(large.encode(), Err(DecodeError::TooLong { .. })));
    assert!(matches!(
        KnockRequest::decode(&encode(&large)),
        Err(DecodeError::TooLong { .. })
    ));
    assert_eq!(KnockRequest::decode(&[0x81, 0, 0]), Err(DecodeError::NotCanonical));
}

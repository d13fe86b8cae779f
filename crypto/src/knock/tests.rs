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
    ] {
        let bytes = response.encode().unwrap();
        assert_eq!(KnockResponse::decode(&bytes), Ok(response));
        assert!((0..bytes.len()).all(|len| KnockResponse::decode(&bytes[..len]).is_err()));
        assert!(KnockResponse::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    }
}

#[test]
fn what_is_unknown_or_over_a_limit_is_refused() {
    assert_eq!(KnockRequest::decode(&[4]), Err(DecodeError::Malformed));
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

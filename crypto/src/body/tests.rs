use super::*;

fn full() -> Message {
    Message {
        reply_to: Some(EventId::from_bytes([1; 32])),
        thread: Some(EventId::from_bytes([2; 32])),
        mentions: vec![UserId::from_bytes([3; 32])],
        expires_after_ms: Some(300),
        ext: vec![(7, vec![1, 2])],
        ..Message::text("hé")
    }
}

#[test]
fn the_bytes_are_those_of_the_page() {
    let mut expected = vec![0, 3, b'h', 0xC3, 0xA9, 1];
    expected.extend_from_slice(&[1; 32]);
    expected.push(1);
    expected.extend_from_slice(&[2; 32]);
    expected.push(1);
    expected.extend_from_slice(&[3; 32]);
    expected.extend_from_slice(&[0, 1, 0xAC, 0x02, 1, 7, 2, 1, 2]);
    assert_eq!(full().encode().unwrap(), expected);
    assert_eq!(Body::read(KIND_MESSAGE, &expected), Ok(Body::Message(full())));
    assert_eq!(Message::text("a").encode().unwrap(), [0, 1, b'a', 0, 0, 0, 0, 0, 0]);
}

#[test]
fn every_truncation_and_every_longer_form_is_refused() {
    let bytes = full().encode().unwrap();
    for len in 0..bytes.len() {
        assert!(Message::decode(&bytes[..len]).is_err(), "cut to {len}");
    }
    assert_eq!(
        Message::decode(&[bytes.as_slice(), &[0]].concat()),
        Err(BodyError::Malformed(DecodeError::Trailing { bytes: 1 }))
    );
    let overlong = [0, 0x81, 0, b'a', 0, 0, 0, 0, 0, 0];
    assert_eq!(
        Message::decode(&overlong),
        Err(BodyError::Malformed(DecodeError::NotCanonical))
    );
    assert_eq!(
        Message::decode(&vec![0; MAX_WIRE_EVENT + 1]),
        Err(BodyError::Malformed(DecodeError::TooLong {
            got: MAX_WIRE_EVENT + 1,
            max: MAX_WIRE_EVENT
        }))
    );
}

#[test]
fn limits_hold_in_both_directions() {
    let both = |message: &Message| {
        let encoded = message.encode().map(|_| ());
        assert_eq!(encoded, Message::decode(&encode(message)).map(|_| ()));
        encoded
    };
    assert_eq!(both(&Message::text("")), Err(BodyError::EmptyText));
    assert_eq!(both(&Message::text("a".repeat(MAX_TEXT))), Ok(()));
    assert!(matches!(
        both(&Message::text("a".repeat(MAX_TEXT + 1))),
        Err(BodyError::OverLimit { field: "text", .. })
    ));
    let mentions = |count| Message {
        mentions: vec![UserId::from_bytes([1; 32]); count],
        ..full()
    };
    assert_eq!(both(&mentions(64)), Ok(()));
    assert!(matches!(
        both(&mentions(65)),
        Err(BodyError::OverLimit { field: "mentions", .. })
    ));
    let ext = |count| Message {
        ext: vec![(1, vec![]); count],
        ..full()
    };
    assert_eq!(both(&ext(16)), Ok(()));
    assert!(matches!(both(&ext(17)), Err(BodyError::OverLimit { field: "ext", .. })));
}

#[test]
fn what_is_newer_is_told_from_what_is_wrong() {
    assert_eq!(Body::read(2, b"anything"), Err(BodyError::NeedsNewerVersion));
    assert_eq!(
        Message::decode(&[1, 9, 9]),
        Err(BodyError::NeedsNewerVersion),
        "an unknown content"
    );
    assert_eq!(
        Message {
            visibility: 1,
            ..full()
        }
        .encode(),
        Err(BodyError::NeedsNewerVersion)
    );
    assert_eq!(Message::decode(&[]), Err(BodyError::Malformed(DecodeError::Malformed)));
    assert_eq!(
        Message::decode(&[0, 1, 0xFF, 0, 0, 0, 0, 0, 0]),
        Err(BodyError::Malformed(DecodeError::Malformed))
    );
}

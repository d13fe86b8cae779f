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
    assert_eq!(Body::read(7, b"anything"), Err(BodyError::NeedsNewerVersion));
    assert_eq!(
        Message::decode(&[1, 9, 9]),
        Err(BodyError::NeedsNewerVersion),
        "an unknown content"
    );
    assert_eq!(
        Message {
            visibility: 3,
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

const TARGET: EventId = EventId::from_bytes([5; 32]);

fn edit(text: &str) -> Body {
    Body::Edit(Edit {
        target: TARGET,
        content: Content::Text(text.to_owned()),
        mentions: vec![UserId::from_bytes([6; 32])],
        ext: Ext::new(),
    })
}

fn delete(targets: usize) -> Body {
    Body::Delete(Delete {
        targets: vec![TARGET; targets],
        ext: Ext::new(),
    })
}

fn reaction(emoji: &str) -> Body {
    Body::Reaction(Reaction {
        target: TARGET,
        emoji: emoji.to_owned(),
        on: true,
        ext: Ext::new(),
    })
}

fn timer(expires_after_ms: Option<u64>) -> Body {
    Body::Timer(Timer {
        expires_after_ms,
        ext: Ext::new(),
    })
}

#[test]
fn the_bytes_of_changes_are_those_of_the_page() {
    let target = [5; 32];
    let pin = Body::Pin(Pin {
        target: TARGET,
        on: true,
        ext: vec![(1, vec![9])],
    });
    let edited = [&target[..], &[0, 2, b'h', b'i', 1], &[6; 32], &[0]].concat();
    let reacted = [&target[..], &[4, 0xF0, 0x9F, 0x91, 0x8D, 1, 0]].concat();
    let cases: [(Body, u16, Vec<u8>); 5] = [
        (edit("hi"), 2, edited),
        (delete(2), 3, [&[2][..], &target, &target, &[0]].concat()),
        (reaction("👍"), 4, reacted),
        (pin, 5, [&target[..], &[1, 1, 1, 1, 9]].concat()),
        (timer(Some(5_000)), 6, vec![1, 0x88, 0x27, 0]),
    ];
    for (body, kind, bytes) in cases {
        assert_eq!(body.kind(), kind);
        assert_eq!(body.encode().unwrap(), bytes, "kind {kind}");
        for len in 0..bytes.len() {
            assert!(Body::read(kind, &bytes[..len]).is_err(), "kind {kind} cut to {len}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(Body::read(kind, &longer).is_err(), "kind {kind}, longer");
        assert_eq!(Body::read(kind, &bytes), Ok(body), "kind {kind}");
    }
}

fn both(body: &Body) -> Result<(), BodyError> {
    let encoded = body.encode().map(|_| ());
    let bytes = match body {
        Body::Message(inner) => encode(inner),
        Body::Edit(inner) => encode(inner),
        Body::Delete(inner) => encode(inner),
        Body::Reaction(inner) => encode(inner),
        Body::Pin(inner) => encode(inner),
        Body::Timer(inner) => encode(inner),
    };
    assert_eq!(encoded, Body::read(body.kind(), &bytes).map(|_| ()));
    encoded
}

#[test]
fn limits_of_changes_hold_in_both_directions() {
    let over = |body: &Body| match both(body) {
        Err(BodyError::OverLimit { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(both(&edit("")), Err(BodyError::EmptyText));
    assert_eq!(both(&edit(&"a".repeat(MAX_TEXT))), Ok(()));
    assert_eq!(over(&edit(&"a".repeat(MAX_TEXT + 1))), "text");
    assert_eq!(both(&delete(0)), Err(BodyError::NoTarget));
    assert_eq!(both(&delete(64)), Ok(()));
    assert_eq!(over(&delete(65)), "targets");
    for wrong in ["", "ok", "👍👍", "1"] {
        assert_eq!(both(&reaction(wrong)), Err(BodyError::NotEmoji), "{wrong:?}");
    }
    assert_eq!(over(&reaction(&"👍".repeat(17))), "emoji");
    for right in [None, Some(MIN_TIMER_MS), Some(MAX_TIMER_MS)] {
        assert_eq!(both(&timer(right)), Ok(()));
    }
    for wrong in [0, MIN_TIMER_MS - 1, MAX_TIMER_MS + 1, u64::MAX] {
        let refused = both(&timer(Some(wrong)));
        assert!(matches!(refused, Err(BodyError::OutOfBounds { .. })), "{wrong}");
    }
    for visibility in [VISIBLE_ONCE, VISIBLE_TWICE] {
        assert_eq!(both(&Body::Message(Message { visibility, ..full() })), Ok(()));
    }
    let mut newer = [TARGET.as_bytes().as_slice(), &[1, 9]].concat();
    assert_eq!(Body::read(KIND_EDIT, &newer), Err(BodyError::NeedsNewerVersion));
    newer.truncate(10);
    assert!(matches!(Body::read(KIND_EDIT, &newer), Err(BodyError::Malformed(_))));
}

#[test]
fn times_outside_the_bounds_count_as_the_bounds() {
    let after = |expires_after_ms| {
        let message = Message {
            expires_after_ms,
            ..full()
        };
        message.expires_after()
    };
    assert_eq!(after(None), None);
    assert_eq!(after(Some(0)), Some(MIN_TIMER_MS));
    assert_eq!(after(Some(60_000)), Some(60_000));
    assert_eq!(after(Some(u64::MAX)), Some(MAX_TIMER_MS));
}

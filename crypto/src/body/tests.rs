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
        Message::decode(&[10, 9, 9]),
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
        Body::Vote(inner) => encode(inner),
        Body::ClosePoll(inner) => encode(inner),
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
    let mut newer = [TARGET.as_bytes().as_slice(), &[10, 9]].concat();
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

fn poll() -> Poll {
    Poll {
        question: "tea?".to_owned(),
        options: vec!["yes".to_owned(), "no".to_owned()],
        multiple: false,
        anonymous: true,
        closes_at: Some(300),
    }
}

fn vote(options: &[u8]) -> Body {
    Body::Vote(Vote {
        poll: TARGET,
        options: options.to_vec(),
        ext: Ext::new(),
    })
}

fn close(counted: &[u8]) -> Body {
    Body::ClosePoll(ClosePoll {
        poll: TARGET,
        counted: counted.iter().map(|byte| EventId::from_bytes([*byte; 32])).collect(),
        ext: Ext::new(),
    })
}

fn file(name: &str) -> SharedFile {
    SharedFile {
        id: [1; 32],
        key: [2; 32],
        size: 300,
        name: name.to_owned(),
        media_type: "image/png".to_owned(),
        thumbnail: vec![7, 8],
        caption: "look".to_owned(),
    }
}

#[test]
fn the_bytes_of_contents_are_those_of_the_page() {
    let name = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    let of_file = [
        &[1; 32][..],
        &[2; 32],
        &[0xAC, 2],
        &name("a.png"),
        &name("image/png"),
        &[2, 7, 8],
        &name("look"),
    ]
    .concat();
    let picture = Picture {
        file: file("a.png"),
        width: 2,
        height: 3,
    };
    let place = Location {
        latitude: EQUATOR,
        longitude: 1,
        accuracy_m: Some(5),
        name: "home".to_owned(),
    };
    let cases: [(Content, Vec<u8>); 9] = [
        (
            Content::Poll(poll()),
            [
                &[1][..],
                &name("tea?"),
                &[2],
                &name("yes"),
                &name("no"),
                &[0, 1, 1, 0xAC, 2],
            ]
            .concat(),
        ),
        (
            Content::Location(place),
            [&[2, 0x80, 0xD2, 0x93, 0xAD, 3, 1, 1, 5][..], &name("home")].concat(),
        ),
        (Content::File(file("a.png")), [&[3][..], &of_file].concat()),
        (Content::Image(picture.clone()), [&[4][..], &of_file, &[2, 3]].concat()),
        (
            Content::Video(Video {
                picture,
                duration_ms: 9,
            }),
            [&[5][..], &of_file, &[2, 3, 9]].concat(),
        ),
        (
            Content::Audio(Audio {
                file: file("a.png"),
                duration_ms: 9,
            }),
            [&[6][..], &of_file, &[9]].concat(),
        ),
        (
            Content::Voice(Voice {
                file: file("a.png"),
                duration_ms: 9,
                wave: vec![4, 5],
            }),
            [&[7][..], &of_file, &[9, 2, 4, 5]].concat(),
        ),
        (
            Content::Sticker(Sticker {
                emoji: "👍".to_owned(),
                name: "yes".to_owned(),
                file: None,
            }),
            [&[8][..], &name("👍"), &name("yes"), &[0]].concat(),
        ),
        (
            Content::Call(Call {
                video: true,
                outcome: CallOutcome::Missed,
                duration_ms: 0,
            }),
            vec![9, 1, 1, 0],
        ),
    ];
    for (content, bytes) in cases {
        let message = Message::new(content.clone());
        let whole = [bytes.as_slice(), &[0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(message.encode().unwrap(), whole, "{content:?}");
        assert_eq!(Message::decode(&whole), Ok(message));
        for len in 0..whole.len() {
            assert!(Message::decode(&whole[..len]).is_err(), "{content:?} cut to {len}");
        }
    }
    let votes = [&[5; 32][..], &[2, 0, 19, 0]].concat();
    assert_eq!(vote(&[0, 19]).encode().unwrap(), votes);
    assert_eq!(Body::read(KIND_VOTE, &votes), Ok(vote(&[0, 19])));
    let closed = [&[5; 32][..], &[2], &[1; 32], &[3; 32], &[0]].concat();
    assert_eq!(close(&[1, 3]).encode().unwrap(), closed);
    assert_eq!(Body::read(KIND_CLOSE_POLL, &closed), Ok(close(&[1, 3])));
}

#[test]
fn limits_of_contents_hold_in_both_directions() {
    let of = |content: Content| both(&Body::Message(Message::new(content)));
    let asked = |change: &dyn Fn(&mut Poll)| {
        let mut poll = poll();
        change(&mut poll);
        of(Content::Poll(poll))
    };
    let over = |result: Result<(), BodyError>, expected: &str| match result {
        Err(BodyError::OverLimit { field, .. }) => assert_eq!(field, expected),
        other => panic!("{expected}: {other:?}"),
    };
    assert_eq!(asked(&|_| {}), Ok(()));
    assert_eq!(
        asked(&|poll| poll.question.clear()),
        Err(BodyError::Empty { field: "question" })
    );
    over(asked(&|poll| poll.question = "a".repeat(1_025)), "question");
    over(asked(&|poll| poll.options[1] = "a".repeat(10_000)), "option");
    assert_eq!(
        asked(&|poll| poll.options[0] = "a\u{1b}[2J".to_owned()),
        Err(BodyError::ControlCharacter { field: "option" })
    );
    assert_eq!(
        asked(&|poll| poll.options.truncate(1)),
        Err(BodyError::TooFewOptions { got: 1, min: 2 })
    );
    assert_eq!(
        asked(&|poll| poll.options = (0..20).map(|n| n.to_string()).collect()),
        Ok(())
    );
    over(
        asked(&|poll| poll.options = (0..21).map(|n| n.to_string()).collect()),
        "options",
    );
    assert_eq!(
        asked(&|poll| poll.options[1] = "yes".to_owned()),
        Err(BodyError::OptionTwice)
    );
    let once = Message {
        visibility: VISIBLE_ONCE,
        ..Message::new(Content::Poll(poll()))
    };
    assert_eq!(both(&Body::Message(once)), Err(BodyError::NotOnDemand));

    assert_eq!(both(&vote(&[])), Ok(()));
    assert_eq!(both(&vote(&[20])), Err(BodyError::NoSuchOption));
    let twice = Err(BodyError::NotDistinct { field: "options" });
    assert_eq!((both(&vote(&[1, 1])), both(&vote(&[2, 1]))), (twice, twice));
    assert_eq!(both(&close(&[2, 2])), Err(BodyError::NotDistinct { field: "counted" }));
    let many = |count: u16| {
        let id = |n: u16| {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&n.to_be_bytes());
            EventId::from_bytes(bytes)
        };
        both(&Body::ClosePoll(ClosePoll {
            poll: TARGET,
            counted: (0..count).map(id).collect(),
            ext: Ext::new(),
        }))
    };
    assert_eq!(many(1_024), Ok(()));
    over(many(1_025), "counted");
}

#[test]
fn what_a_file_is_called_is_a_label() {
    let of = |content: Content| both(&Body::Message(Message::new(content)));
    for path in ["../a", "a/b", "a\\b", ".."] {
        assert_eq!(of(Content::File(file(path))), Err(BodyError::PathAsName), "{path}");
    }
    assert_eq!(
        of(Content::File(file("a\nb"))),
        Err(BodyError::ControlCharacter { field: "file name" })
    );
    for wrong in [
        "",
        "png",
        "image/",
        "/png",
        "image/p ng",
        "image/png/x",
        "image/p\u{e9}",
    ] {
        let media_type = wrong.to_owned();
        let file = SharedFile {
            media_type,
            ..file("a")
        };
        assert_eq!(of(Content::File(file)), Err(BodyError::NoMediaType), "{wrong:?}");
    }
    let thumbnail = vec![0; MAX_THUMBNAIL + 1];
    let large = SharedFile { thumbnail, ..file("a") };
    assert!(matches!(
        of(Content::File(large)),
        Err(BodyError::OverLimit { field: "thumbnail", .. })
    ));
    let nowhere = Location {
        latitude: 2 * EQUATOR + 1,
        longitude: 0,
        accuracy_m: None,
        name: String::new(),
    };
    assert_eq!(of(Content::Location(nowhere)), Err(BodyError::NoPlace));
    let long = Call {
        video: false,
        outcome: CallOutcome::Declined,
        duration_ms: 1,
    };
    assert_eq!(of(Content::Call(long)), Err(BodyError::LengthOfNoCall));
    let words = Content::File(file("report.pdf")).words();
    assert_eq!(words, "report.pdf\nlook");
    assert_eq!(Content::Poll(poll()).words(), "tea?\nyes\nno");
}

//! Bodies of every kind, with every content.

use std::collections::BTreeSet;

use parlour_crypto::*;

const TARGET: EventId = EventId::from_bytes([5; 32]);

fn ext() -> Ext {
    vec![(7, vec![1, 2])]
}

fn file() -> SharedFile {
    SharedFile {
        id: [1; 32],
        key: [2; 32],
        size: 70_000,
        name: "sea.png".to_owned(),
        media_type: "image/png".to_owned(),
        thumbnail: vec![7; 9],
        caption: "the sea".to_owned(),
    }
}

fn contents() -> Vec<Content> {
    let picture = Picture {
        file: file(),
        width: 640,
        height: 480,
    };
    vec![
        Content::Text("hello".to_owned()),
        Content::Poll(Poll {
            question: "When?".to_owned(),
            options: vec!["now".to_owned(), "later".to_owned()],
            multiple: true,
            anonymous: false,
            closes_at: Some(9),
        }),
        Content::Location(Location {
            latitude: EQUATOR,
            longitude: MERIDIAN,
            accuracy_m: Some(5),
            name: "Null Island".to_owned(),
        }),
        Content::File(file()),
        Content::Image(picture.clone()),
        Content::Video(Video {
            picture,
            duration_ms: 300,
        }),
        Content::Audio(Audio {
            file: file(),
            duration_ms: 300,
        }),
        Content::Voice(Voice {
            file: file(),
            duration_ms: 300,
            wave: vec![1, 2, 3],
        }),
        Content::Sticker(Sticker {
            emoji: "👍".to_owned(),
            name: "yes".to_owned(),
            file: Some(file()),
        }),
        Content::Call(Call {
            video: true,
            outcome: CallOutcome::Ended,
            duration_ms: 300,
        }),
    ]
}

pub(crate) fn bodies() -> Vec<Body> {
    let mentions = vec![UserId::from_bytes([3; 32])];
    let message = |content: Content| {
        let on_demand = content.can_be_on_demand();
        Body::Message(Message {
            reply_to: Some(TARGET),
            thread: Some(TARGET),
            mentions: mentions.clone(),
            visibility: if on_demand { VISIBLE_ONCE } else { VISIBLE_FOREVER },
            expires_after_ms: Some(MIN_TIMER_MS),
            ext: ext(),
            ..Message::new(content)
        })
    };
    let edit = |content: Content| {
        Body::Edit(Edit {
            target: TARGET,
            content,
            mentions: mentions.clone(),
            ext: ext(),
        })
    };
    let mut all: Vec<Body> = contents().into_iter().map(message).collect();
    all.extend(contents().into_iter().map(edit));
    all.extend([
        Body::Delete(Delete {
            targets: vec![TARGET; 2],
            ext: ext(),
        }),
        Body::Reaction(Reaction {
            target: TARGET,
            emoji: "👍".to_owned(),
            on: true,
            ext: ext(),
        }),
        Body::Pin(Pin {
            target: TARGET,
            on: true,
            ext: ext(),
        }),
        Body::Timer(Timer {
            expires_after_ms: Some(MIN_TIMER_MS),
            ext: ext(),
        }),
        Body::Vote(Vote {
            poll: TARGET,
            options: vec![0, 2],
            ext: ext(),
        }),
        Body::ClosePoll(ClosePoll {
            poll: TARGET,
            counted: vec![EventId::from_bytes([1; 32]), TARGET],
            ext: ext(),
        }),
    ]);
    all
}

#[test]
fn every_kind_and_every_content_is_among_the_samples() {
    let kinds: BTreeSet<u16> = bodies().iter().map(Body::kind).collect();
    assert_eq!(kinds, BODY_KINDS.iter().copied().collect());
    // A content begins with its number, which is below 128.
    let numbers = contents()
        .into_iter()
        .map(|content| u32::from(Message::new(content).encode().unwrap()[0]));
    assert_eq!(
        numbers.collect::<BTreeSet<_>>(),
        (0..KNOWN_CONTENTS).collect::<BTreeSet<_>>()
    );
    for body in bodies() {
        assert_eq!(Body::read(body.kind(), &body.encode().unwrap()), Ok(body));
    }
}

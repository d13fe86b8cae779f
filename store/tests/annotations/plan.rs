//! Many things said about few messages, and what must be seen then.

use std::collections::BTreeMap;

use parlour_crypto::{Body, Content, Delete, Edit, EventId, Message, Pin, Reaction, Timer};
use parlour_store::annotations;
use parlour_store::timeline::Position;
use parlour_store::view::{Absent, Shown, State, Version, state, versions};
use parlour_store::{Txn, events};

use crate::world::{CONVERSATION, ELSEWHERE, EMOJI, MESSAGES, START, Said, World};

/// What is to be said: who, when, what kind, about which message, a detail.
pub(crate) type Plan = (usize, u64, u8, usize, usize);

pub(crate) fn say(world: &World, plans: &[Plan]) -> Vec<Said> {
    let mut all = Vec::new();
    for n in 0..MESSAGES {
        let message = Message {
            // One has had its time by now, one has not.
            expires_after_ms: match n {
                4 => Some(5_000),
                5 => Some(60_000),
                _ => None,
            },
            visibility: u8::from(n == 3),
            reply_to: all.first().map(|first: &Said| first.event.id()),
            ..Message::text(format!("message {n}"))
        };
        let body = Body::Message(message);
        all.push(world.event(CONVERSATION, n % 2, n, START + n as u64, &body));
    }
    let away = Body::Message(Message::text("elsewhere"));
    all.push(world.event(ELSEWHERE, 0, MESSAGES, START, &away));
    for (n, (author, clock, kind, target, detail)) in plans.iter().enumerate() {
        let target = match all.get(*target) {
            Some(said) => said.event.id(),
            None => EventId::from_bytes([0xEE; 32]),
        };
        let ext = Vec::new();
        let on = detail % 3 != 0;
        let body = match kind {
            0 => Body::Edit(Edit {
                target,
                content: Content::Text(format!("edit {n}")),
                mentions: Vec::new(),
                ext,
            }),
            1 => Body::Delete(Delete {
                targets: vec![target],
                ext,
            }),
            2 => Body::Reaction(Reaction {
                target,
                emoji: EMOJI[detail % EMOJI.len()].to_owned(),
                on,
                ext,
            }),
            3 => Body::Pin(Pin { target, on, ext }),
            _ => Body::Timer(Timer {
                expires_after_ms: on.then_some(5_000 + *detail as u64),
                ext,
            }),
        };
        all.push(world.event(CONVERSATION, *author, all.len(), START + 100 + clock, &body));
    }
    all
}

#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) messages: Vec<(State, Vec<Version>)>,
    pub(crate) bodies: Vec<bool>,
    pub(crate) pins: Vec<EventId>,
    pub(crate) timer: Option<annotations::ConversationTimer>,
}

pub(crate) fn look(world: &World, txn: &Txn<'_>, all: &[Said]) -> Seen {
    let mut seen = Seen {
        messages: Vec::new(),
        bodies: Vec::new(),
        pins: annotations::pins(txn, CONVERSATION, 100).unwrap(),
        timer: annotations::timer(txn, CONVERSATION).unwrap(),
    };
    for said in &all[..=MESSAGES] {
        let event = events::get(txn, &said.at).unwrap().unwrap();
        assert_eq!(
            event.id(),
            said.event.id(),
            "what is left of it is still the same event"
        );
        let author = &world.users[said.author];
        let state = state(txn, &said.at, &event, author).unwrap();
        let versions = versions(txn, &said.at, &event, author, 100).unwrap();
        seen.messages.push((state, versions));
    }
    for said in all {
        let event = events::get(txn, &said.at).unwrap().unwrap();
        seen.bodies.push(event.body().is_some());
    }
    seen
}

/// What must be seen, found out in the simplest way.
pub(crate) fn model(world: &World, all: &[Said], seen: &Seen) {
    for (n, message) in all[..=MESSAGES].iter().enumerate() {
        let id = message.event.id();
        let here = n < MESSAGES;
        let by_author = |said: &&Said| here && said.author == message.author;
        let deleted = all.iter().filter(by_author).any(|said| match &said.body {
            Body::Delete(delete) => delete.targets.contains(&id),
            _ => false,
        });
        let edits = all.iter().filter(by_author).filter_map(|said| match &said.body {
            Body::Edit(edit) if edit.target == id => Some((said.stamp(), edit.content.clone())),
            _ => None,
        });
        let newest = edits
            .max_by_key(|(stamp, _)| *stamp)
            .map(|(_, content)| content.words());
        let expected = if deleted {
            Shown::Absent(Absent::Deleted)
        } else if n == 4 {
            Shown::Absent(Absent::Expired)
        } else if n == 3 {
            Shown::OnDemand { views_left: 1 }
        } else {
            let first = if here {
                format!("message {n}")
            } else {
                "elsewhere".to_owned()
            };
            Shown::Text(newest.unwrap_or(first))
        };
        let (state, _) = &seen.messages[n];
        assert_eq!(state.shown, expected, "message {n}");
        let gone = matches!(state.shown, Shown::Absent(_));
        assert_eq!(seen.bodies[n], !gone, "the body of message {n}");
        let mut last: BTreeMap<(usize, String), (Position, bool)> = BTreeMap::new();
        let mut pin: Option<(Position, bool)> = None;
        for said in all.iter().filter(|_| here && !gone) {
            match &said.body {
                Body::Reaction(reaction) if reaction.target == id => {
                    let entry = last
                        .entry((said.author, reaction.emoji.clone()))
                        .or_insert((said.stamp(), reaction.on));
                    *entry = (*entry).max((said.stamp(), reaction.on));
                }
                Body::Pin(to) if to.target == id => pin = pin.max(Some((said.stamp(), to.on))),
                _ => {}
            }
        }
        let on = last.values().filter(|(_, on)| *on).count();
        assert_eq!(state.reactions.iter().map(|r| r.users.len()).sum::<usize>(), on);
        let pinned = pin.is_some_and(|(_, on)| on);
        assert_eq!((state.pinned, seen.pins.contains(&id)), (pinned, pinned), "message {n}");
        for said in all {
            if let Body::Edit(edit) = &said.body
                && edit.target == id
                && said.author == message.author
                && gone
            {
                let place = all.iter().position(|other| other.at == said.at).unwrap();
                assert!(!seen.bodies[place], "a version of message {n} is left");
            }
        }
    }
    let timer = all.iter().filter_map(|said| match &said.body {
        Body::Timer(timer) => Some((said.stamp(), timer.expires_after_ms)),
        _ => None,
    });
    let timer = timer.max_by_key(|(stamp, _)| *stamp).map(|(_, after)| after);
    assert_eq!(seen.timer.map(|timer| timer.expires_after_ms), timer);
    let _ = world;
}

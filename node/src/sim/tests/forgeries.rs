//! Bad peers against a real engine: what is forged, malformed or repeated changes nothing, and honest talk goes on.

use bytes::Bytes;
use parlour_crypto::{
    Body, Content, DeviceKeys, Draft, Edit, Frame, Have, Intervals, KIND_MESSAGE, KnockRequest, KnockResponse, LogHave,
    Message, SignedEvent, VerifiedEvent,
};
use parlour_net::NetEvent;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::*;

#[test]
fn replayed_envelopes_and_knocks_change_nothing_even_after_a_restart() {
    let (mut sim, conversation) = Sim::friends(4);
    for n in 0..10 {
        sim.tell(n % 2, conversation, &format!("message {n}"));
        sim.wait(500);
    }
    sim.wait(5_000);
    for restart in [false, true] {
        if restart {
            for index in [0, 1] {
                sim.down(index, Crash::Killed);
                sim.start(index);
            }
            sim.wait(10_000);
        }
        let before = (sim.feed_of(0), sim.feed_of(1), sim.plain_texts(0, &conversation));
        for at in 0..sim.wire.len() {
            for index in [0, 1] {
                match &sim.wire[at] {
                    Wire::Envelope(data) => {
                        let (data, source) = (data.clone(), sim.nodes[1 - index].peer);
                        sim.nodes[index].turn(Input::Net(NetEvent::Envelope { data, source, topic: 0 }), sim.now);
                    }
                    Wire::Knock(data) => {
                        let data = data.clone();
                        let answer = sim.knock_at(index, 1 - index, &data);
                        assert!(
                            !matches!(answer, KnockResponse::Closed { .. }),
                            "a replay learns nothing"
                        );
                    }
                }
            }
        }
        sim.wait(5_000);
        assert_eq!(
            before,
            (sim.feed_of(0), sim.feed_of(1), sim.plain_texts(0, &conversation)),
            "restart: {restart}"
        );
    }
    sim.tell(0, conversation, "still talking");
    sim.wait(5_000);
    assert!(sim.plain_texts(1, &conversation).contains(&"still talking".to_owned()));
}

/// An event of `keys` that says it is the next one of ada's device.
fn forged(sim: &Sim, conversation: ConversationId, keys: &DeviceKeys) -> Vec<u8> {
    let body = Message {
        content: Content::Text("I am ada".to_owned()),
        reply_to: None,
        thread: None,
        mentions: Vec::new(),
        visibility: 0,
        expires_after_ms: None,
        ext: Vec::new(),
    };
    let draft = Draft {
        kind: KIND_MESSAGE,
        conversation,
        device: keys.id(),
        log: 1,
        seq: 1,
        prev: None,
        parents: Vec::new(),
        clock: sim.now,
        view: None,
    };
    let body = body.encode().expect("a body");
    VerifiedEvent::sign(keys, draft, [3; 16], &body)
        .expect("signed")
        .to_wire()
}

#[test]
fn forged_events_and_false_claims_on_a_friends_stream_are_dropped() {
    let (mut sim, conversation) = Sim::friends(5);
    sim.tell(0, conversation, "honest");
    sim.wait(5_000);
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let stranger = DeviceKeys::generate(&mut rng);
    let unknown_author = forged(&sim, conversation, &stranger);
    // The device id of ada's header with the stranger's signature: the id stands at a fixed place behind its tag.
    let ada = *sim.nodes[0].engine().device().as_bytes();
    let at = unknown_author
        .windows(32)
        .position(|w| w == stranger.id().as_bytes())
        .expect("the id is in there");
    let mut wrong_signature = unknown_author.clone();
    wrong_signature[at..at + 32].copy_from_slice(&ada);
    SignedEvent::decode(&wrong_signature).expect("it is well formed");
    let elsewhere = ConversationId::from_bytes([9; 32]);
    let lie = Have {
        conversation,
        full: true,
        logs: vec![LogHave {
            device: *sim.nodes[0].engine().device(),
            log: 1,
            have: Intervals::range(1, u64::MAX),
        }],
    };
    let before = sim.plain_texts(1, &conversation);
    for frame in [
        Frame::Events {
            conversation,
            events: vec![unknown_author.clone(), wrong_signature],
        },
        Frame::Events {
            conversation: elsewhere,
            events: vec![unknown_author],
        },
        Frame::Have(lie.clone()),
        Frame::Received {
            ids: vec![[1; 16]; 200],
        },
    ] {
        let commands = sim.nodes[0].forge_frame(&frame, None, sim.now);
        for command in commands {
            sim.execute(0, command);
        }
        sim.wait(1_000);
    }
    assert_eq!(sim.plain_texts(1, &conversation), before);
    // The lie about the other's own log costs at most a new log number; talk goes on both ways.
    let commands = sim.nodes[1].forge_frame(&Frame::Have(lie), None, sim.now);
    for command in commands {
        sim.execute(1, command);
    }
    for n in 0..3 {
        sim.tell(n % 2, conversation, &format!("after all that {n}"));
        sim.wait(2_000);
    }
    sim.wait(MINUTE);
    assert_eq!(sim.plain_texts(0, &conversation), sim.plain_texts(1, &conversation));
    assert_eq!(sim.plain_texts(0, &conversation).len(), before.len() + 3);
}

#[test]
fn malformed_frames_end_a_stream_and_a_new_one_takes_over() {
    let (mut sim, conversation) = Sim::friends(6);
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for round in 0..40 {
        let mut noise = vec![0; (rng.next_u64() % 3_000) as usize];
        rng.fill_bytes(&mut noise);
        for stream in sim.streams_of(0) {
            let event = NetEvent::Frame {
                stream,
                data: Bytes::from(noise.clone()),
            };
            let effects = sim.nodes[0].turn(Input::Net(event), sim.now);
            for command in effects.net {
                sim.execute(0, command);
            }
        }
        sim.knock_at(0, 1, &noise);
        let envelope = NetEvent::Envelope {
            data: Bytes::from(noise),
            source: sim.nodes[1].peer,
            topic: 0,
        };
        sim.nodes[0].turn(Input::Net(envelope), sim.now);
        sim.wait(2_000);
        sim.tell(round % 2, conversation, &format!("round {round}"));
    }
    sim.wait(5 * MINUTE);
    assert_eq!(sim.plain_texts(0, &conversation).len(), 40);
    assert_eq!(sim.plain_texts(0, &conversation), sim.plain_texts(1, &conversation));
}

#[test]
fn a_bundle_is_given_only_to_those_who_know_its_hash() {
    let (mut sim, _) = Sim::friends(7);
    let request = KnockRequest::Bundle { hash: [0; 32] }.encode().expect("a request");
    assert_eq!(sim.knock_at(0, 1, &request), KnockResponse::Nothing);
    assert_eq!(sim.knock_at(0, 1, &[]), KnockResponse::Nothing);
    let noise = KnockRequest::Deliver { envelope: vec![1; 512] }
        .encode()
        .expect("a request");
    assert_eq!(sim.knock_at(0, 1, &noise), KnockResponse::Received);
}

#[test]
fn a_message_whose_time_is_not_come_is_not_found_by_what_is_said_of_it() {
    let (mut sim, conversation) = Sim::friends(8);
    let author = sim.nodes[0].keys().id();
    let mut next = (1, None);
    let mut sign = |sim: &mut Sim, clock: u64, body: &Body| {
        let (seq, prev) = next;
        let draft = Draft {
            kind: body.kind(),
            conversation,
            device: author,
            log: 1,
            seq,
            prev,
            parents: Vec::new(),
            clock,
            view: None,
        };
        let event = sim.signed(0, draft, &body.encode().expect("short"));
        next = (seq + 1, Some(event.id()));
        event
    };
    let now = sim.now;
    let ahead = sign(&mut sim, now + HOUR, &Body::Message(Message::text("of later")));
    let edit = Body::Edit(Edit {
        target: ahead.id(),
        content: Content::Text("of now".to_owned()),
        mentions: Vec::new(),
        ext: Vec::new(),
    });
    let edit = sign(&mut sim, now, &edit);
    let events = vec![ahead.to_wire(), edit.to_wire()];
    sim.say_to(0, Some(1), &Frame::Events { conversation, events });
    sim.wait(5 * SECOND);
    let problems = |sim: &Sim| parlour_store::check(sim.nodes[1].store(), |_, _| ()).expect("readable");
    let (audit, shown) = (problems(&sim), sim.plain_texts(1, &conversation));
    assert_eq!((audit.problems, audit.indexed, shown.len()), (Vec::new(), 0, 0));
    sim.wait(2 * HOUR);
    let (audit, shown) = (problems(&sim), sim.plain_texts(1, &conversation));
    assert_eq!((audit.problems, audit.indexed), (Vec::new(), 1));
    assert_eq!(shown, ["of now"]);
}

//! Bad peers and bad invites against a real engine: what is forged, malformed, repeated or out of date changes nothing, and
//! honest talk goes on.

use bytes::Bytes;
use parlour_crypto::{
    Content, ConversationId, DeviceKeys, Draft, Frame, Have, Intervals, Invite, KIND_MESSAGE, KnockRequest,
    KnockResponse, LogHave, Message, SignedEvent, VerifiedEvent,
};
use parlour_net::NetEvent;
use parlour_store::contacts::{self, ContactState, InviteRefusal};
use parlour_store::feed;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::{Sim, Wire};
use crate::engine::{AddContact, AddError, Command, Input, MadeInvite, NewInvite, SendText};

const MINUTE: u64 = 60_000;

/// Two contacts with an open stream.
fn friends(seed: u64) -> (Sim, ConversationId) {
    let mut sim = Sim::new(seed, &["ada", "bo"]);
    sim.run_until(sim.now + 100);
    sim.introduce(0, 1);
    sim.run_until(sim.now + 5_000);
    let conversation = sim.direct(0, 1);
    (sim, conversation)
}

impl Sim {
    fn say(&mut self, from: usize, conversation: ConversationId, text: &str) {
        let send = SendText::plain(conversation, text.to_owned());
        self.ask(from, |reply| Command::Send(send, reply))
            .expect("up")
            .expect("accepted");
    }

    fn invite(&mut self, from: usize, valid_ms: u64, max_uses: u32) -> MadeInvite {
        let new = NewInvite { valid_ms, max_uses };
        self.ask(from, |reply| Command::Invite(new, reply))
            .expect("up")
            .expect("an invite")
    }

    fn open_invite(&mut self, by: usize, link: &str) -> Result<crate::engine::Added, AddError> {
        let add = AddContact {
            link: link.to_owned(),
            petname: None,
            note: None,
        };
        self.ask(by, |reply| Command::Add(add, reply)).expect("up")
    }

    fn state_at(&self, index: usize, of: usize) -> Option<ContactState> {
        contacts::get(self.nodes[index].store(), &self.user(of))
            .expect("readable")
            .map(|row| row.state)
    }

    pub(super) fn feed_of(&self, index: usize) -> u64 {
        feed::last(self.nodes[index].store()).expect("readable")
    }

    fn plain_texts(&self, index: usize, conversation: &ConversationId) -> Vec<String> {
        self.texts(index, conversation)
            .into_iter()
            .map(|(text, _)| text)
            .collect()
    }

    /// What a node answers to a knock.
    fn knock_at(&mut self, index: usize, data: &[u8]) -> KnockResponse {
        let event = NetEvent::Request {
            peer: self.nodes[1 - index].peer,
            request: u64::MAX,
            data: Bytes::copy_from_slice(data),
        };
        let effects = self.nodes[index].turn(Input::Net(event), self.now);
        let answer = effects.net.iter().find_map(|command| match command {
            parlour_net::NetCommand::Respond { data, .. } => Some(KnockResponse::decode(data).expect("an answer")),
            _ => None,
        });
        answer.expect("every knock is answered")
    }
}

#[test]
fn damaged_own_expired_and_used_invites_are_refused_with_the_reason() {
    let mut sim = Sim::new(1, &["ada", "bo", "cy"]);
    sim.run_until(sim.now + 100);
    let made = sim.invite(0, 60 * MINUTE, 1);
    let damaged = made.link.replace(&made.link[60..62], "zz");
    assert!(matches!(sim.open_invite(1, &damaged), Err(AddError::Link(_))));
    assert!(matches!(sim.open_invite(1, "parlour:"), Err(AddError::Link(_))));
    assert_eq!(sim.open_invite(0, &made.link), Err(AddError::Own));
    assert_eq!(sim.state_at(1, 0), None, "a refused invite leaves nothing behind");

    let short = sim.invite(0, 1_000, 1);
    sim.run_until(sim.now + 10_000);
    assert_eq!(sim.open_invite(1, &short.link), Err(AddError::Expired));

    assert!(sim.open_invite(1, &made.link).is_ok());
    sim.run_until(sim.now + 5_000);
    assert_eq!(sim.state_at(1, 0), Some(ContactState::Accepted));
    assert!(sim.open_invite(1, &made.link).expect("it is known").already);
    assert!(
        sim.open_invite(2, &made.link).is_ok(),
        "only the other side knows that it is used"
    );
    sim.run_until(sim.now + 5_000);
    let state = sim.state_at(2, 0).expect("a contact");
    assert!(
        matches!(
            state,
            ContactState::Invited {
                refused: Some(InviteRefusal::Used),
                ..
            }
        ),
        "{state:?}"
    );
    assert_eq!(sim.state_at(0, 2), None, "the maker took nobody in");
}

#[test]
fn an_invite_taken_back_or_run_out_on_the_way_says_so() {
    let mut sim = Sim::new(2, &["ada", "bo", "cy"]);
    sim.run_until(sim.now + 100);
    let revoked = sim.invite(0, 60 * MINUTE, 1);
    sim.ask(0, |reply| Command::RevokeInvite(revoked.token, reply))
        .expect("up")
        .expect("revoked");
    sim.open_invite(1, &revoked.link).expect("opened");
    sim.run_until(sim.now + 5_000);
    let state = sim.state_at(1, 0).expect("a contact");
    assert!(
        matches!(
            state,
            ContactState::Invited {
                refused: Some(InviteRefusal::Revoked),
                ..
            }
        ),
        "{state:?}"
    );

    let short = sim.invite(0, MINUTE, 1);
    sim.cut(0, 2);
    sim.open_invite(2, &short.link)
        .expect("opened in time, with nobody there");
    sim.run_until(sim.now + 5 * MINUTE);
    sim.mend_all();
    sim.run_until(sim.now + 10 * MINUTE);
    let state = sim.state_at(2, 0).expect("a contact");
    assert!(
        matches!(
            state,
            ContactState::Invited {
                refused: Some(InviteRefusal::Expired),
                ..
            }
        ),
        "{state:?}"
    );
}

#[test]
fn an_invite_with_a_wrong_bundle_hash_or_user_makes_no_contact() {
    let mut sim = Sim::new(3, &["ada", "bo"]);
    sim.run_until(sim.now + 100);
    let made = sim.invite(0, 60 * MINUTE, 1);
    let mut invite = Invite::parse(&made.link).expect("an invite");
    invite.user = sim.user(1);
    assert_eq!(sim.open_invite(1, &invite.to_link()), Err(AddError::Own));
    let mut invite = Invite::parse(&made.link).expect("an invite");
    invite.bundle_hash[0] ^= 1;
    sim.open_invite(1, &invite.to_link()).expect("it looks like an invite");
    sim.run_until(sim.now + MINUTE);
    assert!(matches!(sim.state_at(1, 0), Some(ContactState::Invited { .. })));
    assert_eq!(sim.state_at(0, 1), None);
}

#[test]
fn replayed_envelopes_and_knocks_change_nothing_even_after_a_restart() {
    let (mut sim, conversation) = friends(4);
    for n in 0..10 {
        sim.say(n % 2, conversation, &format!("message {n}"));
        sim.run_until(sim.now + 500);
    }
    sim.run_until(sim.now + 5_000);
    for restart in [false, true] {
        if restart {
            for index in [0, 1] {
                sim.nodes[index].crash();
                sim.cut_everything_of(index);
                sim.start(index);
            }
            sim.run_until(sim.now + 10_000);
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
                        let answer = sim.knock_at(index, &data);
                        assert!(
                            !matches!(answer, KnockResponse::Closed { .. }),
                            "a replay learns nothing"
                        );
                    }
                }
            }
        }
        sim.run_until(sim.now + 5_000);
        assert_eq!(
            before,
            (sim.feed_of(0), sim.feed_of(1), sim.plain_texts(0, &conversation)),
            "restart: {restart}"
        );
    }
    sim.say(0, conversation, "still talking");
    sim.run_until(sim.now + 5_000);
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
    let (mut sim, conversation) = friends(5);
    sim.say(0, conversation, "honest");
    sim.run_until(sim.now + 5_000);
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
        let commands = sim.nodes[0].forge_frame(&frame, sim.now);
        for command in commands {
            sim.execute(0, command);
        }
        sim.run_until(sim.now + 1_000);
    }
    assert_eq!(sim.plain_texts(1, &conversation), before);
    // The lie about the other's own log costs at most a new log number; talk goes on both ways.
    let commands = sim.nodes[1].forge_frame(&Frame::Have(lie), sim.now);
    for command in commands {
        sim.execute(1, command);
    }
    for n in 0..3 {
        sim.say(n % 2, conversation, &format!("after all that {n}"));
        sim.run_until(sim.now + 2_000);
    }
    sim.run_until(sim.now + MINUTE);
    assert_eq!(sim.plain_texts(0, &conversation), sim.plain_texts(1, &conversation));
    assert_eq!(sim.plain_texts(0, &conversation).len(), before.len() + 3);
}

#[test]
fn malformed_frames_end_a_stream_and_a_new_one_takes_over() {
    let (mut sim, conversation) = friends(6);
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
        sim.knock_at(0, &noise);
        let envelope = NetEvent::Envelope {
            data: Bytes::from(noise),
            source: sim.nodes[1].peer,
            topic: 0,
        };
        sim.nodes[0].turn(Input::Net(envelope), sim.now);
        sim.run_until(sim.now + 2_000);
        sim.say(round % 2, conversation, &format!("round {round}"));
    }
    sim.run_until(sim.now + 5 * MINUTE);
    assert_eq!(sim.plain_texts(0, &conversation).len(), 40);
    assert_eq!(sim.plain_texts(0, &conversation), sim.plain_texts(1, &conversation));
}

#[test]
fn a_bundle_is_given_only_to_those_who_know_its_hash() {
    let (mut sim, _) = friends(7);
    let request = KnockRequest::Bundle { hash: [0; 32] }.encode().expect("a request");
    assert_eq!(sim.knock_at(0, &request), KnockResponse::Nothing);
    assert_eq!(sim.knock_at(0, &[]), KnockResponse::Nothing);
    let noise = KnockRequest::Deliver { envelope: vec![1; 512] }
        .encode()
        .expect("a request");
    assert_eq!(sim.knock_at(0, &noise), KnockResponse::Received);
}

//! A contact with valid keys and other code: it replays, withholds, forges, lies about what it holds, forks its own log and shows each
//! branch to somebody else, writes with wrong parents and clocks, and floods.

use bytes::Bytes;
use parlour_crypto::{
    Body, ClosePoll, Content, Control, ConversationId, Delete, DeviceId, Draft, Edit, EventId, Frame, Have, Intervals,
    KIND_MESSAGE, KnockRequest, LogHave, Message, Payload, Pin, Poll, Presence, Reaction, ReadMark, Timer,
    VerifiedEvent, Vote,
};
use parlour_net::NetEvent;
use parlour_store::events;
use rand_core::Rng;

use super::{DAY, HOUR, MINUTE, Sim, Wire};
use crate::engine::Input;

const REPLAY: &str = "attack: replay";
const NOISE: &str = "attack: noise";
const FORGE: &str = "attack: forged events";
const FORK: &str = "attack: fork";
const LIE: &str = "attack: lies about what it holds";
const FOREIGN: &str = "attack: asks for what is others'";
const CONTROLS: &str = "attack: lies in controls";
const SEALED: &str = "attack: forgeries in envelopes";
const FLOOD: &str = "attack: flood";
const UNORDERED: &str = "attack: frames out of order";
const SHUFFLED: &str = "attack: events in another order";
const WITHHOLD: &str = "attack: withholds";
const ENDLESS: &str = "attack: lies without a pause";

/// What a bad contact does, by name; some more often than others.
pub(super) const ATTACKS: [&str; 15] = [
    REPLAY, NOISE, FORGE, FORGE, FORGE, FORK, LIE, FOREIGN, CONTROLS, SEALED, FLOOD, UNORDERED, SHUFFLED, WITHHOLD,
    ENDLESS,
];

impl Sim {
    /// Node `bad` does something that no honest node does.
    pub(super) fn attack(&mut self, bad: usize) {
        if !self.nodes[bad].is_up() {
            return;
        }
        let victim = self.below(bad as u64) as usize;
        let kind = ATTACKS[self.below(ATTACKS.len() as u64) as usize];
        self.note(kind);
        match kind {
            REPLAY => self.replay(bad, victim),
            NOISE => self.noise(bad, victim),
            FORGE => self.forge(bad, victim),
            FORK => self.fork(bad),
            LIE => self.lie(bad, victim),
            FOREIGN => self.ask_for_foreign_events(bad, victim),
            CONTROLS => self.lie_in_controls(bad, victim),
            SEALED => self.seal_forgeries(bad),
            FLOOD => self.flood(bad),
            UNORDERED => self.out_of_order(bad, victim),
            SHUFFLED => self.give_in_another_order(bad, victim),
            WITHHOLD => self.withhold(bad, victim),
            _ => self.lie_without_a_pause(bad),
        }
    }

    pub(super) fn say_to(&mut self, bad: usize, to: Option<usize>, frame: &Frame) {
        let user = to.map(|to| self.user(to));
        for command in self.nodes[bad].forge_frame(frame, user.as_ref(), self.now) {
            self.execute(bad, command);
        }
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; len as usize];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// What an eavesdropper has comes again, from a contact.
    fn replay(&mut self, bad: usize, victim: usize) {
        for _ in 0..10 {
            let at = self.below(self.wire.len() as u64) as usize;
            let peer = self.nodes[bad].peer;
            let event = match self.wire.get(at) {
                Some(Wire::Envelope(data)) => NetEvent::Envelope {
                    data: data.clone(),
                    source: peer,
                    topic: 0,
                },
                Some(Wire::Knock(data)) => NetEvent::Request {
                    peer,
                    request: 0,
                    data: data.clone(),
                },
                None => return,
            };
            let at = self.now + self.delay();
            self.input_later(at, victim, Input::Net(event));
        }
    }

    /// Malformed frames, envelopes and knocks.
    fn noise(&mut self, bad: usize, victim: usize) {
        let size = self.below(3_000);
        let noise = Bytes::from(self.bytes(size));
        let at = self.below(self.wire.len() as u64) as usize;
        let mut broken = match self.wire.get(at) {
            Some(Wire::Envelope(data)) => data.to_vec(),
            _ => vec![0; 512],
        };
        // Behind the tag, so that somebody's session is looked up for it.
        let at = 11 + self.below(broken.len() as u64 - 11) as usize;
        broken[at] ^= 1;
        let source = self.nodes[bad].peer;
        for data in [noise.clone(), broken.into()] {
            let event = NetEvent::Envelope { data, source, topic: 0 };
            self.input_later(self.now + 1, victim, Input::Net(event));
        }
        let request = NetEvent::Request {
            peer: source,
            request: 0,
            data: noise.clone(),
        };
        self.input_later(self.now + 1, victim, Input::Net(request));
        if self.chance(300) {
            for stream in self.streams_of(bad) {
                let data = noise.clone();
                self.execute(bad, parlour_net::NetCommand::SendFrame { stream, data });
            }
        }
    }

    fn some_id(&mut self) -> EventId {
        let known = self.ledger.entries.len() as u64;
        let at = self.below(known.max(1)) as usize;
        let known = self.ledger.entries.keys().nth(at).copied();
        match known.filter(|_| self.chance(800)) {
            Some(id) => id,
            None => {
                let mut id = [0; 32];
                self.rng.fill_bytes(&mut id);
                EventId::from_bytes(id)
            }
        }
    }

    fn any_poll(&mut self, question: &str) -> Poll {
        Poll {
            question: question.to_owned(),
            options: (0..2 + self.below(19)).map(|n| n.to_string()).collect(),
            multiple: self.chance(500),
            anonymous: self.chance(500),
            closes_at: self.chance(300).then_some(self.now),
        }
    }

    fn some_body(&mut self, text: &str) -> (u16, Vec<u8>) {
        let target = self.some_id();
        let on = self.chance(600);
        let content = Content::Text(text.to_owned());
        let ext = Vec::new();
        let mut message = Message::text(text);
        message.reply_to = Some(target).filter(|_| on);
        message.thread = Some(EventId::from_bytes([7; 32])).filter(|_| self.chance(100));
        message.expires_after_ms = Some(1).filter(|_| self.chance(100));
        let mentions = Vec::new();
        if self.chance(150) {
            message.content = Content::Poll(self.any_poll(text));
        }
        let body = match self.below(12) {
            0..3 => Body::Message(message),
            9 | 10 => Body::Vote(Vote {
                poll: target,
                options: (0..20).filter(|_| self.chance(100)).collect(),
                ext,
            }),
            11 => {
                let mut counted: Vec<EventId> = (0..self.below(5)).map(|_| self.some_id()).collect();
                counted.sort_unstable();
                counted.dedup();
                Body::ClosePoll(ClosePoll {
                    poll: target,
                    counted,
                    ext,
                })
            }
            3 => Body::Edit(Edit {
                target,
                content,
                mentions,
                ext,
            }),
            4 => Body::Delete(Delete {
                targets: vec![target],
                ext,
            }),
            5 => Body::Reaction(Reaction {
                target,
                emoji: "👀".to_owned(),
                on,
                ext,
            }),
            6 => Body::Pin(Pin { target, on, ext }),
            7 => Body::Timer(Timer {
                expires_after_ms: Some(5_000),
                ext,
            }),
            _ => {
                let kind = if on { KIND_MESSAGE } else { 77 };
                return (kind, self.bytes(40));
            }
        };
        (body.kind(), body.encode().expect("within limits"))
    }

    /// An event that the bad contact signs for its conversation with somebody, or for one it has no part in.
    pub(super) fn forged(&mut self, bad: usize, conversation: ConversationId, text: &str) -> Vec<u8> {
        let (kind, body) = self.some_body(text);
        let seq = match self.below(6) {
            0 => 1,
            1 => u64::MAX,
            2 => self.rng.next_u64().max(1),
            _ => 1 + self.below(60),
        };
        let log = match self.below(5) {
            0 => u32::MAX,
            1 => 1 + self.below(100) as u32,
            _ => 1,
        };
        let mut parents: Vec<EventId> = (0..self.below(9)).map(|_| self.some_id()).collect();
        parents.sort_unstable();
        parents.dedup();
        let clock = match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => self.now + 3 * DAY,
            3 => self.now + HOUR,
            4 => self.now + 9 * MINUTE,
            5 => self.now - DAY,
            _ => self.now,
        };
        let prev = (seq > 1).then(|| self.some_id());
        let draft = Draft {
            kind,
            conversation,
            device: self.nodes[bad].keys().id(),
            log,
            seq,
            prev,
            parents,
            clock,
            view: Some([9; 32]).filter(|_| self.chance(50)),
        };
        let event = self.signed(bad, draft, &body);
        match self.chance(150) {
            true => event.into_stub().to_wire(),
            false => event.to_wire(),
        }
    }

    pub(super) fn signed(&mut self, bad: usize, draft: Draft, body: &[u8]) -> VerifiedEvent {
        let salt = [self.below(256) as u8; 16];
        VerifiedEvent::sign(&self.nodes[bad].keys(), draft, salt, body).expect("well formed")
    }

    fn forge(&mut self, bad: usize, victim: usize) {
        let conversation = self.some_conversation(bad, victim);
        let spoken = self.some_conversation(bad, victim);
        let count = 1 + self.below(6);
        let mut events: Vec<Vec<u8>> = (0..count)
            .map(|n| self.forged(bad, conversation, &format!("forged {n}")))
            .collect();
        if self.chance(200) {
            // Somebody else's name over the bad contact's signature.
            let (own, other) = (self.nodes[bad].keys().id(), self.device_of(victim));
            for wire in &mut events {
                if let Some(at) = wire.windows(32).position(|w| w == own.as_bytes()) {
                    wire[at..at + 32].copy_from_slice(other.as_bytes());
                }
            }
        }
        let frame = Frame::Events {
            conversation: spoken,
            events,
        };
        self.say_to(bad, Some(victim), &frame);
    }

    fn device_of(&self, index: usize) -> DeviceId {
        self.nodes[index].keys().id()
    }

    /// Mostly the one that the two share.
    fn some_conversation(&mut self, bad: usize, victim: usize) -> ConversationId {
        if self.chance(850) {
            return self.direct(bad, victim);
        }
        let other = self.below(bad as u64) as usize;
        match other == victim {
            true => ConversationId::notes(&self.user(victim)),
            false => self.direct(other, victim),
        }
    }

    /// One place in its log, and something else there for everybody, and for the same one later.
    fn fork(&mut self, bad: usize) {
        let seq = 1 + self.below(20);
        let prev = (seq > 1).then(|| self.some_id());
        for victim in 0..bad {
            for branch in 0..1 + self.below(3) {
                let conversation = self.direct(bad, victim);
                let body = Message::text(format!("branch {branch} for {victim}")).encode();
                let draft = Draft {
                    kind: KIND_MESSAGE,
                    conversation,
                    device: self.device_of(bad),
                    log: 1,
                    seq,
                    prev,
                    parents: Vec::new(),
                    clock: self.now,
                    view: None,
                };
                let events = vec![self.signed(bad, draft, &body.expect("short")).to_wire()];
                self.say_to(bad, Some(victim), &Frame::Events { conversation, events });
            }
        }
    }

    /// Holds everything, or nothing, or what nobody wrote; of its own logs and of others'.
    fn lie(&mut self, bad: usize, victim: usize) {
        let conversation = self.some_conversation(bad, victim);
        let mut logs = Vec::new();
        for _ in 0..self.below(5) {
            let device = match self.below(4) {
                0 => self.device_of(bad),
                1 => DeviceId::from_bytes([self.below(256) as u8; 32]),
                _ => self.device_of(victim),
            };
            let have = match self.below(4) {
                0 => Intervals::range(1, u64::MAX),
                1 => Intervals::default(),
                2 => Intervals::from_normalized((0..64).map(|n| (1 + 3 * n, 2 + 3 * n)).collect()).unwrap_or_default(),
                _ => Intervals::range(1, 1 + self.below(100)),
            };
            let log = 1 + self.below(3) as u32;
            logs.push(LogHave { device, log, have });
        }
        let full = self.chance(700);
        let have = Have {
            conversation,
            full,
            logs,
        };
        self.say_to(bad, Some(victim), &Frame::Have(have));
    }

    /// Who holds nothing again and again is not given everything again and again.
    fn lie_without_a_pause(&mut self, bad: usize) {
        for _ in 0..20 {
            for victim in 0..bad {
                let conversation = self.direct(bad, victim);
                let have = Have {
                    conversation,
                    full: true,
                    logs: Vec::new(),
                };
                self.say_to(bad, Some(victim), &Frame::Have(have));
            }
        }
    }

    fn ask_for_foreign_events(&mut self, bad: usize, victim: usize) {
        let ids = (0..200).map(|_| self.some_id()).collect();
        let conversation = self.some_conversation(bad, victim);
        self.say_to(bad, Some(victim), &Frame::Want { conversation, ids });
    }

    fn some_control(&mut self, bad: usize, victim: usize) -> Control {
        let conversation = self.some_conversation(bad, victim);
        let clock = match self.below(3) {
            0 => self.now,
            1 => self.now + 9 * MINUTE,
            _ => u64::MAX,
        };
        match self.below(3) {
            0 => Control::Received {
                ids: (0..50).map(|n| [n; 16]).collect(),
            },
            1 => Control::Have(Have {
                conversation,
                full: true,
                logs: Vec::new(),
            }),
            _ => Control::Read(ReadMark {
                conversation,
                clock,
                event: self.some_id(),
            }),
        }
    }

    fn lie_in_controls(&mut self, bad: usize, victim: usize) {
        let control = self.some_control(bad, victim);
        let id = [self.below(256) as u8; 16];
        self.say_to(bad, Some(victim), &Frame::Control { id, control });
    }

    /// The same by envelope.
    fn seal_forgeries(&mut self, bad: usize) {
        let victim = self.below(bad as u64) as usize;
        let conversation = self.some_conversation(bad, victim);
        let event = Payload::Event(self.forged(bad, conversation, "forged and sealed"));
        let control = Payload::Control {
            id: [3; 16],
            control: self.some_control(bad, victim),
        };
        for payload in [event, control] {
            for command in self.nodes[bad].forge_envelopes(&payload, self.now) {
                self.execute(bad, command);
            }
        }
    }

    fn flood(&mut self, bad: usize) {
        for n in 0..60 {
            let victim = self.below(bad as u64) as usize;
            let conversation = self.direct(bad, victim);
            let typing = n % 2 == 0;
            self.say_to(bad, Some(victim), &Frame::Typing { conversation, typing });
            let presence = if typing { Presence::Online } else { Presence::Hidden };
            self.say_to(bad, Some(victim), &Frame::Presence(presence));
            let noise = KnockRequest::Deliver {
                envelope: self.bytes(512),
            };
            let event = NetEvent::Request {
                peer: self.nodes[bad].peer,
                request: 0,
                data: noise.encode().expect("short").into(),
            };
            self.input_later(self.now + n, victim, Input::Net(event));
        }
    }

    /// Frames that do not belong there end the stream, and no more.
    fn out_of_order(&mut self, bad: usize, victim: usize) {
        let frame = match self.below(2) {
            0 => Frame::Rekey,
            _ => Frame::Received {
                ids: vec![[7; 16]; 200],
            },
        };
        self.say_to(bad, Some(victim), &frame);
    }

    /// What was written is given again in an order that has nothing to do with how it was: events on a stream, each alone, and
    /// envelopes from the last one backwards.
    fn give_in_another_order(&mut self, bad: usize, victim: usize) {
        let conversation = self.direct(bad, victim);
        let store = self.nodes[bad].store();
        let there = |id: &EventId| events::place(store, id).expect("readable").is_some();
        let written = self.ledger.of(&conversation).map(|(id, _)| *id);
        // Ids are as good as random.
        let ids: Vec<EventId> = written.filter(there).take(30).collect();
        for id in ids {
            let events = vec![self.event(bad, &id).to_wire()];
            self.say_to(bad, Some(victim), &Frame::Events { conversation, events });
        }
        let source = self.nodes[bad].peer;
        let envelopes = self.wire.iter().rev().filter_map(|wire| match wire {
            Wire::Envelope(data) => Some(data.clone()),
            Wire::Knock(_) => None,
        });
        let envelopes: Vec<Bytes> = envelopes.take(20).collect();
        for (n, data) in (1..).zip(envelopes) {
            let event = NetEvent::Envelope { data, source, topic: 0 };
            self.input_later(self.now + n, victim, Input::Net(event));
        }
    }

    /// Its streams and frames come to nothing, and nothing that it was to pass on arrives.
    fn withhold(&mut self, bad: usize, victim: usize) {
        match self.chance(500) {
            true => {
                for stream in self.streams_of(bad) {
                    self.execute(bad, parlour_net::NetCommand::CloseStream { stream });
                }
            }
            false => self.silence(bad, victim),
        }
    }
}

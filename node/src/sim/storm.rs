//! The one random scenario: people who talk, edit, delete, react, vote, pin, read, set timers and block each other in the weather of their
//! seed, and then calm, in which everything has to come right.

use parlour_crypto::{Content, ConversationId, EventId, Message, Poll};
use parlour_store::meta::{self, CounterName};
use parlour_store::{events, timeline};

use super::disk::Crash;
use super::{CALM, MINUTE, SECOND, Sim};
use crate::engine::{Change, Command, Decision, Expiry, ProfileChange, SendText, SetTimer, UpTo};

const NAMES: [&str; 4] = ["ada", "bo", "cy", "mallory"];
const EMOJI: [&str; 4] = ["👍", "❤️", "🎉", "👀"];

/// A message a user wants to send, tried again until it is accepted.
pub(super) struct Wish {
    from: usize,
    send: SendText,
}

/// A world after its storm, and what its people still want to say.
pub(super) struct Storm {
    pub(super) sim: Sim,
    /// So many of the first nodes keep to the rules.
    pub(super) honest: usize,
    pairs: Vec<(usize, usize)>,
    wishes: Vec<Wish>,
}

impl Storm {
    /// Everything of one seed, to the end.
    pub(super) fn run(seed: u64) -> Self {
        let mut storm = Self::begin(seed);
        let steps = 30 + storm.sim.below(30);
        for step in 0..steps {
            let pause = 100 + storm.sim.below(1_800);
            storm.sim.wait(pause);
            storm.sim.strike(storm.honest);
            for _ in 0..1 + storm.sim.below(3) {
                storm.someone_acts(step);
            }
            storm.try_wishes();
            if step % 8 == 0 {
                storm.sim.watch_acknowledgements();
                storm.watch_blocks();
            }
        }
        storm.calm();
        storm
    }

    fn begin(seed: u64) -> Self {
        let mut sim = Sim::new(seed, &[]);
        let weather = sim.draw_weather();
        let honest = 2 + usize::from(sim.chance(350));
        let mut names = NAMES[..honest].to_vec();
        if weather.attack > 0 {
            names.push(NAMES[3]);
        }
        sim.add(&names);
        for index in honest..names.len() {
            sim.nodes[index].bad = true;
        }
        sim.wait(100);
        let pairs: Vec<(usize, usize)> = (0..names.len())
            .flat_map(|a| (a + 1..names.len()).map(move |b| (a, b)))
            .collect();
        for &(a, b) in &pairs {
            sim.introduce(a, b);
        }
        // Some talk begins before anybody has been accepted, some after.
        let start = sim.below(5 * SECOND);
        sim.wait(start);
        sim.weather = weather;
        Self {
            sim,
            honest,
            pairs,
            wishes: Vec::new(),
        }
    }

    /// With clocks that were set anew, what had been held may be shown at any time.
    fn watch_blocks(&self) {
        if self.sim.weather.jump == 0 {
            self.sim.watch_blocks();
        }
    }

    fn someone_acts(&mut self, step: u64) {
        let (a, b) = self.pairs[self.sim.below(self.pairs.len() as u64) as usize];
        let who = if self.sim.chance(500) { a } else { b };
        let conversation = self.sim.direct(a, b);
        if !self.sim.nodes[who].is_up() || self.sim.number_of(who, &conversation).is_none() || self.is_worn_out(who) {
            return;
        }
        let kind = self.sim.below(24);
        match kind {
            0..9 => self.wish(step, who, conversation),
            9 => self.set_timer(who, conversation),
            10 | 11 => {
                self.sim.ask(who, |reply| Command::MarkRead {
                    conversation,
                    up_to: UpTo::End,
                    reply,
                });
            }
            12 => self.decide_something(step, who, conversation),
            13..20 => self.change_something(step, kind, who, conversation),
            _ => self.say_more(step, kind, who, conversation),
        }
    }

    /// A bad contact may have used up its own log numbers by what it forged, and cannot write any more.
    fn is_worn_out(&self, who: usize) -> bool {
        let node = &self.sim.nodes[who];
        let last = node.is_up().then(|| meta::counter(node.store(), CounterName::OwnLog));
        who >= self.honest && last.is_some_and(|log| log.expect("readable") >= u64::from(u32::MAX))
    }

    fn wish(&mut self, step: u64, from: usize, conversation: ConversationId) {
        for part in 0..1 + self.sim.below(3) {
            let text = format!("{step}.{part} by {from}, {}", self.wishes.len());
            let expires = match self.sim.below(6) {
                0 => Expiry::After(5_000 + self.sim.below(100_000)),
                1 => Expiry::Never,
                _ => Expiry::Default,
            };
            let client_id = Some(text.clone());
            let mut send = SendText {
                expires,
                client_id,
                ..SendText::plain(conversation, text)
            };
            if self.sim.chance(50) {
                *send.content = Content::Text(format!("{} {}", send.content.words(), "long ".repeat(1_000)));
            } else if self.sim.chance(80) {
                *send.content = self.poll(send.content.words(), None);
            }
            self.wishes.push(Wish { from, send });
        }
    }

    fn poll(&mut self, question: String, closes_at: Option<u64>) -> Content {
        Content::Poll(Poll {
            question,
            options: ["yes", "no", "later"].map(str::to_owned).to_vec(),
            multiple: self.sim.chance(500),
            anonymous: self.sim.chance(500),
            closes_at,
        })
    }

    /// What somebody does with polls and threads. It is tried once.
    fn say_more(&mut self, step: u64, kind: u64, who: usize, conversation: ConversationId) {
        if kind == 23 {
            let text = format!("{step} by {who}, {}", self.sim.below(u64::MAX));
            let mut send = SendText::plain(conversation, text.clone());
            if self.sim.chance(300) {
                let soon = self.sim.now + self.sim.below(10 * MINUTE);
                *send.content = self.poll(text, Some(soon));
            } else {
                send.thread = self.sim.some_message(who, &conversation);
            }
            self.sim.ask(who, |reply| Command::Send(send, reply));
            return;
        }
        let Some(id) = self.sim.some_poll(who, &conversation) else {
            return;
        };
        if kind < 22 {
            let options = (0..3).filter(|_| self.sim.chance(400)).collect();
            self.sim.change(who, id, Change::Vote(options));
        } else if self.sim.chance(300) {
            self.sim.change(who, id, Change::ClosePoll);
        }
    }

    fn set_timer(&mut self, who: usize, conversation: ConversationId) {
        let expires_after_ms = self.sim.chance(500).then(|| 5_000 + self.sim.below(100_000));
        let set = SetTimer {
            conversation,
            expires_after_ms,
        };
        self.sim.ask(who, |reply| Command::SetTimer(set, reply));
    }

    fn decide_something(&mut self, step: u64, who: usize, conversation: ConversationId) {
        let decision = match self.sim.below(3) {
            0 => Decision::Typing {
                conversation,
                typing: true,
            },
            1 => Decision::Online(MINUTE),
            _ => Decision::Profile(ProfileChange {
                about: Some(format!("at {step}")),
                ..ProfileChange::default()
            }),
        };
        self.sim.ask(who, |reply| Command::Decide(decision, reply));
    }

    fn change_something(&mut self, step: u64, kind: u64, who: usize, conversation: ConversationId) {
        let Some(id) = self.sim.some_message(who, &conversation) else {
            return;
        };
        let emoji = EMOJI[self.sim.below(4) as usize].to_owned();
        let on = self.sim.chance(600);
        let what = match kind {
            13 | 14 => Change::Edit(format!("edited in {step} by {who}")),
            15 => Change::Delete,
            16 | 17 => Change::React { emoji, on },
            _ => Change::Pin(on),
        };
        self.sim.change(who, id, what);
    }

    fn try_wishes(&mut self) {
        let wishes = std::mem::take(&mut self.wishes);
        for wish in wishes {
            if self.is_worn_out(wish.from) {
                continue;
            }
            let send = wish.send.clone();
            let answer = self.sim.ask(wish.from, |reply| Command::Send(send, reply));
            if !matches!(answer, Some(Ok(_))) {
                self.wishes.push(wish);
            } else if self.sim.chance(100) {
                // Some ask again, though they were answered.
                self.sim.ask(wish.from, |reply| Command::Send(wish.send, reply));
            }
        }
    }

    /// The network heals, clocks are right again, everybody is up and lets everybody in.
    fn calm(&mut self) {
        if self.honest < self.sim.nodes.len() && self.sim.chance(500) {
            // Otherwise the bad contact is still there when all others have calmed down.
            self.sim.down(self.honest, Crash::Killed);
        }
        let sim = &mut self.sim;
        sim.weather = CALM;
        sim.mend_all();
        for index in 0..sim.nodes.len() {
            sim.nodes[index].ahead = i64::try_from(sim.below(2 * SECOND)).unwrap_or(0);
            sim.schedule_tick(index);
        }
        sim.wait(10 * SECOND);
        sim.unblock_all(self.honest);
        self.talk_it_over();
        // What was written with a clock that was ahead is shown when its time has come.
        let written = self.sim.ledger.entries.values();
        let written = written.filter(|entry| entry.by < self.honest);
        let latest = written.map(|entry| entry.at.clock).max();
        if let Some(latest) = latest.filter(|latest| *latest + MINUTE > self.sim.now) {
            self.sim.now = latest + MINUTE;
            self.talk_it_over();
        }
        self.read_everything();
    }

    fn talk_it_over(&mut self) {
        for _ in 0..3 {
            self.sim.wait(4 * MINUTE);
            self.try_wishes();
        }
        assert!(
            self.wishes.iter().all(|wish| wish.from >= self.honest),
            "a good text to a contact is accepted"
        );
        self.sim.wait(3 * MINUTE);
    }

    /// A last word of everybody, so that there is something to mark, and then the marks.
    fn read_everything(&mut self) {
        let honest = self.honest;
        let pairs: Vec<_> = self.pairs.iter().copied().filter(|(_, b)| *b < honest).collect();
        for &(a, b) in &pairs {
            let conversation = self.sim.direct(a, b);
            for who in [a, b] {
                self.sim.tell(who, conversation, &format!("last words of {who}"));
            }
        }
        // What they name and nobody has is asked for when everything is told next, which is up to 72 s later.
        self.sim.wait(2 * MINUTE);
        for &(a, b) in &pairs {
            let conversation = self.sim.direct(a, b);
            for who in [a, b] {
                self.sim.read(who, conversation, UpTo::End).expect("it is there");
            }
        }
        self.sim.wait(2 * MINUTE);
    }
}

impl Sim {
    /// A message that a node shows, if it shows any.
    fn some_message(&mut self, who: usize, conversation: &ConversationId) -> Option<EventId> {
        let no = self.number_of(who, conversation)?;
        let store = self.nodes[who].store();
        let entries = timeline::after(store, no, None, usize::MAX).expect("readable");
        let at = self.below(entries.len() as u64) as usize;
        entries.get(at).map(|entry| entry.at.id)
    }

    /// A poll that a node shows, if it shows any.
    fn some_poll(&mut self, who: usize, conversation: &ConversationId) -> Option<EventId> {
        let no = self.number_of(who, conversation)?;
        let store = self.nodes[who].store();
        let mut entries = timeline::after(store, no, None, usize::MAX).expect("readable");
        entries.retain(|entry| {
            let event = events::get(store, &entry.event).expect("readable");
            let body = event.and_then(|event| Message::decode(event.body()?.1).ok());
            body.is_some_and(|message| matches!(message.content, Content::Poll(_)))
        });
        let at = self.below(entries.len() as u64) as usize;
        entries.get(at).map(|entry| entry.at.id)
    }
}

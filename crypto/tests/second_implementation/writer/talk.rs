//! First flights, and conversations in which messages come in any order, twice, changed, or not at all.

use serde_json::{Value, json};

use super::person::{NOW, Person};
use super::{Case, Draw};
use crate::given::hex;

/// The day of [`NOW`].
const DAY: u64 = NOW / 86_400_000;

pub(super) fn first_flight(draw: &mut Draw, suites: [u8; 2], one_time: bool, again: bool, length: u64) -> Value {
    let (a, b) = (Person::new(draw, suites[0]), Person::new(draw, suites[1]));
    let suite = if suites[0] & suites[1] & 2 != 0 { 2 } else { 1 };
    let (mut of_a, mut of_b) = (a.secrets(), b.secrets());
    of_a["list_reference"] = hex(a.list.reference().encode());
    of_b["bundle"] = hex(b.bundle.as_bytes());
    [of_b["prekey_secret"], of_b["kem_seed"]] = b.prekey_secrets();
    of_b["one_time_id"] = if one_time { 1 + draw.number(31) } else { 0 }.into();
    of_b["one_time_secret"] = if one_time { draw.hex(32) } else { Value::Null };
    json!({
        "suite": suite, "now": NOW, "day": DAY, "contact_text": if again { "again" } else { "invite" },
        "tag_key": if again { hex(&b.bundle.hash()[..16]) } else { draw.hex(16) }, "a": of_a, "b": of_b,
        "eph_secret": draw.hex(32), "kem_random": if suite == 2 { draw.hex(32) } else { Value::Null },
        "ratchet_secret": draw.hex(32), "header_nonce": draw.hex(24), "payload": draw.hex(length),
    })
}

pub(super) fn first_flights(draw: &mut Draw) -> Vec<Case> {
    let mut cases = Vec::new();
    for suites in [[3, 3], [1, 3], [3, 1], [2, 3], [1, 1]] {
        for (one_time, again) in [(true, false), (false, true), (false, false)] {
            let length = 1 + draw.number(15);
            let name = format!("suites {suites:?}, one-time key {one_time}, again {again}, {length} bytes");
            cases.push((
                "first_flight",
                name,
                first_flight(draw, suites, one_time, again, length),
            ));
        }
    }
    cases
}

/// What has to be known of a message to say when it can be opened.
struct Message {
    by: usize,
    chain: i32,
    opened: bool,
    size: u64,
}

/// What has to be known of a side: its own newest chain, the newest it has seen of the other, whether it owes a new one.
#[derive(Clone, Copy)]
struct Side {
    chain: i32,
    seen: i32,
    owes: bool,
}

struct Talk {
    sides: [Side; 2],
    messages: Vec<Message>,
    steps: Vec<Value>,
    refreshes: bool,
}

const NAMES: [&str; 2] = ["a", "b"];

impl Talk {
    fn new(refreshes: bool) -> Self {
        Self {
            sides: [
                Side {
                    chain: 0,
                    seen: -1,
                    owes: false,
                },
                Side {
                    chain: -1,
                    seen: 0,
                    owes: true,
                },
            ],
            messages: vec![Message {
                by: 0,
                chain: 0,
                opened: true,
                size: 512,
            }],
            steps: Vec::new(),
            refreshes,
        }
    }

    /// A step by a side that seals; begins a chain where that is due.
    fn sealing(&mut self, draw: &mut Draw, by: usize, mut step: Value) {
        let side = &mut self.sides[by];
        if std::mem::take(&mut side.owes) {
            side.chain += 1;
            step["ratchet_secret"] = draw.hex(32);
        }
        if self.refreshes {
            if draw.chance(30) {
                self.steps.push(json!({"do": "ask", "by": NAMES[by]}));
            }
            step["kem_seed"] = draw.hex(64);
            step["kem_random"] = draw.hex(32);
        }
        step["by"] = NAMES[by].into();
        self.steps.push(step);
    }

    fn seal(&mut self, draw: &mut Draw, by: usize) {
        let length = if draw.chance(10) {
            1 + draw.number(15)
        } else {
            1 + draw.below(300)
        };
        let step = json!({
            "do": "seal", "day": DAY + draw.below(3), "payload": draw.hex(length), "header_nonce": draw.hex(24),
        });
        self.sealing(draw, by, step);
        // No envelope is smaller than its payload, whatever its size is.
        let size = length.max(512);
        self.messages.push(Message {
            by,
            chain: self.sides[by].chain,
            opened: false,
            size,
        });
    }

    fn saw(&mut self, by: usize, chain: i32) {
        let side = &mut self.sides[by];
        if chain > side.seen {
            (side.seen, side.owes) = (chain, true);
        }
    }

    /// A number of a message that was opened or not; the newest ones are likelier.
    fn pick(&self, draw: &mut Draw, opened: bool) -> Option<usize> {
        let fits: Vec<usize> = (0..self.messages.len())
            .filter(|&at| self.messages[at].opened == opened)
            .collect();
        let recent = fits.len().min(if draw.chance(70) { 4 } else { usize::MAX });
        let from_end = usize::try_from(draw.below(recent.max(1) as u64)).unwrap();
        fits.iter().rev().nth(from_end).copied()
    }

    fn open(&mut self, at: usize) {
        let (by, chain) = (1 - self.messages[at].by, self.messages[at].chain);
        self.messages[at].opened = true;
        self.saw(by, chain);
        self.steps.push(json!({"do": "open", "by": NAMES[by], "message": at}));
    }

    fn refuse(&mut self, at: usize) {
        let by = NAMES[1 - self.messages[at].by];
        self.steps
            .push(json!({"do": "refuse", "by": by, "message": at, "why_text": "opened before"}));
    }

    fn refuse_changed(&mut self, draw: &mut Draw, at: usize) {
        let (by, place) = (NAMES[1 - self.messages[at].by], draw.below(self.messages[at].size));
        let step = json!({"do": "refuse_changed", "by": by, "message": at, "at": place, "why_text": "changed"});
        self.steps.push(step);
    }

    fn step(&mut self, draw: &mut Draw) {
        let by = usize::try_from(draw.below(2)).unwrap();
        match draw.below(100) {
            0..40 => self.seal(draw, by),
            40..45 => {
                let count = 1 + draw.below(5);
                self.sealing(draw, by, json!({"do": "drop", "count": count}));
            }
            45..50 => {
                self.sealing(draw, by, json!({"do": "pass"}));
                self.saw(1 - by, self.sides[by].chain);
            }
            50..60 => {
                if let Some(at) = self.pick(draw, true) {
                    self.refuse(at);
                }
            }
            60..70 => {
                if let Some(at) = self.pick(draw, false) {
                    self.refuse_changed(draw, at);
                }
            }
            _ => {
                if let Some(at) = self.pick(draw, false) {
                    self.open(at);
                }
            }
        }
    }
}

/// With `refreshes` both sides take part in them, and one is asked for now and then.
fn conversation(draw: &mut Draw, steps: usize, refreshes: bool) -> Value {
    let suites = if refreshes || draw.chance(50) { [3, 3] } else { [1, 3] };
    let flight = first_flight(draw, suites, true, false, 40);
    let mut talk = Talk::new(refreshes);
    if refreshes {
        // A learns it from B's first message.
        talk.steps.push(json!({"do": "know", "by": "b"}));
    }
    for _ in 0..steps {
        talk.step(draw);
    }
    while let Some(at) = talk.pick(draw, false) {
        talk.open(at);
    }
    for at in 0..talk.messages.len() {
        talk.refuse(at);
    }
    json!({"first_flight": flight, "steps": talk.steps})
}

pub(super) fn conversations(draw: &mut Draw) -> Vec<Case> {
    let mut cases = Vec::new();
    for number in 0..8 {
        cases.push((
            "conversation",
            format!("conversation {number}"),
            conversation(draw, 200, false),
        ));
    }
    for number in 0..6 {
        cases.push((
            "conversation",
            format!("conversation with refreshes {number}"),
            conversation(draw, 200, true),
        ));
    }
    for _ in 0..64 {
        let day = draw.number(16);
        cases.push((
            "shard",
            format!("day {day}"),
            json!({"recipient": draw.hex(32), "day": day}),
        ));
    }
    let lengths: Vec<u64> = (0..64).map(|_| draw.number(15)).collect();
    cases.push(("padding", "sizes".to_owned(), json!({"lengths": lengths})));
    cases
}

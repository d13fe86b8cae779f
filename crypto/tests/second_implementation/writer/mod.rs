//! Cases from this side: what the crate makes from random values, for the other implementation to make again, open, verify
//! and refuse. The same in every run.

mod chains;
mod content;
mod person;
mod rooms;
mod talk;

use std::path::Path;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::given::{Given, hex};
use super::kinds;

/// A case before it is run: kind, name, inputs.
type Case = (&'static str, String, Value);

/// Makes the cases of a topic.
type Topic = fn(&mut Draw) -> Vec<Case>;

/// Random values, the same in every run.
struct Draw(ChaCha20Rng);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    fn bytes(&mut self, count: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(count).unwrap()];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    fn hex(&mut self, count: u64) -> Value {
        hex(self.bytes(count))
    }

    fn hexes(&mut self, count: u64, width: u64) -> Vec<Value> {
        (0..count).map(|_| self.hex(width)).collect()
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit
    }

    /// A number of any magnitude below 2 to the power of `bits`.
    fn number(&mut self, bits: u64) -> u64 {
        let width = self.below(bits);
        self.0.next_u64() >> (63 - width)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn or_null(&mut self, percent: u64, value: impl FnOnce(&mut Self) -> Value) -> Value {
        if self.chance(percent) { value(self) } else { Value::Null }
    }
}

/// Writes a file of cases for every topic into `folder`.
pub(crate) fn write(folder: &Path) {
    let topics: [(&str, Topic); 15] = [
        ("identity", person::identities),
        ("device", person::devices),
        ("prekey", person::prekeys),
        ("handshake", talk::first_flights),
        ("ratchet", talk::conversations),
        ("events", content::events),
        ("streams", content::streams),
        ("knock", content::knocks),
        ("invite", content::invites),
        ("safety_number", person::safety_numbers),
        ("keystore", person::keystores),
        ("refused", content::damaged),
        ("bodies", content::bodies),
        ("fold", rooms::folds),
        ("rooms", chains::rooms),
    ];
    for (number, (topic, made)) in (1..).zip(topics) {
        let cases: Vec<Value> = made(&mut Draw::new(number)).iter().map(run).collect();
        let path = folder.join(topic).with_extension("json");
        std::fs::write(&path, json!({"topic": topic, "cases": cases}).to_string()).expect("the folder can be written");
    }
}

fn run((kind, name, inputs): &Case) -> Value {
    let found = kinds::run(kind, Given(inputs));
    json!({"name": name, "kind": kind, "in": inputs, "mid": found.mid, "out": found.out})
}

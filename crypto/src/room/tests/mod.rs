use super::*;
use crate::envelope::EnvelopePrefix;
use crate::event::{Draft, VerifiedEvent};
use crate::ids::{ConversationId, DeviceId, EventId};
use crate::kdf::SignerKey;
use crate::ratchet::RecordKey;
use crate::testing::{NOW, Person, malformed, person, rng, with_field};
use crate::{Control, ControlError, DeviceList, KIND_MESSAGE, MAX_SKIPPED, Message, Payload};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

mod chains;
mod controls;
mod operations;
mod taking;

const ROOM: ConversationId = ConversationId::from_bytes([5; 32]);
const DAY: u16 = 20_454;
const VIEW: [u8; 32] = [3; 32];

/// A sender and a reader of a room, and what the reader has on disk.
struct Talk {
    ann: Person,
    bob: Person,
    chain: SendingChain,
    reader: ChainSender,
    disk: BTreeMap<RecordKey, Vec<u8>>,
    rng: ChaCha20Rng,
    said: u64,
}

fn audience(people: &[&Person]) -> Audience {
    Audience::new(people.iter().map(|person| person.keys.id())).unwrap()
}

fn chain_of(person: &Person, room: ConversationId, audience: &Audience, seed: u64) -> SendingChain {
    SendingChain::create(&mut rng(seed), &person.keys, room, VIEW, audience, NOW)
}

fn talk() -> Talk {
    let (ann, bob) = (person(1), person(2));
    let chain = chain_of(&ann, ROOM, &audience(&[&ann, &bob]), 1);
    let mut reader = ChainSender::new(ROOM, &ann.cert).unwrap();
    let shared = chain.share(Vec::new()).unwrap();
    assert_eq!(reader.take(&shared, &ann.keys.id(), &bob.keys.id()), Ok(Taken::New));
    let mut talk = Talk {
        ann,
        bob,
        chain,
        reader,
        disk: BTreeMap::new(),
        rng: rng(9),
        said: 0,
    };
    talk.save();
    talk
}

fn event(by: &Person, room: ConversationId, number: u64, text: &str) -> VerifiedEvent {
    let draft = Draft {
        kind: KIND_MESSAGE,
        conversation: room,
        device: by.keys.id(),
        log: 0,
        seq: number,
        prev: (number > 1).then_some(EventId::from_bytes([1; 32])),
        parents: Vec::new(),
        clock: NOW + number,
        view: Some(VIEW),
    };
    VerifiedEvent::sign(&by.keys, draft, [4; 16], &Message::text(text).encode().unwrap()).unwrap()
}

impl Talk {
    fn seal(&mut self) -> (VerifiedEvent, Vec<u8>) {
        self.said += 1;
        let event = event(&self.ann, ROOM, self.said, "hello");
        let envelope = self.chain.seal(&mut self.rng, DAY, &event).unwrap();
        (event, envelope)
    }

    fn open(&mut self, envelope: &[u8]) -> Result<VerifiedEvent, RoomOpenError> {
        let pending = self.reader.open(&self.chain.cert().chain(), envelope)?;
        let event = self.reader.commit(pending.verify().unwrap(), NOW)?;
        self.save();
        Ok(event)
    }

    fn save(&mut self) {
        for change in self.reader.take_changes() {
            match change.value {
                Some(value) => self.disk.insert(change.key, value.to_vec()),
                None => self.disk.remove(&change.key),
            };
        }
    }

    fn reload(&mut self) {
        let records = self
            .disk
            .iter()
            .map(|(key, value)| (*key, Zeroizing::new(value.clone())));
        self.reader = ChainSender::load(ROOM, &self.ann.cert, records).unwrap();
    }

    /// Asserts that nothing of the reader's state moves, and gives why the envelope does not open.
    fn refuses(&mut self, envelope: &[u8]) -> RoomOpenError {
        let error = self.open(envelope).expect_err("the envelope must not open");
        assert!(self.reader.take_changes().is_empty(), "a record moved on {error}");
        error
    }
}

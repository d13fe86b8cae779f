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

#[test]
fn what_is_sealed_opens_once_and_holds_the_event() {
    let mut talk = talk();
    for size in [0, 1, 100, 1000] {
        talk.said += 1;
        let event = event(&talk.ann, ROOM, talk.said, &"x".repeat(size + 1));
        let envelope = talk.chain.seal(&mut talk.rng, DAY, &event).unwrap();
        assert!(crate::ENVELOPE_SIZES.contains(&envelope.len()));
        let tags: Vec<_> = talk.reader.tags(DAY).collect();
        assert_eq!(tags, [(talk.chain.cert().chain(), talk.chain.tag(DAY))]);
        assert_eq!(envelope[3..11], tags[0].1);
        assert_eq!(talk.open(&envelope).unwrap(), event);
        assert_eq!(talk.refuses(&envelope), RoomOpenError::Replayed);
        talk.reload();
        assert_eq!(talk.refuses(&envelope), RoomOpenError::Replayed);
    }
    assert_ne!(talk.chain.tag(DAY), talk.chain.tag(DAY + 1));
}

#[test]
fn no_changed_byte_opens_and_nothing_moves() {
    let mut talk = talk();
    let (event, envelope) = talk.seal();
    let before = talk.disk.clone();
    for at in 0..envelope.len() {
        let mut bad = envelope.clone();
        bad[at] ^= 1;
        talk.refuses(&bad);
    }
    for len in 0..envelope.len() {
        talk.refuses(&envelope[..len]);
    }
    talk.save();
    assert_eq!(talk.disk, before);
    assert_eq!(talk.open(&envelope).unwrap(), event);
}

/// Any loss and any order within a window: everything that arrives opens once.
#[test]
fn loss_and_order_make_nothing_unreadable() {
    for (window, lost) in [(1, 0), (1, 30), (5, 10), (40, 0), (100, 30), (500, 0), (500, 30)] {
        let mut talk = talk();
        let mut random = rng(window as u64 * 100 + lost);
        let mut waiting: Vec<(VerifiedEvent, Vec<u8>)> = Vec::new();
        let mut opened = BTreeSet::new();
        for sent in 0..CHAIN_MESSAGES as usize {
            let sealed = talk.seal();
            if u64::from(random.next_u32() % 100) >= lost {
                waiting.push(sealed);
            }
            let last = sent + 1 == CHAIN_MESSAGES as usize;
            while waiting.len() >= window || (last && !waiting.is_empty()) {
                let (event, envelope) = waiting.swap_remove(random.next_u32() as usize % waiting.len());
                assert_eq!(talk.open(&envelope).unwrap(), event, "window {window}, {lost} % lost");
                assert!(opened.insert(event.id()), "opened twice");
                if random.next_u32().is_multiple_of(50) {
                    talk.reload();
                    assert_eq!(talk.refuses(&envelope), RoomOpenError::Replayed);
                }
            }
        }
        let enough = CHAIN_MESSAGES as usize * (100 - lost as usize) / 100 - 50;
        assert!(opened.len() >= enough);
        let missing = CHAIN_MESSAGES as usize - opened.len();
        assert!(talk.disk.len() <= 2 + missing, "a key at most for each that is missing");
    }
}

#[test]
fn a_chain_ends_and_says_before_that_it_will() {
    let mut talk = talk();
    assert!(!talk.chain.is_due(NOW));
    assert!(talk.chain.is_due(NOW + CHAIN_LIFETIME_MS));
    let event = event(&talk.ann, ROOM, 1, "hello");
    for n in 0..CHAIN_MESSAGES {
        assert_eq!(talk.chain.is_due(NOW), n >= CHAIN_DUE);
        talk.chain.seal(&mut talk.rng, DAY, &event).unwrap();
    }
    let bytes = talk.chain.to_bytes();
    assert_eq!(
        talk.chain.seal(&mut talk.rng, DAY, &event),
        Err(RoomSealError::Exhausted)
    );
    assert_eq!(*talk.chain.to_bytes(), *bytes);
    assert_eq!(talk.chain.share(Vec::new()), None);
}

#[test]
fn a_sending_chain_is_read_back_and_nothing_else_is() {
    let mut talk = talk();
    talk.seal();
    let bytes = talk.chain.to_bytes();
    talk.chain = SendingChain::from_bytes(&bytes).unwrap();
    assert_eq!(*talk.chain.to_bytes(), *bytes);
    let (event, envelope) = talk.seal();
    assert_eq!(talk.open(&envelope).unwrap(), event);
    assert!(SendingChain::from_bytes(&bytes[1..]).is_err());
    assert!(SendingChain::from_bytes(&[]).is_err());
    let mut other_keys = bytes.to_vec();
    other_keys[1 + 8 + 4 + 32] ^= 1;
    assert!(SendingChain::from_bytes(&other_keys).is_err());
}

#[test]
fn only_what_belongs_to_the_chain_is_sealed() {
    let mut talk = talk();
    let before = talk.chain.to_bytes();
    let elsewhere = event(&talk.ann, ConversationId::from_bytes([6; 32]), 1, "hello");
    let others = event(&talk.bob, ROOM, 1, "hello");
    let stub = event(&talk.ann, ROOM, 1, "hello").into_stub();
    for foreign in [elsewhere, others, stub] {
        assert_eq!(
            talk.chain.seal(&mut talk.rng, DAY, &foreign),
            Err(RoomSealError::Foreign)
        );
    }
    assert_eq!(*talk.chain.to_bytes(), *before);
}

/// A reader has all keys of a chain, and can seal what it likes.
fn sealed_by_a_reader(talk: &Talk, iteration: u32, payload: &[u8]) -> Vec<u8> {
    let shared = talk.chain.share(Vec::new()).unwrap();
    let prefix = EnvelopePrefix { day: DAY, tag: [1; 8] }.encode();
    let binding = message::Binding::new(&ROOM, &talk.chain.cert().chain(), &prefix);
    let mut key = crate::ratchet::ChainKey::new(shared.keys.chain);
    let mut message_key;
    let mut n = shared.iteration;
    loop {
        (key, message_key) = key.step();
        if n == iteration.min(CHAIN_MESSAGES) {
            break;
        }
        n += 1;
    }
    let header = crate::ratchet::HeaderKey::new(shared.keys.header);
    let mut out = prefix.to_vec();
    message::seal(
        &mut rng(4),
        &binding,
        &header,
        iteration,
        &message_key,
        [payload, &[]],
        &mut out,
        1024,
    );
    out
}

#[test]
fn a_reader_cannot_move_another_readers_chain_with_what_the_owner_did_not_sign() {
    let mut talk = talk();
    let forged = {
        // Ann's header under Bob's signature.
        let by_bob = event(&talk.bob, ROOM, 1, "hello").to_wire();
        let by_ann = event(&talk.ann, ROOM, 1, "hello").to_wire();
        let header = 2 + usize::from(u16::from_be_bytes([by_ann[0], by_ann[1]]));
        [
            &[1],
            &by_ann[..header],
            &by_bob[header..header + 64],
            &by_ann[header + 64..],
        ]
        .concat()
    };
    let envelope = sealed_by_a_reader(&talk, 3, &forged);
    let pending = talk.reader.open(&talk.chain.cert().chain(), &envelope).unwrap();
    assert!(pending.verify().is_err());
    assert!(talk.reader.take_changes().is_empty());

    let others = [&[1], event(&talk.bob, ROOM, 1, "hello").to_wire().as_slice()].concat();
    let elsewhere = [
        &[1],
        event(&talk.ann, ConversationId::from_bytes([6; 32]), 1, "x")
            .to_wire()
            .as_slice(),
    ]
    .concat();
    for foreign in [others, elsewhere] {
        let envelope = sealed_by_a_reader(&talk, 3, &foreign);
        assert_eq!(talk.refuses(&envelope), RoomOpenError::Foreign);
    }
    let wire = event(&talk.ann, ROOM, 1, "hello").to_wire();
    for kind in [0, 2, 3, 255] {
        let envelope = sealed_by_a_reader(&talk, 3, &[&[kind], wire.as_slice()].concat());
        assert_eq!(talk.refuses(&envelope), RoomOpenError::Malformed);
    }
    for nothing in [&[][..], &[1], &[1, 2, 3]] {
        let envelope = sealed_by_a_reader(&talk, 3, nothing);
        assert_eq!(talk.refuses(&envelope), RoomOpenError::Malformed);
    }
    for iteration in [CHAIN_MESSAGES, CHAIN_MESSAGES + 1, u32::MAX] {
        let envelope = sealed_by_a_reader(&talk, iteration, &[&[1], wire.as_slice()].concat());
        assert_eq!(talk.refuses(&envelope), RoomOpenError::Malformed);
    }
    let (event, envelope) = talk.seal();
    assert_eq!(talk.open(&envelope).unwrap(), event);
}

#[test]
fn two_envelopes_of_one_message_count_once_in_whatever_order_they_are_proved() {
    let mut talk = talk();
    let (event, envelope) = talk.seal();
    let (_, later) = talk.seal();
    let chain = talk.chain.cert().chain();
    let first = talk.reader.open(&chain, &envelope).unwrap();
    let second = talk.reader.open(&chain, &envelope).unwrap();
    let third = talk.reader.open(&chain, &later).unwrap();
    assert_eq!(first.event_id(), event.id());
    talk.reader.commit(third.verify().unwrap(), NOW).unwrap();
    talk.reader.commit(second.verify().unwrap(), NOW).unwrap();
    talk.save();
    let again = talk.reader.commit(first.verify().unwrap(), NOW);
    assert_eq!(again.unwrap_err(), RoomOpenError::Replayed);
    assert!(talk.reader.take_changes().is_empty());
}

#[test]
fn who_comes_later_reads_on_from_there() {
    let mut talk = talk();
    let (_, before) = talk.seal();
    let cat = person(3);
    let mut late = ChainSender::new(ROOM, &talk.ann.cert).unwrap();
    let shared = talk.chain.share(Vec::new()).unwrap();
    late.take(&shared, &talk.ann.keys.id(), &cat.keys.id()).unwrap();
    let chain = talk.chain.cert().chain();
    assert_eq!(
        late.open(&chain, &before).unwrap_err(),
        RoomOpenError::BeforeUs { first: 1 }
    );
    let (event, after) = talk.seal();
    let pending = late.open(&chain, &after).unwrap();
    assert_eq!(late.commit(pending.verify().unwrap(), NOW).unwrap(), event);
}

#[test]
fn a_chain_is_taken_from_its_owner_or_with_a_proof_of_the_audience() {
    let (ann, bob, cat, dan) = (person(1), person(2), person(3), person(4));
    let made_for = audience(&[&ann, &bob, &cat]);
    let chain = chain_of(&ann, ROOM, &made_for, 1);
    let [ann_id, bob_id, cat_id, dan_id] = [&ann, &bob, &cat, &dan].map(|person| person.keys.id());
    let from = |shared: &SharedChain, giver: &DeviceId, own: &DeviceId| {
        let mut reader = ChainSender::new(ROOM, &ann.cert).unwrap();
        let taken = reader.take(shared, giver, own);
        assert_eq!(taken.is_err(), reader.take_changes().is_empty());
        taken
    };
    let shared = chain.share(vec![EventId::from_bytes([1; 32])]).unwrap();
    assert_eq!(
        from(&shared, &ann_id, &dan_id),
        Ok(Taken::New),
        "the owner may give it to whoever came later"
    );
    assert_eq!(from(&shared, &bob_id, &cat_id), Err(TakeError::NotMeant));
    let with_proof = |of: &DeviceId, proved_in: &Audience| SharedChain {
        proof: proved_in.prove(of),
        ..shared.clone()
    };
    assert_eq!(from(&with_proof(&cat_id, &made_for), &bob_id, &cat_id), Ok(Taken::New));
    assert_eq!(
        from(&with_proof(&cat_id, &made_for), &bob_id, &dan_id),
        Err(TakeError::NotMeant)
    );
    assert_eq!(
        from(&with_proof(&bob_id, &made_for), &bob_id, &cat_id),
        Err(TakeError::NotMeant)
    );
    let larger = audience(&[&ann, &bob, &cat, &dan]);
    assert_eq!(
        from(&with_proof(&dan_id, &larger), &bob_id, &dan_id),
        Err(TakeError::NotMeant)
    );

    let mut other_keys = shared.clone();
    other_keys.keys.header[0] ^= 1;
    assert_eq!(from(&other_keys, &ann_id, &bob_id), Err(TakeError::Keys));
    let mut other_tag = shared.clone();
    other_tag.keys.tag[0] ^= 1;
    assert_eq!(from(&other_tag, &ann_id, &bob_id), Err(TakeError::Keys));
    let beyond = SharedChain {
        iteration: CHAIN_MESSAGES,
        ..shared.clone()
    };
    assert_eq!(from(&beyond, &ann_id, &bob_id), Err(TakeError::Keys));
    let elsewhere = chain_of(&ann, ConversationId::from_bytes([6; 32]), &made_for, 1);
    assert_eq!(
        from(&elsewhere.share(Vec::new()).unwrap(), &ann_id, &bob_id),
        Err(TakeError::OtherRoom)
    );
    let others = chain_of(&bob, ROOM, &made_for, 1);
    let others = from(&others.share(Vec::new()).unwrap(), &ann_id, &bob_id);
    assert_eq!(others, Err(TakeError::Cert(ChainCertError::OtherDevice)));
}

#[test]
fn a_false_chain_key_from_a_member_gives_way_to_the_owners() {
    let mut talk = talk();
    let (ann_id, bob_id, cat) = (talk.ann.keys.id(), talk.bob.keys.id(), person(3));
    let made_for = audience(&[&talk.ann, &talk.bob, &cat]);
    talk.chain = chain_of(&talk.ann, ROOM, &made_for, 2);
    let honest = talk.chain.share(Vec::new()).unwrap();
    let mut false_key = honest.clone();
    false_key.keys.chain[0] ^= 1;
    false_key.proof = made_for.prove(&cat.keys.id());
    let own = cat.keys.id();
    assert_eq!(talk.reader.take(&false_key, &bob_id, &own), Ok(Taken::New));
    talk.save();
    talk.reload();
    let (event, envelope) = talk.seal();
    assert_eq!(talk.refuses(&envelope), RoomOpenError::NotAuthentic);
    assert_eq!(talk.reader.take(&honest, &ann_id, &own), Ok(Taken::New));
    talk.save();
    assert_eq!(talk.open(&envelope).unwrap(), event);
    // From then on nobody turns it back.
    assert_eq!(talk.reader.take(&honest, &ann_id, &own), Ok(Taken::Known));
    assert_eq!(talk.reader.take(&false_key, &bob_id, &own), Ok(Taken::Known));
    assert_eq!(talk.refuses(&envelope), RoomOpenError::Replayed);
}

#[test]
fn chains_and_skipped_keys_of_a_sender_are_bounded() {
    let mut talk = talk();
    let (ann_id, bob_id) = (talk.ann.keys.id(), talk.bob.keys.id());
    let made_for = audience(&[&talk.ann, &talk.bob]);
    let mut first = Vec::new();
    for number in 0..40 {
        talk.chain = chain_of(&talk.ann, ROOM, &made_for, 100 + number);
        let shared = talk.chain.share(Vec::new()).unwrap();
        assert_eq!(talk.reader.take(&shared, &ann_id, &bob_id), Ok(Taken::New));
        first.push(talk.seal().1);
        (0..200).for_each(|_| drop(talk.seal()));
        let (event, last) = talk.seal();
        assert_eq!(talk.open(&last).unwrap(), event);
    }
    let count = |kind| talk.disk.keys().filter(|key| key[0] == kind).count();
    assert_eq!((count(1), count(2), count(3)), (MAX_CHAINS, MAX_CHAINS, MAX_SKIPPED));
    talk.reload();
    assert_eq!(talk.reader.tags(DAY).count(), MAX_CHAINS);
    assert_eq!(
        talk.refuses(&first[39 - 12]),
        RoomOpenError::NoKey,
        "the header key is another chain's"
    );
    assert!(talk.open(&first[39]).is_ok());
    assert!(talk.reader.purge(NOW + 1));
    talk.save();
    assert!(!talk.reader.purge(NOW + 1));
    assert_eq!(talk.disk.keys().filter(|key| key[0] == 3).count(), 0);
    talk.reload();
}

#[test]
fn records_that_do_not_fit_are_not_loaded() {
    let mut talk = talk();
    let (_, _lost) = talk.seal();
    let (_, envelope) = talk.seal();
    talk.open(&envelope).unwrap();
    let load = |disk: &BTreeMap<RecordKey, Vec<u8>>, cert| {
        let records = disk.iter().map(|(key, value)| (*key, Zeroizing::new(value.clone())));
        ChainSender::load(ROOM, cert, records).map(|_| ())
    };
    let good = talk.disk.clone();
    assert_eq!(load(&good, &talk.ann.cert), Ok(()));
    assert_eq!(load(&good, &talk.bob.cert), Err(SenderLoadError::Inconsistent));
    for key in good.keys() {
        let mut bad = good.clone();
        bad.get_mut(key).unwrap().push(0);
        assert_eq!(
            load(&bad, &talk.ann.cert),
            Err(SenderLoadError::Malformed),
            "{key:?} longer"
        );
        bad.insert(*key, good[key][..good[key].len() - 1].to_vec());
        assert_eq!(
            load(&bad, &talk.ann.cert),
            Err(SenderLoadError::Malformed),
            "{key:?} shorter"
        );
        if key[0] != 3 {
            bad.remove(key);
            assert_eq!(
                load(&bad, &talk.ann.cert),
                Err(SenderLoadError::Inconsistent),
                "without {key:?}"
            );
        }
    }
    let mut unknown = good;
    unknown.insert([9; 13], vec![1]);
    assert_eq!(load(&unknown, &talk.ann.cert), Err(SenderLoadError::Malformed));
}

#[test]
fn a_chain_certificate_has_one_form_and_one_signer() {
    let (ann, bob) = (person(1), person(2));
    let chain = chain_of(&ann, ROOM, &audience(&[&ann]), 1);
    let good = chain.cert().as_bytes();
    let ann_key = SignerKey::read(ann.cert.signing_key()).unwrap();
    let bob_key = SignerKey::read(bob.cert.signing_key()).unwrap();
    let read = ChainCert::verify(good, &ann.keys.id(), &ann_key).unwrap();
    assert_eq!(&read, chain.cert());
    assert_eq!((read.room(), read.device(), *read.view()), (ROOM, ann.keys.id(), VIEW));
    assert_eq!(ChainCert::claimed(good).map(|(_, owner)| owner), Some(ann.keys.id()));
    let refused = ChainCert::verify(good, &ann.keys.id(), &bob_key);
    assert_eq!(refused, Err(ChainCertError::Signature));
    assert_eq!(
        ChainCert::verify(good, &bob.keys.id(), &ann_key),
        Err(ChainCertError::OtherDevice)
    );
    for (how, bad) in malformed(good, &[]) {
        assert!(ChainCert::verify(&bad, &ann.keys.id(), &ann_key).is_err(), "{how}");
    }
    let statement = crate::testing::fields(good)[0].1.clone();
    for (how, bad) in malformed(&statement, &[]) {
        let bad = with_field(good, 1, &bad);
        assert!(ChainCert::verify(&bad, &ann.keys.id(), &ann_key).is_err(), "{how}");
    }
    for tag in 2..=7 {
        let mut value = crate::testing::fields(&statement)[usize::from(tag) - 1].1.clone();
        value[0] ^= 1;
        let bad = with_field(good, 1, &with_field(&statement, tag, &value));
        assert!(
            ChainCert::verify(&bad, &ann.keys.id(), &ann_key).is_err(),
            "field {tag}"
        );
    }
    let newer = with_field(good, 1, &with_field(&statement, 1, &[2]));
    let refused = ChainCert::verify(&newer, &ann.keys.id(), &ann_key);
    assert_eq!(refused, Err(ChainCertError::Version { got: 2 }));
}

fn strict(control: &Control) {
    let bytes = control.encode().unwrap();
    assert_eq!(Control::decode(&bytes).as_ref(), Ok(control));
    for len in 0..bytes.len() {
        assert!(Control::decode(&bytes[..len]).is_err(), "cut to {len} bytes");
    }
    assert!(Control::decode(&[&bytes[..], &[0]].concat()).is_err(), "a byte more");
    let payload = Payload::Control {
        id: [1; 16],
        control: control.clone(),
    };
    assert_eq!(Payload::decode(&payload.encode().unwrap()), Ok(payload));
}

fn controls() -> Vec<Control> {
    let (ann, bob) = (person(1), person(2));
    let made_for = audience(&[&ann, &bob]);
    let mut shared = chain_of(&ann, ROOM, &made_for, 1)
        .share(vec![EventId::from_bytes([1; 32])])
        .unwrap();
    shared.proof = made_for.prove(&bob.keys.id());
    let list = DeviceList::first(&ann.identity, std::slice::from_ref(&ann.cert), NOW).unwrap();
    vec![
        Control::SenderChain {
            chains: vec![shared],
            ext: Vec::new(),
        },
        Control::KeyRequest {
            room: ROOM,
            chains: vec![(ann.keys.id(), [7; 16])],
            ext: vec![(1, vec![2])],
        },
        Control::RoomAsk(crate::RoomAsk {
            room: ROOM,
            token: Some([1; 16]),
            name: "Ann".to_owned(),
            device_list: list.as_bytes().to_vec(),
            note: "please".to_owned(),
            ext: Vec::new(),
        }),
        Control::RoomWelcome {
            room: ROOM,
            create: vec![1; 300],
            heads: vec![EventId::from_bytes([1; 32])],
            ext: Vec::new(),
        },
        Control::RoomRefused {
            room: ROOM,
            reason: 9,
            ext: Vec::new(),
        },
        Control::RoomHeads {
            room: ROOM,
            heads: Vec::new(),
            ext: Vec::new(),
        },
        Control::RoomOperations {
            room: ROOM,
            events: vec![serde_bytes::ByteBuf::from(vec![1; 300])],
            ext: Vec::new(),
        },
    ]
}

#[test]
fn the_controls_of_rooms_have_one_form() {
    for control in controls() {
        strict(&control);
        assert!(control.is_acknowledged());
    }
    let debug = format!("{:?}", controls());
    assert!(!debug.contains("please") && !debug.contains("header:"), "{debug}");
}

#[test]
fn the_controls_of_rooms_keep_their_limits() {
    let all = controls();
    let [
        Control::SenderChain { chains, .. },
        Control::KeyRequest { chains: asked, .. },
        ..,
    ] = &all[..]
    else {
        panic!("in that order")
    };
    let chain = |change: &dyn Fn(&mut SharedChain)| {
        let mut shared = chains[0].clone();
        change(&mut shared);
        Control::SenderChain {
            chains: vec![shared],
            ext: Vec::new(),
        }
    };
    let refused = [
        chain(&|shared| shared.cert.resize(513, 0)),
        chain(&|shared| shared.iteration = CHAIN_MESSAGES),
        chain(&|shared| shared.view = vec![EventId::from_bytes([1; 32]); MAX_VIEW_HEADS + 1]),
        chain(&|shared| shared.proof.as_mut().unwrap().path = vec![[0; 32]; 11]),
        chain(&|shared| shared.ext = vec![(1, Vec::new()); 17]),
        Control::SenderChain {
            chains: Vec::new(),
            ext: Vec::new(),
        },
        Control::SenderChain {
            chains: vec![chains[0].clone(); MAX_SHARED + 1],
            ext: Vec::new(),
        },
        Control::KeyRequest {
            room: ROOM,
            chains: vec![asked[0]; crate::MAX_KEY_REQUESTS + 1],
            ext: Vec::new(),
        },
        Control::RoomHeads {
            room: ROOM,
            heads: vec![EventId::from_bytes([1; 32]); crate::MAX_ROOM_HEADS + 1],
            ext: Vec::new(),
        },
        Control::RoomOperations {
            room: ROOM,
            events: Vec::new(),
            ext: Vec::new(),
        },
    ];
    for control in refused {
        assert!(control.encode().is_err(), "{control:?}");
        let bytes = crate::codec::encode(&control);
        assert!(Control::decode(&bytes).is_err(), "{control:?}");
    }
    let most = Control::SenderChain {
        chains: vec![chains[0].clone(); MAX_SHARED],
        ext: Vec::new(),
    };
    assert!(most.encode().unwrap().len() < 32_768, "a full control fits an envelope");
    let unknown = [&[14][..], &[0; 40]].concat();
    assert_eq!(Control::decode(&unknown), Err(ControlError::NeedsNewerVersion));
}

#[test]
fn room_links_hold_what_a_stranger_needs_and_are_no_invites() {
    let invite = crate::Invite {
        user: person(1).identity.user_id(),
        peer: vec![1; 38],
        addresses: vec![vec![4; 12]; 4],
        bundle_hash: [2; 32],
        token: [3; 16],
        expires: NOW,
        name: Some("A room with a long name, as they".to_owned()),
    };
    let link = RoomLink {
        invite: invite.clone(),
        room: ROOM,
    };
    let text = link.to_link();
    assert!(text.len() <= 400, "{}", text.len());
    let read = RoomLink::parse(&format!(" {text}\n")).unwrap();
    assert_eq!((read.room, read.invite.token), (ROOM, invite.token));
    assert!(!read.invite.addresses.is_empty());
    assert!(crate::Invite::parse(&text).is_err() && crate::Link::parse(&text).is_err());
    assert!(RoomLink::parse(&invite.to_link()).is_err());
    assert!(RoomLink::parse(&text[..text.len() - 1]).is_err());
}

mod operations {
    use super::*;
    use crate::ids::UserId;

    fn place(user: UserId, act: Act) -> Operation {
        let begins = matches!(act, Act::Create { .. });
        Operation {
            user,
            op_seq: if begins { 1 } else { 7 },
            parents: if begins {
                Vec::new()
            } else {
                vec![EventId::from_bytes([1; 32])]
            },
            act,
            ext: Vec::new(),
        }
    }

    fn list(person: &Person) -> Vec<u8> {
        let list = DeviceList::first(&person.identity, std::slice::from_ref(&person.cert), NOW).unwrap();
        list.as_bytes().to_vec()
    }

    fn create(person: &Person) -> Act {
        Act::Create {
            info: Info {
                name: Some("Room".to_owned()),
                topic: Some(String::new()),
                avatar: None,
            },
            policy: Policy::default(),
            device_list: list(person),
        }
    }

    fn acts() -> Vec<Act> {
        let (ann, user) = (person(1), person(2).identity.user_id());
        let last = LastSeq {
            device: ann.keys.id(),
            log: 1,
            seq: 300,
        };
        vec![
            create(&ann),
            Act::Info(Info::default()),
            Act::Policy(Policy::default()),
            Act::Invite {
                user,
                role: 2,
                link: Some(LinkUse {
                    link: EventId::from_bytes([2; 32]),
                    number: 3,
                }),
            },
            Act::Join {
                invite: Some(EventId::from_bytes([2; 32])),
                device_list: list(&ann),
            },
            Act::Leave,
            Act::Remove {
                user,
                device: None,
                ban: true,
                purge: false,
                logs: vec![last],
                reason: "noise".to_owned(),
            },
            Act::Unban { user },
            Act::Role { user, role: 3 },
            Act::Transfer { user },
            Act::Link {
                token: link_token_hash(&[1; 16]),
                role: 1,
                uses: Some(10),
                expires: Some(NOW),
            },
            Act::RevokeLink {
                link: EventId::from_bytes([2; 32]),
            },
            Act::Devices {
                device_list: list(&ann),
                logs: vec![last],
            },
        ]
    }

    #[test]
    fn every_act_has_one_form_and_its_number() {
        let user = person(1).identity.user_id();
        for (number, act) in acts().into_iter().enumerate() {
            let operation = place(user, act);
            let bytes = operation.encode().unwrap();
            let before = crate::codec::encode(&(user, operation.op_seq, &operation.parents)).len();
            assert_eq!(usize::from(bytes[before]), number);
            assert_eq!(Operation::decode(&bytes).as_ref(), Ok(&operation));
            for len in 0..bytes.len() {
                assert!(Operation::decode(&bytes[..len]).is_err(), "{operation:?} cut to {len}");
            }
            assert!(Operation::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn limits_are_kept() {
        let user = person(1).identity.user_id();
        let policy = |change: &dyn Fn(&mut Policy)| {
            let mut policy = Policy::default();
            change(&mut policy);
            place(user, Act::Policy(policy))
        };
        let with = |change: &dyn Fn(&mut Operation)| {
            let mut operation = place(user, Act::Leave);
            change(&mut operation);
            operation
        };
        let info = |info: Info| place(user, Act::Info(info));
        let invite = |role| place(user, Act::Invite { user, role, link: None });
        let link = |uses| {
            let token = [1; 32];
            place(
                user,
                Act::Link {
                    token,
                    role: 2,
                    uses,
                    expires: None,
                },
            )
        };
        let removal = |logs: usize, reason: usize| {
            let last = LastSeq {
                device: DeviceId::from_bytes([1; 32]),
                log: 0,
                seq: 0,
            };
            place(
                user,
                Act::Remove {
                    user,
                    device: None,
                    ban: false,
                    purge: false,
                    logs: vec![last; logs],
                    reason: "x".repeat(reason),
                },
            )
        };
        let id = |byte| EventId::from_bytes([byte; 32]);
        let refused = [
            with(&|operation| operation.op_seq = 0),
            with(&|operation| operation.op_seq = MAX_OP_SEQ + 1),
            with(&|operation| operation.op_seq = u32::MAX),
            with(&|operation| operation.parents.clear()),
            with(&|operation| operation.parents = vec![id(2), id(1)]),
            with(&|operation| operation.parents = vec![id(1), id(1)]),
            with(&|operation| operation.parents = (0..17).map(id).collect()),
            with(&|operation| operation.ext = vec![(1, Vec::new()); 17]),
            with(&|operation| operation.act = create(&person(1))),
            policy(&|policy| policy.post = 1),
            policy(&|policy| policy.invite = 6),
            policy(&|policy| policy.remove = 2),
            policy(&|policy| policy.roles = 6),
            policy(&|policy| policy.join = 4),
            policy(&|policy| policy.history = 4),
            policy(&|policy| policy.slow_mode_ms = MAX_SLOW_MODE_MS + 1),
            policy(&|policy| policy.expires_after_ms = Some(4999)),
            info(Info {
                name: Some(String::new()),
                ..Info::default()
            }),
            info(Info {
                name: Some("x".repeat(MAX_ROOM_NAME + 1)),
                ..Info::default()
            }),
            info(Info {
                topic: Some("x".repeat(MAX_TOPIC + 1)),
                ..Info::default()
            }),
            info(Info {
                avatar: Some(serde_bytes::ByteBuf::from(vec![0; 24 * 1024 + 1])),
                ..Info::default()
            }),
            invite(0),
            invite(3),
            place(user, Act::Role { user, role: 0 }),
            place(user, Act::Role { user, role: 5 }),
            link(Some(0)),
            link(Some(MAX_LINK_USES + 1)),
            removal(MAX_LAST_SEQS + 1, 0),
            removal(0, MAX_REASON + 1),
        ];
        for operation in refused {
            assert!(operation.encode().is_err(), "{operation:?}");
            assert!(
                Operation::decode(&crate::codec::encode(&operation)).is_err(),
                "{operation:?}"
            );
        }
        for operation in [
            removal(MAX_LAST_SEQS, MAX_REASON),
            link(Some(MAX_LINK_USES)),
            link(None),
        ] {
            assert!(Operation::decode(&operation.encode().unwrap()).is_ok());
        }
    }

    /// An event of the operation, in the room it makes or in [`ROOM`].
    fn sign(person: &Person, operation: &Operation) -> VerifiedEvent {
        let bytes = crate::codec::encode(operation);
        let mut draft = Draft {
            kind: KIND_OPERATION,
            conversation: ROOM,
            device: person.keys.id(),
            log: 0,
            seq: 1,
            prev: None,
            parents: Vec::new(),
            clock: NOW,
            view: None,
        };
        if matches!(operation.act, Act::Create { .. }) {
            let unnamed = VerifiedEvent::sign(&person.keys, draft.clone(), [8; 16], &bytes).unwrap();
            draft.conversation = room_id(unnamed.header());
        }
        VerifiedEvent::sign(&person.keys, draft, [8; 16], &bytes).unwrap()
    }

    #[test]
    fn a_room_has_the_id_its_creator_signed() {
        let (ann, bob) = (person(1), person(2));
        let operation = place(ann.cert.user(), create(&ann));
        let event = sign(&ann, &operation);
        let read = RoomOperation::read(&event, &ann.cert).unwrap();
        assert_eq!(read.room, event.header().conversation);
        assert_eq!(read.list.as_ref().unwrap().certified, [ann.keys.id()]);
        assert_eq!(
            room_id(event.header()),
            read.room,
            "what stands in its place does not matter"
        );

        // Everything that is signed is part of it.
        let mut changed = event.header().clone();
        changed.clock += 1;
        assert_ne!(room_id(&changed), read.room);
        let renamed = place(
            ann.cert.user(),
            Act::Create {
                info: Info {
                    name: Some("Other".to_owned()),
                    ..Info::default()
                },
                policy: Policy::default(),
                device_list: list(&ann),
            },
        );
        assert_ne!(sign(&ann, &renamed).header().conversation, read.room);

        // Somebody else's create operation, under this id.
        let draft = Draft {
            kind: KIND_OPERATION,
            conversation: read.room,
            device: bob.keys.id(),
            log: 0,
            seq: 1,
            prev: None,
            parents: Vec::new(),
            clock: NOW,
            view: None,
        };
        let body = crate::codec::encode(&place(bob.cert.user(), create(&bob)));
        let forged = VerifiedEvent::sign(&bob.keys, draft, [8; 16], &body).unwrap();
        assert_eq!(RoomOperation::read(&forged, &bob.cert), Err(OperationError::Room));
    }

    #[test]
    fn an_operation_is_by_the_user_it_names_and_so_is_the_list_in_it() {
        let (ann, bob) = (person(1), person(2));
        let as_bob = sign(&ann, &place(bob.cert.user(), Act::Leave));
        assert_eq!(RoomOperation::read(&as_bob, &ann.cert), Err(OperationError::Author));
        assert_eq!(RoomOperation::read(&as_bob, &bob.cert), Err(OperationError::Author));
        let foreign_list = Act::Join {
            invite: None,
            device_list: list(&bob),
        };
        let foreign = sign(&ann, &place(ann.cert.user(), foreign_list));
        assert_eq!(RoomOperation::read(&foreign, &ann.cert), Err(OperationError::Author));
        let mut broken = list(&ann);
        *broken.last_mut().unwrap() ^= 1;
        let broken = Act::Devices {
            device_list: broken,
            logs: Vec::new(),
        };
        let broken = RoomOperation::read(&sign(&ann, &place(ann.cert.user(), broken)), &ann.cert);
        assert!(matches!(broken, Err(OperationError::List(_))));
        let erased = sign(&ann, &place(ann.cert.user(), Act::Leave)).into_stub();
        assert_eq!(
            RoomOperation::read(&erased, &ann.cert),
            Err(OperationError::NotAnOperation)
        );
        let message = event(&ann, ROOM, 1, "hello");
        assert_eq!(
            RoomOperation::read(&message, &ann.cert),
            Err(OperationError::NotAnOperation)
        );
    }

    #[test]
    fn an_act_of_a_later_version_keeps_its_place() {
        let ann = person(1);
        let parents = vec![EventId::from_bytes([1; 32])];
        let place = crate::codec::encode(&(ann.cert.user(), 7u32, &parents));
        let body = |rest: &[u8]| [&place[..], rest].concat();
        let read = |body: &[u8]| {
            let draft = Draft {
                kind: KIND_OPERATION,
                conversation: ROOM,
                device: ann.keys.id(),
                log: 0,
                seq: 1,
                prev: None,
                parents: Vec::new(),
                clock: NOW,
                view: None,
            };
            RoomOperation::read(
                &VerifiedEvent::sign(&ann.keys, draft, [8; 16], body).unwrap(),
                &ann.cert,
            )
        };
        let later = read(&body(&[13, 1, 2, 3])).unwrap();
        assert_eq!((later.op_seq, &later.parents, later.act()), (7, &parents, None));
        assert_eq!(Operation::decode(&body(&[13])), Err(OperationError::NeedsNewerVersion));
        // 7 as two bytes is no second way to write it.
        let mut long = place.clone();
        long.splice(32..33, [0x87, 0]);
        assert!(read(&[&long[..], &[13]].concat()).is_err());
        assert!(read(&body(&[5, 0, 0])).is_err(), "a known act with a byte more");
    }
}

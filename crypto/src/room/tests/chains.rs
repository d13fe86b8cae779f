//! What a chain seals and opens, and what moves it.

use super::*;

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
    let week = CHAIN_LIFETIME_MS;
    for (age, due, ended) in [
        (0, false, false),
        (week / 5 * 4, true, false),
        (week - 1, true, false),
        (week, true, true),
    ] {
        assert_eq!(
            (talk.chain.is_due(NOW + age), talk.chain.is_ended(NOW + age)),
            (due, ended),
            "{age}"
        );
    }
    let event = event(&talk.ann, ROOM, 1, "hello");
    for n in 0..CHAIN_MESSAGES {
        assert_eq!(
            (talk.chain.is_due(NOW), talk.chain.is_ended(NOW)),
            (n >= CHAIN_DUE, false)
        );
        talk.chain.seal(&mut talk.rng, DAY, &event).unwrap();
    }
    assert!(talk.chain.is_ended(NOW));
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

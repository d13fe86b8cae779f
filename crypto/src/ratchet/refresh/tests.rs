use super::super::message::Rides;
use super::super::tests::{DAY, SIZE, binding, pair, state};
use super::super::*;
use super::*;
use crate::testing::rng;

const NOW: u64 = DAY as u64 * 86_400_000;

/// A pair that knows of each other; `a` offers.
fn knowing() -> (Ratchet, Ratchet) {
    let (mut a, mut b) = pair();
    assert!(a.know_refresh() && b.know_refresh());
    assert!(!a.know_refresh(), "no news any more");
    (a, b)
}

fn seal_on(ratchet: &mut Ratchet, seed: u64, day: u16) -> Vec<u8> {
    let mut out = Vec::new();
    ratchet
        .seal(&mut rng(seed), day, &binding(), b"payload", &mut out, SIZE)
        .unwrap();
    out
}

fn say(from: &mut Ratchet, to: &mut Ratchet, seed: u64) -> Vec<u8> {
    let message = seal_on(from, seed, DAY);
    assert_eq!(to.open(&binding(), &message, NOW).unwrap().as_slice(), b"payload");
    message
}

/// Seals as `from` would, but with this header and part.
fn seal_with(from: &mut Ratchet, change: impl FnOnce(&mut Header), part: &[u8]) -> Vec<u8> {
    let epoch = from.refresh.epoch();
    let Sending::Active { own, chain } = &mut from.sending else {
        panic!("it has a chain")
    };
    let mut header = Header {
        epoch,
        takes_part: true,
        ..Header::plain(*own.public(), chain.previous, chain.n)
    };
    change(&mut header);
    let key = chain.next();
    let message = Outgoing {
        header,
        header_key: &chain.header_key,
        key,
    };
    let mut out = Vec::new();
    let size = if part.is_empty() { SIZE } else { 2048 };
    message.seal(&mut rng(5), &binding(), b"payload", part, &mut out, size);
    out
}

fn refuses(ratchet: &mut Ratchet, message: &[u8]) {
    drop(ratchet.take_changes());
    let before = state(ratchet);
    assert_eq!(
        ratchet.open(&binding(), message, NOW).unwrap_err(),
        OpenError::Malformed
    );
    assert_eq!(state(ratchet), before);
    assert!(ratchet.take_changes().is_empty());
}

/// Goes on until `a` has the answer: `b` owes a chain, and so does `a`.
fn agreed() -> (Ratchet, Ratchet) {
    let (mut a, mut b) = knowing();
    say(&mut b, &mut a, 1);
    a.ask_for_refresh();
    say(&mut a, &mut b, 2);
    say(&mut b, &mut a, 3);
    assert!(matches!(a.refresh.state, State::Agreed(_)));
    (a, b)
}

#[test]
fn the_root_depends_on_the_secret_and_both_sides_have_it() {
    let (mut a, mut b) = agreed();
    let (State::Agreed(of_a), State::Answered { secret: of_b, .. }) = (&a.refresh.state, &b.refresh.state) else {
        panic!("both hold the secret")
    };
    assert_eq!(of_a.as_bytes(), of_b.as_bytes());
    let secret = RefreshSecret::new(*of_a.as_bytes());
    let (root, Sending::Owed { remote, .. }) = (RootKey::new(*a.root.as_bytes()), &a.sending) else {
        panic!("a owes a chain")
    };
    let remote = *remote;

    let message = seal_on(&mut a, 9, DAY);
    let Sending::Active { own, chain } = &a.sending else {
        panic!("a has a chain")
    };
    let shared = dh(own.secret(), &remote).unwrap();
    let (with, chain_key, next) = root.step(&shared, Some(&secret));
    let (without, _, _) = root.step(&shared, None);
    assert_ne!(with.as_bytes(), without.as_bytes());
    assert_eq!(a.root.as_bytes(), with.as_bytes());
    assert_eq!(a.next_sending_header.as_bytes(), next.as_bytes());
    assert_eq!(chain.key.as_bytes(), chain_key.step().0.as_bytes());

    // Who lacks the secret does not follow.
    let (mut other, before) = (b.refresh.epoch(), state(&b));
    let State::Answered { secret, .. } = &mut b.refresh.state else {
        panic!("b waits for the step")
    };
    let kept = std::mem::replace(secret, RefreshSecret::new([9; 32]));
    assert_eq!(b.open(&binding(), &message, NOW).unwrap_err(), OpenError::NotAuthentic);
    if let State::Answered { secret, .. } = &mut b.refresh.state {
        *secret = kept;
    }
    assert_eq!(state(&b), before);

    b.open(&binding(), &message, NOW).unwrap();
    other += 1;
    assert_eq!((a.refreshes(), b.refreshes()), (other, other));
    assert!(matches!(
        (&a.refresh.state, &b.refresh.state),
        (State::Idle, State::Idle)
    ));
    assert_eq!(b.root.as_bytes(), a.root.as_bytes());
    say(&mut b, &mut a, 10);
    say(&mut a, &mut b, 11);
}

#[test]
fn key_and_ciphertext_are_part_of_the_secret() {
    let keys = [1, 2].map(|seed| KemSecret::from_seed(&[seed; KEM_SEED_LEN]).public().clone());
    let secret = |key: &KemKey, ciphertext| *refresh_secret(&[3; 32], key, ciphertext).as_bytes();
    let (one, other) = ([4; KEM_CIPHERTEXT_LEN], [5; KEM_CIPHERTEXT_LEN]);
    assert_ne!(secret(&keys[0], &one), secret(&keys[0], &other));
    assert_ne!(secret(&keys[0], &one), secret(&keys[1], &one));
}

#[test]
fn nothing_is_offered_to_a_side_that_is_not_known_to_take_part() {
    let (mut a, mut b) = pair();
    for seed in 0..8 {
        say(&mut b, &mut a, seed);
        a.ask_for_refresh();
        assert_eq!(say(&mut a, &mut b, 100 + seed).len(), SIZE);
    }
    assert!(matches!(a.refresh.state, State::Idle));
    // One message of a side that knows is enough.
    assert!(b.know_refresh());
    say(&mut b, &mut a, 50);
    assert!(say(&mut a, &mut b, 51).len() > SIZE, "the offer rides");
}

#[test]
fn a_session_without_a_post_quantum_part_has_no_refreshes() {
    let mut refresh = Refresh::new(Role::None, DAY);
    assert!(!refresh.know_peer());
    refresh.ask();
    assert!(refresh.begin_chain(&mut rng(1), DAY).is_none());
    assert!(matches!(refresh.state, State::Idle));
    let header = Header::plain([1; 32].into(), 0, 0);
    let key = KemSecret::from_seed(&[1; KEM_SEED_LEN]).public().clone();
    for part in [Part::Offer(key.as_bytes()), Part::Answer(&[1; KEM_CIPHERTEXT_LEN])] {
        assert!(matches!(refresh.read(&header, &part, false), Err(OpenError::Malformed)));
    }
}

#[test]
fn fifty_messages_or_seven_days_make_a_chain_bring_an_offer() {
    for (messages, days, expected) in [(49, 6, false), (50, 0, true), (0, 7, true), (u32::MAX, 40, true)] {
        for before in [false, true] {
            let mut refresh = Refresh::new(Role::Offers, DAY);
            refresh.know_peer();
            refresh.messages = messages;
            // A clock that was set back counts like one that went on.
            let day = if before { DAY - days } else { DAY + days };
            refresh.begin_chain(&mut rng(1), day);
            assert_eq!(
                matches!(refresh.state, State::Offered { .. }),
                expected,
                "{messages}, {days}"
            );
        }
    }
    let (mut a, mut b) = knowing();
    let mut turns = 0;
    while a.refreshes() == 0 {
        say(&mut b, &mut a, 2 * turns);
        say(&mut a, &mut b, 2 * turns + 1);
        turns += 1;
    }
    // Message 0 and two in each turn: the first chain after 50 brings the offer, the next one mixes in what came back.
    assert_eq!(turns, 26);
}

#[test]
fn offer_and_answer_ride_on_the_first_messages_of_a_chain_and_then_on_every_sixteenth() {
    let (mut a, mut b) = knowing();
    say(&mut b, &mut a, 1);
    a.ask_for_refresh();
    let sizes: Vec<usize> = (0..40).map(|seed| seal_on(&mut a, seed, DAY).len()).collect();
    for (n, size) in sizes.iter().enumerate() {
        assert_eq!(*size > SIZE, n <= 16 || n == 32, "message {n}");
    }
    let large = {
        let mut out = Vec::new();
        let payload = vec![7; 49_152 - PREFIX_LEN - OVERHEAD];
        let (mut a, mut b) = knowing();
        say(&mut b, &mut a, 1);
        a.ask_for_refresh();
        a.seal(&mut rng(1), DAY, &binding(), &payload, &mut out, 49_152 - PREFIX_LEN)
            .unwrap();
        assert_eq!(*b.open(&binding(), &out, NOW).unwrap(), payload);
        assert!(matches!(b.refresh.state, State::Idle), "no envelope holds both");
        out.len()
    };
    assert_eq!(large, 49_152 - PREFIX_LEN);
}

#[test]
fn parts_that_are_not_for_a_side_to_take_and_offers_of_the_wrong_form_are_refused() {
    let (mut a, mut b) = knowing();
    say(&mut b, &mut a, 1);
    say(&mut a, &mut b, 2);
    say(&mut b, &mut a, 3);
    let good = KemSecret::from_seed(&[1; KEM_SEED_LEN]).public().clone();
    let offer = |header: &mut Header| header.rides = Rides::Offer;
    let answer = |header: &mut Header| header.rides = Rides::Answer;

    refuses(&mut a, &seal_with(&mut b, offer, good.as_bytes()));
    say(&mut a, &mut b, 4);
    refuses(&mut b, &seal_with(&mut a, answer, &[1; KEM_CIPHERTEXT_LEN]));
    refuses(&mut b, &seal_with(&mut a, offer, &[0xFF; KEM_KEY_LEN]));
    refuses(&mut b, &seal_with(&mut a, offer, &[]));
    refuses(&mut b, &seal_with(&mut a, offer, &[good.as_bytes(), &[1][..]].concat()));

    // Of another epoch, they are passed over, whatever they are.
    let message = seal_with(
        &mut a,
        |header| {
            header.rides = Rides::Offer;
            header.epoch = 7;
        },
        &[0xFF; KEM_KEY_LEN],
    );
    b.open(&binding(), &message, NOW).unwrap();
    assert!(matches!(b.refresh.state, State::Idle));
    let message = seal_with(&mut a, offer, good.as_bytes());
    b.open(&binding(), &message, NOW).unwrap();
    assert!(matches!(b.refresh.state, State::Asked(_)));
}

#[test]
fn a_step_of_another_epoch_is_refused() {
    for epoch in [0, 2, u32::MAX] {
        // b waits for a step of epoch 1; epoch 0 is a step without the secret, and its keys are others.
        let (mut a, mut b) = agreed();
        seal_on(&mut a, 1, DAY);
        let forged = seal_with(&mut a, |header| header.epoch = epoch, &[]);
        let before = state(&b);
        let error = b.open(&binding(), &forged, NOW).unwrap_err();
        let expected = if epoch == 0 {
            OpenError::NotAuthentic
        } else {
            OpenError::Malformed
        };
        assert_eq!(error, expected);
        assert_eq!(state(&b), before);
    }
    let (mut a, mut b) = knowing();
    seal_on(&mut b, 1, DAY);
    refuses(&mut a, &seal_with(&mut b, |header| header.epoch = 1, &[]));
}

#[test]
fn the_second_offer_of_an_epoch_and_a_second_answer_are_passed_over() {
    let (mut a, mut b) = knowing();
    say(&mut b, &mut a, 1);
    a.ask_for_refresh();
    let offers = [1, 2].map(|seed| seal_on(&mut a, seed, DAY));
    b.open(&binding(), &offers[0], NOW).unwrap();
    let answers = [1, 2].map(|seed| seal_on(&mut b, seed, DAY));
    let before = b.refresh.take_change().map(|change| change.value);
    assert!(before.is_some());
    b.open(&binding(), &offers[1], NOW).unwrap();
    assert!(b.refresh.take_change().is_none(), "the answer stays");
    a.open(&binding(), &answers[1], NOW).unwrap();
    a.open(&binding(), &answers[0], NOW).unwrap();
    say(&mut a, &mut b, 9);
    assert_eq!((a.refreshes(), b.refreshes()), (1, 1));
}

#[test]
fn what_the_refresh_leaves_on_disk_comes_back_and_ends_with_it() {
    let (mut a, mut b) = knowing();
    let mut records: [std::collections::BTreeMap<RecordKey, Vec<u8>>; 2] = Default::default();
    let mut reload = |at: usize, ratchet: &mut Ratchet, role| {
        for change in ratchet.take_changes() {
            match change.value {
                Some(value) => records[at].insert(change.key, value.to_vec()),
                None => records[at].remove(&change.key),
            };
        }
        let before = state(ratchet);
        let kept = records[at]
            .iter()
            .map(|(key, value)| (*key, Zeroizing::new(value.clone())));
        *ratchet = Ratchet::load(&before, role, true, kept).unwrap();
        assert_eq!(state(ratchet), before);
        records[at].len()
    };
    let mut held = [0, 0];
    for turn in 0..8 {
        b.ask_for_refresh();
        say(&mut b, &mut a, 4 * turn);
        held[1] += reload(1, &mut b, Role::Answers);
        reload(0, &mut a, Role::Offers);
        a.ask_for_refresh();
        say(&mut a, &mut b, 4 * turn + 1);
        held[0] += reload(0, &mut a, Role::Offers);
        let left = reload(1, &mut b, Role::Answers);
        assert_eq!(left, usize::from(!matches!(b.refresh.state, State::Idle)));
    }
    assert_eq!(held[0], 0, "the offering side has all of it in its core");
    assert!(held[1] > 0);
    assert!(a.refreshes() >= 3, "{}", a.refreshes());
}

#[test]
fn a_state_and_a_record_that_do_not_fit_are_refused() {
    let (_, mut b) = agreed();
    let (core, changes) = (state(&b), b.take_changes());
    let record: Vec<_> = changes
        .into_iter()
        .filter_map(|change| Some((change.key, change.value?)))
        .filter(|(key, _)| key[0] == KIND_REFRESH)
        .collect();
    assert_eq!(record.len(), 1);
    let load = |role, records: Vec<(RecordKey, Zeroizing<Vec<u8>>)>| Ratchet::load(&core, role, true, records).err();
    assert_eq!(load(Role::Answers, record.clone()), None);
    assert_eq!(load(Role::Answers, Vec::new()), Some(LoadError::Inconsistent));
    assert_eq!(load(Role::Offers, record.clone()), Some(LoadError::Inconsistent));
    assert_eq!(load(Role::None, record.clone()), Some(LoadError::Inconsistent));
    let mut short = record.clone();
    short[0].1.pop();
    assert_eq!(load(Role::Answers, short), Some(LoadError::Malformed));
    let mut elsewhere = record.clone();
    elsewhere[0].0[12] = 1;
    assert_eq!(load(Role::Answers, elsewhere), Some(LoadError::Malformed));
    let idle = {
        let (_, b) = knowing();
        state(&b)
    };
    let surplus = Ratchet::load(&idle, Role::Answers, true, record).err();
    assert_eq!(surplus, Some(LoadError::Inconsistent));
}

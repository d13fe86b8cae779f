use super::*;
use crate::testing::{LOW_ORDER, rng};
use x25519_dalek::StaticSecret;

const TH: [u8; 32] = [1; 32];
pub(super) const SIZE: usize = 512;
pub(super) const DAY: u16 = 20_454;

pub(super) fn binding() -> Binding {
    Binding::new(&TH, &[2; 11])
}

fn start() -> Start {
    Start {
        root: RootKey::new([3; 32]),
        header_ab: HeaderKey::new([4; 32]),
        header_ba: HeaderKey::new([5; 32]),
        chain_ab: ChainKey::new([6; 32]),
        next_header_ab: HeaderKey::new([7; 32]),
    }
}

fn seal(ratchet: &mut Ratchet, payload: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut out = Vec::new();
    ratchet.seal(&mut rng(7), DAY, &binding(), payload, &mut out, SIZE)?;
    Ok(out)
}

pub(super) fn pair() -> (Ratchet, Ratchet) {
    let mut a = Ratchet::initiate(RatchetKey::generate(&mut rng(1)), start(), Role::Offers, DAY);
    let first = seal(&mut a, b"first").unwrap();
    let (b, payload) = Ratchet::answer(start(), Role::Answers, DAY, &binding(), &first).unwrap();
    assert_eq!(payload.as_slice(), b"first");
    (a, b)
}

pub(super) fn state(ratchet: &Ratchet) -> Vec<u8> {
    let mut out = Vec::new();
    ratchet.write(&mut out);
    out
}

/// A message under `header_key` that says whatever `header` says, over a body under no key of the session.
fn forge(header_key: &HeaderKey, header: Header) -> Vec<u8> {
    seal_as(header_key, header, MessageKey::new([8; 32]))
}

/// Message 0 as its right sender seals it, but with this header.
fn first_message(header: Header) -> Vec<u8> {
    let Start {
        header_ab, chain_ab, ..
    } = start();
    seal_as(&header_ab, header, chain_ab.step().1)
}

fn seal_as(header_key: &HeaderKey, header: Header, key: MessageKey) -> Vec<u8> {
    let mut out = Vec::new();
    let message = Outgoing {
        header,
        header_key,
        key,
    };
    message.seal(&mut rng(3), &binding(), b"forged", &[], &mut out, SIZE);
    out
}

#[test]
fn a_low_order_ratchet_key_is_refused_and_moves_nothing() {
    let (mut a, _) = pair();
    for low in LOW_ORDER {
        let before = state(&a);
        let header = Header::plain(PublicKey::from(low), 0, 0);
        let forged = forge(&a.next_receiving_header, header);
        assert_eq!(
            a.open(&binding(), &forged, 0).unwrap_err(),
            OpenError::LowOrder(LowOrder)
        );
        assert_eq!(state(&a), before);

        // Authentic in all else: there is no Diffie-Hellman step that could fail.
        let error = Ratchet::answer(start(), Role::Answers, DAY, &binding(), &first_message(header)).err();
        assert_eq!(error, Some(OpenError::LowOrder(LowOrder)), "in message 0");
    }
    let key = PublicKey::from(&StaticSecret::from([6; 32]));
    let good = first_message(Header::plain(key, 0, 0));
    let (mut b, _) = Ratchet::answer(start(), Role::Answers, DAY, &binding(), &good).unwrap();
    assert!(seal(&mut b, b"answer").is_ok());
}

#[test]
fn a_stored_low_order_key_starts_no_chain() {
    let (_, mut b) = pair();
    for low in LOW_ORDER {
        b.sending = Sending::Owed {
            remote: PublicKey::from(low),
            previous: 0,
        };
        let before = state(&b);
        assert_eq!(seal(&mut b, b"x").unwrap_err(), SealError::LowOrder(LowOrder));
        assert_eq!(state(&b), before);
    }
}

#[test]
fn the_first_chain_needs_no_step_and_the_second_is_one_from_the_root() {
    let (a, mut b) = pair();
    for side in [&a, &b] {
        assert_eq!(side.root.as_bytes(), &[3; 32]);
    }
    assert_eq!(a.next_sending_header.as_bytes(), &[7; 32]);
    assert_eq!(a.next_receiving_header.as_bytes(), &[5; 32]);
    assert_eq!(b.next_sending_header.as_bytes(), &[5; 32]);
    assert_eq!(b.next_receiving_header.as_bytes(), &[7; 32]);
    let (a_own, b_remote) = match (&a.sending, &b.sending) {
        (Sending::Active { own, chain }, Sending::Owed { remote, previous: 0 }) => {
            assert_eq!(chain.header_key.as_bytes(), &[4; 32]);
            (own, remote)
        }
        _ => panic!("a has a chain, b owes one"),
    };
    assert_eq!(a_own.public(), b_remote);

    seal(&mut b, b"answer").unwrap();
    let Sending::Active { own, chain } = &b.sending else {
        panic!("b has a chain")
    };
    let (root, _, next) = start().root.step(&dh(a_own.secret(), own.public()).unwrap(), None);
    assert_eq!(b.root.as_bytes(), root.as_bytes());
    assert_eq!(b.next_sending_header.as_bytes(), next.as_bytes());
    assert_eq!(chain.header_key.as_bytes(), &[5; 32]);
}

#[test]
fn messages_sent_before_the_answer_open_in_any_order_after_it() {
    let mut a = Ratchet::initiate(RatchetKey::generate(&mut rng(1)), start(), Role::Offers, DAY);
    let sent = [b"0", b"1", b"2", b"3"].map(|payload| seal(&mut a, payload).unwrap());
    let error = Ratchet::answer(start(), Role::Answers, DAY, &binding(), &sent[1]).err();
    assert_eq!(error, Some(OpenError::Malformed), "message 0 comes first");
    let (mut b, _) = Ratchet::answer(start(), Role::Answers, DAY, &binding(), &sent[0]).unwrap();
    assert_eq!(b.open(&binding(), &sent[0], 0).unwrap_err(), OpenError::Replayed);
    b.open(&binding(), &sent[2], 0).unwrap();
    a.open(&binding(), &seal(&mut b, b"answer").unwrap(), 0).unwrap();
    b.open(&binding(), &seal(&mut a, b"turn").unwrap(), 0).unwrap();
    for at in [3, 1] {
        assert_eq!(*b.open(&binding(), &sent[at], 0).unwrap(), [b'0' + at as u8]);
    }
}

#[test]
fn a_chain_ends_and_an_answer_starts_the_next() {
    let (mut a, mut b) = pair();
    let answer = seal(&mut b, b"answer").unwrap();
    let Sending::Active { chain, .. } = &mut a.sending else {
        panic!("a has a chain")
    };
    chain.n = MAX_CHAIN - 1;
    if let Some(chain) = &mut b.receiving {
        chain.position = Position {
            key: chain.position.key.attempt(),
            n: MAX_CHAIN - 1,
        };
    }
    let last = seal(&mut a, b"last");
    assert!(last.is_ok());
    let before = state(&a);
    assert_eq!(seal(&mut a, b"over").unwrap_err(), SealError::ChainExhausted);
    assert_eq!(state(&a), before);
    assert_eq!(b.open(&binding(), &last.unwrap(), 0).unwrap().as_slice(), b"last");

    a.open(&binding(), &answer, 0).unwrap();
    let next = seal(&mut a, b"next").unwrap();
    assert_eq!(b.open(&binding(), &next, 0).unwrap().as_slice(), b"next");
}

#[test]
fn a_header_no_correct_sender_writes_is_refused() {
    let (mut a, b) = pair();
    let key = PublicKey::from(&StaticSecret::from([6; 32]));
    let before = state(&a);
    for header in [Header::plain(key, 0, MAX_CHAIN), Header::plain(key, MAX_CHAIN + 1, 0)] {
        let forged = forge(&b.next_sending_header, header);
        assert_eq!(a.open(&binding(), &forged, 0).unwrap_err(), OpenError::Malformed);
    }
    for header in [Header::plain(key, 1, 0), Header::plain(key, 0, 1)] {
        let error = Ratchet::answer(start(), Role::Answers, DAY, &binding(), &first_message(header)).err();
        assert_eq!(
            error,
            Some(OpenError::Malformed),
            "message 0 is the first of the first chain"
        );
    }
    assert_eq!(state(&a), before);
}

#[test]
fn a_right_header_over_a_wrong_body_moves_nothing() {
    let (mut a, b) = pair();
    let header = Header::plain(PublicKey::from(&StaticSecret::from([6; 32])), 0, 900);
    let before = state(&a);
    let forged = forge(&b.next_sending_header, header);
    assert_eq!(a.open(&binding(), &forged, 0).unwrap_err(), OpenError::NotAuthentic);
    assert_eq!(state(&a), before);
    assert!(a.take_changes().is_empty());
}

#[test]
fn a_side_that_owes_a_key_seals_under_a_fresh_one_each_turn() {
    let (mut a, mut b) = pair();
    let mut seen = Vec::new();
    for turn in 0..6_u64 {
        let mut message = Vec::new();
        b.seal(&mut rng(100 + turn), DAY, &binding(), b"pong", &mut message, SIZE)
            .unwrap();
        let Sending::Active { own, .. } = &b.sending else {
            panic!("b has a chain")
        };
        assert!(!seen.contains(own.public()));
        seen.push(*own.public());
        a.open(&binding(), &message, 0).unwrap();
        let mut message = Vec::new();
        a.seal(&mut rng(200 + turn), DAY, &binding(), b"ping", &mut message, SIZE)
            .unwrap();
        b.open(&binding(), &message, 0).unwrap();
        assert!(matches!(b.sending, Sending::Owed { .. }), "the used key is erased");
    }
}

#[test]
fn nonzero_padding_and_a_length_past_the_end_are_refused() {
    let (mut a, mut b) = pair();
    let header_key = HeaderKey::new([4; 32]);
    for (at, value) in [(SIZE - OVERHEAD - 1 + 4, 1), (0, 1), (2, 2)] {
        let Sending::Active { own, chain } = &mut a.sending else {
            panic!("a has a chain")
        };
        let header = Header::plain(*own.public(), 0, chain.n);
        let message = Outgoing {
            header,
            header_key: &header_key,
            key: chain.next(),
        };
        let mut body = vec![0; SIZE - OVERHEAD + 4];
        body[at] = value;
        let sealed = message.seal_body(&mut rng(5), &binding(), &body);
        let before = state(&b);
        assert_eq!(b.open(&binding(), &sealed, 0).unwrap_err(), OpenError::Malformed);
        assert_eq!(state(&b), before);
    }
}

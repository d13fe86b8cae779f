//! Streams are keyed only between the two sides of one session and the two peers that said so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use parlour_crypto::{FrameOpener, FrameSealer, REFUSE, Session, StreamError, StreamOpen, accept_stream};
use support::{NOW, rng, sessions};

const A: &[u8] = b"peer a";
const B: &[u8] = b"peer b";

struct Pair {
    a: (FrameSealer, FrameOpener),
    b: (FrameSealer, FrameOpener),
}

fn connect(a: &Session, b: &Session, seed: u64) -> Pair {
    let (state, open) = StreamOpen::create(&mut rng(seed), a, A, B);
    let (id, accept, sealer, opener) = accept_stream(&mut rng(seed + 1), &open, [b], A, B).unwrap();
    assert_eq!(id, a.id());
    Pair {
        a: state.finish(&accept).unwrap(),
        b: (sealer, opener),
    }
}

fn pair() -> Pair {
    let (a, b) = sessions(1);
    connect(&a, &b, 100)
}

#[test]
fn both_directions_carry_frames_in_order_under_keys_of_their_own() {
    let Pair {
        a: (mut a_out, mut a_in),
        b: (mut b_out, mut b_in),
    } = pair();
    for number in 0..20_u8 {
        let (there, back) = (a_out.seal(&[number; 40]), b_out.seal(&[number; 40]));
        assert_ne!(there, back, "the directions have different keys");
        assert_eq!(*b_in.open(&there).unwrap(), [number; 40]);
        assert_eq!(*a_in.open(&back).unwrap(), [number; 40]);
    }
    let own = a_out.seal(b"mine");
    assert_eq!(
        a_in.open(&own).unwrap_err(),
        StreamError::NotAuthentic,
        "a reflected frame"
    );
}

#[test]
fn the_answering_side_of_the_session_can_open_the_stream_too() {
    let (a, b) = sessions(1);
    let (state, open) = StreamOpen::create(&mut rng(1), &b, B, A);
    let (_, accept, mut sealer, mut opener) = accept_stream(&mut rng(2), &open, [&a], B, A).unwrap();
    let (mut out, mut inward) = state.finish(&accept).unwrap();
    assert_eq!(*opener.open(&out.seal(b"to a")).unwrap(), b"to a");
    assert_eq!(*inward.open(&sealer.seal(b"to b")).unwrap(), b"to b");
}

#[test]
fn two_streams_of_one_session_have_different_keys() {
    let (a, b) = sessions(1);
    let (mut one, mut other) = (connect(&a, &b, 1), connect(&a, &b, 50));
    let frame = one.a.0.seal(b"hello");
    assert_eq!(other.b.1.open(&frame).unwrap_err(), StreamError::NotAuthentic);
}

#[test]
fn a_changed_repeated_skipped_or_cut_frame_ends_the_stream() {
    type Attack = fn(Vec<Vec<u8>>) -> Vec<u8>;
    let attacks: [(&str, Attack); 5] = [
        ("changed", |mut frames| {
            frames[1][3] ^= 1;
            frames.remove(1)
        }),
        ("repeated", |frames| frames[0].clone()),
        ("skipped", |frames| frames[2].clone()),
        ("cut", |frames| frames[1][..frames[1].len() - 1].to_vec()),
        ("empty", |_| Vec::new()),
    ];
    for (name, attack) in attacks {
        let Pair {
            a: (mut sealer, _),
            b: (_, mut opener),
        } = pair();
        let frames: Vec<_> = (0..3).map(|number| sealer.seal(&[number; 9])).collect();
        opener.open(&frames[0]).unwrap();
        assert_eq!(
            opener.open(&attack(frames.clone())).unwrap_err(),
            StreamError::NotAuthentic,
            "{name}"
        );
        assert_eq!(
            opener.open(&frames[1]).unwrap_err(),
            StreamError::Ended,
            "{name}: nothing opens after"
        );
    }
}

#[test]
fn a_frame_over_the_limit_is_refused() {
    let Pair {
        a: (mut sealer, _),
        b: (_, mut opener),
    } = pair();
    assert_eq!(opener.open(&sealer.seal(&vec![1; 262_144])).unwrap().len(), 262_144);
    let error = opener.open(&vec![0; 262_161]).unwrap_err();
    assert_eq!(
        error,
        StreamError::FrameTooLarge {
            got: 262_161,
            max: 262_160
        }
    );
}

#[test]
fn a_stream_goes_on_after_a_rekey_and_the_old_key_is_gone() {
    let Pair {
        a: (mut sealer, _),
        b: (_, mut opener),
    } = pair();
    let first = sealer.seal(b"before");
    opener.open(&first).unwrap();
    sealer.rekey();
    opener.rekey();
    assert_ne!(sealer.seal(b"before"), first, "counter 0 of another key");
    let Pair {
        a: (mut sealer, _),
        b: (_, mut opener),
    } = pair();
    for round in 0..4_u8 {
        for number in 0..3 {
            assert_eq!(*opener.open(&sealer.seal(&[round, number])).unwrap(), [round, number]);
        }
        sealer.rekey();
        opener.rekey();
    }
    sealer.rekey();
    assert_eq!(
        opener.open(&sealer.seal(b"x")).unwrap_err(),
        StreamError::NotAuthentic,
        "one side alone"
    );
}

#[test]
fn a_new_key_is_due_in_time_and_in_bytes() {
    let Pair { a: (mut sealer, _), .. } = pair();
    assert!(!sealer.needs_rekey(NOW));
    assert!(!sealer.needs_rekey(NOW + 8 * 60_000));
    assert!(sealer.needs_rekey(NOW + 10 * 60_000 - 1), "before ten minutes are over");
    sealer.rekey();
    assert!(!sealer.needs_rekey(NOW + 10 * 60_000));
    let mut sent = 0;
    while !sealer.needs_rekey(NOW + 10 * 60_000) {
        sent += sealer.seal(&vec![0; 262_144]).len();
    }
    assert!((15 << 20..16 << 20).contains(&sent), "{sent} bytes");
    sealer.rekey();
    assert!(!sealer.needs_rekey(NOW + 10 * 60_000));
}

#[test]
fn an_opening_finds_its_session_among_several_and_a_stranger_finds_none() {
    let pairs: Vec<_> = (0..5).map(|number| sessions(10 * number)).collect();
    for (a, b) in &pairs {
        let (state, open) = StreamOpen::create(&mut rng(7), a, A, B);
        let (id, accept, ..) = accept_stream(&mut rng(8), &open, pairs.iter().map(|(_, b)| b), A, B).unwrap();
        assert_eq!(id, b.id());
        state.finish(&accept).unwrap();
    }
    let (stranger, _) = sessions(999);
    let (state, open) = StreamOpen::create(&mut rng(7), &stranger, A, B);
    let error = accept_stream(&mut rng(8), &open, pairs.iter().map(|(_, b)| b), A, B).unwrap_err();
    assert_eq!(error, StreamError::UnknownSession);
    assert_eq!(state.finish(&REFUSE).unwrap_err(), StreamError::Refused);
}

#[test]
fn an_opening_or_answer_with_any_byte_changed_or_cut_is_refused() {
    let (a, b) = sessions(1);
    let (_, open) = StreamOpen::create(&mut rng(7), &a, A, B);
    for at in 0..open.len() {
        let mut bad = open.clone();
        bad[at] ^= 1;
        assert!(
            accept_stream(&mut rng(8), &bad, [&b], A, B).is_err(),
            "byte {at} of the opening"
        );
        assert!(
            accept_stream(&mut rng(8), &open[..at], [&b], A, B).is_err(),
            "opening cut to {at}"
        );
    }
    assert!(accept_stream(&mut rng(8), &[&open[..], &[0]].concat(), [&b], A, B).is_err());
    let (_, accept, ..) = accept_stream(&mut rng(8), &open, [&b], A, B).unwrap();
    let finish = |accept: &[u8]| StreamOpen::create(&mut rng(7), &a, A, B).0.finish(accept);
    for at in 0..accept.len() {
        let mut bad = accept.clone();
        bad[at] ^= 1;
        assert!(finish(&bad).is_err(), "byte {at} of the answer");
        assert!(finish(&accept[..at]).is_err(), "answer cut to {at}");
    }
    assert!(finish(&[&accept[..], &[0]].concat()).is_err());
    assert!(finish(&accept).is_ok());
}

#[test]
fn the_peers_of_a_stream_cannot_be_others_or_swapped() {
    let (a, b) = sessions(1);
    let (_, open) = StreamOpen::create(&mut rng(7), &a, A, B);
    for (opener, acceptor) in [
        (B, A),
        (A, b"peer c".as_slice()),
        (b"peer c".as_slice(), B),
        (b"peer apeer b", b""),
    ] {
        let error = accept_stream(&mut rng(8), &open, [&b], opener, acceptor).unwrap_err();
        assert_eq!(error, StreamError::UnknownSession);
    }
}

#[test]
fn an_old_answer_does_not_fit_a_new_opening() {
    let (a, b) = sessions(1);
    let (_, open) = StreamOpen::create(&mut rng(7), &a, A, B);
    let (_, old, ..) = accept_stream(&mut rng(8), &open, [&b], A, B).unwrap();
    let (state, _) = StreamOpen::create(&mut rng(9), &a, A, B);
    assert_eq!(state.finish(&old).unwrap_err(), StreamError::NotAuthentic);
}

#[test]
fn what_the_opener_said_is_no_answer_to_itself() {
    let (a, b) = sessions(1);
    let (state, open) = StreamOpen::create(&mut rng(7), &a, A, B);
    assert_eq!(
        state.finish(&open).unwrap_err(),
        StreamError::Malformed,
        "an opening is shorter"
    );
    let error = accept_stream(&mut rng(8), &open, [&a, &b], B, A).unwrap_err();
    assert_eq!(error, StreamError::UnknownSession, "sent back to where it came from");
}

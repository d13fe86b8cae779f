//! What a session refuses, and that a refusal moves nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use parlour_crypto::{LoadError, MAX_SKIP, MAX_SKIPPED, OpenError, SealError, Session};
use support::{DAY, NOW, Side, eager_sides, offering, rng, sides};
use zeroize::Zeroizing;

/// An envelope of every way there is to open one, and the side that has yet to open it.
fn every_way() -> Vec<(&'static str, Side, Vec<u8>)> {
    let next = {
        let [mut a, b] = sides(1);
        ("the next of the chain", b, a.seal(b"next"))
    };
    let ahead = {
        let [mut a, b] = sides(2);
        (0..3).for_each(|_| drop(a.seal(b"late")));
        ("ahead in the chain", b, a.seal(b"ahead"))
    };
    let late = {
        let [mut a, mut b] = sides(3);
        let late = a.seal(b"late");
        b.open(&a.seal(b"first")).unwrap();
        ("late in the chain", b, late)
    };
    let turn = {
        let [a, mut b] = sides(4);
        (0..2).for_each(|_| drop(b.seal(b"late")));
        ("the first of a new chain", a, b.seal(b"turn"))
    };
    let turn_with_gap = {
        let [mut a, mut b] = sides(5);
        b.open(&a.seal(b"one")).unwrap();
        a.seal(b"late");
        let answer = b.seal(b"answer");
        a.open(&answer).unwrap();
        b.seal(b"another");
        a.seal(b"late in the new chain");
        ("a new chain, with gaps in both", b, a.seal(b"turn"))
    };
    let old = {
        let [mut a, mut b] = sides(6);
        let old = a.seal(b"old");
        for _ in 0..3 {
            b.open(&a.seal(b"ping")).unwrap();
            a.open(&b.seal(b"pong")).unwrap();
        }
        ("of an old chain", b, old)
    };
    let [offer, answer, mixed] = refresh();
    vec![next, ahead, late, turn, turn_with_gap, old, offer, answer, mixed]
}

/// The same of what a refresh is made of.
fn refresh() -> [(&'static str, Side, Vec<u8>); 3] {
    // The first offer, or what follows it after so many `turns`.
    let begun = |turns: usize| {
        let mut sides = eager_sides(7);
        let offers = offering(&sides);
        let mut from = 1 - offers;
        loop {
            let envelope = sides[from].seal(b"turn");
            if from == offers && envelope.len() > 1024 {
                break last(sides, from, envelope, turns);
            }
            sides[1 - from].open(&envelope).unwrap();
            from = 1 - from;
        }
    };
    [("an offer", 0), ("an answer", 1), ("the first of a refreshed chain", 2)].map(|(way, turns)| {
        let (side, envelope) = begun(turns);
        (way, side, envelope)
    })
}

/// Hands `envelope` over, and so on for so many `turns`; then gives the side that has yet to open the last one.
fn last(mut sides: [Side; 2], mut from: usize, mut envelope: Vec<u8>, turns: usize) -> (Side, Vec<u8>) {
    for _ in 0..turns {
        from = 1 - from;
        sides[from].open(&envelope).unwrap();
        envelope = sides[from].seal(b"turn");
    }
    let [a, b] = sides;
    (if from == 0 { b } else { a }, envelope)
}

#[test]
fn an_envelope_with_any_byte_changed_is_refused_and_moves_nothing() {
    for (way, mut side, envelope) in every_way() {
        for at in 0..envelope.len() {
            let mut damaged = envelope.clone();
            damaged[at] ^= 1 << (at % 8);
            side.refuses(&damaged);
        }
        assert!(
            side.open(&envelope).is_ok(),
            "{way}: the undamaged envelope still opens"
        );
    }
}

#[test]
fn a_cut_or_lengthened_envelope_is_refused_and_moves_nothing() {
    for (way, mut side, envelope) in every_way() {
        for len in 0..envelope.len() {
            side.refuses(&envelope[..len]);
        }
        side.refuses(&[&envelope[..], &vec![0; envelope.len()]].concat());
        assert!(side.open(&envelope).is_ok(), "{way}: the whole envelope still opens");
    }
    let [mut a, mut b] = sides(1);
    let large = a.seal(&[1; 3000]);
    for size in [512, 1024, 2048] {
        assert_ne!(
            b.refuses(&large[..size]),
            OpenError::Malformed,
            "a listed size reaches the ratchet"
        );
    }
    b.open(&large).unwrap();
}

#[test]
fn a_repeated_envelope_is_refused_and_moves_nothing() {
    for (way, mut side, envelope) in every_way() {
        side.open(&envelope).unwrap();
        let error = side.refuses(&envelope);
        assert!(
            matches!(error, OpenError::Replayed | OpenError::NoKey),
            "{way}: {error}"
        );
        side.reload();
        side.refuses(&envelope);
    }
}

#[test]
fn an_envelope_of_another_session_or_of_ones_own_is_refused() {
    let [mut a, mut b] = sides(1);
    let [_, mut stranger] = sides(10);
    let envelope = a.seal(b"to b");
    assert_eq!(stranger.refuses(&envelope), OpenError::NoKey);
    assert_eq!(a.refuses(&envelope), OpenError::NoKey);
    b.open(&envelope).unwrap();
}

#[test]
fn a_gap_of_the_limit_opens_and_one_more_does_not() {
    let [mut a, mut b] = sides(1);
    (0..MAX_SKIP).for_each(|_| drop(a.seal(b"lost")));
    let (last, beyond) = (a.seal(b"last"), a.seal(b"beyond"));
    assert_eq!(
        b.refuses(&beyond),
        OpenError::TooManySkipped {
            got: MAX_SKIP + 1,
            max: MAX_SKIP
        }
    );
    b.open(&last).unwrap();
    b.open(&beyond).unwrap();
}

#[test]
fn the_gap_at_the_end_of_a_chain_has_the_same_limit() {
    for over in [0, 1] {
        let [mut a, mut b] = sides(1);
        let answer = b.seal(b"answer");
        (0..MAX_SKIP + over).for_each(|_| drop(a.seal(b"lost")));
        a.open(&answer).unwrap();
        let turn = a.seal(b"turn");
        if over == 0 {
            b.open(&turn).unwrap();
        } else {
            assert_eq!(
                b.refuses(&turn),
                OpenError::TooManySkipped {
                    got: MAX_SKIP + 1,
                    max: MAX_SKIP
                }
            );
        }
    }
}

#[test]
fn the_oldest_keys_are_dropped_first_and_stay_dropped_after_a_reload() {
    for reload in [false, true] {
        let [mut a, mut b] = sides(1);
        let mut late = Vec::new();
        for _ in 0..3 {
            (0..900).for_each(|_| late.push(a.seal(b"late")));
            b.open(&a.seal(b"now")).unwrap();
            if reload {
                b.reload();
            }
        }
        assert_eq!(b.records.len(), MAX_SKIPPED);
        let dropped = late.len() - MAX_SKIPPED;
        for (at, envelope) in late.iter().enumerate() {
            if at < dropped {
                assert_eq!(b.refuses(envelope), OpenError::Replayed, "late message {at}");
            } else {
                b.open(envelope).unwrap();
            }
        }
        assert!(b.records.is_empty());
    }
}

#[test]
fn sixty_four_old_chains_are_kept_and_the_oldest_goes_first() {
    let [mut a, mut b] = sides(1);
    let mut late = Vec::new();
    for _ in 0..66 {
        late.push(a.seal(b"late"));
        b.open(&a.seal(b"ping")).unwrap();
        a.open(&b.seal(b"pong")).unwrap();
    }
    // The last of the 66 is the current chain, 64 are old ones, and the first is gone.
    assert_eq!(b.refuses(&late[0]), OpenError::NoKey);
    b.reload();
    for envelope in &late[1..] {
        b.open(envelope).unwrap();
    }
    assert!(b.records.is_empty());
}

#[test]
fn an_old_chain_is_forgotten_with_its_last_key() {
    let [mut a, mut b] = sides(1);
    let late = a.seal(b"late");
    for _ in 0..3 {
        b.open(&a.seal(b"ping")).unwrap();
        a.open(&b.seal(b"pong")).unwrap();
    }
    assert_eq!(b.records.len(), 2, "one key and its chain");
    b.open(&late).unwrap();
    assert!(b.records.is_empty());
    b.reload();
    assert_eq!(b.refuses(&late), OpenError::NoKey);
}

#[test]
fn purging_forgets_the_keys_that_were_skipped_before() {
    let [mut a, mut b] = sides(1);
    let early = a.seal(b"early");
    b.session.open(&a.seal(b"now"), NOW).unwrap();
    let later = a.seal(b"later");
    b.session.open(&a.seal(b"now"), NOW + 1000).unwrap();
    b.save();
    b.reload();
    b.session.purge(NOW + 1000);
    b.save();
    assert_eq!(b.refuses(&early), OpenError::Replayed);
    b.open(&later).unwrap();
    assert!(b.records.is_empty());
}

#[test]
fn a_payload_takes_the_smallest_envelope_and_the_largest_one_is_the_limit() {
    let [mut a, mut b] = sides(1);
    let overhead = 11 + 24 + 64 + 4 + 16;
    for (len, size) in [
        (0, 512),
        (512 - overhead, 512),
        (513 - overhead, 1024),
        (32_768 - overhead, 32_768),
        (32_769 - overhead, 49_152),
        (49_152 - overhead, 49_152),
    ] {
        let payload = vec![0xA5; len];
        let envelope = a.seal(&payload);
        assert_eq!(envelope.len(), size);
        assert_eq!(*b.open(&envelope).unwrap(), payload);
    }
    let max = 49_152 - overhead;
    let before = a.session.core();
    let error = a.session.seal(&mut rng(1), DAY, &vec![0; max + 1]).unwrap_err();
    assert_eq!(error, SealError::TooLarge { got: max + 1, max });
    assert_eq!(*a.session.core(), *before);
}

#[test]
fn a_damaged_core_is_refused() {
    let [mut a, mut b] = sides(1);
    a.open(&b.seal(b"answer")).unwrap();
    for side in [&a, &b] {
        let core = side.session.core();
        assert!(core.len() <= 1024);
        for len in 0..core.len() {
            assert!(Session::load(&core[..len], []).is_err(), "cut to {len} bytes");
        }
        assert_eq!(
            Session::load(&[&core[..], &[0]].concat(), []).err(),
            Some(LoadError::Malformed)
        );
        let mut newer = core.to_vec();
        newer[0] = 3;
        assert_eq!(Session::load(&newer, []).err(), Some(LoadError::UnknownVersion(3)));
    }
}

#[test]
fn records_that_do_not_fit_are_refused() {
    let [mut a, mut b] = sides(1);
    a.seal(b"late");
    b.open(&a.seal(b"ping")).unwrap();
    a.open(&b.seal(b"pong")).unwrap();
    b.open(&a.seal(b"ping")).unwrap();
    let core = b.session.core();
    let records: Vec<_> = b
        .records
        .iter()
        .map(|(key, value)| (*key, Zeroizing::new(value.clone())))
        .collect();
    assert_eq!(records.len(), 2, "a key and its chain");
    let load = |records: &[([u8; 13], Zeroizing<Vec<u8>>)]| Session::load(&core, records.to_vec()).err();
    assert_eq!(load(&records), None);
    assert_eq!(
        load(&records[..1]),
        Some(LoadError::Inconsistent),
        "a key without its chain"
    );
    assert_eq!(
        load(&records[1..]),
        Some(LoadError::Inconsistent),
        "a chain without a key"
    );
    for (at, _) in records.iter().enumerate() {
        let mut bad = records.clone();
        bad[at].1.push(0);
        assert_eq!(load(&bad), Some(LoadError::Malformed), "a byte more");
        bad[at].1.truncate(31);
        assert_eq!(load(&bad), Some(LoadError::Malformed), "bytes less");
        let mut bad = records.clone();
        bad[at].0[0] = 9;
        assert_eq!(load(&bad), Some(LoadError::Malformed), "an unknown kind");
    }
}

//! Post-quantum refreshes as their users see them: who takes part, when one happens, what happens when nobody answers, and what
//! was stored before there were any.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use parlour_crypto::Session;
use support::{DAY, NOW, Side, eager_sides, offering, rng, sides};
use zeroize::Zeroizing;

const SMALL: usize = 512;

/// One message each way, and how large they were.
fn turn(sides: &mut [Side; 2], first: usize) -> [usize; 2] {
    [first, 1 - first].map(|from| {
        let envelope = sides[from].seal(b"turn");
        assert_eq!(sides[1 - from].open(&envelope).unwrap().as_slice(), b"turn");
        envelope.len()
    })
}

fn refreshes(sides: &[Side; 2]) -> [u32; 2] {
    [0, 1].map(|side| sides[side].session.refreshes())
}

#[test]
fn a_hundred_messages_to_and_fro_have_a_refresh_that_nobody_asked_for() {
    for seed in 1..9 {
        let mut sides = sides(seed);
        // As from the first message, which says it, and from the answer, which shows it.
        assert!(sides[1].session.know_refresh());
        for _ in 0..24 {
            assert_eq!(turn(&mut sides, 0), [SMALL, SMALL]);
        }
        assert_eq!(refreshes(&sides), [0, 0]);
        let larger = (0..20).filter(|_| turn(&mut sides, 0) != [SMALL, SMALL]).count();
        assert_eq!(refreshes(&sides), [1, 1], "seed {seed}");
        assert!((1..=2).contains(&larger), "an offer and an answer: {larger} turns");
        sides[0].reload();
        sides[1].reload();
        assert_eq!(refreshes(&sides), [1, 1]);
    }
}

#[test]
fn either_side_may_be_the_one_that_offers() {
    let offers: Vec<_> = (1..9).map(|seed| offering(&sides(seed))).collect();
    assert!(offers.contains(&0) && offers.contains(&1));
}

#[test]
fn a_week_is_as_good_as_fifty_messages() {
    let mut sides = eager_sides(1);
    sides.iter_mut().for_each(|side| side.eager = false);
    for day in [DAY, DAY + 6, DAY + 7, DAY + 7, DAY + 8] {
        for from in [0, 1] {
            let Side { session, rng, .. } = &mut sides[from];
            let envelope = session.seal(rng, day, b"x").unwrap();
            sides[1 - from]
                .session
                .open(&envelope, u64::from(day) * 86_400_000)
                .unwrap();
        }
        if day < DAY + 7 {
            assert_eq!(refreshes(&sides), [0, 0]);
        }
    }
    assert_eq!(refreshes(&sides), [1, 1]);
}

#[test]
fn without_knowledge_of_each_other_nothing_changes() {
    let mut sides = sides(1);
    for side in &mut sides {
        side.eager = true;
    }
    for _ in 0..60 {
        assert_eq!(turn(&mut sides, 0), [SMALL, SMALL]);
    }
    assert_eq!(refreshes(&sides), [0, 0]);
}

#[test]
fn an_offer_that_is_lost_is_repeated_until_it_comes() {
    let mut sides = eager_sides(1);
    let offers = offering(&sides);
    let other = sides[1 - offers].seal(b"turn");
    sides[offers].open(&other).unwrap();
    // Lost: all but the last of a chain.
    for _ in 0..32 {
        sides[offers].seal(b"lost");
    }
    let envelope = sides[offers].seal(b"the thirty-third");
    assert!(envelope.len() > SMALL);
    sides[1 - offers].open(&envelope).unwrap();
    let before = refreshes(&sides);
    turn(&mut sides, 1 - offers);
    assert_eq!(refreshes(&sides), before.map(|count| count + 1));
}

#[test]
fn an_answer_that_is_lost_is_repeated_in_later_chains() {
    let mut sides = eager_sides(1);
    let offers = offering(&sides);
    // Only every fourth message of the answering side arrives, and never the first of its chain.
    for _ in 0..40 {
        for _ in 0..3 {
            sides[1 - offers].seal(b"lost");
        }
        turn(&mut sides, 1 - offers);
    }
    let [a, b] = refreshes(&sides);
    assert!(a >= 10 && a.abs_diff(b) <= 1, "{a} and {b}");
}

#[test]
fn nobody_answers_and_the_session_goes_on() {
    let mut sides = eager_sides(1);
    let offers = offering(&sides);
    turn(&mut sides, 1 - offers);
    // What the offering side seals is lost for ever; what the other side says still opens.
    for _ in 0..50 {
        let envelope = sides[1 - offers].seal(b"monologue");
        sides[offers].open(&envelope).unwrap();
        sides[offers].seal(b"lost");
        sides[offers].reload();
    }
    turn(&mut sides, offers);
}

/// A session as the version before refreshes wrote it, on both sides, and an envelope that was on its way then.
#[test]
fn a_session_stored_before_there_were_refreshes_loads_and_gets_them() {
    let stored = include_str!("data/session-1.txt");
    let mut lines = stored.lines().map(|line| HEXLOWER.decode(line.as_bytes()).unwrap());
    let mut next = || lines.next().unwrap();
    let mut sides = [0, 1].map(|_| {
        let core = next();
        assert_eq!(core[0], 1);
        let records: BTreeMap<_, _> = (0..2).map(|_| (next().try_into().unwrap(), next())).collect();
        let loaded = Session::load(
            &core,
            records.iter().map(|(key, value)| (*key, Zeroizing::new(value.clone()))),
        );
        Side {
            session: loaded.unwrap(),
            records,
            rng: rng(7),
            eager: false,
        }
    });
    for side in &mut sides {
        assert_eq!(side.session.core()[0], 2);
        side.reload();
        assert_eq!(side.session.open(&next(), NOW).unwrap().as_slice(), b"on its way");
        side.save();
        assert_eq!(side.session.open(&next(), NOW).unwrap().as_slice(), b"late");
        side.save();
    }
    turn(&mut sides, 0);
    assert_eq!(refreshes(&sides), [0, 0]);
    // Both learn of each other on a stream; how old the root is nobody knows, so the next chance is taken.
    for side in &mut sides {
        assert!(side.session.know_refresh());
    }
    for _ in 0..3 {
        turn(&mut sides, 0);
    }
    assert_eq!(refreshes(&sides), [1, 1]);
}

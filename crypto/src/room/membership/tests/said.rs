//! What stands of what the removed have said.

use super::*;
use crate::event::EventHeader;

/// A header of an event of one of cat's devices, of which nothing else matters.
fn said(number: u8, log: u32, seq: u64) -> EventHeader {
    EventHeader {
        kind: crate::KIND_MESSAGE,
        conversation: ROOM,
        device: device((CAT, number)),
        log,
        seq,
        prev: None,
        parents: Vec::new(),
        clock: 1,
        view: None,
        body_hash: [0; 32],
    }
}

fn removal(only: Option<u8>, purge: bool, seen: &[(u8, u32, u64)]) -> Act {
    let logs = seen.iter().map(|(number, log, seq)| LastSeq {
        device: device((CAT, *number)),
        log: *log,
        seq: *seq,
    });
    Act::Remove {
        user: user(CAT),
        device: only.map(|number| device((CAT, number))),
        ban: false,
        purge,
        logs: logs.collect(),
        reason: String::new(),
    }
}

#[test]
fn what_a_remover_had_not_seen_is_marked_within_limits_and_void_beyond() {
    let (mut world, head) = room();
    let then = world.fold().state().clone();
    let gone = world.act((OWEN, 0), &[head], removal(None, false, &[(0, 1, 9), (0, 2, 5)]));
    let now = world.fold().state().clone();
    let stands = |number, log, seq| now.stands(&then, &user(CAT), &said(number, log, seq));
    for (number, log, seq, expected) in [
        (0, 1, 9, Said::Stands),
        (0, 1, 10, Said::AroundRemoval),
        (0, 1, 9 + MAX_AROUND_REMOVAL, Said::AroundRemoval),
        (0, 1, 10 + MAX_AROUND_REMOVAL, Said::Void),
        (0, 2, 5, Said::Stands),
        (0, 2, 6, Said::AroundRemoval),
        // The next log, and no other.
        (0, 3, 1, Said::AroundRemoval),
        (0, 3, MAX_AROUND_REMOVAL + 1, Said::Void),
        (0, 4, 1, Said::Void),
        (0, u32::MAX, u64::MAX, Said::Void),
        // Of a device that the remover knew nothing of, its first log.
        (1, 1, 1, Said::AroundRemoval),
        (1, 2, 1, Said::Void),
    ] {
        assert_eq!(stands(number, log, seq), expected, "{number} {log} {seq}");
    }
    assert_eq!(then.stands(&then, &user(CAT), &said(0, 1, 99)), Said::Stands);
    assert_eq!(
        now.stands(&then, &user(DAN), &said(0, 1, 99)),
        Said::Stands,
        "of others nothing"
    );
    world.join(CAT, &[gone], (OWEN, 0));
    let back = world.fold().state().clone();
    assert_eq!(
        back.stands(&back, &user(CAT), &said(0, 1, 99)),
        Said::Stands,
        "knowing of it"
    );
    assert_eq!(back.stands(&then, &user(CAT), &said(0, 1, 10)), Said::AroundRemoval);
}

#[test]
fn of_several_removals_the_one_that_leaves_most_counts_unless_one_was_to_delete_all() {
    let (mut world, head) = room();
    let then = world.fold().state().clone();
    world.act((OWEN, 0), &[head], removal(None, false, &[(0, 1, 5)]));
    world.act((ANN, 0), &[head], removal(None, false, &[(0, 1, 7)]));
    let now = world.fold().state().clone();
    let stands = |now: &RoomState, seq| now.stands(&then, &user(CAT), &said(0, 1, seq));
    assert_eq!(now.ends[&user(CAT)].len(), 2);
    assert_eq!((stands(&now, 7), stands(&now, 8)), (Said::Stands, Said::AroundRemoval));
    world.act((BOB, 0), &[head], removal(None, true, &[(0, 1, 6)]));
    let now = world.fold().state().clone();
    assert_eq!((stands(&now, 7), stands(&now, 8)), (Said::Stands, Said::Void));
}

#[test]
fn a_device_that_was_taken_away_says_no_more_than_a_removed_user() {
    let (mut world, head) = room();
    let then = world.fold().state().clone();
    world.act((OWEN, 0), &[head], removal(Some(1), false, &[(1, 1, 3)]));
    let now = world.fold().state().clone();
    let stands = |number, seq| now.stands(&then, &user(CAT), &said(number, 1, seq));
    assert_eq!((stands(1, 3), stands(1, 4)), (Said::Stands, Said::AroundRemoval));
    assert_eq!(stands(1, 4 + MAX_AROUND_REMOVAL), Said::Void);
    assert_eq!(
        stands(0, 5 + MAX_AROUND_REMOVAL),
        Said::Stands,
        "the other device is theirs"
    );
}

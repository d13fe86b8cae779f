//! The number of a shown message at one node: from 1, without gaps, never another one, given when it is shown.

use std::collections::BTreeMap;

use parlour_store::timeline;

use super::rooms::three;
use super::*;

/// The numbers of what a node shows, by message; they are 1, 2, 3 …
fn numbers(sim: &Sim, who: usize, conversation: &ConversationId) -> BTreeMap<EventId, u64> {
    let store = sim.nodes[who].store();
    let no = sim.number_of(who, conversation).expect("it is there");
    let shown = timeline::after(store, no, None, usize::MAX).expect("readable");
    let by_id: BTreeMap<EventId, u64> = shown.iter().map(|entry| (entry.at.id, entry.room_seq)).collect();
    let mut all: Vec<u64> = by_id.values().copied().collect();
    all.sort_unstable();
    let last = conversations::get(store, no)
        .expect("readable")
        .expect("there")
        .last_seq;
    assert_eq!(all, (1..=last).collect::<Vec<_>>(), "at {who}");
    by_id
}

#[test]
fn numbers_have_no_gaps_whatever_comes_late_and_stay_after_a_restart() {
    let (mut sim, room) = three(551);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        sim.cut(a, b);
    }
    let mut said = Vec::new();
    for round in 0..5 {
        for who in [0, 1, 2] {
            said.push(sim.tell(who, room, &format!("{round} by {who}")));
        }
        sim.wait(SECOND);
    }
    let apart = [0, 1, 2].map(|who| numbers(&sim, who, &room));
    assert!(apart.iter().all(|known| known.len() == 5));
    sim.change(0, said[0], Change::Edit("anew".to_owned()))
        .expect("up")
        .expect("edited");
    sim.change(1, said[1], Change::Delete).expect("up").expect("deleted");
    sim.mend_all();
    sim.wait(5 * MINUTE);
    let together = [0, 1, 2].map(|who| numbers(&sim, who, &room));
    for (before, after) in apart.iter().zip(&together) {
        assert_eq!(after.len(), 15);
        assert!(before.iter().all(|(id, seq)| after.get(id) == Some(seq)), "they stay");
    }
    for who in [0, 1, 2] {
        sim.down(who, Crash::Killed);
        sim.start(who);
    }
    sim.wait(MINUTE);
    let last = sim.tell(2, room, "after it");
    sim.wait(MINUTE);
    for who in [0, 1, 2] {
        let mut now = numbers(&sim, who, &room);
        assert_eq!(now.remove(&last), Some(16), "{who}");
        assert_eq!(now, together[who], "{who}");
    }
}

#[test]
fn what_is_dated_ahead_gets_its_number_when_it_is_shown() {
    let (mut sim, room) = three(552);
    sim.tell(1, room, "first");
    sim.wait(5 * SECOND);
    let right = sim.nodes[2].ahead;
    sim.nodes[2].ahead += 30 * MINUTE as i64;
    let early = sim.tell(2, room, "from a time to come");
    sim.wait(MINUTE);
    sim.nodes[2].ahead = right;
    sim.schedule_tick(2);
    for who in [0, 1] {
        let known = numbers(&sim, who, &room);
        assert_eq!(known.len(), 1, "{who}: not shown yet, and no number is kept free");
    }
    let meanwhile = sim.tell(0, room, "meanwhile");
    sim.wait(MINUTE);
    for who in [0, 1] {
        assert_eq!(numbers(&sim, who, &room).get(&meanwhile), Some(&2), "{who}");
    }
    sim.wait(30 * MINUTE);
    for who in [0, 1] {
        let known = numbers(&sim, who, &room);
        assert_eq!(
            (known.get(&meanwhile), known.get(&early)),
            (Some(&2), Some(&3)),
            "{who}"
        );
        assert_eq!(
            sim.plain_texts(who, &room),
            ["first", "meanwhile", "from a time to come"],
            "{who}"
        );
    }
}

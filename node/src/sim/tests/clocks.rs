//! Clocks that are set to another time.

use super::*;

#[test]
fn a_clock_set_back_by_hours_stops_nothing() {
    let (mut sim, conversation) = Sim::friends(31);
    let right = sim.nodes[1].ahead;
    sim.nodes[1].ahead += 5 * HOUR as i64;
    sim.wait(MINUTE);
    sim.tell(0, conversation, "while it is ahead");
    sim.wait(5 * SECOND);
    sim.nodes[1].ahead = right;
    sim.schedule_tick(1);
    sim.wait(MINUTE);
    sim.tell(0, conversation, "after it was set back");
    sim.wait(5 * SECOND);
    assert_eq!(sim.statuses(0, &conversation), vec![Delivered; 2]);
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.wait(5 * SECOND);
    assert_eq!(sim.statuses(0, &conversation), vec![Read; 2]);
    sim.crash(0);
    sim.wait(MINUTE);
    sim.tell(0, conversation, "to a node that has to connect again");
    sim.wait(MINUTE);
    assert_eq!(sim.texts(1, &conversation).len(), 3);
}

#[test]
fn a_clock_a_day_off_is_measured_on_both_sides_and_loses_nothing() {
    for (seed, off) in [(32, DAY as i64), (33, -(DAY as i64))] {
        let (mut sim, conversation) = Sim::friends(seed);
        let before = sim.nodes[1].ahead - sim.nodes[0].ahead;
        sim.nodes[1].ahead += off;
        sim.crash(1);
        sim.wait(MINUTE);
        for (at, expected) in [(0, off + before), (1, -off - before)] {
            let live = sim.nodes[at].live().expect("a device is linked");
            let skews: Vec<i64> = live.linked.iter().map(|(_, _, skew)| *skew).collect();
            assert_eq!(skews.len(), 1, "seed {seed}, node {at}");
            let wrong = (skews[0] - expected).unsigned_abs();
            assert!(
                wrong < 2 * SECOND,
                "seed {seed}, node {at}: {} instead of {expected}",
                skews[0]
            );
        }
        let mut expected = Vec::new();
        for n in 0..5 {
            for from in [0, 1] {
                let text = format!("{n} from {from}");
                sim.tell(from, conversation, &text);
                expected.push(text);
                sim.wait(5 * SECOND);
            }
        }
        expected.sort();
        let (ahead, behind) = if off > 0 { (1, 0) } else { (0, 1) };
        assert_eq!(
            sim.sorted_texts(ahead, &conversation),
            expected,
            "seed {seed}: nothing waits there"
        );
        let own = sim.plain_texts(behind, &conversation);
        assert_eq!(
            own.len(),
            5,
            "seed {seed}: what is of tomorrow waits for its time: {own:?}"
        );
        // It is there, though, and said to be.
        for at in [0, 1] {
            let own: Vec<_> = sim
                .statuses(at, &conversation)
                .into_iter()
                .filter(|s| *s != MessageStatus::Received)
                .collect();
            assert_eq!(own, vec![Delivered; 5], "seed {seed}, node {at}");
        }
        sim.wait(25 * HOUR);
        assert_eq!(
            sim.sorted_texts(behind, &conversation),
            expected,
            "seed {seed}: its time has come"
        );
        assert_eq!(
            sim.plain_texts(0, &conversation),
            sim.plain_texts(1, &conversation),
            "seed {seed}"
        );
    }
}

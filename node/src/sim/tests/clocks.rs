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

#[test]
fn who_writes_so_much_that_the_clock_runs_away_is_slowed_before_others_wait_for_it() {
    let (mut sim, conversation) = Sim::friends(34);
    let right = sim.nodes[0].ahead;
    // As after 480 000 messages in no time.
    sim.nodes[0].ahead += 8 * MINUTE as i64;
    sim.tell(0, conversation, "ahead");
    sim.nodes[0].ahead = right;
    sim.schedule_tick(0);
    sim.wait(5 * SECOND);
    let say = |sim: &mut Sim, text: &str| {
        let send = SendText::plain(conversation, text);
        sim.ask(0, |reply| Command::Send(send, reply)).expect("up")
    };
    let taken = (0..2_000).take_while(|n| say(&mut sim, &format!("{n}")).is_ok());
    assert_eq!(taken.count(), 1_000, "at once");
    let refused = Some(SendError::Refused(Refusal::TooFast));
    assert_eq!(say(&mut sim, "more").err(), refused);
    sim.tell(1, conversation, "who wrote nothing need not wait");
    sim.wait(SECOND);
    assert!(say(&mut sim, "a second later").is_ok());
    sim.wait(MINUTE);
    let (here, there) = (sim.plain_texts(0, &conversation), sim.plain_texts(1, &conversation));
    assert_eq!((here.len(), there.len()), (1_003, 1_003), "nothing waits for its time");
    assert!(here == there, "the order is another");
    sim.wait(5 * MINUTE);
    let taken = (0..1_100).filter(|n| say(&mut sim, &format!("{n} again")).is_ok());
    assert_eq!(taken.count(), 1_100, "the time has come near the clock");
}

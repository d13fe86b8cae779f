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

//! Blocked users.

use super::*;

#[test]
fn a_blocked_user_is_not_heard_learns_nothing_and_is_caught_up_with_later() {
    let (mut sim, conversation) = Sim::people(9);
    sim.tell(0, conversation, "before");
    let said = sim.tell(1, conversation, "mine");
    sim.wait(2_000);
    sim.block(1, 0, true);
    let feed = parlour_store::feed::last(sim.nodes[1].store()).expect("readable");
    let wire = sim.wire.len();
    sim.tell(0, conversation, "while blocked");
    sim.decide(0, typing(conversation, true)).expect("told to nobody");
    sim.wait(8 * 60_000);
    assert_eq!(sim.texts(1, &conversation).len(), 2);
    let news = parlour_store::feed::after(sim.nodes[1].store(), feed, 10).expect("readable");
    let (ada, cy) = (sim.user(0), sim.user(2));
    let about_cy = parlour_store::feed::FeedRow::Contact { user: cy };
    assert!(news.iter().all(|(_, row)| *row == about_cy), "{news:?} beside {ada:?}");
    assert!(!writes(&mut sim, 1, 0));
    assert_ne!(sim.statuses(0, &conversation)[2], Delivered, "nothing was acknowledged");
    assert_eq!(presence_of(&mut sim, 0, 1), None, "no presence goes to the blocked");
    assert!(sim.wire.len() > wire, "they did try");
    let refused = sim.ask(1, |reply| {
        let send = SendText::plain(conversation, "no".to_owned());
        Command::Send(send, reply)
    });
    assert_eq!(refused.expect("up").err(), Some(SendError::Refused(Refusal::Blocked)));
    assert_nothing_is_said(&mut sim, 1, conversation, said, Refusal::Blocked);
    sim.crash(1);
    sim.wait(60_000);
    assert_eq!(sim.texts(1, &conversation).len(), 2, "a block outlives the process");
    sim.block(1, 0, false);
    sim.wait(10 * 60_000);
    assert_eq!(sim.texts(1, &conversation).len(), 3);
    let statuses = sim.statuses(0, &conversation);
    assert_eq!(statuses.iter().filter(|status| **status == Delivered).count(), 2);
}

#[test]
fn what_was_written_with_a_clock_ahead_is_built_on_when_its_time_has_come_though_its_author_was_blocked_then() {
    let (mut sim, conversation) = Sim::friends(10);
    let right = sim.nodes[0].ahead;
    sim.nodes[0].ahead += HOUR as i64;
    let ahead = sim.tell(0, conversation, "of later");
    sim.nodes[0].ahead = right;
    sim.schedule_tick(0);
    sim.wait(5 * SECOND);
    assert_eq!(sim.plain_texts(1, &conversation), [""; 0], "its time is not come");
    sim.block(1, 0, true);
    sim.wait(2 * HOUR);
    assert_eq!(sim.plain_texts(1, &conversation), [""; 0], "they are blocked");
    sim.block(1, 0, false);
    sim.wait(2 * MINUTE);
    assert_eq!(sim.plain_texts(1, &conversation), ["of later"]);
    let answer = sim.tell(1, conversation, "an answer");
    let event = sim.event(1, &answer);
    assert_eq!(event.header().parents, [ahead], "it is what was seen last");
}

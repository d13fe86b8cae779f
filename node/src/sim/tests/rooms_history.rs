//! What a newcomer is given of what was said before: as much as the rule says, and nothing more, whoever gives it.

use parlour_crypto::History;

use super::*;

#[test]
fn a_newcomer_is_given_the_last_hundred_messages_and_not_one_more() {
    let (mut sim, _) = Sim::people(531);
    let room = sim.make_room(1, "garden", History::Last100);
    sim.let_in(1, room, 0);
    for n in 0..130 {
        sim.tell(n % 2, room, &format!("{n:03}"));
        sim.wait(50);
    }
    sim.wait(10 * SECOND);
    let shown = sim.plain_texts(1, &room);
    assert_eq!(shown.len(), 130);
    sim.let_in(1, room, 2);
    sim.wait(10 * MINUTE);
    assert_eq!(sim.plain_texts(2, &room), shown[30..], "by ada and bo");
    // Nor is there more of it later, as more is said.
    sim.tell(2, room, "hello");
    sim.tell(0, room, "welcome");
    sim.wait(10 * MINUTE);
    assert_eq!(sim.plain_texts(2, &room).len(), 102);
    assert_eq!(sim.plain_texts(2, &room)[..100], shown[30..]);
}

#[test]
fn a_newcomer_is_given_by_others_what_somebody_said_who_is_away() {
    let (mut sim, _) = Sim::people(533);
    let room = sim.make_room(1, "garden", History::Last100);
    sim.let_in(1, room, 0);
    sim.tell(0, room, "gone for a year");
    sim.wait(10 * SECOND);
    sim.down(0, Crash::Killed);
    sim.let_in(1, room, 2);
    sim.wait(MINUTE);
    assert_eq!(sim.plain_texts(2, &room), ["gone for a year"]);
}

#[test]
fn a_newcomer_is_given_what_was_said_within_thirty_days_and_nothing_older() {
    let (mut sim, _) = Sim::people(532);
    let room = sim.make_room(1, "garden", History::Days30);
    sim.let_in(1, room, 0);
    let away = |sim: &mut Sim, days: u64| {
        sim.wait(MINUTE);
        (0..3).for_each(|who| sim.down(who, Crash::Killed));
        sim.wait(days * DAY);
        (0..3).for_each(|who| sim.start(who));
        sim.wait(5 * MINUTE);
    };
    sim.tell(0, room, "31 days old");
    away(&mut sim, 2);
    sim.tell(1, room, "29 days old");
    away(&mut sim, 29);
    sim.tell(0, room, "new");
    sim.wait(MINUTE);
    assert_eq!(sim.plain_texts(0, &room), ["31 days old", "29 days old", "new"]);
    sim.let_in(1, room, 2);
    sim.wait(10 * MINUTE);
    assert_eq!(sim.plain_texts(2, &room), ["29 days old", "new"]);
}

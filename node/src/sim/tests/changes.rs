//! What is done with messages, and with what others have erased.

use parlour_crypto::VerifiedEvent;
use parlour_store::view::Shown;

use super::*;

#[test]
fn what_others_may_not_do_has_no_effect_here() {
    let (mut sim, conversation) = Sim::friends(0);
    sim.tell(0, conversation, "by ada");
    sim.wait(5_000);
    let (id, _) = sim.shows(1, &conversation).messages[0];
    for what in [Change::Edit("by bo".to_owned()), Change::Delete] {
        assert_eq!(sim.change(1, id, what), Some(Err(ChangeError::NotYours)));
    }
    assert_eq!(sim.shows(0, &conversation).messages.len(), 1);
}

#[test]
fn a_body_comes_after_all_when_others_had_erased_it_and_this_account_has_not() {
    let (mut sim, conversation) = Sim::friends(6);
    sim.cut(0, 1);
    let send = SendText::plain(conversation, "heron");
    let id = sim
        .ask(0, |reply| Command::Send(send, reply))
        .expect("up")
        .expect("sent")
        .at
        .id;
    let whole = sim.event(0, &id);
    let stub = VerifiedEvent::restore(whole.header().clone(), *whole.signature(), None);
    let ada = sim.user(0);
    let now = sim.now;
    let mut take = |event: &VerifiedEvent| {
        assert!(sim.nodes[1].take_wire(&conversation, &ada, &event.to_wire(), now));
        let (shows, feed) = (sim.shows(1, &conversation).messages, sim.feed_of(1));
        let rows = conversations::all(sim.nodes[1].store()).expect("readable");
        let unread = rows.iter().any(|(_, row)| row.unread > 0);
        let shown = shows.last().expect("it is shown").1.shown.clone();
        assert_eq!(
            unread,
            !matches!(shown, Shown::Absent(_)),
            "a mark is nothing to be read"
        );
        (shown, feed)
    };
    let (shown, told) = take(&stub);
    assert!(matches!(shown, Shown::Absent(_)), "{shown:?}");
    let (shown, told_again) = take(&whole);
    assert_eq!(shown, Shown::Text("heron".to_owned()));
    assert!(told_again > told, "it looks different now");
    assert_eq!(take(&stub), (shown, told_again), "what is here stays");
}

#[test]
fn pins_are_bounded_and_the_limit_is_said() {
    let (mut sim, conversation) = Sim::friends(1);
    let max = parlour_store::annotations::MAX_PINS;
    let mut said = Vec::new();
    for n in 0..=max {
        said.push(sim.tell(0, conversation, &format!("{n}")));
    }
    sim.wait(30_000);
    let (last, others) = said.split_last().expect("there are some");
    for id in others {
        sim.change(0, *id, Change::Pin(true)).expect("up").expect("pinned");
    }
    let refused = sim.change(0, *last, Change::Pin(true)).expect("up");
    assert_eq!(refused, Err(ChangeError::TooManyPins { max }));
    sim.change(1, *last, Change::Pin(true))
        .expect("up")
        .expect("the other one has room");
    sim.change(0, others[0], Change::Pin(false))
        .expect("up")
        .expect("unpinned");
    sim.change(0, *last, Change::Pin(false))
        .expect("up")
        .expect("anybody's");
    sim.change(0, *last, Change::Pin(true))
        .expect("up")
        .expect("there is room");
    sim.wait(30_000);
    assert_eq!(sim.shows(0, &conversation), sim.shows(1, &conversation));
    assert_eq!(sim.shows(1, &conversation).pins.len(), max);
}

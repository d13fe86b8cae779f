//! What becomes of own messages on devices that never acknowledge them.

use parlour_crypto::EventId;
use parlour_store::feed::{self, FeedRow};
use parlour_store::view::{DeliveryState, DeliveryView};
use parlour_store::{EventKey, devices, events};

use super::*;

/// How far a message has come on each device that is not this one, and which these are by their places here.
fn states(sim: &Sim, who: usize, id: EventId) -> Vec<(DeliveryState, bool)> {
    let node = &sim.nodes[who];
    let store = node.store();
    let key: EventKey = events::place(store, &id).expect("readable").expect("there");
    let clock = events::brief(store, &key).expect("readable").expect("there").clock;
    let mut view = DeliveryView::new(store, node.engine().own(), key.log.conversation).expect("readable");
    let devices = view
        .devices(&key.log, key.seq, clock, node.clock(sim.now))
        .expect("readable");
    let retired = |id| {
        let no = devices::number(store, id).expect("readable").expect("known");
        devices::get(store, no).expect("readable").expect("known").is_retired()
    };
    let mut states: Vec<_> = devices.iter().map(|to| (to.state, retired(&to.device))).collect();
    states.sort();
    states
}

/// What the feed said of messages that do not come, or are tried no more: how many, row by row.
fn given_up(sim: &Sim, who: usize) -> (Vec<u64>, Vec<u64>) {
    let (mut failed, mut expired) = (Vec::new(), Vec::new());
    for (_, row) in feed::after(sim.nodes[who].store(), 0, usize::MAX).expect("readable") {
        match row {
            FeedRow::Failed { seqs, .. } => failed.push(seqs.count()),
            FeedRow::Expired { seqs, .. } => expired.push(seqs.count()),
            _ => {}
        }
    }
    (failed, expired)
}

#[test]
fn what_waits_for_a_month_is_told_as_expired_once_and_still_arrives() {
    use DeliveryState::{Delivered, Expired, Sent};
    let (mut sim, conversation) = Sim::friends(41);
    let before = sim.tell(0, conversation, "before");
    sim.wait(MINUTE);
    sim.cut(0, 1);
    let (one, two) = (sim.tell(0, conversation, "one"), sim.tell(0, conversation, "two"));
    sim.wait(29 * DAY);
    let later = sim.tell(0, conversation, "later");
    sim.wait(DAY - HOUR);
    assert!(states(&sim, 0, one)[0].0 < Delivered && states(&sim, 0, one)[0].0 != Expired);
    assert_eq!(given_up(&sim, 0), (vec![], vec![]));
    sim.wait(4 * HOUR);
    for id in [one, two] {
        assert_eq!(states(&sim, 0, id), [(Expired, false)]);
    }
    assert_eq!(
        states(&sim, 0, before),
        [(Delivered, false)],
        "what is there stays there"
    );
    assert!(states(&sim, 0, later)[0].0 <= Sent && states(&sim, 0, later)[0].0 != Expired);
    let (_, expired) = given_up(&sim, 0);
    assert_eq!(expired.iter().sum::<u64>(), 2, "each is told once: {expired:?}");
    sim.crash(0);
    sim.wait(DAY);
    assert_eq!(given_up(&sim, 0).1, expired, "and not again");

    sim.mend_all();
    sim.wait(HOUR);
    for id in [one, two, later] {
        assert_eq!(states(&sim, 0, id), [(Delivered, false)]);
    }
}

#[test]
fn what_a_removed_contact_never_got_has_failed_until_they_are_a_contact_again() {
    use DeliveryState::{Delivered, Failed};
    let (mut sim, conversation) = Sim::friends(42);
    let got = sim.tell(0, conversation, "got");
    sim.wait(MINUTE);
    sim.cut(0, 1);
    let held = sim.tell(0, conversation, "held");
    sim.wait(MINUTE);
    let user = sim.user(1);
    let remove = Decision::Remove { user, history: false };
    sim.decide(0, remove).expect("a contact");
    assert_eq!(states(&sim, 0, held), [(Failed, false)]);
    assert_eq!(states(&sim, 0, got), [(Delivered, false)]);
    assert_eq!(given_up(&sim, 0), (vec![1], vec![]));
    let removed = parlour_store::contacts::removed(sim.nodes[0].store(), &user).expect("readable");
    assert_eq!(removed, Some(sim.nodes[0].clock(sim.now)));

    sim.mend_all();
    sim.introduce(0, 1);
    sim.wait(10 * MINUTE);
    assert_eq!(states(&sim, 0, held), [(Delivered, false)]);
}

#[test]
fn what_a_replaced_device_never_got_has_failed_there_and_comes_to_the_new_one() {
    use DeliveryState::{Delivered, Failed};
    let (mut sim, conversation) = Sim::friends(43);
    let got = sim.tell(0, conversation, "got");
    sim.wait(MINUTE);
    let again = sim.recover(1);
    sim.down(1, Crash::Killed);
    sim.wait(MINUTE);
    let held = sim.tell(0, conversation, "held");
    sim.wait(MINUTE);
    sim.introduce(0, again);
    sim.wait(MINUTE);
    assert_eq!(given_up(&sim, 0), (vec![1], vec![]));
    assert!(
        states(&sim, 0, held).contains(&(Failed, true)),
        "{:?}",
        states(&sim, 0, held)
    );
    let (bo, known) = (sim.user(1), sim.nodes[0].store());
    let row = parlour_store::contacts::get(known, &bo)
        .expect("readable")
        .expect("a contact");
    let code = crate::engine::list_code(&row.device_list);
    sim.decide(0, Decision::Accept(bo, code)).expect("these devices");
    sim.wait(MINUTE);
    let later = sim.tell(0, conversation, "later");
    sim.wait(MINUTE);
    assert_eq!(states(&sim, 0, held), [(Failed, true), (Delivered, false)]);
    assert_eq!(
        states(&sim, 0, got),
        [(Delivered, false), (Delivered, true)],
        "it had it"
    );
    assert_eq!(
        states(&sim, 0, later),
        [(Delivered, false)],
        "the old one was never meant"
    );
}

/// The texts that a node shows, and whether each came late.
fn lateness(sim: &Sim, who: usize, conversation: &ConversationId) -> Vec<(String, bool)> {
    let (store, own) = (sim.nodes[who].store(), sim.nodes[who].engine().own());
    let no = sim.number_of(who, conversation).expect("it is there");
    let mut delivery = DeliveryView::new(store, own, no).expect("readable");
    let entries = parlour_store::timeline::after(store, no, None, usize::MAX).expect("readable");
    let shown = entries.iter().map(|entry| {
        let view = parlour_store::view::message(store, entry, &mut delivery).expect("readable");
        (view.state.text().expect("a text").to_owned(), view.late)
    });
    shown.collect()
}

#[test]
fn what_comes_when_its_reader_was_past_it_is_marked_and_stays_so() {
    let (mut sim, conversation) = Sim::friends(44);
    sim.tell(1, conversation, "first");
    sim.wait(MINUTE);
    sim.cut(0, 1);
    sim.tell(1, conversation, "before ada wrote");
    sim.wait(MINUTE);
    sim.tell(0, conversation, "meanwhile");
    sim.wait(MINUTE);
    sim.tell(1, conversation, "after that");
    sim.wait(MINUTE);
    sim.mend_all();
    sim.wait(5 * MINUTE);
    // Those who write at the same moment are not late.
    sim.tell(0, conversation, "at once");
    sim.tell(1, conversation, "at once, too");
    sim.wait(MINUTE);
    sim.crash(0);
    sim.wait(MINUTE);
    let mut late = lateness(&sim, 0, &conversation);
    late.retain(|(_, late)| *late);
    assert_eq!(late, [("before ada wrote".to_owned(), true)]);
    // To bo, ada's came when his own stood below it.
    let mut late = lateness(&sim, 1, &conversation);
    late.retain(|(_, late)| *late);
    assert_eq!(late, [("meanwhile".to_owned(), true)]);
}

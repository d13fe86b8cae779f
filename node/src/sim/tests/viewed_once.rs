//! Messages to be viewed once.

use parlour_store::events;

use super::*;

impl Sim {
    pub(super) fn send_once(&mut self, from: usize, conversation: ConversationId) -> EventId {
        let send = SendText {
            visibility: 1,
            ..SendText::plain(conversation, "look")
        };
        let sent = self.ask(from, |reply| Command::Send(send, reply));
        sent.expect("up").expect("sent").at.id
    }
}

#[test]
fn a_message_to_be_viewed_once_is_seen_once_and_then_on_no_disk() {
    let (mut sim, conversation) = Sim::friends(3);
    let send = SendText {
        visibility: 1,
        ..SendText::plain(conversation, "look")
    };
    let sent = sim
        .ask(0, |reply| Command::Send(send, reply))
        .expect("up")
        .expect("sent");
    sim.wait(3 * MINUTE);
    let body = |sim: &Sim, index: usize| {
        let store = sim.nodes[index].store();
        let at = events::place(store, &sent.at.id).expect("readable").expect("there");
        events::get(store, &at)
            .expect("readable")
            .expect("there")
            .body()
            .is_some()
    };
    assert!(!body(&sim, 0), "it has arrived, and its sender keeps nothing");
    assert!(body(&sim, 1));
    let view = |sim: &mut Sim| {
        let change = ChangeMessage {
            id: sent.at.id,
            what: Change::View,
        };
        sim.ask(1, |reply| Command::Change(change, reply)).expect("up")
    };
    let seen = view(&mut sim).expect("seen").viewed;
    assert_eq!(seen, Some(parlour_crypto::Content::Text("look".to_owned())));
    assert!(!body(&sim, 1));
    assert_eq!(view(&mut sim), Err(ChangeError::UsedUp));
}

#[test]
fn what_was_read_before_it_was_looked_for_is_erased_by_its_sender_as_well() {
    let (mut sim, conversation) = Sim::friends(4);
    let id = sim.send_once(0, conversation);
    sim.wait(1_000);
    sim.ask(1, |reply| Command::MarkRead {
        conversation,
        up_to: UpTo::End,
        reply,
    })
    .expect("up")
    .expect("read");
    sim.wait(5 * MINUTE);
    assert!(sim.event(0, &id).body().is_none());
}

#[test]
fn messages_that_do_not_arrive_hold_up_no_others() {
    let mut sim = Sim::with(5, &["ada", "bo", "cy"]);
    sim.introduce(0, 1);
    sim.wait(5_000);
    sim.introduce(0, 2);
    sim.wait(5_000);
    let (away, there) = (sim.direct(0, 1), sim.direct(0, 2));
    sim.down(1, Crash::Killed);
    for _ in 0..260 {
        sim.send_once(0, away);
    }
    let id = sim.send_once(0, there);
    sim.wait(5 * MINUTE);
    assert!(sim.event(0, &id).body().is_none());
}

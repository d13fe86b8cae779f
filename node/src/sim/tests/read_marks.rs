//! Read marks: how far somebody has read, told and counted.

use parlour_crypto::{Control, Frame, ReadMark};
use parlour_store::timeline;

use super::*;
use crate::engine::ReadMarkError;

#[test]
fn a_read_mark_reaches_the_author_and_never_goes_back() {
    let (mut sim, conversation) = Sim::people(1);
    let first = sim.tell(0, conversation, "one");
    let second = sim.tell(0, conversation, "two");
    sim.tell(0, conversation, "three");
    sim.wait(2_000);
    assert_eq!(
        (sim.unread(1, &conversation), sim.statuses(0, &conversation)),
        (3, vec![Delivered; 3])
    );
    assert_eq!(sim.read(1, conversation, UpTo::Message(second)), Ok(()));
    sim.wait(2_000);
    assert_eq!(
        (sim.unread(1, &conversation), sim.statuses(0, &conversation)),
        (1, vec![Read, Read, Delivered])
    );
    assert_eq!(
        sim.read(1, conversation, UpTo::Message(first)),
        Ok(()),
        "it is read already"
    );
    sim.wait(2_000);
    assert_eq!(
        (sim.unread(1, &conversation), sim.statuses(0, &conversation)),
        (1, vec![Read, Read, Delivered])
    );
    assert_eq!(sim.read(1, conversation, UpTo::End), Ok(()));
    sim.wait(2_000);
    assert_eq!(
        (sim.unread(1, &conversation), sim.statuses(0, &conversation)),
        (0, vec![Read; 3])
    );
}

#[test]
fn what_came_late_and_stands_before_the_mark_is_neither_read_nor_reported_as_read() {
    const SAID: usize = 20;
    let (mut sim, conversation) = Sim::people(21);
    sim.cut(0, 1);
    sim.wait(1_000);
    for n in 0..SAID {
        sim.tell(0, conversation, &format!("{n} {}", "x".repeat(16_000)));
    }
    sim.weather.max_delay_ms = 400;
    sim.mend(0, 1);
    let in_part = |sim: &Sim| {
        let count = sim.unread(1, &conversation);
        let first = sim.texts(1, &conversation).first().map(|(text, _)| text.clone());
        count > 0 && count < SAID as u64 && first.is_some_and(|text| !text.starts_with("0 "))
    };
    for _ in 0..600_000 {
        if in_part(&sim) {
            break;
        }
        sim.wait(1);
    }
    assert!(in_part(&sim), "what was missed comes newest first");
    let seen: Vec<String> = sim.texts(1, &conversation).into_iter().map(|(text, _)| text).collect();
    sim.read(1, conversation, UpTo::End).expect("it is there");
    assert_eq!(sim.unread(1, &conversation), 0);
    sim.wait(10 * 60_000);
    assert_eq!(sim.texts(1, &conversation).len(), SAID);
    let late = (SAID - seen.len()) as u64;
    sim.read(1, conversation, UpTo::Seq(0)).expect("it is there");
    assert_eq!(
        sim.unread(1, &conversation),
        late,
        "a mark that says nothing new hides nothing"
    );
    for (text, status) in sim.texts(0, &conversation) {
        let read = status == Read;
        assert!(!read || seen.contains(&text), "nobody has seen {:?}", &text[..4]);
    }
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.tell(0, conversation, "one more");
    sim.wait(5_000);
    assert_eq!(sim.unread(1, &conversation), 1);
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.wait(5_000);
    assert_eq!(sim.unread(1, &conversation), 0);
    assert_eq!(sim.statuses(0, &conversation), vec![Read; SAID + 1]);
}

#[test]
fn a_mark_by_envelope_is_overtaken_by_no_acknowledgement() {
    let mut sim = Sim::with(24, &["ada", "bo", "cy"]);
    for (a, b) in [(0, 1), (1, 2), (0, 2)] {
        sim.introduce(a, b);
        sim.wait(5_000);
    }
    let conversation = sim.direct(0, 1);
    // From now on they hear each other through Cy alone, by envelope.
    sim.cut(0, 1);
    sim.wait(5_000);
    sim.weather.loss = 1_000;
    sim.tell(0, conversation, "one");
    sim.wait(10);
    sim.weather.loss = 0;
    sim.tell(0, conversation, "two");
    for _ in 0..200 {
        if sim.unread(1, &conversation) > 0 {
            break;
        }
        sim.wait(1);
    }
    assert_eq!(
        sim.plain_texts(1, &conversation),
        ["two"],
        "the first one is still to come"
    );
    sim.read(1, conversation, UpTo::End).expect("it is there");
    // Whatever Bo says now is long on its way.
    sim.weather.loss = 1_000;
    let said = sim.wire.len();
    sim.wait(MINUTE);
    let late: Vec<bytes::Bytes> = sim.wire[said..]
        .iter()
        .filter_map(|wire| match wire {
            Wire::Envelope(data) => Some(data.clone()),
            Wire::Knock(_) => None,
        })
        .collect();
    sim.weather.loss = 0;
    sim.wait(10 * MINUTE);
    assert_eq!(sim.plain_texts(1, &conversation), ["one", "two"]);
    assert_eq!(sim.statuses(0, &conversation), [Delivered, Delivered]);
    assert_eq!(sim.unread(1, &conversation), 1);
    let source = sim.nodes[2].peer;
    for data in late {
        let event = parlour_net::NetEvent::Envelope { data, source, topic: 0 };
        sim.turn(0, Input::Net(event));
    }
    assert_eq!(sim.statuses(0, &conversation)[0], Delivered, "nobody has seen it");
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.wait(10 * MINUTE);
    assert_eq!(
        sim.statuses(0, &conversation),
        [Read, Read],
        "it goes by envelope once nothing is missing"
    );
}

#[test]
fn a_message_read_by_its_arrival_number_speaks_of_nothing_behind_it() {
    let (mut sim, conversation) = Sim::people(22);
    for text in ["one", "two", "three"] {
        sim.tell(0, conversation, text);
        sim.wait(1_000);
    }
    sim.tell(1, conversation, "mine");
    sim.wait(2_000);
    sim.read(1, conversation, UpTo::Seq(2)).expect("it is there");
    sim.wait(2_000);
    assert_eq!(sim.unread(1, &conversation), 1);
    assert_eq!(sim.statuses(0, &conversation)[..3], [Read, Read, Delivered]);
    let feed = |sim: &Sim| parlour_store::feed::last(sim.nodes[1].store()).expect("readable");
    let before = feed(&sim);
    for seq in [0, 1, 2] {
        sim.read(1, conversation, UpTo::Seq(seq)).expect("it is there");
    }
    assert_eq!(feed(&sim), before, "nothing moved, so nothing was written");
    let mark = |sim: &Sim| {
        let own = sim.nodes[1].engine().own().device;
        let no = parlour_store::ConversationNo(1);
        parlour_store::read_marks::get(sim.nodes[1].store(), no, own).expect("readable")
    };
    sim.read(1, conversation, UpTo::End).expect("it is there");
    let read = mark(&sim).expect("marked");
    let last_foreign = timeline::after(sim.nodes[1].store(), parlour_store::ConversationNo(1), None, 10)
        .expect("readable")
        .into_iter()
        .filter(|entry| entry.event.log.device != sim.nodes[1].engine().own().device)
        .map(|entry| entry.at)
        .max();
    assert_eq!(Some(read.at()), last_foreign, "no mark speaks of what oneself wrote");
    sim.wait(2_000);
    sim.tell(1, conversation, "mine again");
    sim.wait(1_000);
    sim.read(1, conversation, UpTo::End).expect("it is there");
    assert_eq!(
        mark(&sim).map(|mark| mark.at()),
        Some(read.at()),
        "there was nothing to mark"
    );
    let waiting = parlour_store::outbox::devices(sim.nodes[1].store()).expect("readable");
    assert!(waiting.is_empty(), "{waiting:?}");
}

#[test]
fn marks_do_not_use_up_the_envelopes_of_a_contact_who_is_away() {
    let (mut sim, conversation) = Sim::people(23);
    for n in 0..40 {
        sim.tell(0, conversation, &format!("{n}"));
    }
    sim.wait(5_000);
    sim.down(0, Crash::Killed);
    sim.wait(60_000);
    let wire = sim.wire.len();
    for seq in 1..=40 {
        sim.read(1, conversation, UpTo::Seq(seq)).expect("it is there");
        sim.wait(30_000);
    }
    let sent = sim.wire.len() - wire;
    assert!(sent <= 10, "{sent} envelopes for 40 marks in 20 minutes");
}

#[test]
fn a_read_mark_of_another_conversation_or_of_no_message_is_refused() {
    let (mut sim, conversation) = Sim::people(2);
    let elsewhere = sim.direct(1, 2);
    let foreign = sim.tell(2, elsewhere, "not yours");
    sim.tell(0, conversation, "hello");
    sim.wait(2_000);
    for message in [foreign, EventId::from_bytes([9; 32])] {
        let refused = sim.read(1, conversation, UpTo::Message(message));
        assert_eq!(refused, Err(ReadMarkError::UnknownMessage));
    }
    let unknown = ConversationId::from_bytes([1; 32]);
    assert_eq!(sim.read(1, unknown, UpTo::End), Err(ReadMarkError::UnknownConversation));
    assert_eq!(sim.unread(1, &conversation), 1);
}

#[test]
fn nobody_is_told_with_read_receipts_off_and_own_counting_goes_on() {
    let (mut sim, conversation) = Sim::people(3);
    sim.tell(0, conversation, "hello");
    sim.wait(2_000);
    let off = Decision::Settings {
        read_receipts: Some(false),
        presence: None,
    };
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.decide(1, off).expect("written");
    sim.wait(120_000);
    assert_eq!(sim.unread(1, &conversation), 0);
    assert_eq!(
        sim.statuses(0, &conversation),
        vec![Delivered],
        "what waited was not told either"
    );
}

#[test]
fn a_mark_made_while_the_author_is_away_arrives_later() {
    let (mut sim, conversation) = Sim::people(4);
    sim.tell(0, conversation, "hello");
    sim.wait(2_000);
    sim.crash(0);
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.wait(60_000);
    assert_eq!(sim.statuses(0, &conversation), vec![Read]);
}

#[test]
fn an_author_whose_disk_was_put_back_learns_again_what_was_read() {
    let (mut sim, conversation) = Sim::friends(6);
    sim.tell(0, conversation, "hello");
    sim.wait(5_000);
    let copy = sim.copy_disk(0);
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.wait(10_000);
    assert_eq!(sim.statuses(0, &conversation), vec![Read]);
    sim.put_back(0, &copy);
    sim.start(0);
    sim.wait(60_000);
    assert_eq!(sim.statuses(0, &conversation), vec![Read]);
}

#[test]
fn a_forged_or_future_read_mark_changes_nothing() {
    let (mut sim, conversation) = Sim::people(5);
    let said = sim.tell(0, conversation, "hello");
    sim.wait(2_000);
    let at = timeline::after(sim.nodes[0].store(), parlour_store::ConversationNo(1), None, 1).expect("readable")[0].at;
    assert_eq!(at.id, said);
    let mark = |clock| Frame::Control {
        id: [7; 16],
        control: Control::Read(ReadMark {
            conversation,
            clock,
            event: said,
        }),
    };
    // Cy is a contact of Bo and no part of what Ada and Bo say.
    let forged = sim.nodes[2].forge_frame(&mark(at.clock), None, sim.now);
    forged.into_iter().for_each(|command| sim.execute(2, command));
    sim.wait(2_000);
    let marks = |sim: &Sim, who: usize| {
        let store = sim.nodes[who].store();
        let own = sim.nodes[who].engine().own().device;
        let devices = parlour_store::devices::all(store).expect("readable");
        let of = |no| parlour_store::read_marks::get(store, parlour_store::ConversationNo(1), no).expect("readable");
        devices
            .into_iter()
            .filter(|(no, _)| *no != own && of(*no).is_some())
            .count()
    };
    assert_eq!(marks(&sim, 1), 0);
    let future = sim.nodes[1].forge_frame(&mark(sim.now + 3_600_000), None, sim.now);
    future.into_iter().for_each(|command| sim.execute(1, command));
    sim.wait(2_000);
    assert_eq!((marks(&sim, 0), sim.statuses(0, &conversation)), (0, vec![Delivered]));
    let honest = sim.nodes[1].forge_frame(&mark(at.clock), None, sim.now);
    honest.into_iter().for_each(|command| sim.execute(1, command));
    sim.wait(2_000);
    assert_eq!(sim.statuses(0, &conversation), vec![Read]);
}

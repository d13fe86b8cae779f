//! What people do with contacts and conversations beside talking: read marks and what follows, between real engines.

use parlour_crypto::{Control, ConversationId, EventId, Frame, ReadMark};
use parlour_store::view::MessageStatus;
use parlour_store::{conversations, timeline};

use super::Sim;
use crate::engine::{Change, ChangeError, Command, ReadMarkError, SendText, UpTo};

/// Two contacts with an open stream, and a stranger to both who knows the second.
fn people(seed: u64) -> (Sim, ConversationId) {
    let mut sim = Sim::new(seed, &["ada", "bo", "cy"]);
    sim.run_until(sim.now + 100);
    sim.introduce(0, 1);
    sim.introduce(1, 2);
    sim.run_until(sim.now + 5_000);
    let conversation = sim.direct(0, 1);
    (sim, conversation)
}

impl Sim {
    fn wait(&mut self, ms: u64) {
        self.run_until(self.now + ms);
    }

    fn tell(&mut self, from: usize, conversation: ConversationId, text: &str) -> EventId {
        let send = SendText {
            conversation,
            text: text.to_owned(),
            reply_to: None,
            client_id: None,
        };
        let sent = self.ask(from, |reply| Command::Send(send, reply));
        sent.expect("up").expect("accepted").at.id
    }

    fn read(&mut self, who: usize, conversation: ConversationId, up_to: UpTo) -> Result<(), ReadMarkError> {
        self.ask(who, |reply| Command::MarkRead {
            conversation,
            up_to,
            reply,
        })
        .expect("up")
    }

    fn change(&mut self, who: usize, change: Change) -> Result<(), ChangeError> {
        self.ask(who, |reply| Command::Change(change, reply)).expect("up")
    }

    fn statuses(&self, who: usize, conversation: &ConversationId) -> Vec<MessageStatus> {
        self.texts(who, conversation)
            .into_iter()
            .map(|(_, status)| status)
            .collect()
    }

    fn unread(&self, who: usize, conversation: &ConversationId) -> u64 {
        let store = self.nodes[who].store();
        let no = conversations::number(store, conversation)
            .expect("readable")
            .expect("it is there");
        conversations::get(store, no)
            .expect("readable")
            .expect("it is there")
            .unread
    }
}

use MessageStatus::{Delivered, Read};

#[test]
fn a_read_mark_reaches_the_author_and_never_goes_back() {
    let (mut sim, conversation) = people(1);
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
fn a_read_mark_of_another_conversation_or_of_no_message_is_refused() {
    let (mut sim, conversation) = people(2);
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
    let (mut sim, conversation) = people(3);
    sim.tell(0, conversation, "hello");
    sim.wait(2_000);
    let off = Change::Settings {
        read_receipts: Some(false),
        presence: None,
    };
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.change(1, off).expect("written");
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
    let (mut sim, conversation) = people(4);
    sim.tell(0, conversation, "hello");
    sim.wait(2_000);
    sim.crash(0);
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.wait(60_000);
    assert_eq!(sim.statuses(0, &conversation), vec![Read]);
}

#[test]
fn a_forged_or_future_read_mark_changes_nothing() {
    let (mut sim, conversation) = people(5);
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
    let forged = sim.nodes[2].forge_frame(&mark(at.clock), sim.now);
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
    let future = sim.nodes[1].forge_frame(&mark(sim.now + 3_600_000), sim.now);
    future.into_iter().for_each(|command| sim.execute(1, command));
    sim.wait(2_000);
    assert_eq!((marks(&sim, 0), sim.statuses(0, &conversation)), (0, vec![Delivered]));
    let honest = sim.nodes[1].forge_frame(&mark(at.clock), sim.now);
    honest.into_iter().for_each(|command| sim.execute(1, command));
    sim.wait(2_000);
    assert_eq!(sim.statuses(0, &conversation), vec![Read]);
}

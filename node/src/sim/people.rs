//! What people do with their nodes, and what they see there.

use parlour_crypto::{ContactAddress, ConversationId, EventId, KnockResponse, UserId, VerifiedEvent};
use parlour_net::NetEvent;
use parlour_store::contacts::{self, ContactState};
use parlour_store::requests::{self, RequestRow};
use parlour_store::view::{Absent, DeliveryView, MessageStatus, Shown, State, message};
use parlour_store::{ConversationNo, annotations, conversations, events, feed, timeline};
use tokio::sync::oneshot;

use super::{DAY, SECOND, Sim};
use crate::engine::{
    AddContact, AddError, Added, Change, ChangeError, ChangeMessage, Command, ContactChange, Decision, DecisionError,
    Input, MadeInvite, NewInvite, ReadMarkError, SendText, UpTo, is_open_request,
};

/// What a node shows of a conversation.
#[derive(Debug, PartialEq)]
pub(super) struct Shows {
    pub(super) messages: Vec<(EventId, State)>,
    pub(super) pins: Vec<EventId>,
    pub(super) timer: Option<annotations::ConversationTimer>,
}

impl Sim {
    /// These people, up and listening.
    pub(super) fn with(seed: u64, names: &[&str]) -> Self {
        let mut sim = Self::new(seed, names);
        sim.wait(100);
        sim
    }

    /// Two contacts with an open stream.
    pub(super) fn friends(seed: u64) -> (Self, ConversationId) {
        let mut sim = Self::with(seed, &["ada", "bo"]);
        sim.introduce(0, 1);
        sim.wait(5 * SECOND);
        let conversation = sim.direct(0, 1);
        (sim, conversation)
    }

    /// Two contacts with an open stream, and a stranger to the first who knows the second.
    pub(super) fn people(seed: u64) -> (Self, ConversationId) {
        let mut sim = Self::with(seed, &["ada", "bo", "cy"]);
        sim.introduce(0, 1);
        sim.introduce(1, 2);
        sim.wait(5 * SECOND);
        let conversation = sim.direct(0, 1);
        (sim, conversation)
    }

    /// Runs a command to its answer; `None` if the node crashed or is down. What was said yes to is in the ledger.
    pub(super) fn ask<T, E: std::fmt::Debug>(
        &mut self,
        index: usize,
        command: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Command,
    ) -> Option<Result<T, E>> {
        if !self.nodes[index].is_up() {
            return None;
        }
        let (reply, mut answer) = oneshot::channel();
        self.ledger.begin();
        self.turn(index, Input::Command(command(reply)));
        let answer = answer.try_recv().ok();
        if matches!(answer, Some(Ok(_))) {
            self.ledger.confirm();
        }
        answer
    }

    pub(super) fn user(&self, index: usize) -> UserId {
        self.nodes[index].user
    }

    pub(super) fn direct(&self, a: usize, b: usize) -> ConversationId {
        ConversationId::direct(&self.user(a), &self.user(b))
    }

    pub(super) fn invite(&mut self, from: usize, valid_ms: u64, max_uses: u32) -> MadeInvite {
        let new = NewInvite { valid_ms, max_uses };
        let made = self.ask(from, |reply| Command::Invite(new, reply));
        made.expect("up").expect("an invite")
    }

    pub(super) fn open_invite(&mut self, by: usize, link: &str) -> Result<Added, AddError> {
        let add = AddContact {
            link: link.to_owned(),
            petname: None,
            note: None,
        };
        self.ask(by, |reply| Command::Add(add, reply)).expect("up")
    }

    /// Where a node can be asked, as its user gives it away.
    pub(super) fn address_of(&self, index: usize) -> String {
        let address = ContactAddress {
            user: self.user(index),
            peer: self.nodes[index].peer.to_bytes(),
            addresses: vec![parlour_net::address_to_bytes(&super::network::address_of(index))],
            name: None,
        };
        address.to_link()
    }

    /// Asks without an invite.
    pub(super) fn ask_at(&mut self, by: usize, whom: usize, note: &str) -> Option<Result<Added, AddError>> {
        let add = AddContact {
            link: self.address_of(whom),
            petname: None,
            note: Some(note.to_owned()),
        };
        self.ask(by, |reply| Command::Add(add, reply))
    }

    /// Whoever asks a node, and may still be accepted.
    pub(super) fn requests_at(&self, index: usize) -> Vec<RequestRow> {
        let node = &self.nodes[index];
        let mut rows = requests::all(node.store()).expect("readable");
        rows.retain(|row| is_open_request(row, node.clock(self.now)));
        rows
    }

    /// Accepts the only request there is.
    pub(super) fn accept_request(&mut self, index: usize) -> Result<Added, AddError> {
        let rows = self.requests_at(index);
        assert_eq!(rows.len(), 1, "one asks");
        self.open_invite(index, &rows[0].link)
    }

    /// `b` opens an invite of `a`.
    pub(super) fn introduce(&mut self, a: usize, b: usize) {
        // Longer than any sleep of the simulator.
        let made = self.invite(a, 30 * DAY, 1);
        self.open_invite(b, &made.link).expect("the invite opens");
    }

    pub(super) fn state_at(&self, index: usize, of: usize) -> Option<ContactState> {
        let row = contacts::get(self.nodes[index].store(), &self.user(of));
        row.expect("readable").map(|row| row.state)
    }

    /// Sends a text that has to be accepted.
    pub(super) fn tell(&mut self, from: usize, conversation: ConversationId, text: &str) -> EventId {
        let send = SendText::plain(conversation, text.to_owned());
        let sent = self.ask(from, |reply| Command::Send(send, reply));
        sent.expect("up").expect("accepted").at.id
    }

    pub(super) fn read(&mut self, who: usize, conversation: ConversationId, up_to: UpTo) -> Result<(), ReadMarkError> {
        let mark = |reply| Command::MarkRead {
            conversation,
            up_to,
            reply,
        };
        self.ask(who, mark).expect("up")
    }

    pub(super) fn decide(&mut self, who: usize, change: Decision) -> Result<(), DecisionError> {
        self.ask(who, |reply| Command::Decide(change, reply)).expect("up")
    }

    pub(super) fn block(&mut self, who: usize, whom: usize, blocked: bool) {
        let change = ContactChange {
            blocked: Some(blocked),
            ..ContactChange::default()
        };
        let user = self.user(whom);
        self.decide(who, Decision::Contact(user, change)).expect("a contact");
    }

    pub(super) fn change(&mut self, index: usize, id: EventId, what: Change) -> Option<Result<(), ChangeError>> {
        let change = ChangeMessage { id, what };
        let answer = self.ask(index, |reply| Command::Change(change, reply))?;
        Some(answer.map(|_| ()))
    }

    /// The number of a conversation at a node, if it is there.
    pub(super) fn number_of(&self, index: usize, conversation: &ConversationId) -> Option<ConversationNo> {
        conversations::number(self.nodes[index].store(), conversation).expect("readable")
    }

    pub(super) fn texts(&self, index: usize, conversation: &ConversationId) -> Vec<(String, MessageStatus)> {
        let store = self.nodes[index].store();
        let own = self.nodes[index].engine().own();
        let no = self.number_of(index, conversation).expect("the conversation exists");
        let mut delivery = DeliveryView::new(store, own, no).expect("readable");
        let entries = timeline::after(store, no, None, usize::MAX).expect("readable");
        let texts = entries.iter().map(|entry| {
            let view = message(store, entry, &mut delivery).expect("readable");
            (view.state.text().expect("a text").to_owned(), view.status)
        });
        texts.collect()
    }

    pub(super) fn plain_texts(&self, index: usize, conversation: &ConversationId) -> Vec<String> {
        let texts = self.texts(index, conversation).into_iter();
        texts.map(|(text, _)| text).collect()
    }

    /// The texts of a conversation in no particular order.
    pub(super) fn sorted_texts(&self, index: usize, conversation: &ConversationId) -> Vec<String> {
        let mut texts = self.plain_texts(index, conversation);
        texts.sort();
        texts
    }

    pub(super) fn statuses(&self, who: usize, conversation: &ConversationId) -> Vec<MessageStatus> {
        let texts = self.texts(who, conversation).into_iter();
        texts.map(|(_, status)| status).collect()
    }

    pub(super) fn unread(&self, who: usize, conversation: &ConversationId) -> u64 {
        let no = self.number_of(who, conversation).expect("it is there");
        let row = conversations::get(self.nodes[who].store(), no).expect("readable");
        row.expect("it is there").unread
    }

    pub(super) fn feed_of(&self, index: usize) -> u64 {
        feed::last(self.nodes[index].store()).expect("readable")
    }

    /// Everything a node shows of a conversation. What is not shown is not on its disk either.
    pub(super) fn shows(&self, index: usize, conversation: &ConversationId) -> Shows {
        let store = self.nodes[index].store();
        let own = self.nodes[index].engine().own();
        let no = self.number_of(index, conversation).expect("the conversation exists");
        let mut delivery = DeliveryView::new(store, own, no).expect("readable");
        let entries = timeline::after(store, no, None, usize::MAX).expect("readable");
        let messages = entries.iter().map(|entry| {
            let view = message(store, entry, &mut delivery).expect("readable");
            let body = events::brief(store, &entry.event).expect("readable").expect("there");
            let absent = matches!(view.state.shown, Shown::Absent(_));
            let hidden = matches!(view.state.shown, Shown::Absent(Absent::TooSoon | Absent::Void));
            assert_eq!(
                body.stub || hidden,
                absent,
                "what is not shown is not on the disk: {:?}",
                view.state
            );
            // What the rules hide is kept with all that was said of it.
            if absent && !hidden {
                let versions = annotations::edits(store, no, &view.id, &view.author, 1).expect("readable");
                assert_eq!(versions, [], "nothing that was said in place of {} is left", view.id);
            }
            let mut state = view.state;
            // Whose copy came after its time knows that it is gone, and not why.
            if state.shown == Shown::Absent(Absent::Erased) {
                state.shown = Shown::Absent(Absent::Expired);
            }
            (view.id, state)
        });
        Shows {
            messages: messages.collect(),
            pins: annotations::pins(store, no, 1_000).expect("readable"),
            timer: annotations::timer(store, no).expect("readable"),
        }
    }

    pub(super) fn event(&self, index: usize, id: &EventId) -> VerifiedEvent {
        let store = self.nodes[index].store();
        let at = events::place(store, id).expect("readable").expect("there");
        events::get(store, &at).expect("readable").expect("there")
    }

    /// What a node answers to a knock of another.
    pub(super) fn knock_at(&mut self, index: usize, by: usize, data: &[u8]) -> KnockResponse {
        let event = NetEvent::Request {
            peer: self.nodes[by].peer,
            request: u64::MAX,
            data: bytes::Bytes::copy_from_slice(data),
        };
        let effects = self.nodes[index].turn(Input::Net(event), self.now);
        let answer = effects.net.iter().find_map(|command| match command {
            parlour_net::NetCommand::Respond { data, .. } => Some(KnockResponse::decode(data).expect("an answer")),
            _ => None,
        });
        answer.expect("every knock is answered")
    }
}

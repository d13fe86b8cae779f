//! What tests have a node do that its rules would not.

use parlour_crypto::{ConversationId, EventId, RoomState, SessionId, SignedEvent, UserId, membership_view};
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::{Txn, devices, rooms};

use super::Engine;
use super::effects::{Effects, Turn};
use super::sessions::Which;

impl Engine {
    /// Says `frame` on the ready links to a user (or to everybody), whatever it is: for tests of the other side. Returns to how many.
    pub(crate) fn say_anything(
        &mut self,
        txn: &mut Txn<'_>,
        effects: &mut Effects,
        (frame, to): (&parlour_crypto::Frame, Option<&UserId>),
        now: u64,
    ) -> usize {
        let mut turn = Turn { txn, now, effects };
        let streams: Vec<u64> = self.link_of.values().copied().collect();
        let mut said = 0;
        for stream in streams {
            if self
                .link(stream)
                .is_some_and(|link| to.is_none_or(|user| link.user == *user))
            {
                self.send_frame(&mut turn, stream, frame);
                said += 1;
            }
        }
        said
    }

    /// Seals `payload` for every device with a session, whatever it is: for tests of the other side.
    pub(crate) fn seal_anything(
        &mut self,
        txn: &mut Txn<'_>,
        effects: &mut Effects,
        payload: &parlour_crypto::Payload,
        now: u64,
    ) {
        let mut turn = Turn { txn, now, effects };
        for device in self.sessions.devices() {
            self.publish(&mut turn, device, payload).expect("readable");
        }
    }

    /// Loses every session there is and begins anew: for tests of two who do so at once.
    pub(crate) fn lose_sessions(&mut self, txn: &mut Txn<'_>, effects: &mut Effects, now: u64) {
        let mut turn = Turn { txn, now, effects };
        for device in self.sessions.devices() {
            let lost = self.sessions.forget(&mut turn, device, Which::All);
            lost.and_then(|()| self.begin_again(&mut turn, device))
                .expect("readable");
        }
    }

    /// The session that envelopes for the only device of a user are sealed with.
    pub(crate) fn sends_on(&self, user: &UserId) -> Option<SessionId> {
        let device = self.known.iter().find(|(_, known)| known.user == *user);
        device.and_then(|(no, _)| self.sessions.confirmed(*no))
    }

    /// Takes an event of a conversation with a user, if it is to be taken: for tests of what others can send.
    pub(crate) fn take_wire(
        &mut self,
        txn: &mut Txn<'_>,
        (conversation, user): (&ConversationId, &UserId),
        wire: &[u8],
        now: u64,
    ) -> bool {
        let mut effects = Effects::default();
        let mut turn = Turn {
            txn,
            now,
            effects: &mut effects,
        };
        let devices = devices::of_user(turn.txn, user).expect("readable");
        let no = self.shared_number(&turn, devices[0], conversation).expect("readable");
        let event = SignedEvent::decode(wire).expect("an event");
        let taken = self.take_event(&mut turn, no.expect("shared"), conversation, user, event);
        taken.expect("readable").is_some()
    }

    /// Keeps a room that nobody told of, so that its events are taken: for tests of what becomes of them in any order.
    pub(crate) fn keep_room(&mut self, txn: &mut Txn<'_>, room: &ConversationId, now: u64) {
        let (no, _) = conversations::ensure(txn, room, ConversationKind::Room, now).expect("readable");
        rooms::put(txn, no, &rooms::RoomRow::default());
        self.members.remove(&no);
    }

    /// Takes events of a room as if members gave them, in their order: which of them were taken. `views`: what members say of the heads
    /// behind views of several operations at once, which is kept of those operations that are here.
    pub(crate) fn take_of_room(
        &mut self,
        (txn, effects): (&mut Txn<'_>, &mut Effects),
        (room, views): (&ConversationId, &[Vec<EventId>]),
        events: &[SignedEvent],
        now: u64,
    ) -> Vec<bool> {
        let mut turn = Turn { txn, now, effects };
        let no = conversations::number(turn.txn, room).expect("readable").expect("kept");
        for heads in views {
            let folded = self.folded(&turn, no).expect("readable").expect("a room");
            if heads.iter().all(|head| folded.contains(head)) {
                rooms::put_view(turn.txn, no, &membership_view(room, heads), heads);
            }
        }
        let own = self.own.user;
        self.gather_operations();
        let mut taken = Vec::new();
        for event in events {
            let took = self.take_event(&mut turn, no, room, &own, event.clone());
            taken.push(took.expect("readable").is_some());
        }
        self.settle_operations(&mut turn, no).expect("readable");
        taken
    }

    /// What the operations of a room come to here.
    pub(crate) fn room_state(&mut self, txn: &mut Txn<'_>, room: &ConversationId, now: u64) -> RoomState {
        let mut effects = Effects::default();
        let turn = Turn {
            txn,
            now,
            effects: &mut effects,
        };
        let no = conversations::number(turn.txn, room).expect("readable").expect("kept");
        let folded = self.folded(&turn, no).expect("readable").expect("a room");
        folded.state().clone()
    }

    /// A peer lists public rooms: how many of them are taken.
    pub(crate) fn hear_listed(
        &mut self,
        txn: &mut Txn<'_>,
        peer: parlour_net::PeerId,
        rooms: Vec<parlour_crypto::ListedRoom>,
        now: u64,
    ) -> usize {
        let mut effects = Effects::default();
        let mut turn = Turn {
            txn,
            now,
            effects: &mut effects,
        };
        self.on_rooms_listed(&mut turn, peer, rooms).expect("readable");
        self.rooms.directory.listed_by(&peer)
    }

    /// A peer says that it has public rooms: how many peers are to be asked within half a minute.
    pub(crate) fn hear_that_rooms_changed(&mut self, txn: &mut Txn<'_>, peer: parlour_net::PeerId, now: u64) -> usize {
        let mut effects = Effects::default();
        let turn = Turn {
            txn,
            now,
            effects: &mut effects,
        };
        self.on_rooms_changed(&turn, &peer).expect("readable");
        self.rooms.news.due_by(now + 30_000)
    }
}

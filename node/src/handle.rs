//! The one way in for the API, the command line and the gateways: commands go to the account's runner, reads go straight to
//! the store.

use std::sync::Arc;

use parlour_net::PeerId;
use parlour_store::Store;
use parlour_store::view::Own;
use tokio::sync::{mpsc, oneshot, watch};

use crate::engine::{
    AddContact, AddError, Added, ChangeError, ChangeMessage, Changed, Command, Decision, DecisionError, Ephemera,
    Input, LinkKind, Live, MadeInvite, MadeLink, MakeInviteError, NewInvite, NewRoom, ReadMarkError, RevokeError,
    RoomAct, RoomError, SendError, SendText, Sent, SetTimer, StorageFailed, TimerError, UpTo,
};
use crate::webhooks::Webhooks;

/// Whether the account can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Reading and writing.
    Ready,
    /// Reading only, since storage failed.
    ReadOnly(StorageFailed),
}

/// A running account. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccountHandle {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) store: Store,
    pub(crate) live: watch::Receiver<Arc<Live>>,
    pub(crate) ephemera: watch::Receiver<Arc<Ephemera>>,
    pub(crate) feed: watch::Receiver<u64>,
    pub(crate) health: watch::Receiver<Health>,
    pub(crate) refused: parlour_net::Refused,
    pub(crate) facts: Arc<Facts>,
    pub(crate) webhooks: Arc<Webhooks>,
}

/// What does not change while an account runs.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Name of the account's directory.
    pub account: String,
    /// Profile name when the account was started.
    pub name: String,
    /// Who is looking.
    pub own: Own,
    /// This device.
    pub device: parlour_crypto::DeviceId,
    /// The node's peer id.
    pub peer: PeerId,
    /// What opening the store found damaged, for people; empty if nothing.
    pub damage: Vec<String>,
    /// Whether it connects to anybody at all.
    pub network: bool,
    /// Whether it looks for peers on the LAN.
    pub mdns: bool,
}

impl AccountHandle {
    /// The stored state, for reads.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Who this is.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What this account's user calls themselves.
    #[must_use]
    pub fn name(&self) -> String {
        let live = self.live.borrow();
        let name = if live.name.is_empty() {
            &self.facts.name
        } else {
            &live.name
        };
        name.clone()
    }

    /// The volatile state.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        self.live.borrow().clone()
    }

    /// Who writes something and who is there just now; wakes whenever that changes.
    #[must_use]
    pub fn ephemera(&self) -> watch::Receiver<Arc<Ephemera>> {
        self.ephemera.clone()
    }

    /// Wakes whenever the feed has grown; the value is the last feed seq.
    #[must_use]
    pub fn feed(&self) -> watch::Receiver<u64> {
        self.feed.clone()
    }

    /// What the network has refused since the start.
    #[must_use]
    pub fn refused(&self) -> parlour_net::Refusals {
        self.refused.so_far()
    }

    /// Whether writing works.
    #[must_use]
    pub fn health(&self) -> Health {
        *self.health.borrow()
    }

    /// Writes a message; returns when it is durable.
    ///
    /// # Errors
    /// Nothing was written; see [`SendError`].
    pub async fn send(&self, send: SendText) -> Result<Sent, SendError> {
        self.ask(|reply| Command::Send(send, reply)).await
    }

    /// Does something with a message that is there; returns when it is durable.
    ///
    /// # Errors
    /// Nothing was changed; see [`ChangeError`].
    pub async fn change(&self, change: ChangeMessage) -> Result<Changed, ChangeError> {
        self.ask(|reply| Command::Change(change, reply)).await
    }

    /// Sets after which time new messages of a conversation disappear.
    ///
    /// # Errors
    /// See [`TimerError`].
    pub async fn set_timer(&self, set: SetTimer) -> Result<(), TimerError> {
        self.ask(|reply| Command::SetTimer(set, reply)).await
    }

    /// Makes an invite.
    ///
    /// # Errors
    /// See [`MakeInviteError`].
    pub async fn invite(&self, new: NewInvite) -> Result<MadeInvite, MakeInviteError> {
        self.ask(|reply| Command::Invite(new, reply)).await
    }

    /// Takes an invite back.
    ///
    /// # Errors
    /// See [`RevokeError`].
    pub async fn revoke_invite(&self, token: [u8; 16]) -> Result<(), RevokeError> {
        self.ask(|reply| Command::RevokeInvite(token, reply)).await
    }

    /// Opens somebody's invite; returns when the contact is written, not when the other side has answered.
    ///
    /// # Errors
    /// See [`AddError`].
    pub async fn add(&self, add: AddContact) -> Result<Added, AddError> {
        self.ask(|reply| Command::Add(add, reply)).await
    }

    /// Marks a conversation as read.
    ///
    /// # Errors
    /// See [`ReadMarkError`].
    pub async fn mark_read(
        &self,
        conversation: parlour_crypto::ConversationId,
        up_to: UpTo,
    ) -> Result<(), ReadMarkError> {
        self.ask(|reply| Command::MarkRead {
            conversation,
            up_to,
            reply,
        })
        .await
    }

    /// Makes a room; returns when it is written.
    ///
    /// # Errors
    /// Nothing has changed; see [`RoomError`].
    pub async fn make_room(&self, new: NewRoom) -> Result<parlour_crypto::ConversationId, RoomError> {
        self.ask(|reply| Command::MakeRoom(new, reply)).await
    }

    /// Makes a link into a room, for so many uses or without a limit.
    ///
    /// # Errors
    /// Nothing has changed; see [`RoomError`].
    pub async fn make_room_link(
        &self,
        room: parlour_crypto::ConversationId,
        kind: LinkKind,
        valid_ms: u64,
    ) -> Result<MadeLink, RoomError> {
        self.ask(|reply| Command::MakeRoomLink {
            room,
            kind,
            valid_ms,
            reply,
        })
        .await
    }

    /// Shows somebody's link into a room; returns when that is written, not when there is an answer.
    ///
    /// # Errors
    /// Nothing has changed; see [`RoomError`].
    pub async fn join_by_link(&self, link: String) -> Result<parlour_crypto::ConversationId, RoomError> {
        self.ask(|reply| Command::JoinByLink(link, reply)).await
    }

    /// The public rooms that contacts and nodes on the LAN have listed lately. They are asked again, so that more may be here in a moment.
    ///
    /// # Errors
    /// The turn was not written.
    pub async fn public_rooms(&self) -> Result<Vec<crate::engine::PublicRoom>, RoomError> {
        self.ask(Command::PublicRooms).await
    }

    /// The public rooms into which this account lets others.
    ///
    /// # Errors
    /// The account has stopped.
    pub(crate) async fn own_public_rooms(&self) -> Result<Vec<crate::engine::PublicRoom>, RoomError> {
        self.ask(Command::OwnPublicRooms).await
    }

    /// Does something in a room; returns when it is written.
    ///
    /// # Errors
    /// Nothing has changed; see [`RoomError`].
    pub async fn act_in_room(&self, room: parlour_crypto::ConversationId, act: RoomAct) -> Result<(), RoomError> {
        self.ask(|reply| Command::ActInRoom(room, act, reply)).await
    }

    /// Carries out what the user decided.
    ///
    /// # Errors
    /// Nothing has changed; see [`DecisionError`].
    pub async fn decide(&self, change: Decision) -> Result<(), DecisionError> {
        self.ask(|reply| Command::Decide(change, reply)).await
    }

    /// This device's certificate and device list as they are on the disk now.
    pub(crate) async fn renewed(&self, certificate: parlour_crypto::DeviceCert, list: parlour_crypto::DeviceList) {
        let command = Command::Renewed(Box::new((certificate, list)));
        // Closed only at shutdown.
        let _ = self.inputs.send(Input::Command(command)).await;
    }

    async fn ask<T, E: From<StorageFailed>>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Command,
    ) -> Result<T, E> {
        let (reply, answer) = oneshot::channel();
        // What could not be sent has the other end of the answer in it, and is let go before anybody waits for that.
        let sent = self.inputs.send(Input::Command(command(reply))).await.is_ok();
        match sent {
            true => answer.await.unwrap_or_else(|_| Err(E::from(StorageFailed::Failed))),
            // The runner is gone: the node is stopping.
            false => Err(E::from(StorageFailed::Failed)),
        }
    }
}

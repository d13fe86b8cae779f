//! Parting: contacts that are removed, requests that are taken back, and whoever asks and is blocked. None of them is told: to a
//! removed contact it looks as if nobody were there. They stay known by name, and may ask again like anybody else.

use parlour_crypto::{CardDetails, Invite, UserId};
use parlour_store::contacts::{self, ContactRow, ContactState};
use parlour_store::feed::{self, FeedRow};
use parlour_store::registers::{self, Register, Trust};
use parlour_store::{StoreError, annotations, conversations, devices, outbox, requests};

use super::Engine;
use super::decisions::DecisionError;
use super::effects::Turn;
use super::requests::is_open;
use super::sessions::Which;

impl Engine {
    /// Somebody is a contact no more, or is not asked any more.
    pub(crate) fn remove_contact(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
        history: bool,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        let Some(row) = contacts::get(turn.txn, user)? else {
            return Ok(Err(DecisionError::UnknownContact));
        };
        let peers = self.peers_named_by(turn, &row)?;
        self.end_sessions(turn, user)?;
        self.withdraw_requests(turn, user)?;
        self.forget_trust(turn, user)?;
        contacts::put_details(turn.txn, user, &CardDetails::default());
        contacts::set_shares_presence(turn.txn, user, false);
        let row = ContactRow {
            state: ContactState::Former,
            addresses: Vec::new(),
            ..row
        };
        contacts::put(turn.txn, &row);
        contacts::put_removed(turn.txn, user, turn.now);
        self.members.clear();
        for peer in peers {
            self.forget_peer(turn, peer)?;
        }
        let id = parlour_crypto::ConversationId::direct(&self.account.user(), user);
        if let Some(conversation) = conversations::number(turn.txn, &id)? {
            for (device, _) in devices::current_of_user(turn.txn, user)? {
                self.give_up(turn, device, conversation)?;
            }
            if history {
                annotations::forget(turn.txn, conversation)?;
                registers::set(turn.txn, Register::Draft(id), &"", self.account.keys.id(), turn.now)?;
                turn.effects.erase_at(turn.now);
            }
            feed::append(turn.txn, &FeedRow::Conversation { conversation })?;
        }
        feed::append(turn.txn, &FeedRow::Contact { user: *user })?;
        Ok(Ok(()))
    }

    /// Whoever asks is blocked, and their request is gone.
    pub(crate) fn block_request(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        let Some(request) = requests::get(turn.txn, user)?.filter(|row| is_open(row, turn.now)) else {
            return Ok(Err(DecisionError::UnknownRequest));
        };
        let row = match contacts::get(turn.txn, user)? {
            Some(row) => row,
            None => ContactRow {
                user: *user,
                petname: None,
                name: request.name,
                device_list: Vec::new(),
                state: ContactState::Former,
                peer: Invite::parse(&request.link).map_or_else(|_| Vec::new(), |invite| invite.peer),
                addresses: Vec::new(),
                created: turn.now,
            },
        };
        contacts::put(turn.txn, &row);
        self.forget_request(turn, user)?;
        self.set_blocked(turn, user, true)
    }

    fn peers_named_by(&self, turn: &Turn<'_, '_>, row: &ContactRow) -> Result<Vec<parlour_net::PeerId>, StoreError> {
        let mut named = vec![row.peer.clone()];
        for device in devices::of_user(turn.txn, &row.user)? {
            named.extend(devices::get(turn.txn, device)?.map(|row| row.peer));
        }
        let peers = named
            .iter()
            .filter_map(|bytes| parlour_net::PeerId::from_bytes(bytes).ok());
        Ok(peers.collect())
    }

    /// Nothing more is heard from a user's devices, and nothing more goes to them.
    fn end_sessions(&mut self, turn: &mut Turn<'_, '_>, user: &UserId) -> Result<(), StoreError> {
        self.fall_silent(turn, user)?;
        for device in devices::of_user(turn.txn, user)? {
            self.sessions.forget(turn, device, Which::All)?;
            for waiting in outbox::of_device(turn.txn, device)? {
                outbox::remove(turn.txn, device, &waiting.id)?;
            }
            self.knock_backoff.remove(&device);
        }
        Ok(())
    }

    /// Our requests to a user count no more: whoever accepts one is told so.
    fn withdraw_requests(&mut self, turn: &mut Turn<'_, '_>, user: &UserId) -> Result<(), StoreError> {
        self.asking.remove(user);
        for mut row in requests::all_asking(turn.txn)? {
            if row.user == *user {
                row.revoked = true;
                requests::put_asking(turn.txn, &row);
            }
        }
        Ok(())
    }

    /// Who they are has to be found out anew, should they come back.
    fn forget_trust(&mut self, turn: &mut Turn<'_, '_>, user: &UserId) -> Result<(), StoreError> {
        let device = self.account.keys.id();
        if registers::trust(turn.txn, user)? != Trust::Unverified {
            registers::set(turn.txn, Register::Trust(*user), &Trust::Unverified, device, turn.now)?;
        }
        if registers::get(turn.txn, Register::NewDevice(*user))?.unwrap_or(0u64) > 0 {
            registers::set(turn.txn, Register::NewDevice(*user), &0u64, device, turn.now)?;
        }
        self.undecided.remove(user);
        Ok(())
    }
}

//! Blocked users: nothing of theirs is shown or acknowledged, and nothing goes to them, so that they learn nothing. What they wrote
//! meanwhile comes by sync once they are unblocked.

use std::collections::BTreeSet;

use parlour_crypto::UserId;
use parlour_net::{NetCommand, PeerId};
use parlour_store::contacts::{self, ContactRow, ContactState};
use parlour_store::feed::{self, FeedRow};
use parlour_store::registers::{self, Register};
use parlour_store::{DeviceNo, StoreError, devices, rooms};

use super::Engine;
use super::decisions::DecisionError;
use super::effects::Turn;
use super::timers::Timer;

impl Engine {
    /// Reads who is blocked, and closes the door to their peers.
    pub(crate) fn learn_blocks(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        self.blocked = registers::all_blocked(turn.txn)?.into_iter().collect();
        let blocked: Vec<UserId> = self.blocked.iter().copied().collect();
        for user in blocked {
            for peer in self.peers_of(turn, &user)? {
                turn.net(NetCommand::Block { peer });
            }
        }
        Ok(())
    }

    pub(crate) fn is_blocked(&self, user: &UserId) -> bool {
        self.blocked.contains(user)
    }

    pub(crate) fn is_blocked_device(&self, device: DeviceNo) -> bool {
        self.known
            .get(&device)
            .is_some_and(|known| self.is_blocked(&known.user))
    }

    pub(crate) fn set_blocked(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
        block: bool,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        if contacts::get(turn.txn, user)?.is_none() {
            return Ok(Err(DecisionError::UnknownContact));
        }
        if self.is_blocked(user) == block {
            return Ok(Ok(()));
        }
        let since = if block { turn.now } else { 0 };
        let device = self.account.keys.id();
        registers::set(turn.txn, Register::Blocked(*user), &since, device, turn.now)?;
        feed::append(turn.txn, &FeedRow::Contact { user: *user })?;
        if block {
            self.blocked.insert(*user);
            self.shut_out(turn, user)?;
        } else {
            self.blocked.remove(user);
            self.unblocked = true;
            self.forget_blocked_fellow(turn, user)?;
            self.timers.set_earliest(Timer::Housekeeping, turn.now);
            self.let_in(turn, user)?;
        }
        Ok(Ok(()))
    }

    /// Blocks somebody who is in a room with us and no contact: they are known by name from then on, as whoever asked is.
    pub(crate) fn block_fellow(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        if *user == self.own.user || rooms::of_user(turn.txn, user)?.is_empty() {
            return Ok(Err(DecisionError::UnknownContact));
        }
        let row = ContactRow {
            user: *user,
            petname: None,
            name: rooms::name_of(turn.txn, user)?.unwrap_or_default(),
            device_list: Vec::new(),
            state: ContactState::Former,
            peer: Vec::new(),
            addresses: Vec::new(),
            created: turn.now,
        };
        contacts::put(turn.txn, &row);
        self.set_blocked(turn, user, true)
    }

    /// Whoever is in a room with us, and was known as a contact for the block alone, is a fellow member as others again.
    fn forget_blocked_fellow(&mut self, turn: &mut Turn<'_, '_>, user: &UserId) -> Result<(), StoreError> {
        let never_was = |row: ContactRow| row.state == ContactState::Former && row.device_list.is_empty();
        if contacts::get(turn.txn, user)?.is_some_and(never_was) && !rooms::of_user(turn.txn, user)?.is_empty() {
            contacts::delete(turn.txn, user);
        }
        Ok(())
    }

    fn shut_out(&mut self, turn: &mut Turn<'_, '_>, user: &UserId) -> Result<(), StoreError> {
        self.fall_silent(turn, user)?;
        for peer in self.peers_of(turn, user)? {
            turn.net(NetCommand::Block { peer });
        }
        Ok(())
    }

    /// Ends what stands between us and a user's devices.
    pub(crate) fn fall_silent(&mut self, turn: &mut Turn<'_, '_>, user: &UserId) -> Result<(), StoreError> {
        for device in devices::of_user(turn.txn, user)? {
            for stream in self.streams_of(device) {
                self.close_stream(turn, stream);
            }
            for timer in [Timer::OpenStream(device), Timer::Controls(device), Timer::Knock(device)] {
                self.timers.clear(timer);
            }
            self.forget_ephemera(device);
        }
        Ok(())
    }

    fn let_in(&mut self, turn: &mut Turn<'_, '_>, user: &UserId) -> Result<(), StoreError> {
        let former = contacts::get(turn.txn, user)?.is_some_and(|contact| contact.state == ContactState::Former);
        for peer in self.peers_of(turn, user)? {
            turn.net(NetCommand::Unblock { peer });
            if former {
                continue;
            }
            self.want_peer(turn, peer);
            self.dial_now(turn, peer);
            if self.dialer.is_connected(&peer) {
                self.greet_peer(turn, peer)?;
            }
        }
        Ok(())
    }

    fn streams_of(&self, device: DeviceNo) -> Vec<u64> {
        let of_device = |phase: &super::link::Phase| match phase {
            super::link::Phase::Ready(link) => link.device == device,
            super::link::Phase::Opening { device: other, .. } => *other == device,
            super::link::Phase::Expecting => false,
        };
        let streams = self.streams.iter();
        streams
            .filter(|(_, stream)| of_device(&stream.phase))
            .map(|(no, _)| *no)
            .collect()
    }

    /// The peers at which a user alone is.
    pub(crate) fn peers_of(&self, turn: &Turn<'_, '_>, user: &UserId) -> Result<BTreeSet<PeerId>, StoreError> {
        let mut peers = BTreeSet::new();
        for device in devices::of_user(turn.txn, user)? {
            peers.extend(devices::get(turn.txn, device)?.and_then(|row| PeerId::from_bytes(&row.peer).ok()));
        }
        if let Some(contact) = contacts::get(turn.txn, user)? {
            let invited = contact.state != ContactState::Accepted;
            peers.extend(PeerId::from_bytes(&contact.peer).ok().filter(|_| invited));
        }
        peers.retain(|peer| {
            let there = self.devices_at(peer);
            let others = |no: &DeviceNo| self.known.get(no).is_some_and(|known| known.user != *user);
            *peer != self.peer && !there.iter().any(others)
        });
        Ok(peers)
    }
}

//! Fellow members who are no contacts: where they are stands in the operation they came with, and a session with them begins like one
//! with a contact that begins anew. Nothing else is theirs: no direct conversation, no profile, no presence.

use parlour_crypto::{DeviceId, MAX_NAME, MAX_PEER, UserId};
use parlour_net::{Multiaddr, PeerId};
use parlour_store::{ConversationNo, DeviceNo, StoreError, contacts, devices, rooms};

use crate::engine::Engine;
use crate::engine::contacts::{Knock, check_bundle};
use crate::engine::effects::Turn;
use parlour_crypto::{DeviceCert, Ext, KnockRequest, PrekeyBundle};

/// In the ext of operations that bring a user in: what they call themselves, UTF-8, at most 64 bytes.
const EXT_NAME: u16 = 1;
/// The same: where the author device is: `length u8 ‖ peer id`, then addresses, each `length u8 ‖ multiaddr`, at most 8.
const EXT_PLACE: u16 = 2;
const MAX_ADDRESSES: usize = 8;

/// What an operation tells of its author beside what it does.
pub(super) struct Told {
    name: Option<String>,
    place: Option<(Vec<u8>, Vec<Vec<u8>>)>,
}

/// What the author of an operation tells of themselves in its ext.
pub(super) fn told(ext: &Ext) -> Told {
    let find = |wanted| {
        ext.iter()
            .find(|(number, _)| *number == wanted)
            .map(|(_, value)| value.clone())
    };
    let name = find(EXT_NAME).and_then(|name| String::from_utf8(name).ok());
    Told {
        name: name.filter(|name| !name.is_empty() && name.len() <= MAX_NAME),
        place: find(EXT_PLACE).and_then(|bytes| read_place(&bytes)),
    }
}

fn read_place(bytes: &[u8]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first() {
        let (part, after) = after.split_at_checked(usize::from(*length))?;
        parts.push(part.to_vec());
        rest = after;
    }
    let mut parts = parts.into_iter();
    let peer = parts.next().filter(|peer| !peer.is_empty() && peer.len() <= MAX_PEER)?;
    PeerId::from_bytes(&peer).ok()?;
    Some((peer, parts.take(MAX_ADDRESSES).collect()))
}

fn place_bytes(peer: &PeerId, addresses: &[Multiaddr]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let addresses = addresses.iter().map(parlour_net::address_to_bytes);
    for part in std::iter::once(peer.to_bytes()).chain(addresses) {
        if let Ok(length) = u8::try_from(part.len()) {
            bytes.push(length);
            bytes.extend_from_slice(&part);
        }
    }
    bytes
}

impl Engine {
    /// What an operation with which we come into a room tells of us.
    pub(super) fn tell_of_us(&self) -> Ext {
        let place = place_bytes(&self.peer, &self.best_addresses(MAX_ADDRESSES));
        vec![(EXT_NAME, self.account.name.clone().into_bytes()), (EXT_PLACE, place)]
    }

    /// Notes what a user tells of themselves by coming. Contacts tell it on their cards.
    pub(super) fn note_told(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
        device: DeviceNo,
        clock: u64,
        told: Told,
    ) -> Result<(), StoreError> {
        // The newest word counts, whatever comes again.
        let newest = self.rooms.told.get(user).is_none_or(|at| *at <= clock);
        if *user == self.own.user || contacts::get(turn.txn, user)?.is_some() || !newest {
            return Ok(());
        }
        self.rooms.told.insert(*user, clock);
        if let Some(name) = told.name {
            rooms::put_name(turn.txn, user, &name);
        }
        let Some((peer, addresses)) = told.place else {
            return Ok(());
        };
        let Some(mut row) = devices::get(turn.txn, device)? else {
            return Ok(());
        };
        // Nobody says where somebody else is.
        let there = PeerId::from_bytes(&peer)
            .map(|peer| self.devices_at(&peer))
            .unwrap_or_default();
        let anothers = |no: &DeviceNo| self.known.get(no).is_some_and(|known| known.user != *user);
        if there.iter().any(anothers) || peer == self.peer.to_bytes() {
            return Ok(());
        }
        if row.peer != peer || row.addresses != addresses {
            row.peer = peer;
            row.addresses = addresses;
            devices::put(turn.txn, &row)?;
            self.know_place(device, row.peer);
        }
        Ok(())
    }

    /// Stays connected to all who are in a room with us.
    pub(crate) fn want_fellows(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for (no, _) in rooms::all(turn.txn)? {
            let members = rooms::members(turn.txn, no)?;
            if !members.contains_key(&self.own.user) {
                continue;
            }
            for (user, member) in members {
                if user != self.own.user && !self.is_blocked(&user) {
                    self.want_devices(turn, &user, &member.devices)?;
                }
            }
        }
        Ok(())
    }

    /// Stays connected to somebody who came into a room where we take part.
    pub(super) fn want_fellow(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        user: &UserId,
    ) -> Result<(), StoreError> {
        let own = rooms::member(turn.txn, no, &self.own.user)?;
        match rooms::member(turn.txn, no, user)? {
            Some(member) if own.is_some() && !self.is_blocked(user) => self.want_devices(turn, user, &member.devices),
            _ => Ok(()),
        }
    }

    fn want_devices(&mut self, turn: &mut Turn<'_, '_>, user: &UserId, devices: &[DeviceId]) -> Result<(), StoreError> {
        for id in devices {
            let Some(device) = devices::number(turn.txn, id)? else {
                continue;
            };
            let Some(row) = devices::get(turn.txn, device)?.filter(|row| row.user == *user) else {
                continue;
            };
            if let Ok(peer) = PeerId::from_bytes(&row.peer) {
                self.want_peer(turn, peer);
                if self.dialer.is_connected(&peer) {
                    self.greet_peer(turn, peer)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a device of a user is in a room with us.
    pub(crate) fn is_fellow(&self, turn: &Turn<'_, '_>, user: &UserId, device: &DeviceId) -> Result<bool, StoreError> {
        for no in rooms::of_user(turn.txn, user)? {
            if self.are_both_in(turn, no, user, device)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a device of a user, and this one, take part in a room.
    pub(crate) fn are_both_in(
        &self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        user: &UserId,
        device: &DeviceId,
    ) -> Result<bool, StoreError> {
        let there = |user: &UserId, device: &DeviceId| -> Result<bool, StoreError> {
            let member = rooms::member(turn.txn, no, user)?;
            Ok(member.is_some_and(|member| member.devices.contains(device)))
        };
        Ok(there(user, device)? && there(&self.own.user, &self.account.keys.id())?)
    }

    /// Asks a fellow member's node for the keys that a session begins with.
    pub(crate) fn ask_for_bundle(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        let Some(row) = devices::get(turn.txn, device)? else {
            return Ok(());
        };
        if let Ok(peer) = PeerId::from_bytes(&row.peer)
            && self.dialer.is_connected(&peer)
        {
            let request = KnockRequest::BundleOf { user: row.user };
            self.knock(turn, peer, Knock::BundleOfFellow(row.user), &request);
        }
        Ok(())
    }

    /// A fellow member's keys are here: begins a session with the device they are of.
    pub(crate) fn begin_with_fellow(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
        list: &[u8],
        bundle: &[u8],
    ) -> Result<(), StoreError> {
        let Some((certificate, bundle)) = check_bundle(user, list, bundle, None) else {
            return Ok(());
        };
        let Some(device) = devices::number(turn.txn, &certificate.device())? else {
            return Ok(());
        };
        // They have begun while we asked for their keys.
        if self.link_to(device).is_some() {
            return Ok(());
        }
        let Some(mut row) = devices::get(turn.txn, device)? else {
            return Ok(());
        };
        if row.user != *user || *user == self.own.user || !self.is_fellow(turn, user, &row.id)? {
            return Ok(());
        }
        row.bundle = bundle.as_bytes().to_vec();
        devices::put(turn.txn, &row)?;
        self.begin_again(turn, device)
    }

    /// The keys to begin a session with a device, if they are here and good.
    pub(crate) fn keys_of(row: &devices::DeviceRow) -> Option<(DeviceCert, PrekeyBundle)> {
        let certificate = DeviceCert::verify(&row.certificate).ok()?;
        let bundle = PrekeyBundle::verify(&row.bundle, &certificate).ok()?;
        Some((certificate, bundle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else() {
        let peer = PeerId::random();
        let addresses: Vec<Multiaddr> = vec!["/ip4/127.0.0.1/tcp/7".parse().unwrap()];
        let bytes = place_bytes(&peer, &addresses);
        let (read, list) = read_place(&bytes).unwrap();
        assert_eq!(read, peer.to_bytes());
        assert_eq!(list, [parlour_net::address_to_bytes(&addresses[0])]);
        assert!(read_place(&bytes[..bytes.len() - 1]).is_none(), "cut off");
        assert!(read_place(&[]).is_none());
        assert!(read_place(&[3, 1, 2, 3]).is_none(), "no peer id");
    }
}

//! Who is who on the hot path: known devices and who takes part in what, read once and kept in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use parlour_crypto::{CertProof, ConversationId, DeviceCert, DeviceId, SignerKey, UserId};
use parlour_net::PeerId;
use parlour_store::contacts::ContactState;
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::devices::{self, DeviceRow};
use parlour_store::{ConversationNo, DeviceNo, StoreError, Txn, contacts, rooms};

use super::effects::Turn;
use super::{Account, Engine};

/// Members of a room who tell each other that they write, and how far they have read. In larger ones each word would be said to too many.
const MAX_TELLING: usize = 50;

/// Who takes part in a conversation.
pub(crate) struct Members {
    pub(crate) id: ConversationId,
    pub(crate) with: With,
    /// The other side of a direct conversation is no contact any more.
    pub(crate) parted: bool,
    /// The devices every own event is meant for.
    pub(crate) recipients: Vec<DeviceNo>,
}

/// Who takes part beside this account's other devices.
pub(crate) enum With {
    Nobody,
    /// A direct conversation.
    User(UserId),
    /// All members of a room, the own user among them, with their devices as the operations name them.
    Room(BTreeMap<UserId, Vec<DeviceId>>),
}

impl Members {
    /// Whether a user takes part, the own one not counted but in rooms.
    pub(crate) fn has(&self, user: &UserId) -> bool {
        match &self.with {
            With::Nobody => false,
            With::User(with) => with == user,
            With::Room(members) => members.contains_key(user),
        }
    }

    /// Whether a device of a user takes part, own ones among them.
    pub(crate) fn has_device(&self, user: &UserId, device: &DeviceId, own: &UserId) -> bool {
        match &self.with {
            With::Room(members) => members.get(user).is_some_and(|devices| devices.contains(device)),
            With::Nobody | With::User(_) => user == own || self.has(user),
        }
    }

    /// Whether it is a room whose members tell each other that they write, and how far they have read.
    pub(crate) fn tell_each_other(&self) -> bool {
        matches!(&self.with, With::Room(members) if members.len() <= MAX_TELLING)
    }

    /// The other side of a direct conversation.
    pub(crate) fn other_side(&self) -> Option<UserId> {
        match self.with {
            With::User(user) => Some(user),
            With::Nobody | With::Room(_) => None,
        }
    }
}

/// What is needed of a known device on the hot path.
pub(crate) struct Known {
    pub(crate) id: DeviceId,
    pub(crate) user: UserId,
    /// Nothing where no signature can verify.
    pub(crate) signer: Option<SignerKey>,
    /// That its certificate was verified.
    pub(crate) proof: CertProof,
    pub(crate) peer: Vec<u8>,
}

impl Engine {
    /// Reads again what the hot path needs of all devices.
    pub(crate) fn learn_devices(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let before = std::mem::take(&mut self.known);
        self.numbers.clear();
        self.members.clear();
        self.live_changed = true;
        for (no, row) in devices::all(turn.txn)? {
            let known = |_: &DeviceId| before.get(&no).map(|known| known.proof);
            let Ok(certificate) = DeviceCert::verify_unless_known(&row.certificate, known) else {
                continue;
            };
            self.numbers.insert(row.id, no);
            let proof = certificate.proof();
            let signer = match before.get(&no).filter(|known| known.proof == proof) {
                Some(known) => known.signer.clone(),
                None => SignerKey::read(certificate.signing_key()),
            };
            let known = Known {
                id: row.id,
                user: row.user,
                signer,
                proof,
                peer: row.peer,
            };
            self.known.insert(no, known);
        }
        Ok(())
    }

    /// Remembers one more device, whose row was just written.
    pub(crate) fn know_device(&mut self, no: DeviceNo, row: DeviceRow, certificate: &DeviceCert) {
        self.devices_changed();
        self.numbers.insert(row.id, no);
        let known = Known {
            id: row.id,
            user: row.user,
            signer: SignerKey::read(certificate.signing_key()),
            proof: certificate.proof(),
            peer: row.peer,
        };
        self.known.insert(no, known);
    }

    /// Remembers where a known device is, whose row was just written.
    pub(crate) fn know_place(&mut self, no: DeviceNo, peer: Vec<u8>) {
        self.devices_changed();
        if let Some(known) = self.known.get_mut(&no) {
            known.peer = peer;
        }
    }

    /// What was read of conversations is read again. Where operations are gathered, once they are settled: each may bring a device.
    fn devices_changed(&mut self) {
        self.live_changed = true;
        if !self.rooms.puts_off_members() {
            self.members.clear();
        }
    }

    /// A known device by its id.
    pub(crate) fn known_device(&self, id: &DeviceId) -> Option<(DeviceNo, &Known)> {
        let no = *self.numbers.get(id)?;
        Some((no, self.known.get(&no)?))
    }

    /// That the certificate of a known device was verified.
    pub(crate) fn proof_of(&self, id: &DeviceId) -> Option<CertProof> {
        self.known_device(id).map(|(_, known)| known.proof)
    }

    /// Who takes part in a conversation; read once, until devices change.
    pub(crate) fn members(
        &mut self,
        turn: &Turn<'_, '_>,
        conversation: ConversationNo,
    ) -> Result<Option<Arc<Members>>, StoreError> {
        if let Some(members) = self.members.get(&conversation) {
            return Ok(Some(members.clone()));
        }
        let Some(row) = conversations::get(turn.txn, conversation)? else {
            return Ok(None);
        };
        let with = match row.kind {
            ConversationKind::Direct { with } => With::User(with),
            ConversationKind::Notes => With::Nobody,
            ConversationKind::Room => {
                let members = rooms::members(turn.txn, conversation)?.into_iter();
                With::Room(members.map(|(user, row)| (user, row.devices)).collect())
            }
        };
        let former = |user: &UserId| {
            contacts::get(turn.txn, user).map(|row| row.is_some_and(|row| row.state == ContactState::Former))
        };
        let parted = match &with {
            With::User(user) => former(user)?,
            With::Nobody | With::Room(_) => false,
        };
        let recipients = parlour_store::view::recipients(turn.txn, self.own, conversation)?;
        let members = Arc::new(Members {
            id: row.id,
            with,
            parted,
            recipients,
        });
        self.members.insert(conversation, members.clone());
        Ok(Some(members))
    }

    /// Whether a conversation is a room.
    pub(crate) fn is_room(&mut self, turn: &Turn<'_, '_>, conversation: ConversationNo) -> Result<bool, StoreError> {
        let members = self.members(turn, conversation)?;
        Ok(members.is_some_and(|members| matches!(members.with, With::Room(_))))
    }

    /// Whether a device of the user is known to be at this peer.
    pub(crate) fn has_device_at(&self, turn: &Turn<'_, '_>, user: &UserId, peer: &[u8]) -> Result<bool, StoreError> {
        for no in devices::of_user(turn.txn, user)? {
            if devices::get(turn.txn, no)?.is_some_and(|row| row.peer == peer) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn devices_at(&self, peer: &PeerId) -> Vec<DeviceNo> {
        let bytes = peer.to_bytes();
        self.known
            .iter()
            .filter(|(no, k)| k.peer == bytes && **no != self.own.device)
            .map(|(no, _)| *no)
            .collect()
    }

    /// Stays connected to every contact from now on.
    pub(crate) fn want_contacts(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for contact in contacts::all(turn.txn)? {
            if self.is_blocked(&contact.user) || contact.state == ContactState::Former {
                continue;
            }
            let mut peers = vec![contact.peer];
            for no in devices::of_user(turn.txn, &contact.user)? {
                peers.extend(devices::get(turn.txn, no)?.map(|row| row.peer));
            }
            for peer in peers.iter().filter_map(|bytes| PeerId::from_bytes(bytes).ok()) {
                self.want_peer(turn, peer);
            }
        }
        self.ask_around_soon(turn)?;
        for row in rooms::all_joining(turn.txn)? {
            if let Ok(peer) = PeerId::from_bytes(&row.peer) {
                self.want_peer(turn, peer);
            }
        }
        self.want_fellows(turn)
    }
}

/// The number of this device; its row is written only where it says something new.
pub(crate) fn own_device(txn: &mut Txn<'_>, account: &Account, peer: &PeerId) -> Result<DeviceNo, StoreError> {
    let id = account.certificate.device();
    let row = DeviceRow {
        id,
        user: account.user(),
        certificate: account.certificate.as_bytes().to_vec(),
        bundle: Vec::new(),
        peer: peer.to_bytes(),
        addresses: Vec::new(),
        good_addresses: Vec::new(),
        last_seen: 0,
    };
    if let Some(no) = devices::number(txn, &id)?
        && devices::get(txn, no)?.as_ref() == Some(&row)
    {
        return Ok(no);
    }
    devices::put(txn, &row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room_of(count: u8) -> Members {
        let members = (0..count).map(|n| (UserId::from_bytes([n; 32]), Vec::new()));
        Members {
            id: ConversationId::from_bytes([1; 32]),
            with: With::Room(members.collect()),
            parted: false,
            recipients: Vec::new(),
        }
    }

    #[test]
    fn members_of_rooms_tell_each_other_what_they_do_until_they_are_too_many() {
        assert!(room_of(2).tell_each_other() && room_of(50).tell_each_other());
        assert!(!room_of(51).tell_each_other());
        let direct = Members {
            with: With::User(UserId::from_bytes([1; 32])),
            ..room_of(0)
        };
        assert!(!direct.tell_each_other(), "contacts tell each other as contacts");
    }
}

//! What others write in a room: operations, which make the room, and what is said in it by those who may.

use parlour_crypto::{
    Applied, DeviceCert, DeviceList, EventHeader, MAX_OPERATIONS, RoomOperation, SignedEvent, SignerKey, UserId,
    VerifiedEvent,
};
use parlour_store::devices::{self, DeviceRow};
use parlour_store::{ConversationNo, DeviceNo, EventKey, StoreError};

use super::fellows::told;
use crate::engine::Engine;
use crate::engine::append::{Appended, append};
use crate::engine::effects::Turn;

impl Engine {
    /// Takes an operation that others give us; nothing if it is not one of this room.
    pub(crate) fn take_operation(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        event: SignedEvent,
    ) -> Result<Option<EventKey>, StoreError> {
        let Some((verified, operation, author)) = self.verify_operation(turn, event)? else {
            self.counters.forged_events += 1;
            return Ok(None);
        };
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(None);
        };
        if folded.len() >= MAX_OPERATIONS {
            return Ok(None);
        }
        let key = match append(turn, no, author, &verified, self.origin_of(author))? {
            Appended::New(key) => key,
            Appended::Known(key) => return Ok(Some(key)),
            Appended::Refused => return Ok(None),
        };
        self.counters.events_received += 1;
        if author == self.own.device {
            self.suspect_rollback(turn, key.log.log & !super::OPERATIONS)?;
        }
        self.fold_in(turn, no, operation, &verified)?;
        Ok(Some(key))
    }

    /// Adds an operation that has been stored to what is folded.
    pub(super) fn fold_in(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        operation: RoomOperation,
        event: &VerifiedEvent,
    ) -> Result<(), StoreError> {
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        match folded.apply(operation) {
            Ok(Applied::Known | Applied::Last | Applied::Anew) => self.room_changed(turn, no, event),
            // It counts when what it builds on has come.
            Ok(Applied::Waiting) | Err(_) => Ok(()),
        }
    }

    /// Checks an operation by the certificate we know of its device, or by the one it brings along; learns the devices in it.
    pub(super) fn verify_operation(
        &mut self,
        turn: &mut Turn<'_, '_>,
        event: SignedEvent,
    ) -> Result<Option<(VerifiedEvent, RoomOperation, DeviceNo)>, StoreError> {
        let header = event.header();
        if !super::is_operation(header.kind) || header.log & super::OPERATIONS == 0 || !header.parents.is_empty() {
            return Ok(None);
        }
        let device = header.device;
        let certificate = match devices::number(turn.txn, &device)? {
            Some(no) => devices::get(turn.txn, no)?
                .and_then(|row| DeviceCert::verify_unless_known(&row.certificate, |d| self.proof_of(d)).ok()),
            None => RoomOperation::carried_list(&event)
                .and_then(|list| list.certs().iter().find(|cert| cert.device() == device).cloned()),
        };
        let Some(certificate) = certificate else {
            return Ok(None);
        };
        let Some(signer) = SignerKey::read(certificate.signing_key()) else {
            return Ok(None);
        };
        let Ok(verified) = event.verify_by(&signer) else {
            return Ok(None);
        };
        let Ok(operation) = RoomOperation::read(&verified, &certificate) else {
            return Ok(None);
        };
        if let Some(list) = operation.device_list() {
            self.learn_members_devices(turn, &list)?;
        }
        let Some(author) = devices::number(turn.txn, &device)? else {
            return Ok(None);
        };
        self.note_told(turn, &operation.user(), author, told(&verified))?;
        Ok(Some((verified, operation, author)))
    }

    /// Notes the devices of somebody who takes part in a room. Those of contacts are known by their cards.
    pub(super) fn learn_members_devices(
        &mut self,
        turn: &mut Turn<'_, '_>,
        list: &DeviceList,
    ) -> Result<(), StoreError> {
        let mut new = false;
        for certificate in list.certs() {
            if devices::number(turn.txn, &certificate.device())?.is_some() {
                continue;
            }
            let row = DeviceRow {
                id: certificate.device(),
                user: certificate.user(),
                certificate: certificate.as_bytes().to_vec(),
                bundle: Vec::new(),
                peer: Vec::new(),
                addresses: Vec::new(),
                good_addresses: Vec::new(),
                last_seen: 0,
            };
            devices::put(turn.txn, &row)?;
            new = true;
        }
        if new {
            self.learn_devices(turn)?;
        }
        Ok(())
    }

    /// Whether what a user says in a room is taken: they may say it by what they knew, and were let to.
    pub(crate) fn may_say(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        header: &EventHeader,
        user: &UserId,
    ) -> Result<bool, StoreError> {
        let Some(view) = header.view.filter(|_| header.log & super::OPERATIONS == 0) else {
            return Ok(false);
        };
        Ok(match self.state_of_view(turn, no, &view)? {
            Some(state) => state.rank(user).number() >= state.policy.post,
            None => false,
        })
    }
}

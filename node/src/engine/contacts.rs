//! Becoming contacts: invites made and opened, and the knock by which two nodes that share nothing but an invite begin.

use bytes::Bytes;
use parlour_crypto::{
    ConversationId, DeviceCert, DeviceList, KnockRequest, KnockResponse, OneTimeKey, PrekeyBundle, UserId,
};
use parlour_net::{Multiaddr, NetCommand, PeerId, RequestFailed};
use parlour_store::contacts::{self, ContactRow, ContactState, InviteRefusal};
use parlour_store::conversations::{self, ConversationKind, ConversationRow};
use parlour_store::devices::{self, DeviceRow};
use parlour_store::feed::{self, FeedRow};
use parlour_store::{ConversationNo, DeviceNo, StoreError, rooms};

use super::Engine;
use super::effects::Turn;
use super::flights::Shown;
use super::sessions::Which;
use super::timers::Timer;

/// A bundle is asked for again after this, when the maker of the invite did not know it, or did not answer.
const UNKNOWN_MS: u64 = 60_000;
const UNANSWERED_MS: u64 = 5_000;

/// What a knock was for.
pub(crate) enum Knock {
    /// The prekey bundle of the maker of an invite.
    Bundle(UserId),
    /// A first-contact envelope for a device.
    Deliver(DeviceNo),
    /// The prekey bundle of somebody we ask to become a contact.
    BundleToAsk(UserId),
    /// The request itself.
    Ask(UserId),
    /// The prekey bundle of a member of a room of ours who is no contact.
    BundleOfFellow(UserId),
    /// The prekey bundle that the link into a room names.
    BundleToJoin(ConversationNo),
    /// Whether somebody at a peer is in the room whose link we have.
    Member(ConversationNo, PeerId, [u8; 16]),
    /// The public rooms of whoever is at a peer.
    Rooms(PeerId),
    /// That there are public rooms of ours to ask for.
    RoomsChanged,
}

impl Engine {
    pub(crate) fn ensure_direct(&mut self, turn: &mut Turn<'_, '_>, with: UserId) -> Result<(), StoreError> {
        let id = ConversationId::direct(&self.account.user(), &with);
        self.ensure_alone(turn, &id, ConversationKind::Direct { with })
    }

    /// The conversation with oneself: delivered to own devices only.
    pub(crate) fn ensure_notes(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let id = ConversationId::notes(&self.account.user());
        self.ensure_alone(turn, &id, ConversationKind::Notes)
    }

    /// A conversation whose id proves what it is, whatever a link into a room had said of it.
    fn ensure_alone(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: &ConversationId,
        kind: ConversationKind,
    ) -> Result<(), StoreError> {
        let (conversation, new) = conversations::ensure(turn.txn, id, kind.clone(), turn.now)?;
        let row = conversations::get(turn.txn, conversation)?;
        let mistaken = row.filter(|row| matches!(row.kind, ConversationKind::Room));
        if let Some(row) = &mistaken {
            rooms::forget(turn.txn, conversation)?;
            let row = ConversationRow { kind, ..row.clone() };
            conversations::put(turn.txn, conversation, &row);
            self.members.remove(&conversation);
        }
        if new || mistaken.is_some() {
            feed::append(turn.txn, &FeedRow::Conversation { conversation })?;
        }
        Ok(())
    }

    /// A peer is connected: continues with everybody whose invite named it.
    pub(crate) fn knock_invited(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId) -> Result<(), StoreError> {
        if !self.dialer.is_connected(&peer) {
            return Ok(());
        }
        for row in contacts::all(turn.txn)? {
            if row.peer != peer.to_bytes() || self.is_blocked(&row.user) {
                continue;
            }
            match row.state {
                ContactState::Invited {
                    bundle_hash,
                    refused: None,
                    ..
                } => {
                    self.drop_stale_flight(turn, &row)?;
                    if let Some(device) = self.first_contact_of(turn, &row.user)? {
                        self.deliver_first_contact(turn, device)?;
                    } else {
                        let request = KnockRequest::Bundle { hash: bundle_hash };
                        self.knock(turn, peer, Knock::Bundle(row.user), &request);
                    }
                }
                ContactState::Asked {
                    told: None, expires, ..
                } if expires > turn.now && !self.asking.contains_key(&row.user) => {
                    let request = KnockRequest::BundleOf { user: row.user };
                    self.knock(turn, peer, Knock::BundleToAsk(row.user), &request);
                }
                ContactState::Invited { .. }
                | ContactState::Asked { .. }
                | ContactState::Accepted
                | ContactState::Former => {}
            }
        }
        Ok(())
    }

    pub(crate) fn knock(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, purpose: Knock, request: &KnockRequest) {
        self.knock_at(turn, peer, Vec::new(), purpose, request);
    }

    /// The same of a peer that may not be connected.
    pub(crate) fn knock_at(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        purpose: Knock,
        request: &KnockRequest,
    ) {
        let token = self.token();
        self.knocks.insert(token, purpose);
        match request.encode() {
            Ok(data) => turn.net(NetCommand::Request {
                peer,
                addresses,
                token,
                data: Bytes::from(data),
            }),
            Err(error) => tracing::error!(%error, "a knock could not be encoded"),
        }
    }

    pub(crate) fn on_knock_answer(
        &mut self,
        turn: &mut Turn<'_, '_>,
        token: u64,
        answer: Result<Bytes, RequestFailed>,
    ) -> Result<(), StoreError> {
        let Some(knock) = self.knocks.remove(&token) else {
            return Ok(());
        };
        let answer = answer.ok().and_then(|bytes| KnockResponse::decode(&bytes).ok());
        match (knock, answer) {
            (
                Knock::Bundle(user),
                Some(KnockResponse::Bundle {
                    device_list,
                    bundle,
                    one_time,
                }),
            ) => self.begin_contact(turn, &user, &device_list, &bundle, one_time),
            (
                Knock::BundleToAsk(user),
                Some(KnockResponse::Bundle {
                    device_list,
                    bundle,
                    one_time,
                }),
            ) => self.begin_asking(turn, &user, &device_list, &bundle, one_time),
            (
                Knock::BundleToJoin(room),
                Some(KnockResponse::Bundle {
                    device_list,
                    bundle,
                    one_time,
                }),
            ) => self.begin_to_join(turn, room, &device_list, &bundle, one_time),
            (
                Knock::Member(room, peer, nonce),
                Some(KnockResponse::Member {
                    proof,
                    device_list,
                    bundle,
                }),
            ) => self.on_member_found(turn, room, (peer, &nonce), &proof, (&device_list, &bundle)),
            (
                Knock::BundleOfFellow(user),
                Some(KnockResponse::Bundle {
                    device_list, bundle, ..
                }),
            ) => self.begin_with_fellow(turn, &user, &device_list, &bundle),
            (Knock::Rooms(peer), Some(KnockResponse::Rooms { rooms })) => self.on_rooms_listed(turn, peer, rooms),
            (Knock::Rooms(peer), _) => {
                self.rooms_not_listed(turn, peer);
                Ok(())
            }
            (Knock::Ask(user), Some(KnockResponse::Received)) => self.request_arrived(turn, &user),
            (Knock::BundleToAsk(user) | Knock::Ask(user), _) => self.ask_later(turn, &user),
            (Knock::Bundle(user), answer) => {
                let pause = if answer.is_some() { UNKNOWN_MS } else { UNANSWERED_MS };
                tracing::debug!(user = %user.short(), "the maker of the invite gave no prekey bundle");
                let contact = contacts::get(turn.txn, &user)?;
                if let Some(peer) = contact.and_then(|contact| PeerId::from_bytes(&contact.peer).ok()) {
                    self.timers.set(Timer::Invited(peer), turn.now.saturating_add(pause));
                }
                Ok(())
            }
            (Knock::Deliver(device), Some(KnockResponse::Received)) => {
                // Only what is refused from now on says that it was not opened.
                self.refusals.remove(&device);
                self.open_stream(turn, device)
            }
            (Knock::Deliver(device), Some(KnockResponse::Closed { reason })) => {
                self.invite_refused(turn, device, reason)
            }
            _ => Ok(()),
        }
    }

    /// The bundle is here: makes the session and the first-contact envelope.
    fn begin_contact(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
        list: &[u8],
        bundle: &[u8],
        one_time: Option<(u32, [u8; 32])>,
    ) -> Result<(), StoreError> {
        let Some(contact) = contacts::get(turn.txn, user)? else {
            return Ok(());
        };
        let ContactState::Invited { token, bundle_hash, .. } = contact.state else {
            return Ok(());
        };
        if self.first_contact_of(turn, user)?.is_some() {
            return Ok(());
        }
        let Some((certificate, bundle)) = check_bundle(user, list, bundle, Some(&bundle_hash)) else {
            tracing::warn!(user = %user.short(), "the invite's node gave a prekey bundle that is not the invite's");
            return Ok(());
        };
        if !self.keeps_suites(turn, std::slice::from_ref(&certificate))? {
            return Ok(());
        }
        let device = devices::put(turn.txn, &device_row(&certificate, bundle.as_bytes(), &contact))?;
        self.learn_devices(turn)?;
        let one_time = one_time.map(|(id, key)| OneTimeKey { id, key });
        self.begin_session(
            turn,
            device,
            &certificate,
            &bundle,
            one_time.as_ref(),
            Shown::Token(token),
        )
    }

    fn invite_refused(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo, reason: u8) -> Result<(), StoreError> {
        let Some(row) = devices::get(turn.txn, device)? else {
            return Ok(());
        };
        let Some(mut contact) = contacts::get(turn.txn, &row.user)? else {
            return Ok(());
        };
        if let ContactState::Invited { refused, .. } = &mut contact.state {
            *refused = Some(match reason {
                0 => InviteRefusal::Used,
                1 => InviteRefusal::Expired,
                _ => InviteRefusal::Revoked,
            });
            contacts::put(turn.txn, &contact);
            self.forget_first_contact(turn, device)?;
            feed::append(turn.txn, &FeedRow::Contact { user: row.user })?;
        } else {
            // It was to begin anew what is there already: without it, then.
            self.forget_first_contact(turn, device)?;
            self.sessions.forget(turn, device, Which::Unconfirmed)?;
        }
        Ok(())
    }
}

/// A bundle of this user, the one that the invite names if there is one, and the certificate of the device that signed it.
pub(crate) fn check_bundle(
    user: &UserId,
    list: &[u8],
    bundle: &[u8],
    hash: Option<&[u8; 32]>,
) -> Option<(DeviceCert, PrekeyBundle)> {
    let list = DeviceList::verify(list).ok().filter(|list| list.user() == *user)?;
    list.certs().iter().find_map(|certificate| {
        let bundle = PrekeyBundle::verify(bundle, certificate).ok()?;
        hash.is_none_or(|hash| bundle.hash() == *hash)
            .then(|| (certificate.clone(), bundle))
    })
}

pub(crate) fn device_row(certificate: &DeviceCert, bundle: &[u8], contact: &ContactRow) -> DeviceRow {
    DeviceRow {
        id: certificate.device(),
        user: certificate.user(),
        certificate: certificate.as_bytes().to_vec(),
        bundle: bundle.to_vec(),
        peer: contact.peer.clone(),
        addresses: contact.addresses.clone(),
        good_addresses: Vec::new(),
        last_seen: 0,
    }
}

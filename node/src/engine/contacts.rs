//! Becoming contacts: invites made and opened, and the knock by which two nodes that share nothing but an invite begin.

use bytes::Bytes;
use parlour_crypto::{
    Control, ConversationId, DeviceCert, DeviceList, EXT_REFRESH, EnvelopePrefix, Invite, KnockRequest, KnockResponse,
    OneTimeKey, Payload, PrekeyBundle, Session, UserId, day_of, first_contact_tag, initiate,
};
use parlour_net::{Multiaddr, NetCommand, PeerId, RequestFailed};
use parlour_store::contacts::{self, ContactRow, ContactState, InviteRefusal};
use parlour_store::conversations::{self, ConversationKind, ConversationRow};
use parlour_store::devices::{self, DeviceRow};
use parlour_store::feed::{self, FeedRow};
use parlour_store::outbox::{self, OutboxRow};
use parlour_store::sessions::SessionInfo;
use parlour_store::{ConversationNo, DeviceNo, StoreError, rooms};
use serde_bytes::ByteBuf;

use super::Engine;
use super::effects::Turn;
use super::sessions::Which;
use super::timers::{Backoff, Timer};

/// A new handshake with a contact, at most once in this time.
const AGAIN_MS: u64 = 3_600_000;
/// A confirmed session that is refused this often in a row is lost on the other side.
const MAX_REFUSALS: u32 = 3;
/// A bundle is asked for again after this, when the maker of the invite did not know it, or did not answer.
const UNKNOWN_MS: u64 = 60_000;
const UNANSWERED_MS: u64 = 5_000;
/// A first flight is made anew after this: its one-time key lasts a day.
const STALE_MS: u64 = 20 * 3_600_000;
/// A flight without an invite is made anew after this: the other side opens none that is over 8 days old.
const OLD_FLIGHT_MS: u64 = 7 * 24 * 3_600_000;
/// Pauses between repetitions of a knock.
const KNOCK_MS: (u64, u64) = (1_000, 300_000);

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
}

/// What a first flight shows, so that a session is begun.
#[derive(Clone, Copy)]
pub(crate) enum Shown {
    /// Both know each other.
    Nothing,
    /// The token of an invite or link of the other side's, which is what the envelope's tag is made by.
    Token([u8; 16]),
    /// The token of a link that somebody else made: the other side knows its hash alone.
    TokenOfAnother([u8; 16]),
}

impl Shown {
    fn token(self) -> Option<[u8; 16]> {
        match self {
            Self::Nothing => None,
            Self::Token(token) | Self::TokenOfAnother(token) => Some(token),
        }
    }
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

    /// A first flight that is too old to be opened, or was made for another invite, makes room for a new one.
    fn drop_stale_flight(&mut self, turn: &mut Turn<'_, '_>, contact: &ContactRow) -> Result<(), StoreError> {
        let ContactState::Invited { token: wanted, .. } = contact.state else {
            return Ok(());
        };
        let Some(device) = self.first_contact_of(turn, &contact.user)? else {
            return Ok(());
        };
        let stale = outbox::of_device(turn.txn, device)?.iter().any(|row| {
            let token = match &row.control {
                Control::ContactHello { token, .. } => *token,
                _ => None,
            };
            row.envelope.is_some() && (token != Some(wanted) || turn.now.abs_diff(row.created) > STALE_MS)
        });
        if stale {
            self.forget_first_contact(turn, device)?;
            self.sessions.forget(turn, device, Which::All)?;
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

    /// The device of a user to which a first-contact envelope is on its way.
    fn first_contact_of(&self, turn: &Turn<'_, '_>, user: &UserId) -> Result<Option<DeviceNo>, StoreError> {
        for device in devices::of_user(turn.txn, user)? {
            if outbox::of_device(turn.txn, device)?
                .iter()
                .any(|row| row.envelope.is_some())
            {
                return Ok(Some(device));
            }
        }
        Ok(None)
    }

    pub(crate) fn deliver_first_contact(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
    ) -> Result<(), StoreError> {
        let Some(row) = devices::get(turn.txn, device)?.filter(|row| !self.is_blocked(&row.user)) else {
            return Ok(());
        };
        let Ok(peer) = PeerId::from_bytes(&row.peer) else {
            return Ok(());
        };
        if !self.dialer.is_connected(&peer) {
            return Ok(());
        }
        self.renew_old_flight(turn, device, &row.user)?;
        for row in outbox::of_device(turn.txn, device)? {
            if let Some(envelope) = row.envelope {
                let request = KnockRequest::Deliver {
                    envelope: envelope.into_vec(),
                };
                self.knock(turn, peer, Knock::Deliver(device), &request);
            }
        }
        let random = self.random();
        let backoff = self
            .knock_backoff
            .entry(device)
            .or_insert(Backoff::new(KNOCK_MS.0, KNOCK_MS.1));
        let due = turn.now.saturating_add(backoff.next(random));
        self.timers.set(Timer::Knock(device), due);
        Ok(())
    }

    /// A flight to a contact that has waited too long would not be opened any more: it is made anew, with the newest bundle.
    fn renew_old_flight(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo, user: &UserId) -> Result<(), StoreError> {
        let again = self.is_accepted(turn, user)?;
        let old = outbox::of_device(turn.txn, device)?
            .iter()
            .any(|row| again && row.envelope.is_some() && turn.now.abs_diff(row.created) > OLD_FLIGHT_MS);
        if old {
            self.forget_first_contact(turn, device)?;
            self.sessions.forget(turn, device, Which::Unconfirmed)?;
            self.begun_again.remove(&device);
            self.begin_again(turn, device)?;
        }
        Ok(())
    }

    /// The handshake is answered: nothing has to be repeated.
    pub(crate) fn forget_first_contact(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        for row in outbox::of_device(turn.txn, device)? {
            if row.envelope.is_some() {
                outbox::remove(turn.txn, device, &row.id)?;
            }
        }
        self.timers.clear(Timer::Knock(device));
        self.knock_backoff.remove(&device);
        Ok(())
    }

    /// The other side refused our stream: it does not know the session, or has not seen the handshake yet.
    pub(crate) fn stream_refused(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        let refusals = self.refusals.entry(device).or_default();
        *refusals = refusals.saturating_add(1);
        if *refusals >= MAX_REFUSALS {
            *refusals = 0;
            return match self.sessions.confirmed(device) {
                Some(_) => self.begin_again(turn, device),
                None => self.renew_flight(turn, device),
            };
        }
        if !self.timers.is_set(Timer::Knock(device)) {
            self.deliver_first_contact(turn, device)?;
        }
        Ok(())
    }

    /// The other side has had the first flight and does not know its session: a key that it names is gone, or the clock of one of the
    /// two was wrong. It is made anew.
    fn renew_flight(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        let Some(row) = devices::get(turn.txn, device)? else {
            return Ok(());
        };
        if self.is_accepted(turn, &row.user)? {
            return self.begin_again(turn, device);
        }
        let Ok(peer) = PeerId::from_bytes(&row.peer) else {
            return Ok(());
        };
        self.forget_first_contact(turn, device)?;
        self.sessions.forget(turn, device, Which::Unconfirmed)?;
        self.knock_invited(turn, peer)?;
        self.knock_to_join(turn, peer)
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

    /// Begins anew with a device of a contact: what there was of sessions is lost on one side. At most once an hour.
    pub(crate) fn begin_again(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        let recently = self
            .begun_again
            .get(&device)
            .is_some_and(|at| turn.now.saturating_sub(*at) < AGAIN_MS);
        let Some(row) = devices::get(turn.txn, device)?.filter(|_| !recently) else {
            return Ok(());
        };
        let accepted = self.is_accepted(turn, &row.user)?;
        if self.is_blocked(&row.user) || !(accepted || self.is_fellow(turn, &row.user, &row.id)?) {
            return Ok(());
        }
        if row.bundle.is_empty() && !accepted {
            return self.ask_for_bundle(turn, device);
        }
        let Some((certificate, bundle)) = Self::keys_of(&row) else {
            return Ok(());
        };
        tracing::info!(user = %row.user.short(), "beginning a new session");
        self.begun_again.insert(device, turn.now);
        self.begin_session(turn, device, &certificate, &bundle, None, Shown::Nothing)
    }

    /// Begins anew with a contact by an invite of theirs: they may have parted from us in between, and take nothing else. Only
    /// while nothing stands between the two.
    pub(crate) fn begin_by_invite(&mut self, turn: &mut Turn<'_, '_>, invite: &Invite) -> Result<(), StoreError> {
        let theirs = |no: &DeviceNo| self.known.get(no).is_some_and(|known| known.user == invite.user);
        let there = PeerId::from_bytes(&invite.peer).map_or_else(|_| Vec::new(), |peer| self.devices_at(&peer));
        let Some(device) = there.into_iter().find(theirs) else {
            return Ok(());
        };
        let useless = invite.is_expired(turn.now) || self.link_to(device).is_some() || self.is_blocked(&invite.user);
        if useless || !self.new_sessions.take(turn.now) {
            return Ok(());
        }
        let Some(row) = devices::get(turn.txn, device)? else {
            return Ok(());
        };
        let certificate = DeviceCert::verify(&row.certificate).ok();
        let bundle = certificate
            .as_ref()
            .and_then(|cert| PrekeyBundle::verify(&row.bundle, cert).ok());
        let (Some(certificate), Some(bundle)) = (certificate, bundle) else {
            return Ok(());
        };
        self.begin_session(turn, device, &certificate, &bundle, None, Shown::Token(invite.token))
    }

    /// Begins a session with the device of a certificate and seals its first envelope, whose tag is keyed by `key`.
    pub(crate) fn seal_flight(
        &mut self,
        now: u64,
        (certificate, bundle, one_time): (&DeviceCert, &PrekeyBundle, Option<&OneTimeKey>),
        key: &[u8; 16],
        id: [u8; 16],
        control: Control,
    ) -> Option<(Session, Vec<u8>)> {
        let (account, list) = (&self.account, self.account.list.reference());
        let (keys, own) = (&account.keys, &account.certificate);
        let initiated = initiate(&mut self.rng, keys, own, list, certificate, bundle, one_time, now)
            .map_err(|error| {
                tracing::warn!(user = %certificate.user().short(), %error, "the handshake could not be begun");
            })
            .ok()?;
        let day = day_of(now);
        let tag = first_contact_tag(key, day);
        let payload = Payload::Control { id, control }.encode().ok()?;
        initiated
            .seal(&mut self.rng, &EnvelopePrefix { day, tag }, &payload)
            .ok()
    }

    pub(crate) fn begin_session(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        certificate: &DeviceCert,
        bundle: &PrekeyBundle,
        one_time: Option<&OneTimeKey>,
        shown: Shown,
    ) -> Result<(), StoreError> {
        let control = Control::ContactHello {
            token: shown.token(),
            profile: self.card(turn.now),
            ext: vec![(EXT_REFRESH, Vec::new())],
        };
        let id = self.random_id();
        let key = match shown {
            Shown::Token(token) => token,
            Shown::Nothing | Shown::TokenOfAnother(_) => known_tag_key(&bundle.hash()),
        };
        let to = (certificate, bundle, one_time);
        let Some((session, envelope)) = self.seal_flight(turn.now, to, &key, id, control.clone()) else {
            return Ok(());
        };
        // Only now: what there was is of use until something new is there.
        self.sessions.forget(turn, device, Which::All)?;
        let info = SessionInfo {
            device,
            confirmed: false,
            created: turn.now,
        };
        self.sessions.insert(turn, info, session)?;
        self.forget_first_contact(turn, device)?;
        let row = OutboxRow {
            id,
            control,
            created: turn.now,
            envelope: Some(ByteBuf::from(envelope)),
        };
        outbox::put(turn.txn, device, &row);
        self.deliver_first_contact(turn, device)
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

/// What takes the place of an invite's token in the tag when contacts begin anew.
pub(crate) fn known_tag_key(bundle_hash: &[u8; 32]) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&bundle_hash[..16]);
    key
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

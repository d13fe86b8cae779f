//! Becoming contacts: invites made and opened, and the knock by which two nodes that share nothing but an invite begin.

use bytes::Bytes;
use parlour_crypto::{
    Control, DeviceCert, DeviceId, DeviceList, EnvelopePrefix, FirstFlight, Invite, KnockRequest, KnockResponse,
    OneTimeKey, OneTimeSecret, Payload, PrekeyBundle, PrekeySecret, Profile, UserId, day_of, first_contact_tag, initiate,
    parse as parse_envelope,
};
use parlour_net::{NetCommand, PeerId, RequestFailed};
use parlour_store::contacts::{self, ContactRow, ContactState, InviteRefusal};
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::devices::{self, DeviceRow};
use parlour_store::feed::{self, FeedRow};
use parlour_store::invites::{self, InviteRow};
use parlour_store::outbox::{self, OutboxRow};
use parlour_store::sessions::SessionInfo;
use parlour_store::{DeviceNo, StoreError, prekeys};
use serde_bytes::ByteBuf;

use super::Engine;
use super::effects::Turn;
use super::input::{AddContact, AddError, Added, MadeInvite, MakeInviteError, NewInvite, RevokeError};
use super::timers::{Backoff, Timer};

/// Open invites of one account.
const MAX_INVITES: usize = 256;
/// Addresses in an invite.
const MAX_ADDRESSES: usize = 4;
/// A first-contact envelope may be this many days old.
const FLIGHT_DAYS: u16 = 8;
/// Bytes of a petname.
pub(crate) const MAX_NAME: usize = 64;
/// Pauses between repetitions of a knock.
const KNOCK_MS: (u64, u64) = (1_000, 300_000);
/// A one-time key ends after this.
const ONE_TIME_MS: u64 = 24 * 3_600_000;
/// One-time keys given out: one per this time, at most that many at once.
const ONE_TIME_EVERY_MS: u64 = 1_000;
const ONE_TIME_BURST: u64 = 10;

/// What a knock was for.
pub(crate) enum Knock {
    /// The prekey bundle of the maker of an invite.
    Bundle(UserId),
    /// A first-contact envelope for a device.
    Deliver(DeviceNo),
}

/// What a stranger's first flight led to.
enum Welcome {
    /// They are a contact now.
    Done,
    /// The envelope is not for us, not whole, or came before.
    Silent,
    /// It names an invite of ours that does not count any more.
    Closed(InviteRefusal),
}

impl Engine {
    pub(crate) fn make_invite(&mut self, turn: &mut Turn<'_, '_>, new: &NewInvite) -> Result<Result<MadeInvite, MakeInviteError>, StoreError> {
        let open = invites::all(turn.txn)?;
        if open.iter().filter(|row| !row.revoked && row.expires > turn.now).count() >= MAX_INVITES {
            return Ok(Err(MakeInviteError::TooMany { max: MAX_INVITES }));
        }
        let addresses = self.best_addresses(MAX_ADDRESSES);
        if addresses.is_empty() {
            return Ok(Err(MakeInviteError::NoAddress));
        }
        let expires = turn.now.saturating_add(new.valid_ms);
        let token = self.random_id();
        let mut name = self.account.name.clone();
        name.truncate(name.floor_char_boundary(32));
        let invite = Invite {
            user: self.account.user(),
            peer: self.peer.to_bytes(),
            addresses: addresses.iter().map(|a| a.to_vec()).collect(),
            bundle_hash: self.bundle_hash,
            token,
            expires,
            name: (!name.is_empty()).then_some(name),
        };
        invites::put(
            turn.txn,
            &InviteRow { token, created: turn.now, expires, max_uses: new.max_uses, used_by: Vec::new(), revoked: false },
        );
        Ok(Ok(MadeInvite { link: invite.to_link(), token, expires, addresses }))
    }

    pub(crate) fn revoke_invite(&mut self, turn: &mut Turn<'_, '_>, token: &[u8; 16]) -> Result<Result<(), RevokeError>, StoreError> {
        let Some(mut row) = invites::get(turn.txn, token)? else { return Ok(Err(RevokeError::Unknown)) };
        row.revoked = true;
        invites::put(turn.txn, &row);
        Ok(Ok(()))
    }

    pub(crate) fn add_contact(&mut self, turn: &mut Turn<'_, '_>, add: &AddContact) -> Result<Result<Added, AddError>, StoreError> {
        let invite = match Invite::parse(&add.link) {
            Ok(invite) => invite,
            Err(error) => return Ok(Err(AddError::Link(error))),
        };
        let (user, me) = (invite.user, self.account.user());
        if user == me {
            return Ok(Err(AddError::Own));
        }
        let petname = add.petname.as_deref().map(str::trim);
        if let Some(error) = petname.and_then(|name| check_petname(turn, &user, name).transpose()).transpose()? {
            return Ok(Err(error));
        }
        let petname = petname.map(str::to_owned);
        let known = contacts::get(turn.txn, &user)?;
        if let Some(mut row) = known.clone().filter(|row| row.state == ContactState::Accepted) {
            row.petname = petname.or(row.petname);
            contacts::put(turn.txn, &row);
            feed::append(turn.txn, &FeedRow::Contact { user })?;
            return Ok(Ok(Added { user, already: true }));
        }
        if invite.expires <= turn.now {
            return Ok(Err(AddError::Expired));
        }
        let row = ContactRow {
            user,
            petname,
            name: invite.name.clone().unwrap_or_default(),
            device_list: Vec::new(),
            state: ContactState::Invited {
                token: invite.token,
                bundle_hash: invite.bundle_hash,
                expires: invite.expires,
                refused: None,
            },
            peer: invite.peer.clone(),
            addresses: invite.addresses.clone(),
            created: turn.now,
        };
        contacts::put(turn.txn, &row);
        self.ensure_direct(turn, user)?;
        feed::append(turn.txn, &FeedRow::Contact { user })?;
        if let Ok(peer) = PeerId::from_bytes(&invite.peer) {
            self.want_peer(turn, peer);
            self.dial_now(turn, peer);
            self.knock_invited(turn, peer)?;
        }
        Ok(Ok(Added { user, already: known.is_some() }))
    }

    fn ensure_direct(&mut self, turn: &mut Turn<'_, '_>, with: UserId) -> Result<(), StoreError> {
        let id = parlour_crypto::ConversationId::direct(&self.account.user(), &with);
        let (conversation, new) = conversations::ensure(turn.txn, &id, ConversationKind::Direct { with }, turn.now)?;
        if new {
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
            let ContactState::Invited { bundle_hash, refused, .. } = &row.state else { continue };
            if row.peer != peer.to_bytes() || refused.is_some() {
                continue;
            }
            let waiting = self.first_contact_of(turn, &row.user)?;
            if let Some(device) = waiting {
                self.deliver_first_contact(turn, device)?;
            } else {
                let request = KnockRequest::Bundle { hash: *bundle_hash };
                self.knock(turn, peer, Knock::Bundle(row.user), &request);
            }
        }
        Ok(())
    }

    fn knock(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, purpose: Knock, request: &KnockRequest) {
        let token = self.token();
        self.knocks.insert(token, purpose);
        match request.encode() {
            Ok(data) => turn.net(NetCommand::Request { peer, addresses: Vec::new(), token, data: Bytes::from(data) }),
            Err(error) => tracing::error!(%error, "a knock could not be encoded"),
        }
    }

    /// The device of a user to which a first-contact envelope is on its way.
    fn first_contact_of(&self, turn: &Turn<'_, '_>, user: &UserId) -> Result<Option<DeviceNo>, StoreError> {
        for device in devices::of_user(turn.txn, user)? {
            if outbox::of_device(turn.txn, device)?.iter().any(|row| row.envelope.is_some()) {
                return Ok(Some(device));
            }
        }
        Ok(None)
    }

    pub(crate) fn deliver_first_contact(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        let Some(row) = devices::get(turn.txn, device)? else { return Ok(()) };
        let Ok(peer) = PeerId::from_bytes(&row.peer) else { return Ok(()) };
        if !self.dialer.is_connected(&peer) {
            return Ok(());
        }
        for row in outbox::of_device(turn.txn, device)? {
            if let Some(envelope) = row.envelope {
                let request = KnockRequest::Deliver { envelope: envelope.into_vec() };
                self.knock(turn, peer, Knock::Deliver(device), &request);
            }
        }
        let random = self.random();
        let backoff = self.knock_backoff.entry(device).or_insert(Backoff::new(KNOCK_MS.0, KNOCK_MS.1));
        let due = turn.now.saturating_add(backoff.next(random));
        self.timers.set(Timer::Knock(device), due);
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

    /// The other side refused our stream: it may not know the session, so the handshake is repeated if it can be.
    pub(crate) fn stream_refused(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        if !self.timers.is_set(Timer::Knock(device)) {
            self.deliver_first_contact(turn, device)?;
        }
        Ok(())
    }

    pub(crate) fn on_knock_answer(&mut self, turn: &mut Turn<'_, '_>, token: u64, answer: Result<Bytes, RequestFailed>) -> Result<(), StoreError> {
        let Some(knock) = self.knocks.remove(&token) else { return Ok(()) };
        let answer = answer.ok().and_then(|bytes| KnockResponse::decode(&bytes).ok());
        match (knock, answer) {
            (Knock::Bundle(user), Some(KnockResponse::Bundle { device_list, bundle, one_time })) => {
                self.begin_contact(turn, &user, &device_list, &bundle, one_time)
            }
            (Knock::Bundle(user), Some(KnockResponse::Nothing)) => {
                tracing::debug!(user = %user.short(), "the maker of the invite does not know its bundle");
                Ok(())
            }
            (Knock::Deliver(device), Some(KnockResponse::Received)) => self.open_stream(turn, device),
            (Knock::Deliver(device), Some(KnockResponse::Closed { reason })) => self.invite_refused(turn, device, reason),
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
        let Some(contact) = contacts::get(turn.txn, user)? else { return Ok(()) };
        let ContactState::Invited { token, bundle_hash, .. } = contact.state else { return Ok(()) };
        if self.first_contact_of(turn, user)?.is_some() {
            return Ok(());
        }
        let Some((certificate, bundle)) = check_bundle(user, list, bundle, &bundle_hash) else {
            tracing::warn!(user = %user.short(), "the invite's node gave a prekey bundle that is not the invite's");
            return Ok(());
        };
        let one_time = one_time.map(|(id, key)| OneTimeKey { id, key });
        let account = &self.account;
        let initiated = initiate(
            &mut self.rng,
            &account.keys,
            &account.certificate,
            account.list.reference(),
            &certificate,
            &bundle,
            one_time.as_ref(),
            turn.now,
        );
        let initiated = match initiated {
            Ok(initiated) => initiated,
            Err(error) => {
                tracing::warn!(user = %user.short(), %error, "the handshake could not be begun");
                return Ok(());
            }
        };
        let device = devices::put(turn.txn, &device_row(&certificate, bundle.as_bytes(), &contact))?;
        self.learn_devices(turn)?;
        let control = Control::ContactHello { token: Some(token), profile: self.card(), ext: Vec::new() };
        let id = self.random_id();
        let day = day_of(turn.now);
        let prefix = EnvelopePrefix { day, tag: first_contact_tag(&token, day) };
        let Ok(payload) = (Payload::Control { id, control: control.clone() }).encode() else { return Ok(()) };
        let Ok((session, envelope)) = initiated.seal(&mut self.rng, &prefix, &payload) else { return Ok(()) };
        let info = SessionInfo { device, confirmed: false, created: turn.now };
        self.sessions.insert(turn, info, session)?;
        let row = OutboxRow { id, control, created: turn.now, envelope: Some(ByteBuf::from(envelope)) };
        outbox::put(turn.txn, device, &row);
        self.deliver_first_contact(turn, device)
    }

    fn invite_refused(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo, reason: u8) -> Result<(), StoreError> {
        let Some(row) = devices::get(turn.txn, device)? else { return Ok(()) };
        let Some(mut contact) = contacts::get(turn.txn, &row.user)? else { return Ok(()) };
        if let ContactState::Invited { refused, .. } = &mut contact.state {
            *refused = Some(match reason {
                0 => InviteRefusal::Used,
                1 => InviteRefusal::Expired,
                _ => InviteRefusal::Revoked,
            });
            contacts::put(turn.txn, &contact);
            self.forget_first_contact(turn, device)?;
            feed::append(turn.txn, &FeedRow::Contact { user: row.user })?;
        }
        Ok(())
    }

    /// A peer knocks. It gets one answer for everything that is unknown, malformed or too often.
    pub(crate) fn on_knock(&mut self, turn: &mut Turn<'_, '_>, request: u64, data: &[u8]) -> Result<(), StoreError> {
        let response = match KnockRequest::decode(data) {
            Ok(KnockRequest::Bundle { hash }) if hash == self.bundle_hash => self.give_bundle(turn)?,
            Ok(KnockRequest::Bundle { hash }) => match self.older_bundle(turn, &hash)? {
                Some(bundle) => self.bundle_response(turn, bundle)?,
                None => KnockResponse::Nothing,
            },
            Ok(KnockRequest::Deliver { envelope }) => match self.welcome(turn, &envelope)? {
                Welcome::Done | Welcome::Silent => KnockResponse::Received,
                Welcome::Closed(InviteRefusal::Used) => KnockResponse::Closed { reason: 0 },
                Welcome::Closed(InviteRefusal::Expired) => KnockResponse::Closed { reason: 1 },
                Welcome::Closed(InviteRefusal::Revoked) => KnockResponse::Closed { reason: 2 },
            },
            Err(_) => KnockResponse::Nothing,
        };
        match response.encode() {
            Ok(data) => turn.net(NetCommand::Respond { request, data: Bytes::from(data) }),
            Err(error) => tracing::error!(%error, "an answer to a knock could not be encoded"),
        }
        Ok(())
    }

    fn give_bundle(&mut self, turn: &mut Turn<'_, '_>) -> Result<KnockResponse, StoreError> {
        let bundle = self.bundle.clone();
        self.bundle_response(turn, bundle)
    }

    fn older_bundle(&self, turn: &Turn<'_, '_>, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = prekeys::all(turn.txn)?.into_iter().find(|row| PrekeyBundle::hash_of(&row.bundle) == *hash);
        Ok(found.map(|row| row.bundle.to_vec()))
    }

    fn bundle_response(&mut self, turn: &mut Turn<'_, '_>, bundle: Vec<u8>) -> Result<KnockResponse, StoreError> {
        let device_list = self.account.list.as_bytes().to_vec();
        let one_time = self.new_one_time_key(turn)?;
        Ok(KnockResponse::Bundle { device_list, bundle, one_time })
    }

    fn new_one_time_key(&mut self, turn: &mut Turn<'_, '_>) -> Result<Option<(u32, [u8; 32])>, StoreError> {
        let oldest = turn.now.saturating_sub(ONE_TIME_EVERY_MS * ONE_TIME_BURST);
        self.one_time_spent = self.one_time_spent.max(oldest);
        if self.one_time_spent.saturating_add(ONE_TIME_EVERY_MS) > turn.now {
            return Ok(None);
        }
        self.one_time_spent = self.one_time_spent.saturating_add(ONE_TIME_EVERY_MS);
        let number = parlour_store::meta::next(turn.txn, parlour_store::meta::CounterName::OneTimeKey)?;
        let Ok(id) = u32::try_from(number) else { return Ok(None) };
        let secret = OneTimeSecret::generate(&mut self.rng, id);
        let public = secret.public();
        let row = prekeys::OneTimeRow {
            secret: ByteBuf::from(secret.to_bytes().to_vec()),
            expires: turn.now.saturating_add(ONE_TIME_MS),
        };
        prekeys::put_one_time(turn.txn, id, &row);
        Ok(Some((public.id, public.key)))
    }

    /// Opens a first-contact envelope that names one of our invites.
    fn welcome(&mut self, turn: &mut Turn<'_, '_>, envelope: &[u8]) -> Result<Welcome, StoreError> {
        let today = day_of(turn.now);
        let Ok((prefix, body)) = parse_envelope(envelope) else { return Ok(Welcome::Silent) };
        if prefix.day > today.saturating_add(1) || prefix.day < today.saturating_sub(FLIGHT_DAYS) {
            return Ok(Welcome::Silent);
        }
        let invite = invites::all(turn.txn)?.into_iter().find(|row| first_contact_tag(&row.token, prefix.day) == prefix.tag);
        let Some(invite) = invite else { return Ok(Welcome::Silent) };
        let Ok(flight) = FirstFlight::parse(body) else { return Ok(Welcome::Silent) };
        let serial = flight.prekey_serial();
        if prekeys::is_answered(turn.txn, serial, &flight.ephemeral())? {
            return Ok(Welcome::Silent);
        }
        let Some(prekey) = prekeys::get(turn.txn, serial)? else { return Ok(Welcome::Silent) };
        let one_time = match flight.one_time_id() {
            Some(id) => match prekeys::one_time(turn.txn, id)? {
                Some(row) => OneTimeSecret::from_bytes(&row.secret).ok(),
                None => return Ok(Welcome::Silent),
            },
            None => None,
        };
        let Ok(secret) = PrekeySecret::from_bytes(&prekey.secret) else {
            return Err(StoreError::Malformed { noun: "prekey" });
        };
        let hash = PrekeyBundle::hash_of(&prekey.bundle);
        let account = &self.account;
        let opened = flight.open(&prefix, &account.keys, &account.certificate, &secret, hash, one_time.as_ref(), turn.now);
        let Ok(accepted) = opened else {
            self.counters.unopened_envelopes += 1;
            return Ok(Welcome::Silent);
        };
        let Ok(Payload::Control { control: Control::ContactHello { token, profile, .. }, .. }) =
            Payload::decode(&accepted.payload)
        else {
            return Ok(Welcome::Silent);
        };
        let user = accepted.peer_cert.user();
        if token != Some(invite.token) || user == self.account.user() {
            return Ok(Welcome::Silent);
        }
        if let Some(refusal) = closed(&invite, &user, turn.now) {
            return Ok(Welcome::Closed(refusal));
        }
        let Some(list) = check_card(&user, &accepted.peer_cert.device(), &profile) else { return Ok(Welcome::Silent) };
        prekeys::mark_answered(turn.txn, serial, &flight.ephemeral());
        if let Some(id) = flight.one_time_id() {
            prekeys::delete_one_time(turn.txn, id);
        }
        self.admit(turn, invite, &profile, &accepted.peer_cert, &list, accepted.session)?;
        Ok(Welcome::Done)
    }

    /// The holder of an invite of ours becomes a contact.
    fn admit(
        &mut self,
        turn: &mut Turn<'_, '_>,
        mut invite: InviteRow,
        profile: &Profile,
        certificate: &DeviceCert,
        list: &DeviceList,
        session: parlour_crypto::Session,
    ) -> Result<(), StoreError> {
        let user = certificate.user();
        if !invite.used_by.contains(&user) {
            invite.used_by.push(user);
            invites::put(turn.txn, &invite);
        }
        let contact = match contacts::get(turn.txn, &user)? {
            Some(row) => ContactRow { name: profile.name.clone(), device_list: list.as_bytes().to_vec(), state: ContactState::Accepted, ..row },
            None => ContactRow {
                user,
                petname: None,
                name: profile.name.clone(),
                device_list: list.as_bytes().to_vec(),
                state: ContactState::Accepted,
                peer: profile.peer.to_vec(),
                addresses: profile.addresses.clone(),
                created: turn.now,
            },
        };
        contacts::put(turn.txn, &contact);
        let mut row = device_row(certificate, &profile.bundle, &contact);
        row.peer = profile.peer.to_vec();
        row.addresses = profile.addresses.clone();
        let device = devices::put(turn.txn, &row)?;
        self.learn_devices(turn)?;
        self.ensure_direct(turn, user)?;
        feed::append(turn.txn, &FeedRow::Contact { user })?;
        self.sessions.insert(turn, SessionInfo { device, confirmed: true, created: turn.now }, session)?;
        self.match_again(turn)?;
        let accept = Control::ContactAccept { profile: self.card(), ext: Vec::new() };
        self.post_control(turn, device, accept)?;
        if let Ok(peer) = PeerId::from_bytes(&row.peer) {
            self.want_peer(turn, peer);
            if self.dialer.is_connected(&peer) {
                let courtesy = if self.peer < peer { 0 } else { 300 };
                self.timers.set_earliest(Timer::OpenStream(device), turn.now.saturating_add(courtesy));
            }
        }
        Ok(())
    }
}

fn closed(invite: &InviteRow, user: &UserId, now: u64) -> Option<InviteRefusal> {
    if invite.used_by.contains(user) {
        None
    } else if invite.revoked {
        Some(InviteRefusal::Revoked)
    } else if invite.expires <= now {
        Some(InviteRefusal::Expired)
    } else if invite.used_by.len() >= usize::try_from(invite.max_uses).unwrap_or(usize::MAX) {
        Some(InviteRefusal::Used)
    } else {
        None
    }
}

fn check_petname(turn: &Turn<'_, '_>, user: &UserId, name: &str) -> Result<Option<AddError>, StoreError> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Ok(Some(AddError::BadName { max: MAX_NAME }));
    }
    let taken = contacts::all(turn.txn)?.iter().any(|row| row.user != *user && row.petname.as_deref() == Some(name));
    Ok(taken.then(|| AddError::NameTaken(name.to_owned())))
}

/// The bundle the invite names, and the certificate of the device that signed it.
fn check_bundle(user: &UserId, list: &[u8], bundle: &[u8], hash: &[u8; 32]) -> Option<(DeviceCert, PrekeyBundle)> {
    let list = DeviceList::verify(list).ok().filter(|list| list.user() == *user)?;
    list.certs().iter().find_map(|certificate| {
        let bundle = PrekeyBundle::verify(bundle, certificate).ok()?;
        (bundle.hash() == *hash).then(|| (certificate.clone(), bundle))
    })
}

/// The verified device list of a card that a device of `user` sent.
pub(crate) fn check_card(user: &UserId, device: &DeviceId, profile: &Profile) -> Option<DeviceList> {
    let list = DeviceList::verify(&profile.device_list).ok().filter(|list| list.user() == *user)?;
    let certificate = list.cert(device)?;
    PrekeyBundle::verify(&profile.bundle, certificate).ok()?;
    Some(list)
}

fn device_row(certificate: &DeviceCert, bundle: &[u8], contact: &ContactRow) -> DeviceRow {
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

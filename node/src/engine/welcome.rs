//! The side that is knocked at: prekey bundles for those who know their hash, and first-contact envelopes, from holders of
//! our invites and from contacts that begin anew.

use bytes::Bytes;
use parlour_crypto::{
    Accepted, CardDetails, Control, DeviceCert, DeviceId, DeviceList, EnvelopePrefix, FirstFlight, KnockRequest,
    KnockResponse, OneTimeSecret, Payload, PrekeyBundle, PrekeySecret, Profile, UserId, day_of, first_contact_tag,
    parse as parse_envelope,
};
use parlour_net::{NetCommand, PeerId};
use parlour_store::contacts::{self, ContactRow, ContactState, InviteRefusal};
use parlour_store::devices;
use parlour_store::feed::{self, FeedRow};
use parlour_store::invites::{self, InviteRow};
use parlour_store::prekeys::PrekeyRow;
use parlour_store::requests::{self, AskingRow};
use parlour_store::rooms::{self, TokenRow};
use parlour_store::sessions::SessionInfo;
use parlour_store::{DeviceNo, StoreError, prekeys};
use serde_bytes::ByteBuf;

use super::Engine;
use super::cards::check_card;
use super::contacts::device_row;
use super::effects::Turn;
use super::flights::known_tag_key;
use super::sessions::{Which, takes_part_in_refreshes};
use super::timers::Timer;

/// A first-contact envelope may be this many days old.
const FLIGHT_DAYS: u16 = 8;
/// A one-time key ends after this.
const ONE_TIME_MS: u64 = 24 * 3_600_000;

/// What a stranger's first flight led to.
enum Welcome {
    /// They are a contact now.
    Done,
    /// The envelope is not for us, not whole, or came before.
    Silent,
    /// It names an invite of ours that does not count any more.
    Closed(InviteRefusal),
}

/// Why an envelope of first contact may be for us.
enum Reason {
    /// Its tag names an invite of ours.
    Invite(InviteRow),
    /// Its tag names the invite in a request of ours: whom we asked has accepted.
    Asked(AskingRow),
    /// Its tag names a link of ours into a room.
    Room(TokenRow),
    /// Its tag names a prekey bundle of ours: a contact that begins anew.
    Contact,
}

/// A first flight that opened.
pub(crate) struct OpenedFlight {
    pub(crate) accepted: Accepted,
    serial: u32,
    ephemeral: [u8; 32],
    one_time: Option<u32>,
}

impl OpenedFlight {
    /// It is not opened again.
    pub(crate) fn settle(&self, turn: &mut Turn<'_, '_>) {
        prekeys::mark_answered(turn.txn, self.serial, &self.ephemeral);
        if let Some(id) = self.one_time {
            prekeys::delete_one_time(turn.txn, id);
        }
    }
}

impl Engine {
    /// A peer knocks. It gets one answer for everything that is unknown, malformed or too often.
    pub(crate) fn on_knock(
        &mut self,
        turn: &mut Turn<'_, '_>,
        by: &PeerId,
        request: u64,
        data: &[u8],
    ) -> Result<(), StoreError> {
        let response = match KnockRequest::decode(data) {
            Ok(KnockRequest::Bundle { hash }) if hash == self.bundle_hash => self.give_bundle(turn)?,
            Ok(KnockRequest::Bundle { hash }) => match self.prekey_of(turn, &hash)? {
                Some(row) => self.bundle_response(turn, self.list_for(&row), row.bundle.to_vec())?,
                None => KnockResponse::Nothing,
            },
            Ok(KnockRequest::Deliver { envelope }) => match self.welcome(turn, &envelope)? {
                Welcome::Done | Welcome::Silent => KnockResponse::Received,
                Welcome::Closed(InviteRefusal::Used) => KnockResponse::Closed { reason: 0 },
                Welcome::Closed(InviteRefusal::Expired) => KnockResponse::Closed { reason: 1 },
                Welcome::Closed(InviteRefusal::Revoked) => KnockResponse::Closed { reason: 2 },
            },
            Ok(KnockRequest::BundleOf { user }) => self.bundle_to_ask(&user),
            Ok(KnockRequest::Rooms) => self.list_rooms(turn, by)?,
            Ok(KnockRequest::RoomsChanged) => {
                self.on_rooms_changed(turn, by)?;
                KnockResponse::Received
            }
            Ok(KnockRequest::Link { nonce, proof }) => self.answer_about_link(turn, by, &nonce, &proof)?,
            Ok(KnockRequest::Ask { user, nonce, envelope }) => self.on_ask(turn, &user, nonce, &envelope)?,
            Err(_) => KnockResponse::Nothing,
        };
        match response.encode() {
            Ok(data) => turn.net(NetCommand::Respond {
                request,
                data: Bytes::from(data),
            }),
            Err(error) => tracing::error!(%error, "an answer to a knock could not be encoded"),
        }
        Ok(())
    }

    pub(crate) fn give_bundle(&mut self, turn: &mut Turn<'_, '_>) -> Result<KnockResponse, StoreError> {
        let (list, bundle) = (self.account.list.as_bytes().to_vec(), self.bundle.clone());
        self.bundle_response(turn, list, bundle)
    }

    /// The prekey whose bundle has this hash, be it the newest one or not.
    fn prekey_of(&self, turn: &Turn<'_, '_>, hash: &[u8; 32]) -> Result<Option<PrekeyRow>, StoreError> {
        let mut rows = prekeys::all(turn.txn)?.into_iter();
        Ok(rows.find(|row| PrekeyBundle::hash_of(&row.bundle) == *hash))
    }

    /// A list that certifies the bundle of a prekey: after a renewal the newest list does not.
    fn list_for(&self, row: &PrekeyRow) -> Vec<u8> {
        match row.device_list.is_empty() || self.certifies(&row.bundle) {
            true => self.account.list.as_bytes().to_vec(),
            false => row.device_list.to_vec(),
        }
    }

    fn bundle_response(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device_list: Vec<u8>,
        bundle: Vec<u8>,
    ) -> Result<KnockResponse, StoreError> {
        let one_time = self.new_one_time_key(turn)?;
        Ok(KnockResponse::Bundle {
            device_list,
            bundle,
            one_time,
        })
    }

    fn new_one_time_key(&mut self, turn: &mut Turn<'_, '_>) -> Result<Option<(u32, [u8; 32])>, StoreError> {
        if !self.one_time_keys.take(turn.now) {
            return Ok(None);
        }
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

    /// What the tag of a first-contact envelope refers to.
    fn reason_to_open(&mut self, turn: &Turn<'_, '_>, prefix: &EnvelopePrefix) -> Result<Option<Reason>, StoreError> {
        let named = |key: &[u8; 16]| first_contact_tag(key, prefix.day) == prefix.tag;
        if let Some(invite) = invites::all(turn.txn)?.into_iter().find(|row| named(&row.token)) {
            return Ok(Some(Reason::Invite(invite)));
        }
        let mut asked = requests::all_asking(turn.txn)?.into_iter();
        if let Some(asked) = asked.find(|row| named(&row.token) && row.expires > turn.now) {
            return Ok(Some(Reason::Asked(asked)));
        }
        let mut links = rooms::tokens(turn.txn)?.into_iter();
        if let Some(link) = links.find(|row| named(&row.token) && row.expires > turn.now) {
            return Ok(self.rooms.may_visit(turn.now).then_some(Reason::Room(link)));
        }
        let bundles = prekeys::all(turn.txn)?;
        let ours = bundles
            .iter()
            .any(|row| named(&known_tag_key(&PrekeyBundle::hash_of(&row.bundle))));
        Ok((ours && self.new_sessions.take(turn.now)).then_some(Reason::Contact))
    }

    /// Opens a first-contact envelope that names one of our invites, or comes from a contact that begins anew.
    fn welcome(&mut self, turn: &mut Turn<'_, '_>, envelope: &[u8]) -> Result<Welcome, StoreError> {
        let Ok((prefix, body)) = parse_envelope(envelope) else {
            return Ok(Welcome::Silent);
        };
        let Some(reason) = self.reason_to_open(turn, &prefix)? else {
            return Ok(Welcome::Silent);
        };
        let Some(mut opened) = self.open_flight(turn, &prefix, body)? else {
            return Ok(Welcome::Silent);
        };
        let accepted = &opened.accepted;
        let Ok(Payload::Control {
            control: Control::ContactHello { token, profile, ext },
            ..
        }) = Payload::decode(&accepted.payload)
        else {
            return Ok(Welcome::Silent);
        };
        let user = accepted.peer_cert.user();
        let known = self.is_accepted(turn, &user)?;
        let mut visits = matches!(reason, Reason::Room(_));
        let welcome = match &reason {
            Reason::Invite(invite) => token == Some(invite.token) && user != self.account.user(),
            Reason::Asked(asked) => token == Some(asked.token) && user == asked.user,
            // Contacts ask through the session they have, and begin anew as contacts.
            Reason::Room(link) => {
                let stranger = contacts::get(turn.txn, &user)?.is_none();
                token == Some(link.token) && user != self.account.user() && stranger
            }
            // A link of somebody else's into a room of ours.
            Reason::Contact if token.is_some() => {
                let stranger = contacts::get(turn.txn, &user)?.is_none();
                visits = match token {
                    Some(token) if stranger && user != self.account.user() => self.lets_in_by(turn, &token)?,
                    _ => false,
                };
                visits && self.rooms.may_visit(turn.now)
            }
            Reason::Contact => {
                // Also those who do not know yet that they are no members any more: they are to be told.
                let fellow = user != self.account.user()
                    && (self.is_fellow(turn, &user, &accepted.peer_cert.device())? || self.was_fellow(turn, &user)?);
                known || fellow
            }
        };
        if !welcome {
            return Ok(Welcome::Silent);
        }
        let state = contacts::get(turn.txn, &user)?.map(|contact| contact.state);
        // First, so that an answer does not depend on whether they are blocked.
        let refusal = match &reason {
            // Whoever used it and is no contact any more needs another one.
            Reason::Invite(invite) if invite.used_by.contains(&user) && state == Some(ContactState::Former) => {
                Some(InviteRefusal::Used)
            }
            Reason::Invite(invite) => closed(invite, &user, turn.now),
            Reason::Asked(asked) => asked.revoked.then_some(InviteRefusal::Revoked),
            Reason::Room(_) | Reason::Contact => None,
        };
        if let Some(refusal) = refusal {
            return Ok(Welcome::Closed(refusal));
        }
        if self.is_blocked(&user) {
            return Ok(Welcome::Silent);
        }
        let again = match &reason {
            Reason::Invite(invite) => invite.used_by.contains(&user),
            Reason::Asked(_) => known,
            Reason::Room(_) | Reason::Contact => false,
        };
        if again && !self.new_sessions.take(turn.now) {
            return Ok(Welcome::Silent);
        }
        let sender = &accepted.peer_cert;
        let proofs = |device: &DeviceId| match *device == sender.device() {
            true => Some(sender.proof()),
            false => self.proof_of(device),
        };
        let Some(list) = check_card(&user, &sender.device(), &profile, proofs) else {
            return Ok(Welcome::Silent);
        };
        let known = contacts::get(turn.txn, &user)?.map(|contact| contact.device_list);
        if !self.may_follow(turn, &known.unwrap_or_default(), &list)? {
            return Ok(Welcome::Silent);
        }
        if takes_part_in_refreshes(&ext) {
            // Written with the session.
            let _: bool = opened.accepted.session.know_refresh();
        }
        opened.settle(turn);
        let Accepted { session, peer_cert, .. } = opened.accepted;
        if visits {
            self.admit_visitor(turn, &profile, &peer_cert, session)?;
            return Ok(Welcome::Done);
        }
        let accepted = self.is_accepted(turn, &user)?;
        if matches!(reason, Reason::Contact) && !accepted {
            self.admit_fellow(turn, &profile, &peer_cert, session)?;
            return Ok(Welcome::Done);
        }
        self.admit(turn, reason, &profile, &peer_cert, &list, session)?;
        Ok(Welcome::Done)
    }

    /// Whether a first flight was opened before.
    pub(crate) fn is_answered(&self, turn: &Turn<'_, '_>, body: &[u8]) -> Result<bool, StoreError> {
        match FirstFlight::parse(body) {
            Ok(flight) => prekeys::is_answered(turn.txn, flight.prekey_serial(), &flight.ephemeral()),
            Err(_) => Ok(false),
        }
    }

    /// Opens a first flight with the prekeys it names.
    pub(crate) fn open_flight(
        &mut self,
        turn: &Turn<'_, '_>,
        prefix: &EnvelopePrefix,
        body: &[u8],
    ) -> Result<Option<OpenedFlight>, StoreError> {
        let today = day_of(turn.now);
        if prefix.day > today.saturating_add(1) || prefix.day < today.saturating_sub(FLIGHT_DAYS) {
            return Ok(None);
        }
        let Ok(flight) = FirstFlight::parse(body) else {
            return Ok(None);
        };
        let (serial, ephemeral) = (flight.prekey_serial(), flight.ephemeral());
        if prekeys::is_answered(turn.txn, serial, &ephemeral)? {
            return Ok(None);
        }
        let Some(prekey) = prekeys::get(turn.txn, serial)? else {
            return Ok(None);
        };
        let one_time = match flight.one_time_id() {
            Some(id) => match prekeys::one_time(turn.txn, id)? {
                Some(row) => OneTimeSecret::from_bytes(&row.secret).ok(),
                None => return Ok(None),
            },
            None => None,
        };
        let secret = match self.prekey.take() {
            Some(kept) if kept.serial() == serial => kept,
            _ => PrekeySecret::from_bytes(&prekey.secret).map_err(|_| StoreError::Malformed { noun: "prekey" })?,
        };
        let account = &self.account;
        let opened = flight.open(
            prefix,
            &account.keys,
            &account.certificate,
            &secret,
            PrekeyBundle::hash_of(&prekey.bundle),
            one_time.as_ref(),
            |device| self.proof_of(device),
            turn.now,
        );
        self.prekey = Some(secret);
        let Ok(accepted) = opened else {
            self.counters.unopened_envelopes += 1;
            return Ok(None);
        };
        Ok(Some(OpenedFlight {
            accepted,
            serial,
            ephemeral,
            one_time: flight.one_time_id(),
        }))
    }

    /// The holder of an invite of ours becomes a contact, or a contact begins anew.
    fn admit(
        &mut self,
        turn: &mut Turn<'_, '_>,
        reason: Reason,
        profile: &Profile,
        certificate: &DeviceCert,
        list: &DeviceList,
        session: parlour_crypto::Session,
    ) -> Result<(), StoreError> {
        let user = certificate.user();
        if let Reason::Invite(mut invite) = reason
            && !invite.used_by.contains(&user)
        {
            invite.used_by.push(user);
            invites::put(turn.txn, &invite);
        }
        let before = contacts::get(turn.txn, &user)?;
        if let Some(row) = &before {
            self.compare_lists(turn, &row.device_list, list)?;
        }
        let contact = match before {
            Some(row) => ContactRow {
                name: profile.name.clone(),
                device_list: list.as_bytes().to_vec(),
                state: ContactState::Accepted,
                ..row
            },
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
        self.asking.remove(&user);
        self.forget_request(turn, &user)?;
        contacts::put_details(turn.txn, &user, &CardDetails::from_ext(&profile.ext));
        let mut row = device_row(certificate, &profile.bundle, &contact);
        row.peer = profile.peer.to_vec();
        row.addresses = profile.addresses.clone();
        let device = devices::put(turn.txn, &row)?;
        self.retire_missing(turn, list)?;
        self.learn_devices(turn)?;
        self.ensure_direct(turn, user)?;
        feed::append(turn.txn, &FeedRow::Contact { user })?;
        self.admit_session(turn, device, session)?;
        let accept = Control::ContactAccept {
            profile: self.card(turn.now),
            ext: Vec::new(),
        };
        self.post_card(turn, device, accept)?;
        self.approach_device(turn, device, &row.peer);
        Ok(())
    }

    /// A member of a room of ours, who is no contact, has begun a session.
    pub(crate) fn admit_fellow(
        &mut self,
        turn: &mut Turn<'_, '_>,
        profile: &Profile,
        certificate: &DeviceCert,
        session: parlour_crypto::Session,
    ) -> Result<(), StoreError> {
        let Some(device) = devices::number(turn.txn, &certificate.device())? else {
            return Ok(());
        };
        let Some(mut row) = devices::get(turn.txn, device)? else {
            return Ok(());
        };
        row.bundle = profile.bundle.to_vec();
        row.peer = profile.peer.to_vec();
        row.addresses = profile.addresses.clone();
        devices::put(turn.txn, &row)?;
        self.learn_devices(turn)?;
        // A stream under the keys of an older session would carry everything, and nothing would ever show them that we have this one.
        if let Some(stream) = self.link_of.get(&device).copied() {
            self.close_stream(turn, stream);
        }
        self.admit_session(turn, device, session)?;
        // Both began at once: one session is enough, and nothing else would end what was kept to repeat ours.
        self.forget_first_contact(turn, device)?;
        self.approach_device(turn, device, &row.peer);
        Ok(())
    }

    fn admit_session(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        session: parlour_crypto::Session,
    ) -> Result<(), StoreError> {
        // Whoever begins anew has lost the older ones; one we began ourselves may still be answered.
        self.sessions.forget(turn, device, Which::Confirmed)?;
        let info = SessionInfo {
            device,
            confirmed: true,
            created: turn.now,
        };
        self.sessions.insert(turn, info, session)?;
        self.hand_over_again(turn, device)?;
        self.match_again(turn)
    }

    /// There is a session: stays connected, and opens a stream.
    fn approach_device(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo, peer: &[u8]) {
        self.timers.set_earliest(Timer::Distribute(device), turn.now);
        if let Ok(peer) = PeerId::from_bytes(peer) {
            self.want_peer(turn, peer);
            if self.dialer.is_connected(&peer) {
                let courtesy = if self.peer < peer { 0 } else { 300 };
                self.timers
                    .set_earliest(Timer::OpenStream(device), turn.now.saturating_add(courtesy));
            }
        }
    }
}

fn closed(invite: &InviteRow, user: &UserId, now: u64) -> Option<InviteRefusal> {
    if invite.revoked {
        Some(InviteRefusal::Revoked)
    } else if invite.expires <= now {
        Some(InviteRefusal::Expired)
    } else if invite.used_by.contains(user) {
        None
    } else if invite.used_by.len() >= usize::try_from(invite.max_uses).unwrap_or(usize::MAX) {
        Some(InviteRefusal::Used)
    } else {
        None
    }
}

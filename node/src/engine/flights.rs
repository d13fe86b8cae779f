//! First flights: the envelopes by which two devices that share no session begin one, sent again until they are answered, and made anew
//! when they cannot be opened any more.

use parlour_crypto::{
    Control, DeviceCert, EXT_REFRESH, EnvelopePrefix, Invite, KnockRequest, OneTimeKey, Payload, PrekeyBundle, Session,
    UserId, day_of, first_contact_tag, initiate,
};
use parlour_net::PeerId;
use parlour_store::contacts::{ContactRow, ContactState};
use parlour_store::devices;
use parlour_store::outbox::{self, OutboxRow};
use parlour_store::sessions::SessionInfo;
use parlour_store::{DeviceNo, StoreError};
use serde_bytes::ByteBuf;

use super::Engine;
use super::contacts::Knock;
use super::effects::Turn;
use super::sessions::Which;
use super::timers::{Backoff, Timer};

/// A new handshake with a contact, at most once in this time.
const AGAIN_MS: u64 = 3_600_000;
/// A session that is refused this often in a row is unknown to the other side.
const MAX_REFUSALS: u32 = 3;
/// A first flight is made anew after this: its one-time key lasts a day.
const STALE_MS: u64 = 20 * 3_600_000;
/// A flight without an invite is made anew after this: the other side opens none that is over 8 days old.
const OLD_FLIGHT_MS: u64 = 7 * 24 * 3_600_000;
/// Pauses between repetitions of a knock.
const KNOCK_MS: (u64, u64) = (1_000, 300_000);

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
    /// A first flight that is too old to be opened, or was made for another invite, makes room for a new one.
    pub(super) fn drop_stale_flight(
        &mut self,
        turn: &mut Turn<'_, '_>,
        contact: &ContactRow,
    ) -> Result<(), StoreError> {
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

    /// The device of a user to which a first-contact envelope is on its way.
    pub(super) fn first_contact_of(&self, turn: &Turn<'_, '_>, user: &UserId) -> Result<Option<DeviceNo>, StoreError> {
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
}

/// What takes the place of an invite's token in the tag when contacts begin anew.
pub(crate) fn known_tag_key(bundle_hash: &[u8; 32]) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&bundle_hash[..16]);
    key
}

//! Controls between devices that know each other: cards (name, devices, prekeys, addresses), acceptance, receipts.

use parlour_crypto::{
    CardDetails, CertProof, Control, DeviceCert, DeviceId, DeviceList, Frame, PrekeyBundle, Profile, SuccessionError,
    UserId,
};
use parlour_net::{Multiaddr, PeerId, Scope};
use parlour_store::contacts::{self, ContactState};
use parlour_store::feed::{self, FeedRow};
use parlour_store::meta::{self, CounterName};
use parlour_store::outbox::{self, OutboxRow};
use parlour_store::{DeviceNo, StoreError, devices};

use super::Engine;
use super::effects::Turn;
use super::sessions::Which;
use super::timers::{Allowance, Timer, jitter};

/// Addresses on a card.
const MAX_ADDRESSES: usize = 8;
/// A changed card is told after this pause, so that several changes are one.
const CARD_MS: u64 = 1_500;
/// Controls for a device without a stream are published again after this, and then after growing pauses: each sealing moves
/// the ratchet.
const REPEAT_MS: u64 = 30_000;
const REPEAT_MAX_MS: u64 = 6 * 3_600_000;
const CONTROLS_AT_ONCE: usize = 8;
/// What may not go by envelope now is looked at again after this.
const HELD_MS: u64 = 60_000;
/// Cards taken from one device: one per this time, and so many at once. What is over comes again later.
const CARD_EVERY_MS: u64 = 5_000;
const CARDS_AT_ONCE: u64 = 6;

impl Engine {
    pub(crate) fn best_addresses(&self, max: usize) -> Vec<Multiaddr> {
        // What the configuration says is meant; what is seen here may lead nowhere from elsewhere.
        let mut addresses = self.announced.clone();
        addresses.extend(best_first(&self.listening, max));
        addresses.truncate(max);
        addresses
    }

    pub(crate) fn card(&self, now: u64) -> Profile {
        Profile {
            name: self.account.name.clone(),
            device_list: self.account.list.as_bytes().to_vec(),
            bundle: self.bundle.clone(),
            peer: self.peer.to_bytes(),
            addresses: self
                .best_addresses(MAX_ADDRESSES)
                .iter()
                .map(parlour_net::address_to_bytes)
                .collect(),
            ext: self.details.to_ext(now),
        }
    }

    /// The card may have changed: tells contacts soon.
    pub(crate) fn card_changed(&mut self, now: u64) {
        self.timers.set(Timer::Card, now.saturating_add(CARD_MS));
    }

    pub(crate) fn tell_card(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let card = self.card(turn.now);
        let digest = blake3::hash(&parlour_crypto::encode(&card));
        let version = digest
            .as_bytes()
            .first_chunk()
            .map_or(0, |head| u64::from_be_bytes(*head));
        if meta::counter(turn.txn, CounterName::Card)? == version {
            return Ok(());
        }
        meta::set_counter(turn.txn, CounterName::Card, version);
        for contact in contacts::all(turn.txn)? {
            if contact.state != ContactState::Accepted {
                continue;
            }
            for device in devices::of_user(turn.txn, &contact.user)? {
                if devices::get(turn.txn, device)?.is_none_or(|row| row.is_retired()) {
                    continue;
                }
                let control = Control::Contact {
                    profile: card.clone(),
                    ext: Vec::new(),
                };
                self.post_card(turn, device, control)?;
            }
        }
        Ok(())
    }

    /// Posts a card in place of any older one that still waits.
    pub(crate) fn post_card(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        mut card: Control,
    ) -> Result<(), StoreError> {
        for row in outbox::of_device(turn.txn, device)? {
            match (&row.control, card) {
                // The newer card has to say what the older one did: that we accept.
                (Control::ContactAccept { .. }, Control::Contact { profile, ext }) => {
                    card = Control::ContactAccept { profile, ext };
                }
                (Control::ContactAccept { .. } | Control::Contact { .. }, same) => card = same,
                (_, same) => {
                    card = same;
                    continue;
                }
            }
            outbox::remove(turn.txn, device, &row.id)?;
        }
        self.post_control(turn, device, card)
    }

    /// Puts a control into the outbox and sends it at once if there is a way.
    pub(crate) fn post_control(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        control: Control,
    ) -> Result<(), StoreError> {
        // It would wait for ever, and keep others from being sent.
        if let Err(error) = control.encode() {
            tracing::error!(%error, "a control could not be encoded");
            return Ok(());
        }
        let row = OutboxRow {
            id: self.random_id(),
            control,
            created: turn.now,
            envelope: None,
        };
        outbox::put(turn.txn, device, &row);
        match self.link_to(device).map(|(stream, _)| stream) {
            Some(stream) => {
                self.send_control_frame(turn, stream, &row);
                self.repeat_on_stream(turn.now, device);
            }
            None => self
                .timers
                .set_earliest(Timer::Controls(device), turn.now.saturating_add(2_000)),
        }
        Ok(())
    }

    /// What is not acknowledged on a stream that stands is said again there.
    pub(crate) fn repeat_on_stream(&mut self, now: u64, device: DeviceNo) {
        if !self.timers.is_set(Timer::Controls(device)) {
            self.timers.set(Timer::Controls(device), now.saturating_add(REPEAT_MS));
        }
    }

    /// Sends a waiting control, unless nothing may go to whoever is there.
    pub(crate) fn send_control_frame(&mut self, turn: &mut Turn<'_, '_>, stream: u64, row: &OutboxRow) {
        let held = match self.link(stream).map(|link| link.user) {
            Some(user) => self.is_undecided(&user),
            None => true,
        };
        if row.envelope.is_none() && !held {
            self.send_frame(
                turn,
                stream,
                &Frame::Control {
                    id: row.id,
                    control: row.control.clone(),
                },
            );
        }
    }

    /// No stream took the controls of a device: publishes them.
    pub(crate) fn on_controls_timer(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        let mut rows = outbox::of_device(turn.txn, device)?;
        // What is in a room is not taken before the room is known.
        rows.sort_by_key(|row| (row.created, !matches!(row.control, Control::RoomWelcome { .. })));
        if rows.is_empty() || self.dialer.connected().is_empty() || self.is_undecided_device(device) {
            return Ok(());
        }
        if let Some((stream, _)) = self.link_to(device) {
            // Others each time, so that what is not taken for long holds up nothing.
            let tries = self.control_tries.get(&device).copied().unwrap_or(0);
            let skip = CONTROLS_AT_ONCE.saturating_mul(usize::try_from(tries).unwrap_or(0)) % rows.len().max(1);
            for row in rows.iter().cycle().skip(skip).take(CONTROLS_AT_ONCE.min(rows.len())) {
                self.send_control_frame(turn, stream, row);
            }
            self.repeat_controls(turn.now, device);
            return Ok(());
        }
        let mut ready = Vec::new();
        for row in rows.iter().filter(|row| row.envelope.is_none()) {
            if !self.must_wait_for_a_stream(turn, &row.control)? {
                ready.push(row);
            }
        }
        if ready.is_empty() {
            self.timers
                .set(Timer::Controls(device), turn.now.saturating_add(HELD_MS));
            return Ok(());
        }
        for row in ready.into_iter().take(CONTROLS_AT_ONCE) {
            self.publish_control(turn, device, row.id, row.control.clone())?;
        }
        self.repeat_controls(turn.now, device);
        Ok(())
    }

    fn repeat_controls(&mut self, now: u64, device: DeviceNo) {
        let tries = self.control_tries.entry(device).or_default();
        *tries = tries.saturating_add(1);
        let pause = self.control_pause(device);
        let due = now.saturating_add(jitter(pause, self.random()));
        self.timers.set(Timer::Controls(device), due);
    }

    /// The pause behind as many tries as there were; 0 = there was none.
    pub(crate) fn control_pause(&self, device: DeviceNo) -> u64 {
        match self.control_tries.get(&device).copied().unwrap_or(0) {
            0 => 0,
            tries => REPEAT_MS
                .saturating_mul(1 << tries.saturating_sub(1).min(20))
                .min(REPEAT_MAX_MS),
        }
    }

    pub(crate) fn on_control(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        id: [u8; 16],
        control: Control,
    ) -> Result<(), StoreError> {
        match control {
            Control::ContactHello { profile, .. } | Control::Contact { profile, .. } => {
                if !self.take_card(turn, device, &profile, false)? {
                    return Ok(());
                }
            }
            Control::ContactAccept { profile, .. } => {
                if !self.take_card(turn, device, &profile, true)? {
                    return Ok(());
                }
            }
            Control::Have(have) => return self.on_have(turn, device, &have),
            Control::Received { ids } => return self.on_received(turn, device, &ids),
            Control::Read(mark) => {
                if !self.on_read_mark(turn, device, &mark)? {
                    return Ok(());
                }
            }
            Control::RoomWelcome {
                room, create, heads, ..
            } => {
                if !self.on_room_welcome(turn, device, &room, (&create, &heads))? {
                    return Ok(());
                }
            }
            Control::RoomAsk(ask) => {
                if !self.on_room_ask(turn, device, &ask)? {
                    return Ok(());
                }
            }
            Control::RoomRefused { room, reason, .. } => self.on_room_refused(turn, device, &room, reason)?,
            Control::RoomOperations { room, events, .. } => {
                if !self.on_room_operations(turn, device, &room, &events)? {
                    return Ok(());
                }
            }
            // Whoever is here need not ask.
            Control::ContactRequest { .. } => {}
            Control::SenderChain { chains, .. } => {
                if !self.on_sender_chains(turn, device, &chains)? {
                    return Ok(());
                }
            }
            Control::KeyRequest { room, chains, .. } => self.on_key_request(turn, device, &room, &chains)?,
            Control::RoomReport {
                room, target, reason, ..
            } => self.on_room_report(turn, device, (&room, &target), &reason)?,
            Control::RoomKnock(knock) => {
                if !self.on_room_knock(turn, device, knock)? {
                    return Ok(());
                }
            }
            Control::RoomTurnedAway { room, user, at, .. } => {
                if !self.on_room_turned_away(turn, device, (&room, &user, at))? {
                    return Ok(());
                }
            }
            Control::RoomHeads { room, heads, ext } => {
                if !self.on_room_heads(turn, device, &room, &heads, &ext)? {
                    return Ok(());
                }
            }
        }
        match self.link_to(device).map(|(stream, _)| stream) {
            Some(stream) => self.send_frame(turn, stream, &Frame::Received { ids: vec![id] }),
            None => {
                let own = self.random_id();
                self.publish_control(turn, device, own, Control::Received { ids: vec![id] })?;
            }
        }
        Ok(())
    }

    pub(crate) fn on_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        ids: &[[u8; 16]],
    ) -> Result<(), StoreError> {
        for id in ids {
            let done = outbox::remove(turn.txn, device, id)?;
            // What is for contacts alone may have come before it, and was not taken.
            if done.is_some_and(|row| matches!(row.control, Control::ContactAccept { .. })) {
                self.control_tries.remove(&device);
                self.timers.set_earliest(Timer::Controls(device), turn.now);
            }
        }
        Ok(())
    }

    /// `false`: too often, so that it is not acknowledged and comes again.
    fn take_card(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        profile: &Profile,
        accepts: bool,
    ) -> Result<bool, StoreError> {
        let Some(mut row) = devices::get(turn.txn, device)? else {
            return Ok(true);
        };
        let Some(mut contact) = contacts::get(turn.txn, &row.user)? else {
            return Ok(true);
        };
        let Some(list) = check_card(&row.user, &row.id, profile, |device| self.proof_of(device)) else {
            tracing::debug!(user = %row.user.short(), "a card that does not verify was dropped");
            return Ok(true);
        };
        if !self.may_follow(turn, &contact.device_list, &list)? {
            tracing::warn!(user = %row.user.short(), "a device list that does not follow the known one was dropped");
            return Ok(true);
        }
        let often = self
            .cards
            .entry(device)
            .or_insert(Allowance::new(CARD_EVERY_MS, CARDS_AT_ONCE));
        if !often.take(turn.now) {
            return Ok(false);
        }
        let before = (contact.clone(), row.clone());
        let details = CardDetails::from_ext(&profile.ext);
        let same_details = contacts::details(turn.txn, &row.user)? == details;
        self.compare_lists(turn, &contact.device_list, &list)?;
        contact.device_list = list.as_bytes().to_vec();
        contact.name.clone_from(&profile.name);
        if accepts {
            contact.state = ContactState::Accepted;
            self.asking.remove(&row.user);
            self.forget_request(turn, &row.user)?;
        }
        if let Some(certificate) = list.cert(&row.id) {
            row.certificate = certificate.as_bytes().to_vec();
        }
        row.bundle = profile.bundle.to_vec();
        row.peer = profile.peer.to_vec();
        row.addresses.clone_from(&profile.addresses);
        if same_details && before == (contact.clone(), row.clone()) {
            return Ok(true);
        }
        contacts::put_details(turn.txn, &row.user, &details);
        contacts::put(turn.txn, &contact);
        devices::put(turn.txn, &row)?;
        self.retire_missing(turn, &list)?;
        self.learn_devices(turn)?;
        if before.1.peer != row.peer
            && let Ok(old) = PeerId::from_bytes(&before.1.peer)
        {
            self.forget_peer(turn, old)?;
        }
        if let Ok(peer) = PeerId::from_bytes(&row.peer) {
            self.want_peer(turn, peer);
        }
        feed::append(turn.txn, &FeedRow::Contact { user: row.user })?;
        Ok(true)
    }
}

impl Engine {
    /// Devices that are not on their user's newest list: nothing more is meant for them, and nothing more is heard from them.
    pub(crate) fn retire_missing(&mut self, turn: &mut Turn<'_, '_>, list: &DeviceList) -> Result<(), StoreError> {
        for device in devices::of_user(turn.txn, &list.user())? {
            let Some(mut row) = devices::get(turn.txn, device)? else {
                continue;
            };
            if list.cert(&row.id).is_some() || row.is_retired() {
                continue;
            }
            tracing::info!(user = %row.user.short(), device = %row.id, "a device has left the list of its user");
            self.give_up_device(turn, device)?;
            row.retire();
            devices::put(turn.txn, &row)?;
            devices::put_left(turn.txn, device, turn.now);
            self.sessions.forget(turn, device, Which::All)?;
            self.forget_first_contact(turn, device)?;
            for waiting in outbox::of_device(turn.txn, device)? {
                outbox::remove(turn.txn, device, &waiting.id)?;
            }
            if let Some((stream, _)) = self.link_to(device) {
                self.close_stream(turn, stream);
            }
            self.forget_ephemera(device);
            self.timers.clear(Timer::OpenStream(device));
        }
        Ok(())
    }
}

impl Engine {
    /// Whether a device list may take the place of the known one, and takes no suite from a device that we know.
    pub(crate) fn may_follow(&self, turn: &Turn<'_, '_>, known: &[u8], list: &DeviceList) -> Result<bool, StoreError> {
        Ok(follows(known, list) && self.keeps_suites(turn, list.certs())?)
    }

    /// Whether certificates take no suite from a device. Lists alone do not tell: one that left and comes back is not in the last one.
    pub(crate) fn keeps_suites(&self, turn: &Turn<'_, '_>, certs: &[DeviceCert]) -> Result<bool, StoreError> {
        for cert in certs {
            let Some(no) = devices::number(turn.txn, &cert.device())? else {
                continue;
            };
            let row = devices::get(turn.txn, no)?;
            let known = row
                .and_then(|row| DeviceCert::verify_unless_known(&row.certificate, |device| self.proof_of(device)).ok());
            if known.is_some_and(|known| !cert.suites().include(known.suites())) {
                tracing::warn!(user = %cert.user().short(), device = %cert.device(), "a certificate that takes a suite from a device was dropped");
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Where we can be reached, best first: the internet, the LAN, this machine.
pub(crate) fn best_first(listening: &[Multiaddr], max: usize) -> Vec<Multiaddr> {
    let mut addresses = listening.to_vec();
    addresses.sort_by_key(|address| match parlour_net::scope(address) {
        Scope::Internet => 0,
        Scope::Lan => 1,
        Scope::Machine => 2,
    });
    addresses.truncate(max);
    addresses
}

/// The verified device list of a card that a device of `user` sent; `known` has the proofs of certificates verified before.
pub(crate) fn check_card(
    user: &UserId,
    device: &DeviceId,
    profile: &Profile,
    known: impl Fn(&DeviceId) -> Option<CertProof>,
) -> Option<DeviceList> {
    let list = DeviceList::verify_unless_known(&profile.device_list, known)
        .ok()
        .filter(|list| list.user() == *user)?;
    let certificate = list.cert(device)?;
    PrekeyBundle::verify(&profile.bundle, certificate).ok()?;
    Some(list)
}

/// Whether a device list may take the place of the known one: it is the same, or a later one that forgets no revocation and no suite. Of
/// several that were made while we were away only the last may have reached us. Nothing known: anything may.
fn follows(known: &[u8], list: &DeviceList) -> bool {
    if known == list.as_bytes() {
        return true;
    }
    match DeviceList::verify(known) {
        Ok(known) => {
            known.hash() == list.hash()
                || matches!(known.check_successor(list), Ok(()) | Err(SuccessionError::Gap { .. }))
        }
        Err(_) => known.is_empty(),
    }
}

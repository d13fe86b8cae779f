//! What time brings: new prekeys, keys to erase, tags of a new day, held events whose time has come.

use parlour_crypto::{DeviceCert, DeviceList, PrekeyBundle, PrekeySecret};
use parlour_store::meta::{self, CounterName};
use parlour_store::prekeys::{self, PrekeyRow};
use parlour_store::{StoreError, annotations, events, timeline};
use serde_bytes::ByteBuf;

use super::Engine;
use super::append::{Origin, keep_back, reveal};
use super::effects::Turn;
use super::people::own_device;
use super::timers::Timer;

const DAY_MS: u64 = 24 * 3_600_000;
/// A new signed prekey after this.
const RENEW_MS: u64 = 7 * DAY_MS;
/// A bundle says it is valid this long.
const VALID_MS: u64 = 14 * DAY_MS;
/// Secret halves live this long after a newer prekey took their place, and so do the keys of messages that have not come.
const KEEP_MS: u64 = 45 * DAY_MS;
/// How often to look.
const EVERY_MS: u64 = 60_000;
/// Marks of answered handshakes erased per look.
const MARKS_AT_ONCE: usize = 1_000;
/// Held events revealed per look.
const REVEAL_MAX: usize = 1_000;

impl Engine {
    pub(crate) fn housekeeping(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        self.renew_prekey(turn)?;
        self.purge_keys(turn)?;
        self.drop_old_requests(turn)?;
        self.drop_visitors(turn)?;
        self.forget_heard_rooms(turn)?;
        self.sessions.set_day(Self::today(turn));
        self.sessions.purge(turn, turn.now.saturating_sub(KEEP_MS));
        self.look_after_chains(turn, turn.now.saturating_sub(KEEP_MS))?;
        self.envelopes.drop_unmatched(turn.now);
        self.reveal_due(turn)?;
        self.reveal_unblocked(turn)?;
        self.erase_arrived(turn)?;
        self.tell_expired(turn)?;
        if let Some(due) = annotations::next_due(turn.txn)? {
            turn.effects.erase_at(due);
        }
        self.set_erase_timer(turn);
        self.timers.set(Timer::Housekeeping, turn.now.saturating_add(EVERY_MS));
        Ok(())
    }

    /// This device has a new certificate: contacts get it with a bundle that belongs to it.
    pub(crate) fn on_renewed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        certificate: DeviceCert,
        list: DeviceList,
    ) -> Result<(), StoreError> {
        if self.account.list.hash() == list.hash() {
            return Ok(());
        }
        self.account.certificate = certificate;
        self.account.list = list;
        own_device(turn.txn, &self.account, &self.peer)?;
        self.renew_prekey(turn)
    }

    /// Whether a bundle belongs to the certificate this device has now.
    pub(crate) fn certifies(&self, bundle: &[u8]) -> bool {
        PrekeyBundle::verify(bundle, &self.account.certificate).is_ok()
    }

    /// Makes a new signed prekey if the newest is too old or of an old certificate (or there is none), and knows the newest one's bundle.
    fn renew_prekey(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let mut rows = prekeys::all(turn.txn)?;
        for row in &mut rows {
            // Rows of older builds do not say who certifies them: as long as this certificate does, it can be added.
            if row.device_list.is_empty() && self.certifies(&row.bundle) {
                row.device_list = ByteBuf::from(self.account.list.as_bytes().to_vec());
                prekeys::put(turn.txn, row);
            }
        }
        let newest = rows.pop();
        if let Some(row) = newest
            .as_ref()
            .filter(|row| is_recent(row.issued, turn.now, RENEW_MS) && self.certifies(&row.bundle))
        {
            self.set_bundle(row.serial, &row.bundle);
            return Ok(());
        }
        let serial = u32::try_from(meta::next(turn.txn, CounterName::Prekey)?)
            .map_err(|_| StoreError::Malformed { noun: "prekey counter" })?;
        let secret = PrekeySecret::generate(&mut self.rng, serial);
        let account = &self.account;
        let bundle: PrekeyBundle = secret.bundle(
            &account.keys,
            &account.certificate,
            turn.now,
            turn.now.saturating_add(VALID_MS),
        );
        let row = PrekeyRow {
            serial,
            secret: ByteBuf::from(secret.to_bytes().to_vec()),
            bundle: ByteBuf::from(bundle.as_bytes().to_vec()),
            issued: turn.now,
            superseded: None,
            device_list: ByteBuf::from(account.list.as_bytes().to_vec()),
        };
        prekeys::put(turn.txn, &row);
        if let Some(mut old) = newest {
            old.superseded = Some(turn.now);
            prekeys::put(turn.txn, &old);
        }
        self.set_bundle(serial, &row.bundle);
        self.card_changed(turn.now);
        Ok(())
    }

    fn set_bundle(&mut self, serial: u32, bundle: &[u8]) {
        self.bundle_serial = serial;
        self.bundle = bundle.to_vec();
        self.bundle_hash = PrekeyBundle::hash_of(bundle);
    }

    fn purge_keys(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for row in prekeys::all(turn.txn)? {
            if row.superseded.is_some_and(|at| !is_recent(at, turn.now, KEEP_MS)) {
                prekeys::erase(turn.txn, row.serial, MARKS_AT_ONCE)?;
                self.prekey.take_if(|kept| kept.serial() == row.serial);
            }
        }
        for id in prekeys::expired_one_time(turn.txn, turn.now)? {
            prekeys::delete_one_time(turn.txn, id);
        }
        Ok(())
    }

    fn reveal_due(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for (due, key) in timeline::due(turn.txn, turn.now, REVEAL_MAX)? {
            timeline::release(turn.txn, due, &key);
            if let Some(event) = events::get(turn.txn, &key)? {
                match self.origin_of(key.log.device) {
                    Origin::Blocked => keep_back(turn, &key, &event)?,
                    origin => {
                        reveal(turn, &key, &event, origin)?;
                        self.wake_conversation(turn, key.log.conversation, &event)?;
                        self.count_mention(turn, key.log.conversation, &event)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Shows what users said in rooms while they were blocked, and no longer are.
    fn reveal_unblocked(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        if !self.unblocked {
            return Ok(());
        }
        let wanted = |device| !self.is_blocked_device(device);
        let keys = timeline::unblocked(turn.txn, wanted, REVEAL_MAX)?;
        self.unblocked = keys.len() >= REVEAL_MAX;
        for key in keys {
            timeline::release(turn.txn, timeline::UNTIL_UNBLOCKED, &key);
            if let Some(event) = events::get(turn.txn, &key)? {
                reveal(turn, &key, &event, Origin::Unblocked)?;
                self.wake_conversation(turn, key.log.conversation, &event)?;
                self.count_mention(turn, key.log.conversation, &event)?;
            }
        }
        Ok(())
    }
}

/// Whether something happened within `age`. What comes from a clock that was far ahead did not.
fn is_recent(at: u64, now: u64, age: u64) -> bool {
    now.saturating_sub(at) <= age && at.saturating_sub(now) <= age
}

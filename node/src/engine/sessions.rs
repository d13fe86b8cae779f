//! The account's ratchet sessions in memory, found by the tag of an envelope. Every change is written into the turn's batch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parlour_crypto::{EXT_REFRESH, Ext, Session, SessionId};
use parlour_store::sessions::{self, SessionInfo};
use parlour_store::{DeviceNo, StoreError};

use super::effects::Turn;

/// Sessions kept per pair of devices.
const MAX_PER_DEVICE: usize = 5;

/// Whether the ext of a `ContactHello` or a stream's `Hello` says that its sender takes part in refreshes.
pub(crate) fn takes_part_in_refreshes(ext: &Ext) -> bool {
    ext.iter().any(|(number, _)| *number == EXT_REFRESH)
}

/// Which of a device's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    Confirmed,
    Unconfirmed,
}

struct Entry {
    info: SessionInfo,
    session: Session,
}

/// All sessions, and the tags by which their envelopes are known today.
#[derive(Default)]
pub(crate) struct Sessions {
    entries: BTreeMap<SessionId, Entry>,
    tags: HashMap<[u8; 8], SessionId>,
    today: u16,
    /// The day of the last look for old keys.
    purged: u16,
    /// A session has been refreshed since this was last asked.
    refreshed: bool,
}

impl Sessions {
    pub(crate) fn new(loaded: Vec<(SessionInfo, Session)>, today: u16) -> Self {
        let entries = loaded
            .into_iter()
            .map(|(info, session)| (session.id(), Entry { info, session }))
            .collect();
        let mut sessions = Self {
            entries,
            tags: HashMap::new(),
            today,
            purged: 0,
            refreshed: false,
        };
        sessions.learn_tags();
        sessions
    }

    /// Computes the tags of a new day.
    pub(crate) fn set_day(&mut self, today: u16) {
        if today != self.today {
            self.today = today;
            self.learn_tags();
        }
    }

    /// Once a day: erases the keys of messages that were skipped before `before`, ms, and never came.
    pub(crate) fn purge(&mut self, turn: &mut Turn<'_, '_>, before: u64) {
        if self.purged == self.today {
            return;
        }
        self.purged = self.today;
        for entry in self.entries.values_mut() {
            if entry.session.purge(before) {
                sessions::save(turn.txn, &entry.info, &mut entry.session);
            }
        }
    }

    fn learn_tags(&mut self) {
        self.tags.clear();
        for (id, entry) in &self.entries {
            for day in self.today.saturating_sub(1)..=self.today.saturating_add(1) {
                self.tags.insert(entry.session.tag_in(day), *id);
            }
        }
    }

    /// The session whose envelopes carry this tag.
    pub(crate) fn by_tag(&self, tag: &[u8; 8]) -> Option<SessionId> {
        self.tags.get(tag).copied()
    }

    pub(crate) fn device(&self, id: &SessionId) -> Option<DeviceNo> {
        self.entries.get(id).map(|entry| entry.info.device)
    }

    /// The session to send on: of the confirmed ones the one with the smallest id, so that both sides choose alike.
    pub(crate) fn confirmed(&self, device: DeviceNo) -> Option<SessionId> {
        self.of_device(device)
            .find(|(_, entry)| entry.info.confirmed)
            .map(|(id, _)| *id)
    }

    /// The session to prove ourselves with: a confirmed one, else the newest.
    pub(crate) fn any(&self, device: DeviceNo) -> Option<SessionId> {
        self.confirmed(device).or_else(|| {
            self.of_device(device)
                .max_by_key(|(_, entry)| entry.info.created)
                .map(|(id, _)| *id)
        })
    }

    /// Whether there was a refresh since this was last asked.
    pub(crate) fn take_refreshed(&mut self) -> bool {
        std::mem::take(&mut self.refreshed)
    }

    /// How many refreshes the sessions with a device have had.
    pub(crate) fn refreshes(&self, device: DeviceNo) -> u32 {
        self.of_device(device)
            .fold(0, |sum, (_, entry)| entry.session.refreshes().saturating_add(sum))
    }

    /// All devices with a session.
    pub(crate) fn devices(&self) -> BTreeSet<DeviceNo> {
        self.entries.values().map(|entry| entry.info.device).collect()
    }

    /// Every device with a session, and when the newest one was made, ms.
    pub(crate) fn newest(&self) -> BTreeMap<DeviceNo, u64> {
        let mut newest = BTreeMap::new();
        for entry in self.entries.values() {
            let created: &mut u64 = newest.entry(entry.info.device).or_default();
            *created = (*created).max(entry.info.created);
        }
        newest
    }

    fn of_device(&self, device: DeviceNo) -> impl Iterator<Item = (&SessionId, &Entry)> {
        self.entries
            .iter()
            .filter(move |(_, entry)| entry.info.device == device)
    }

    pub(crate) fn get(&self, id: &SessionId) -> Option<&Session> {
        self.entries.get(id).map(|entry| &entry.session)
    }

    /// Every session with one of these devices.
    pub(crate) fn with(&self, devices: &[DeviceNo]) -> impl Iterator<Item = &Session> {
        let wanted = move |entry: &&Entry| devices.contains(&entry.info.device);
        self.entries.values().filter(wanted).map(|entry| &entry.session)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.entries.values().map(|entry| &entry.session)
    }

    /// Adds a new session and writes it; the oldest unneeded one of the device goes if there are too many.
    pub(crate) fn insert(
        &mut self,
        turn: &mut Turn<'_, '_>,
        info: SessionInfo,
        mut session: Session,
    ) -> Result<(), StoreError> {
        sessions::save(turn.txn, &info, &mut session);
        self.entries.insert(session.id(), Entry { info, session });
        while self.of_device(info.device).count() > MAX_PER_DEVICE {
            let victim = self
                .of_device(info.device)
                .min_by_key(|(_, entry)| (entry.info.confirmed, entry.info.created))
                .map(|(id, _)| *id);
            let Some(victim) = victim else { break };
            self.entries.remove(&victim);
            sessions::delete(turn.txn, &victim)?;
        }
        self.learn_tags();
        Ok(())
    }

    /// Forgets sessions with a device.
    pub(crate) fn forget(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo, which: Which) -> Result<(), StoreError> {
        let gone: Vec<SessionId> = self
            .of_device(device)
            .filter(|(_, entry)| match which {
                Which::All => true,
                Which::Confirmed => entry.info.confirmed,
                Which::Unconfirmed => !entry.info.confirmed,
            })
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.entries.remove(&id);
            sessions::delete(turn.txn, &id)?;
        }
        self.learn_tags();
        Ok(())
    }

    /// Changes a session through `change` and writes it, if `change` succeeds.
    pub(crate) fn update<T, E>(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: &SessionId,
        change: impl FnOnce(&mut Session) -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        let entry = self.entries.get_mut(id)?;
        let before = entry.session.refreshes();
        let result = change(&mut entry.session);
        self.refreshed |= entry.session.refreshes() != before;
        if result.is_ok() {
            sessions::save(turn.txn, &entry.info, &mut entry.session);
        }
        Some(result)
    }

    /// A device has said that it takes part in refreshes.
    pub(crate) fn know_refresh(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) {
        for entry in self.entries.values_mut().filter(|entry| entry.info.device == device) {
            if entry.session.know_refresh() {
                sessions::save(turn.txn, &entry.info, &mut entry.session);
            }
        }
    }

    /// The other side has shown that it has the session; `true` if that is news.
    pub(crate) fn confirm(&mut self, turn: &mut Turn<'_, '_>, id: &SessionId) -> bool {
        match self.entries.get_mut(id) {
            Some(entry) if !entry.info.confirmed => {
                entry.info.confirmed = true;
                sessions::save(turn.txn, &entry.info, &mut entry.session);
                true
            }
            _ => false,
        }
    }
}

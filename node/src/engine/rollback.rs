//! A disk that lost something, or was put back to an earlier state: noticed by the lower bounds in the head file, by the
//! store's own report, or by what others hold of our logs. The way on is a new log, so that no number is used twice, and after damage
//! new sessions; what is missing comes back by sync. Nothing waits for it. An earlier state goes on with its sessions: the key of each
//! message is also made of a nonce of its own, so that none is used twice.
//!
//! A copy of the disk that runs beside this one looks the same at first: it writes in our name. That is told apart by the time, since
//! what this disk has lost was written before this process began.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::Intervals;
use parlour_store::meta::{self, CounterName};
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, Read, StoreError, conversations, logs};

use super::Engine;
use super::effects::Turn;
use super::rooms::OPERATIONS;
use super::sessions::Which;

/// A new log is one of so many above the highest known.
const NEW_LOG_STEPS: u64 = 8;
/// Of a copy that was silent for so long the next word is news again.
const FORGET_COPY_MS: u64 = 24 * 3_600_000;

const LOG_MARK: &[u8] = b"log";

/// The name of a log's lower bound in the head file: `log`, conversation u32, device u32, log number u32.
pub(crate) fn head_mark(log: &LogKey) -> Vec<u8> {
    let mut name = LOG_MARK.to_vec();
    for part in [log.conversation.0, log.device.0, log.log] {
        name.extend_from_slice(&part.to_be_bytes());
    }
    name
}

fn parse_mark(name: &[u8]) -> Option<LogKey> {
    let rest = name.strip_prefix(LOG_MARK)?;
    let mut numbers = rest
        .chunks_exact(4)
        .filter_map(|part| Some(u32::from_be_bytes(part.try_into().ok()?)));
    let (conversation, device, log) = (numbers.next()?, numbers.next()?, numbers.next()?);
    Some(LogKey {
        conversation: ConversationNo(conversation),
        device: DeviceNo(device),
        log,
    })
}

/// Whether any log holds less than the head file says it held.
pub(crate) fn logs_are_short(read: &impl Read, marks: &BTreeMap<Vec<u8>, u64>) -> Result<bool, StoreError> {
    let mut short = false;
    for (log, bound) in marks
        .iter()
        .filter_map(|(name, bound)| Some((parse_mark(name)?, *bound)))
    {
        let held = logs::get(read, &log)?.have.count();
        if held < bound {
            tracing::error!(
                conversation = log.conversation.0,
                device = log.device.0,
                held,
                expected = bound,
                "messages are missing from this disk; they are fetched again from others"
            );
            short = true;
        }
    }
    Ok(short)
}

impl Engine {
    /// The disk has lost something: a new log, and new sessions with everybody.
    pub(crate) fn begin_after_damage(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        self.begin_log(turn)?;
        let devices: Vec<DeviceNo> = self.known.keys().copied().collect();
        for device in devices {
            self.sessions.forget(turn, device, Which::All)?;
        }
        Ok(())
    }

    /// Others have given us an event of this device that is not on this disk.
    ///
    /// In the log we write in, it claims numbers that we would give out again: we go on in another. In any other log nothing is in its
    /// way, and we stay: where two copies of one disk are alive, each writes in a log of its own, and neither drives the other on.
    pub(crate) fn on_own_event_returned(
        &mut self,
        turn: &mut Turn<'_, '_>,
        key: &EventKey,
        clock: u64,
    ) -> Result<(), StoreError> {
        if clock > self.began {
            self.note_other_copy(turn, clock)?;
        }
        if key.branch > 0 {
            self.doubt_delivery(turn, key)?;
        }
        if key.log.log & !OPERATIONS == self.own_log {
            self.suspect_rollback(turn)?;
        }
        Ok(())
    }

    /// Two events of ours have one number, and whoever said that they hold the number may have meant the other: both are given to
    /// everybody again.
    fn doubt_delivery(&mut self, turn: &mut Turn<'_, '_>, key: &EventKey) -> Result<(), StoreError> {
        let EventKey { log, seq, .. } = *key;
        let Some(members) = self.members(turn, log.conversation)? else {
            return Ok(());
        };
        let number = Intervals::range(seq, seq);
        for &device in &members.recipients {
            let mut row = logs::delivery(turn.txn, &log, device)?;
            if row.acked.contains(seq) {
                row.acked = row.acked.difference(&number);
                logs::put_delivery(turn.txn, &log, device, &row);
            }
        }
        for stream in self.links_sharing(turn, log.conversation)? {
            if let Some(link) = self.link(stream) {
                let theirs = link.peer_has.entry(log).or_default();
                *theirs = theirs.difference(&number);
                link.want_log(log);
            }
        }
        Ok(())
    }

    /// A later state of our own log is out there than the one on this disk: goes on in a new log, so that no number is
    /// used twice.
    pub(crate) fn suspect_rollback(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        tracing::warn!(
            log = self.own_log,
            "others hold messages of ours that this disk has lost; going on in a new log"
        );
        self.begin_log(turn)
    }

    /// The new number is above all that are known, by an amount that another copy of this disk is not likely to draw as well.
    fn begin_log(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let mut highest = self.own_log;
        for (no, _) in conversations::all(turn.txn)? {
            let logs = logs::of_conversation(turn.txn, no)?;
            let own = logs.iter().filter(|(log, _)| log.device == self.own.device);
            highest = own.map(|(log, _)| log.log & !OPERATIONS).fold(highest, u32::max);
        }
        let step = u32::try_from(self.random() % NEW_LOG_STEPS)
            .unwrap_or(0)
            .saturating_add(1);
        self.past_logs.push(self.own_log);
        self.own_log = highest.saturating_add(step);
        meta::set_counter(turn.txn, CounterName::OwnLog, u64::from(self.own_log));
        meta::set_counter(turn.txn, CounterName::RolledBack, turn.now);
        self.forget_own_chains(turn)
    }

    /// Something was written with this device's keys after this process began, and not by it.
    fn note_other_copy(&mut self, turn: &mut Turn<'_, '_>, clock: u64) -> Result<(), StoreError> {
        let last = meta::counter(turn.txn, CounterName::OtherCopyLast)?;
        if last == 0 || clock.saturating_sub(last) > FORGET_COPY_MS {
            tracing::error!(
                "another copy of this data directory is running: it writes in this device's name; stop one of the two"
            );
            meta::set_counter(turn.txn, CounterName::OtherCopySince, clock);
        }
        meta::set_counter(turn.txn, CounterName::OtherCopyLast, last.max(clock));
        Ok(())
    }

    /// Reads which logs of this device there are below the current one: what is in them may still have to be published.
    pub(crate) fn learn_past_logs(&mut self, turn: &Turn<'_, '_>) -> Result<(), StoreError> {
        let mut past = BTreeSet::new();
        if self.own_log > 1 {
            for (no, _) in conversations::all(turn.txn)? {
                let logs = logs::of_conversation(turn.txn, no)?;
                let own = logs.iter().filter(|(log, _)| log.device == self.own.device);
                past.extend(
                    own.map(|(log, _)| log.log & !OPERATIONS)
                        .filter(|log| *log < self.own_log),
                );
            }
        }
        self.past_logs = past.into_iter().collect();
        Ok(())
    }
}

/// When another copy of this disk was noticed, ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OtherCopy {
    /// The first thing it wrote.
    pub(crate) since: u64,
    /// The newest.
    pub(crate) last: u64,
}

/// Whether another copy of this disk was ever seen to be alive.
pub(crate) fn other_copy(read: &impl Read) -> Result<Option<OtherCopy>, StoreError> {
    let (since, last) = (
        meta::counter(read, CounterName::OtherCopySince)?,
        meta::counter(read, CounterName::OtherCopyLast)?,
    );
    Ok((last > 0).then_some(OtherCopy { since, last }))
}

/// When this disk was last found to be an earlier state, or to have lost something, ms; 0 = never.
pub(crate) fn rolled_back(read: &impl Read) -> Result<u64, StoreError> {
    meta::counter(read, CounterName::RolledBack)
}

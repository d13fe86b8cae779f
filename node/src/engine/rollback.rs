//! A disk that lost something, or was put back to an earlier state: noticed by the lower bounds in the head file, by the
//! store's own report, or by what others hold of our logs. The way on is a new log and new sessions, so that no number and no
//! key is used twice; what is missing comes back by sync. Nothing waits for it.

use std::collections::BTreeMap;

use parlour_store::meta::{self, CounterName};
use parlour_store::{ConversationNo, DeviceNo, LogKey, Read, StoreError, logs};

use super::Engine;
use super::effects::Turn;
use super::sessions::Which;

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
        self.suspect_rollback(turn, self.own_log)?;
        let devices: Vec<DeviceNo> = self.known.keys().copied().collect();
        for device in devices {
            self.sessions.forget(turn, device, Which::All)?;
        }
        Ok(())
    }

    /// A later state of our own log is out there than the one on this disk: goes on in a new log, so that no number is
    /// used twice.
    pub(crate) fn suspect_rollback(&mut self, turn: &mut Turn<'_, '_>, log: u32) -> Result<(), StoreError> {
        if log < self.own_log {
            return Ok(());
        }
        self.own_log = log.saturating_add(1);
        tracing::warn!(
            log = self.own_log,
            "others hold messages of ours that this disk has lost; going on in a new log"
        );
        meta::set_counter(turn.txn, CounterName::OwnLog, u64::from(self.own_log));
        self.forget_own_chains(turn)
    }
}

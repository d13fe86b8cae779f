//! What a session keeps for messages that are late: keys that were skipped, and the header keys of old chains.
//! Each is a record of its own on disk, so that one message writes few bytes (PROTOCOL.md section 5).
//!
//! Keys are only ever added for the newest chains, in ascending order: (chain, n) is therefore also the order of age.
//! An old chain lives as long as a key of it does.
//!
//! ```text
//! record key   = kind u8 || chain u64 || n u32          kind 1: skipped key; kind 2: old chain, n = 0; kind 3: `refresh`
//! skipped key  = message key 32 || since u64            since: ms, when it was skipped
//! old chain    = header key 32
//! ```
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::chain::{Gap, ReceivingChain};
use super::keys::{HeaderKey, MessageKey};
use super::message::{Header, Sealed};
use super::{LoadError, MAX_OLD_CHAINS, MAX_SKIPPED, OpenError};
use crate::codec::ByteReader;

/// Width of a [`RecordKey`].
const RECORD_KEY: usize = 13;

const KIND_SKIPPED: u8 = 1;
const KIND_OLD_CHAIN: u8 = 2;

/// Names one record of a session; the session's id is not part of it.
pub type RecordKey = [u8; RECORD_KEY];

/// One record of a session to put, or to delete where `value` is absent.
pub struct RecordChange {
    /// Which record.
    pub key: RecordKey,
    /// Its new content, a secret.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for RecordChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verb = if self.value.is_some() { "put" } else { "delete" };
        f.debug_struct("RecordChange")
            .field("key", &self.key)
            .field("verb", &verb)
            .finish()
    }
}

/// Boxed, so that a tree that shifts its entries leaves no copies of the key behind.
struct SkippedKey {
    key: Box<MessageKey>,
    since: u64,
}

/// Skipped keys and old chains of one session.
#[derive(Default)]
pub(super) struct Past {
    skipped: BTreeMap<(u64, u32), SkippedKey>,
    chains: BTreeMap<u64, HeaderKey>,
    changed: BTreeSet<RecordKey>,
}

impl Past {
    /// The old chain a message belongs to and its header; the newest chains are tried first.
    pub(super) fn find(&self, sealed: &Sealed<'_>) -> Result<Option<(u64, Header)>, OpenError> {
        for (&chain, key) in self.chains.iter().rev() {
            if let Some(header) = sealed.header(key)? {
                return Ok(Some((chain, header)));
            }
        }
        Ok(None)
    }

    /// The skipped key of message `n` of `chain`.
    pub(super) fn key(&self, chain: u64, n: u32) -> Option<&MessageKey> {
        self.skipped.get(&(chain, n)).map(|skipped| &*skipped.key)
    }

    /// Forgets a key that was used.
    pub(super) fn spend(&mut self, chain: u64, n: u32) {
        if self.skipped.remove(&(chain, n)).is_some() {
            self.changed.insert(record_key(KIND_SKIPPED, chain, n));
            self.forget_if_empty(chain);
        }
    }

    /// Keeps the keys of `gap`; the oldest of all go when there are too many.
    pub(super) fn keep(&mut self, chain: u64, gap: Gap, now: u64) {
        for (n, key) in gap {
            self.skipped.insert((chain, n), SkippedKey { key, since: now });
            self.changed.insert(record_key(KIND_SKIPPED, chain, n));
        }
        while self.skipped.len() > MAX_SKIPPED
            && let Some(((chain, n), _)) = self.skipped.pop_first()
        {
            self.changed.insert(record_key(KIND_SKIPPED, chain, n));
            self.forget_if_empty(chain);
        }
    }

    /// Takes in a chain that was the current one, with the keys of its last messages.
    pub(super) fn retire(&mut self, chain: ReceivingChain, gap: Gap, now: u64) {
        let number = chain.number;
        self.chains.insert(number, chain.header_key);
        self.changed.insert(record_key(KIND_OLD_CHAIN, number, 0));
        self.keep(number, gap, now);
        self.forget_if_empty(number);
        while self.chains.len() > MAX_OLD_CHAINS
            && let Some((number, _)) = self.chains.pop_first()
        {
            self.changed.insert(record_key(KIND_OLD_CHAIN, number, 0));
            while let Some((&(chain, n), _)) = self.skipped.range(keys_of(number)).next() {
                self.skipped.remove(&(chain, n));
                self.changed.insert(record_key(KIND_SKIPPED, chain, n));
            }
        }
    }

    /// Forgets keys skipped before `before`, ms, and chains left without one. Returns whether there were any.
    pub(super) fn purge(&mut self, before: u64) -> bool {
        let old: Vec<_> = self
            .skipped
            .iter()
            .filter(|(_, key)| key.since < before)
            .map(|(&at, _)| at)
            .collect();
        for &(chain, n) in &old {
            self.spend(chain, n);
        }
        !old.is_empty()
    }

    /// The records that differ from those on disk.
    pub(super) fn take_changes(&mut self) -> Vec<RecordChange> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .map(|key| RecordChange {
                key,
                value: self.value(&key),
            })
            .collect()
    }

    /// Takes in one record from disk.
    pub(super) fn restore(&mut self, key: &RecordKey, value: &[u8]) -> Result<(), LoadError> {
        let (kind, chain, n) = parse_record_key(key).ok_or(LoadError::Malformed)?;
        let mut reader = ByteReader::new(value);
        let secret = reader.array().ok_or(LoadError::Malformed)?;
        match kind {
            KIND_SKIPPED => {
                let since = reader.u64().ok_or(LoadError::Malformed)?;
                let key = Box::new(MessageKey::new(secret));
                self.skipped.insert((chain, n), SkippedKey { key, since });
            }
            KIND_OLD_CHAIN if n == 0 => {
                self.chains.insert(chain, HeaderKey::new(secret));
            }
            _ => return Err(LoadError::Malformed),
        }
        if reader.is_empty() {
            Ok(())
        } else {
            Err(LoadError::Malformed)
        }
    }

    /// Whether the records fit each other and the current chain, as `(number, n)` of its next message.
    pub(super) fn check(&self, current: Option<(u64, u32)>) -> Result<(), LoadError> {
        let next = current.map_or(0, |(number, _)| number);
        let in_range = self.skipped.len() <= MAX_SKIPPED && self.chains.len() <= MAX_OLD_CHAINS;
        let chains = self.chains.keys().all(|&number| number < next && self.has_keys(number));
        let keys = self.skipped.keys().all(|&(chain, n)| {
            self.chains.contains_key(&chain) || current.is_some_and(|(number, next)| number == chain && n < next)
        });
        if in_range && chains && keys {
            Ok(())
        } else {
            Err(LoadError::Inconsistent)
        }
    }

    fn value(&self, key: &RecordKey) -> Option<Zeroizing<Vec<u8>>> {
        let (kind, chain, n) = parse_record_key(key)?;
        if kind == KIND_OLD_CHAIN {
            return self
                .chains
                .get(&chain)
                .map(|key| Zeroizing::new(key.as_bytes().to_vec()));
        }
        self.skipped.get(&(chain, n)).map(|skipped| {
            let mut value = Zeroizing::new(Vec::with_capacity(40));
            value.extend_from_slice(skipped.key.as_bytes());
            value.extend_from_slice(&skipped.since.to_be_bytes());
            value
        })
    }

    fn has_keys(&self, chain: u64) -> bool {
        self.skipped.range(keys_of(chain)).next().is_some()
    }

    fn forget_if_empty(&mut self, chain: u64) {
        if !self.has_keys(chain) && self.chains.remove(&chain).is_some() {
            self.changed.insert(record_key(KIND_OLD_CHAIN, chain, 0));
        }
    }
}

fn keys_of(chain: u64) -> std::ops::RangeInclusive<(u64, u32)> {
    (chain, 0)..=(chain, u32::MAX)
}

fn record_key(kind: u8, chain: u64, n: u32) -> RecordKey {
    let ([c0, c1, c2, c3, c4, c5, c6, c7], [n0, n1, n2, n3]) = (chain.to_be_bytes(), n.to_be_bytes());
    [kind, c0, c1, c2, c3, c4, c5, c6, c7, n0, n1, n2, n3]
}

fn parse_record_key(key: &RecordKey) -> Option<(u8, u64, u32)> {
    let mut reader = ByteReader::new(key);
    Some((reader.u8()?, reader.u64()?, reader.u32()?))
}

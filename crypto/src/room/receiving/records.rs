//! A sender's chains as records on disk.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::{CHAIN_MESSAGES, Chain, ChainSender, MAX_CHAINS, Skipped};
use crate::codec::ByteReader;
use crate::device::DeviceCert;
use crate::ids::ConversationId;
use crate::ratchet::{ChainKey, HeaderKey, MAX_SKIPPED, MessageKey, Position, RecordChange, RecordKey};
use crate::room::certificate::ChainCert;
use crate::room::shared::ChainKeys;
use std::collections::BTreeMap;
use thiserror::Error;
use zeroize::Zeroizing;

const KIND_CHAIN: u8 = 1;
const KIND_POSITION: u8 = 2;
const KIND_SKIPPED: u8 = 3;

pub(super) fn chain(number: u64) -> RecordKey {
    key(KIND_CHAIN, number, 0)
}

pub(super) fn position(number: u64) -> RecordKey {
    key(KIND_POSITION, number, 0)
}

pub(super) fn skipped(number: u64, n: u32) -> RecordKey {
    key(KIND_SKIPPED, number, n)
}

fn key(kind: u8, chain: u64, n: u32) -> RecordKey {
    let ([c0, c1, c2, c3, c4, c5, c6, c7], [n0, n1, n2, n3]) = (chain.to_be_bytes(), n.to_be_bytes());
    [kind, c0, c1, c2, c3, c4, c5, c6, c7, n0, n1, n2, n3]
}

fn parse(key: &RecordKey) -> Option<(u8, u64, u32)> {
    let mut reader = ByteReader::new(key);
    Some((reader.u8()?, reader.u64()?, reader.u32()?))
}

/// What the record of a chain holds.
struct Fixed {
    by_owner: bool,
    first: u32,
    header: HeaderKey,
    tag: Zeroizing<[u8; 32]>,
    cert: ChainCert,
}

impl Fixed {
    fn read(value: &[u8]) -> Option<Self> {
        let mut reader = ByteReader::new(value);
        let by_owner = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let first = reader.u32()?;
        let keys = ChainKeys {
            chain: [0; 32],
            header: reader.array()?,
            tag: reader.array()?,
        };
        let cert = ChainCert::restore(reader.rest()).ok()?;
        (*cert.keys() == keys.commitment()).then(|| Self {
            by_owner,
            first,
            header: HeaderKey::new(keys.header),
            tag: Zeroizing::new(keys.tag),
            cert,
        })
    }
}

impl ChainSender {
    /// The records that have changed since this was last asked, in the order of their keys.
    #[must_use = "changes that are not written are lost"]
    pub fn take_changes(&mut self) -> Vec<RecordChange> {
        let changed = std::mem::take(&mut self.changed);
        let with_value = |key| RecordChange {
            key,
            value: self.value(&key),
        };
        changed.into_iter().map(with_value).collect()
    }

    /// Rebuilds what [`take_changes`](Self::take_changes) wrote, from all of its records.
    ///
    /// # Errors
    /// `Malformed`: not records this version wrote. `Inconsistent`: of different times, or another sender's.
    pub fn load(
        room: ConversationId,
        owner: &DeviceCert,
        records: impl IntoIterator<Item = (RecordKey, Zeroizing<Vec<u8>>)>,
    ) -> Result<Self, SenderLoadError> {
        let mut sender = Self::new(room, owner).ok_or(SenderLoadError::Inconsistent)?;
        let (mut chains, mut positions) = (BTreeMap::new(), BTreeMap::new());
        for (key, value) in records {
            let (kind, number, n) = parse(&key).ok_or(SenderLoadError::Malformed)?;
            match kind {
                KIND_CHAIN if n == 0 => {
                    drop(chains.insert(number, Fixed::read(&value).ok_or(SenderLoadError::Malformed)?))
                }
                KIND_POSITION if n == 0 => {
                    drop(positions.insert(number, read_position(&value).ok_or(SenderLoadError::Malformed)?))
                }
                KIND_SKIPPED => {
                    let skipped = read_skipped(&value).ok_or(SenderLoadError::Malformed)?;
                    sender.skipped.insert((number, n), skipped);
                }
                _ => return Err(SenderLoadError::Malformed),
            }
        }
        for (number, fixed) in chains {
            let position = positions.remove(&number).ok_or(SenderLoadError::Inconsistent)?;
            let chain = Chain {
                cert: fixed.cert,
                header_key: fixed.header,
                tag_key: fixed.tag,
                first: fixed.first,
                position,
                by_owner: fixed.by_owner,
            };
            sender.chains.insert(number, chain);
        }
        if positions.is_empty() && sender.is_consistent() {
            Ok(sender)
        } else {
            Err(SenderLoadError::Inconsistent)
        }
    }

    fn is_consistent(&self) -> bool {
        let chains = self.chains.values().all(|chain| {
            let cert = &chain.cert;
            cert.room() == self.room && cert.device() == self.device && chain.first <= chain.position.n
        });
        let keys = self.skipped.keys().all(|&(number, n)| {
            let chain = self.chains.get(&number);
            chain.is_some_and(|chain| (chain.first..chain.position.n).contains(&n))
        });
        chains && keys && self.chains.len() <= MAX_CHAINS && self.skipped.len() <= MAX_SKIPPED
    }

    fn value(&self, key: &RecordKey) -> Option<Zeroizing<Vec<u8>>> {
        let (kind, number, n) = parse(key)?;
        let mut value = Zeroizing::new(Vec::with_capacity(512));
        if kind == KIND_SKIPPED {
            let skipped = self.skipped.get(&(number, n))?;
            value.extend_from_slice(skipped.key.as_bytes());
            value.extend_from_slice(&skipped.since.to_be_bytes());
            return Some(value);
        }
        let chain = self.chains.get(&number)?;
        if kind == KIND_POSITION {
            value.extend_from_slice(chain.position.key.as_bytes());
            value.extend_from_slice(&chain.position.n.to_be_bytes());
        } else {
            value.push(u8::from(chain.by_owner));
            value.extend_from_slice(&chain.first.to_be_bytes());
            value.extend_from_slice(chain.header_key.as_bytes());
            value.extend_from_slice(chain.tag_key.as_slice());
            value.extend_from_slice(chain.cert.as_bytes());
        }
        Some(value)
    }
}

fn read_position(value: &[u8]) -> Option<Position> {
    let mut reader = ByteReader::new(value);
    let key = ChainKey::new(reader.array()?);
    let n = reader.u32().filter(|&n| n <= CHAIN_MESSAGES)?;
    reader.is_empty().then_some(Position { key, n })
}

fn read_skipped(value: &[u8]) -> Option<Skipped> {
    let mut reader = ByteReader::new(value);
    let key = Box::new(MessageKey::new(reader.array()?));
    let since = reader.u64()?;
    reader.is_empty().then_some(Skipped { key, since })
}

/// Why stored chains were not loaded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SenderLoadError {
    /// Not the form of a record.
    #[error("a record of a sender chain is malformed")]
    Malformed,
    /// Records that do not belong together.
    #[error("the records of the sender chains do not fit each other")]
    Inconsistent,
}

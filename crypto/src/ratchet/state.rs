//! The part of a session's state that changes with every message, as bytes on disk.
//!
//! ```text
//! root 32 || next sending header key 32 || next receiving header key 32
//! || 1 || ratchet secret 32 || ratchet key 32 || header key 32 || chain key 32 || n u32 || previous u32
//!  | 2 || remote ratchet key 32 || previous u32
//! || 0 | 1 || chain number u64 || header key 32 || chain key 32 || n u32
//! || state of refreshes
//! ```
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use x25519_dalek::PublicKey;
use zeroize::Zeroizing;

use super::chain::{Position, ReceivingChain, SendingChain};
use super::keys::{ChainKey, HeaderKey, RatchetKey, RootKey};
use super::past::{Past, RecordKey};
use super::refresh::{KIND_REFRESH, MAX_REFRESH, Refresh, Role};
use super::{LoadError, MAX_CHAIN, Ratchet, Sending};
use crate::codec::ByteReader;

/// The most bytes [`Ratchet::write`] appends.
pub(crate) const MAX_STATE: usize = 3 * 32 + (1 + 4 * 32 + 8) + (1 + 8 + 2 * 32 + 4) + MAX_REFRESH;

const ACTIVE: u8 = 1;
const OWED: u8 = 2;
const NONE: u8 = 0;
const SOME: u8 = 1;

impl Ratchet {
    /// Appends everything but the records.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.root.as_bytes());
        out.extend_from_slice(self.next_sending_header.as_bytes());
        out.extend_from_slice(self.next_receiving_header.as_bytes());
        match &self.sending {
            Sending::Active { own, chain } => {
                out.push(ACTIVE);
                out.extend_from_slice(own.secret().as_bytes());
                out.extend_from_slice(own.public().as_bytes());
                out.extend_from_slice(chain.header_key.as_bytes());
                out.extend_from_slice(chain.key.as_bytes());
                out.extend_from_slice(&chain.n.to_be_bytes());
                out.extend_from_slice(&chain.previous.to_be_bytes());
            }
            Sending::Owed { remote, previous } => {
                out.push(OWED);
                out.extend_from_slice(remote.as_bytes());
                out.extend_from_slice(&previous.to_be_bytes());
            }
        }
        match &self.receiving {
            None => out.push(NONE),
            Some(chain) => {
                out.push(SOME);
                out.extend_from_slice(&chain.number.to_be_bytes());
                out.extend_from_slice(chain.header_key.as_bytes());
                out.extend_from_slice(chain.position.key.as_bytes());
                out.extend_from_slice(&chain.position.n.to_be_bytes());
            }
        }
        self.refresh.write(out);
    }

    /// Rebuilds the state from what [`write`](Self::write) wrote and the records. `refreshes` is `false` for what a version wrote
    /// that had none: such a state ends before them.
    pub(crate) fn load(
        state: &[u8],
        role: Role,
        refreshes: bool,
        records: impl IntoIterator<Item = (RecordKey, Zeroizing<Vec<u8>>)>,
    ) -> Result<Self, LoadError> {
        let mut reader = ByteReader::new(state);
        let mut ratchet = read_state(&mut reader, role).ok_or(LoadError::Malformed)?;
        let mut of_refresh = None;
        for (key, value) in records {
            match key {
                [KIND_REFRESH, rest @ ..] if rest == [0; 12] => of_refresh = Some(value),
                _ => ratchet.past.restore(&key, &value)?,
            }
        }
        if refreshes {
            ratchet.refresh = Refresh::read_state(&mut reader, role, of_refresh)?;
        } else if of_refresh.is_some() {
            return Err(LoadError::Inconsistent);
        }
        if !reader.is_empty() {
            return Err(LoadError::Malformed);
        }
        let current = ratchet.receiving.as_ref().map(|chain| (chain.number, chain.position.n));
        ratchet.past.check(current)?;
        Ok(ratchet)
    }
}

/// Everything but the records and the refreshes, of which there have been none.
fn read_state(reader: &mut ByteReader<'_>, role: Role) -> Option<Ratchet> {
    let root = RootKey::new(reader.array()?);
    let next_sending_header = HeaderKey::new(reader.array()?);
    let next_receiving_header = HeaderKey::new(reader.array()?);
    let sending = match reader.u8()? {
        ACTIVE => {
            let own = RatchetKey::new(reader.array::<32>()?.into(), reader.array::<32>()?.into());
            let header_key = HeaderKey::new(reader.array()?);
            let key = ChainKey::new(reader.array()?);
            let (n, previous) = (length(reader)?, length(reader)?);
            Sending::Active {
                own,
                chain: SendingChain {
                    header_key,
                    key,
                    n,
                    previous,
                },
            }
        }
        OWED => Sending::Owed {
            remote: PublicKey::from(reader.array::<32>()?),
            previous: length(reader)?,
        },
        _ => return None,
    };
    let receiving = match reader.u8()? {
        NONE => None,
        SOME => {
            let number = reader.u64()?;
            let header_key = HeaderKey::new(reader.array()?);
            let position = Position {
                key: ChainKey::new(reader.array()?),
                n: length(reader)?,
            };
            Some(ReceivingChain {
                number,
                header_key,
                position,
            })
        }
        _ => return None,
    };
    Some(Ratchet {
        root,
        sending,
        next_sending_header,
        receiving,
        next_receiving_header,
        past: Past::default(),
        refresh: Refresh::new(role, 0),
    })
}

/// A count of messages in a chain.
fn length(reader: &mut ByteReader<'_>) -> Option<u32> {
    reader.u32().filter(|&n| n <= MAX_CHAIN)
}

//! The part of a session's state that changes with every message, as bytes on disk.
//!
//! ```text
//! root 32 || next sending header key 32 || next receiving header key 32
//! || 1 || ratchet secret 32 || ratchet key 32 || header key 32 || chain key 32 || n u32 || previous u32
//!  | 2 || remote ratchet key 32 || previous u32
//! || 0 | 1 || chain number u64 || header key 32 || chain key 32 || n u32
//! ```
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use x25519_dalek::PublicKey;
use zeroize::Zeroizing;

use super::chain::{Position, ReceivingChain, SendingChain};
use super::keys::{ChainKey, HeaderKey, RatchetKey, RootKey};
use super::past::{Past, RecordKey};
use super::{LoadError, MAX_CHAIN, Ratchet, Sending};
use crate::codec::ByteReader;

/// The most bytes [`Ratchet::write`] appends.
pub(crate) const MAX_STATE: usize = 3 * 32 + (1 + 4 * 32 + 8) + (1 + 8 + 2 * 32 + 4);

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
    }

    /// Rebuilds the state from what [`write`](Self::write) wrote and the records.
    pub(crate) fn load(
        state: &[u8],
        records: impl IntoIterator<Item = (RecordKey, Zeroizing<Vec<u8>>)>,
    ) -> Result<Self, LoadError> {
        let mut ratchet = read_state(state).ok_or(LoadError::Malformed)?;
        for (key, value) in records {
            ratchet.past.restore(&key, &value)?;
        }
        let current = ratchet.receiving.as_ref().map(|chain| (chain.number, chain.position.n));
        ratchet.past.check(current)?;
        Ok(ratchet)
    }
}

fn read_state(state: &[u8]) -> Option<Ratchet> {
    let mut reader = ByteReader::new(state);
    let root = RootKey::new(reader.array()?);
    let next_sending_header = HeaderKey::new(reader.array()?);
    let next_receiving_header = HeaderKey::new(reader.array()?);
    let sending = match reader.u8()? {
        ACTIVE => {
            let own = RatchetKey::new(reader.array::<32>()?.into(), reader.array::<32>()?.into());
            let header_key = HeaderKey::new(reader.array()?);
            let key = ChainKey::new(reader.array()?);
            let (n, previous) = (length(&mut reader)?, length(&mut reader)?);
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
            previous: length(&mut reader)?,
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
                n: length(&mut reader)?,
            };
            Some(ReceivingChain {
                number,
                header_key,
                position,
            })
        }
        _ => return None,
    };
    let ratchet = Ratchet {
        root,
        sending,
        next_sending_header,
        receiving,
        next_receiving_header,
        past: Past::default(),
    };
    reader.is_empty().then_some(ratchet)
}

/// A count of messages in a chain.
fn length(reader: &mut ByteReader<'_>) -> Option<u32> {
    reader.u32().filter(|&n| n <= MAX_CHAIN)
}

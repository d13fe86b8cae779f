//! The chain a device writes a room's messages with (PROTOCOL.md section 11).
//!
//! ```text
//! bytes = 1 || created u64 || n u32 || chain key 32 || header key 32 || tag key 32 || certificate
//! ```
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::audience::Audience;
use super::certificate::ChainCert;
use super::message::{self, Binding, OVERHEAD};
use super::shared::{ChainKeys, SharedChain};
use crate::codec::ByteReader;
use crate::control::PAYLOAD_EVENT;
use crate::envelope::{self, EnvelopePrefix, MAX_ENVELOPE, PREFIX_LEN};
use crate::event::VerifiedEvent;
use crate::ids::{ConversationId, DeviceId, EventId};
use crate::keys::DeviceKeys;
use crate::ratchet::{ChainKey, HeaderKey};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

/// Messages of one chain.
pub const CHAIN_MESSAGES: u32 = 1000;
/// Messages after which the next chain is handed out.
pub const CHAIN_DUE: u32 = 800;
/// Age at which a chain is replaced, ms: 7 days.
pub const CHAIN_LIFETIME_MS: u64 = 7 * 86_400_000;
const VERSION: u8 = 1;
/// The longest payload that fits an envelope.
const MAX_PAYLOAD: usize = MAX_ENVELOPE - PREFIX_LEN - OVERHEAD;

/// A sender chain of our own.
pub struct SendingChain {
    cert: ChainCert,
    key: ChainKey,
    header_key: HeaderKey,
    /// Both are in every copy that is handed out.
    tag_key: Zeroizing<[u8; 32]>,
    n: u32,
    created: u64,
    last_tag: Option<(u16, [u8; 8])>,
}

impl SendingChain {
    /// A new chain of `owner` for `audience`, who are taken from the membership `view`.
    #[must_use]
    pub fn create(
        rng: &mut (impl CryptoRng + ?Sized),
        owner: &DeviceKeys,
        room: ConversationId,
        view: [u8; 32],
        audience: &Audience,
        now: u64,
    ) -> Self {
        let mut chain = [0; 16];
        rng.fill_bytes(&mut chain);
        let keys = ChainKeys::generate(rng);
        Self {
            cert: ChainCert::issue(owner, room, chain, view, audience, &keys),
            key: ChainKey::new(keys.chain),
            header_key: HeaderKey::new(keys.header),
            tag_key: Zeroizing::new(keys.tag),
            n: 0,
            created: now,
            last_tag: None,
        }
    }

    /// What says whose chain this is.
    #[must_use]
    pub fn cert(&self) -> &ChainCert {
        &self.cert
    }

    /// The number of the next message.
    #[must_use]
    pub fn iteration(&self) -> u32 {
        self.n
    }

    /// Tag of the envelopes sealed on `day`.
    #[must_use]
    pub fn tag(&self, day: u16) -> [u8; 8] {
        envelope::session_tag(&self.tag_key, day)
    }

    /// Whether it is time to make the next chain and hand it out: at 80 % of this one, in messages or in time.
    #[must_use]
    pub fn is_due(&self, now: u64) -> bool {
        self.n >= CHAIN_DUE || now.saturating_sub(self.created) >= CHAIN_LIFETIME_MS / 5 * 4
    }

    /// Whether nothing more is sealed with it: after 1000 messages or 7 days.
    #[must_use]
    pub fn is_ended(&self, now: u64) -> bool {
        self.n >= CHAIN_MESSAGES || now.saturating_sub(self.created) >= CHAIN_LIFETIME_MS
    }

    /// What a reader needs from the next message on; nothing when there is none. `view` are the heads behind the
    /// certificate's view.
    #[must_use]
    pub fn share(&self, view: Vec<EventId>) -> Option<SharedChain> {
        (self.n < CHAIN_MESSAGES).then(|| SharedChain {
            cert: self.cert.as_bytes().to_vec(),
            iteration: self.n,
            keys: ChainKeys {
                chain: *self.key.as_bytes(),
                header: *self.header_key.as_bytes(),
                tag: *self.tag_key,
            },
            view,
            proof: None,
            ext: Vec::new(),
        })
    }

    /// Seals an own event as a whole envelope of the smallest size that fits.
    ///
    /// Write [`to_bytes`](Self::to_bytes) before the envelope leaves.
    ///
    /// # Errors
    /// `Exhausted`: 1000 messages. `TooLarge`: no envelope holds it. `Foreign`: another device's, of another room, or a stub.
    /// Nothing has changed then.
    pub fn seal(
        &mut self,
        rng: &mut (impl CryptoRng + ?Sized),
        day: u16,
        event: &VerifiedEvent,
    ) -> Result<Vec<u8>, RoomSealError> {
        let header = event.header();
        let ours = header.device == self.cert.device() && header.conversation == self.cert.room();
        if !ours || event.body().is_none() {
            return Err(RoomSealError::Foreign);
        }
        if self.n >= CHAIN_MESSAGES {
            return Err(RoomSealError::Exhausted);
        }
        let wire = Zeroizing::new(event.to_wire());
        let length = wire.len().saturating_add(1);
        let size = envelope::size_for(length.saturating_add(OVERHEAD)).ok_or(RoomSealError::TooLarge {
            got: length,
            max: MAX_PAYLOAD,
        })?;
        let tag = match self.last_tag {
            Some((last, tag)) if last == day => tag,
            _ => self.tag(day),
        };
        self.last_tag = Some((day, tag));
        let prefix = EnvelopePrefix { day, tag }.encode();
        let binding = Binding::new(&self.cert.room(), &self.cert.chain(), &prefix);
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(&prefix);
        let (next, key) = self.key.take().step();
        let payload = [&[PAYLOAD_EVENT], wire.as_slice()];
        message::seal(rng, &binding, &self.header_key, self.n, &key, payload, &mut out, size);
        self.key = next;
        self.n = self.n.saturating_add(1);
        Ok(out)
    }

    /// The chain as bytes; a secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let cert = self.cert.as_bytes();
        let mut out = Zeroizing::new(Vec::with_capacity(cert.len().saturating_add(1 + 8 + 4 + 3 * 32)));
        out.push(VERSION);
        out.extend_from_slice(&self.created.to_be_bytes());
        out.extend_from_slice(&self.n.to_be_bytes());
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(self.header_key.as_bytes());
        out.extend_from_slice(self.tag_key.as_slice());
        out.extend_from_slice(cert);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SendingLoadError> {
        Self::read(bytes).ok_or(SendingLoadError)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = ByteReader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let created = reader.u64()?;
        let n = reader.u32().filter(|&n| n <= CHAIN_MESSAGES)?;
        let keys = ChainKeys {
            chain: reader.array()?,
            header: reader.array()?,
            tag: reader.array()?,
        };
        let cert = ChainCert::restore(reader.rest()).ok()?;
        (*cert.keys() == keys.commitment()).then(|| Self {
            cert,
            key: ChainKey::new(keys.chain),
            header_key: HeaderKey::new(keys.header),
            tag_key: Zeroizing::new(keys.tag),
            n,
            created,
            last_tag: None,
        })
    }

    /// The device whose chain it is.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.cert.device()
    }
}

impl std::fmt::Debug for SendingChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendingChain")
            .field("room", &self.cert.room())
            .field("n", &self.n)
            .finish_non_exhaustive()
    }
}

/// Why an event was not sealed for a room; nothing has changed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RoomSealError {
    /// No envelope is this large.
    #[error("payload of {got} bytes is over the limit of {max}")]
    TooLarge {
        /// Length of the payload.
        got: usize,
        /// The longest that fits.
        max: usize,
    },
    /// 1000 messages went out: the next chain is needed.
    #[error("the sender chain is at its end")]
    Exhausted,
    /// The event is another device's, of another conversation, or a stub.
    #[error("the event does not belong in this sender chain")]
    Foreign,
}

/// Bytes that are no sending chain.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a stored sender chain is malformed")]
pub struct SendingLoadError;

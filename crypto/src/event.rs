//! Events: the signed entries of a device's log in a conversation (PROTOCOL.md section 7).
//!
//! [`SignedEvent`] is well-formed but unproved; only [`SignedEvent::verify`] makes a [`VerifiedEvent`]. What a body means
//! is in `body`; who may say it is decided elsewhere.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::codec::{ByteReader, TlvError};
use crate::ids::{ConversationId, DeviceId, EventId};
use crate::kdf::{self, Purpose, SignerKey};
use crate::keys::DeviceKeys;
use thiserror::Error;

mod header;

pub use header::{EventDecodeError, EventHeader, MAX_PARENTS};

/// Largest wire event.
pub const MAX_WIRE_EVENT: usize = 45_056;
const FORM_STUB: u8 = 0;
const FORM_FULL: u8 = 1;
const SALT_LEN: usize = 16;

/// What an author fixes before signing: a header without its body hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Kind of the body.
    pub kind: u16,
    /// Where it is said.
    pub conversation: ConversationId,
    /// The author's device.
    pub device: DeviceId,
    /// Number of the device's log.
    pub log: u32,
    /// Place in the log, from 1.
    pub seq: u64,
    /// The device's event before this one; nothing exactly at seq 1.
    pub prev: Option<EventId>,
    /// Heads the author had seen: ascending, distinct, at most 8.
    pub parents: Vec<EventId>,
    /// max(now, 1 + the largest clock of the parents), ms.
    pub clock: u64,
    /// Membership view; nothing in direct conversations.
    pub view: Option<[u8; 32]>,
}

/// An event that is well-formed and whose body fits its header, but whose signature nobody has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedEvent {
    inner: Event,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    header: EventHeader,
    header_bytes: Vec<u8>,
    signature: [u8; 64],
    content: Option<([u8; SALT_LEN], Vec<u8>)>,
}

impl Event {
    fn id(&self) -> EventId {
        EventId::from_bytes(kdf::hash(Purpose::EVENT_ID, &[&self.header_bytes, &self.signature]))
    }
}

impl SignedEvent {
    /// Reads a wire event.
    ///
    /// # Errors
    /// See [`EventDecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EventDecodeError> {
        if bytes.len() > MAX_WIRE_EVENT {
            return Err(EventDecodeError::TooLong { got: bytes.len() });
        }
        let mut reader = ByteReader::new(bytes);
        let len = reader.u16().ok_or(TlvError::Truncated)?;
        let header_bytes = reader.take(usize::from(len)).ok_or(TlvError::Truncated)?;
        let signature = reader.array().ok_or(TlvError::Truncated)?;
        let form = reader.u8().ok_or(TlvError::Truncated)?;
        let header = EventHeader::decode(header_bytes)?;
        let content = match form {
            FORM_STUB if reader.is_empty() => None,
            FORM_STUB => {
                return Err(TlvError::Trailing { bytes: reader.len() }.into());
            }
            FORM_FULL => {
                let salt = reader.array().ok_or(TlvError::Truncated)?;
                Some((salt, reader.rest().to_vec()))
            }
            got => return Err(EventDecodeError::Form { got }),
        };
        if content
            .as_ref()
            .is_some_and(|(salt, body)| body_hash(salt, body) != header.body_hash)
        {
            return Err(EventDecodeError::BodyHash);
        }
        Ok(Self {
            inner: Event {
                header,
                header_bytes: header_bytes.to_vec(),
                signature,
                content,
            },
        })
    }

    /// The header, not yet to be believed.
    #[must_use]
    pub fn header(&self) -> &EventHeader {
        &self.inner.header
    }

    /// Whether it comes without its body.
    #[must_use]
    pub fn is_stub(&self) -> bool {
        self.body().is_none()
    }

    /// The body, if it is there.
    pub(crate) fn body(&self) -> Option<&[u8]> {
        self.inner.content.as_ref().map(|(_, body)| body.as_slice())
    }

    /// HASH("event id", header, signature), which is the event's id if it verifies.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.inner.id()
    }

    /// Checks the signature with the signing key of the certificate whose device the header names.
    ///
    /// # Errors
    /// When it does not verify.
    pub fn verify(self, signing_key: &[u8; 32]) -> Result<VerifiedEvent, EventVerifyError> {
        self.verify_by(&SignerKey::read(signing_key).ok_or(EventVerifyError)?)
    }

    /// As [`SignedEvent::verify`], with a key that was read before.
    ///
    /// # Errors
    /// When it does not verify.
    pub fn verify_by(self, signer: &SignerKey) -> Result<VerifiedEvent, EventVerifyError> {
        let event = &self.inner;
        signer
            .verify(Purpose::EVENT, &event.header_bytes, &event.signature)
            .map_err(|_| EventVerifyError)?;
        Ok(VerifiedEvent::new(self.inner))
    }
}

/// An event whose author's signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEvent {
    id: EventId,
    inner: Event,
}

impl VerifiedEvent {
    /// Signs `draft` with `body` as an event of the device that holds `keys`. `salt` is random.
    ///
    /// # Errors
    /// When the draft names another device, breaks a rule of headers, or the event would be too long.
    pub fn sign(keys: &DeviceKeys, draft: Draft, salt: [u8; 16], body: &[u8]) -> Result<Self, EventSignError> {
        let Draft {
            kind,
            conversation,
            device,
            log,
            seq,
            prev,
            parents,
            clock,
            view,
        } = draft;
        if device != keys.id() {
            return Err(EventSignError::OtherDevice);
        }
        let body_hash = body_hash(&salt, body);
        let header = EventHeader {
            kind,
            conversation,
            device,
            log,
            seq,
            prev,
            parents,
            clock,
            view,
            body_hash,
        };
        header.check()?;
        let header_bytes = header.encode();
        let signature = keys.sign(Purpose::EVENT, &header_bytes);
        let event = Self::new(Event {
            header,
            header_bytes,
            signature,
            content: Some((salt, body.to_vec())),
        });
        match event.wire_len() {
            got if got > MAX_WIRE_EVENT => Err(EventDecodeError::TooLong { got }.into()),
            _ => Ok(event),
        }
    }

    /// Puts an event together again, **only for what was verified before it was stored**: the id is computed anew, the
    /// signature is not checked.
    #[must_use]
    pub fn restore(header: EventHeader, signature: [u8; 64], body: Option<([u8; 16], Vec<u8>)>) -> Self {
        let header_bytes = header.encode();
        Self::new(Event {
            header,
            header_bytes,
            signature,
            content: body,
        })
    }

    fn new(inner: Event) -> Self {
        Self { id: inner.id(), inner }
    }

    /// HASH("event id", header, signature).
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &EventHeader {
        &self.inner.header
    }

    /// The author's signature.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.inner.signature
    }

    /// Salt and body, or nothing for a stub.
    #[must_use]
    pub fn body(&self) -> Option<(&[u8; 16], &[u8])> {
        self.inner.content.as_ref().map(|(salt, body)| (salt, body.as_slice()))
    }

    /// The wire event, at most 45 056 bytes.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.wire_len());
        // A header is below 600 bytes.
        out.extend_from_slice(&(self.inner.header_bytes.len() as u16).to_be_bytes());
        out.extend_from_slice(&self.inner.header_bytes);
        out.extend_from_slice(&self.inner.signature);
        match &self.inner.content {
            None => out.push(FORM_STUB),
            Some((salt, body)) => {
                out.push(FORM_FULL);
                out.extend_from_slice(salt);
                out.extend_from_slice(body);
            }
        }
        out
    }

    /// The same event without salt and body; id and signature stay.
    #[must_use]
    pub fn into_stub(mut self) -> Self {
        self.inner.content = None;
        self
    }

    fn wire_len(&self) -> usize {
        let content = self
            .inner
            .content
            .as_ref()
            .map_or(0, |(_, body)| body.len().saturating_add(SALT_LEN));
        self.inner
            .header_bytes
            .len()
            .saturating_add(2 + 64 + 1)
            .saturating_add(content)
    }
}

/// HASH("event body", salt, body): what a header says of its body.
#[must_use]
pub fn body_hash(salt: &[u8; SALT_LEN], body: &[u8]) -> [u8; 32] {
    kdf::hash(Purpose::EVENT_BODY, &[salt, body])
}

/// The author's signature does not verify.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the signature of the event does not verify")]
pub struct EventVerifyError;

/// Why an event could not be signed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EventSignError {
    /// The draft names another device than the one that signs.
    #[error("the event names another device as its author")]
    OtherDevice,
    /// It would be refused by everyone.
    #[error("the event would not be accepted")]
    Refused(#[from] EventDecodeError),
}

#[cfg(test)]
mod tests;

//! A ratchet message: `header nonce 24 || sealed header 64 || sealed body` (PROTOCOL.md section 5).
//!
//! Header, 48 bytes: ratchet key 32 | pn u32 | n u32 | pq epoch u32 | flags u16 | 0 u16.
//! The associated data of the header is `th || prefix`, that of the body the same and both parts before it.

use rand_core::CryptoRng;
use x25519_dalek::PublicKey;
use zeroize::Zeroizing;

use super::keys::{HeaderKey, MessageKey, XNONCE};
use super::{MAX_CHAIN, OpenError};
use crate::aead;
use crate::envelope::{PREFIX_LEN, unpad_parts};
use crate::kem::{KEM_CIPHERTEXT_LEN, KEM_KEY_LEN};

/// Width of a header's nonce.
const HEADER: usize = 48;
const SEALED_HEADER: usize = HEADER + aead::TAG_LEN;
/// Bytes before the body: nonce and sealed header.
const FRONT: usize = XNONCE + SEALED_HEADER;
/// Length of the payload, in front of it inside the body.
const LENGTH: usize = 4;
/// What a ratchet message adds to its payload before padding.
pub(crate) const OVERHEAD: usize = FRONT + LENGTH + aead::TAG_LEN;

/// What every message of one envelope is bound to: `th || prefix`.
pub(crate) struct Binding([u8; 32 + PREFIX_LEN]);

impl Binding {
    pub(crate) fn new(th: &[u8; 32], prefix: &[u8; PREFIX_LEN]) -> Self {
        let mut bytes = [0; 32 + PREFIX_LEN];
        let (left, right) = bytes.split_at_mut(32);
        left.copy_from_slice(th);
        right.copy_from_slice(prefix);
        Self(bytes)
    }

    fn with_front(&self, front: &[u8]) -> [u8; 32 + PREFIX_LEN + FRONT] {
        let mut ad = [0; 32 + PREFIX_LEN + FRONT];
        let (left, right) = ad.split_at_mut(self.0.len());
        left.copy_from_slice(&self.0);
        right.copy_from_slice(front);
        ad
    }
}

/// The header, in clear.
#[derive(Clone, Copy)]
pub(super) struct Header {
    /// The sender's ratchet key.
    pub(super) key: PublicKey,
    /// Length of the sender's previous chain.
    pub(super) pn: u32,
    /// Number of this message in its chain.
    pub(super) n: u32,
    /// Refreshes up to and with this chain.
    pub(super) epoch: u32,
    /// The sender knows that both sides take part in refreshes.
    pub(super) takes_part: bool,
    /// What follows the payload.
    pub(super) rides: Rides,
}

/// What follows the payload of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rides {
    Nothing,
    Offer,
    Answer,
}

/// The same with its bytes.
pub(super) enum Part<'a> {
    Nothing,
    /// An ML-KEM key.
    Offer(&'a [u8; KEM_KEY_LEN]),
    /// A ciphertext for it.
    Answer(&'a [u8; KEM_CIPHERTEXT_LEN]),
}

impl Part<'_> {
    pub(super) fn rides(&self) -> Rides {
        match self {
            Self::Nothing => Rides::Nothing,
            Self::Offer(_) => Rides::Offer,
            Self::Answer(_) => Rides::Answer,
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Nothing => &[],
            Self::Offer(key) => *key,
            Self::Answer(ciphertext) => *ciphertext,
        }
    }
}

impl Header {
    /// Of a sender that takes part in no refresh.
    #[cfg(test)]
    pub(super) fn plain(key: PublicKey, pn: u32, n: u32) -> Self {
        Self {
            key,
            pn,
            n,
            epoch: 0,
            takes_part: false,
            rides: Rides::Nothing,
        }
    }

    fn flags(&self) -> u16 {
        match self.rides {
            Rides::Nothing => u16::from(self.takes_part),
            Rides::Offer => 3,
            Rides::Answer => 5,
        }
    }

    fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..32].copy_from_slice(self.key.as_bytes());
        bytes[32..36].copy_from_slice(&self.pn.to_be_bytes());
        bytes[36..40].copy_from_slice(&self.n.to_be_bytes());
        bytes[40..44].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[44..46].copy_from_slice(&self.flags().to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER]) -> Result<Self, OpenError> {
        let (key, rest) = bytes.split_first_chunk::<32>().ok_or(OpenError::Malformed)?;
        let (pn, rest) = rest.split_first_chunk::<4>().ok_or(OpenError::Malformed)?;
        let (n, rest) = rest.split_first_chunk::<4>().ok_or(OpenError::Malformed)?;
        let (epoch, rest) = rest.split_first_chunk::<4>().ok_or(OpenError::Malformed)?;
        let (flags, reserved) = rest.split_first_chunk::<2>().ok_or(OpenError::Malformed)?;
        let (pn, n) = (u32::from_be_bytes(*pn), u32::from_be_bytes(*n));
        if reserved.iter().any(|&byte| byte != 0) || n >= MAX_CHAIN || pn > MAX_CHAIN {
            return Err(OpenError::Malformed);
        }
        let (takes_part, rides) = match u16::from_be_bytes(*flags) {
            0 => (false, Rides::Nothing),
            1 => (true, Rides::Nothing),
            3 => (true, Rides::Offer),
            5 => (true, Rides::Answer),
            _ => return Err(OpenError::Malformed),
        };
        Ok(Self {
            key: PublicKey::from(*key),
            pn,
            n,
            epoch: u32::from_be_bytes(*epoch),
            takes_part,
            rides,
        })
    }
}

/// A message about to be sealed.
pub(super) struct Outgoing<'a> {
    pub(super) header: Header,
    pub(super) header_key: &'a HeaderKey,
    pub(super) key: MessageKey,
}

impl Outgoing<'_> {
    /// Appends the message, with `part` behind its payload, to `out` and pads it until `out` is `size` bytes long.
    ///
    /// The caller has made sure that both fit.
    pub(super) fn seal(
        self,
        rng: &mut (impl CryptoRng + ?Sized),
        binding: &Binding,
        payload: &[u8],
        part: &[u8],
        out: &mut Vec<u8>,
        size: usize,
    ) {
        let body = out.len() + FRONT;
        let (nonce, ad) = self.seal_header(rng, binding, out);
        out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        out.extend_from_slice(payload);
        out.extend_from_slice(part);
        out.resize(size - aead::TAG_LEN, 0);
        let tag = self.key.seal(&nonce, &ad, &mut out[body..]);
        out.extend_from_slice(&tag);
    }

    /// Appends nonce and sealed header; returns the nonce and the associated data of the body.
    fn seal_header(
        &self,
        rng: &mut (impl CryptoRng + ?Sized),
        binding: &Binding,
        out: &mut Vec<u8>,
    ) -> ([u8; XNONCE], [u8; 32 + PREFIX_LEN + FRONT]) {
        let mut nonce = [0; XNONCE];
        rng.fill_bytes(&mut nonce);
        let mut header = self.header.encode();
        let tag = aead::xseal_detached(self.header_key.as_bytes(), &nonce, &binding.0, &mut header);
        let start = out.len();
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&header);
        out.extend_from_slice(&tag);
        (nonce, binding.with_front(&out[start..]))
    }

    /// A message whose padded payload is `body` as given.
    #[cfg(test)]
    pub(super) fn seal_body(self, rng: &mut (impl CryptoRng + ?Sized), binding: &Binding, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let (nonce, ad) = self.seal_header(rng, binding, &mut out);
        out.extend_from_slice(body);
        let tag = self.key.seal(&nonce, &ad, &mut out[FRONT..]);
        out.extend_from_slice(&tag);
        out
    }
}

/// A received message, cut into its parts; nothing in it is proved yet.
pub(super) struct Sealed<'a> {
    binding: &'a Binding,
    nonce: &'a [u8; XNONCE],
    header: &'a [u8; HEADER],
    header_tag: &'a [u8; aead::TAG_LEN],
    front: &'a [u8],
    body: &'a [u8],
    body_tag: &'a [u8; aead::TAG_LEN],
}

#[warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
impl<'a> Sealed<'a> {
    pub(super) fn parse(binding: &'a Binding, bytes: &'a [u8]) -> Result<Self, OpenError> {
        let (front, rest) = bytes.split_at_checked(FRONT).ok_or(OpenError::Malformed)?;
        let (nonce, sealed) = front.split_first_chunk().ok_or(OpenError::Malformed)?;
        let (header, sealed) = sealed.split_first_chunk().ok_or(OpenError::Malformed)?;
        let header_tag = sealed.try_into().map_err(|_| OpenError::Malformed)?;
        let (body, body_tag) = rest.split_last_chunk().ok_or(OpenError::Malformed)?;
        Ok(Self {
            binding,
            nonce,
            header,
            header_tag,
            front,
            body,
            body_tag,
        })
    }

    /// The header, if it was sealed under `key`.
    ///
    /// # Errors
    /// `Malformed`: it was, and says what no correct sender says.
    pub(super) fn header(&self, key: &HeaderKey) -> Result<Option<Header>, OpenError> {
        let mut header = *self.header;
        match aead::xopen_detached(
            key.as_bytes(),
            self.nonce,
            &self.binding.0,
            &mut header,
            self.header_tag,
        ) {
            Ok(()) => Header::decode(&header).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The body of a message with this header, if it and its padding are right.
    pub(super) fn body(&self, key: &MessageKey, header: &Header) -> Result<Body, OpenError> {
        let mut text = Zeroizing::new(self.body.to_vec());
        let ad = self.binding.with_front(self.front);
        key.open(self.nonce, &ad, &mut text, self.body_tag)
            .map_err(|_| OpenError::NotAuthentic)?;

        let behind = match header.rides {
            Rides::Nothing => 0,
            Rides::Offer => KEM_KEY_LEN,
            Rides::Answer => KEM_CIPHERTEXT_LEN,
        };
        let (payload, part) = unpad_parts(&text, behind).map_err(|_| OpenError::Malformed)?;
        let (length, part) = (payload.len(), part.to_vec());
        text.copy_within(LENGTH.., 0);
        text.truncate(length);
        Ok(Body {
            payload: text,
            rides: header.rides,
            part,
        })
    }
}

/// What an authentic message holds.
pub(super) struct Body {
    pub(super) payload: Zeroizing<Vec<u8>>,
    rides: Rides,
    part: Vec<u8>,
}

impl Body {
    pub(super) fn part(&self) -> Result<Part<'_>, OpenError> {
        let wrong = |_| OpenError::Malformed;
        Ok(match self.rides {
            Rides::Nothing => Part::Nothing,
            Rides::Offer => Part::Offer(self.part.as_slice().try_into().map_err(wrong)?),
            Rides::Answer => Part::Answer(self.part.as_slice().try_into().map_err(wrong)?),
        })
    }
}

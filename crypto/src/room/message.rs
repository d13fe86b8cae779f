//! A room message: `header nonce 24 || sealed iteration 20 || commitment 32 || sealed body` (PROTOCOL.md section 11).
//!
//! key 32 || nonce 12 || commitment 32 = XOF(message key, "room message", 76, header nonce)
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::certificate::ChainId;
use crate::aead;
use crate::envelope::{PREFIX_LEN, unpad};
use crate::ids::ConversationId;
use crate::kdf::{self, Purpose};
use crate::ratchet::{HeaderKey, MessageKey, XNONCE};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const HEADER: usize = 4;
const SEALED_HEADER: usize = HEADER + aead::TAG_LEN;
const COMMITMENT: usize = 32;
/// Bytes before the body.
const FRONT: usize = XNONCE + SEALED_HEADER + COMMITMENT;
/// Length of the payload, in front of it inside the body.
const LENGTH: usize = 4;
/// What a room message adds to its payload before padding.
pub(super) const OVERHEAD: usize = FRONT + LENGTH + aead::TAG_LEN;
const BINDING: usize = 32 + 16 + PREFIX_LEN;

/// What every message of one envelope is bound to: `room || chain id || prefix`.
pub(super) struct Binding([u8; BINDING]);

/// Key, nonce and commitment of one message.
type Expanded = Zeroizing<([u8; 32], [u8; 12], [u8; COMMITMENT])>;

impl Binding {
    pub(super) fn new(room: &ConversationId, chain: &ChainId, prefix: &[u8; PREFIX_LEN]) -> Self {
        let mut bytes = [0; BINDING];
        let (left, rest) = bytes.split_at_mut(32);
        let (middle, right) = rest.split_at_mut(16);
        left.copy_from_slice(room.as_bytes());
        middle.copy_from_slice(chain);
        right.copy_from_slice(prefix);
        Self(bytes)
    }

    fn with_front(&self, front: &[u8]) -> [u8; BINDING + FRONT] {
        let mut ad = [0; BINDING + FRONT];
        let (left, right) = ad.split_at_mut(BINDING);
        left.copy_from_slice(&self.0);
        right.copy_from_slice(front);
        ad
    }
}

fn expand(key: &MessageKey, header_nonce: &[u8; XNONCE]) -> Expanded {
    let mut okm = Zeroizing::new([0; 32 + 12 + COMMITMENT]);
    kdf::xof(
        key.as_bytes(),
        Purpose::ROOM_MESSAGE,
        &[header_nonce],
        okm.as_mut_slice(),
    );
    let mut parts = Zeroizing::new(([0; 32], [0; 12], [0; COMMITMENT]));
    let (key, rest) = okm.split_at(32);
    let (nonce, commitment) = rest.split_at(12);
    parts.0.copy_from_slice(key);
    parts.1.copy_from_slice(nonce);
    parts.2.copy_from_slice(commitment);
    parts
}

/// Appends message `iteration` to `out`, which holds the prefix, and pads it until `out` is `size` bytes long.
///
/// The caller has made sure that `payload`, given in parts, fits.
#[expect(clippy::too_many_arguments, reason = "one call from one place")]
pub(super) fn seal(
    rng: &mut (impl CryptoRng + ?Sized),
    binding: &Binding,
    header_key: &HeaderKey,
    iteration: u32,
    key: &MessageKey,
    payload: [&[u8]; 2],
    out: &mut Vec<u8>,
    size: usize,
) {
    let start = out.len();
    let mut nonce = [0; XNONCE];
    rng.fill_bytes(&mut nonce);
    let expanded = expand(key, &nonce);
    let mut header = iteration.to_be_bytes();
    let tag = aead::xseal_detached(header_key.as_bytes(), &nonce, &binding.0, &mut header);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&header);
    out.extend_from_slice(&tag);
    out.extend_from_slice(&expanded.2);
    let (_, front) = out.split_at(start);
    let ad = binding.with_front(front);

    let body = out.len();
    let length: usize = payload.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&(length as u32).to_be_bytes());
    payload.iter().for_each(|part| out.extend_from_slice(part));
    out.resize(size.saturating_sub(aead::TAG_LEN), 0);
    let (_, text) = out.split_at_mut(body);
    let tag = aead::seal_detached(&expanded.0, &expanded.1, &ad, text);
    out.extend_from_slice(&tag);
}

/// A received message, cut into its parts; nothing in it is proved yet.
pub(super) struct Sealed<'a> {
    binding: &'a Binding,
    nonce: &'a [u8; XNONCE],
    header: &'a [u8; HEADER],
    header_tag: &'a [u8; aead::TAG_LEN],
    commitment: &'a [u8; COMMITMENT],
    front: &'a [u8],
    body: &'a [u8],
    body_tag: &'a [u8; aead::TAG_LEN],
}

impl<'a> Sealed<'a> {
    pub(super) fn parse(binding: &'a Binding, bytes: &'a [u8]) -> Option<Self> {
        let (front, rest) = bytes.split_at_checked(FRONT)?;
        let (nonce, sealed) = front.split_first_chunk()?;
        let (header, sealed) = sealed.split_first_chunk()?;
        let (header_tag, commitment) = sealed.split_first_chunk()?;
        let (body, body_tag) = rest.split_last_chunk()?;
        Some(Self {
            binding,
            nonce,
            header,
            header_tag,
            commitment: commitment.try_into().ok()?,
            front,
            body,
            body_tag,
        })
    }

    /// Which message it is, if the header was sealed under `key`.
    pub(super) fn iteration(&self, key: &HeaderKey) -> Option<u32> {
        let mut header = *self.header;
        let (nonce, ad) = (self.nonce, &self.binding.0);
        aead::xopen_detached(key.as_bytes(), nonce, ad, &mut header, self.header_tag).ok()?;
        Some(u32::from_be_bytes(header))
    }

    /// The padded payload, if it was sealed under `key`.
    pub(super) fn body(&self, key: &MessageKey) -> Option<Zeroizing<Vec<u8>>> {
        let expanded = expand(key, self.nonce);
        if !bool::from(expanded.2.ct_eq(self.commitment)) {
            return None;
        }
        let mut text = Zeroizing::new(self.body.to_vec());
        let ad = self.binding.with_front(self.front);
        aead::open_detached(&expanded.0, &expanded.1, &ad, &mut text, self.body_tag).ok()?;
        Some(text)
    }
}

/// The payload in an opened body.
pub(super) fn payload(body: &[u8]) -> Option<&[u8]> {
    unpad(body).ok()
}

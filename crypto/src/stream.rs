//! The keys of a sync stream between two devices that share a session (PROTOCOL.md section 9).
//!
//! ```text
//! open   = 0x01 || nonce A 32 || eph A 32 || MAC(pair key, "stream open", nonce A, eph A, peer A, peer B)[0..16]
//! accept = 0x01 || nonce B 32 || eph B 32 || MAC(pair key, "stream accept", nonce A, eph A, nonce B, eph B, peer A, peer B)
//! salt   = HASH256("stream salt", nonce A, nonce B, peer A, peer B)
//! key A->B 32 || key B->A 32 = KDF(salt, exporter || DH(eph A, eph B), "stream keys", 64)
//! ```
//!
//! Whoever holds no session with the accepting side gets [`REFUSE`] and learns nothing. Not here: the length in front of
//! a frame, and what a frame says (`frame`).

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use thiserror::Error;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::aead::{self, TAG_LEN};
use crate::agreement::{LowOrder, dh};
use crate::codec::ByteReader;
use crate::frame::MAX_FRAME;
use crate::ids::SessionId;
use crate::kdf::{self, Purpose};
use crate::keys;
use crate::session::{Exporter, Session};

/// The answer to an opening that is not accepted, for whatever reason.
pub const REFUSE: [u8; 1] = [0];
/// Length of an opening.
pub const STREAM_OPEN_LEN: usize = 1 + 32 + 32 + OPEN_MAC;
/// Length of an accepting answer.
pub const STREAM_ACCEPT_LEN: usize = 1 + 32 + 32 + 32;

const VERSION: u8 = 1;
const OPEN_MAC: usize = 16;
/// A key must go after 16 MiB or 10 minutes; the margins are for the frames between the question and the change.
const REKEY_BYTES: usize = 15 * 1024 * 1024;
const REKEY_MS: u64 = 9 * 60 * 1000;

/// An opening that waits for its answer.
pub struct StreamOpen {
    nonce: [u8; 32],
    eph: StaticSecret,
    pair_key: Zeroizing<[u8; 32]>,
    exporter: Exporter,
    peers: Peers,
}

struct Peers {
    opener: Vec<u8>,
    acceptor: Vec<u8>,
}

impl StreamOpen {
    /// Opens a stream from `peer_a`, this side, to `peer_b`, with the secrets of `session`; returns the bytes to send.
    pub fn create(
        rng: &mut (impl CryptoRng + ?Sized),
        session: &Session,
        peer_a: &[u8],
        peer_b: &[u8],
    ) -> (Self, Vec<u8>) {
        let (nonce, eph) = fresh(rng);
        let eph_public = PublicKey::from(&eph);
        let pair_key = session.pair_key();
        let peers = Peers {
            opener: peer_a.to_vec(),
            acceptor: peer_b.to_vec(),
        };
        let mac = open_mac(&pair_key, &nonce, &eph_public, &peers);
        let bytes = hello(&nonce, &eph_public, &mac);
        (
            Self {
                nonce,
                eph,
                pair_key,
                exporter: session.exporter().copy(),
                peers,
            },
            bytes,
        )
    }

    /// Takes the answer; the stream is then ready, and the session confirmed.
    ///
    /// # Errors
    /// `Refused`: the other side knows no such session. `Malformed`, `NotAuthentic`, `LowOrder`: not its answer.
    pub fn finish(self, accept: &[u8]) -> Result<(FrameSealer, FrameOpener), StreamError> {
        if accept == REFUSE {
            return Err(StreamError::Refused);
        }
        let (nonce, eph, mac) = parse_hello(accept, STREAM_ACCEPT_LEN)?;
        let own = PublicKey::from(&self.eph);
        let expected = accept_mac(&self.pair_key, (&self.nonce, &own), (&nonce, &eph), &self.peers);
        if !bool::from(expected.ct_eq(mac)) {
            return Err(StreamError::NotAuthentic);
        }
        let (to_b, to_a) = stream_keys(&self.exporter, &self.eph, &eph, (&self.nonce, &nonce), &self.peers)?;
        Ok((FrameSealer::new(to_b), FrameOpener::new(to_a)))
    }
}

impl std::fmt::Debug for StreamOpen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamOpen").finish_non_exhaustive()
    }
}

/// Accepts the opening `open` of `peer_a` at `peer_b`, this side, with whichever of `sessions` it was made; returns that
/// session's id, the answer to send, and the stream.
///
/// # Errors
/// `UnknownSession`: with none of them. `Malformed`, `LowOrder`: not an opening. The answer is [`REFUSE`] to all of them.
pub fn accept_stream<'a>(
    rng: &mut (impl CryptoRng + ?Sized),
    open: &[u8],
    sessions: impl IntoIterator<Item = &'a Session>,
    peer_a: &[u8],
    peer_b: &[u8],
) -> Result<(SessionId, Vec<u8>, FrameSealer, FrameOpener), StreamError> {
    let (nonce_a, eph_a, mac) = parse_hello(open, STREAM_OPEN_LEN)?;
    let peers = Peers {
        opener: peer_a.to_vec(),
        acceptor: peer_b.to_vec(),
    };
    let (session, pair_key) = sessions
        .into_iter()
        .map(|session| (session, session.pair_key()))
        .find(|(_, key)| open_mac(key, &nonce_a, &eph_a, &peers).ct_eq(mac).into())
        .ok_or(StreamError::UnknownSession)?;

    let (nonce_b, eph) = fresh(rng);
    let eph_b = PublicKey::from(&eph);
    let (to_b, to_a) = stream_keys(session.exporter(), &eph, &eph_a, (&nonce_a, &nonce_b), &peers)?;
    let mac = accept_mac(&pair_key, (&nonce_a, &eph_a), (&nonce_b, &eph_b), &peers);
    let answer = hello(&nonce_b, &eph_b, &mac);
    Ok((session.id(), answer, FrameSealer::new(to_a), FrameOpener::new(to_b)))
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct FrameKey([u8; 32]);

impl FrameKey {
    /// KDF("", key, "stream next key", 32); the key is used up.
    fn next(self) -> Self {
        let mut next = Self([0; 32]);
        kdf::kdf(&[], &self.0, Purpose::STREAM_NEXT_KEY, &[], &mut next.0);
        next
    }

    /// Takes the key out and leaves zeros behind.
    fn take(&mut self) -> Self {
        Self(std::mem::take(&mut self.0))
    }
}

/// Seals the frames of one direction, in order.
pub struct FrameSealer {
    key: FrameKey,
    counter: u64,
    bytes: usize,
    since: Option<u64>,
}

impl FrameSealer {
    fn new(key: FrameKey) -> Self {
        Self {
            key,
            counter: 0,
            bytes: 0,
            since: None,
        }
    }

    /// Seals one frame of at most 256 KiB; the length in front of it is the transport's.
    pub fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        debug_assert!(plaintext.len() <= MAX_FRAME, "frames are bounded where they are made");
        let mut out = Vec::with_capacity(plaintext.len() + TAG_LEN);
        aead::seal_into(&mut out, &self.key.0, &frame_nonce(self.counter), &[], plaintext);
        self.counter += 1;
        self.bytes = self.bytes.saturating_add(out.len());
        out
    }

    /// Whether a `Rekey` frame is due at `now`, ms; to be asked before each frame, and now and then without one.
    pub fn needs_rekey(&mut self, now: u64) -> bool {
        let since = *self.since.get_or_insert(now);
        self.bytes >= REKEY_BYTES || now.saturating_sub(since) >= REKEY_MS
    }

    /// Goes on to the next key, right after a `Rekey` frame was sealed.
    pub fn rekey(&mut self) {
        *self = Self::new(self.key.take().next());
    }
}

impl std::fmt::Debug for FrameSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameSealer")
            .field("counter", &self.counter)
            .finish_non_exhaustive()
    }
}

/// Opens the frames of one direction, in order.
pub struct FrameOpener {
    /// Absent once a frame did not open: the stream is at its end.
    key: Option<FrameKey>,
    counter: u64,
}

impl FrameOpener {
    fn new(key: FrameKey) -> Self {
        Self {
            key: Some(key),
            counter: 0,
        }
    }

    /// Opens the next frame.
    ///
    /// # Errors
    /// `FrameTooLarge`; `NotAuthentic`: damaged, repeated or out of order. Nothing opens after an error.
    pub fn open(&mut self, frame: &[u8]) -> Result<Zeroizing<Vec<u8>>, StreamError> {
        let key = self.key.take().ok_or(StreamError::Ended)?;
        if frame.len() > MAX_FRAME + TAG_LEN {
            return Err(StreamError::FrameTooLarge {
                got: frame.len(),
                max: MAX_FRAME + TAG_LEN,
            });
        }
        let text = aead::open(&key.0, &frame_nonce(self.counter), &[], frame).map_err(|_| StreamError::NotAuthentic)?;
        self.key = Some(key);
        self.counter += 1;
        Ok(text)
    }

    /// Goes on to the next key, right after a `Rekey` frame was opened.
    pub fn rekey(&mut self) {
        self.key = self.key.take().map(FrameKey::next);
        self.counter = 0;
    }
}

impl std::fmt::Debug for FrameOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameOpener")
            .field("counter", &self.counter)
            .finish_non_exhaustive()
    }
}

/// Why a stream was not opened, or ends.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum StreamError {
    /// Not the form of an opening or an answer.
    #[error("the stream hello is malformed")]
    Malformed,
    /// The other side knows no session of this pair.
    #[error("the other side refused the stream")]
    Refused,
    /// The opening was made with none of the sessions.
    #[error("no session fits the stream")]
    UnknownSession,
    /// A MAC or tag does not verify.
    #[error("the bytes on the stream are not authentic")]
    NotAuthentic,
    /// The other side's fresh key is of low order.
    #[error("taking the other side's stream key")]
    LowOrder(#[from] LowOrder),
    /// Longer than any frame.
    #[error("frame of {got} bytes is over the limit of {max}")]
    FrameTooLarge {
        /// Length of the frame.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// A frame before this one did not open.
    #[error("the stream has ended")]
    Ended,
}

fn fresh(rng: &mut (impl CryptoRng + ?Sized)) -> ([u8; 32], StaticSecret) {
    let mut nonce = [0; 32];
    rng.fill_bytes(&mut nonce);
    (nonce, keys::random_secret(rng))
}

fn hello(nonce: &[u8; 32], eph: &PublicKey, mac: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(STREAM_ACCEPT_LEN);
    out.push(VERSION);
    out.extend_from_slice(nonce);
    out.extend_from_slice(eph.as_bytes());
    out.extend_from_slice(mac);
    out
}

fn parse_hello(bytes: &[u8], len: usize) -> Result<([u8; 32], PublicKey, &[u8]), StreamError> {
    let mut reader = ByteReader::new(bytes);
    let (Some(VERSION), Some(nonce), Some(eph)) = (reader.u8(), reader.array(), reader.array::<32>()) else {
        return Err(StreamError::Malformed);
    };
    if bytes.len() != len {
        return Err(StreamError::Malformed);
    }
    Ok((nonce, PublicKey::from(eph), reader.rest()))
}

fn open_mac(pair_key: &[u8; 32], nonce: &[u8; 32], eph: &PublicKey, peers: &Peers) -> [u8; OPEN_MAC] {
    let fields: [&[u8]; 4] = [nonce, eph.as_bytes(), &peers.opener, &peers.acceptor];
    let whole = kdf::mac(pair_key, Purpose::STREAM_OPEN, &fields);
    let mut mac = [0; OPEN_MAC];
    mac.copy_from_slice(&whole[..OPEN_MAC]);
    mac
}

fn accept_mac(
    pair_key: &[u8; 32],
    (nonce_a, eph_a): (&[u8; 32], &PublicKey),
    (nonce_b, eph_b): (&[u8; 32], &PublicKey),
    peers: &Peers,
) -> [u8; 32] {
    let fields: [&[u8]; 6] = [
        nonce_a,
        eph_a.as_bytes(),
        nonce_b,
        eph_b.as_bytes(),
        &peers.opener,
        &peers.acceptor,
    ];
    kdf::mac(pair_key, Purpose::STREAM_ACCEPT, &fields)
}

/// The keys A to B and B to A.
fn stream_keys(
    exporter: &Exporter,
    own: &StaticSecret,
    remote: &PublicKey,
    (nonce_a, nonce_b): (&[u8; 32], &[u8; 32]),
    peers: &Peers,
) -> Result<(FrameKey, FrameKey), LowOrder> {
    let shared = dh(own, remote)?;
    let salt = kdf::hash256(
        Purpose::STREAM_SALT,
        &[nonce_a, nonce_b, &peers.opener, &peers.acceptor],
    );
    let mut ikm = Zeroizing::new([[0; 32]; 2]);
    ikm[0] = exporter.0;
    ikm[1] = *shared.as_bytes();
    let mut okm = Zeroizing::new([[0; 32]; 2]);
    kdf::kdf(
        &salt,
        ikm.as_flattened(),
        Purpose::STREAM_KEYS,
        &[],
        okm.as_flattened_mut(),
    );
    Ok((FrameKey(okm[0]), FrameKey(okm[1])))
}

/// 0 u32 || counter u64.
fn frame_nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    nonce
}

#[cfg(test)]
mod tests;

//! Sealing with XChaCha20-Poly1305 (24-byte random nonces) and the keys it is done with.
//!
//! A sealed text is `nonce (24) || ciphertext || tag (16)`. Each purpose has a key of its own:
//! `blake3::derive_key("parlour/1 store <purpose>", key)`. Nonces come from the system's generator, some
//! kilobytes at a time, because one system call per value would cost more than the cipher.

use std::sync::{Mutex, PoisonError};

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, Key, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

pub(super) const NONCE: usize = 24;
pub(super) const TAG: usize = 16;
/// Bytes a sealed text is longer than the plain one.
pub(super) const OVERHEAD: usize = NONCE + TAG;
pub(super) const KEY_ID: usize = 16;

const POOL: usize = NONCE * 170;
const TREE: &[u8] = b"records";
const PAGES: &[u8] = b"pages";
const SCHEMA: u16 = 1;

/// The keys of one database, all derived from the key it was opened with.
pub(super) struct Keys {
    pub(super) records: Sealer,
    pub(super) journal: Sealer,
    pub(super) head: Sealer,
    check: Zeroizing<[u8; 32]>,
    /// Says which key a file was written with, without saying anything about the key.
    pub(super) id: [u8; KEY_ID],
    pub(super) nonces: Nonces,
}

impl Keys {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let id = blake3::derive_key("parlour/1 store key id", key);
        Self {
            records: Sealer::new("parlour/1 store records", key),
            journal: Sealer::new("parlour/1 store journal", key),
            head: Sealer::new("parlour/1 store head", key),
            check: Zeroizing::new(blake3::derive_key("parlour/1 store check", key)),
            id: first(&id),
            nonces: Nonces::default(),
        }
    }

    /// A keyed hash for framing; `purpose` keeps the uses apart.
    pub(super) fn check(&self, purpose: &[u8; 8], fields: &[u64]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.check);
        hasher.update(purpose);
        for field in fields {
            hasher.update(&field.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// Associated data of the value stored under `key`: tree name, key, schema version.
    pub(super) fn record_aad(out: &mut Vec<u8>, key: &[u8]) {
        out.clear();
        out.extend_from_slice(TREE);
        out.extend_from_slice(key);
        out.extend_from_slice(&SCHEMA.to_le_bytes());
    }

    /// Opens the value stored under `key`; `None` when it is not what was sealed there.
    pub(super) fn open_record(&self, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut aad = Vec::with_capacity(TREE.len() + key.len() + 2);
        Self::record_aad(&mut aad, key);
        self.records.open(&aad, sealed)
    }
}

impl Keys {
    /// Associated data of a page: what it is, its key, schema version.
    fn page_aad(key: &[u8]) -> Vec<u8> {
        [PAGES, key, &SCHEMA.to_le_bytes()].concat()
    }

    /// `nonce || ciphertext` of the page under `key`, and its tag.
    pub(super) fn seal_page(&self, nonce: &[u8; NONCE], key: &[u8], packed: &[u8]) -> (Vec<u8>, [u8; TAG]) {
        let mut out = Vec::with_capacity(packed.len() + NONCE);
        out.extend_from_slice(nonce);
        out.extend_from_slice(packed);
        let body = out.get_mut(NONCE..).unwrap_or_default();
        let tag = self.records.seal_in_place(nonce, &Self::page_aad(key), body);
        (out, tag)
    }

    /// Opens the page under `key` where it lies; `None` when it is not what was sealed there.
    pub(super) fn open_page<'a>(&self, key: &[u8], sealed: &'a mut [u8], tag: &[u8; TAG]) -> Option<&'a [u8]> {
        let (nonce, body) = sealed.split_first_chunk_mut::<NONCE>()?;
        let opened = self.records.0.decrypt_inout_detached(
            &XNonce::from(*nonce),
            &Self::page_aad(key),
            InOutBuf::from(&mut *body),
            &Tag::from(*tag),
        );
        opened.ok()?;
        Some(body)
    }
}

/// One key, ready to seal and open.
pub(super) struct Sealer(XChaCha20Poly1305);

impl Sealer {
    fn new(context: &str, key: &[u8; 32]) -> Self {
        let derived = Zeroizing::new(blake3::derive_key(context, key));
        Self(XChaCha20Poly1305::new(<&Key>::from(&*derived)))
    }

    /// Encrypts `buffer` where it lies and returns the tag.
    pub(super) fn seal_in_place(&self, nonce: &[u8; NONCE], aad: &[u8], buffer: &mut [u8]) -> [u8; TAG] {
        #[expect(clippy::expect_used, reason = "fails over 256 GiB only; a batch is at most 32 MiB")]
        let tag = self
            .0
            .encrypt_inout_detached(&XNonce::from(*nonce), aad, InOutBuf::from(buffer))
            .expect("text is short enough for the cipher");
        tag.into()
    }

    /// `nonce || ciphertext || tag` of `plain`.
    pub(super) fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
        out.extend_from_slice(nonce);
        out.extend_from_slice(plain);
        let tag = match out.get_mut(NONCE..) {
            Some(body) => self.seal_in_place(nonce, aad, body),
            None => self.seal_in_place(nonce, aad, &mut []),
        };
        out.extend_from_slice(&tag);
        out
    }

    /// The plain text of `nonce || ciphertext || tag`; `None` when it does not verify.
    pub(super) fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
        let (body, tag) = rest.split_last_chunk::<TAG>()?;
        let mut plain = body.to_vec();
        self.0
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                aad,
                InOutBuf::from(plain.as_mut_slice()),
                &Tag::from(*tag),
            )
            .ok()?;
        Some(plain)
    }
}

/// Random bytes from the system, fetched in bulk, each used once.
pub(super) struct Nonces(Mutex<Pool>);

struct Pool {
    bytes: Box<[u8; POOL]>,
    used: usize,
}

impl Default for Nonces {
    fn default() -> Self {
        Self(Mutex::new(Pool {
            bytes: Box::new([0; POOL]),
            used: POOL,
        }))
    }
}

impl Nonces {
    /// `count` fresh nonces.
    pub(super) fn take(&self, count: usize) -> Result<Vec<[u8; NONCE]>, getrandom::Error> {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = Vec::with_capacity(count);
        while out.len() < count {
            let Some((nonce, _)) = pool.bytes.get(pool.used..).and_then(<[u8]>::split_first_chunk::<NONCE>) else {
                getrandom::fill(pool.bytes.as_mut_slice())?;
                pool.used = 0;
                continue;
            };
            out.push(*nonce);
            pool.used += NONCE;
        }
        Ok(out)
    }

    pub(super) fn one(&self) -> Result<[u8; NONCE], getrandom::Error> {
        let mut nonce = [0; NONCE];
        if let Some(fresh) = self.take(1)?.first() {
            nonce = *fresh;
        }
        Ok(nonce)
    }
}

/// The first `N` bytes of a hash.
pub(super) fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(hash) {
        *to = *from;
    }
    out
}

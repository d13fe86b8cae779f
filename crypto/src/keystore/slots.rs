//! Slots of a keystore: the data key, wrapped by a password or by the node key.
//!
//! wk = KDF("", Argon2id(password), "keystore password", 32); nk = KDF("", node key file, "keystore node key", 32).
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::{DataKey, UnlockError};
use crate::aead;
use crate::codec::ByteReader;
use crate::kdf::{self, Purpose};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

/// memory u32 || passes u32 || lanes u32 || salt 16 || nonce 24 || XAEAD(data key) 48.
pub(super) const PASSWORD_SLOT_LEN: usize = 100;
/// nonce 24 || XAEAD(data key) 48.
pub(super) const NODE_KEY_SLOT_LEN: usize = 72;
const SALT_LEN: usize = 16;
const NONCE_LEN: usize = 24;

/// How hard Argon2id works on a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Params {
    /// Memory, 19 456–1 048 576 KiB.
    pub memory_kib: u32,
    /// Passes over it, 2–16.
    pub passes: u32,
    /// Lanes, 1–4.
    pub lanes: u32,
}

impl Argon2Params {
    /// The least that is accepted.
    pub const MINIMUM: Self = Self {
        memory_kib: 19_456,
        passes: 2,
        lanes: 1,
    };

    /// Whether all three are in range.
    #[must_use]
    pub fn in_range(&self) -> bool {
        (19_456..=1_048_576).contains(&self.memory_kib)
            && (2..=16).contains(&self.passes)
            && (1..=4).contains(&self.lanes)
    }
}

impl Default for Argon2Params {
    /// 64 MiB, 3 passes, 1 lane.
    fn default() -> Self {
        Self {
            memory_kib: 65_536,
            passes: 3,
            lanes: 1,
        }
    }
}

pub(super) fn wrap_password(
    rng: &mut impl CryptoRng,
    key: &DataKey,
    password: &str,
    params: Argon2Params,
) -> Result<[u8; PASSWORD_SLOT_LEN], UnlockError> {
    let (mut salt, mut nonce) = ([0; SALT_LEN], [0; NONCE_LEN]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut nonce);
    let wrapping = password_key(password, params, &salt)?;
    let mut out = Vec::with_capacity(PASSWORD_SLOT_LEN);
    for number in [params.memory_kib, params.passes, params.lanes] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(&salt);
    out.extend_from_slice(&nonce);
    aead::xseal_into(&mut out, &wrapping, &nonce, b"", key.0.as_slice());
    Ok(fixed(&out))
}

pub(super) fn unwrap_password(slot: &[u8; PASSWORD_SLOT_LEN], password: &str) -> Result<DataKey, UnlockError> {
    let mut reader = ByteReader::new(slot);
    let mut number = || reader.u32().ok_or(UnlockError::Damaged);
    let params = Argon2Params {
        memory_kib: number()?,
        passes: number()?,
        lanes: number()?,
    };
    let salt = reader.array().ok_or(UnlockError::Damaged)?;
    let wrapping = password_key(password, params, &salt)?;
    unwrap(&wrapping, reader).ok_or(UnlockError::WrongPassword)
}

pub(super) fn wrap_node_key(rng: &mut impl CryptoRng, key: &DataKey, node_key: &[u8; 32]) -> [u8; NODE_KEY_SLOT_LEN] {
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let mut out = nonce.to_vec();
    aead::xseal_into(&mut out, &node_wrapping_key(node_key), &nonce, b"", key.0.as_slice());
    fixed(&out)
}

pub(super) fn unwrap_node_key(slot: &[u8; NODE_KEY_SLOT_LEN], node_key: &[u8; 32]) -> Result<DataKey, UnlockError> {
    unwrap(&node_wrapping_key(node_key), ByteReader::new(slot)).ok_or(UnlockError::WrongNodeKey)
}

fn unwrap(wrapping: &[u8; 32], mut slot: ByteReader<'_>) -> Option<DataKey> {
    let nonce = slot.array::<NONCE_LEN>()?;
    let key = aead::xopen(wrapping, &nonce, b"", slot.rest()).ok()?;
    Some(DataKey(Zeroizing::new(key.as_slice().try_into().ok()?)))
}

fn node_wrapping_key(node_key: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    kdf::kdf(b"", node_key, Purpose::KEYSTORE_NODE_KEY, &[], out.as_mut_slice());
    out
}

/// Refuses parameters out of range before any memory is touched: a file may not choose what opening it costs.
fn password_key(
    password: &str,
    params: Argon2Params,
    salt: &[u8; SALT_LEN],
) -> Result<Zeroizing<[u8; 32]>, UnlockError> {
    if !params.in_range() {
        return Err(UnlockError::Parameters);
    }
    let settings =
        Params::new(params.memory_kib, params.passes, params.lanes, Some(32)).map_err(|_| UnlockError::Parameters)?;
    let mut memory = Memory::of(settings.block_count()).ok_or(UnlockError::OutOfMemory { kib: params.memory_kib })?;
    let mut hash = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, settings)
        .hash_password_into_with_memory(password.as_bytes(), salt, hash.as_mut_slice(), &mut memory.0)
        .map_err(|_| UnlockError::Parameters)?;
    let mut out = Zeroizing::new([0; 32]);
    kdf::kdf(
        b"",
        hash.as_slice(),
        Purpose::KEYSTORE_PASSWORD,
        &[],
        out.as_mut_slice(),
    );
    Ok(out)
}

/// Argon2's blocks, which must not stay in memory.
struct Memory(Vec<Block>);

impl Memory {
    fn of(blocks: usize) -> Option<Self> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(blocks).ok()?;
        memory.resize(blocks, Block::new());
        Some(Self(memory))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // What a block held last decides the hash; volatile writes over all of it cost less than one pass.
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

/// Bytes whose length follows from what was put into them.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    #[expect(clippy::expect_used, reason = "both callers write exactly a slot")]
    bytes.try_into().expect("the length of a slot")
}

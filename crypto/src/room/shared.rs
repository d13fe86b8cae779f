//! A sender chain as it is handed over: its certificate, and the keys that open it from one message on (PROTOCOL.md section 11).
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::audience::{AudienceProof, MAX_PATH};
use super::sending::CHAIN_MESSAGES;
use crate::body::{Ext, MAX_EXT};
use crate::control::{ControlError, limit};
use crate::ids::EventId;
use crate::kdf::{Purpose, hash};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Most chains of one control.
pub const MAX_SHARED: usize = 32;
/// Most heads named beside a chain.
pub const MAX_VIEW_HEADS: usize = 64;
/// Longest certificate.
const MAX_CERT: usize = 512;
const LAST_ITERATION: usize = CHAIN_MESSAGES as usize - 1;

/// The keys of a chain at one message.
///
/// A secret that travels: it is part of a control, which is kept in the outbox until it is acknowledged, so it can be cloned
/// and written. It is erased when dropped, shows nothing of itself, and is compared in constant time.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct ChainKeys {
    pub(super) chain: [u8; 32],
    pub(super) header: [u8; 32],
    pub(super) tag: [u8; 32],
}

impl ChainKeys {
    pub(super) fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut keys = Self {
            chain: [0; 32],
            header: [0; 32],
            tag: [0; 32],
        };
        rng.fill_bytes(&mut keys.chain);
        rng.fill_bytes(&mut keys.header);
        rng.fill_bytes(&mut keys.tag);
        keys
    }

    /// What the certificate says of the keys that stay: HASH("chain keys", header key, tag key).
    pub(super) fn commitment(&self) -> [u8; 32] {
        hash(Purpose::CHAIN_KEYS, &[&self.header, &self.tag])
    }
}

impl PartialEq for ChainKeys {
    fn eq(&self, other: &Self) -> bool {
        (self.chain.ct_eq(&other.chain) & self.header.ct_eq(&other.header) & self.tag.ct_eq(&other.tag)).into()
    }
}

impl Eq for ChainKeys {}

impl std::fmt::Debug for ChainKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainKeys").finish_non_exhaustive()
    }
}

/// A sender chain on its way to a reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedChain {
    /// Chain certificate, signed form, not yet verified.
    #[serde(with = "serde_bytes")]
    pub cert: Vec<u8>,
    /// The first message the keys open, below 1000.
    pub iteration: u32,
    /// The keys.
    pub keys: ChainKeys,
    /// The heads behind the certificate's view, at most 64; none where there are more.
    pub view: Vec<EventId>,
    /// That the reader is in the audience, where somebody else than the owner hands it over.
    pub proof: Option<AudienceProof>,
    /// Fields of later versions.
    pub ext: Ext,
}

impl SharedChain {
    pub(crate) fn validate(&self) -> Result<(), ControlError> {
        limit("certificate", self.cert.len(), MAX_CERT)?;
        limit("iteration", self.iteration as usize, LAST_ITERATION)?;
        limit("view", self.view.len(), MAX_VIEW_HEADS)?;
        limit(
            "proof",
            self.proof.as_ref().map_or(0, |proof| proof.path.len()),
            MAX_PATH,
        )?;
        limit("ext", self.ext.len(), MAX_EXT)
    }
}

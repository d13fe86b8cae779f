//! Asking to become a contact without an invite: the work that goes before it (PROTOCOL.md section 9).
//!
//! base = HASH("contact request", user asked, envelope); a nonce does when XOF(base, "contact request work", 4, nonce u64),
//! read as u32, begins with 20 zero bits.
//!
//! It is looked at before anything is decrypted. What a request says is a control in the envelope.

use crate::ids::UserId;
use crate::kdf::{self, Purpose};

/// Zero bits that a nonce must find: about a million tries.
pub const ASKING_WORK_BITS: u32 = 20;
/// Largest envelope that asks.
pub const MAX_ASKING_ENVELOPE: usize = 4_096;

/// The work for one request: bound to whom it asks, and to its envelope.
#[derive(Clone, Debug)]
pub struct AskingWork {
    base: [u8; 32],
}

impl AskingWork {
    /// The work for asking `user` with this envelope.
    #[must_use]
    pub fn new(user: &UserId, envelope: &[u8]) -> Self {
        Self {
            base: kdf::hash(Purpose::CONTACT_REQUEST, &[user.as_bytes(), envelope]),
        }
    }

    /// Whether this nonce does it.
    #[must_use]
    pub fn is_done_by(&self, nonce: u64) -> bool {
        let mut found = [0; 4];
        kdf::xof(
            &self.base,
            Purpose::CONTACT_REQUEST_WORK,
            &[&nonce.to_be_bytes()],
            &mut found,
        );
        u32::from_be_bytes(found).leading_zeros() >= ASKING_WORK_BITS
    }

    /// The first nonce that does it, of `tries` from `first`.
    #[must_use]
    pub fn search(&self, first: u64, tries: u64) -> Option<u64> {
        (first..first.saturating_add(tries)).find(|nonce| self.is_done_by(*nonce))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_for_one_envelope_and_one_user() {
        let (user, other) = (UserId::from_bytes([1; 32]), UserId::from_bytes([2; 32]));
        let work = AskingWork::new(&user, b"envelope");
        let nonce = work.search(0, 1 << 26).expect("found long before");
        assert!(work.is_done_by(nonce) && work.search(0, nonce).is_none());
        assert_eq!(work.search(nonce, 1), Some(nonce));
        assert!(!AskingWork::new(&other, b"envelope").is_done_by(nonce));
        assert!(!AskingWork::new(&user, b"envelopf").is_done_by(nonce));
    }
}

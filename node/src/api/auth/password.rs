//! The password with which a user logs in to this node: kept as its Argon2id hash, and hard to guess also for whoever has that.

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::HEXLOWER;
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::kept::Hash;
use crate::random::SystemRng;

/// Bytes of a password.
pub(crate) const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 6..=1024;
/// What a login costs: it is interactive, and the guesses from outside are counted besides.
const COST: Cost = Cost {
    memory_kib: 19_456,
    passes: 2,
};
/// The most that a file may ask for.
const MAX_COST: Cost = Cost {
    memory_kib: 262_144,
    passes: 16,
};

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    memory_kib: u32,
    passes: u32,
}

/// A password's hash. Not the password.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordHash {
    cost: Cost,
    /// 16 bytes, hexadecimal.
    salt: String,
    hash: Hash,
}

impl PasswordHash {
    /// Takes some tens of milliseconds of computing.
    pub(super) fn of(password: &str) -> Option<Self> {
        let mut salt = [0; 16];
        SystemRng.fill_bytes(&mut salt);
        let hash = argon2id(password, &salt, COST)?;
        Some(Self {
            cost: COST,
            salt: HEXLOWER.encode(&salt),
            hash: Hash(*hash),
        })
    }

    /// The hash of nothing that anybody has, to be compared with when there is no such user: that takes as long.
    pub(super) fn of_nobody() -> Self {
        Self {
            cost: COST,
            salt: HEXLOWER.encode(&[0; 16]),
            hash: Hash([0; 32]),
        }
    }

    /// Whether this is the password. Takes as long as making it.
    pub(super) fn is_of(&self, password: &str) -> bool {
        let is_bounded = self.cost.memory_kib <= MAX_COST.memory_kib && self.cost.passes <= MAX_COST.passes;
        let salt = HEXLOWER.decode(self.salt.as_bytes()).ok();
        let hash = salt
            .filter(|_| is_bounded)
            .and_then(|salt| argon2id(password, &salt, self.cost));
        hash.is_some_and(|hash| hash.ct_eq(&self.hash.0).into())
    }
}

fn argon2id(password: &str, salt: &[u8], cost: Cost) -> Option<Zeroizing<[u8; 32]>> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, Some(32)).ok()?;
    let mut hash = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, hash.as_mut_slice())
        .ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_password_is_it_and_two_hashes_of_one_differ() {
        let (one, other) = (
            PasswordHash::of("correct").unwrap(),
            PasswordHash::of("correct").unwrap(),
        );
        assert!(one.hash != other.hash && one.is_of("correct") && other.is_of("correct"));
        for wrong in ["", "correc", "correct ", "Correct"] {
            assert!(!one.is_of(wrong), "{wrong}");
        }
        assert!(!PasswordHash::of_nobody().is_of(""));
        let greedy = PasswordHash {
            cost: Cost {
                memory_kib: u32::MAX,
                passes: 2,
            },
            ..one
        };
        assert!(!greedy.is_of("correct"));
    }
}

//! Safety numbers: what two users compare to know that nobody stands between them (PROTOCOL.md section 10).
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::ids::UserId;
use crate::kdf::Purpose;
use sha2::{Digest, Sha512};

const ROUNDS: usize = 5200;
const GROUPS_PER_USER: usize = 6;

/// The 60 digits of two users in twelve groups of five, the same from both sides.
#[must_use]
pub fn safety_number(one: &UserId, other: &UserId) -> String {
    let mut halves = [half(one), half(other)];
    halves.sort();
    halves.concat().join(" ")
}

/// d0 = SHA-512(ctx || id), di = SHA-512(di-1 || id); six groups of five digits from the last.
fn half(user: &UserId) -> Vec<String> {
    let mut digest = Sha512::new()
        .chain_update(Purpose::SAFETY_NUMBER.context())
        .chain_update(user)
        .finalize();
    for _ in 0..ROUNDS {
        digest = Sha512::new().chain_update(digest).chain_update(user).finalize();
    }
    let (groups, _) = digest.as_chunks::<5>();
    groups
        .iter()
        .take(GROUPS_PER_USER)
        .map(|bytes| {
            let number = bytes.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
            format!("{:05}", number % 100_000)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed from the formula of PROTOCOL.md with an independent SHA-512.
    const KNOWN: &str = "29789 30893 07899 32906 10259 94085 37070 17717 04777 97284 98744 13020";

    #[test]
    fn a_known_pair_has_its_number() {
        let (one, other) = (UserId::from_bytes([1; 32]), UserId::from_bytes([2; 32]));
        assert_eq!(safety_number(&one, &other), KNOWN);
        assert_eq!(safety_number(&other, &one), KNOWN);
    }

    #[test]
    fn sixty_digits_in_twelve_groups_that_depend_on_both() {
        let (one, other) = (UserId::from_bytes([1; 32]), UserId::from_bytes([2; 32]));
        let number = safety_number(&one, &other);
        assert!(
            number
                .split(' ')
                .all(|group| group.len() == 5 && group.bytes().all(|byte| byte.is_ascii_digit()))
        );
        assert_eq!(number.split(' ').count(), 12);
        assert_ne!(number, safety_number(&one, &UserId::from_bytes([3; 32])));
        assert_ne!(number, safety_number(&one, &one));
    }
}

//! Looking for members of a room whose link one has (PROTOCOL.md section 11, "Joining"): question and answer both show that their maker knows
//! what the link's operation says of its token, to nobody but those who know it, too.
//!
//! MAC(HASH("room link token", token), purpose, nonce, peer that asks, peer that is asked, …)[0..16]. Naming both peers keeps whoever is asked
//! from passing the question on as their own.

use crate::kdf::{Purpose, mac};
use subtle::ConstantTimeEq;

/// Between whom a question goes: the peer that asks, and the peer that is asked, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct BetweenPeers<'a> {
    /// Who asks.
    pub asks: &'a [u8],
    /// Who is asked.
    pub asked: &'a [u8],
}

/// What proves a question about the link whose token has this hash.
#[must_use]
pub fn link_question(token_hash: &[u8; 32], nonce: &[u8; 16], between: BetweenPeers<'_>) -> [u8; 16] {
    short(mac(
        token_hash,
        Purpose::ROOM_LINK_QUESTION,
        &[nonce, between.asks, between.asked],
    ))
}

/// Whether a question is about the link whose token has this hash.
#[must_use]
pub fn asks_about_link(token_hash: &[u8; 32], nonce: &[u8; 16], between: BetweenPeers<'_>, proof: &[u8; 16]) -> bool {
    link_question(token_hash, nonce, between).ct_eq(proof).into()
}

/// What proves the answer to a question: whoever gives this prekey bundle knows the link.
#[must_use]
pub fn link_answer(token_hash: &[u8; 32], nonce: &[u8; 16], between: BetweenPeers<'_>, bundle: &[u8]) -> [u8; 16] {
    let fields = [nonce.as_slice(), between.asks, between.asked, bundle];
    short(mac(token_hash, Purpose::ROOM_LINK_ANSWER, &fields))
}

/// Whether an answer comes from somebody who knows the link.
#[must_use]
pub fn answers_about_link(
    token_hash: &[u8; 32],
    nonce: &[u8; 16],
    between: BetweenPeers<'_>,
    bundle: &[u8],
    proof: &[u8; 16],
) -> bool {
    link_answer(token_hash, nonce, between, bundle).ct_eq(proof).into()
}

fn short(mac: [u8; 32]) -> [u8; 16] {
    let mut out = [0; 16];
    out.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_of_one_link_one_question_two_peers_and_one_bundle() {
        let between = BetweenPeers {
            asks: b"ada",
            asked: b"bo",
        };
        let turned = BetweenPeers {
            asks: b"bo",
            asked: b"ada",
        };
        let moved = BetweenPeers {
            asks: b"adab",
            asked: b"o",
        };
        let question = link_question(&[1; 32], &[2; 16], between);
        assert!(asks_about_link(&[1; 32], &[2; 16], between, &question));
        assert!(!asks_about_link(&[9; 32], &[2; 16], between, &question));
        assert!(!asks_about_link(&[1; 32], &[9; 16], between, &question));
        assert!(!asks_about_link(&[1; 32], &[2; 16], turned, &question));
        assert!(!asks_about_link(&[1; 32], &[2; 16], moved, &question));
        let answer = link_answer(&[1; 32], &[2; 16], between, b"bundle");
        assert_ne!(answer, question);
        assert!(answers_about_link(&[1; 32], &[2; 16], between, b"bundle", &answer));
        assert!(!answers_about_link(&[1; 32], &[2; 16], between, b"another", &answer));
        assert!(!answers_about_link(&[9; 32], &[2; 16], between, b"bundle", &answer));
    }
}

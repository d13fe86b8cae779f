//! Key agreement: X25519 (RFC 7748; PROTOCOL.md section 1), computed where it is fastest.
//!
//! A public key that is a point of the curve is multiplied on the curve's Edwards form, for which there is vector code; the
//! way there is paid once for all agreements with one key. A key that lies on the twist has no such form and takes the
//! Montgomery ladder. Either way the result is that of RFC 7748. Which way is taken depends on the public key alone.

use curve25519_dalek::{EdwardsPoint, MontgomeryPoint};
use subtle::ConstantTimeEq;
use thiserror::Error;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Somebody's public key, ready to agree with.
pub(crate) struct RemoteKey {
    key: PublicKey,
    /// Either of the two points that have this u; nothing when it is one of the twist.
    point: Option<EdwardsPoint>,
}

impl RemoteKey {
    pub(crate) fn new(key: &PublicKey) -> Self {
        Self {
            key: *key,
            point: MontgomeryPoint(key.to_bytes()).to_edwards(0),
        }
    }

    /// DH(own, this), refused when the result is all zero.
    pub(crate) fn agree(&self, own: &StaticSecret) -> Result<SharedSecret, LowOrder> {
        let [shared] = agree_all([(own, self)])?;
        Ok(shared)
    }
}

/// DH(own, theirs) of every pair, refused when the result of any is all zero.
pub(crate) fn agree_all<const N: usize>(
    pairs: [(&StaticSecret, &RemoteKey); N],
) -> Result<[SharedSecret; N], LowOrder> {
    agree_and_publish(pairs, []).map(|(shared, [])| shared)
}

/// DH(own, theirs) of every pair, refused when the result of any is all zero, and the public keys of `secrets`.
///
/// The results share the inversion that brings them back to their u: together they cost less than one by one.
pub(crate) fn agree_and_publish<const N: usize, const M: usize>(
    pairs: [(&StaticSecret, &RemoteKey); N],
    secrets: [&StaticSecret; M],
) -> Result<([SharedSecret; N], [PublicKey; M]), LowOrder> {
    let public = secrets.map(|secret| EdwardsPoint::mul_base_clamped(secret.to_bytes()));
    let mut products = Zeroizing::new(Vec::with_capacity(N + M));
    products.extend(public);
    products.extend(pairs.iter().map(|(own, theirs)| match &theirs.point {
        Some(point) => point.mul_clamped(own.to_bytes()),
        None => EdwardsPoint::default(),
    }));
    let all = Zeroizing::new(EdwardsPoint::to_montgomery_batch(&products));
    let (public, on_the_curve) = all.split_at(M);
    let public = std::array::from_fn(|at| PublicKey::from(public[at].to_bytes()));

    let mut shared = [const { SharedSecret([0; 32]) }; N];
    for ((shared, u), (own, theirs)) in shared.iter_mut().zip(on_the_curve).zip(pairs) {
        shared.0 = match &theirs.point {
            Some(_) => u.to_bytes(),
            None => own.diffie_hellman(&theirs.key).to_bytes(),
        };
        if shared.0.ct_eq(&[0; 32]).into() {
            return Err(LowOrder);
        }
    }
    Ok((shared, public))
}

/// What two sides agreed on.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct SharedSecret([u8; 32]);

impl SharedSecret {
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// DH(own, theirs), for a key that is agreed with once.
pub(crate) fn dh(own: &StaticSecret, theirs: &PublicKey) -> Result<SharedSecret, LowOrder> {
    RemoteKey::new(theirs).agree(own)
}

/// The u-coordinates of low order on the curve and its twist, as any 255 bits: 0, 1, the two of order 8, then p - 1 and the
/// other encodings of 0 and 1, p and p + 1.
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    low_order(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    low_order(0xec, 0xff, 0x7f),
    low_order(0xed, 0xff, 0x7f),
    low_order(0xee, 0xff, 0x7f),
];

/// 32 bytes: `first`, 30 times `middle`, `last`.
const fn low_order(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// Refuses the public keys that [`RemoteKey::agree`] refuses whatever the secret, without one; for a key that is used later.
pub(crate) fn refuse_low_order(key: &PublicKey) -> Result<(), LowOrder> {
    let mut bytes = key.to_bytes();
    // X25519 ignores the top bit.
    bytes[31] &= 0x7f;
    if LOW_ORDER.contains(&bytes) {
        Err(LowOrder)
    } else {
        Ok(())
    }
}

/// A public key is of low order: agreeing with it would give a known secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the public key is of low order")]
pub struct LowOrder;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;

//! ChaCha20-Poly1305 and XChaCha20-Poly1305 with the tag behind the ciphertext (RFC 8439; PROTOCOL.md section 1).
//!
//! Nonces are the caller's business: this module neither makes nor remembers them.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, XChaCha20Poly1305};
use thiserror::Error;
use zeroize::Zeroizing;

/// Length of an authentication tag.
pub(crate) const TAG_LEN: usize = 16;

/// The tag does not verify, or there is no room for one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the sealed bytes do not open")]
pub(crate) struct AeadError;

/// AEAD(key, nonce, ad, text), appended to `out`.
pub(crate) fn seal_into(out: &mut Vec<u8>, key: &[u8; 32], nonce: &[u8; 12], ad: &[u8], text: &[u8]) {
    append(out, &ChaCha20Poly1305::new(key.into()), nonce.into(), ad, text);
}

/// Opens what [`seal_into`] made.
pub(crate) fn open(
    key: &[u8; 32],
    nonce: &[u8; 12],
    ad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, AeadError> {
    unseal(&ChaCha20Poly1305::new(key.into()), nonce.into(), ad, sealed)
}

/// XAEAD(key, nonce, ad, text), appended to `out`.
pub(crate) fn xseal_into(out: &mut Vec<u8>, key: &[u8; 32], nonce: &[u8; 24], ad: &[u8], text: &[u8]) {
    append(out, &XChaCha20Poly1305::new(key.into()), nonce.into(), ad, text);
}

/// Opens what [`xseal_into`] made.
pub(crate) fn xopen(
    key: &[u8; 32],
    nonce: &[u8; 24],
    ad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, AeadError> {
    unseal(&XChaCha20Poly1305::new(key.into()), nonce.into(), ad, sealed)
}

/// AEAD in place; returns the tag.
pub(crate) fn seal_detached(key: &[u8; 32], nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
    seal_with(&ChaCha20Poly1305::new(key.into()), nonce.into(), ad, text)
}

/// Opens in place what [`seal_detached`] sealed; on failure `text` is not to be used.
pub(crate) fn open_detached(
    key: &[u8; 32],
    nonce: &[u8; 12],
    ad: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Result<(), AeadError> {
    let cipher = ChaCha20Poly1305::new(key.into());
    cipher
        .decrypt_inout_detached(nonce.into(), ad, text.into(), tag.into())
        .map_err(|_| AeadError)
}

/// XAEAD in place; returns the tag.
pub(crate) fn xseal_detached(key: &[u8; 32], nonce: &[u8; 24], ad: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
    seal_with(&XChaCha20Poly1305::new(key.into()), nonce.into(), ad, text)
}

/// Opens in place what [`xseal_detached`] sealed; on failure `text` is not to be used.
pub(crate) fn xopen_detached(
    key: &[u8; 32],
    nonce: &[u8; 24],
    ad: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Result<(), AeadError> {
    let cipher = XChaCha20Poly1305::new(key.into());
    cipher
        .decrypt_inout_detached(nonce.into(), ad, text.into(), tag.into())
        .map_err(|_| AeadError)
}

fn seal_with<C: AeadInOut<TagSize = chacha20poly1305::consts::U16>>(
    cipher: &C,
    nonce: &chacha20poly1305::aead::Nonce<C>,
    ad: &[u8],
    text: &mut [u8],
) -> [u8; TAG_LEN] {
    #[expect(clippy::expect_used, reason = "only a text over 256 GiB is refused")]
    let tag = cipher
        .encrypt_inout_detached(nonce, ad, text.into())
        .expect("text fits the cipher");
    tag.into()
}

fn append<C: AeadInOut>(
    out: &mut Vec<u8>,
    cipher: &C,
    nonce: &chacha20poly1305::aead::Nonce<C>,
    ad: &[u8],
    text: &[u8],
) {
    // Room for all of it first: a reallocation would leave plaintext behind.
    out.reserve(text.len().saturating_add(TAG_LEN));
    let start = out.len();
    out.extend_from_slice(text);
    let (_, body) = out.split_at_mut(start);
    #[expect(clippy::expect_used, reason = "only a text over 256 GiB is refused")]
    let tag = cipher
        .encrypt_inout_detached(nonce, ad, body.into())
        .expect("text fits the cipher");
    out.extend_from_slice(&tag);
}

fn unseal<C: AeadInOut>(
    cipher: &C,
    nonce: &chacha20poly1305::aead::Nonce<C>,
    ad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, AeadError> {
    let split = sealed.len().checked_sub(TAG_LEN).ok_or(AeadError)?;
    let (text, tag) = sealed.split_at(split);
    let tag = tag.try_into().map_err(|_| AeadError)?;
    let mut out = Zeroizing::new(text.to_vec());
    cipher
        .decrypt_inout_detached(nonce, ad, out.as_mut_slice().into(), tag)
        .map_err(|_| AeadError)?;
    Ok(out)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;

use super::*;
use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use std::collections::BTreeSet;

#[test]
fn purposes_are_those_of_the_protocol_page() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../PROTOCOL.md")).unwrap();
    let section = page
        .split("### Purposes")
        .nth(1)
        .unwrap()
        .split("\n### ")
        .next()
        .unwrap();
    let mut listed = Vec::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cell = row.split('|').nth(1).unwrap();
        listed.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    let ours: Vec<String> = ALL.iter().map(|purpose| purpose.0.to_owned()).collect();
    assert_eq!(
        listed.iter().collect::<BTreeSet<_>>(),
        ours.iter().collect::<BTreeSet<_>>()
    );
    assert_eq!(listed.len(), ours.len(), "a purpose is listed twice");
}

#[test]
fn no_purpose_is_used_twice_and_none_holds_a_zero_byte() {
    let distinct: BTreeSet<_> = ALL.iter().map(|purpose| purpose.0).collect();
    assert_eq!(distinct.len(), ALL.len());
    assert!(
        ALL.iter()
            .all(|purpose| purpose.0.is_ascii() && !purpose.0.contains('\0'))
    );
}

#[test]
fn inputs_are_laid_out_as_written() {
    let mut bytes = b"parlour/1\0event id\0".to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 1, b'a', 0, 0, 0, 2, b'b', b'c']);
    assert_eq!(
        hash(Purpose::EVENT_ID, &[b"a", b"bc"]),
        *blake3::hash(&bytes).as_bytes()
    );
    assert_eq!(
        hash256(Purpose::EVENT_ID, &[b"a", b"bc"]),
        <[u8; 32]>::from(Sha256::digest(&bytes))
    );
    let mut reference = <Hmac<Sha256> as KeyInit>::new_from_slice(b"key").unwrap();
    Mac::update(&mut reference, &bytes);
    assert_eq!(
        mac(b"key", Purpose::EVENT_ID, &[b"a", b"bc"]),
        <[u8; 32]>::from(reference.finalize().into_bytes())
    );
    let (mut ours, mut expected) = ([0; 77], [0; 77]);
    kdf(b"salt", b"ikm", Purpose::EVENT_ID, &[b"a", b"bc"], &mut ours);
    Hkdf::<Sha256>::new(Some(b"salt"), b"ikm")
        .expand(&bytes, &mut expected)
        .unwrap();
    assert_eq!(ours, expected);

    let (mut ours, mut expected) = ([0; 64], [0; 64]);
    xof(&[7; 32], Purpose::EVENT_ID, &[], &mut ours);
    blake3::Hasher::new_keyed(&[7; 32])
        .update(b"parlour/1\0event id\0")
        .finalize_xof()
        .fill(&mut expected);
    assert_eq!(ours, expected);
}

#[test]
fn xof_depends_on_key_and_purpose_and_a_short_output_begins_a_long_one() {
    let of = |key: u8, purpose| {
        let mut out = [0; 64];
        xof(&[key; 32], purpose, &[], &mut out);
        out
    };
    let long = of(1, Purpose::RATCHET_STEP);
    assert_ne!(long, of(2, Purpose::RATCHET_STEP));
    assert_ne!(long, of(1, Purpose::RATCHET_MESSAGE));
    let mut short = [0; 44];
    xof(&[1; 32], Purpose::RATCHET_STEP, &[], &mut short);
    assert_eq!(short, long[..44]);
}

#[test]
fn field_borders_count() {
    assert_ne!(
        hash(Purpose::EVENT_ID, &[b"ab", b"c"]),
        hash(Purpose::EVENT_ID, &[b"a", b"bc"])
    );
    assert_ne!(hash(Purpose::EVENT_ID, &[b""]), hash(Purpose::EVENT_ID, &[]));
    assert_ne!(hash(Purpose::EVENT, &[b"a"]), hash(Purpose::EVENT_ID, &[b"a"]));
}

#[test]
fn empty_salt_is_thirty_two_zero_bytes() {
    let (mut empty, mut zeros) = ([0; 32], [0; 32]);
    kdf(b"", b"ikm", Purpose::IDENTITY, &[], &mut empty);
    kdf(&[0; 32], b"ikm", Purpose::IDENTITY, &[], &mut zeros);
    assert_eq!(empty, zeros);
}

#[test]
fn a_signature_is_bound_to_its_purpose_its_key_and_its_bytes() {
    let key = SigningPair::from_seed(&[7; 32]);
    let public = *key.public();
    let signature = key.sign(Purpose::EVENT, b"text");
    assert_eq!(verify_strict(&public, Purpose::EVENT, b"text", &signature), Ok(()));
    assert_eq!(
        verify_strict(&public, Purpose::DEVICE_LIST, b"text", &signature),
        Err(BadSignature)
    );
    assert_eq!(
        verify_strict(&public, Purpose::EVENT, b"texT", &signature),
        Err(BadSignature)
    );
    let other = *SigningPair::from_seed(&[8; 32]).public();
    assert_eq!(
        verify_strict(&other, Purpose::EVENT, b"text", &signature),
        Err(BadSignature)
    );
}

/// RFC 8032 section 7.1, tests 1 to 3, by the library that signs: of the bytes as they are, without a purpose.
#[test]
fn what_signs_signs_as_the_rfc_does() {
    for (seed, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246\
             55141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb\
             00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc\
             027beceea1ec40a",
        ),
    ] {
        let [seed, public, message, signature] =
            [seed, public, message, signature].map(|hex| HEX.decode(hex.as_bytes()).unwrap());
        let key = SigningPair::from_seed(&seed.try_into().unwrap());
        assert_eq!(key.public().as_slice(), public);
        assert_eq!(key.sign_plain(&message).as_slice(), signature);
        assert_eq!(verify(key.public(), &message, &key.sign_plain(&message)), Ok(()));
    }
}

/// Keys and messages of every length around the blocks of the hash.
#[test]
fn a_signature_is_the_one_that_the_standard_asks_for() {
    use ed25519_dalek::Signer;

    for n in 0..=u8::MAX {
        let seed = hash(Purpose::EVENT, &[&[n]]);
        let text = vec![n; usize::from(n) * 2];
        let (ours, other) = (
            SigningPair::from_seed(&seed),
            ed25519_dalek::SigningKey::from_bytes(&seed),
        );
        assert_eq!(ours.public(), other.verifying_key().as_bytes());
        let signed = other.sign(&Purpose::EVENT.message(&text)).to_bytes();
        assert_eq!(ours.sign(Purpose::EVENT, &text), signed);
    }
}

#[test]
fn a_small_order_key_and_a_high_s_are_refused() {
    // The neutral element as key and R verifies for every message unless small order is refused.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert_eq!(
        verify_strict(&neutral, Purpose::EVENT, b"text", &signature),
        Err(BadSignature)
    );

    let key = SigningPair::from_seed(&[7; 32]);
    let mut high = key.sign(Purpose::EVENT, b"text");
    let order: [u8; 32] = HEX
        .decode(b"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        .unwrap()
        .try_into()
        .unwrap();
    let mut carry = 0u16;
    for (byte, add) in high[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert_eq!(
        verify_strict(key.public(), Purpose::EVENT, b"text", &high),
        Err(BadSignature)
    );
}

#[test]
fn a_key_that_was_read_serves_many_signatures_and_a_weak_one_none() {
    let key = SigningPair::from_seed(&[7; 32]);
    let signer = SignerKey::read(key.public()).unwrap();
    for text in [b"one", b"two"] {
        let signature = key.sign(Purpose::EVENT, text);
        assert_eq!(signer.verify(Purpose::EVENT, text, &signature), Ok(()));
        assert_eq!(signer.verify(Purpose::EVENT, b"other", &signature), Err(BadSignature));
        assert_eq!(signer.verify(Purpose::DEVICE_LIST, text, &signature), Err(BadSignature));
    }
    for point in EIGHT_TORSION {
        assert!(SignerKey::read(&point.compress().to_bytes()).is_none());
    }
    let mut bytes = (0..=u8::MAX).map(|byte| [byte; 32]);
    let no_point = bytes.find(|bytes| VerifyingKey::from_bytes(bytes).is_err()).unwrap();
    assert!(SignerKey::read(&no_point).is_none());
}

/// Keys and nonce points with every small-order part, signed by somebody who knows the secrets: some verify without
/// cofactor, those with a small-order key or R must not.
#[test]
fn what_is_strict_is_what_the_library_calls_strict() {
    use curve25519_dalek::{EdwardsPoint, Scalar};
    use sha2::Sha512;

    let (a, r) = (Scalar::from(77u64), Scalar::from(1234u64));
    let mut verified = [0; 2];
    for key_part in EIGHT_TORSION {
        for nonce_part in EIGHT_TORSION {
            for (a, r) in [
                (a, r),
                (a, Scalar::ZERO),
                (Scalar::ZERO, r),
                (Scalar::ZERO, Scalar::ZERO),
            ] {
                let key = (EdwardsPoint::mul_base(&a) + key_part).compress().to_bytes();
                let nonce = (EdwardsPoint::mul_base(&r) + nonce_part).compress().to_bytes();
                let mut hash = Sha512::new();
                hash.update(nonce);
                hash.update(key);
                hash.update(b"text");
                let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&nonce);
                signature[32..].copy_from_slice((r + k * a).as_bytes());

                let library = VerifyingKey::from_bytes(&key).unwrap();
                let strict = library
                    .verify_strict(b"text", &Signature::from_bytes(&signature))
                    .is_ok();
                let lax = library.verify(b"text", &Signature::from_bytes(&signature)).is_ok();
                assert_eq!(verify(&key, b"text", &signature).is_ok(), strict);
                verified[0] += u32::from(strict);
                verified[1] += u32::from(lax);
            }
        }
    }
    assert!(0 < verified[0] && verified[0] < verified[1], "{verified:?}");
}

/// Only with the `zeroize` features of their crates; HMAC and HKDF are made of these hashes.
#[test]
fn what_holds_a_key_erases_itself() {
    fn erases<T: zeroize::ZeroizeOnDrop>() {}
    erases::<Sha256>();
    erases::<chacha20poly1305::ChaCha20Poly1305>();
    erases::<chacha20poly1305::XChaCha20Poly1305>();
}

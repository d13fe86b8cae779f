//! What unit tests of several modules share: a seeded generator and ready-made people.

use crate::{DeviceCert, DeviceKeys, Identity};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// A generator that gives the same bytes for the same seed.
pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// 2026-01-01 in ms.
pub(crate) const NOW: u64 = 1_767_225_600_000;

/// A user with one device.
pub(crate) struct Person {
    pub(crate) identity: Identity,
    pub(crate) keys: DeviceKeys,
    pub(crate) cert: DeviceCert,
}

/// The person that belongs to `seed`.
pub(crate) fn person(seed: u8) -> Person {
    let identity = Identity::from_entropy(&[seed; 32]);
    let keys = DeviceKeys::generate(&mut rng(u64::from(seed)));
    let cert = DeviceCert::issue(&identity, &keys, 1, NOW);
    Person { identity, keys, cert }
}

/// The TLV fields of `bytes`, to be rearranged.
pub(crate) fn fields(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let len = usize::from(u16::from_be_bytes([bytes[at + 1], bytes[at + 2]]));
        out.push((bytes[at], bytes[at + 3..at + 3 + len].to_vec()));
        at += 3 + len;
    }
    out
}

/// TLV fields as given, in whatever order.
pub(crate) fn join(fields: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (tag, value) in fields {
        out.push(*tag);
        out.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        out.extend_from_slice(value);
    }
    out
}

/// Every way a TLV structure can be wrong in form: a field omitted, repeated, swapped, widened, narrowed, unknown, or cut.
/// `optional` names the tags that may be absent.
pub(crate) fn malformed(bytes: &[u8], optional: &[u8]) -> Vec<(String, Vec<u8>)> {
    let good = fields(bytes);
    let mut out = Vec::new();
    for (at, (tag, _)) in good.iter().enumerate() {
        if !optional.contains(tag) {
            let mut bad = good.clone();
            bad.remove(at);
            out.push((format!("without field {tag}"), join(&bad)));
        }
        let mut bad = good.clone();
        bad.insert(at, good[at].clone());
        out.push((format!("field {tag} twice"), join(&bad)));
        if at > 0 {
            let mut bad = good.clone();
            bad.swap(at - 1, at);
            out.push((format!("field {tag} too early"), join(&bad)));
        }
        let mut bad = good.clone();
        bad[at].1.push(0);
        out.push((format!("field {tag} longer"), join(&bad)));
        let mut bad = good.clone();
        if bad[at].1.pop().is_some() {
            out.push((format!("field {tag} shorter"), join(&bad)));
        }
        let mut bad = good.clone();
        bad[at].0 = 200;
        out.push((format!("field {tag} renamed"), join(&bad)));
    }
    let mut bad = good.clone();
    bad.push((201, Vec::new()));
    out.push(("an unknown field more".to_owned(), join(&bad)));
    out.push(("a byte more".to_owned(), [bytes, &[0]].concat()));
    for len in 0..bytes.len() {
        out.push((format!("cut to {len} bytes"), bytes[..len].to_vec()));
    }
    out
}

/// `bytes` with one field's value replaced.
pub(crate) fn with_field(bytes: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
    let mut fields = fields(bytes);
    fields.iter_mut().find(|field| field.0 == tag).unwrap().1 = value.to_vec();
    join(&fields)
}

/// Every encoding of an X25519 key of low order: 0, 1, the two points of order 8, p - 1, p and p + 1, each without and with
/// the top bit, which is ignored.
pub(crate) const LOW_ORDER: [[u8; 32]; 14] = [
    hex(b"0000000000000000000000000000000000000000000000000000000000000000"),
    hex(b"0000000000000000000000000000000000000000000000000000000000000080"),
    hex(b"0100000000000000000000000000000000000000000000000000000000000000"),
    hex(b"0100000000000000000000000000000000000000000000000000000000000080"),
    hex(b"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    hex(b"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880"),
    hex(b"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    hex(b"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7"),
    hex(b"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    hex(b"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    hex(b"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    hex(b"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    hex(b"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    hex(b"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
];

const fn hex(text: &[u8; 64]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut at = 0;
    while at < 32 {
        out[at] = digit(text[2 * at]) << 4 | digit(text[2 * at + 1]);
        at += 1;
    }
    out
}

const fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        _ => character - b'a' + 10,
    }
}

#![allow(clippy::arithmetic_side_effects, reason = "a test knows its numbers")]

use super::*;
use crate::testing::{NOW, fields, join, malformed, person, rng, with_field};

const PASSWORD: &str = "correct horse";
const NODE_KEY: [u8; 32] = [6; 32];

fn secrets(entropy: bool) -> Secrets {
    let someone = person(1);
    let list = DeviceList::first(&someone.identity, std::slice::from_ref(&someone.cert), NOW).unwrap();
    Secrets {
        entropy: entropy.then(|| Zeroizing::new([1; 32])),
        device: someone.keys,
        cert: someone.cert,
        list,
        name: "Ann".to_owned(),
    }
}

fn both_slots() -> (Vec<u8>, DataKey) {
    Keystore::create(
        &mut rng(1),
        &secrets(true),
        Some((PASSWORD, Argon2Params::MINIMUM)),
        Some(&NODE_KEY),
    )
    .unwrap()
}

fn node_slot() -> (Vec<u8>, DataKey) {
    Keystore::create(&mut rng(1), &secrets(true), None, Some(&NODE_KEY)).unwrap()
}

fn unlock(bytes: &[u8], with: Unlock<'_>) -> Result<DataKey, UnlockError> {
    Keystore::unlock(bytes, with).map(|(_, key)| key)
}

/// The file with other fields and the checksum that belongs to them.
fn with_sum(tlv: &[u8]) -> Vec<u8> {
    let mut kept = fields(tlv);
    kept.retain(|field| field.0 != 5);
    let body = [b"PARLOURK".as_slice(), &join(&kept)].concat();
    let sum = kdf::hash(Purpose::KEYSTORE_CHECKSUM, &[&body])[..8].to_vec();
    [body, join(&[(5, sum)])].concat()
}

#[test]
fn either_slot_gives_the_same_secrets_and_the_same_data_key() {
    let (bytes, key) = both_slots();
    assert!(Keystore::has_password_slot(&bytes).unwrap() && Keystore::has_node_key_slot(&bytes).unwrap());
    for with in [Unlock::Password(PASSWORD), Unlock::NodeKey(&NODE_KEY)] {
        let (read, data_key) = Keystore::unlock(&bytes, with).unwrap();
        let made = secrets(true);
        assert_eq!(*read.entropy.unwrap(), [1; 32]);
        assert_eq!(read.device.secrets(), made.device.secrets());
        assert_eq!((read.cert, read.list, read.name), (made.cert, made.list, made.name));
        assert_eq!(data_key.subkey("database"), key.subkey("database"));
    }
    assert_ne!(key.subkey("database"), key.subkey("search"));
    let (bytes, _) = Keystore::create(&mut rng(2), &secrets(false), None, Some(&NODE_KEY)).unwrap();
    assert!(
        Keystore::unlock(&bytes, Unlock::NodeKey(&NODE_KEY))
            .unwrap()
            .0
            .entropy
            .is_none()
    );
}

#[test]
fn a_wrong_key_a_missing_slot_and_damage_are_three_things() {
    let (bytes, _) = both_slots();
    assert_eq!(
        unlock(&bytes, Unlock::Password("correct horsf")).err(),
        Some(UnlockError::WrongPassword)
    );
    assert_eq!(
        unlock(&bytes, Unlock::Password("")).err(),
        Some(UnlockError::WrongPassword)
    );
    assert_eq!(
        unlock(&bytes, Unlock::NodeKey(&[7; 32])).err(),
        Some(UnlockError::WrongNodeKey)
    );
    let (node_only, _) = node_slot();
    assert_eq!(
        unlock(&node_only, Unlock::Password(PASSWORD)).err(),
        Some(UnlockError::NoSuchSlot)
    );
    // Every byte of the file, with the right password at hand: never "wrong password".
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        let expected = if at == 11 {
            UnlockError::Version { got: 0 }
        } else {
            UnlockError::Damaged
        };
        assert_eq!(
            unlock(&bad, Unlock::Password(PASSWORD)).err(),
            Some(expected),
            "byte {at}"
        );
    }
    for len in 0..bytes.len() {
        assert_eq!(
            unlock(&bytes[..len], Unlock::Password(PASSWORD)).err(),
            Some(UnlockError::Damaged),
            "cut to {len}"
        );
    }
}

#[test]
fn every_malformed_file_is_refused_though_its_checksum_is_right() {
    let (bytes, _) = node_slot();
    assert_eq!(with_sum(&bytes[8..]), bytes);
    let refused = |bytes: &[u8]| unlock(bytes, Unlock::NodeKey(&NODE_KEY)).is_err();
    for (what, bad) in malformed(&bytes[8..], &[]) {
        if what.starts_with("cut") || what.ends_with("byte more") || what.contains("field 5") {
            assert!(refused(&[b"PARLOURK".as_slice(), &bad].concat()), "{what}");
        } else {
            assert!(refused(&with_sum(&bad)), "{what}");
        }
    }
    let mut without_slots = fields(&bytes[8..]);
    without_slots.retain(|field| field.0 != 3);
    assert_eq!(
        unlock(&with_sum(&join(&without_slots)), Unlock::NodeKey(&NODE_KEY)).err(),
        Some(UnlockError::Damaged)
    );
}

#[test]
fn parameters_out_of_range_are_refused_before_argon2_runs() {
    let (bytes, _) = both_slots();
    let slot = fields(&bytes[8..]).into_iter().find(|field| field.0 == 2).unwrap().1;
    let bad = [
        (19_455, 2, 1),
        (1_048_577, 2, 1),
        (u32::MAX, 2, 1),
        (0, 2, 1),
        (19_456, 1, 1),
        (19_456, 17, 1),
    ];
    for (memory_kib, passes, lanes) in bad
        .into_iter()
        .chain([(19_456, 2, 0), (19_456, 2, 5), (19_456, u32::MAX, 1)])
    {
        let params = Argon2Params {
            memory_kib,
            passes,
            lanes,
        };
        let made = Keystore::create(&mut rng(1), &secrets(true), Some((PASSWORD, params)), None);
        assert_eq!(
            made.err(),
            Some(KeystoreError::Unlock(UnlockError::Parameters)),
            "{params:?}"
        );
        let numbers = [memory_kib.to_be_bytes(), passes.to_be_bytes(), lanes.to_be_bytes()].concat();
        let file = with_sum(&with_field(&bytes[8..], 2, &[&numbers, &slot[12..]].concat()));
        // u32::MAX KiB or passes would not come back within the test's time if they were run.
        assert_eq!(
            unlock(&file, Unlock::Password(PASSWORD)).err(),
            Some(UnlockError::Parameters),
            "{params:?}"
        );
    }
    assert!(Argon2Params::default().in_range() && Argon2Params::MINIMUM.in_range());
    assert!(
        Argon2Params {
            memory_kib: 1_048_576,
            passes: 16,
            lanes: 4
        }
        .in_range()
    );
}

#[test]
fn slots_change_and_the_data_key_stays() {
    let (bytes, key) = both_slots();
    let changed = Keystore::set_password(&mut rng(2), &bytes, &key, Some(("new", Argon2Params::MINIMUM))).unwrap();
    assert_eq!(
        unlock(&changed, Unlock::Password(PASSWORD)).err(),
        Some(UnlockError::WrongPassword)
    );
    assert_eq!(
        unlock(&changed, Unlock::Password("new")).unwrap().subkey("x"),
        key.subkey("x")
    );
    assert_eq!(
        unlock(&changed, Unlock::NodeKey(&NODE_KEY)).unwrap().subkey("x"),
        key.subkey("x")
    );
    let moved = Keystore::set_node_key(&mut rng(3), &changed, &key, Some(&[9; 32])).unwrap();
    assert_eq!(
        unlock(&moved, Unlock::NodeKey(&NODE_KEY)).err(),
        Some(UnlockError::WrongNodeKey)
    );
    assert_eq!(
        unlock(&moved, Unlock::NodeKey(&[9; 32])).unwrap().subkey("x"),
        key.subkey("x")
    );
    let node_only = Keystore::set_password(&mut rng(4), &moved, &key, None).unwrap();
    assert!(!Keystore::has_password_slot(&node_only).unwrap());
    assert_eq!(
        Keystore::set_node_key(&mut rng(5), &node_only, &key, None),
        Err(KeystoreError::NoSlot)
    );
}

#[test]
fn secrets_change_and_the_slots_stay() {
    let (bytes, key) = both_slots();
    let renamed = Secrets {
        name: "Bob".to_owned(),
        ..secrets(true)
    };
    let changed = Keystore::set_secrets(&mut rng(2), &bytes, &key, &renamed).unwrap();
    assert_eq!(
        Keystore::unlock(&changed, Unlock::Password(PASSWORD)).unwrap().0.name,
        "Bob"
    );
    let long = Secrets {
        name: "a".repeat(65),
        ..secrets(true)
    };
    assert_eq!(
        Keystore::set_secrets(&mut rng(2), &bytes, &key, &long),
        Err(KeystoreError::Name { got: 65 })
    );
}

#[test]
fn a_data_key_of_another_file_changes_nothing() {
    let (bytes, _) = both_slots();
    let (_, other) = Keystore::create(&mut rng(9), &secrets(true), None, Some(&NODE_KEY)).unwrap();
    let changed = Keystore::set_node_key(&mut rng(2), &bytes, &other, Some(&NODE_KEY));
    assert_eq!(changed, Err(KeystoreError::Unlock(UnlockError::Damaged)));
    assert_eq!(
        Keystore::create(&mut rng(1), &secrets(true), None, None).err(),
        Some(KeystoreError::NoSlot)
    );
}

#[test]
fn secrets_that_do_not_belong_together_are_damage() {
    let (_, other) = (person(1), person(2));
    let mixed = [
        Secrets {
            entropy: Some(Zeroizing::new([2; 32])),
            ..secrets(true)
        },
        Secrets {
            device: other.keys,
            ..secrets(true)
        },
        Secrets {
            list: DeviceList::first(&other.identity, &[], NOW).unwrap(),
            ..secrets(false)
        },
    ];
    for bad in mixed {
        let (bytes, _) = Keystore::create(&mut rng(1), &bad, None, Some(&NODE_KEY)).unwrap();
        assert_eq!(
            unlock(&bytes, Unlock::NodeKey(&NODE_KEY)).err(),
            Some(UnlockError::Damaged)
        );
    }
}

#[test]
fn nonces_and_salts_are_fresh() {
    let one = both_slots().0;
    let other = Keystore::create(
        &mut rng(2),
        &secrets(true),
        Some((PASSWORD, Argon2Params::MINIMUM)),
        Some(&NODE_KEY),
    )
    .unwrap()
    .0;
    for (field, again) in fields(&one[8..])
        .into_iter()
        .zip(fields(&other[8..]))
        .filter(|(field, _)| field.0 > 1)
    {
        assert_ne!(field.1, again.1, "field {}", field.0);
    }
}

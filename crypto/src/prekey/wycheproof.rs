//! ML-KEM-768 against the vectors of project Wycheproof, through prekeys and bundles as they are read from disk and wire.
//! `valid`: the known key, ciphertext and secret. `invalid`: the seed, the ciphertext or the bundle that holds the
//! encapsulation key is refused. The expanded form of decapsulation keys is neither read nor written here.

use super::*;
use crate::testing::{NOW, Person, fields, person, with_field};
use ::wycheproof::TestResult;
use ::wycheproof::mlkem::{Test, TestName, TestSet};
use rand_core::{TryCryptoRng, TryRng};
use std::convert::Infallible;

fn cases(name: TestName) -> Vec<Test> {
    let set = TestSet::load(name).unwrap();
    set.test_groups.into_iter().flat_map(|group| group.tests).collect()
}

/// Prekeys whose ML-KEM half comes from this seed.
fn prekeys(seed: &[u8]) -> Result<PrekeySecret, SecretDecodeError> {
    PrekeySecret::from_bytes(&[&[0, 0, 0, 1], [9; 32].as_slice(), seed].concat())
}

fn bundle_of(secret: &PrekeySecret, owner: &Person) -> PrekeyBundle {
    secret.bundle(&owner.keys, &owner.cert, NOW, NOW + 1000)
}

#[test]
fn mlkem_768_keys_from_seeds() {
    let owner = person(1);
    let cases = cases(TestName::MlKem768KeyGenSeed);
    for test in &cases {
        assert_eq!(test.result, TestResult::Valid, "case {}", test.tc_id);
        let secret = prekeys(test.seed.as_ref().unwrap()).unwrap();
        let bundle = bundle_of(&secret, &owner);
        assert_eq!(
            bundle.kem()[..],
            test.encaps_key.as_ref().unwrap()[..],
            "case {}",
            test.tc_id
        );
    }
    assert_eq!(cases.len(), 100);
}

#[test]
fn mlkem_768_decapsulation() {
    let (mut valid, mut bad_seed, mut bad_ciphertext) = (0, 0, 0);
    for test in cases(TestName::MlKem768) {
        let Ok(secret) = prekeys(test.seed.as_ref().unwrap()) else {
            assert_eq!(test.result, TestResult::Invalid, "case {}", test.tc_id);
            bad_seed += 1;
            continue;
        };
        let shared = secret.decapsulate(test.ct.as_ref().unwrap());
        match test.result {
            TestResult::Valid => {
                let expected = &test.shared_secret.as_ref().unwrap()[..];
                assert_eq!(shared.unwrap().as_slice(), expected, "case {}", test.tc_id);
                valid += 1;
            }
            TestResult::Invalid => {
                assert!(shared.is_none(), "case {}", test.tc_id);
                bad_ciphertext += 1;
            }
            TestResult::Acceptable => panic!("case {} leaves the answer open", test.tc_id),
        }
    }
    assert_eq!((valid, bad_seed, bad_ciphertext), (161, 20, 20));
}

#[test]
fn mlkem_768_encapsulation() {
    let owner = person(1);
    let template = bundle_of(&prekeys(&[7; 64]).unwrap(), &owner);
    let template = &fields(template.as_bytes())[0].1;
    let (mut valid, mut invalid, mut other_width) = (0, 0, 0);
    for test in cases(TestName::MlKem768Encaps) {
        let key = test.encaps_key.as_ref().unwrap();
        let statement = with_field(template, 5, key);
        let mut signed = TlvWriter::new();
        signed
            .field(1, &statement)
            .field(2, &owner.keys.sign(Purpose::PREKEY_BUNDLE, &statement));
        let bundle = PrekeyBundle::verify(&signed.finish(), &owner.cert);
        match (test.result, key.len()) {
            (TestResult::Valid, _) => {
                let mut rng = Given(test.msg.as_ref().unwrap());
                let (shared, ciphertext) = bundle.unwrap().encapsulate(&mut rng);
                assert_eq!(shared.as_slice(), &test.shared_secret.as_ref().unwrap()[..]);
                assert_eq!(ciphertext[..], test.ct.as_ref().unwrap()[..], "case {}", test.tc_id);
                assert!(rng.0.is_empty(), "case {}", test.tc_id);
                valid += 1;
            }
            (TestResult::Invalid, KEM_KEY_LEN) => {
                assert_eq!(bundle, Err(BundleError::Kem), "case {}", test.tc_id);
                invalid += 1;
            }
            (TestResult::Invalid, _) => {
                assert!(matches!(bundle, Err(BundleError::Form(_))), "case {}", test.tc_id);
                other_width += 1;
            }
            (TestResult::Acceptable, _) => panic!("case {} leaves the answer open", test.tc_id),
        }
    }
    assert_eq!((valid, invalid, other_width), (133, 112, 20));
}

/// Gives these bytes and no others.
struct Given<'a>(&'a [u8]);

impl TryRng for Given<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("only whole strings of bytes are drawn")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("only whole strings of bytes are drawn")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let (head, rest) = self.0.split_at(out.len());
        out.copy_from_slice(head);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Given<'_> {}

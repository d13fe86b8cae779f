//! Ed25519 and HKDF-SHA-256 against the vectors of project Wycheproof, with the bytes they are called with, before a purpose
//! is put in front. `valid`: verifies, or gives these bytes. `invalid`: refused; a signature of another width than 64 bytes
//! cannot be passed at all. The strict rules refuse none of the `valid` signatures.

use super::*;
use ::wycheproof::TestResult;
use ::wycheproof::{eddsa, hkdf as hkdf_vectors};

#[test]
fn ed25519() {
    let (mut valid, mut invalid, mut other_width) = (0, 0, 0);
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    for group in &set.test_groups {
        let key = <[u8; 32]>::try_from(&group.key.pk[..]).unwrap();
        for test in &group.tests {
            let Ok(signature) = <[u8; 64]>::try_from(&test.sig[..]) else {
                assert_eq!(test.result, TestResult::Invalid, "case {}", test.tc_id);
                other_width += 1;
                continue;
            };
            let verified = verify(&key, &test.msg, &signature);
            match test.result {
                TestResult::Valid => {
                    assert_eq!(verified, Ok(()), "case {}", test.tc_id);
                    valid += 1;
                }
                TestResult::Invalid => {
                    assert_eq!(verified, Err(BadSignature), "case {}", test.tc_id);
                    invalid += 1;
                }
                TestResult::Acceptable => panic!("case {} leaves the answer open", test.tc_id),
            }
        }
    }
    assert_eq!((valid, invalid, other_width), (88, 51, 12));
}

#[test]
fn hkdf_sha256() {
    let (mut valid, mut invalid) = (0, 0);
    let set = hkdf_vectors::TestSet::load(hkdf_vectors::TestName::HkdfSha256).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; test.size];
        let derived = hkdf(&test.salt, &test.ikm, &test.info, &mut okm);
        match test.result {
            TestResult::Valid => {
                assert!(derived.is_ok(), "case {}", test.tc_id);
                assert_eq!(okm, test.okm[..], "case {}", test.tc_id);
                valid += 1;
            }
            TestResult::Invalid => {
                assert!(derived.is_err(), "case {}", test.tc_id);
                invalid += 1;
            }
            TestResult::Acceptable => panic!("case {} leaves the answer open", test.tc_id),
        }
    }
    assert_eq!((valid, invalid), (83, 3));
}

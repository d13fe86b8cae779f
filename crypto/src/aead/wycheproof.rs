//! Both ciphers against the vectors of project Wycheproof. `valid`: sealing gives these bytes and opening gives the text.
//! `invalid`: opening fails. A nonce of another width cannot be passed at all, and none of those is `valid`.

use super::*;
use ::wycheproof::TestResult;
use ::wycheproof::aead::{Test, TestName, TestSet};

type Seal<const N: usize> = fn(&mut Vec<u8>, &[u8; 32], &[u8; N], &[u8], &[u8]);
type Open<const N: usize> = fn(&[u8; 32], &[u8; N], &[u8], &[u8]) -> Result<Zeroizing<Vec<u8>>, AeadError>;
type SealDetached<const N: usize> = fn(&[u8; 32], &[u8; N], &[u8], &mut [u8]) -> [u8; TAG_LEN];
type OpenDetached<const N: usize> = fn(&[u8; 32], &[u8; N], &[u8], &mut [u8], &[u8; TAG_LEN]) -> Result<(), AeadError>;

/// The same calls for either cipher.
struct Cipher<const N: usize> {
    seal: Seal<N>,
    open: Open<N>,
    seal_detached: SealDetached<N>,
    open_detached: OpenDetached<N>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    valid: usize,
    invalid: usize,
    other_width: usize,
}

impl<const N: usize> Cipher<N> {
    fn check(&self, name: TestName) -> Seen {
        let mut seen = Seen::default();
        let set = TestSet::load(name).unwrap();
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let Ok(nonce) = <[u8; N]>::try_from(&test.nonce[..]) else {
                assert_eq!(test.result, TestResult::Invalid, "case {}", test.tc_id);
                seen.other_width += 1;
                continue;
            };
            match test.result {
                TestResult::Valid => {
                    self.opens(test, &nonce);
                    seen.valid += 1;
                }
                TestResult::Invalid => {
                    self.refuses(test, &nonce);
                    seen.invalid += 1;
                }
                TestResult::Acceptable => panic!("case {} leaves the answer open", test.tc_id),
            }
        }
        seen
    }

    fn opens(&self, test: &Test, nonce: &[u8; N]) {
        let (key, case) = (test.key[..].try_into().unwrap(), test.tc_id);
        let mut sealed = Vec::new();
        (self.seal)(&mut sealed, key, nonce, &test.aad, &test.pt);
        assert_eq!(sealed, [&test.ct[..], &test.tag[..]].concat(), "case {case}");
        let opened = (self.open)(key, nonce, &test.aad, &sealed);
        assert_eq!(opened.unwrap().as_slice(), &test.pt[..], "case {case}");

        let mut text = test.pt.to_vec();
        let tag = (self.seal_detached)(key, nonce, &test.aad, &mut text);
        assert_eq!((&text[..], &tag[..]), (&test.ct[..], &test.tag[..]), "case {case}");
        assert_eq!((self.open_detached)(key, nonce, &test.aad, &mut text, &tag), Ok(()));
        assert_eq!(text, test.pt[..], "case {case}");
    }

    fn refuses(&self, test: &Test, nonce: &[u8; N]) {
        let (key, case) = (test.key[..].try_into().unwrap(), test.tc_id);
        let sealed = [&test.ct[..], &test.tag[..]].concat();
        let opened = (self.open)(key, nonce, &test.aad, &sealed);
        assert_eq!(opened, Err(AeadError), "case {case}");
        let tag = test.tag[..].try_into().unwrap();
        let opened = (self.open_detached)(key, nonce, &test.aad, &mut test.ct.to_vec(), tag);
        assert_eq!(opened, Err(AeadError), "case {case}");
    }
}

#[test]
fn chacha20_poly1305() {
    let cipher = Cipher {
        seal: seal_into,
        open,
        seal_detached,
        open_detached,
    };
    let expected = Seen {
        valid: 256,
        invalid: 60,
        other_width: 9,
    };
    assert_eq!(cipher.check(TestName::ChaCha20Poly1305), expected);
}

#[test]
fn xchacha20_poly1305() {
    let cipher = Cipher {
        seal: xseal_into,
        open: xopen,
        seal_detached: xseal_detached,
        open_detached: xopen_detached,
    };
    let expected = Seen {
        valid: 246,
        invalid: 60,
        other_width: 9,
    };
    assert_eq!(cipher.check(TestName::XChaCha20Poly1305), expected);
}

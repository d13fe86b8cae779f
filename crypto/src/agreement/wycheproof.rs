//! X25519 against the vectors of project Wycheproof. `valid` and `acceptable` are asked the same: the known result, from points
//! of curve and twist, in whatever form. The one exception is the all-zero result, which is refused. There is no `invalid`.

use super::*;
use ::wycheproof::TestResult;
use ::wycheproof::xdh::{TestFlag, TestName, TestSet};

#[test]
fn x25519() {
    let (mut valid, mut acceptable, mut refused) = (0, 0, 0);
    let set = TestSet::load(TestName::X25519).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let own = StaticSecret::from(<[u8; 32]>::try_from(&test.private_key[..]).unwrap());
        let theirs = PublicKey::from(<[u8; 32]>::try_from(&test.public_key[..]).unwrap());
        let agreed = dh(&own, &theirs);
        if test.flags.contains(&TestFlag::ZeroSharedSecret) {
            assert_eq!(test.shared_secret[..], [0; 32], "case {}", test.tc_id);
            assert_eq!(agreed.err(), Some(LowOrder), "case {}", test.tc_id);
            assert_eq!(refuse_low_order(&theirs), Err(LowOrder), "case {}", test.tc_id);
            refused += 1;
            continue;
        }
        assert_eq!(
            agreed.unwrap().as_bytes()[..],
            test.shared_secret[..],
            "case {}",
            test.tc_id
        );
        assert_eq!(refuse_low_order(&theirs), Ok(()), "case {}", test.tc_id);
        match test.result {
            TestResult::Valid => valid += 1,
            TestResult::Acceptable => acceptable += 1,
            TestResult::Invalid => panic!("case {} is invalid in a way this test does not know", test.tc_id),
        }
    }
    assert_eq!((valid, acceptable, refused), (264, 223, 31));
}

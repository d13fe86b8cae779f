//! Whatever lists arrive in whatever order, a holder that takes only successors never goes back, never changes to another
//! branch, and never gets a revoked device back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::LazyLock;

use parlour_crypto::{DeviceCert, DeviceKeys, DeviceList, Identity, SuccessionError};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const NOW: u64 = 1_767_225_600_000;

static OWNER: LazyLock<Identity> = LazyLock::new(|| Identity::from_entropy(&[1; 32]));
static CERTS: LazyLock<Vec<DeviceCert>> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    (0..6)
        .map(|serial| DeviceCert::issue(&OWNER, &DeviceKeys::generate(&mut rng), serial, NOW))
        .collect()
});

/// A list in a tree of them, and the one it was made from.
struct Made {
    list: DeviceList,
    parent: Option<usize>,
}

/// How to make one more list from an earlier one.
#[derive(Clone, Copy, Debug)]
struct Step {
    from: prop::sample::Index,
    keep: u8,
    revoke: Option<prop::sample::Index>,
}

fn step() -> impl Strategy<Value = Step> {
    (
        any::<prop::sample::Index>(),
        any::<u8>(),
        prop::option::weighted(0.3, any::<prop::sample::Index>()),
    )
        .prop_map(|(from, keep, revoke)| Step { from, keep, revoke })
}

/// Every list is well signed by the owner; two made from one are a fork.
fn tree(steps: &[Step]) -> Vec<Made> {
    let first = DeviceList::first(&OWNER, &CERTS, NOW).unwrap();
    let mut tree = vec![Made {
        list: first,
        parent: None,
    }];
    for (at, step) in steps.iter().enumerate() {
        let parent = step.from.index(tree.len());
        let from = &tree[parent].list;
        let revoked = step.revoke.map(|which| CERTS[which.index(CERTS.len())].device());
        let certs: Vec<_> = CERTS
            .iter()
            .enumerate()
            .filter(|(bit, _)| step.keep & 1 << bit != 0)
            .map(|(_, cert)| cert.clone())
            .filter(|cert| !from.is_revoked(&cert.device()) && revoked != Some(cert.device()))
            .collect();
        let time = NOW + 1 + at as u64;
        let list = from.next(&OWNER, &certs, revoked.as_slice(), time).unwrap();
        tree.push(Made {
            list,
            parent: Some(parent),
        });
    }
    tree
}

/// Whether `old` is `new` or one of those it was made from.
fn came_from(tree: &[Made], new: usize, old: usize) -> bool {
    let mut at = Some(new);
    while let Some(here) = at {
        if here == old {
            return true;
        }
        at = tree[here].parent;
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_all_lists_only_the_next_of_the_same_branch_follows(steps in prop::collection::vec(step(), 1..12)) {
        let tree = tree(&steps);
        for (have, held) in tree.iter().enumerate() {
            for (got, new) in tree.iter().enumerate() {
                let (old, next) = (held.list.version(), new.list.version());
                let answer = held.list.check_successor(&new.list);
                match answer {
                    Ok(()) => prop_assert_eq!(new.parent, Some(have)),
                    Err(SuccessionError::Same) => prop_assert_eq!(have, got),
                    Err(SuccessionError::Older { .. }) => prop_assert!(next < old),
                    // Another branch, as far as it can be seen without the lists between.
                    Err(SuccessionError::Forked) => {
                        prop_assert!(next == old || next == old + 1);
                        prop_assert!(!came_from(&tree, got, have));
                    }
                    Err(SuccessionError::Gap { .. }) => prop_assert!(next > old + 1),
                    Err(SuccessionError::DroppedRevocation) => prop_assert!(!came_from(&tree, got, have)),
                    Err(other) => prop_assert!(false, "{}", other),
                }
                if new.parent == Some(have) {
                    prop_assert_eq!(answer, Ok(()));
                }
            }
        }
    }

    #[test]
    fn a_holder_goes_forward_on_one_branch_whatever_arrives(
        steps in prop::collection::vec(step(), 1..12),
        arrivals in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
    ) {
        let tree = tree(&steps);
        let mut held = 0;
        for arrival in arrivals {
            let got = arrival.index(tree.len());
            // As it comes from the wire.
            let list = DeviceList::verify(tree[got].list.as_bytes()).unwrap();
            let before = &tree[held].list;
            if before.check_successor(&list).is_err() {
                continue;
            }
            prop_assert!(came_from(&tree, got, held));
            prop_assert!(list.version() == before.version() + 1);
            prop_assert!(before.revoked().iter().all(|device| list.is_revoked(device)));
            prop_assert!(before.revoked().iter().all(|device| list.cert(device).is_none()));
            held = got;
        }
    }
}

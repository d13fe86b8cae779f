use super::*;
use crate::keys::random_secret;
use crate::testing::rng;
use data_encoding::HEXLOWER as HEX;
use proptest::prelude::*;
use rand_chacha::rand_core::Rng;
use std::collections::BTreeSet;

fn hex(text: &str) -> [u8; 32] {
    HEX.decode(text.as_bytes()).unwrap().try_into().unwrap()
}

/// What this module gives for `own` and `theirs`, and what the plain function of RFC 7748 gives.
fn both_ways(own: [u8; 32], theirs: [u8; 32]) -> (Option<[u8; 32]>, Option<[u8; 32]>) {
    let here = dh(&StaticSecret::from(own), &PublicKey::from(theirs)).ok();
    let there = x25519_dalek::x25519(own, theirs);
    (
        here.map(|shared| *shared.as_bytes()),
        Some(there).filter(|u| *u != [0; 32]),
    )
}

fn is_on_the_curve(key: [u8; 32]) -> bool {
    RemoteKey::new(&PublicKey::from(key)).point.is_some()
}

/// 2^255 - 19 - `less`.
fn p_minus(less: u8) -> [u8; 32] {
    low_order(0xed - less, 0xff, 0x7f)
}

/// Keys that are special to one form of the curve or the other, or are not the shortest form of their number.
fn edges() -> Vec<[u8; 32]> {
    // -486662 and -486664: numbers that stand in the curve's equation and in the map between the two forms.
    let mut near_a = [[0xff; 32]; 2];
    near_a[0][..3].copy_from_slice(&[0xe7, 0x92, 0xf8]);
    near_a[1][..3].copy_from_slice(&[0xe5, 0x92, 0xf8]);
    near_a.iter_mut().for_each(|key| key[31] = 0x7f);
    let small = (0..=255).map(|first| low_order(first, 0, 0));
    let large = (0..=0xed).map(p_minus);
    // p .. 2^255 - 1: the numbers 0 to 18 once more.
    let not_reduced = (0xed..=0xff).map(|first| low_order(first, 0xff, 0x7f));
    let plain = small.chain(large).chain(not_reduced).chain(near_a);
    plain
        .chain(crate::testing::LOW_ORDER)
        .flat_map(|key| {
            let mut high = key;
            high[31] |= 0x80;
            [key, high]
        })
        .collect()
}

#[test]
fn random_keys_of_curve_and_twist_agree_as_on_the_ladder() {
    let mut rng = rng(11);
    let mut on_the_curve = 0;
    for round in 0..3000 {
        let (mut own, mut theirs) = ([0; 32], [0; 32]);
        rng.fill_bytes(&mut own);
        rng.fill_bytes(&mut theirs);
        let (here, there) = both_ways(own, theirs);
        assert!(here.is_some() && here == there, "round {round}: {own:?} {theirs:?}");
        on_the_curve += usize::from(is_on_the_curve(theirs));
    }
    assert!((1300..=1700).contains(&on_the_curve), "{on_the_curve} of 3000");
}

#[test]
fn special_keys_agree_as_on_the_ladder() {
    let mut rng = rng(12);
    let edges = edges();
    assert!(edges.len() > 1000);
    let (mut curve, mut twist) = (0, 0);
    for theirs in edges {
        let mut own = [0; 32];
        rng.fill_bytes(&mut own);
        for own in [own, [0; 32], [0xff; 32]] {
            let (here, there) = both_ways(own, theirs);
            assert_eq!(here, there, "{own:?} {theirs:?}");
        }
        let side = if is_on_the_curve(theirs) {
            &mut curve
        } else {
            &mut twist
        };
        *side += 1;
    }
    assert!(curve > 300 && twist > 300, "{curve} {twist}");
    assert!(!is_on_the_curve(p_minus(1)), "-1 is where the map has no value");
    assert!(
        is_on_the_curve([0; 32]) && is_on_the_curve(p_minus(0)),
        "0, in both forms"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// A key of the curve, moved by each point of small order: the part that clamping has to cancel.
    #[test]
    fn keys_with_a_part_of_small_order_agree_as_on_the_ladder(own: [u8; 32], scalar: [u8; 32], torsion in 0..8_usize) {
        let point = EdwardsPoint::mul_base_clamped(scalar) + curve25519_dalek::constants::EIGHT_TORSION[torsion];
        let theirs = point.to_montgomery().to_bytes();
        prop_assert!(is_on_the_curve(theirs));
        let (here, there) = both_ways(own, theirs);
        prop_assert!(here.is_some());
        prop_assert_eq!(here, there);
    }

    #[test]
    fn one_key_agrees_with_several_secrets_and_both_sides_come_to_the_same(own: [u8; 32], other: [u8; 32], remote: [u8; 32]) {
        let remote = StaticSecret::from(remote);
        let key = RemoteKey::new(&PublicKey::from(&remote));
        for own in [own, other].map(StaticSecret::from) {
            let (here, there) = (key.agree(&own).unwrap(), dh(&remote, &PublicKey::from(&own)).unwrap());
            prop_assert_eq!(here.as_bytes(), there.as_bytes());
        }
    }
}

/// Whichever of the keys lie on the curve, on the twist, or have no use at all.
#[test]
fn several_agreements_at_once_are_those_one_by_one_and_fail_together() {
    let mut rng = rng(13);
    let mut fresh = || {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        bytes
    };
    let (mut agreed, mut refused) = (0, 0);
    for round in 0..400 {
        let own = [fresh(), fresh(), fresh(), fresh()].map(StaticSecret::from);
        let mut keys = [fresh(), fresh(), fresh(), fresh()];
        if let Some(low) = crate::testing::LOW_ORDER.get(round / 4) {
            keys[round % 4] = *low;
        }
        let keys = keys.map(|key| RemoteKey::new(&PublicKey::from(key)));
        let singly: Vec<_> = own.iter().zip(&keys).map(|(own, key)| key.agree(own)).collect();
        let [a, b, c, d] = &own;
        let [w, x, y, z] = &keys;
        match agree_and_publish([(a, w), (b, x), (c, y), (d, z)], [a, d]) {
            Ok((together, public)) => {
                assert_eq!(public, [a, d].map(PublicKey::from), "round {round}");
                for (one, single) in together.iter().zip(singly) {
                    assert_eq!(one.as_bytes(), single.unwrap().as_bytes(), "round {round}");
                }
                agreed += 1;
            }
            Err(LowOrder) => {
                assert_eq!(singly.iter().filter(|single| single.is_err()).count(), 1);
                refused += 1;
            }
        }
    }
    assert_eq!((agreed, refused), (400 - 4 * 14, 4 * 14));
}

/// RFC 7748 section 5.2; the second point is one of the twist.
#[test]
fn given_scalars_and_points_give_the_known_products() {
    for (scalar, point, product, curve) in [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
            true,
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
            false,
        ),
    ] {
        assert_eq!(both_ways(hex(scalar), hex(point)).0, Some(hex(product)));
        assert_eq!(is_on_the_curve(hex(point)), curve);
    }
}

/// RFC 7748 section 5.2, iterated.
#[test]
fn a_thousand_products_in_a_row_are_the_known_ones() {
    let base = low_order(9, 0, 0);
    let (mut k, mut u) = (base, base);
    for round in 1..=1000 {
        let product = dh(&StaticSecret::from(k), &PublicKey::from(u)).unwrap();
        (k, u) = (*product.as_bytes(), k);
        if round == 1 {
            assert_eq!(
                k,
                hex("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079")
            );
        }
    }
    assert_eq!(
        k,
        hex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")
    );
}

/// RFC 7748 section 6.1.
#[test]
fn two_known_key_pairs_agree_on_the_known_secret() {
    let secrets = [
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
    ];
    let [alice, bob] = secrets.map(|secret| StaticSecret::from(hex(secret)));
    let shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    for (own, other) in [(&alice, &bob), (&bob, &alice)] {
        assert_eq!(*dh(own, &PublicKey::from(other)).unwrap().as_bytes(), shared);
    }
}

#[test]
fn a_key_is_refused_unused_exactly_when_agreeing_with_it_fails() {
    let own = random_secret(&mut rng(3));
    let random = (0..200).map(|seed| PublicKey::from(&random_secret(&mut rng(seed))).to_bytes());
    let refused = edges()
        .into_iter()
        .chain(random)
        .map(PublicKey::from)
        .inspect(|key| assert_eq!(refuse_low_order(key), dh(&own, key).map(drop), "{:?}", key.as_bytes()))
        .filter(|key| refuse_low_order(key).is_err())
        .map(|key| key.to_bytes())
        .collect::<BTreeSet<_>>();
    assert_eq!(refused, crate::testing::LOW_ORDER.into());
}

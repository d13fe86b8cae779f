#![allow(clippy::arithmetic_side_effects, reason = "a test knows its numbers")]

use super::*;
use crate::codec::{decode_strict, encode};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn normalized(set: &Intervals) -> bool {
    Intervals::from_normalized(set.0.clone()).is_some()
}

fn model(set: &Intervals) -> BTreeSet<u64> {
    set.iter().flat_map(|(from, to)| from..=to).collect()
}

fn ranges() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0u64..120, 0u64..12).prop_map(|(from, len)| (from, from + len)), 0..24)
}

fn build(ranges: &[(u64, u64)]) -> (Intervals, BTreeSet<u64>) {
    let (mut set, mut model) = (Intervals::new(), BTreeSet::new());
    for (from, to) in ranges {
        set.insert_range(*from, *to);
        model.extend(*from..=*to);
    }
    (set, model)
}

proptest! {
    #[test]
    fn behaves_as_a_set(one in ranges(), other in ranges(), n in 0u64..140) {
        let (a, model_a) = build(&one);
        let (b, model_b) = build(&other);
        prop_assert!(normalized(&a));
        prop_assert_eq!(model(&a), model_a.clone());
        prop_assert_eq!(a.count(), model_a.len() as u64);
        prop_assert_eq!(a.max(), model_a.last().copied());
        prop_assert_eq!(a.is_empty(), model_a.is_empty());
        for value in 0..140 {
            prop_assert_eq!(a.contains(value), model_a.contains(&value));
        }
        prop_assert!(normalized(&a.union(&b)) && normalized(&a.difference(&b)) && normalized(&a.missing(n)));
        prop_assert_eq!(model(&a.union(&b)), model_a.union(&model_b).copied().collect::<BTreeSet<_>>());
        prop_assert_eq!(model(&a.difference(&b)), model_a.difference(&model_b).copied().collect::<BTreeSet<_>>());
        prop_assert_eq!(model(&a.missing(n)), (1..=n).filter(|value| !model_a.contains(value)).collect::<BTreeSet<_>>());
        prop_assert_eq!(model_a.iter().copied().collect::<Intervals>(), a.clone());
        prop_assert_eq!(decode_strict::<Intervals>(&encode(&a), 4096), Ok(a));
    }

    #[test]
    fn single_numbers_in_any_order(values in prop::collection::vec(0u64..60, 0..80)) {
        let (mut set, mut model_set) = (Intervals::new(), BTreeSet::new());
        for value in values {
            prop_assert_eq!(set.insert(value), model_set.insert(value));
            prop_assert!(normalized(&set));
        }
        prop_assert_eq!(model(&set), model_set);
    }

    #[test]
    fn a_bound_never_claims_more(one in ranges(), max in 0usize..10) {
        let (set, model_set) = build(&one);
        let bounded = set.bounded(max);
        prop_assert!(normalized(&bounded) && bounded.as_slice().len() == max.min(set.as_slice().len()));
        prop_assert!(model(&bounded).is_subset(&model_set));
        let narrowest_kept = bounded.iter().map(|interval| width(&interval)).min();
        let widest_left = set.iter().filter(|interval| !bounded.contains(interval.0)).map(|interval| width(&interval)).max();
        if let (Some(kept), Some(left)) = (narrowest_kept, widest_left) {
            prop_assert!(kept >= left);
        }
    }
}

#[test]
fn the_ends_of_the_number_range_work() {
    let mut set = Intervals::range(0, 3);
    set.insert(u64::MAX);
    assert_eq!(set.as_slice(), [(0, 3), (u64::MAX, u64::MAX)]);
    assert_eq!(
        Intervals::range(0, u64::MAX).difference(&set).as_slice(),
        [(4, u64::MAX - 1)]
    );
    assert!(set.difference(&Intervals::range(0, u64::MAX)).is_empty());
    set.insert_range(2, u64::MAX - 1);
    assert_eq!(set.as_slice(), [(0, u64::MAX)]);
    assert_eq!(set.count(), u64::MAX);
    assert!(set.missing(u64::MAX).is_empty());
    assert!(Intervals::range(5, 4).is_empty() && Intervals::new().missing(0).is_empty());
}

#[test]
fn what_is_not_normalized_is_refused() {
    for bad in [
        vec![(2, 1)],
        vec![(1, 2), (3, 4)],
        vec![(1, 5), (4, 9)],
        vec![(5, 6), (1, 2)],
        vec![(1, u64::MAX), (3, 4)],
    ] {
        assert!(Intervals::from_normalized(bad.clone()).is_none(), "{bad:?}");
        assert!(decode_strict::<Intervals>(&encode(&bad), 4096).is_err());
    }
    assert!(Intervals::from_normalized(vec![(1, 2), (4, 4)]).is_some());
}

#[test]
fn the_first_value_for_which_something_holds_is_found_wherever_it_is() {
    let last = u64::MAX;
    for set in [
        vec![],
        vec![(1, 1)],
        vec![(1, 9)],
        vec![(2, 4), (6, 6), (9, 12)],
        vec![(3, 3), (5, 5), (7, 7), (9, 9)],
        vec![(0, 0), (5, 8), (last - 2, last)],
    ] {
        let set = Intervals::from_normalized(set).unwrap();
        for from in (0..15).chain(last - 3..=last) {
            let found = set.first_where(|value| Ok::<_, ()>(value >= from)).unwrap();
            assert_eq!(found, set.values().find(|value| *value >= from), "{set:?} from {from}");
        }
        assert_eq!(set.first_where(|_| Ok::<_, ()>(false)), Ok(None));
    }
    let failing = Intervals::range(1, 9).first_where(|_| Err::<bool, _>("no"));
    assert_eq!(failing, Err("no"));
}

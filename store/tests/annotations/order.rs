//! Any order of arrival.

use parlour_crypto::Body;
use parlour_store::Txn;
use parlour_store::annotations::bodiless;
use proptest::prelude::*;

use crate::plan::{Plan, look, model, say};
use crate::world::{MESSAGES, START, Said, World, shuffled, take};

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    proptest::collection::vec((0..2usize, 0..12u64, 0..5u8, 0..MESSAGES + 3, 0..9usize), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_order_of_arrival_makes_no_difference(plans in plans(), seeds in proptest::collection::vec(any::<u64>(), 4)) {
        let world = World::new();
        let all = say(&world, &plans);
        let order: Vec<&Said> = all.iter().collect();
        let mut txn = world.store.begin();
        take(&mut txn, &order);
        let expected = look(&world, &txn, &all);
        model(&world, &all, &expected);
        for seed in seeds {
            let order = shuffled(&order, seed);
            let mut txn = world.store.begin();
            take(&mut txn, &order);
            prop_assert_eq!(&look(&world, &txn, &all), &expected);
        }
    }

    #[test]
    fn neither_does_it_where_messages_come_without_their_bodies(plans in plans(), stubs in 1..64u8, seeds in proptest::collection::vec(any::<u64>(), 4)) {
        let world = World::new();
        let mut all = say(&world, &plans);
        let is_stub = |n: usize| n < MESSAGES && stubs & (1 << n) != 0;
        for n in (0..MESSAGES).filter(|n| is_stub(*n)) {
            all[n] = all[n].without_body();
        }
        let order: Vec<&Said> = all.iter().collect();
        // Their authors have none either.
        let settle = |txn: &mut Txn<'_>| {
            for said in all.iter().filter(|said| said.event.body().is_none()) {
                bodiless::is_without(txn, &said.at, &said.event.id(), said.at.log.device, START).unwrap();
            }
        };
        let mut txn = world.store.begin();
        take(&mut txn, &order);
        settle(&mut txn);
        let expected = look(&world, &txn, &all);
        for seed in seeds {
            let order = shuffled(&order, seed);
            let mut txn = world.store.begin();
            take(&mut txn, &order);
            settle(&mut txn);
            let seen = look(&world, &txn, &all);
            prop_assert_eq!(&seen, &expected);
            for (place, said) in all.iter().enumerate() {
                if let Body::Edit(edit) = &said.body
                    && let Some(n) = all.iter().position(|other| other.event.id() == edit.target)
                    && is_stub(n)
                    && all[n].author == said.author
                {
                    prop_assert!(!seen.bodies[place], "a version of a message that others have erased");
                }
            }
        }
    }
}

//! Orders of gossip neighbours, as they are printed for the guard.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/gossip/orders/check.rs"]
mod check;
#[path = "../../src/gossip/orders.rs"]
mod orders;

use orders::is_forbidden;

fuzz_target!(|order: (&str, u8, Option<u64>)| {
    let (topic, peers, back_off) = order;
    check::order(topic, usize::from(peers), back_off);
});

//! Invites, contact addresses and links into rooms behind a right checksum, which text alone hardly ever has.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/links.rs"]
mod links;

fuzz_target!(|data: &[u8]| {
    links::offer(data);
});

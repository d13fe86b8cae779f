//! A reader of sender chains to whom anything happens in any order: chains are handed over by anybody, used, lost, and read from a disk.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/chains.rs"]
mod chains;
#[path = "../../tests/support/room.rs"]
mod room;

fuzz_target!(|data: &[u8]| {
    chains::play(data);
});

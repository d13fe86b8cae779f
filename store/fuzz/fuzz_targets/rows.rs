//! Rows of every table, and keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_store::decoders;

fuzz_target!(|data: &[u8]| {
    decoders::row(data);
});

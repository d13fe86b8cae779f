//! What stands in the files of a store, once it is opened.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_store::decoders;

fuzz_target!(|data: &[u8]| {
    decoders::file(data);
});

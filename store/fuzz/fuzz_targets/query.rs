//! What people type to search, and what they search in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_store::{MAX_QUERY_BYTES, Query};

#[path = "../../src/search/query/check.rs"]
mod check;

fuzz_target!(|texts: (&str, &str)| {
    check::query(texts.0, texts.1);
});

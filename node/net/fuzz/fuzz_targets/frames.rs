//! Frames of a stream, in whatever pieces they come.
#![no_main]
#![allow(dead_code, reason = "the files under test have more than is fuzzed")]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/streams/frame/check.rs"]
mod check;
#[path = "../../src/streams/frame.rs"]
mod frame;

use frame::FrameReader;

fuzz_target!(|data: &[u8]| {
    check::frames(data);
});

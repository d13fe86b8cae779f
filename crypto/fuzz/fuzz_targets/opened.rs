//! What a friend may have sealed: plaintext is hostile, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_crypto::{Body, Control, Frame, KIND_MESSAGE, KIND_TIMER, Payload, unpad};

fuzz_target!(|data: &[u8]| {
    let _ = unpad(data);
    for kind in KIND_MESSAGE..=KIND_TIMER {
        let _ = Body::read(kind, data);
    }
    if let Ok(payload) = Payload::decode(data) {
        assert_eq!(payload.encode().unwrap(), data, "one encoding of a payload");
    }
    if let Ok(control) = Control::decode(data) {
        assert_eq!(control.encode().unwrap(), data, "one encoding of a control");
    }
    if let Ok(frame) = Frame::decode(data) {
        assert_eq!(frame.encode().unwrap(), data, "one encoding of a frame");
    }
});

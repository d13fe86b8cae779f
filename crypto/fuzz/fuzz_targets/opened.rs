//! What a friend may have sealed: plaintext is hostile, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_crypto::{Body, Control, Frame, KIND_MESSAGE, Payload, unpad};

fuzz_target!(|data: &[u8]| {
    let _ = unpad(data);
    let _ = Body::read(KIND_MESSAGE, data);
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

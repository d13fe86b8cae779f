//! What a friend may have sealed: plaintext is hostile, too.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use parlour_crypto::{
    BODY_KINDS, Body, CardDetails, Control, Ext, Frame, MAX_AVATAR, Operation, Payload, image_kind, plain_image, unpad,
};

#[path = "../../tests/support/room.rs"]
mod room;

fn owner() -> &'static room::Room {
    static OWNER: OnceLock<room::Room> = OnceLock::new();
    OWNER.get_or_init(room::Room::new)
}

fuzz_target!(|data: &[u8]| {
    let _ = unpad(data);
    for kind in BODY_KINDS {
        if let Ok(body) = Body::read(*kind, data) {
            assert_eq!(body.kind(), *kind);
            assert_eq!(body.encode().unwrap(), data, "one encoding of a body");
        }
    }
    let _ = room::operation(owner(), data);
    if let Ok(operation) = Operation::decode(data) {
        assert_eq!(operation.encode().unwrap(), data, "one encoding of an operation");
    }
    if let Ok(payload) = Payload::decode(data) {
        assert_eq!(payload.encode().unwrap(), data, "one encoding of a payload");
    }
    if let Ok(control) = Control::decode(data) {
        assert_eq!(control.encode().unwrap(), data, "one encoding of a control");
        if let Control::ContactHello { profile, .. }
        | Control::ContactAccept { profile, .. }
        | Control::Contact { profile, .. } = control
        {
            card(&profile.ext);
        }
    }
    let _ = image_kind(data);
    if let Ok(plain) = plain_image(data) {
        assert_eq!(image_kind(&plain), image_kind(data), "the picture stays one");
    }
    if data.len() <= MAX_AVATAR {
        card(&[1, 2, 3, 4, 5, 6].map(|number| (number, data.to_vec())).to_vec());
    }
    if let Ok(frame) = Frame::decode(data) {
        assert_eq!(frame.encode().unwrap(), data, "one encoding of a frame");
    }
});

/// What a card says is within the limits that its maker has to keep.
fn card(ext: &Ext) {
    let details = CardDetails::from_ext(ext);
    details.validate().expect("what was read keeps the rules");
    let _ = details.avatar_kind();
}

//! What people paste: invites, ids, words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_crypto::{ConversationId, DeviceId, EventId, Invite, UserId, entropy_from_phrase, is_emoji};

fuzz_target!(|text: &str| {
    if let Ok(invite) = Invite::parse(text) {
        assert_eq!(
            Invite::parse(&invite.to_link()),
            Ok(invite),
            "a link says the same again"
        );
    }
    if let Ok(id) = text.parse::<UserId>() {
        assert_eq!(id.to_string(), text);
    }
    let _ = text.parse::<DeviceId>();
    let _ = text.parse::<EventId>();
    let _ = text.parse::<ConversationId>();
    let _ = entropy_from_phrase(text);
    let _ = is_emoji(text);
});

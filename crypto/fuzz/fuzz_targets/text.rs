//! What people paste: invites, ids, words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_crypto::{ConversationId, DeviceId, EventId, Invite, Link, RoomLink, UserId, entropy_from_phrase, is_emoji};

fuzz_target!(|text: &str| {
    let link = match Link::parse(text) {
        Ok(Link::Invite(invite)) => Some(invite.to_link()),
        Ok(Link::Address(address)) => Some(address.to_link()),
        Err(_) => None,
    };
    if let Some(link) = link {
        assert_eq!(Link::parse(&link), Link::parse(text), "a link says the same again");
    }
    assert!(Invite::parse(text).is_err() || Link::parse(text).is_ok());
    if let Ok(link) = RoomLink::parse(text) {
        assert_eq!(RoomLink::parse(&link.to_link()).as_ref(), Ok(&link), "a link says the same again");
        assert!(Link::parse(text).is_err(), "a link into a room is no invite");
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

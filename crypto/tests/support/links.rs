//! What stands in a link, offered to those who read links.
#![allow(dead_code, reason = "each test and fuzz target uses a part of it")]

use data_encoding::BASE64URL_NOPAD;
use parlour_crypto::{INVITE_PREFIX, Invite, Link, MAX_INVITE, RoomLink};

/// The link around `tlv`, with its checksum.
pub(crate) fn link_of(tlv: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"parlour/1\0invite checksum\0");
    hasher.update(&(tlv.len() as u32).to_be_bytes()).update(tlv);
    let whole = [tlv, &hasher.finalize().as_bytes()[..4]].concat();
    format!("{INVITE_PREFIX}{}", BASE64URL_NOPAD.encode(&whole))
}

/// What a link is around.
pub(crate) fn tlv_of(link: &str) -> Vec<u8> {
    let encoded = link.strip_prefix(INVITE_PREFIX).unwrap();
    let mut whole = BASE64URL_NOPAD.decode(encoded.as_bytes()).unwrap();
    whole.truncate(whole.len() - 4);
    whole
}

/// Whether `tlv` is a contact address, an invite or a link into a room; it is one of them at most, and says the same again.
pub(crate) fn offer(tlv: &[u8]) -> Option<&'static str> {
    let text = link_of(tlv);
    let (link, invite, room) = (Link::parse(&text), Invite::parse(&text), RoomLink::parse(&text));
    assert!(text.len() <= MAX_INVITE || (link.is_err() && room.is_err()), "too long");
    assert!(room.is_err() || link.is_err(), "a link into a room is no invite");
    assert_eq!(invite.is_ok(), matches!(link, Ok(Link::Invite(_))));
    match (link, room) {
        (Ok(Link::Address(address)), _) => {
            assert_eq!(Link::parse(&address.to_link()), Ok(Link::Address(address)));
            Some("address")
        }
        (Ok(Link::Invite(invite)), _) => {
            assert_eq!(Invite::parse(&invite.to_link()), Ok(invite));
            Some("invite")
        }
        (Err(_), Ok(room)) => {
            assert_eq!(RoomLink::parse(&room.to_link()), Ok(room));
            Some("room")
        }
        (Err(_), Err(_)) => None,
    }
}

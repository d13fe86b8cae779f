#![allow(clippy::arithmetic_side_effects, reason = "a test knows its numbers")]

use super::*;
use crate::testing::{NOW, fields, join, malformed, with_field};

fn invite() -> Invite {
    // Four QUIC addresses on IPv6: /ip6/…/udp/…/quic-v1 is 23 bytes.
    let address = |last: u8| {
        [
            &[41][..],
            &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last],
            &[0x91, 2, 0x1e, 0x14, 0xcd, 3],
        ]
        .concat()
    };
    Invite {
        user: UserId::from_bytes([0xA5; 32]),
        peer: [&[0, 36, 8, 1, 18, 32][..], &[7; 32]].concat(),
        addresses: (1..=4).map(address).collect(),
        bundle_hash: [8; 32],
        token: [9; 16],
        expires: NOW,
        name: Some("Zoë from the third floor, left".to_owned()),
    }
}

/// A link around whatever TLV it is given, with the right checksum.
fn link(tlv: &[u8]) -> String {
    format!(
        "{INVITE_PREFIX}{}",
        BASE64URL_NOPAD.encode(&[tlv, &checksum(tlv)].concat())
    )
}

fn tlv() -> Vec<u8> {
    let bytes = BASE64URL_NOPAD
        .decode(&invite().to_link().as_bytes()[INVITE_PREFIX.len()..])
        .unwrap();
    bytes[..bytes.len() - CHECKSUM_LEN].to_vec()
}

#[test]
fn links_read_back_and_fit() {
    let made = invite();
    assert!(made.to_link().len() <= MAX_INVITE, "{}", made.to_link().len());
    assert_eq!(Invite::parse(&made.to_link()), Ok(made.clone()));
    assert_eq!(Invite::parse(&format!("\n  {}\t", made.to_link())), Ok(made.clone()));
    let bare = Invite {
        name: None,
        addresses: vec![],
        ..made
    };
    assert_eq!(Invite::parse(&bare.to_link()), Ok(bare.clone()));
    assert!(!bare.is_expired(NOW - 1) && bare.is_expired(NOW));
}

#[test]
fn every_single_character_typo_is_refused() {
    let link = invite().to_link();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/:. é";
    for (at, original) in link.char_indices() {
        for wrong in alphabet.chars().filter(|wrong| *wrong != original) {
            let mut bad = link.clone();
            bad.replace_range(at..=at, wrong.encode_utf8(&mut [0; 4]));
            // White space at the border is no typo but a character lost.
            assert!(Invite::parse(&bad).is_err(), "{wrong} at {at}");
        }
        let mut lost = link.clone();
        lost.remove(at);
        assert!(Invite::parse(&lost).is_err(), "without {at}");
        let mut doubled = link.clone();
        doubled.insert(at, original);
        assert!(Invite::parse(&doubled).is_err(), "twice {at}");
    }
    let swaps = link
        .as_bytes()
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] != pair[1]);
    for (at, _) in swaps {
        let mut bytes = link.clone().into_bytes();
        bytes.swap(at, at + 1);
        assert!(
            Invite::parse(&String::from_utf8(bytes).unwrap()).is_err(),
            "swapped at {at}"
        );
    }
    for len in 0..link.len() {
        assert!(Invite::parse(&link[..len]).is_err(), "cut to {len}");
    }
}

#[test]
fn a_typo_has_its_own_error() {
    let mut bad = invite().to_link();
    bad.replace_range(20..21, if bad.as_bytes()[20] == b'A' { "B" } else { "A" });
    assert_eq!(Invite::parse(&bad), Err(InviteError::Typo));
    assert_eq!(Invite::parse("parlour:"), Err(InviteError::Typo));
    assert_eq!(Invite::parse("http://example.org"), Err(InviteError::NotAnInvite));
    assert_eq!(Invite::parse(""), Err(InviteError::NotAnInvite));
    let got = MAX_INVITE + 1;
    assert_eq!(
        Invite::parse(&format!("parlour:{}", "A".repeat(got - 8))),
        Err(InviteError::TooLong { got })
    );
}

#[test]
fn every_malformed_invite_is_refused_though_its_checksum_is_right() {
    let good = tlv();
    assert_eq!(Invite::parse(&link(&good)), Ok(invite()));
    // A shorter peer or name is another invite, not a malformed one; so is one that ends before the name.
    let name_len = 3 + invite().name.unwrap().len();
    let without_name = format!("cut to {} bytes", good.len() - name_len);
    let variable = [
        "field 3 longer",
        "field 3 shorter",
        "field 8 longer",
        "field 8 shorter",
        &without_name,
    ];
    for (what, bad) in malformed(&good, &[8]) {
        if !variable.contains(&what.as_str()) {
            assert!(Invite::parse(&link(&bad)).is_err(), "{what}");
        }
    }
    let parse = |tag, value: &[u8]| Invite::parse(&link(&with_field(&good, tag, value)));
    assert_eq!(parse(1, &[2]), Err(InviteError::Version { got: 2 }));
    assert_eq!(parse(4, &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]), Err(InviteError::Addresses));
    assert_eq!(parse(4, &[5, 1]), Err(InviteError::Form(TlvError::Truncated)));
    assert_eq!(parse(8, &[0xFF]), Err(InviteError::Name));
    let short = with_field(&good, 4, &[]);
    assert!(matches!(
        Invite::parse(&link(&with_field(&short, 8, &[b'a'; 33]))),
        Err(InviteError::Form(_))
    ));
    assert!(matches!(
        Invite::parse(&link(&with_field(&short, 3, &[1; 65]))),
        Err(InviteError::Form(_))
    ));
}

#[test]
fn what_does_not_fit_is_left_out() {
    let long = Invite {
        addresses: vec![vec![1; 60]; 4],
        ..invite()
    };
    let read = Invite::parse(&long.to_link()).unwrap();
    assert_eq!(read.addresses, vec![vec![1; 60]; 1]);
    let many = Invite {
        addresses: vec![vec![1]; 6],
        ..invite()
    };
    assert_eq!(Invite::parse(&many.to_link()).unwrap().addresses.len(), 4);
    let named = Invite {
        name: Some("é".repeat(17)),
        ..invite()
    };
    assert_eq!(Invite::parse(&named.to_link()).unwrap().name, Some("é".repeat(16)));
    let odd = Invite {
        name: Some(format!("a{}", "é".repeat(17))),
        ..invite()
    };
    assert_eq!(
        Invite::parse(&odd.to_link()).unwrap().name,
        Some(format!("a{}", "é".repeat(15)))
    );
}

#[test]
fn debug_shows_no_token() {
    let shown = format!("{:?}", invite());
    assert!(shown.contains("expires") && !shown.contains("token") && !shown.contains("Zoë"));
}

fn address() -> ContactAddress {
    let invite = invite();
    ContactAddress {
        user: invite.user,
        peer: invite.peer,
        addresses: invite.addresses,
        name: invite.name,
    }
}

#[test]
fn a_link_is_an_invite_or_an_address_and_never_half_of_both() {
    assert_eq!(Link::parse(&invite().to_link()), Ok(Link::Invite(invite())));
    assert_eq!(Link::parse(&address().to_link()), Ok(Link::Address(address())));
    let nameless = ContactAddress {
        name: None,
        addresses: vec![],
        ..address()
    };
    assert_eq!(Link::parse(&nameless.to_link()), Ok(Link::Address(nameless)));
    assert!(Invite::parse(&address().to_link()).is_err());
    for tag in [5, 6, 7] {
        let mut rest = fields(&tlv());
        rest.retain(|field| field.0 != tag);
        assert!(Link::parse(&link(&join(&rest))).is_err(), "without {tag}");
        rest.retain(|field| !(5..=7).contains(&field.0) || field.0 == 5 + (tag - 4) % 3);
        assert!(Link::parse(&link(&join(&rest))).is_err(), "one of three");
    }
}

use super::*;
use crate::codec::{decode_strict, encode};

const USER: UserId = UserId::from_bytes([0xA5; 32]);

#[test]
fn text_forms_round_trip() {
    for byte in [0, 1, 0x7F, 0xFF] {
        let id = EventId::from_bytes([byte; 32]);
        let text = id.to_string();
        assert_eq!(text.len(), 4 + 52);
        assert_eq!(text.parse(), Ok(id));
    }
    assert!(USER.to_string().starts_with("user_"));
    assert!(DeviceId::from_bytes([1; 32]).to_string().starts_with("dev_"));
    assert!(ConversationId::from_bytes([1; 32]).to_string().starts_with("conv_"));
    let session = SessionId::from_bytes([3; 32]);
    assert_eq!(session.to_string().len(), 52);
    assert_eq!(session.to_string().parse(), Ok(session));
}

#[test]
fn the_base32_is_that_of_rfc_4648() {
    let mut bytes = [0; 32];
    bytes[..6].copy_from_slice(b"foobar");
    assert!(UserId::from_bytes(bytes).to_string().starts_with("user_mzxw6ytboi"));
}

#[test]
fn wrong_texts_say_what_is_wrong() {
    let text = USER.to_string();
    let parse = |text: &str| text.parse::<UserId>();
    assert_eq!(parse(""), Err(IdParseError::Prefix { expected: "user_" }));
    assert_eq!(
        parse(&text.replace("user_", "dev_")),
        Err(IdParseError::Prefix { expected: "user_" })
    );
    assert_eq!(parse(&text[..56]), Err(IdParseError::Length { got: 51 }));
    assert_eq!(parse(&format!("{text}a")), Err(IdParseError::Length { got: 53 }));
    assert_eq!(
        parse(&format!("user_{}", text[5..].to_uppercase())),
        Err(IdParseError::Character)
    );
    assert_eq!(parse(&format!("{}1", &text[..56])), Err(IdParseError::Character));
    assert_eq!(parse(&format!("{}é", &text[..56])), Err(IdParseError::Character));
    assert_eq!(
        parse(&format!(" {}", &text[1..])),
        Err(IdParseError::Prefix { expected: "user_" })
    );
    // 256 bits leave 4 unused bits in the last character: only a and q have them zero.
    assert_eq!(parse(&format!("{}b", &text[..56])), Err(IdParseError::UnusedBits));
    assert!(parse(&format!("{}a", &text[..56])).is_ok());
    assert!(parse(&format!("{}q", &text[..56])).is_ok());
}

#[test]
fn ids_are_raw_in_postcard_and_text_in_json() {
    assert_eq!(encode(&USER), [0xA5; 32]);
    assert_eq!(decode_strict::<UserId>(&[0xA5; 32], 32), Ok(USER));
    let json = serde_json::to_string(&USER).unwrap();
    assert_eq!(json, format!("\"{USER}\""));
    assert_eq!(serde_json::from_str::<UserId>(&json).unwrap(), USER);
    assert!(serde_json::from_str::<DeviceId>(&json).is_err());
}

#[test]
fn debug_and_short_forms_are_short() {
    assert_eq!(format!("{USER:?}"), "UserId(a5a5a5a5)");
    assert_eq!(USER.short().len(), 8);
    assert!(USER.to_string()[5..].starts_with(&USER.short()));
}

#[test]
fn a_direct_conversation_is_the_same_from_both_sides() {
    let other = UserId::from_bytes([9; 32]);
    assert_eq!(
        ConversationId::direct(&USER, &other),
        ConversationId::direct(&other, &USER)
    );
    assert_ne!(ConversationId::direct(&USER, &USER), ConversationId::notes(&USER));
    assert_ne!(
        ConversationId::direct(&USER, &other),
        ConversationId::direct(&USER, &USER)
    );
}

//! Room messages that a member seals, who holds the chain's keys: what does not carry the owner's signature moves no reader, and
//! neither does what only the owner could sign and no correct owner would.
//!
//! Input: how, number, steps; then a padded payload, or what is signed around a header.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use parlour_crypto::{ByteReader, SendingChain};

#[path = "../../tests/support/chains.rs"]
mod chains;
#[path = "../../tests/support/room.rs"]
mod room;

fn setting() -> &'static (room::Room, SendingChain) {
    static SETTING: OnceLock<(room::Room, SendingChain)> = OnceLock::new();
    SETTING.get_or_init(|| {
        let room = room::Room::new();
        let chain = room.chain(0);
        (room, chain)
    })
}

fn envelope(mut input: ByteReader<'_>) -> Option<Vec<u8>> {
    let (room, chain) = setting();
    let (how, number, ahead) = (input.u8()?, input.u16()?, input.u8()?);
    // Mostly what fits together.
    let (number, ahead) = match how & 3 {
        0 => (u32::from(number), u32::from(ahead)),
        _ => (u32::from(ahead), u32::from(ahead)),
    };
    let body = match how >> 2 & 3 {
        0 => input.rest().to_vec(),
        1 => room::padded(input.rest()),
        2 => room::padded(&[&[1][..], input.rest()].concat()),
        _ => {
            let length = input.u16()?;
            let header = input.take(usize::from(length).min(512))?;
            room::padded(&[&[1][..], &room.signed(header, input.rest())].concat())
        }
    };
    Some(room::forge(chain, number, ahead, &body))
}

fuzz_target!(|data: &[u8]| {
    if let Some(envelope) = envelope(ByteReader::new(data))
        && envelope.len() <= parlour_crypto::MAX_ENVELOPE
    {
        chains::one_message(&setting().1, &envelope);
    }
});

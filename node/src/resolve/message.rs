//! The message that an id, or the beginning of one, means.

use parlour_crypto::EventId;
use parlour_store::{Read, events};

use super::{Candidate, IdText, MAX_CANDIDATES, ResolveError, bad_id, id_text, one};

/// The message meant by its id or the beginning of one.
///
/// # Errors
/// See [`ResolveError`].
pub(crate) fn message(read: &impl Read, text: &str) -> Result<EventId, ResolveError> {
    /// Ids with the same first bytes that are looked at.
    const LOOKED_AT: usize = 10_000;
    let noun = "message";
    let matching: Vec<EventId> = match id_text(text, EventId::PREFIX)? {
        Some(IdText::Whole) => return text.parse().map_err(|_| bad_id(text, EventId::PREFIX)),
        Some(IdText::Beginning) => {
            let beginning = text.strip_prefix(EventId::PREFIX).unwrap_or_default();
            events::ids_from(read, &whole_bytes(beginning), LOOKED_AT)?
                .into_iter()
                .filter(|id| id.to_string().starts_with(text) && is_message(read, id))
                .take(MAX_CANDIDATES.saturating_add(1))
                .collect()
        }
        None => return Err(bad_id(text, EventId::PREFIX)),
    };
    one(noun, text, matching, |id| Candidate {
        id: id.to_string(),
        name: String::from("message"),
    })
}

fn is_message(read: &impl Read, id: &EventId) -> bool {
    let place = events::place(read, id).ok().flatten();
    let brief = place.and_then(|at| events::brief(read, &at).ok().flatten());
    brief.is_some_and(|brief| events::has_a_place(brief.kind))
}

/// The bytes that a beginning of base32 says whole.
fn whole_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0u32, 0u32);
    for c in text.bytes() {
        let value = match c {
            b'a'..=b'z' => c.wrapping_sub(b'a'),
            _ => c.wrapping_sub(b'2').wrapping_add(26),
        };
        held = (held << 5) | u32::from(value & 31);
        bits = bits.wrapping_add(5);
        if bits >= 8 {
            bits = bits.wrapping_sub(8);
            bytes.push(u8::try_from((held >> bits) & 0xFF).unwrap_or(0));
        }
        held &= 0xFF;
    }
    bytes
}

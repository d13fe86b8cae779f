//! What counts as one emoji: a "possible emoji" of UTS #51 (version 16) over the characters with the Emoji property of
//! Unicode 16, which is one grapheme cluster. ASCII characters count inside a keycap only. Says nothing about what a font has.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// Longest emoji, bytes of UTF-8.
pub const MAX_EMOJI: usize = 64;

const JOINER: char = '\u{200D}';
const KEYCAP: char = '\u{20E3}';
const AS_EMOJI: char = '\u{FE0F}';
const LAST_TAG: char = '\u{E007F}';

/// Whether `text` is exactly one emoji of at most [`MAX_EMOJI`] bytes.
#[must_use]
pub fn is_emoji(text: &str) -> bool {
    if text.is_empty() || text.len() > MAX_EMOJI {
        return false;
    }
    let mut chars = text.chars().peekable();
    if chars.peek().is_some_and(|c| is_flag_letter(*c)) {
        return chars.all(is_flag_letter) && text.chars().count() == 2;
    }
    loop {
        if !element(&mut chars) {
            return false;
        }
        match chars.next() {
            None => return true,
            Some(JOINER) => {}
            Some(_) => return false,
        }
    }
}

/// One element between joiners: a base, and what changes it.
fn element(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    let Some(base) = chars.next() else { return false };
    if matches!(base, '#' | '*' | '0'..='9') {
        return chars.next_if_eq(&AS_EMOJI).is_some() && chars.next_if_eq(&KEYCAP).is_some();
    }
    if !has_property(base) {
        return false;
    }
    if chars.next_if(|c| matches!(c, '\u{1F3FB}'..='\u{1F3FF}')).is_some() {
        return true;
    }
    if chars.next_if_eq(&AS_EMOJI).is_some() {
        chars.next_if_eq(&KEYCAP);
        return true;
    }
    let mut tagged = false;
    while chars.next_if(|c| matches!(c, '\u{E0020}'..='\u{E007E}')).is_some() {
        tagged = true;
    }
    !tagged || chars.next_if_eq(&LAST_TAG).is_some()
}

fn is_flag_letter(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

fn has_property(c: char) -> bool {
    let c = u32::from(c);
    let found = EMOJI.binary_search_by(|(from, to)| {
        if *to < c {
            std::cmp::Ordering::Less
        } else if *from > c {
            std::cmp::Ordering::Greater
        } else {
            std::cmp::Ordering::Equal
        }
    });
    found.is_ok()
}

/// Characters with the Emoji property of Unicode 16, without those of ASCII: first and last of each run.
#[rustfmt::skip]
const EMOJI: &[(u32, u32)] = &[
    (0x00A9, 0x00A9), (0x00AE, 0x00AE), (0x203C, 0x203C), (0x2049, 0x2049), (0x2122, 0x2122), (0x2139, 0x2139),
    (0x2194, 0x2199), (0x21A9, 0x21AA), (0x231A, 0x231B), (0x2328, 0x2328), (0x23CF, 0x23CF), (0x23E9, 0x23F3),
    (0x23F8, 0x23FA), (0x24C2, 0x24C2), (0x25AA, 0x25AB), (0x25B6, 0x25B6), (0x25C0, 0x25C0), (0x25FB, 0x25FE),
    (0x2600, 0x2604), (0x260E, 0x260E), (0x2611, 0x2611), (0x2614, 0x2615), (0x2618, 0x2618), (0x261D, 0x261D),
    (0x2620, 0x2620), (0x2622, 0x2623), (0x2626, 0x2626), (0x262A, 0x262A), (0x262E, 0x262F), (0x2638, 0x263A),
    (0x2640, 0x2640), (0x2642, 0x2642), (0x2648, 0x2653), (0x265F, 0x2660), (0x2663, 0x2663), (0x2665, 0x2666),
    (0x2668, 0x2668), (0x267B, 0x267B), (0x267E, 0x267F), (0x2692, 0x2697), (0x2699, 0x2699), (0x269B, 0x269C),
    (0x26A0, 0x26A1), (0x26A7, 0x26A7), (0x26AA, 0x26AB), (0x26B0, 0x26B1), (0x26BD, 0x26BE), (0x26C4, 0x26C5),
    (0x26C8, 0x26C8), (0x26CE, 0x26CF), (0x26D1, 0x26D1), (0x26D3, 0x26D4), (0x26E9, 0x26EA), (0x26F0, 0x26F5),
    (0x26F7, 0x26FA), (0x26FD, 0x26FD), (0x2702, 0x2702), (0x2705, 0x2705), (0x2708, 0x270D), (0x270F, 0x270F),
    (0x2712, 0x2712), (0x2714, 0x2714), (0x2716, 0x2716), (0x271D, 0x271D), (0x2721, 0x2721), (0x2728, 0x2728),
    (0x2733, 0x2734), (0x2744, 0x2744), (0x2747, 0x2747), (0x274C, 0x274C), (0x274E, 0x274E), (0x2753, 0x2755),
    (0x2757, 0x2757), (0x2763, 0x2764), (0x2795, 0x2797), (0x27A1, 0x27A1), (0x27B0, 0x27B0), (0x27BF, 0x27BF),
    (0x2934, 0x2935), (0x2B05, 0x2B07), (0x2B1B, 0x2B1C), (0x2B50, 0x2B50), (0x2B55, 0x2B55), (0x3030, 0x3030),
    (0x303D, 0x303D), (0x3297, 0x3297), (0x3299, 0x3299), (0x1F004, 0x1F004), (0x1F0CF, 0x1F0CF), (0x1F170, 0x1F171),
    (0x1F17E, 0x1F17F), (0x1F18E, 0x1F18E), (0x1F191, 0x1F19A), (0x1F1E6, 0x1F1FF), (0x1F201, 0x1F202),
    (0x1F21A, 0x1F21A), (0x1F22F, 0x1F22F), (0x1F232, 0x1F23A), (0x1F250, 0x1F251), (0x1F300, 0x1F321),
    (0x1F324, 0x1F393), (0x1F396, 0x1F397), (0x1F399, 0x1F39B), (0x1F39E, 0x1F3F0), (0x1F3F3, 0x1F3F5),
    (0x1F3F7, 0x1F4FD), (0x1F4FF, 0x1F53D), (0x1F549, 0x1F54E), (0x1F550, 0x1F567), (0x1F56F, 0x1F570),
    (0x1F573, 0x1F57A), (0x1F587, 0x1F587), (0x1F58A, 0x1F58D), (0x1F590, 0x1F590), (0x1F595, 0x1F596),
    (0x1F5A4, 0x1F5A5), (0x1F5A8, 0x1F5A8), (0x1F5B1, 0x1F5B2), (0x1F5BC, 0x1F5BC), (0x1F5C2, 0x1F5C4),
    (0x1F5D1, 0x1F5D3), (0x1F5DC, 0x1F5DE), (0x1F5E1, 0x1F5E1), (0x1F5E3, 0x1F5E3), (0x1F5E8, 0x1F5E8),
    (0x1F5EF, 0x1F5EF), (0x1F5F3, 0x1F5F3), (0x1F5FA, 0x1F64F), (0x1F680, 0x1F6C5), (0x1F6CB, 0x1F6D2),
    (0x1F6D5, 0x1F6D7), (0x1F6DC, 0x1F6E5), (0x1F6E9, 0x1F6E9), (0x1F6EB, 0x1F6EC), (0x1F6F0, 0x1F6F0),
    (0x1F6F3, 0x1F6FC), (0x1F7E0, 0x1F7EB), (0x1F7F0, 0x1F7F0), (0x1F90C, 0x1F93A), (0x1F93C, 0x1F945),
    (0x1F947, 0x1F9FF), (0x1FA70, 0x1FA7C), (0x1FA80, 0x1FA89), (0x1FA8F, 0x1FAC6), (0x1FACE, 0x1FADC),
    (0x1FADF, 0x1FAE9), (0x1FAF0, 0x1FAF8),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_call_one_emoji_is_one() {
        for emoji in [
            "👍",
            "👍🏽",
            "❤",
            "❤️",
            "😀",
            "🇩🇪",
            "1️⃣",
            "#️⃣",
            "👩‍👩‍👧",
            "👩🏽‍🚀",
            "🏳️‍🌈",
            "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
            "©️",
            "🫠",
            "⌚",
        ] {
            assert!(is_emoji(emoji), "{emoji:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "a",
            "1",
            "#",
            "👍👍",
            "👍 ",
            " 👍",
            "ok",
            "é",
            "🇩",
            "🇩🇪🇩",
            "1️",
            "\u{200D}",
            "👩\u{200D}",
            "\u{FE0F}",
            "\u{1b}[2J",
            "👍\u{202e}",
            "🏴\u{E0067}",
            "👍\u{0301}",
            "1\u{20E3}",
        ] {
            assert!(!is_emoji(text), "{text:?}");
        }
        let long = ["👩"; 9].join("\u{200D}");
        assert!(long.len() <= MAX_EMOJI && is_emoji(&long), "{}", long.len());
        assert!(!is_emoji(&["👩"; 10].join("\u{200D}")), "over the limit of bytes");
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(EMOJI.iter().all(|(from, to)| from <= to));
        assert!(EMOJI.windows(2).all(|two| two[0].1 < two[1].0));
    }
}

//! Folding: one spelling for what readers take for the same text.
//!
//! Per character: lower case, NFKD, accents and vowel points dropped, a few letters that do not
//! decompose spelled out (ß → ss, ø → o), then composed again (NFC), so that Hangul and voiced
//! Kana stay whole. Each folded character knows which bytes of the text it came from.

use unicode_normalization::char::{compose, decompose_compatible, is_combining_mark};

/// A folded character and the bytes of the original text it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Folded {
    pub(super) char: char,
    pub(super) class: Class,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What a folded character does to the words around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Part of a word that spaces or punctuation end.
    Word,
    /// Part of a run of a script written without spaces.
    Run,
    /// A word of its own, such as an emoji.
    Symbol,
    /// Continues whatever stands before it.
    Mark,
    /// Ends what stands before it.
    Break,
}

/// Folds `text`.
pub(super) fn fold(text: &str) -> Vec<Folded> {
    let mut out: Vec<Folded> = Vec::with_capacity(text.len());
    for (start, original) in text.char_indices() {
        let end = start + original.len_utf8();
        if original.is_ascii() {
            let char = original.to_ascii_lowercase();
            let class = if char.is_ascii_alphanumeric() {
                Class::Word
            } else {
                Class::Break
            };
            out.push(Folded {
                char,
                class,
                start,
                end,
            });
            continue;
        }
        let mut push = |char| push_folded(&mut out, char, start, end);
        for lower in original.to_lowercase() {
            decompose_compatible(lower, |part| {
                for char in part.to_lowercase() {
                    spell_out(char, &mut push);
                }
            });
        }
    }
    out
}

fn push_folded(out: &mut Vec<Folded>, char: char, start: usize, end: usize) {
    if is_dropped(char) {
        if let Some(last) = out.last_mut().filter(|last| last.class != Class::Break) {
            last.end = end;
        }
        return;
    }
    if let Some(last) = out.last_mut().filter(|last| last.end == start || last.start == start)
        && let Some(whole) = compose(last.char, char)
    {
        last.char = whole;
        last.class = class(whole);
        last.end = end;
        return;
    }
    out.push(Folded {
        char,
        class: class(char),
        start,
        end,
    });
}

fn spell_out(char: char, push: &mut impl FnMut(char)) {
    let plain = match char {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ł' => "l",
        'ŧ' => "t",
        'ς' => "σ",
        _ => return push(char),
    };
    plain.chars().for_each(push);
}

/// Accents, vowel points and invisible characters: present in some spellings only.
fn is_dropped(char: char) -> bool {
    matches!(char,
        '\u{0300}'..='\u{036F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}'
        // Hebrew points, Arabic vowel signs and the Arabic stretch character.
        | '\u{0591}'..='\u{05BD}' | '\u{05BF}' | '\u{05C1}'..='\u{05C2}' | '\u{05C4}'..='\u{05C5}' | '\u{05C7}'
        | '\u{0610}'..='\u{061A}' | '\u{0640}' | '\u{064B}'..='\u{065F}' | '\u{0670}'
        | '\u{06D6}'..='\u{06DC}' | '\u{06DF}'..='\u{06E4}' | '\u{06E7}'..='\u{06E8}' | '\u{06EA}'..='\u{06ED}'
        // Soft hyphen, joiners, direction marks, variation selectors, skin tones.
        | '\u{00AD}' | '\u{061C}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0000}'..='\u{E0FFF}')
}

fn class(char: char) -> Class {
    if is_run(char) {
        Class::Run
    } else if char.is_alphanumeric() {
        Class::Word
    } else if is_combining_mark(char) {
        Class::Mark
    } else if is_symbol(char) {
        Class::Symbol
    } else {
        Class::Break
    }
}

/// Han, Kana, Bopomofo, Hangul, Thai, Lao, Khmer, Burmese.
fn is_run(char: char) -> bool {
    matches!(char,
        '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3031}'..='\u{3035}'
        | '\u{3041}'..='\u{3096}' | '\u{3099}'..='\u{309A}' | '\u{309D}'..='\u{309F}'
        | '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}' | '\u{3105}'..='\u{312F}'
        | '\u{31A0}'..='\u{31BF}' | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{1B000}'..='\u{1B16F}' | '\u{20000}'..='\u{323AF}'
        | '\u{1100}'..='\u{11FF}' | '\u{A960}'..='\u{A97C}' | '\u{AC00}'..='\u{D7A3}' | '\u{D7B0}'..='\u{D7FB}'
        | '\u{0E01}'..='\u{0E3A}' | '\u{0E40}'..='\u{0E4E}'
        | '\u{0E81}'..='\u{0ECE}' | '\u{1000}'..='\u{103F}' | '\u{1050}'..='\u{108F}' | '\u{1780}'..='\u{17D3}')
}

/// Emoji and other pictures.
fn is_symbol(char: char) -> bool {
    matches!(char,
        '\u{2190}'..='\u{21FF}' | '\u{2300}'..='\u{23FF}' | '\u{25A0}'..='\u{27BF}'
        | '\u{2900}'..='\u{297F}' | '\u{2B00}'..='\u{2BFF}' | '\u{1F000}'..='\u{1FAFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        fold(text).iter().map(|folded| folded.char).collect()
    }

    #[test]
    fn spellings_of_the_same_text_fold_to_one() {
        for (left, right) in [
            ("Crème BRÛLÉE", "creme brulee"),
            ("e\u{301}", "é"),
            ("Straße", "STRASSE"),
            ("ﬁne", "fine"),
            ("İstanbul", "istanbul"),
            ("ΟΔΟΣ", "οδος"),
            ("Ｆｕｌｌ", "full"),
            ("مُحَمَّد", "محمد"),
            ("ｶﾞ", "ガ"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("か\u{3099}", "が"),
            ("👍🏽", "👍"),
            ("soft\u{ad}hyphen", "softhyphen"),
        ] {
            assert_eq!(folded(left), folded(right), "{left} and {right}");
        }
    }

    #[test]
    fn folded_characters_cover_the_bytes_they_came_from() {
        let text = "a e\u{301}ß 한";
        for folded in fold(text) {
            assert!(text.get(folded.start..folded.end).is_some());
        }
        let accented = fold(text).into_iter().find(|folded| folded.char == 'e').unwrap();
        assert_eq!(&text[accented.start..accented.end], "e\u{301}");
    }
}

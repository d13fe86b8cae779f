//! Text of other people made fit to be shown on one line: nothing in it acts on a terminal or on the direction of writing.

/// Characters that act instead of being seen.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fff9}'..='\u{fffb}' | '\u{feff}')
}

/// The text on one line, without what acts: line breaks and tabs become spaces, the rest goes.
pub(crate) fn one_line(text: &str) -> String {
    let shown: String = text
        .chars()
        .map(|c| if matches!(c, '\n' | '\t' | '\r') { ' ' } else { c })
        .filter(|c| !acts(*c))
        .collect();
    shown.trim().to_owned()
}

/// The text without what acts; its lines stay.
pub(crate) fn lines(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !acts(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_is_left() {
        let nasty = "\u{202e}bob\u{1b}[2J\nroot\u{feff}\u{2066}";
        assert_eq!(one_line(nasty), "bob[2J root");
        assert_eq!(lines("a\r\n\u{202e}b"), "a\nb");
        let plain = "Grüße 你好 שלום 👩‍👩‍👧";
        assert_eq!(one_line(plain), plain);
    }
}

//! Text of other people made fit to be shown on one line: nothing in it acts on a terminal or on the direction of writing.

/// Characters that act instead of being seen.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fff9}'..='\u{fffb}' | '\u{feff}')
}

/// Characters that leave no mark, so that two names with and without them look the same. Joiners and variation selectors are not
/// among them: scripts and emoji need them.
pub(crate) fn invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}'
        | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{e0000}'..='\u{e007f}')
}

/// A name as it is shown: one line, nothing that cannot be seen; empty if nothing is left to see.
pub(crate) fn name(text: &str) -> String {
    let shown: String = one_line(text).chars().filter(|c| !invisible(*c)).collect();
    let marks = |c: char| !c.is_whitespace() && !matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
    if shown.chars().any(marks) {
        shown.trim().to_owned()
    } else {
        String::new()
    }
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

/// A time in the largest unit that says it exactly.
#[must_use]
pub fn span(ms: u64) -> String {
    for (unit, length) in [("days", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)] {
        if ms >= length && ms.is_multiple_of(length) {
            let count = ms / length;
            let unit = if (count, unit) == (1, "days") { "day" } else { unit };
            return format!("{count} {unit}");
        }
    }
    format!("{ms} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_the_largest_unit_that_is_exact() {
        let spans = [5_000, 60_000, 90_000, 3_600_000, 86_400_000, 172_800_000, 1_500].map(span);
        assert_eq!(spans, ["5 s", "1 min", "90 s", "1 h", "1 day", "2 days", "1500 ms"]);
    }

    #[test]
    fn nothing_that_acts_is_left() {
        let nasty = "\u{202e}bob\u{1b}[2J\nroot\u{feff}\u{2066}";
        assert_eq!(one_line(nasty), "bob[2J root");
        assert_eq!(lines("a\r\n\u{202e}b"), "a\nb");
        let plain = "Grüße 你好 שלום 👩‍👩‍👧";
        assert_eq!(one_line(plain), plain);
        assert_eq!(name(plain), plain);
    }

    #[test]
    fn names_that_look_the_same_are_the_same() {
        assert_eq!(name("bo\u{200b}b\u{2060}\u{e0041} "), "bob");
        for nothing in ["\u{3164}", "\u{200d}\u{fe0f}", " \u{2800}\u{ad}"] {
            assert_eq!(name(nothing), "", "{nothing:?}");
        }
    }
}

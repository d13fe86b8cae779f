//! Foreign text made fit to be shown: a message must not move the cursor, change the title of a terminal or write backwards.
//! Also local times and ages. Pure; [`crate::output`] prints.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
pub(crate) use parlour_node::span;

/// Characters that act on a terminal or on the direction of writing instead of being seen.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fff9}'..='\u{fffb}')
}

/// The text with everything that acts replaced by something visible; line breaks and tabs stay.
pub(crate) fn visible(text: &str) -> String {
    show(text, |c| matches!(c, '\n' | '\t'))
}

/// As [`visible`], and line breaks and tabs become visible too: for names and other text that belongs on one line.
pub(crate) fn one_line(text: &str) -> String {
    show(text, |_| false)
}

fn show(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if !acts(c) || keep(c) => shown.push(c),
            '\0'..='\u{1f}' => shown.extend(char::from_u32(0x2400 + u32::from(c))),
            '\u{7f}' => shown.push('\u{2421}'),
            c => shown.extend(c.escape_unicode()),
        }
    }
    shown
}

/// JSON in which no character acts: those that JSON itself lets through are written as `\uXXXX`.
pub(crate) fn json_visible(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        // Line breaks stand between tokens only: inside strings JSON has escaped them already.
        if acts(c) && c != '\n' {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A time of the API (RFC 3339, UTC) on the user's clock, to the second.
pub(crate) fn local_time(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time
            .to_zoned(TimeZone::system())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        Err(_) => one_line(time),
    }
}

/// How long ago a time of the API was, in words.
pub(crate) fn ago(time: &str, now: Timestamp) -> String {
    let Ok(then) = time.parse::<Timestamp>() else {
        return one_line(time);
    };
    let seconds = now
        .since(then)
        .and_then(|span| span.total(Unit::Second))
        .unwrap_or(0.0)
        .max(0.0) as u64;
    match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// The network's account of a failed dial, one `address: cause` each: without peer ids, repeats and what was cut off.
pub(crate) fn dial_failures(reason: &str) -> String {
    if !reason.starts_with('/') {
        return reason.to_owned();
    }
    let mut shown: Vec<String> = Vec::new();
    for part in reason.split("; ") {
        let Some((address, cause)) = part.split_once(": ") else {
            continue;
        };
        let address = address.split("/p2p/").next().unwrap_or(address);
        let cause = cause.trim_start_matches("Multiple dial errors occurred:");
        let one = format!("{address}: {}", cause.trim_matches([' ', '\n', '-', '.']));
        if !shown.contains(&one) {
            shown.push(one);
        }
    }
    shown.join("; ")
}

/// `text` with every line but the first moved right by `columns`.
pub(crate) fn hanging(text: &str, columns: usize) -> String {
    text.replace('\n', &format!("\n{:columns$}", ""))
}

/// `word` as a shell takes it for one word.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_of_foreign_text_are_shown_and_not_obeyed() {
        let nasty = "\u{1b}]0;owned\u{7}\u{1b}[2Jhi\u{9b}31m\u{7f}\r\u{8}";
        let shown = visible(nasty);
        assert_eq!(shown, "␛]0;owned␇␛[2Jhi\\u{9b}31m␡␍␈");
        assert!(!shown.chars().any(acts));
    }

    #[test]
    fn bidi_overrides_are_shown_and_not_obeyed() {
        for c in [
            '\u{202e}', '\u{202a}', '\u{2066}', '\u{2069}', '\u{200f}', '\u{61c}', '\u{2028}',
        ] {
            let shown = visible(&format!("a{c}b"));
            assert_eq!(shown, format!("a\\u{{{:x}}}b", u32::from(c)));
        }
    }

    #[test]
    fn ordinary_text_of_any_script_stays_as_it_is() {
        let text = "Grüße, 你好, שלום, 👩‍👩‍👧, नमस्ते\n\tsecond line";
        assert_eq!(visible(text), text);
    }

    #[test]
    fn names_stay_on_one_line() {
        assert_eq!(one_line("bob\nroot: hi"), "bob␊root: hi");
    }

    #[test]
    fn json_is_the_same_value_without_acting_characters() {
        let value = serde_json::json!({ "text": "a\u{9b}b\u{202e}c\u{7f}\u{1b}\nd" });
        let shown = json_visible(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!shown.chars().any(|c| acts(c) && c != '\n'), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn a_quoted_word_is_one_word_to_a_shell() {
        assert_eq!(quoted("/tmp/a-b_c.d"), "/tmp/a-b_c.d");
        assert_eq!(quoted("/tmp/it's $HOME"), r"'/tmp/it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn continued_lines_are_indented() {
        assert_eq!(hanging("a\nb", 3), "a\n   b");
    }

    #[test]
    fn failed_dials_are_shown_once_an_address() {
        let tcp =
            "/ip4/192.0.2.1/tcp/1/p2p/12D3Koo: Multiple dial errors occurred:\n - Connection refused (os error 111)";
        let quic = "/ip4/192.0.2.1/udp/1/quic-v1/p2p/12D3Koo: Handshake with the remote timed out.";
        let cut = "/ip4/192.0.2.1/udp/1/quic-v1/p2p/12D";
        assert_eq!(
            dial_failures(&format!("{tcp}; {tcp}; {quic}; {cut}")),
            "/ip4/192.0.2.1/tcp/1: Connection refused (os error 111); /ip4/192.0.2.1/udp/1/quic-v1: Handshake with the \
             remote timed out"
        );
        assert_eq!(
            dial_failures("no addresses; none: at all"),
            "no addresses; none: at all"
        );
    }

    #[test]
    fn ages_are_in_words() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        assert_eq!(ago("2026-11-20T11:59:30.000Z", now), "just now");
        assert_eq!(ago("2026-11-20T11:50:00.000Z", now), "10 min ago");
        assert_eq!(ago("2026-11-20T01:00:00.000Z", now), "11 h ago");
        assert_eq!(ago("2026-11-10T12:00:00.000Z", now), "10 days ago");
        assert_eq!(ago("2026-11-20T12:00:09.000Z", now), "just now");
    }
}

//! What is in a message beside text, in words.

use serde::Deserialize;

use crate::text;

/// A poll.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Poll {
    pub question: String,
    pub options: Vec<PollOption>,
    pub multiple: bool,
    pub anonymous: bool,
    pub closes_at: Option<String>,
    pub total: u64,
    pub closed: bool,
}

/// Something that can be chosen.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PollOption {
    pub text: String,
    pub votes: u64,
    pub mine: bool,
}

/// A place, in degrees.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    pub latitude: f64,
    pub longitude: f64,
    pub accuracy_m: Option<u64>,
    pub name: Option<String>,
}

/// A file, as its sender describes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct File {
    pub kind: String,
    pub name: String,
    pub media_type: String,
    pub size: u64,
    pub duration_ms: Option<u64>,
}

/// A sticker.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sticker {
    pub emoji: String,
    pub name: Option<String>,
}

/// How a call went.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Call {
    pub video: bool,
    pub outcome: String,
    pub duration_ms: u64,
}

/// What is under the root of a thread.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Replies {
    pub count: u64,
}

impl Poll {
    pub(crate) fn lines(&self) -> String {
        let mut lines = format!("poll: {}", text::one_line(&self.question));
        for (n, option) in self.options.iter().enumerate() {
            let mine = if option.mine { " (you)" } else { "" };
            let name = text::one_line(&option.text);
            lines.push_str(&format!("\n  {}. {name}: {}{mine}", n + 1, option.votes));
        }
        let voted = match self.total {
            1 => "1 person has voted".to_owned(),
            total => format!("{total} people have voted"),
        };
        let mut notes = vec![voted];
        if self.multiple {
            notes.push("several can be chosen".to_owned());
        }
        if self.anonymous {
            notes.push("who chose what is not shown".to_owned());
        }
        match (&self.closes_at, self.closed) {
            (_, true) => notes.push("closed".to_owned()),
            (Some(time), false) => notes.push(format!("open until {}", text::local_time(time))),
            (None, false) => notes.push("open".to_owned()),
        }
        format!("{lines}\n({})", notes.join("; "))
    }
}

impl Place {
    pub(crate) fn line(&self) -> String {
        let name = self.name.as_deref().map(|name| format!("{}, ", text::one_line(name)));
        let accuracy = self
            .accuracy_m
            .map(|metres| format!(", within {metres} m"))
            .unwrap_or_default();
        let (latitude, longitude) = (self.latitude, self.longitude);
        format!("(place: {}{latitude}, {longitude}{accuracy})", name.unwrap_or_default())
    }
}

impl File {
    pub(crate) fn line(&self) -> String {
        let kind = if self.kind.is_empty() {
            "file"
        } else {
            self.kind.as_str()
        };
        let length = self
            .duration_ms
            .map(|ms| format!(", {}", text::span(ms)))
            .unwrap_or_default();
        format!(
            "({}: {}, {}, {} bytes{length}; this version cannot fetch it)",
            text::one_line(kind),
            text::one_line(&self.name),
            text::one_line(&self.media_type),
            self.size
        )
    }
}

impl Sticker {
    pub(crate) fn line(&self) -> String {
        let name = self
            .name
            .as_deref()
            .map(|name| format!("  (sticker: {})", text::one_line(name)));
        format!("{}{}", text::one_line(&self.emoji), name.unwrap_or_default())
    }
}

impl Call {
    pub(crate) fn line(&self) -> String {
        let kind = if self.video { "video call" } else { "call" };
        match self.outcome.as_str() {
            "ended" => format!("({kind}, {})", text::span(self.duration_ms)),
            outcome => format!("({kind}: {})", text::one_line(outcome)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_poll_is_shown_with_numbers_to_vote_by_and_nothing_in_it_acts() {
        let poll = Poll::deserialize(json!({
            "question": "tea\u{1b}[2J?", "total": 2, "closed": false, "multiple": true, "anonymous": true,
            "options": [{ "text": "yes", "votes": 2, "mine": true }, { "text": "no\n3. forged: 9", "votes": 1 }],
        }));
        let lines = poll.unwrap().lines();
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(
            lines[..3],
            ["poll: tea␛[2J?", "  1. yes: 2 (you)", "  2. no␊3. forged: 9: 1"]
        );
        assert_eq!(
            lines[3..],
            ["(2 people have voted; several can be chosen; who chose what is not shown; open)"]
        );
    }

    #[test]
    fn files_say_that_their_bytes_are_not_here() {
        let file = File::deserialize(json!({
            "kind": "voice", "name": "a.ogg", "media_type": "audio/ogg", "size": 2_048, "duration_ms": 5_000,
        }));
        let line = file.unwrap().line();
        assert_eq!(
            line,
            "(voice: a.ogg, audio/ogg, 2048 bytes, 5 s; this version cannot fetch it)"
        );
        let place = Place::deserialize(json!({ "latitude": 52.5, "longitude": -0.125, "name": "home" }));
        assert_eq!(place.unwrap().line(), "(place: home, 52.5, -0.125)");
        let call = Call::deserialize(json!({ "outcome": "missed", "video": true }));
        assert_eq!(call.unwrap().line(), "(video call: missed)");
    }
}

//! What the text output reads of the API's answers. Everything may be absent: a node of another version still shows what it has.

use serde::Deserialize;
use serde_json::Value;

use crate::text;

mod parts;

use parts::{Call, File, Place, Poll, Replies, Sticker};

/// A message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message {
    pub id: String,
    pub conversation: String,
    pub author: String,
    pub author_name: Option<String>,
    pub text: Option<String>,
    pub created_at: String,
    pub status: String,
    pub own: bool,
    pub gone: Option<String>,
    pub edited_at: Option<String>,
    pub expires_at: Option<String>,
    pub views_left: Option<u8>,
    pub pinned: bool,
    pub late: bool,
    pub around_removal: bool,
    pub reactions: Vec<Reaction>,
    pub reply: Option<Quote>,
    pub system: Option<System>,
    pub thread: Option<String>,
    pub replies: Option<Replies>,
    pub poll: Option<Poll>,
    pub location: Option<Place>,
    pub file: Option<File>,
    pub sticker: Option<Sticker>,
    pub call: Option<Call>,
    pub devices: Vec<Delivery>,
    /// Why it goes to nobody yet, and since when.
    pub reason: Option<String>,
    pub since: Option<String>,
}

/// An emoji on a message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Reaction {
    pub emoji: String,
    pub count: u64,
    pub mine: bool,
}

/// The message that another one answers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Quote {
    pub author_name: Option<String>,
    pub snippet: Option<String>,
    pub reason: Option<String>,
}

/// What happened, as a sentence.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct System {
    pub text: String,
}

/// What became of a message on one device.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Delivery {
    pub user_id: String,
    pub name: Option<String>,
    pub device_id: String,
    pub state: String,
    pub reason: Option<String>,
    pub since: Option<String>,
}

/// A contact.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Contact {
    pub user_id: String,
    pub name: Option<String>,
    pub petname: Option<String>,
    pub state: String,
    pub reason: Option<String>,
    pub reachable: bool,
    pub last_seen: Option<String>,
    pub presence: Option<String>,
    pub blocked: bool,
    pub trust: String,
    pub conversation: String,
}

impl Message {
    pub(crate) fn of(value: &Value) -> Self {
        Self::deserialize(value).unwrap_or_default()
    }

    /// Who wrote it, as a person calls them.
    pub(crate) fn who(&self) -> String {
        match (self.own, self.author_name.as_deref()) {
            (true, _) => "you".to_owned(),
            (false, Some(name)) if !name.is_empty() => text::one_line(name),
            _ => short(&self.author),
        }
    }

    /// The text, or what stands for it.
    pub(crate) fn shown(&self) -> String {
        if let Some(part) = self.part() {
            let text = self.text.iter().filter(|text| !text.is_empty()).cloned();
            return std::iter::once(part).chain(text).collect::<Vec<_>>().join("\n");
        }
        if let Some(text) = &self.text {
            return text.clone();
        }
        if let Some(System { text }) = &self.system {
            return text.clone();
        }
        match (self.gone.as_deref(), self.views_left) {
            (Some("deleted"), _) => "(deleted)".to_owned(),
            (Some("expired"), _) => "(disappeared)".to_owned(),
            (Some("viewed"), _) => "(viewed)".to_owned(),
            (Some("too_soon"), _) => "(hidden by slow mode)".to_owned(),
            (Some("void"), _) => "(hidden: its author had no right to say it)".to_owned(),
            (Some(_), _) => "(erased)".to_owned(),
            (None, Some(_)) if self.own => "(sent to be viewed on demand)".to_owned(),
            (None, Some(left)) => {
                let times = if left == 1 { "once" } else { "twice" };
                format!("(can be viewed {times}: parlour message view {})", short(&self.id))
            }
            (None, None) => "(something this version cannot show)".to_owned(),
        }
    }

    /// What is there beside text.
    fn part(&self) -> Option<String> {
        let poll = self.poll.as_ref().map(Poll::lines);
        let place = self.location.as_ref().map(Place::line);
        let file = self.file.as_ref().map(File::line);
        let sticker = self.sticker.as_ref().map(Sticker::line);
        let call = self.call.as_ref().map(Call::line);
        poll.or(place).or(file).or(sticker).or(call)
    }

    /// What it answers, what it says, what was said about it.
    fn whole(&self) -> String {
        let mut lines = Vec::new();
        lines.extend(
            self.thread
                .as_deref()
                .map(|root| format!("[in the thread of {}]", short(root))),
        );
        lines.extend(self.reply.as_ref().map(Quote::line));
        let mut text = self.shown();
        for (there, mark) in [
            (self.edited_at.is_some(), "  (edited)"),
            (self.pinned, "  [pinned]"),
            (self.late, "  [came late]"),
            (self.around_removal, "  [sent around their removal]"),
        ] {
            if there {
                text.push_str(mark);
            }
        }
        if let Some(time) = &self.expires_at {
            text.push_str(&format!("  [until {}]", text::local_time(time)));
        }
        lines.push(text);
        let reactions = self.reactions.iter().map(|reaction| {
            let mine = if reaction.mine { " (you)" } else { "" };
            format!("{} {}{mine}", text::one_line(&reaction.emoji), reaction.count)
        });
        let reactions: Vec<String> = reactions.collect();
        if !reactions.is_empty() {
            lines.push(reactions.join("  "));
        }
        match &self.replies {
            Some(Replies { count: 1 }) => lines.push("[1 message in its thread]".to_owned()),
            Some(Replies { count }) => lines.push(format!("[{count} messages in its thread]")),
            None => {}
        }
        lines.join("\n")
    }

    /// Where it goes and how far it has come there, a line each, and why to nobody, if so.
    pub(crate) fn whereabouts(&self, wanted: impl Fn(&Delivery) -> bool) -> String {
        let held = why(self.reason.as_deref(), self.since.as_deref()).map(|why| format!("  {why}\n"));
        let devices = self.devices.iter().filter(|device| wanted(device));
        held.into_iter()
            .chain(devices.map(|device| format!("  {}", device.line())))
            .collect()
    }

    /// One entry of a listing; `place` is said where several conversations are mixed.
    pub(crate) fn line(&self, place: Option<&str>) -> String {
        let place = place
            .map(|place| format!("[{}] ", text::one_line(place)))
            .unwrap_or_default();
        if let Some(System { text }) = &self.system {
            return format!(
                "{}  {place}* {}\n",
                text::local_time(&self.created_at),
                text::one_line(text)
            );
        }
        let head = format!("{}  {place}{}: ", text::local_time(&self.created_at), self.who());
        let state = match self.status.as_str() {
            state @ ("sending" | "sent") if self.own => format!("  [{state}]"),
            _ => String::new(),
        };
        let mut body = self.whole();
        body.push_str(&state);
        format!("{head}{}\n", text::hanging(&body, head.chars().count()))
    }
}

impl Quote {
    fn line(&self) -> String {
        let who = self.author_name.as_deref().map(text::one_line);
        let said = match (&self.snippet, self.reason.as_deref()) {
            (Some(snippet), _) => text::one_line(&snippet.replace('\n', " ")),
            (None, Some("deleted")) => "(deleted)".to_owned(),
            (None, Some("expired")) => "(disappeared)".to_owned(),
            (None, Some("on_demand" | "viewed")) => "(to be viewed on demand)".to_owned(),
            (None, Some("hidden")) => return "> (a message you deleted for yourself)".to_owned(),
            (None, Some("missing") | None) => return "> (a message this device does not have)".to_owned(),
            (None, Some(_)) => "(erased)".to_owned(),
        };
        format!("> {}: {said}", who.unwrap_or_default())
    }
}

impl Contact {
    pub(crate) fn of(value: &Value) -> Self {
        Self::deserialize(value).unwrap_or_default()
    }

    /// What a person calls them.
    pub(crate) fn display(&self) -> String {
        let names = [self.petname.as_deref(), self.name.as_deref()];
        match names.into_iter().flatten().find(|name| !name.is_empty()) {
            Some(name) => text::one_line(name),
            None => short(&self.user_id),
        }
    }
}

impl Delivery {
    /// Whose device, and what happened there.
    pub(crate) fn line(&self) -> String {
        let who = self
            .name
            .as_deref()
            .filter(|name| !name.is_empty())
            .map_or_else(|| short(&self.user_id), text::one_line);
        let why = why(self.reason.as_deref(), self.since.as_deref());
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        format!("{who} ({}): {}{why}\n", short(&self.device_id), self.state)
    }
}

/// Why something is as it is, and since when.
pub(crate) fn why(reason: Option<&str>, since: Option<&str>) -> Option<String> {
    let reason = text::one_line(reason?);
    Some(match since {
        Some(since) => format!("{reason} (since {})", text::local_time(since)),
        None => reason,
    })
}

/// The beginning of an id, as long as names accept it.
pub(crate) fn short(id: &str) -> String {
    const SHOWN: usize = 8;
    let prefix = id.find('_').map_or(0, |at| at + 1);
    text::one_line(&id.chars().take(prefix + SHOWN).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_with_a_line_break_cannot_fake_another_message() {
        let message = Message::of(&json!({
            "author_name": "eve\n2026-01-01 00:00:00  bob", "text": "one\ntwo", "created_at": "2026-11-20T12:00:00.000Z",
        }));
        let line = message.line(None);
        let second = line.lines().nth(1).unwrap();
        assert!(line.contains("eve␊2026-01-01 00:00:00  bob: one"), "{line}");
        assert!(second.starts_with("    ") && second.ends_with("two"), "{line}");
    }

    #[test]
    fn what_happened_is_not_said_by_anybody_and_stays_on_its_line() {
        let line = Message::of(&json!({
            "author_name": "eve", "system": { "text": "eve removed bo: go\n2026-01-01 00:00:00  bo: mine" }, "text": null,
        }));
        let line = line.line(None);
        assert!(line.contains("* eve removed bo: go␊2026-01-01"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_message_that_came_late_says_so() {
        let line = Message::of(&json!({ "text": "x", "late": true })).line(None);
        assert!(line.ends_with("x  [came late]\n"), "{line}");
    }

    #[test]
    fn what_is_said_around_a_removal_or_without_a_right_says_so() {
        let line = |value: &serde_json::Value| Message::of(value).line(None);
        let around = line(&json!({ "text": "x", "around_removal": true }));
        assert!(around.ends_with("x  [sent around their removal]\n"), "{around}");
        let void = line(&json!({ "text": null, "gone": "void" }));
        assert!(
            void.ends_with("(hidden: its author had no right to say it)\n"),
            "{void}"
        );
    }

    #[test]
    fn only_own_messages_that_are_under_way_show_their_state() {
        let line = |own, status| Message::of(&json!({ "own": own, "status": status, "text": "x" })).line(None);
        assert!(line(true, "sending").ends_with("[sending]\n"));
        assert!(line(true, "delivered").ends_with("you: x\n"));
        assert!(!line(false, "received").contains('['));
    }

    #[test]
    fn what_was_said_about_a_message_is_shown_with_it_and_cannot_act() {
        let message = Message::of(&json!({
            "id": "msg_abcdefghijkl", "author_name": "bo", "text": "two\nlines", "edited_at": "2026-11-20T12:00:00.000Z",
            "pinned": true, "reactions": [{ "emoji": "👍", "count": 2, "mine": true }, { "emoji": "🎉", "count": 1 }],
            "reply": { "author_name": "eve\n", "snippet": "was\nthat \u{202e}so?" },
        }));
        let line = message.line(None);
        let lines: Vec<&str> = line.lines().map(str::trim_start).collect();
        assert!(lines[0].ends_with("bo: > eve␊: was that \\u{202e}so?"), "{line}");
        assert_eq!(lines[1..], ["two", "lines  (edited)  [pinned]", "👍 2 (you)  🎉 1"]);
        let shown = |value| Message::of(&value).shown();
        assert_eq!(shown(json!({ "gone": "deleted" })), "(deleted)");
        assert_eq!(shown(json!({ "system": { "text": "bo left" } })), "bo left");
        let once = json!({ "id": "msg_abcdefghijkl", "views_left": 1 });
        assert_eq!(shown(once), "(can be viewed once: parlour message view msg_abcdefgh)");
        let lost = Message::of(&json!({ "text": "x", "reply": { "reason": "missing" } })).line(None);
        assert!(lost.contains("> (a message this device does not have)"), "{lost}");
    }

    #[test]
    fn ids_are_cut_to_what_names_accept() {
        assert_eq!(short("user_abcdefghijkl"), "user_abcdefgh");
        assert_eq!(short(""), "");
    }
}

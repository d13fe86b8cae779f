//! What the text output reads of the API's answers. Everything may be absent: a node of another version still shows what it has.

use serde::Deserialize;
use serde_json::Value;

use crate::text;

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
    pub devices: Vec<Delivery>,
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
        match &self.text {
            Some(text) => text.clone(),
            None => "(something this version cannot show)".to_owned(),
        }
    }

    /// One entry of a listing; `place` is said where several conversations are mixed.
    pub(crate) fn line(&self, place: Option<&str>) -> String {
        let place = place
            .map(|place| format!("[{}] ", text::one_line(place)))
            .unwrap_or_default();
        let head = format!("{}  {place}{}: ", text::local_time(&self.created_at), self.who());
        let state = match self.status.as_str() {
            state @ ("sending" | "sent") if self.own => format!("  [{state}]"),
            _ => String::new(),
        };
        let body = text::hanging(&self.shown(), head.chars().count());
        format!("{head}{body}{state}\n")
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
        let why = self
            .reason
            .as_deref()
            .map(|reason| format!(": {}", text::one_line(reason)))
            .unwrap_or_default();
        format!("{who} ({}): {}{why}\n", short(&self.device_id), self.state)
    }
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
    fn only_own_messages_that_are_under_way_show_their_state() {
        let line = |own, status| Message::of(&json!({ "own": own, "status": status, "text": "x" })).line(None);
        assert!(line(true, "sending").ends_with("[sending]\n"));
        assert!(line(true, "delivered").ends_with("you: x\n"));
        assert!(!line(false, "received").contains('['));
    }

    #[test]
    fn ids_are_cut_to_what_names_accept() {
        assert_eq!(short("user_abcdefghijkl"), "user_abcdefgh");
        assert_eq!(short(""), "");
    }
}

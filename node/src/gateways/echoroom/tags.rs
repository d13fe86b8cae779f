//! Tags of rooms, which parlour has no field for: they stand as the last line of the topic (`#beans #shed`), so that all members have
//! them, and see them in any other user interface, too.

use serde_json::Value;

use super::super::inside::Refused;
use super::super::request::bad;

/// Tags of a room, and characters of one.
const MAX_TAGS: usize = 8;
const MAX_TAG: usize = 32;

/// The topic of a room with this description and these tags; `None` if there is nothing to say.
pub(super) fn together(description: &str, tags: &Value) -> Result<Option<String>, Refused> {
    let wrong = || {
        bad(&format!(
            "tags must be at most {MAX_TAGS} words of at most {MAX_TAG} letters, digits, - and _"
        ))
    };
    let given: &[Value] = match tags {
        Value::Null => &[],
        Value::Array(all) if all.len() <= MAX_TAGS => all,
        _ => return Err(wrong()),
    };
    let mut line = Vec::new();
    for tag in given {
        let tag = tag.as_str().map(|tag| tag.trim().trim_start_matches('#'));
        line.push(format!("#{}", tag.filter(|tag| is_tag(tag)).ok_or_else(wrong)?));
    }
    let parts = [description.trim().to_owned(), line.join(" ")];
    let topic = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    Ok(Some(topic.join("\n")).filter(|topic| !topic.is_empty()))
}

/// The description and the tags of a topic.
pub(super) fn apart(topic: &Value) -> (&str, Vec<&str>) {
    let topic = topic.as_str().unwrap_or_default();
    let (before, last) = topic.rsplit_once('\n').unwrap_or(("", topic));
    let words = last.split_whitespace();
    let tags: Option<Vec<&str>> = words
        .map(|word| word.strip_prefix('#').filter(|tag| is_tag(tag)))
        .collect();
    match tags.filter(|tags| !tags.is_empty()) {
        Some(tags) => (before, tags),
        None => (topic, Vec::new()),
    }
}

fn is_tag(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    (1..=MAX_TAG).contains(&text.chars().count()) && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_put_together_comes_apart() {
        for (description, tags) in [
            ("Beds and beans", vec!["beans", "grün"]),
            ("two\nlines", vec!["a-b"]),
            ("", vec!["only"]),
            ("no tags", vec![]),
        ] {
            let topic = together(description, &json!(tags)).unwrap().unwrap();
            assert_eq!(apart(&json!(topic)), (description, tags), "{topic:?}");
        }
        assert_eq!(together("  ", &Value::Null).unwrap(), None);
    }

    #[test]
    fn a_line_with_other_words_is_no_line_of_tags() {
        for topic in ["see #beans", "#", "##x", "#a b", "x\n"] {
            assert_eq!(apart(&json!(topic)), (topic, vec![]), "{topic:?}");
        }
        for wrong in [
            json!("beans"),
            json!(["a b"]),
            json!([1]),
            json!([""]),
            json!(vec!["a"; 9]),
        ] {
            assert!(together("", &wrong).is_err(), "{wrong}");
        }
    }
}

//! The file in a form's body (`multipart/form-data`, RFC 7578), which is in memory as a whole. Other fields are not looked at.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// Bytes of a boundary (RFC 2046, section 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// The bytes of the first field of this name; `None` if there is none, or the form does not end as it should.
pub(super) fn field<'a>(content_type: &str, body: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
        return None;
    }
    let first = format!("--{boundary}");
    let mark = format!("\r\n--{boundary}");
    // What comes before the first boundary is not part of the form; without anything, it stands at the beginning.
    let mut rest = match body.strip_prefix(first.as_bytes()) {
        Some(rest) => rest,
        None => split(body, mark.as_bytes())?.1,
    };
    let mut found = None;
    while !rest.starts_with(b"--") {
        let (padding, after) = split(rest, b"\r\n")?;
        if !padding.iter().all(|byte| b" \t".contains(byte)) {
            return None;
        }
        let (part, next) = split(after, mark.as_bytes())?;
        let (head, content) = split(part, b"\r\n\r\n")?;
        if found.is_none() && is_called(head, name) {
            found = Some(content);
        }
        rest = next;
    }
    found
}

fn is_called(head: &[u8], name: &str) -> bool {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let disposition = lines.find(|(header, _)| header.trim().eq_ignore_ascii_case("content-disposition"));
    disposition
        .and_then(|(_, value)| parameter(value, "name"))
        .is_some_and(|found| found == name)
}

/// The value of a parameter among others, in quotes or not; what is quoted hides what looks like another one.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut quoted = false;
    let mut escaped = false;
    let is_end = |c: char| {
        let ends = c == ';' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    };
    let mut pairs = text.split(is_end).filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    let value = value.trim();
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Some(inner.unwrap_or(value).to_owned())
}

/// What is before the first `mark`, and what is behind it.
fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    let (before, rest) = bytes.split_at(at);
    Some((before, rest.strip_prefix(mark)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/form-data; boundary=xyz";

    #[test]
    fn the_file_is_found_whatever_stands_around_it() {
        let file = "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;b.gif\"\r\nContent-Type: image/gif\r\n\r\nG\r\n--I\0F\r\n--xyz--\r\n";
        let content = Some(&b"G\r\n--I\0F"[..]);
        assert_eq!(field(KIND, file.as_bytes(), "file"), content);
        let quoted = "Multipart/Form-Data; charset=x; boundary=\"xyz\"";
        let other = "--xyz\r\ncontent-disposition: form-data; filename=\"; name=file\"; name=note\r\n\r\nhello\r\n";
        assert_eq!(
            field(quoted, format!("before\r\n{other}{file}").as_bytes(), "file"),
            content
        );
        assert_eq!(
            field(quoted, format!("{other}{file}").as_bytes(), "note"),
            Some(&b"hello"[..])
        );
    }

    #[test]
    fn what_is_no_whole_form_has_no_file() {
        let head = "--xyz\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
        for body in [
            "",
            "--xyz",
            "--xyz--",
            "--xyz\r\n",
            head,
            &format!("{head}G"),
            &format!("{head}G\r\n--xyz"),
            &format!("{head}G\r\n--xyz\r\n"),
            &format!("{head}G\r\n--abc--"),
            &format!("{head}G\r\n--xyzabc\r\n\r\n\r\n--xyz--"),
            "--xyz\r\n\r\nG\r\n--xyz--",
            "--xyz\r\nContent-Disposition: form-data; name=\"files\"\r\n\r\nG\r\n--xyz--",
            "--xyz\r\nContent-Disposition: form-data; filename=\"; name=file\"\r\n\r\nG\r\n--xyz--",
        ] {
            assert_eq!(field(KIND, body.as_bytes(), "file"), None, "{body:?}");
        }
        let whole = format!("{head}G\r\n--xyz--");
        for kind in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "text/plain; boundary=xyz",
            "",
        ] {
            assert_eq!(field(kind, whole.as_bytes(), "file"), None, "{kind}");
        }
        let long = "x".repeat(MAX_BOUNDARY + 1);
        let kind = format!("multipart/form-data; boundary={long}");
        assert_eq!(field(&kind, whole.replace("xyz", &long).as_bytes(), "file"), None);
    }
}

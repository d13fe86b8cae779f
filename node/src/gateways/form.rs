//! The file in a form's body (`multipart/form-data`, RFC 7578), which is in memory as a whole. Other fields are not looked at.

use std::convert::Infallible;

use bytes::Bytes;
use futures::stream;
use multer::{Multipart, parse_boundary};

/// The bytes of the first field of this name; `None` if there is none, or the form does not end as it should.
pub(super) async fn field(content_type: &str, body: Bytes, name: &str) -> Option<Bytes> {
    let boundary = parse_boundary(content_type).ok()?;
    let mut form = Multipart::new(stream::iter([Ok::<_, Infallible>(body)]), boundary);
    let mut found = None;
    while let Some(field) = form.next_field().await.ok()? {
        if found.is_none() && field.name() == Some(name) {
            found = Some(field.bytes().await.ok()?);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn in_form(kind: &str, body: &str, name: &str) -> Option<Vec<u8>> {
        let found = field(kind, Bytes::copy_from_slice(body.as_bytes()), name).await;
        found.map(|bytes| bytes.to_vec())
    }

    const KIND: &str = "multipart/form-data; boundary=xyz";

    #[tokio::test]
    async fn the_file_is_found_whatever_stands_around_it() {
        let file = "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;b.gif\"\r\nContent-Type: image/gif\r\n\r\nG\r\n--I\0F\r\n--xyz--\r\n";
        let content = Some(b"G\r\n--I\0F".to_vec());
        assert_eq!(in_form(KIND, file, "file").await, content);
        let quoted = "Multipart/Form-Data; charset=x; boundary=\"xyz\"";
        let other = "--xyz\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\nhello\r\n";
        assert_eq!(in_form(quoted, &format!("{other}{file}"), "file").await, content);
        assert_eq!(
            in_form(quoted, &format!("{other}{file}"), "note").await,
            Some(b"hello".to_vec())
        );
    }

    #[tokio::test]
    async fn what_is_no_whole_form_has_no_file() {
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
            assert_eq!(in_form(KIND, body, "file").await, None, "{body:?}");
        }
        let whole = format!("{head}G\r\n--xyz--");
        for kind in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "text/plain; boundary=xyz",
            "",
        ] {
            assert_eq!(in_form(kind, &whole, "file").await, None, "{kind}");
        }
    }
}

//! Files of one folder, and of nothing outside it.

use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::super::inside::Refused;

/// Bytes of a path that is looked at.
const MAX_PATH: usize = 1024;

/// What a file is, told by the end of its name.
const KINDS: &[(&str, &str)] = &[
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("webmanifest", "application/manifest+json"),
    ("wasm", "application/wasm"),
    ("txt", "text/plain; charset=utf-8"),
    ("xml", "application/xml"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("ico", "image/x-icon"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("ttf", "font/ttf"),
    ("otf", "font/otf"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("wav", "audio/wav"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
];

/// The file at a path of a request; for what can be no file the page, which knows paths of its own.
pub(super) async fn serve(folder: &Path, method: &Method, path: &str) -> Result<Response, Refused> {
    let nothing = || Refused::new(StatusCode::NOT_FOUND, "there is nothing at this path");
    if *method != Method::GET && *method != Method::HEAD {
        return Err(nothing());
    }
    let inside = relative(path).ok_or_else(nothing)?;
    if let Some(found) = open(folder, &inside).await {
        return Ok(found);
    }
    if let Some(found) = open(folder, &inside.join("index.html")).await {
        return Ok(found);
    }
    // A page in the place of a missing script would be taken for one.
    if inside.extension().is_some() {
        return Err(nothing());
    }
    open(folder, Path::new("index.html")).await.ok_or_else(nothing)
}

/// A path of the request as one below a folder; `None` if it leads anywhere else, or to what is hidden.
fn relative(path: &str) -> Option<PathBuf> {
    if path.len() > MAX_PATH {
        return None;
    }
    let text = decoded(path)?;
    let mut inside = PathBuf::new();
    for part in text.split('/').filter(|part| !part.is_empty()) {
        let is_plain = !part.starts_with('.') && !part.contains(['\\', ':', '\0']);
        if !is_plain {
            return None;
        }
        inside.push(part);
    }
    Some(inside)
}

/// Takes `%XX` apart, once.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// A file below the folder, whatever links lead there.
async fn open(folder: &Path, inside: &Path) -> Option<Response> {
    let path = tokio::fs::canonicalize(folder.join(inside)).await.ok()?;
    let root = tokio::fs::canonicalize(folder).await.ok()?;
    // Before it is opened: opening a pipe would wait for whoever writes into it.
    if !path.starts_with(&root) || !tokio::fs::metadata(&path).await.ok()?.is_file() {
        return None;
    }
    let file = File::open(&path).await.ok()?;
    let length = file.metadata().await.ok()?.len();
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let end = end.to_ascii_lowercase();
    let kind = KINDS.iter().find(|(known, _)| *known == end);
    let mut response = Body::from_stream(ReaderStream::new(file)).into_response();
    response.headers_mut().extend([
        (CONTENT_LENGTH, length.into()),
        (
            CONTENT_TYPE,
            HeaderValue::from_static(kind.map_or("application/octet-stream", |(_, kind)| kind)),
        ),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ]);
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_below_the_folder_or_nowhere() {
        assert_eq!(relative("/"), Some(PathBuf::new()));
        assert_eq!(relative("//a//b.js"), Some(PathBuf::from("a/b.js")));
        assert_eq!(relative("/a%20b/%C3%A4"), Some(PathBuf::from("a b/ä")));
        for wrong in [
            "/..",
            "/a/../../etc/passwd",
            "/%2e%2e/x",
            "/%2e%2e%2fx",
            "/a%2f..%2f..%2fx",
            "/.git/config",
            "/a\\..\\x",
            "/%5c..%5cx",
            "/c:/x",
            "/a%00",
            "/%",
            "/%zz",
            "/%ff",
        ] {
            assert_eq!(relative(wrong), None, "{wrong}");
        }
        assert_eq!(relative("/%252e%252e/x"), Some(PathBuf::from("%2e%2e/x")));
        assert_eq!(relative(&"/x".repeat(MAX_PATH)), None);
    }
}

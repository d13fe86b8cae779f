//! The pages of the node, inside the program: the one that makes an account, and the one that talks. Served without a token.
//!
//! What a page may do is said here, once for all of them: run its own modules, wear its own styles, ask its own node. No text
//! becomes code, and nothing is loaded from anywhere else. Files go out as they are, but for comments: over loopback, packing costs more
//! than it saves.

mod files;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use files::{APP, FILES, SETUP};

/// Pictures that came with a token are shown from memory (`blob:`).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// What a file is, told by its name.
const KINDS: [(&str, &str); 3] = [
    (".css", "text/css; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".txt", "text/plain; charset=utf-8"),
];

/// The files with what names their content, so that a browser asks again only whether they are new.
static TAGS: LazyLock<BTreeMap<&str, String>> = LazyLock::new(|| {
    let tag = |content: &str| format!("\"{}\"", &blake3::hash(content.as_bytes()).to_hex()[..32]);
    FILES.iter().map(|(path, content)| (*path, tag(content))).collect()
});

/// Whether this path is a file of the pages.
pub(crate) fn is_file(path: &str) -> bool {
    path == "/" || TAGS.contains_key(path)
}

/// The pages of a node that waits for its account.
pub(crate) fn setup<S: Clone + Send + Sync + 'static>() -> Router<S> {
    files().route("/", get(async || page(SETUP)))
}

/// The pages of a node with accounts.
pub(crate) fn app<S: Clone + Send + Sync + 'static>() -> Router<S> {
    files().route("/", get(async || page(APP)))
}

fn files<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, (path, content)| {
        router.route(path, get(async |headers: HeaderMap| file(path, content, &headers)))
    })
}

/// Never kept: which of the two it is can change while the address stays the same.
fn page(content: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, content).into_response()
}

/// A script or a style without the lines that are comments, which browsers would only skip.
fn without_comments(content: &str) -> String {
    let is_comment = |line: &str| {
        let line = line.trim();
        line.starts_with("//") || (line.starts_with("/*") && line.find("*/") == line.len().checked_sub(2))
    };
    let lines = content.split_inclusive('\n');
    lines.filter(|line| !is_comment(line)).collect()
}

fn file(path: &'static str, content: &'static str, asked: &HeaderMap) -> Response {
    let kind = KINDS.iter().find(|(end, _)| path.ends_with(end));
    let tag = TAGS.get(path).map_or("", String::as_str);
    let headers = [
        (CONTENT_TYPE, kind.map_or("application/octet-stream", |(_, kind)| kind)),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-cache"),
        (ETAG, tag),
    ];
    let known = asked
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes());
    if known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    match path.ends_with(".js") || path.ends_with(".css") {
        true => (headers, without_comments(content)).into_response(),
        false => (headers, content).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Paths of the files under `dir` as a browser names them.
    fn on_disk(dir: &Path, at: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => on_disk(&entry.path(), &format!("{at}{name}/"), found),
                false => found.push(format!("{at}{name}")),
            }
        }
    }

    /// The path an import means that stands in the module at `path`.
    fn resolved(path: &str, import: &str) -> String {
        let mut parts: Vec<_> = path.split('/').collect();
        parts.pop();
        for part in import.split('/').filter(|part| *part != ".") {
            match part {
                ".." => drop(parts.pop()),
                _ => parts.push(part),
            }
        }
        parts.join("/")
    }

    fn web() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("web")
    }

    #[test]
    fn lines_that_are_comments_stay_at_home() {
        let text = "// why\nlet a = 1; // what\n  /* a note */\n/* x */ b {}\n/* long\n   one */\n\tc\n";
        let left = "let a = 1; // what\n/* x */ b {}\n/* long\n   one */\n\tc\n";
        assert_eq!(without_comments(text), left);
        for (path, content) in FILES {
            assert!(!without_comments(content).trim().is_empty(), "{path}");
        }
    }

    #[test]
    fn every_file_is_inside_the_program_and_its_kind_is_known() {
        let mut there = Vec::new();
        on_disk(&web(), "/", &mut there);
        there.retain(|path| !path.ends_with(".html") && !path.ends_with(".md") && !path.ends_with(".webp"));
        there.sort();
        let inside: Vec<_> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(there, inside, "node/src/api/web/files.rs names them in order");
        for path in inside {
            assert!(KINDS.iter().any(|(end, _)| path.ends_with(end)), "{path}");
        }
    }

    /// Modules that are found only by reading others come one round trip later each.
    #[test]
    fn the_page_names_every_module_and_style_it_needs() {
        let mut needed = vec!["/app/main.js".to_owned()];
        let mut at = 0;
        while let Some(path) = needed.get(at).cloned() {
            at += 1;
            assert!(APP.contains(&format!("\"{path}\"")), "{path}");
            let (_, content) = FILES.iter().find(|(known, _)| *known == path).unwrap();
            for import in content
                .split(" from \"")
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap())
            {
                let found = resolved(&path, import);
                if !needed.contains(&found) {
                    needed.push(found);
                }
            }
        }
        assert!(needed.len() > 20, "{needed:?}");
        assert!(
            !APP.contains("<style") && !APP.contains("style="),
            "the policy forbids styles in the page"
        );
    }

    #[test]
    fn what_others_wrote_is_as_it_was_and_has_its_licence() {
        let list = fs::read_to_string(web().join("vendor/README.md")).unwrap();
        let vendored = FILES
            .iter()
            .filter(|(path, _)| path.starts_with("/vendor/") && path.ends_with(".js"));
        let mut count = 0;
        for (path, content) in vendored {
            let name = path.trim_start_matches("/vendor/");
            let hash = blake3::hash(content.as_bytes());
            assert!(
                list.contains(&format!("| {name} |")) && list.contains(hash.to_hex().as_str()),
                "{name} {hash}"
            );
            count += 1;
        }
        assert_eq!(
            count,
            list.matches("licences/").count(),
            "one line and one licence each"
        );
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for (path, content) in FILES.iter().filter(|(path, _)| !path.ends_with(".txt")) {
            for elsewhere in [
                "import(\"http",
                "from \"http",
                "@import",
                "url(http",
                "url(//",
                "src=\"http",
            ] {
                assert!(!content.contains(elsewhere), "{path}: {elsewhere}");
            }
            for code in [
                "innerHTML",
                "insertAdjacentHTML",
                "document.write",
                "new Function",
                "eval(",
            ] {
                let ours = !path.starts_with("/vendor/");
                assert!(!ours || !content.contains(code), "{path}: {code}");
            }
        }
    }
}

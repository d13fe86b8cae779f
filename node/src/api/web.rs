//! The page of a node that has no account yet: three files inside the program.

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;

use super::guard::PAGE;

const HTML: &str = include_str!("../../web/setup.html");
const STYLE: &str = include_str!("../../web/setup.css");
const SCRIPT: &str = include_str!("../../web/setup.js");

/// The page runs its own two files and talks to its own node; no text of it can become code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let [page, style, script] = PAGE;
    Router::new()
        .route(page, get(async || file("text/html; charset=utf-8", HTML)))
        .route(style, get(async || file("text/css; charset=utf-8", STYLE)))
        .route(script, get(async || file("text/javascript; charset=utf-8", SCRIPT)))
}

fn file(kind: &'static str, content: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY)], content)
}

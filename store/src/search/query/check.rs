//! What holds of every query and every text.

use super::{MAX_QUERY_BYTES, Query};

/// Whether `text` is a query, and if so whether it finds `document`: then it does with typos, too.
pub(super) fn query(text: &str, document: &str) -> Option<bool> {
    let query = Query::parse(text).ok()?;
    assert!(text.len() <= MAX_QUERY_BYTES);
    let (found, close) = (query.matches(document), query.matches_with_typos(document));
    // What is left out is left out by the word itself, whichever way is asked.
    assert!(!found || close, "found, and not found with typos");
    Some(found)
}

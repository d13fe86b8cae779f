//! The search index against the messages.

use std::collections::BTreeSet;

use super::{AuditReport, Problem};
use crate::keyspace::EventKey;
use crate::store::Store;

pub(super) fn check(
    store: &Store,
    messages: &BTreeSet<EventKey>,
    report: &mut AuditReport,
    progress: &mut impl FnMut(&'static str, u64),
) {
    let finder = store.finder();
    let caught_up = loop {
        match finder.catch_up(store) {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error.to_string()),
        }
    };
    let indexed = caught_up.and_then(|()| finder.addresses().map_err(|error| error.to_string()));
    match indexed {
        Err(detail) => report.found(Problem::SearchUnreadable { detail }),
        Ok(indexed) => {
            report.indexed = indexed.len() as u64;
            let lacking = messages.difference(&indexed).count() as u64;
            let surplus = indexed.difference(messages).count() as u64;
            if lacking > 0 || surplus > 0 {
                report.found(Problem::Search { lacking, surplus });
            }
        }
    }
    progress("messages in the index", report.indexed);
}

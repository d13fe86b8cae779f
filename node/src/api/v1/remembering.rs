//! A store that is asked for the same rows again and again within one request: every event names its conversation and its
//! device, whose rows are long and sealed.

use std::cell::RefCell;
use std::collections::BTreeMap;

use parlour_store::{Read, ReadError, RowKeys, Rows, Store};

/// Rows remembered; the first ones asked for.
const MAX_ROWS: usize = 256;

/// Reads every row once. Lives as long as a request, so that what it remembers is not old.
pub(super) struct Remembering<'a> {
    store: &'a Store,
    rows: RefCell<BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
}

impl<'a> Remembering<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self {
            store,
            rows: RefCell::new(BTreeMap::new()),
        }
    }
}

impl Read for Remembering<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        if let Some(known) = self.rows.borrow().get(key) {
            return Ok(known.clone());
        }
        let value = self.store.get(key)?;
        let mut rows = self.rows.borrow_mut();
        if rows.len() < MAX_ROWS {
            rows.insert(key.to_vec(), value.clone());
        }
        Ok(value)
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        self.store.scan(from, to)
    }

    fn scan_keys<'a>(&'a self, from: &[u8], to: &[u8]) -> RowKeys<'a> {
        self.store.scan_keys(from, to)
    }

    fn any(&self, from: &[u8], to: &[u8]) -> Result<bool, ReadError> {
        self.store.any(from, to)
    }
}

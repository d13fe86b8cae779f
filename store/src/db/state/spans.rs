//! By the first byte of the keys: between which two all keys of the state lie, and maybe no key any more. Whoever follows what
//! comes at the end asks for empty ranges again and again, and need not open a page for them.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::super::batch::KEY_MAX;
use super::State;
use super::directory::kind_end;

pub(super) type Spans = BTreeMap<u8, (Vec<u8>, Vec<u8>)>;

impl State {
    /// Whether no row has a key with `from <= key < to`, as far as can be told without looking; said of ranges below one first byte.
    pub(super) fn is_outside(&self, from: &[u8], to: &[u8]) -> bool {
        let Some(first) = from.first() else { return false };
        let below_one = to.first() == Some(first) || to == [first.saturating_add(1)];
        let spans = self.spans.read().unwrap_or_else(PoisonError::into_inner);
        below_one
            && match spans.get(first) {
                Some((least, greatest)) => from > greatest.as_slice() || to <= least.as_slice(),
                None => true,
            }
    }

    /// Notes that these keys, which ascend, are about to go in.
    pub(super) fn widen<'a>(&self, keys: impl Iterator<Item = &'a Vec<u8>>) {
        let mut spans = self.spans.write().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let Some(first) = key.first() else { continue };
            match spans.get_mut(first) {
                Some((least, greatest)) if key < least => least.clone_from(key),
                Some((least, greatest)) if key > greatest => greatest.clone_from(key),
                Some(_) => {}
                None => drop(spans.insert(*first, (key.clone(), key.clone()))),
            }
        }
    }

    /// The spans of all pages; where the last one of a kind does not open, up to the kind's end.
    pub(super) fn find_spans(&self) -> Spans {
        let mut spans = Spans::new();
        let mut next = Some(vec![0]);
        while let Some(from) = next.take() {
            let Some(found) = self.directory().from(&from) else {
                break;
            };
            let Some(first) = found.key.first().copied() else { break };
            let end = kind_end(&found.key);
            let last = self.read_page(|directory| match &end {
                Some(end) => directory.below(end),
                None => directory.last(),
            });
            let greatest = last.ok().flatten().and_then(|(_, page)| {
                let mut rows = page.rows();
                let mut greatest = None;
                while let Some((key, _)) = rows.next() {
                    greatest = Some(key.to_vec());
                }
                greatest
            });
            let greatest = greatest
                .or_else(|| end.clone())
                .unwrap_or_else(|| vec![u8::MAX; KEY_MAX + 1]);
            spans.insert(first, (found.key, greatest));
            next = end;
        }
        spans
    }
}

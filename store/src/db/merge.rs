//! Ordered rows of two layers as one, from either end. Where both layers have a key, the upper one's row stands.

use super::read::ReadError;

/// A row on its way through the layers: `None` where a layer says that the key is deleted.
pub(super) type Entry<V> = Result<(Vec<u8>, Option<V>), ReadError>;

/// An iterator with one item held back at each end.
struct Ends<I: Iterator> {
    inner: I,
    front: Option<I::Item>,
    back: Option<I::Item>,
}

impl<I: DoubleEndedIterator> Ends<I> {
    fn new(inner: I) -> Self {
        Self {
            inner,
            front: None,
            back: None,
        }
    }

    fn fill_front(&mut self) {
        if self.front.is_none() {
            self.front = self.inner.next().or_else(|| self.back.take());
        }
    }

    fn fill_back(&mut self) {
        if self.back.is_none() {
            self.back = self.inner.next_back().or_else(|| self.front.take());
        }
    }
}

/// `over` laid over `base`; deletions are passed on, for a layer further down.
pub(super) struct Merge<A: Iterator, B: Iterator> {
    base: Ends<A>,
    over: Ends<B>,
}

impl<V, A, B> Merge<A, B>
where
    A: DoubleEndedIterator<Item = Entry<V>>,
    B: DoubleEndedIterator<Item = Entry<V>>,
{
    pub(super) fn new(base: A, over: B) -> Self {
        Self {
            base: Ends::new(base),
            over: Ends::new(over),
        }
    }
}

/// What a row is ordered by; an error goes first from whichever end.
fn key<V>(entry: &Entry<V>) -> Option<&[u8]> {
    entry.as_ref().ok().map(|(key, _)| key.as_slice())
}

impl<V, A, B> Iterator for Merge<A, B>
where
    A: DoubleEndedIterator<Item = Entry<V>>,
    B: DoubleEndedIterator<Item = Entry<V>>,
{
    type Item = Entry<V>;

    fn next(&mut self) -> Option<Entry<V>> {
        self.base.fill_front();
        self.over.fill_front();
        match (&self.base.front, &self.over.front) {
            (Some(base), Some(over)) if key(base) < key(over) => self.base.front.take(),
            (Some(base), Some(over)) => {
                if key(base) == key(over) {
                    self.base.front = None;
                }
                self.over.front.take()
            }
            (Some(_), None) => self.base.front.take(),
            (None, _) => self.over.front.take(),
        }
    }
}

impl<V, A, B> DoubleEndedIterator for Merge<A, B>
where
    A: DoubleEndedIterator<Item = Entry<V>>,
    B: DoubleEndedIterator<Item = Entry<V>>,
{
    fn next_back(&mut self) -> Option<Entry<V>> {
        self.base.fill_back();
        self.over.fill_back();
        match (&self.base.back, &self.over.back) {
            (Some(base), Some(over)) if base.is_err() || key(base) > key(over) => self.base.back.take(),
            (Some(base), Some(over)) => {
                if key(base) == key(over) {
                    self.base.back = None;
                }
                self.over.back.take()
            }
            (Some(_), None) => self.base.back.take(),
            (None, _) => self.over.back.take(),
        }
    }
}

//! A range of the state's rows, from either end, some rows at a time. A checkpoint may write pages anew meanwhile: what is left is
//! known by its keys, not by its pages.

use std::collections::VecDeque;

use super::super::merge::Entry;
use super::super::read::ReadError;
use super::State;

/// Rows taken from a page in one step: few at first, most ranges are left early.
const FIRST_CHUNK: usize = 4;
const LAST_CHUNK: usize = 64;

/// It ends after an error of the file, and goes on after a page that is damaged.
pub(in super::super) struct Range<'a, V, F> {
    state: &'a State,
    project: F,
    /// What was not read yet.
    from: Vec<u8>,
    to: Vec<u8>,
    front: VecDeque<(Vec<u8>, V)>,
    back: VecDeque<(Vec<u8>, V)>,
    chunk: usize,
}

impl<'a, V, F: Fn(&[u8]) -> V> Range<'a, V, F> {
    pub(super) fn new(state: &'a State, from: &[u8], to: &[u8], project: F) -> Self {
        Self {
            state,
            project,
            from: from.to_vec(),
            to: to.to_vec(),
            front: VecDeque::new(),
            back: VecDeque::new(),
            chunk: FIRST_CHUNK,
        }
    }

    fn is_read(&self) -> bool {
        self.from >= self.to
    }

    fn end(&mut self) {
        self.from.clone_from(&self.to);
    }

    fn fill_front(&mut self) -> Result<(), ReadError> {
        let read = self
            .state
            .read_page(|directory| directory.from(&self.from).filter(|found| found.key < self.to));
        let (found, page) = match read {
            Ok(Some(read)) => read,
            Ok(None) => {
                self.end();
                return Ok(());
            }
            Err(ReadError::Damaged { from, to }) => {
                match &to {
                    Some(to) if *to < self.to => self.from.clone_from(to),
                    _ => self.end(),
                }
                return Err(ReadError::Damaged { from, to });
            }
            Err(error) => {
                self.end();
                return Err(error);
            }
        };
        let mut rows = page.rows();
        while let Some((key, value)) = rows.next() {
            if key < self.from.as_slice() {
                continue;
            }
            if key >= self.to.as_slice() {
                self.end();
                return Ok(());
            }
            if self.front.len() >= self.chunk {
                self.from.clear();
                self.from.extend_from_slice(key);
                return Ok(());
            }
            self.front.push_back((key.to_vec(), (self.project)(value)));
        }
        match found.end {
            Some(end) if end < self.to => self.from = end,
            _ => self.end(),
        }
        Ok(())
    }

    fn fill_back(&mut self) -> Result<(), ReadError> {
        let read = self.state.read_page(|directory| {
            let found = directory.below(&self.to)?;
            // Where it ends before this range begins, it need not be opened.
            found.end.as_ref().is_none_or(|end| *end > self.from).then_some(found)
        });
        let (found, page) = match read {
            Ok(Some(read)) => read,
            Ok(None) => {
                self.end();
                return Ok(());
            }
            Err(ReadError::Damaged { from, to }) => {
                self.leave_back(&from);
                return Err(ReadError::Damaged { from, to });
            }
            Err(error) => {
                self.end();
                return Err(error);
            }
        };
        let within = |key: &[u8]| key >= self.from.as_slice() && key < self.to.as_slice();
        let (mut rows, mut count) = (page.rows(), 0_usize);
        while let Some((key, _)) = rows.next() {
            count = count.saturating_add(usize::from(within(key)));
        }
        let mut skip = count.saturating_sub(self.chunk);
        let mut rows = page.rows();
        while let Some((key, value)) = rows.next() {
            if !within(key) {
                continue;
            }
            if skip > 0 {
                skip = skip.saturating_sub(1);
            } else {
                self.back.push_back((key.to_vec(), (self.project)(value)));
            }
        }
        match self.back.front() {
            Some((first, _)) if count > self.chunk => self.to.clone_from(first),
            _ => self.leave_back(&found.key),
        }
        Ok(())
    }

    /// All from the page with this key on was read.
    fn leave_back(&mut self, page: &[u8]) {
        if page <= self.from.as_slice() {
            self.to.clone_from(&self.from);
        } else {
            self.to = page.to_vec();
        }
    }

    fn grow(&mut self) {
        self.chunk = self.chunk.saturating_mul(4).min(LAST_CHUNK);
    }
}

impl<V, F: Fn(&[u8]) -> V> Iterator for Range<'_, V, F> {
    type Item = Entry<V>;

    fn next(&mut self) -> Option<Entry<V>> {
        loop {
            if let Some((key, value)) = self.front.pop_front() {
                return Some(Ok((key, Some(value))));
            }
            if self.is_read() {
                return self.back.pop_front().map(|(key, value)| Ok((key, Some(value))));
            }
            if let Err(error) = self.fill_front() {
                return Some(Err(error));
            }
            self.grow();
        }
    }
}

impl<V, F: Fn(&[u8]) -> V> DoubleEndedIterator for Range<'_, V, F> {
    fn next_back(&mut self) -> Option<Entry<V>> {
        loop {
            if let Some((key, value)) = self.back.pop_back() {
                return Some(Ok((key, Some(value))));
            }
            if self.is_read() {
                return self.front.pop_back().map(|(key, value)| Ok((key, Some(value))));
            }
            if let Err(error) = self.fill_back() {
                return Some(Err(error));
            }
            self.grow();
        }
    }
}

//! Plain bytes that are wiped when they are done with.
//!
//! `Zeroizing` writes byte by byte; here whole pages pass through, so all is filled at once, behind zeroize's own barrier.

use std::ops::{Deref, DerefMut};

/// Bytes that are wiped when dropped, unused room and all.
#[derive(Default)]
pub(crate) struct Wiped(Vec<u8>);

impl Wiped {
    pub(crate) fn zeroed(len: usize) -> Self {
        Self(vec![0; len])
    }

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// The same bytes in no more room than they need.
    pub(crate) fn shrunk(self) -> Self {
        if self.0.capacity() == self.0.len() {
            return self;
        }
        Self(self.0.as_slice().to_vec())
    }

    /// Appends `more`, and leaves no copy behind should the bytes have to move.
    pub(crate) fn append(&mut self, more: &[u8]) {
        let len = self.0.len().saturating_add(more.len());
        if self.0.capacity() < len {
            let mut larger = Self::with_capacity(len.saturating_mul(2));
            larger.0.extend_from_slice(&self.0);
            *self = larger;
        }
        self.0.extend_from_slice(more);
    }
}

impl From<Vec<u8>> for Wiped {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Wiped {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.clear();
        self.0.resize(self.0.capacity(), 0);
        zeroize::optimization_barrier(self.0.as_slice());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_stays_in_order_when_it_moves() {
        let mut bytes = Wiped::default();
        let pieces: Vec<Vec<u8>> = (0..60_u8).map(|n| vec![n; usize::from(n)]).collect();
        pieces.iter().for_each(|piece| bytes.append(piece));
        assert_eq!(bytes.as_slice(), pieces.concat());
        assert_eq!(Wiped::from(vec![1, 2]).as_slice(), [1, 2]);
        assert_eq!(Wiped::zeroed(3).as_slice(), [0; 3]);
        let small = bytes.shrunk();
        assert_eq!((small.as_slice(), small.capacity()), (&*pieces.concat(), small.len()));
    }
}

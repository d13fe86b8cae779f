//! Chains of message keys. A sending chain only goes forward; a receiving chain is tried on a copy of its
//! position, so that a message that does not open moves nothing (PROTOCOL.md section 5).

use super::MAX_CHAIN;
use super::keys::{ChainKey, HeaderKey, MessageKey};
use super::{MAX_SKIP, OpenError};

/// The chain this side sends on.
pub(super) struct SendingChain {
    pub(super) header_key: HeaderKey,
    pub(super) key: ChainKey,
    /// Number of the next message.
    pub(super) n: u32,
    /// Length of the sending chain before this one.
    pub(super) previous: u32,
}

impl SendingChain {
    pub(super) fn new(header_key: HeaderKey, key: ChainKey, previous: u32) -> Self {
        Self {
            header_key,
            key,
            n: 0,
            previous,
        }
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.n >= MAX_CHAIN
    }

    /// The key of the next message; the chain has moved on when this returns.
    pub(super) fn next(&mut self) -> MessageKey {
        let (next, message) = self.key.take().step();
        self.key = next;
        self.n += 1;
        message
    }
}

/// The chain the other side sends on.
pub(super) struct ReceivingChain {
    /// Which of the session's receiving chains this is, from 0.
    pub(super) number: u64,
    pub(super) header_key: HeaderKey,
    pub(super) position: Position,
}

/// A chain key and the number of the message it belongs to.
pub(crate) struct Position {
    pub(crate) key: ChainKey,
    pub(crate) n: u32,
}

/// Keys of messages that were passed over, in order.
pub(crate) type Gap = Vec<(u32, Box<MessageKey>)>;

impl Position {
    pub(super) fn start(key: ChainKey) -> Self {
        Self { key, n: 0 }
    }

    /// A copy to open a message with.
    pub(crate) fn attempt(&self) -> Self {
        Self {
            key: self.key.attempt(),
            n: self.n,
        }
    }

    /// Goes on to message `n` and returns the keys passed over; does nothing if it is there or further.
    ///
    /// # Errors
    /// `TooManySkipped`: more than [`MAX_SKIP`] keys.
    pub(crate) fn skip_to(mut self, n: u32) -> Result<(Self, Gap), OpenError> {
        let missing = n.saturating_sub(self.n);
        if missing > MAX_SKIP {
            return Err(OpenError::TooManySkipped {
                got: missing,
                max: MAX_SKIP,
            });
        }
        let mut gap = Gap::with_capacity(missing as usize);
        for _ in 0..missing {
            let (number, message);
            (self, number, message) = self.step();
            gap.push((number, Box::new(message)));
        }
        Ok((self, gap))
    }

    /// Consumes position n; returns n + 1, n and the key of message n.
    pub(crate) fn step(self) -> (Self, u32, MessageKey) {
        let Self { key, n } = self;
        let (key, message) = key.step();
        (Self { key, n: n + 1 }, n, message)
    }
}

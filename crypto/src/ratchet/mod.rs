//! Double ratchet with header encryption (PROTOCOL.md section 5; after Signal's Double Ratchet, revision 1, section 4).
//!
//! A message is opened with candidates that live on the stack; they replace the state only once its body is authentic.
//! So whatever does not open changes nothing. The Diffie-Hellman step of this side's own next chain is left until the
//! first message on it is sealed: its key pair is then as fresh as can be, and the key before it is already erased.
//! The first chain of all comes from the handshake's keys, so message 0 costs neither side a Diffie-Hellman step.
//!
//! Not here: envelopes, tags and what a session is made from (`session`, `handshake`).

mod chain;

mod keys;
mod message;
mod past;
mod state;

use rand_core::CryptoRng;
use thiserror::Error;
use x25519_dalek::PublicKey;
use zeroize::Zeroizing;

use self::chain::{Position, ReceivingChain, SendingChain};
use self::keys::MessageKey;
pub(crate) use self::keys::{ChainKey, HeaderKey, RatchetKey, RootKey};
pub(crate) use self::message::{Binding, OVERHEAD};
use self::message::{Header, Outgoing, Sealed};
use self::past::Past;
pub use self::past::{RecordChange, RecordKey};
pub(crate) use self::state::MAX_STATE;
use crate::agreement::{LowOrder, dh, refuse_low_order};

/// A message may be this far ahead of the last one of its chain that was opened.
pub const MAX_SKIP: u32 = 1000;
/// Old receiving chains of a session that are kept for late messages.
pub const MAX_OLD_CHAINS: usize = 64;
/// Keys a session keeps for late messages; the oldest go first.
pub const MAX_SKIPPED: usize = 2000;
/// Messages of one chain.
pub const MAX_CHAIN: u32 = 65_536;

/// State of one side.
pub(crate) struct Ratchet {
    root: RootKey,
    sending: Sending,
    next_sending_header: HeaderKey,
    receiving: Option<ReceivingChain>,
    next_receiving_header: HeaderKey,
    past: Past,
}

/// Whose turn it is to make a new key.
enum Sending {
    /// This side has a chain.
    Active { own: RatchetKey, chain: SendingChain },
    /// The other side's key is newer: the next message here starts a chain.
    Owed { remote: PublicKey, previous: u32 },
}

/// What the handshake gives both sides: A starts, B answers.
pub(crate) struct Start {
    pub(crate) root: RootKey,
    pub(crate) header_ab: HeaderKey,
    pub(crate) header_ba: HeaderKey,
    /// A's first chain; all others come from the root.
    pub(crate) chain_ab: ChainKey,
    pub(crate) next_header_ab: HeaderKey,
}

impl Ratchet {
    /// The side that starts; `own` is a fresh key.
    pub(crate) fn initiate(own: RatchetKey, start: Start) -> Self {
        Self {
            root: start.root,
            sending: Sending::Active {
                own,
                chain: SendingChain::new(start.header_ab, start.chain_ab, 0),
            },
            next_sending_header: start.next_header_ab,
            receiving: None,
            next_receiving_header: start.header_ba,
            past: Past::default(),
        }
    }

    /// The side that answers: opens message 0, whose ratchet key its own first chain will start from.
    pub(crate) fn answer(
        start: Start,
        binding: &Binding,
        message: &[u8],
    ) -> Result<(Self, Zeroizing<Vec<u8>>), OpenError> {
        let sealed = Sealed::parse(binding, message)?;
        let header = sealed.header(&start.header_ab)?.ok_or(OpenError::NoKey)?;
        if header.n != 0 || header.pn != 0 {
            return Err(OpenError::Malformed);
        }
        // No Diffie-Hellman step meets the key until this side answers: too late to refuse the session.
        refuse_low_order(&header.key)?;
        let (position, _, message_key) = Position::start(start.chain_ab).step();
        let payload = sealed.payload(&message_key)?;
        let ratchet = Self {
            root: start.root,
            sending: Sending::Owed {
                remote: header.key,
                previous: 0,
            },
            next_sending_header: start.header_ba,
            receiving: Some(ReceivingChain {
                number: 0,
                header_key: start.header_ab,
                position,
            }),
            next_receiving_header: start.next_header_ab,
            past: Past::default(),
        };
        Ok((ratchet, payload))
    }

    /// Appends a message to `out` and pads it until `out` is `size` bytes long.
    ///
    /// The caller has made sure that `payload` and [`OVERHEAD`] fit.
    pub(crate) fn seal(
        &mut self,
        rng: &mut (impl CryptoRng + ?Sized),
        binding: &Binding,
        payload: &[u8],
        out: &mut Vec<u8>,
        size: usize,
    ) -> Result<(), SealError> {
        if let Sending::Owed { remote, previous } = self.sending {
            self.start_chain(rng, &remote, previous)?;
        }
        let Sending::Active { own, chain } = &mut self.sending else {
            return Err(SealError::ChainExhausted);
        };
        if chain.is_exhausted() {
            return Err(SealError::ChainExhausted);
        }
        let header = Header {
            key: *own.public(),
            pn: chain.previous,
            n: chain.n,
        };
        let key = chain.next();
        Outgoing {
            header,
            header_key: &chain.header_key,
            key,
        }
        .seal(rng, binding, payload, out, size);
        Ok(())
    }

    /// Opens `message`; `now` is kept with the keys it makes this side skip.
    pub(crate) fn open(
        &mut self,
        binding: &Binding,
        message: &[u8],
        now: u64,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let sealed = Sealed::parse(binding, message)?;
        if let Some(chain) = &self.receiving
            && let Some(header) = sealed.header(&chain.header_key)?
        {
            return if header.n < chain.position.n {
                let number = chain.number;
                self.open_late(&sealed, number, header.n)
            } else {
                self.open_next(&sealed, header.n, now)
            };
        }
        if let Sending::Active { own, chain } = &self.sending
            && let Some(header) = sealed.header(&self.next_receiving_header)?
        {
            let turn = Turn::attempt(&self.root, own, self.receiving.as_ref(), &header)?;
            let payload = sealed.payload(&turn.message_key)?;
            let previous = chain.n;
            self.apply(turn, header.key, previous, now);
            return Ok(payload);
        }
        let (number, n) = self.past.find(&sealed)?.ok_or(OpenError::NoKey)?;
        self.open_late(&sealed, number, n)
    }

    /// Forgets keys that were skipped before `before`. Returns whether there were any.
    pub(crate) fn purge(&mut self, before: u64) -> bool {
        self.past.purge(before)
    }

    pub(crate) fn take_changes(&mut self) -> Vec<RecordChange> {
        self.past.take_changes()
    }

    fn start_chain(
        &mut self,
        rng: &mut (impl CryptoRng + ?Sized),
        remote: &PublicKey,
        previous: u32,
    ) -> Result<(), LowOrder> {
        let own = RatchetKey::generate(rng);
        let (root, key, next) = self.root.step(&dh(own.secret(), remote)?);
        let header_key = std::mem::replace(&mut self.next_sending_header, next);
        self.root = root;
        self.sending = Sending::Active {
            own,
            chain: SendingChain::new(header_key, key, previous),
        };
        Ok(())
    }

    /// A message of the current chain that is not older than the last.
    fn open_next(&mut self, sealed: &Sealed<'_>, n: u32, now: u64) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let Some(chain) = &mut self.receiving else {
            return Err(OpenError::NoKey);
        };
        let (position, gap) = chain.position.attempt().skip_to(n)?;
        let (position, _, key) = position.step();
        let payload = sealed.payload(&key)?;
        chain.position = position;
        if !gap.is_empty() {
            let number = chain.number;
            self.past.keep(number, gap, now);
        }
        Ok(payload)
    }

    /// A message whose key was skipped, or used.
    fn open_late(&mut self, sealed: &Sealed<'_>, chain: u64, n: u32) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let key = self.past.key(chain, n).ok_or(OpenError::Replayed)?;
        let payload = sealed.payload(key)?;
        self.past.spend(chain, n);
        Ok(payload)
    }

    fn apply(&mut self, turn: Turn, remote: PublicKey, previous: u32, now: u64) {
        let number = match self.receiving.take() {
            Some(old) => {
                let next = old.number.wrapping_add(1);
                self.past.retire(old, turn.old_gap, now);
                next
            }
            None => 0,
        };
        let header_key = std::mem::replace(&mut self.next_receiving_header, turn.next_header);
        self.receiving = Some(ReceivingChain {
            number,
            header_key,
            position: turn.position,
        });
        self.past.keep(number, turn.gap, now);
        self.root = turn.root;
        self.sending = Sending::Owed { remote, previous };
    }
}

/// The state after the first message of the other side's new chain, before it is known to be authentic.
struct Turn {
    root: RootKey,
    next_header: HeaderKey,
    old_gap: chain::Gap,
    gap: chain::Gap,
    position: Position,
    message_key: MessageKey,
}

impl Turn {
    fn attempt(
        root: &RootKey,
        own: &RatchetKey,
        old: Option<&ReceivingChain>,
        header: &Header,
    ) -> Result<Self, OpenError> {
        let old_gap = match old {
            Some(chain) => chain.position.attempt().skip_to(header.pn)?.1,
            None => chain::Gap::new(),
        };
        let (root, key, next_header) = root.step(&dh(own.secret(), &header.key)?);
        let (position, gap) = Position::start(key).skip_to(header.n)?;
        let (position, _, message_key) = position.step();
        Ok(Self {
            root,
            next_header,
            old_gap,
            gap,
            position,
            message_key,
        })
    }
}

/// Why a payload was not sealed; nothing has changed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SealError {
    /// No envelope is this large.
    #[error("payload of {got} bytes is over the limit of {max}")]
    TooLarge {
        /// Length of the payload.
        got: usize,
        /// The longest that fits.
        max: usize,
    },
    /// 65 536 messages went out without an answer: only a new session helps.
    #[error("the sending chain is at its end")]
    ChainExhausted,
    /// The other side's ratchet key is of low order.
    #[error("starting a chain")]
    LowOrder(#[from] LowOrder),
}

/// Why a message was not opened; the session is as it was.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    /// Not the form of an envelope or message, or its sender broke the protocol.
    #[error("the message is malformed")]
    Malformed,
    /// No header key of this session fits: another session's, damaged, or older than what is kept.
    #[error("no key of this session opens the header")]
    NoKey,
    /// The header is right and the body is not.
    #[error("the body is not authentic")]
    NotAuthentic,
    /// The key of this message was used, or is no longer kept.
    #[error("the message was opened before, or its key was dropped")]
    Replayed,
    /// Too far ahead of what was opened.
    #[error("message gap of {got} is over the limit of {max}")]
    TooManySkipped {
        /// Messages between.
        got: u32,
        /// The limit.
        max: u32,
    },
    /// The sender's ratchet key is of low order.
    #[error("taking the sender's ratchet key")]
    LowOrder(#[from] LowOrder),
}

/// Why a stored session was not loaded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LoadError {
    /// Written by a later version.
    #[error("session version {0} is not known")]
    UnknownVersion(u8),
    /// Not the form of a session or record.
    #[error("a session record is malformed")]
    Malformed,
    /// Core and records do not belong together.
    #[error("the records of the session do not fit each other")]
    Inconsistent,
}

#[cfg(test)]
mod tests;

//! Double ratchet with header encryption (PROTOCOL.md section 5; after Signal's Double Ratchet, revision 1, section 4).
//!
//! A message is opened with candidates that live on the stack; they replace the state only once its body is authentic.
//! So whatever does not open changes nothing. The Diffie-Hellman step of this side's own next chain is left until the
//! first message on it is sealed: its key pair is then as fresh as can be, and the key before it is already erased.
//! The first chain of all comes from the handshake's keys, so message 0 costs neither side a Diffie-Hellman step.
//!
//! Now and then a post-quantum secret goes into a root step (`refresh`).
//!
//! Not here: envelopes, tags and what a session is made from (`session`, `handshake`).

mod chain;

mod keys;
mod message;
mod past;
mod refresh;
mod state;

use rand_core::CryptoRng;
use thiserror::Error;
use x25519_dalek::PublicKey;
use zeroize::Zeroizing;

pub(crate) use self::chain::Position;
use self::chain::{ReceivingChain, SendingChain};
use self::keys::RefreshSecret;
pub(crate) use self::keys::{ChainKey, HeaderKey, MessageKey, RatchetKey, RootKey, XNONCE};
pub(crate) use self::message::{Binding, OVERHEAD};
use self::message::{Body, Header, Outgoing, Part, Sealed};
use self::past::Past;
pub use self::past::{RecordChange, RecordKey};
use self::refresh::Refresh;
pub(crate) use self::refresh::Role;
pub(crate) use self::state::MAX_STATE;
use crate::agreement::{LowOrder, dh, refuse_low_order};
use crate::envelope::{PREFIX_LEN, size_for};

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
    refresh: Refresh,
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
    /// The side that starts, on `day`; `own` is a fresh key.
    pub(crate) fn initiate(own: RatchetKey, start: Start, role: Role, day: u16) -> Self {
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
            refresh: Refresh::new(role, day),
        }
    }

    /// The side that answers: opens message 0, whose ratchet key its own first chain will start from.
    pub(crate) fn answer(
        start: Start,
        role: Role,
        day: u16,
        binding: &Binding,
        message: &[u8],
    ) -> Result<(Self, Zeroizing<Vec<u8>>), OpenError> {
        let sealed = Sealed::parse(binding, message)?;
        let header = sealed.header(&start.header_ab)?.ok_or(OpenError::NoKey)?;
        if header.n != 0 || header.pn != 0 || header.epoch != 0 || header.takes_part {
            return Err(OpenError::Malformed);
        }
        // No Diffie-Hellman step meets the key until this side answers: too late to refuse the session.
        refuse_low_order(&header.key)?;
        let (position, _, message_key) = Position::start(start.chain_ab).step();
        let Body { payload, .. } = sealed.body(&message_key, &header)?;
        let mut refresh = Refresh::new(role, day);
        refresh.count();
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
            refresh,
        };
        Ok((ratchet, payload))
    }

    /// Appends a message to `out`, which holds what is before it, and pads it until `out` is `size` bytes long, or longer where
    /// an offer or answer rides along.
    ///
    /// The caller has made sure that `payload` and [`OVERHEAD`] fit.
    pub(crate) fn seal(
        &mut self,
        rng: &mut (impl CryptoRng + ?Sized),
        day: u16,
        binding: &Binding,
        payload: &[u8],
        out: &mut Vec<u8>,
        size: usize,
    ) -> Result<(), SealError> {
        if let Sending::Owed { remote, previous } = self.sending {
            self.start_chain(rng, day, &remote, previous)?;
        }
        let Sending::Active { own, chain } = &mut self.sending else {
            return Err(SealError::ChainExhausted);
        };
        if chain.is_exhausted() {
            return Err(SealError::ChainExhausted);
        }
        self.refresh.answer(rng);
        let (part, size) = with_part(self.refresh.part(chain.n), out.len(), payload.len(), size);
        // In one piece before the first byte of the payload comes: growing would leave a copy of it behind.
        out.reserve_exact(size.saturating_sub(out.len()));
        let header = Header {
            key: *own.public(),
            pn: chain.previous,
            n: chain.n,
            epoch: self.refresh.epoch(),
            takes_part: self.refresh.knows_peer(),
            rides: part.rides(),
        };
        let key = chain.next();
        Outgoing {
            header,
            header_key: &chain.header_key,
            key,
        }
        .seal(rng, binding, payload, part.as_bytes(), out, size);
        self.refresh.count();
        Ok(())
    }

    /// Opens `message`; `now`, ms, is kept with the keys it makes this side skip.
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
                self.open_late(&sealed, number, &header, now)
            } else {
                self.open_next(&sealed, &header, now)
            };
        }
        if let Sending::Active { own, chain } = &self.sending
            && let Some(header) = sealed.header(&self.next_receiving_header)?
        {
            let secret = self.refresh.mixes(&header)?;
            let mixed = secret.is_some();
            let turn = Turn::attempt(&self.root, own, self.receiving.as_ref(), &header, secret)?;
            let body = sealed.body(&turn.message_key, &header)?;
            let news = self.refresh.read(&header, &body.part()?, mixed)?;
            let previous = chain.n;
            self.apply(turn, header.key, previous, now);
            self.refresh.opened(&header, news, mixed, now);
            return Ok(body.payload);
        }
        let (number, header) = self.past.find(&sealed)?.ok_or(OpenError::NoKey)?;
        self.open_late(&sealed, number, &header, now)
    }

    /// Forgets keys that were skipped before `before`. Returns whether there were any.
    pub(crate) fn purge(&mut self, before: u64) -> bool {
        self.past.purge(before)
    }

    pub(crate) fn take_changes(&mut self) -> Vec<RecordChange> {
        let mut changes = self.past.take_changes();
        changes.extend(self.refresh.take_change());
        changes
    }

    /// How many refreshes the root has had.
    pub(crate) fn refreshes(&self) -> u32 {
        self.refresh.epoch()
    }

    /// The other side takes part in refreshes, which is news if this is `true`.
    pub(crate) fn know_refresh(&mut self) -> bool {
        self.refresh.know_peer()
    }

    /// Makes the next chain of this side begin a refresh, if it is the one that offers.
    pub(crate) fn ask_for_refresh(&mut self) {
        self.refresh.ask();
    }

    fn start_chain(
        &mut self,
        rng: &mut (impl CryptoRng + ?Sized),
        day: u16,
        remote: &PublicKey,
        previous: u32,
    ) -> Result<(), LowOrder> {
        let own = RatchetKey::generate(rng);
        let shared = dh(own.secret(), remote)?;
        let secret = self.refresh.begin_chain(rng, day);
        let (root, key, next) = self.root.step(&shared, secret.as_ref());
        let header_key = std::mem::replace(&mut self.next_sending_header, next);
        self.root = root;
        self.sending = Sending::Active {
            own,
            chain: SendingChain::new(header_key, key, previous),
        };
        Ok(())
    }

    /// A message of the current chain that is not older than the last.
    fn open_next(&mut self, sealed: &Sealed<'_>, header: &Header, now: u64) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let Some(chain) = &mut self.receiving else {
            return Err(OpenError::NoKey);
        };
        let (position, gap) = chain.position.attempt().skip_to(header.n)?;
        let (position, _, key) = position.step();
        let body = sealed.body(&key, header)?;
        let news = self.refresh.read(header, &body.part()?, false)?;
        chain.position = position;
        if !gap.is_empty() {
            let number = chain.number;
            self.past.keep(number, gap, now);
        }
        self.refresh.opened(header, news, false, now);
        Ok(body.payload)
    }

    /// A message whose key was skipped, or used.
    fn open_late(
        &mut self,
        sealed: &Sealed<'_>,
        chain: u64,
        header: &Header,
        now: u64,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let key = self.past.key(chain, header.n).ok_or(OpenError::Replayed)?;
        let body = sealed.body(key, header)?;
        let news = self.refresh.read(header, &body.part()?, false)?;
        self.past.spend(chain, header.n);
        self.refresh.opened(header, news, false, now);
        Ok(body.payload)
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

/// What rides along, and the size of what `before` bytes, the message and that take: nothing where no envelope is so large.
fn with_part(part: Part<'_>, before: usize, payload: usize, size: usize) -> (Part<'_>, usize) {
    if matches!(part, Part::Nothing) {
        return (part, size);
    }
    let needed = before + OVERHEAD + payload + part.as_bytes().len();
    match size_for(needed.saturating_sub(PREFIX_LEN)) {
        Some(larger) => (part, larger.max(size)),
        None => (Part::Nothing, size),
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
        secret: Option<&RefreshSecret>,
    ) -> Result<Self, OpenError> {
        let old_gap = match old {
            Some(chain) => chain.position.attempt().skip_to(header.pn)?.1,
            None => chain::Gap::new(),
        };
        let (root, key, next_header) = root.step(&dh(own.secret(), &header.key)?, secret);
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

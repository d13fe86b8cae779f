//! A session between two devices: what the handshake made, and the ratchet that goes on from there
//! (PROTOCOL.md sections 4 to 6).
//!
//! On disk a session is a small core, written after every message, and records for skipped keys and old chains, of which
//! only the changed ones are written. The core and the changes of one step belong in one atomic write, made before the
//! envelope leaves or the payload is used.
//!
//! ```text
//! core = 2 || suite u8 || th 32 || tag key out 32 || tag key in 32 || exporter 32 || ratchet state
//! ```
//! Version 1 had no refreshes, and a ratchet state without theirs.

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::codec::ByteReader;
use crate::envelope::{self, EnvelopePrefix, PREFIX_LEN};
use crate::ids::SessionId;
use crate::kdf::{self, Purpose};
use crate::ratchet::{
    Binding, LoadError, MAX_STATE, OVERHEAD, OpenError, Ratchet, RecordChange, RecordKey, Role, SealError,
};
use crate::suite::Suite;

const VERSION: u8 = 2;
const WITHOUT_REFRESHES: u8 = 1;
/// Number of the ext entry of a `ContactHello` or [`Hello`](crate::Hello) by which a device says that it takes part in refreshes.
pub const EXT_REFRESH: u16 = 1;
/// The most bytes of a core.
const MAX_CORE: usize = 2 + 4 * 32 + MAX_STATE;

/// One side of a session.
pub struct Session {
    id: SessionId,
    keys: SessionKeys,
    ratchet: Ratchet,
    /// The tag of the day of the last envelope sealed.
    last_tag: Option<(u16, [u8; 8])>,
}

/// What stays the same for the life of a session.
pub(crate) struct SessionKeys {
    pub(crate) suite: Suite,
    pub(crate) th: [u8; 32],
    pub(crate) tag_out: TagKey,
    pub(crate) tag_in: TagKey,
    pub(crate) exporter: Exporter,
}

/// Makes the envelope tags of one direction.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct TagKey(pub(crate) [u8; 32]);

/// The secret of the session that other channels between the two devices are keyed with.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Exporter(pub(crate) [u8; 32]);

impl SessionKeys {
    /// Who offers and who answers in refreshes: both sides find it in what they share.
    pub(crate) fn role(&self) -> Role {
        match self.suite {
            Suite::Classic => Role::None,
            Suite::Hybrid if self.tag_out.0 < self.tag_in.0 => Role::Offers,
            Suite::Hybrid => Role::Answers,
        }
    }
}

impl Exporter {
    /// A copy for a stream that outlives its borrow of the session.
    pub(crate) fn copy(&self) -> Self {
        Self(self.0)
    }
}

impl Session {
    pub(crate) fn new(keys: SessionKeys, ratchet: Ratchet) -> Self {
        Self {
            id: id_of(&keys.th),
            keys,
            ratchet,
            last_tag: None,
        }
    }

    /// HASH256("session id", th): the same on both sides.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The suite the handshake used.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.keys.suite
    }

    /// Tag of the envelopes this side seals on `day`.
    #[must_use]
    pub fn tag_out(&self, day: u16) -> [u8; 8] {
        envelope::session_tag(&self.keys.tag_out.0, day)
    }

    /// Tag of the envelopes the other side seals on `day`.
    #[must_use]
    pub fn tag_in(&self, day: u16) -> [u8; 8] {
        envelope::session_tag(&self.keys.tag_in.0, day)
    }

    /// KDF("", exporter, "pair key", 32): shows that a peer is the other side of this session.
    #[must_use]
    pub fn pair_key(&self) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        kdf::kdf(&[], &self.keys.exporter.0, Purpose::PAIR_KEY, &[], key.as_mut_slice());
        key
    }

    pub(crate) fn exporter(&self) -> &Exporter {
        &self.keys.exporter
    }

    /// Seals `payload` as a whole envelope of the smallest size that fits, at most 48 KiB. While a refresh is under way, what it
    /// needs rides along, and the envelope may be larger for that.
    ///
    /// Write [`core`](Self::core) and [`take_changes`](Self::take_changes) before the envelope leaves.
    ///
    /// # Errors
    /// `TooLarge`: no envelope holds it. `ChainExhausted`: 65 536 messages without an answer. Nothing has changed then.
    pub fn seal(
        &mut self,
        rng: &mut (impl CryptoRng + ?Sized),
        day: u16,
        payload: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let tag = match self.last_tag {
            Some((last, tag)) if last == day => tag,
            _ => self.tag_out(day),
        };
        self.last_tag = Some((day, tag));
        let prefix = EnvelopePrefix { day, tag };
        self.seal_behind(rng, &prefix, &[], payload)
    }

    /// Seals an envelope whose body is `front` and a ratchet message.
    pub(crate) fn seal_behind(
        &mut self,
        rng: &mut (impl CryptoRng + ?Sized),
        prefix: &EnvelopePrefix,
        front: &[u8],
        payload: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let fixed = front.len() + OVERHEAD;
        let max = envelope::MAX_ENVELOPE - PREFIX_LEN - fixed;
        let size = envelope::size_for(fixed.saturating_add(payload.len())).ok_or(SealError::TooLarge {
            got: payload.len(),
            max,
        })?;
        let (day, prefix) = (prefix.day, prefix.encode());
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(&prefix);
        out.extend_from_slice(front);
        let binding = Binding::new(&self.keys.th, &prefix);
        self.ratchet.seal(rng, day, &binding, payload, &mut out, size)?;
        Ok(out)
    }

    /// Opens a whole envelope; `now`, ms, is kept with the keys it makes this side skip.
    ///
    /// Write [`core`](Self::core) and [`take_changes`](Self::take_changes) together with what the payload brings.
    ///
    /// # Errors
    /// `NoKey`: not of this session. `Replayed`: this message key was used. `TooManySkipped`: over [`MAX_SKIP`] keys
    /// ahead. Whatever the error, the session is unchanged.
    ///
    /// [`MAX_SKIP`]: crate::MAX_SKIP
    pub fn open(&mut self, envelope: &[u8], now: u64) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (_, message) = envelope::parse(envelope).map_err(|_| OpenError::Malformed)?;
        let prefix = envelope.first_chunk().ok_or(OpenError::Malformed)?;
        let binding = Binding::new(&self.keys.th, prefix);
        self.ratchet.open(&binding, message, now)
    }

    /// How many post-quantum refreshes the session has had.
    #[must_use]
    pub fn refreshes(&self) -> u32 {
        self.ratchet.refreshes()
    }

    /// Notes that the other side takes part in refreshes ([`EXT_REFRESH`]); `true` if that changes the core. What is sealed from
    /// then on says so, too.
    #[must_use = "a change is to be written"]
    pub fn know_refresh(&mut self) -> bool {
        self.ratchet.know_refresh()
    }

    /// Makes the next chain of this side begin a refresh, however young the last one is, if it is the side that offers and the
    /// other one takes part.
    pub fn ask_for_refresh(&mut self) {
        self.ratchet.ask_for_refresh();
    }

    /// Forgets the keys of messages that were skipped before `before`, ms, and have not come since. Returns whether there were any.
    pub fn purge(&mut self, before: u64) -> bool {
        self.ratchet.purge(before)
    }

    /// The core as bytes, at most 1 KiB; a secret.
    #[must_use]
    pub fn core(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(MAX_CORE));
        out.push(VERSION);
        out.push(self.keys.suite.number());
        out.extend_from_slice(&self.keys.th);
        out.extend_from_slice(&self.keys.tag_out.0);
        out.extend_from_slice(&self.keys.tag_in.0);
        out.extend_from_slice(&self.keys.exporter.0);
        self.ratchet.write(&mut out);
        out
    }

    /// The records that have changed since this was last asked, in the order of their keys.
    #[must_use = "changes that are not written are lost"]
    pub fn take_changes(&mut self) -> Vec<RecordChange> {
        self.ratchet.take_changes()
    }

    /// Rebuilds a session from its core and all of its records.
    ///
    /// # Errors
    /// `UnknownVersion`, `Malformed`: not bytes this version wrote. `Inconsistent`: parts of different times.
    pub fn load(
        core: &[u8],
        records: impl IntoIterator<Item = (RecordKey, Zeroizing<Vec<u8>>)>,
    ) -> Result<Self, LoadError> {
        let mut reader = ByteReader::new(core);
        let refreshes = match reader.u8() {
            Some(VERSION) => true,
            Some(WITHOUT_REFRESHES) => false,
            Some(version) => return Err(LoadError::UnknownVersion(version)),
            None => return Err(LoadError::Malformed),
        };
        let keys = read_keys(&mut reader).ok_or(LoadError::Malformed)?;
        let ratchet = Ratchet::load(reader.rest(), keys.role(), refreshes, records)?;
        Ok(Self::new(keys, ratchet))
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("suite", &self.keys.suite)
            .finish_non_exhaustive()
    }
}

fn id_of(th: &[u8; 32]) -> SessionId {
    SessionId::from_bytes(kdf::hash256(Purpose::SESSION_ID, &[th]))
}

fn read_keys(reader: &mut ByteReader<'_>) -> Option<SessionKeys> {
    Some(SessionKeys {
        suite: Suite::from_number(reader.u8()?)?,
        th: reader.array()?,
        tag_out: TagKey(reader.array()?),
        tag_in: TagKey(reader.array()?),
        exporter: Exporter(reader.array()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_offers_and_the_other_answers_unless_the_suite_has_no_post_quantum_part() {
        let role = |suite, tag_out, tag_in| {
            let keys = SessionKeys {
                suite,
                th: [0; 32],
                tag_out: TagKey([tag_out; 32]),
                tag_in: TagKey([tag_in; 32]),
                exporter: Exporter([0; 32]),
            };
            keys.role()
        };
        assert_eq!(role(Suite::Hybrid, 1, 2), Role::Offers);
        assert_eq!(role(Suite::Hybrid, 2, 1), Role::Answers);
        assert_eq!(role(Suite::Classic, 1, 2), Role::None);
        assert_eq!(role(Suite::Classic, 2, 1), Role::None);
    }
}

//! Post-quantum refresh of the root: an offer, its answer, and the DH step that mixes the secret in (PROTOCOL.md section 5,
//! "Refresh").
//!
//! One side of a session offers and the other answers, so there is one exchange at a time. The offering side mixes a secret in
//! only when it has the answer, which whoever made it holds already: a header's epoch says all that the receiver must know.
//!
//! ```text
//! s     = KDF("", SS, "refresh secret", 32, key, ct)
//! state = peer takes part u8 || epoch u32 || messages u32 || since u16
//!         || 0 | 1 || seed 64 | 2 || s 32 | 3 | 4 || s 32        idle, offered, agreed, asked, answered
//! record, kind 3: key 1184 (asked) or ct 1088 (answered)
//! ```
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::keys::RefreshSecret;
use super::message::{Header, Part};
use super::past::{RecordChange, RecordKey};
use super::{LoadError, OpenError};
use crate::codec::ByteReader;
use crate::envelope::day_of;
use crate::kdf::{self, Purpose};
use crate::kem::{KEM_CIPHERTEXT_LEN, KEM_KEY_LEN, KEM_SEED_LEN, KemKey, KemSecret};

/// After so many messages, sealed and opened, the next chain brings an offer.
pub(super) const REFRESH_MESSAGES: u32 = 50;
/// After so many days as well.
pub(super) const REFRESH_DAYS: u16 = 7;
/// Offer and answer ride on the first messages of a chain, and on one in so many after them.
const RIDES: u32 = 16;
/// The most bytes [`Refresh::write`] appends.
pub(super) const MAX_REFRESH: usize = 1 + 4 + 4 + 2 + 1 + KEM_SEED_LEN;

pub(super) const KIND_REFRESH: u8 = 3;
/// The only record of this kind.
const RECORD: RecordKey = [KIND_REFRESH, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

const IDLE: u8 = 0;
const OFFERED: u8 = 1;
const AGREED: u8 = 2;
const ASKED: u8 = 3;
const ANSWERED: u8 = 4;

/// What a side does in refreshes, for the life of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Offers,
    Answers,
    /// The session has no post-quantum part.
    None,
}

/// How far the refreshes of one side have come.
pub(super) struct Refresh {
    role: Role,
    /// The other side is known to take part.
    peer: bool,
    /// Secrets mixed in so far.
    epoch: u32,
    /// Messages sealed and opened since the last one.
    messages: u32,
    /// Day of the last one, or of the session's begin.
    since: u16,
    state: State,
    /// The record on disk is another one.
    changed: bool,
}

enum State {
    Idle,
    /// An offer rides until it is answered.
    Offered {
        seed: Box<Zeroizing<[u8; KEM_SEED_LEN]>>,
        key: KemKey,
    },
    /// The next own chain mixes this in.
    Agreed(RefreshSecret),
    /// An offer has come: the next message sealed answers it.
    Asked(KemKey),
    /// The answer rides until a chain of the other side mixes the secret in.
    Answered {
        secret: RefreshSecret,
        ciphertext: Box<[u8; KEM_CIPHERTEXT_LEN]>,
    },
}

/// What an authentic message brings.
pub(super) enum News {
    Nothing,
    Offer(KemKey),
    Answer(RefreshSecret),
}

impl Refresh {
    /// A new session, begun on `day`.
    pub(super) fn new(role: Role, day: u16) -> Self {
        Self {
            role,
            peer: false,
            epoch: 0,
            messages: 0,
            since: day,
            state: State::Idle,
            changed: false,
        }
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The other side takes part, which is news if this is `true`.
    pub(super) fn know_peer(&mut self) -> bool {
        let news = self.role != Role::None && !self.peer;
        self.peer |= news;
        news
    }

    /// Makes the next chain bring an offer, however young the root is.
    pub(super) fn ask(&mut self) {
        self.messages = self.messages.max(REFRESH_MESSAGES);
    }

    // -- sealing ---------------------------------------------------------------------------------------------------------------

    /// A DH step begins an own chain: gives the secret it mixes in, if there is one, and makes an offer where one is due.
    pub(super) fn begin_chain(&mut self, rng: &mut (impl CryptoRng + ?Sized), day: u16) -> Option<RefreshSecret> {
        let secret = match std::mem::replace(&mut self.state, State::Idle) {
            State::Agreed(secret) => {
                self.mixed(day);
                Some(secret)
            }
            other => {
                self.state = other;
                None
            }
        };
        if self.is_due(day) {
            let mut seed = Box::new(Zeroizing::new([0; KEM_SEED_LEN]));
            rng.fill_bytes(seed.as_mut_slice());
            let key = KemSecret::from_seed(&seed).public().clone();
            self.state = State::Offered { seed, key };
        }
        secret
    }

    fn is_due(&self, day: u16) -> bool {
        self.role == Role::Offers
            && self.peer
            && self.epoch < u32::MAX
            && matches!(self.state, State::Idle)
            && (self.messages >= REFRESH_MESSAGES || day.abs_diff(self.since) >= REFRESH_DAYS)
    }

    /// Answers an offer that waits for it.
    pub(super) fn answer(&mut self, rng: &mut (impl CryptoRng + ?Sized)) {
        if let State::Asked(key) = &self.state {
            let (shared, ciphertext) = key.encapsulate(rng);
            let secret = refresh_secret(&shared, key, &ciphertext);
            self.state = State::Answered {
                secret,
                ciphertext: Box::new(ciphertext),
            };
            self.changed = true;
        }
    }

    /// Whether the other side may be told that this one takes part.
    pub(super) fn knows_peer(&self) -> bool {
        self.peer
    }

    /// What rides behind the payload of message `n` of the own chain.
    pub(super) fn part(&self, n: u32) -> Part<'_> {
        match &self.state {
            _ if n >= RIDES && !n.is_multiple_of(RIDES) => Part::Nothing,
            State::Offered { key, .. } => Part::Offer(key.as_bytes()),
            State::Answered { ciphertext, .. } => Part::Answer(ciphertext),
            State::Idle | State::Agreed(_) | State::Asked(_) => Part::Nothing,
        }
    }

    /// One more message was sealed, or opened where there is no more to say about it.
    pub(super) fn count(&mut self) {
        self.messages = self.messages.saturating_add(1);
    }

    // -- opening ---------------------------------------------------------------------------------------------------------------

    /// The secret that the DH step of `header` mixes in, if any.
    ///
    /// # Errors
    /// `Malformed`: the header says what no correct sender says.
    pub(super) fn mixes(&self, header: &Header) -> Result<Option<&RefreshSecret>, OpenError> {
        match (header.epoch.checked_sub(self.epoch), &self.state) {
            (Some(0), _) => Ok(None),
            (Some(1), State::Answered { secret, .. }) => Ok(Some(secret)),
            _ => Err(OpenError::Malformed),
        }
    }

    /// What a message brings that is authentic and has not been counted yet; `mixed` if it begins a chain with a secret in it.
    ///
    /// # Errors
    /// `Malformed`: an offer or answer that is not for this side to take, or an offer of the wrong form.
    pub(super) fn read(&self, header: &Header, part: &Part<'_>, mixed: bool) -> Result<News, OpenError> {
        let epoch = self.epoch.saturating_add(u32::from(mixed));
        let current = header.epoch == epoch;
        match (part, self.role) {
            (Part::Nothing, _) => Ok(News::Nothing),
            (Part::Offer(key), Role::Answers) => {
                if current && (mixed || matches!(self.state, State::Idle)) {
                    return KemKey::new(key).map(News::Offer).ok_or(OpenError::Malformed);
                }
                Ok(News::Nothing)
            }
            (Part::Answer(ciphertext), Role::Offers) => match &self.state {
                State::Offered { seed, key } if current => {
                    let shared = KemSecret::from_seed(seed).decapsulate(ciphertext);
                    Ok(News::Answer(refresh_secret(&shared, key, ciphertext)))
                }
                _ => Ok(News::Nothing),
            },
            (Part::Offer(_) | Part::Answer(_), _) => Err(OpenError::Malformed),
        }
    }

    /// Takes in what an opened message says; `now` in ms.
    pub(super) fn opened(&mut self, header: &Header, news: News, mixed: bool, now: u64) {
        if mixed {
            self.mixed(day_of(now));
            self.state = State::Idle;
            self.changed = true;
        }
        self.messages = self.messages.saturating_add(1);
        if header.takes_part {
            self.know_peer();
        }
        match news {
            News::Nothing => {}
            News::Offer(key) => {
                self.state = State::Asked(key);
                self.changed = true;
            }
            News::Answer(secret) => self.state = State::Agreed(secret),
        }
    }

    fn mixed(&mut self, day: u16) {
        self.epoch = self.epoch.saturating_add(1);
        self.messages = 0;
        self.since = day;
    }

    // -- on disk ---------------------------------------------------------------------------------------------------------------

    /// The record that differs from the one on disk.
    pub(super) fn take_change(&mut self) -> Option<RecordChange> {
        std::mem::take(&mut self.changed).then(|| RecordChange {
            key: RECORD,
            value: match &self.state {
                State::Asked(key) => Some(Zeroizing::new(key.as_bytes().to_vec())),
                State::Answered { ciphertext, .. } => Some(Zeroizing::new(ciphertext.to_vec())),
                State::Idle | State::Offered { .. } | State::Agreed(_) => None,
            },
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.peer));
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.messages.to_be_bytes());
        out.extend_from_slice(&self.since.to_be_bytes());
        match &self.state {
            State::Idle => out.push(IDLE),
            State::Offered { seed, .. } => {
                out.push(OFFERED);
                out.extend_from_slice(seed.as_slice());
            }
            State::Agreed(secret) => {
                out.push(AGREED);
                out.extend_from_slice(secret.as_bytes());
            }
            State::Asked(_) => out.push(ASKED),
            State::Answered { secret, .. } => {
                out.push(ANSWERED);
                out.extend_from_slice(secret.as_bytes());
            }
        }
    }

    /// Reads what [`write`](Self::write) wrote; `record` is the value of the record of [`KIND_REFRESH`].
    pub(super) fn read_state(
        reader: &mut ByteReader<'_>,
        role: Role,
        record: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Self, LoadError> {
        let malformed = || LoadError::Malformed;
        let peer = match reader.u8() {
            Some(known @ (0 | 1)) => known == 1,
            _ => return Err(LoadError::Malformed),
        };
        let epoch = reader.u32().ok_or_else(malformed)?;
        let messages = reader.u32().ok_or_else(malformed)?;
        let since = reader.u16().ok_or_else(malformed)?;
        let kind = reader.u8().ok_or_else(malformed)?;
        let state = match kind {
            IDLE => State::Idle,
            OFFERED => {
                let seed = Box::new(Zeroizing::new(reader.array().ok_or_else(malformed)?));
                let key = KemSecret::from_seed(&seed).public().clone();
                State::Offered { seed, key }
            }
            AGREED => State::Agreed(RefreshSecret::new(reader.array().ok_or_else(malformed)?)),
            ASKED => {
                let key: &[u8; KEM_KEY_LEN] = of_record(record.as_ref())?;
                State::Asked(KemKey::new(key).ok_or_else(malformed)?)
            }
            ANSWERED => State::Answered {
                secret: RefreshSecret::new(reader.array().ok_or_else(malformed)?),
                ciphertext: Box::new(*of_record(record.as_ref())?),
            },
            _ => return Err(LoadError::Malformed),
        };
        let fits = match role {
            Role::Offers => matches!(kind, IDLE | OFFERED | AGREED),
            Role::Answers => matches!(kind, IDLE | ASKED | ANSWERED),
            Role::None => kind == IDLE,
        };
        if !fits || record.is_some() != matches!(kind, ASKED | ANSWERED) {
            return Err(LoadError::Inconsistent);
        }
        Ok(Self {
            role,
            peer,
            epoch,
            messages,
            since,
            state,
            changed: false,
        })
    }
}

fn of_record<const N: usize>(record: Option<&Zeroizing<Vec<u8>>>) -> Result<&[u8; N], LoadError> {
    let record = record.ok_or(LoadError::Inconsistent)?;
    record.as_slice().try_into().map_err(|_| LoadError::Malformed)
}

/// Bound to key and ciphertext, so that neither can be exchanged for another with the same shared secret.
fn refresh_secret(shared: &[u8; 32], key: &KemKey, ciphertext: &[u8; KEM_CIPHERTEXT_LEN]) -> RefreshSecret {
    let mut secret = Zeroizing::new([0; 32]);
    kdf::kdf(
        &[],
        shared,
        Purpose::REFRESH_SECRET,
        &[key.as_bytes(), ciphertext],
        secret.as_mut_slice(),
    );
    RefreshSecret::new(*secret)
}

#[cfg(test)]
mod tests;

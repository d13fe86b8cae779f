//! The sender chains of another device in a room, as a reader keeps them (PROTOCOL.md section 11).
//!
//! An envelope goes three steps: [`ChainSender::open`] decrypts it and moves nothing, [`Pending::verify`] checks the signature
//! of the event in it under the key of the chain's owner, and only what it returns can be [`ChainSender::commit`]ted, which moves
//! the chain. So a reader, who could seal as well, cannot move another reader's chain with anything the owner did not sign.
//!
//! On disk each chain and each skipped key is a record of its own.
//! ```text
//! record key   = kind u8 || chain number u64 || n u32        kind 1: chain, 2: position, both with n = 0; 3: skipped key
//! chain        = by owner u8 || first u32 || header key 32 || tag key 32 || certificate
//! position     = chain key 32 || n u32
//! skipped key  = message key 32 || since u64                  since: ms, when it was skipped
//! ```
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thiserror::Error;
use zeroize::Zeroizing;

use super::certificate::{ChainCert, ChainCertError, ChainId};
use super::message::{Binding, Sealed, payload};
use super::sending::CHAIN_MESSAGES;
use super::shared::{ChainKeys, SharedChain};
use crate::control::PAYLOAD_EVENT;
use crate::device::DeviceCert;
use crate::envelope;
use crate::event::{EventHeader, EventVerifyError, SignedEvent, VerifiedEvent};
use crate::ids::{ConversationId, DeviceId, EventId};
use crate::kdf::SignerKey;
use crate::ratchet::{ChainKey, HeaderKey, MAX_SKIPPED, MessageKey, Position, RecordKey};

mod records;

pub use records::SenderLoadError;

/// Chains of one sender that are kept; the oldest goes with its keys.
pub const MAX_CHAINS: usize = 32;

/// One device's chains in one room.
pub struct ChainSender {
    room: ConversationId,
    device: DeviceId,
    signer: Arc<SignerKey>,
    /// By the order of their arrival.
    chains: BTreeMap<u64, Chain>,
    /// By chain and iteration, which is also their age.
    skipped: BTreeMap<(u64, u32), Skipped>,
    changed: BTreeSet<RecordKey>,
}

struct Chain {
    cert: ChainCert,
    header_key: HeaderKey,
    tag_key: Zeroizing<[u8; 32]>,
    /// The first message it could ever open.
    first: u32,
    position: Position,
    /// Whether the owner handed it over.
    by_owner: bool,
}

/// Boxed, so that a tree that shifts its entries leaves no copies of the key behind.
struct Skipped {
    key: Box<MessageKey>,
    since: u64,
}

/// What became of a chain that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It opens envelopes from now on.
    New,
    /// It was there.
    Known,
}

/// An envelope's event whose signature nobody has checked. Dropping it changes nothing.
#[derive(Debug)]
pub struct Pending {
    chain: ChainId,
    iteration: u32,
    event: SignedEvent,
    signer: Arc<SignerKey>,
}

/// An envelope's event that the owner of the chain has signed.
#[derive(Debug)]
pub struct Proved {
    chain: ChainId,
    iteration: u32,
    event: VerifiedEvent,
}

impl Proved {
    /// The event's header: whether it is taken may depend on it.
    #[must_use]
    pub fn header(&self) -> &EventHeader {
        self.event.header()
    }
}

impl Pending {
    /// The id of the event. One that is held already is to be dropped here: it was counted when it came first.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        self.event.id()
    }

    /// Checks the event's signature under the key of the chain's owner.
    ///
    /// # Errors
    /// When it does not verify.
    pub fn verify(self) -> Result<Proved, EventVerifyError> {
        Ok(Proved {
            chain: self.chain,
            iteration: self.iteration,
            event: self.event.verify_by(&self.signer)?,
        })
    }
}

impl ChainSender {
    /// Without any chain yet. Nothing if nobody can verify under the certificate's key.
    #[must_use]
    pub fn new(room: ConversationId, owner: &DeviceCert) -> Option<Self> {
        Some(Self {
            room,
            device: owner.device(),
            signer: Arc::new(SignerKey::read(owner.signing_key())?),
            chains: BTreeMap::new(),
            skipped: BTreeMap::new(),
            changed: BTreeSet::new(),
        })
    }

    /// Whose chains these are.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Takes a chain that device `from` handed over to device `own`.
    ///
    /// # Errors
    /// See [`TakeError`]; nothing has changed then.
    pub fn take(&mut self, shared: &SharedChain, from: &DeviceId, own: &DeviceId) -> Result<Taken, TakeError> {
        let cert = ChainCert::verify(&shared.cert, &self.device, &self.signer)?;
        if cert.room() != self.room {
            return Err(TakeError::OtherRoom);
        }
        if *cert.keys() != shared.keys.commitment() || shared.iteration >= CHAIN_MESSAGES {
            return Err(TakeError::Keys);
        }
        let by_owner = *from == self.device;
        let meant = |proof: &super::AudienceProof| proof.holds(own, cert.audience());
        if !by_owner && !shared.proof.as_ref().is_some_and(meant) {
            return Err(TakeError::NotMeant);
        }
        let known = self.find(&cert.chain()).map(|(number, _)| number);
        let number = match known {
            Some(number) if self.gives_way(number, by_owner) => number,
            Some(_) => return Ok(Taken::Known),
            None => self.make_room(by_owner)?,
        };
        self.put(number, cert, shared, by_owner);
        Ok(Taken::New)
    }

    /// The number of a new chain. Where there are as many as there may be, one goes: the oldest that others than the owner handed over,
    /// and only for the owner's own one of theirs.
    fn make_room(&mut self, by_owner: bool) -> Result<u64, TakeError> {
        let number = self.next_number();
        if self.chains.len() >= MAX_CHAINS {
            let others = self.chains.iter().find(|(_, chain)| !chain.by_owner);
            let oldest = self.chains.first_key_value().filter(|_| by_owner);
            let (&victim, _) = others.or(oldest).ok_or(TakeError::TooMany)?;
            self.forget(victim);
        }
        Ok(number)
    }

    /// The chains and their tags on `day`, the newest last.
    pub fn tags(&self, day: u16) -> impl Iterator<Item = (ChainId, [u8; 8])> {
        self.chains
            .values()
            .map(move |chain| (chain.cert.chain(), envelope::session_tag(&chain.tag_key, day)))
    }

    /// The certificate of a chain that is held.
    #[must_use]
    pub fn cert(&self, chain: &ChainId) -> Option<&ChainCert> {
        self.find(chain).map(|(_, chain)| &chain.cert)
    }

    /// The chain as it can be handed on: from the next message on, without a proof.
    #[must_use]
    pub fn share(&self, chain: &ChainId) -> Option<SharedChain> {
        let (_, chain) = self.find(chain)?;
        (chain.position.n < CHAIN_MESSAGES).then(|| SharedChain {
            cert: chain.cert.as_bytes().to_vec(),
            iteration: chain.position.n,
            keys: ChainKeys {
                chain: *chain.position.key.as_bytes(),
                header: *chain.header_key.as_bytes(),
                tag: *chain.tag_key,
            },
            view: Vec::new(),
            proof: None,
            ext: Vec::new(),
        })
    }

    /// Decrypts an envelope with the chain its tag belongs to. Nothing moves.
    ///
    /// # Errors
    /// See [`RoomOpenError`].
    pub fn open(&self, chain: &ChainId, envelope: &[u8]) -> Result<Pending, RoomOpenError> {
        let (_, message) = envelope::parse(envelope).map_err(|_| RoomOpenError::Malformed)?;
        let prefix = envelope.first_chunk().ok_or(RoomOpenError::Malformed)?;
        let (number, held) = self.find(chain).ok_or(RoomOpenError::NoKey)?;
        let binding = Binding::new(&self.room, chain, prefix);
        let sealed = Sealed::parse(&binding, message).ok_or(RoomOpenError::Malformed)?;
        let iteration = sealed.iteration(&held.header_key).ok_or(RoomOpenError::NoKey)?;
        if iteration >= CHAIN_MESSAGES {
            return Err(RoomOpenError::Malformed);
        }
        let body = match self.skipped.get(&(number, iteration)) {
            Some(skipped) => sealed.body(&skipped.key),
            None => sealed.body(&held.key_of(iteration)?),
        };
        let body = body.ok_or(RoomOpenError::NotAuthentic)?;
        let event = self.event(payload(&body).ok_or(RoomOpenError::Malformed)?)?;
        Ok(Pending {
            chain: *chain,
            iteration,
            event,
            signer: Arc::clone(&self.signer),
        })
    }

    /// Counts the message as received: its key is gone, and the event is the caller's. `now`, ms, is kept with the keys that are
    /// skipped.
    ///
    /// Write [`take_changes`](Self::take_changes) together with the event.
    ///
    /// # Errors
    /// When the key was used meanwhile; nothing has changed then.
    pub fn commit(&mut self, proved: Proved, now: u64) -> Result<VerifiedEvent, RoomOpenError> {
        let (at, event) = (proved.iteration, proved.event);
        self.check_owner(event.header())?;
        let (number, _) = self.find(&proved.chain).ok_or(RoomOpenError::NoKey)?;
        if self.skipped.remove(&(number, at)).is_some() {
            self.changed.insert(records::skipped(number, at));
            return Ok(event);
        }
        let chain = self.chains.get_mut(&number).ok_or(RoomOpenError::NoKey)?;
        if at < chain.position.n {
            return Err(RoomOpenError::Replayed);
        }
        let skipped = chain.position.attempt().skip_to(at);
        let (position, gap) = skipped.map_err(|_| RoomOpenError::Malformed)?;
        chain.position = position.step().0;
        self.changed.insert(records::position(number));
        for (n, key) in gap {
            self.skipped.insert((number, n), Skipped { key, since: now });
            self.changed.insert(records::skipped(number, n));
        }
        while self.skipped.len() > MAX_SKIPPED
            && let Some(((number, n), _)) = self.skipped.pop_first()
        {
            self.changed.insert(records::skipped(number, n));
        }
        Ok(event)
    }

    /// Forgets keys that were skipped before `before`, ms. Returns whether there were any.
    pub fn purge(&mut self, before: u64) -> bool {
        let old = self.skipped.iter().filter(|(_, key)| key.since < before);
        let old: Vec<_> = old.map(|(&at, _)| at).collect();
        for &(number, n) in &old {
            self.skipped.remove(&(number, n));
            self.changed.insert(records::skipped(number, n));
        }
        !old.is_empty()
    }

    fn event(&self, payload: &[u8]) -> Result<SignedEvent, RoomOpenError> {
        let [PAYLOAD_EVENT, wire @ ..] = payload else {
            return Err(RoomOpenError::Malformed);
        };
        let event = SignedEvent::decode(wire).map_err(|_| RoomOpenError::Malformed)?;
        // Any reader can make a stub of what the owner wrote, and seal it in the place of a later message.
        if event.body().is_none() {
            return Err(RoomOpenError::Malformed);
        }
        self.check_owner(event.header())?;
        Ok(event)
    }

    fn check_owner(&self, header: &EventHeader) -> Result<(), RoomOpenError> {
        if header.device == self.device && header.conversation == self.room {
            Ok(())
        } else {
            Err(RoomOpenError::Foreign)
        }
    }

    fn find(&self, chain: &ChainId) -> Option<(u64, &Chain)> {
        let held = self.chains.iter().rev().find(|(_, held)| held.cert.chain() == *chain);
        held.map(|(&number, held)| (number, held))
    }

    /// Whether a chain that is held is replaced by its owner's word.
    fn gives_way(&self, number: u64, by_owner: bool) -> bool {
        let held = self.chains.get(&number);
        by_owner && held.is_some_and(|held| !held.by_owner && held.position.n == held.first)
    }

    fn next_number(&self) -> u64 {
        let last = self.chains.last_key_value();
        last.map_or(0, |(&number, _)| number.wrapping_add(1))
    }

    fn put(&mut self, number: u64, cert: ChainCert, shared: &SharedChain, by_owner: bool) {
        let chain = Chain {
            cert,
            header_key: HeaderKey::new(shared.keys.header),
            tag_key: Zeroizing::new(shared.keys.tag),
            first: shared.iteration,
            position: Position {
                key: ChainKey::new(shared.keys.chain),
                n: shared.iteration,
            },
            by_owner,
        };
        self.chains.insert(number, chain);
        self.changed.insert(records::chain(number));
        self.changed.insert(records::position(number));
    }

    fn forget(&mut self, number: u64) {
        self.chains.remove(&number);
        self.changed.insert(records::chain(number));
        self.changed.insert(records::position(number));
        while let Some((&(_, n), _)) = self.skipped.range((number, 0)..=(number, u32::MAX)).next() {
            self.skipped.remove(&(number, n));
            self.changed.insert(records::skipped(number, n));
        }
    }
}

impl Chain {
    /// The key of a message that was not skipped.
    fn key_of(&self, iteration: u32) -> Result<MessageKey, RoomOpenError> {
        if iteration < self.first {
            return Err(RoomOpenError::BeforeUs { first: self.first });
        }
        if iteration < self.position.n {
            return Err(RoomOpenError::Replayed);
        }
        let skipped = self.position.attempt().skip_to(iteration);
        let (position, _) = skipped.map_err(|_| RoomOpenError::Malformed)?;
        Ok(position.step().2)
    }
}

impl std::fmt::Debug for ChainSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainSender")
            .field("room", &self.room)
            .field("device", &self.device)
            .field("chains", &self.chains.len())
            .finish_non_exhaustive()
    }
}

/// Why a chain was not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TakeError {
    /// Its certificate is no good.
    #[error("verifying the chain certificate")]
    Cert(#[from] ChainCertError),
    /// It is another room's.
    #[error("the chain belongs to another room")]
    OtherRoom,
    /// They are not those the owner certified.
    #[error("the keys do not belong to the chain")]
    Keys,
    /// Somebody else than the owner hands it over, and it was not made for this device.
    #[error("the chain was not made for this device")]
    NotMeant,
    /// The owner's own chains are as many as are kept, and somebody else's word takes the place of none.
    #[error("there are {MAX_CHAINS} chains by their owner already")]
    TooMany,
}

/// Why an envelope was not opened; nothing has changed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RoomOpenError {
    /// Not the form of an envelope or message, or its sender broke the protocol.
    #[error("the room message is malformed")]
    Malformed,
    /// The chain is not held, or its header key does not fit.
    #[error("no chain opens the header")]
    NoKey,
    /// The header is right and the body is not.
    #[error("the body is not authentic")]
    NotAuthentic,
    /// The key of this message was used, or is no longer kept.
    #[error("the message was opened before, or its key was dropped")]
    Replayed,
    /// It was sent before the chain was handed to this device.
    #[error("the chain opens messages from {first} on")]
    BeforeUs {
        /// The first one.
        first: u32,
    },
    /// It holds an event that is not the chain owner's, or not of the room.
    #[error("the event does not belong to the chain")]
    Foreign,
}

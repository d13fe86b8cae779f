//! Two devices that have a session, made from a seed.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;

use parlour_crypto::{
    Accepted, DeviceCert, DeviceKeys, EnvelopePrefix, FirstFlight, HandshakeError, Identity, Initiated, ListReference,
    OneTimeKey, OneTimeSecret, OpenError, PrekeyBundle, PrekeySecret, RecordKey, Session, initiate, parse,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use zeroize::Zeroizing;

/// 2026-01-01, ms.
pub(crate) const NOW: u64 = 1_767_225_600_000;
/// The same as a day.
pub(crate) const DAY: u16 = 20_454;
pub(crate) const PREFIX: EnvelopePrefix = EnvelopePrefix { day: DAY, tag: [7; 8] };
pub(crate) const LIST: ListReference = ListReference {
    version: 3,
    hash: [9; 8],
};

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) struct Device {
    pub(crate) keys: DeviceKeys,
    pub(crate) cert: DeviceCert,
    pub(crate) prekey: PrekeySecret,
    pub(crate) bundle: PrekeyBundle,
    pub(crate) one_time: OneTimeSecret,
}

pub(crate) fn device(seed: u64) -> Device {
    let mut rng = rng(seed ^ 0xDEC1CE);
    let mut entropy = [0; 32];
    entropy[..8].copy_from_slice(&seed.to_be_bytes());
    let keys = DeviceKeys::generate(&mut rng);
    let cert = DeviceCert::issue(&Identity::from_entropy(&entropy), &keys, 1, NOW);
    let prekey = PrekeySecret::generate(&mut rng, 5);
    let bundle = prekey.bundle(&keys, &cert, NOW, NOW + 1_000_000);
    let one_time = OneTimeSecret::generate(&mut rng, 77);
    Device {
        keys,
        cert,
        prekey,
        bundle,
        one_time,
    }
}

impl Device {
    pub(crate) fn start(
        &self,
        to: &Device,
        one_time: Option<&OneTimeKey>,
        seed: u64,
    ) -> Result<Initiated, HandshakeError> {
        initiate(
            &mut rng(seed),
            &self.keys,
            &self.cert,
            LIST,
            &to.cert,
            &to.bundle,
            one_time,
            NOW,
        )
    }

    pub(crate) fn answer(&self, envelope: &[u8], one_time: Option<&OneTimeSecret>) -> Result<Accepted, HandshakeError> {
        let (prefix, body) = parse(envelope).map_err(|_| HandshakeError::Malformed)?;
        FirstFlight::parse(body)?.open(
            &prefix,
            &self.keys,
            &self.cert,
            &self.prekey,
            self.bundle.hash(),
            one_time,
            |_| None,
            NOW,
        )
    }
}

/// Two sides of a new session; the second has opened message 0.
pub(crate) fn sessions(seed: u64) -> (Session, Session) {
    let (a, b) = (device(seed), device(seed + 1));
    let initiated = a.start(&b, Some(&b.one_time.public()), seed).unwrap();
    let (session, envelope) = initiated.seal(&mut rng(seed + 2), &PREFIX, b"hello").unwrap();
    let accepted = b.answer(&envelope, Some(&b.one_time)).unwrap();
    assert_eq!(accepted.payload.as_slice(), b"hello");
    (session, accepted.session)
}

/// A session and what its store would hold.
pub(crate) struct Side {
    pub(crate) session: Session,
    pub(crate) records: BTreeMap<RecordKey, Vec<u8>>,
    pub(crate) rng: ChaCha20Rng,
    /// Begins a refresh whenever it can.
    pub(crate) eager: bool,
}

pub(crate) fn sides(seed: u64) -> [Side; 2] {
    let (a, b) = sessions(seed);
    [a, b].map(|session| Side {
        rng: rng(seed),
        session,
        records: BTreeMap::new(),
        eager: false,
    })
}

/// As [`sides`], of two devices that know that both take part in refreshes, and begin one whenever they can.
pub(crate) fn eager_sides(seed: u64) -> [Side; 2] {
    sides(seed).map(|mut side| {
        assert!(side.session.know_refresh());
        side.eager = true;
        side
    })
}

/// Which of two sides offers in refreshes: the one with the smaller outgoing tag key (PROTOCOL.md section 5).
pub(crate) fn offering(sides: &[Side; 2]) -> usize {
    let core = sides[0].session.core();
    usize::from(core[34..66] > core[66..98])
}

impl Side {
    pub(crate) fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        if self.eager {
            self.session.ask_for_refresh();
        }
        let envelope = self.session.seal(&mut self.rng, DAY, payload).unwrap();
        self.save();
        envelope
    }

    pub(crate) fn open(&mut self, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let payload = self.session.open(envelope, NOW)?;
        self.save();
        Ok(payload)
    }

    pub(crate) fn save(&mut self) {
        for change in self.session.take_changes() {
            match change.value {
                Some(value) => self.records.insert(change.key, value.to_vec()),
                None => self.records.remove(&change.key),
            };
        }
    }

    /// Drops the session and reads it back from its core and records.
    pub(crate) fn reload(&mut self) {
        let records = self
            .records
            .iter()
            .map(|(key, value)| (*key, Zeroizing::new(value.clone())));
        self.session = Session::load(&self.session.core(), records).unwrap();
    }

    /// Asserts that `envelope` does not open and that not a byte of the state moves.
    pub(crate) fn refuses(&mut self, envelope: &[u8]) -> OpenError {
        let before = self.session.core();
        let error = self
            .session
            .open(envelope, NOW)
            .expect_err("the envelope must not open");
        assert_eq!(*self.session.core(), *before, "the core moved on {error}");
        assert!(self.session.take_changes().is_empty(), "a record moved on {error}");
        error
    }
}

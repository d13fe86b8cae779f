//! Hybrid handshake, the starting side, and the key schedule of both (PROTOCOL.md section 4; after Signal's X3DH,
//! revision 1, and PQXDH, revision 3).
//!
//! ```text
//! DH1 = DH(device A, spk B)   DH2 = DH(eph A, device B)   DH3 = DH(eph A, spk B)   [DH4 = DH(eph A, otk B)]
//! (SS, kem_ct) = Encaps(kem B)                                          suite 2
//! th  = HASH256("handshake", suite, user A, sign A, dh A, user B, sign B, dh B, bundle hash, eph A, otk B | 0, kem_ct)
//! OKM = KDF(salt = th, ikm = 0xFF * 32 || DH1 || DH2 || DH3 [|| DH4] [|| SS], "handshake keys", 256)
//!     = root || header key A->B || header key B->A || tag key A->B || tag key B->A || exporter
//!       || first chain key A->B || next header key A->B
//! ff  = HASH("first flight", suite, bundle hash, eph A, otk B | 0, kem_ct)
//! fk  = KDF(salt = ff, ikm = DH2 || DH3 [|| SS], "first flight key", 32)
//! ```
//!
//! Not here: whether the other user's keys are the right ones (device lists, safety numbers), and the answering side
//! (`flight`).

use rand_core::CryptoRng;
use thiserror::Error;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::aead;
use crate::agreement::{LowOrder, RemoteKey, SharedSecret, agree_and_publish};
use crate::device::{CertError, DeviceCert, Statement};
use crate::device_list::ListReference;
use crate::envelope::{EnvelopePrefix, day_of};
use crate::kdf::{self, Purpose};
use crate::keys::{self, DeviceKeys};
use crate::prekey::{OneTimeKey, PrekeyBundle};
use crate::ratchet::{ChainKey, HeaderKey, OpenError, Ratchet, RatchetKey, RootKey, SealError, Start};
use crate::session::{Exporter, Session, SessionKeys, TagKey};
use crate::suite::Suite;

/// A session that has been started and waits for its first message.
#[derive(Debug)]
pub struct Initiated {
    session: Session,
    /// The first flight up to its ratchet message.
    front: Vec<u8>,
}

/// Starts a session with the device of `their_cert`, of which `bundle` is a bundle, as the device of `own_cert`.
///
/// Suite 2 if both sides take part in it. `now` is in ms.
///
/// # Errors
/// `OwnCertificateExpired`, `PeerCertificateExpired`: an expired certificate starts no session. `OtherBundle`, `SameDevice`,
/// `NoCommonSuite`, `LowOrder`: there is nothing safe to start with these keys.
#[expect(
    clippy::too_many_arguments,
    reason = "each is one input of the handshake, and none has a default"
)]
pub fn initiate(
    rng: &mut (impl CryptoRng + ?Sized),
    own_keys: &DeviceKeys,
    own_cert: &DeviceCert,
    own_list: ListReference,
    their_cert: &DeviceCert,
    bundle: &PrekeyBundle,
    one_time: Option<&OneTimeKey>,
    now: u64,
) -> Result<Initiated, HandshakeError> {
    if own_cert.is_expired(now) {
        return Err(HandshakeError::OwnCertificateExpired);
    }
    if their_cert.is_expired(now) {
        return Err(HandshakeError::PeerCertificateExpired);
    }
    if own_cert.device() == their_cert.device() {
        return Err(HandshakeError::SameDevice);
    }
    if bundle.cert_hash() != their_cert.hash() {
        return Err(HandshakeError::OtherBundle);
    }
    let suite = own_cert
        .suites()
        .common(bundle.suites())
        .ok_or(HandshakeError::NoCommonSuite)?;

    let eph = keys::random_secret(rng);
    let encapsulated = (suite == Suite::Hybrid).then(|| bundle.encapsulate(rng));
    let (kem, kem_ct) = encapsulated.map_or((None, None), |(secret, ct)| (Some(secret), Some(ct)));
    let kem_ct = kem_ct.as_ref().map_or(&[][..], |ct| &ct[..]);
    let ratchet = keys::random_secret(rng);
    let Agreed {
        dh: (dh1, dh2, dh3, dh4),
        public,
    } = agree(own_keys, (&eph, &ratchet), their_cert, bundle, one_time)?;
    let [eph, ratchet_public] = public;

    let offer = Offer {
        suite,
        bundle_hash: bundle.hash(),
        eph: eph.to_bytes(),
        one_time: one_time.map(|key| key.key),
        kem_ct,
    };
    let secrets = Secrets { dh2, dh3, dh4, kem };

    let mut front = Vec::with_capacity(FIXED_FRONT + kem_ct.len() + sealed_sender_len(own_cert));
    front.push(suite.number());
    front.extend_from_slice(&bundle.serial().to_be_bytes());
    front.extend_from_slice(&one_time.map_or(0, |key| key.id).to_be_bytes());
    front.extend_from_slice(&offer.eph);
    front.extend_from_slice(kem_ct);
    seal_sender(&mut front, &offer, &secrets, own_cert, own_list);

    let (keys, start) = secrets.schedule(
        &offer,
        own_cert.statement(),
        their_cert.statement(),
        &dh1,
        Role::Initiator,
    );
    let own = RatchetKey::new(ratchet, ratchet_public);
    let ratchet = Ratchet::initiate(own, start, keys.role(), day_of(now));
    let session = Session::new(keys, ratchet);
    Ok(Initiated { session, front })
}

/// What the starting side computes on the curve.
struct Agreed {
    /// DH1 to DH4.
    dh: (SharedSecret, SharedSecret, SharedSecret, Option<SharedSecret>),
    /// Of the handshake, and of the ratchet.
    public: [PublicKey; 2],
}

fn agree(
    own_keys: &DeviceKeys,
    (eph, ratchet): (&StaticSecret, &StaticSecret),
    their_cert: &DeviceCert,
    bundle: &PrekeyBundle,
    one_time: Option<&OneTimeKey>,
) -> Result<Agreed, LowOrder> {
    let remote = |key: &[u8; 32]| RemoteKey::new(&PublicKey::from(*key));
    let (spk, device) = (remote(bundle.spk()), remote(their_cert.dh_key()));
    let (dh1, dh2, dh3) = ((own_keys.dh_secret(), &spk), (eph, &device), (eph, &spk));
    Ok(match one_time {
        Some(one_time) => {
            let dh4 = remote(&one_time.key);
            let (shared, public) = agree_and_publish([dh1, dh2, dh3, (eph, &dh4)], [eph, ratchet])?;
            let [dh1, dh2, dh3, dh4] = shared;
            let dh = (dh1, dh2, dh3, Some(dh4));
            Agreed { dh, public }
        }
        None => {
            let ([dh1, dh2, dh3], public) = agree_and_publish([dh1, dh2, dh3], [eph, ratchet])?;
            let dh = (dh1, dh2, dh3, None);
            Agreed { dh, public }
        }
    })
}

impl Initiated {
    /// The session as it will be.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Seals `payload` as message 0; returns the session and the whole first-contact envelope, which is sent again as the
    /// same bytes until it is answered.
    ///
    /// # Errors
    /// `TooLarge`: no envelope holds the payload behind the first flight.
    pub fn seal(
        self,
        rng: &mut (impl CryptoRng + ?Sized),
        prefix: &EnvelopePrefix,
        payload: &[u8],
    ) -> Result<(Session, Vec<u8>), SealError> {
        let Self { mut session, front } = self;
        let envelope = session.seal_behind(rng, prefix, &front, payload)?;
        Ok((session, envelope))
    }
}

/// The parts of a first flight before the KEM ciphertext, and the length behind it.
const FIXED_FRONT: usize = 1 + 4 + 4 + 32 + 2;

fn sealed_sender_len(cert: &DeviceCert) -> usize {
    cert.as_bytes().len() + ListReference::LEN + aead::TAG_LEN
}

/// Appends the length and the sealed sender.
fn seal_sender(out: &mut Vec<u8>, offer: &Offer<'_>, secrets: &Secrets, cert: &DeviceCert, list: ListReference) {
    let mut sender = Vec::with_capacity(cert.as_bytes().len() + ListReference::LEN);
    sender.extend_from_slice(cert.as_bytes());
    sender.extend_from_slice(&list.encode());
    // A certificate is a few hundred bytes: its fields have fixed widths.
    out.extend_from_slice(&(sealed_sender_len(cert) as u16).to_be_bytes());
    let ff = offer.ff();
    aead::seal_into(out, &secrets.flight_key(&ff), &FLIGHT_NONCE, &ff, &sender);
}

/// The nonce under a first flight key, which seals once.
pub(crate) const FLIGHT_NONCE: [u8; 12] = [0; 12];

/// What the starting side puts in clear.
pub(crate) struct Offer<'a> {
    pub(crate) suite: Suite,
    pub(crate) bundle_hash: [u8; 32],
    pub(crate) eph: [u8; 32],
    pub(crate) one_time: Option<[u8; 32]>,
    /// Empty in suite 1.
    pub(crate) kem_ct: &'a [u8],
}

impl Offer<'_> {
    pub(crate) fn ff(&self) -> [u8; 32] {
        let one_time = self.one_time.unwrap_or_default();
        let fields: [&[u8]; 5] = [
            &[self.suite.number()],
            &self.bundle_hash,
            &self.eph,
            &one_time,
            self.kem_ct,
        ];
        kdf::hash(Purpose::FIRST_FLIGHT, &fields)
    }

    fn th(&self, a: &Statement, b: &Statement) -> [u8; 32] {
        let one_time = self.one_time.unwrap_or_default();
        let fields: [&[u8]; 11] = [
            &[self.suite.number()],
            a.user.as_bytes(),
            &a.signing_key,
            &a.dh_key,
            b.user.as_bytes(),
            &b.signing_key,
            &b.dh_key,
            &self.bundle_hash,
            &self.eph,
            &one_time,
            self.kem_ct,
        ];
        kdf::hash256(Purpose::HANDSHAKE, &fields)
    }
}

/// Which side of the handshake this is.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    Initiator,
    Responder,
}

/// The secrets that do not need the sender's device key.
pub(crate) struct Secrets {
    pub(crate) dh2: SharedSecret,
    pub(crate) dh3: SharedSecret,
    pub(crate) dh4: Option<SharedSecret>,
    pub(crate) kem: Option<Zeroizing<[u8; 32]>>,
}

impl Secrets {
    /// `fk`, which seals the sender.
    pub(crate) fn flight_key(&self, ff: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let mut ikm = Zeroizing::new(Vec::with_capacity(3 * 32));
        ikm.extend_from_slice(self.dh2.as_bytes());
        ikm.extend_from_slice(self.dh3.as_bytes());
        if let Some(kem) = &self.kem {
            ikm.extend_from_slice(kem.as_slice());
        }
        let mut key = Zeroizing::new([0; 32]);
        kdf::kdf(ff, &ikm, Purpose::FIRST_FLIGHT_KEY, &[], key.as_mut_slice());
        key
    }

    /// The keys of the session between `a`, who starts, and `b`. They depend on what the certificates say, whether it is
    /// proved or not.
    pub(crate) fn schedule(
        &self,
        offer: &Offer<'_>,
        a: &Statement,
        b: &Statement,
        dh1: &SharedSecret,
        role: Role,
    ) -> (SessionKeys, Start) {
        let mut ikm = Zeroizing::new(Vec::with_capacity(6 * 32));
        ikm.extend_from_slice(&[0xFF; 32]);
        for dh in [Some(dh1), Some(&self.dh2), Some(&self.dh3), self.dh4.as_ref()]
            .into_iter()
            .flatten()
        {
            ikm.extend_from_slice(dh.as_bytes());
        }
        if let Some(kem) = &self.kem {
            ikm.extend_from_slice(kem.as_slice());
        }
        let th = offer.th(a, b);
        let mut okm = Zeroizing::new([[0; 32]; 8]);
        kdf::kdf(&th, &ikm, Purpose::HANDSHAKE_KEYS, &[], okm.as_flattened_mut());

        let [
            root,
            header_ab,
            header_ba,
            tag_ab,
            tag_ba,
            exporter,
            chain_ab,
            next_header_ab,
        ] = *okm;
        let (tag_out, tag_in) = match role {
            Role::Initiator => (tag_ab, tag_ba),
            Role::Responder => (tag_ba, tag_ab),
        };
        let keys = SessionKeys {
            suite: offer.suite,
            th,
            tag_out: TagKey(tag_out),
            tag_in: TagKey(tag_in),
            exporter: Exporter(exporter),
        };
        let start = Start {
            root: RootKey::new(root),
            header_ab: HeaderKey::new(header_ab),
            header_ba: HeaderKey::new(header_ba),
            chain_ab: ChainKey::new(chain_ab),
            next_header_ab: HeaderKey::new(next_header_ab),
        };
        (keys, start)
    }
}

/// Why a session was not started.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HandshakeError {
    /// Not the form of a first flight.
    #[error("the first flight is malformed")]
    Malformed,
    /// A suite this version does not know, or this device does not take part in.
    #[error("handshake suite {got} is not available")]
    UnknownSuite {
        /// The suite's number.
        got: u8,
    },
    /// The own certificate starts no session any more.
    #[error("the own device certificate has expired")]
    OwnCertificateExpired,
    /// The other device's certificate starts no session any more.
    #[error("the other device's certificate has expired")]
    PeerCertificateExpired,
    /// The bundle was made for another certificate.
    #[error("the prekey bundle belongs to another certificate")]
    OtherBundle,
    /// Both sides are the same device.
    #[error("a device has no session with itself")]
    SameDevice,
    /// The devices share no suite.
    #[error("the devices have no handshake suite in common")]
    NoCommonSuite,
    /// Both devices could have used a stronger suite.
    #[error("the first flight uses a weaker suite than both devices have")]
    Downgraded,
    /// The flight names another signed prekey than the one given.
    #[error("the first flight needs signed prekey {needed}, not {given}")]
    OtherPrekey {
        /// Serial in the flight.
        needed: u32,
        /// Serial of the secret.
        given: u32,
    },
    /// The flight names another one-time key than the one given, or one where none was given.
    #[error("the first flight needs another one-time key")]
    OtherOneTimeKey,
    /// One of the other side's keys is of low order.
    #[error("agreeing on a secret")]
    LowOrder(#[from] LowOrder),
    /// The sender's certificate does not open: made for other keys, or damaged.
    #[error("the sealed sender does not open")]
    NotAuthentic,
    /// The sender's certificate is wrong.
    #[error("checking the sender's certificate")]
    Certificate(#[from] CertError),
    /// Message 0 does not open.
    #[error("opening the first message")]
    Message(#[from] OpenError),
}

#[cfg(test)]
mod tests;

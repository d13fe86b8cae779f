//! First flight: what the starting side sends, read and answered (PROTOCOL.md section 4).
//!
//! ```text
//! suite u8 || signed prekey id u32 || one-time key id u32, 0 = none || eph A 32 || kem_ct 1088 (suite 2)
//! || length u16 || sealed sender = AEAD(fk, 0 * 12, ad = ff, certificate A || list reference A 12) || ratchet message 0
//! ```
//!
//! Nothing may be kept before [`FirstFlight::open`] succeeds. That an ephemeral key comes a second time while its signed
//! prekey lives is for the caller to see and refuse.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use x25519_dalek::PublicKey;
use zeroize::Zeroizing;

use crate::aead;
use crate::agreement::{RemoteKey, agree_all, dh};
use crate::codec::ByteReader;
use crate::device::{CertClaim, CertProof, DeviceCert, Statement};
use crate::device_list::ListReference;
use crate::envelope::{EnvelopePrefix, day_of};
use crate::handshake::{FLIGHT_NONCE, HandshakeError, Offer, Role, Secrets};
use crate::ids::DeviceId;
use crate::kem::KEM_CIPHERTEXT_LEN;
use crate::keys::DeviceKeys;
use crate::prekey::{OneTimeKey, OneTimeSecret, PrekeySecret};
use crate::ratchet::{Binding, Ratchet};
use crate::session::Session;
use crate::suite::Suite;

/// A first flight in its parts; nothing in it is proved.
#[derive(Clone, Copy, Debug)]
pub struct FirstFlight<'a> {
    suite: Suite,
    prekey: u32,
    one_time: Option<u32>,
    eph: [u8; 32],
    kem_ct: &'a [u8],
    sender: &'a [u8],
    message: &'a [u8],
}

/// A session the other side has started.
#[derive(Debug)]
pub struct Accepted {
    /// The session, which has opened message 0.
    pub session: Session,
    /// The certificate of the device that started it, verified by itself; the device list says whether it still counts.
    pub peer_cert: DeviceCert,
    /// The device list of its user that it knows.
    pub list: ListReference,
    /// The payload of message 0.
    pub payload: Zeroizing<Vec<u8>>,
}

impl<'a> FirstFlight<'a> {
    /// Cuts the body of a first-contact envelope into its parts.
    ///
    /// # Errors
    /// `Malformed`, `UnknownSuite`.
    pub fn parse(body: &'a [u8]) -> Result<Self, HandshakeError> {
        let mut reader = ByteReader::new(body);
        let number = reader.u8().ok_or(HandshakeError::Malformed)?;
        let suite = Suite::from_number(number).ok_or(HandshakeError::UnknownSuite { got: number })?;
        read(suite, reader).ok_or(HandshakeError::Malformed)
    }

    /// Id of the signed prekey it was made with.
    #[must_use]
    pub fn prekey_serial(&self) -> u32 {
        self.prekey
    }

    /// Id of the one-time key it was made with, if any.
    #[must_use]
    pub fn one_time_id(&self) -> Option<u32> {
        self.one_time
    }

    /// The ephemeral key: never to be accepted twice while the signed prekey lives.
    #[must_use]
    pub fn ephemeral(&self) -> [u8; 32] {
        self.eph
    }

    /// Answers the flight that came behind `prefix`: `secret`, with the bundle of hash `bundle_hash`, and `one_time` are the
    /// keys it names; `own_cert` is the certificate of `own_keys`. `known`, asked for the device that sends, may give the
    /// proof of a certificate verified before: the same one is not verified again. `now` is in ms.
    ///
    /// What the sender's certificate says is computed with before it is verified: only who holds its device key learns from
    /// the time this takes whether it is a known one.
    ///
    /// # Errors
    /// See [`HandshakeError`]; nothing is to be kept then.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one input of the handshake, and none has a default"
    )]
    pub fn open(
        &self,
        prefix: &EnvelopePrefix,
        own_keys: &DeviceKeys,
        own_cert: &DeviceCert,
        secret: &PrekeySecret,
        bundle_hash: [u8; 32],
        one_time: Option<&OneTimeSecret>,
        known: impl FnOnce(&DeviceId) -> Option<CertProof>,
        now: u64,
    ) -> Result<Accepted, HandshakeError> {
        let one_time_key = one_time.map(OneTimeSecret::public);
        self.check_keys(own_cert, secret, one_time_key.as_ref(), now)?;
        let offer = Offer {
            suite: self.suite,
            bundle_hash,
            eph: self.eph,
            one_time: one_time_key.map(|key| key.key),
            kem_ct: self.kem_ct,
        };
        let secrets = self.agree(own_keys, secret, one_time)?;
        let sender = self.open_sender(&offer, &secrets)?;
        let (cert, list) = sender.split_last_chunk().ok_or(HandshakeError::Malformed)?;
        let claim = CertClaim::read(cert)?;
        self.check_sender(claim.statement(), own_cert.statement(), now)?;

        let dh1 = dh(secret.spk_secret(), &PublicKey::from(claim.statement().dh_key))?;
        let (keys, start) = secrets.schedule(&offer, claim.statement(), own_cert.statement(), &dh1, Role::Responder);
        let binding = Binding::new(&keys.th, &prefix.encode());
        let (ratchet, payload) = Ratchet::answer(start, keys.role(), day_of(now), &binding, self.message)?;
        Ok(Accepted {
            session: Session::new(keys, ratchet),
            peer_cert: claim.verify(known)?,
            list: ListReference::decode(list),
            payload,
        })
    }

    fn check_keys(
        &self,
        own_cert: &DeviceCert,
        secret: &PrekeySecret,
        one_time: Option<&OneTimeKey>,
        now: u64,
    ) -> Result<(), HandshakeError> {
        if !own_cert.suites().contains(self.suite) {
            return Err(HandshakeError::UnknownSuite {
                got: self.suite.number(),
            });
        }
        if own_cert.is_expired(now) {
            return Err(HandshakeError::OwnCertificateExpired);
        }
        if secret.serial() != self.prekey {
            return Err(HandshakeError::OtherPrekey {
                needed: self.prekey,
                given: secret.serial(),
            });
        }
        if one_time.map(|key| key.id) != self.one_time {
            return Err(HandshakeError::OtherOneTimeKey);
        }
        Ok(())
    }

    fn agree(
        &self,
        own_keys: &DeviceKeys,
        secret: &PrekeySecret,
        one_time: Option<&OneTimeSecret>,
    ) -> Result<Secrets, HandshakeError> {
        let eph = RemoteKey::new(&PublicKey::from(self.eph));
        let kem = match self.suite {
            Suite::Classic => None,
            Suite::Hybrid => Some(secret.decapsulate(self.kem_ct).ok_or(HandshakeError::Malformed)?),
        };
        let (dh2, dh3) = ((own_keys.dh_secret(), &eph), (secret.spk_secret(), &eph));
        Ok(match one_time {
            Some(one_time) => {
                let [dh2, dh3, dh4] = agree_all([dh2, dh3, (one_time.secret(), &eph)])?;
                let dh4 = Some(dh4);
                Secrets { dh2, dh3, dh4, kem }
            }
            None => {
                let [dh2, dh3] = agree_all([dh2, dh3])?;
                let dh4 = None;
                Secrets { dh2, dh3, dh4, kem }
            }
        })
    }

    /// Certificate and list reference.
    fn open_sender(&self, offer: &Offer<'_>, secrets: &Secrets) -> Result<Zeroizing<Vec<u8>>, HandshakeError> {
        let ff = offer.ff();
        aead::open(&secrets.flight_key(&ff), &FLIGHT_NONCE, &ff, self.sender).map_err(|_| HandshakeError::NotAuthentic)
    }

    fn check_sender(&self, peer: &Statement, own: &Statement, now: u64) -> Result<(), HandshakeError> {
        if peer.is_expired(now) {
            return Err(HandshakeError::PeerCertificateExpired);
        }
        if peer.device() == own.device() {
            return Err(HandshakeError::SameDevice);
        }
        match peer.suites.common(own.suites) {
            None => Err(HandshakeError::NoCommonSuite),
            Some(suite) if suite > self.suite => Err(HandshakeError::Downgraded),
            Some(_) if !peer.suites.contains(self.suite) => Err(HandshakeError::NoCommonSuite),
            Some(_) => Ok(()),
        }
    }
}

fn read(suite: Suite, mut reader: ByteReader<'_>) -> Option<FirstFlight<'_>> {
    let prekey = reader.u32().filter(|&id| id != 0)?;
    let one_time = Some(reader.u32()?).filter(|&id| id != 0);
    let eph = reader.array()?;
    let kem_ct = match suite {
        Suite::Classic => &[],
        Suite::Hybrid => reader.take(KEM_CIPHERTEXT_LEN)?,
    };
    let len = reader.u16()?;
    let sender = reader.take(usize::from(len))?;
    Some(FirstFlight {
        suite,
        prekey,
        one_time,
        eph,
        kem_ct,
        sender,
        message: reader.rest(),
    })
}

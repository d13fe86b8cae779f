//! The layout of the keystore file and of the secrets in it.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::{DataKey, KeystoreError, Secrets, UnlockError, slots};
use crate::aead;
use crate::codec::{ByteReader, TlvReader, TlvWriter};
use crate::control::MAX_NAME;
use crate::device::DeviceCert;
use crate::device_list::DeviceList;
use crate::identity::Identity;
use crate::kdf::{Purpose, hash};
use crate::keys::DeviceKeys;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"PARLOURK";
const VERSION: u8 = 1;
const NONCE_LEN: usize = 24;
const CHECKSUM_LEN: usize = 8;

/// A keystore file, taken apart.
pub(super) struct File {
    pub(super) password: Option<[u8; slots::PASSWORD_SLOT_LEN]>,
    pub(super) node_key: Option<[u8; slots::NODE_KEY_SLOT_LEN]>,
    /// nonce 24 || XAEAD(sk, nonce, "PARLOURK", TLV of secrets).
    pub(super) secrets: Vec<u8>,
}

impl File {
    pub(super) fn encode(&self) -> Result<Vec<u8>, KeystoreError> {
        if self.password.is_none() && self.node_key.is_none() {
            return Err(KeystoreError::NoSlot);
        }
        let mut writer = TlvWriter::new();
        writer.field(1, &[VERSION]);
        if let Some(slot) = &self.password {
            writer.field(2, slot);
        }
        if let Some(slot) = &self.node_key {
            writer.field(3, slot);
        }
        writer.field(4, &self.secrets);
        let mut out = [MAGIC.as_slice(), &writer.finish()].concat();
        let sum = checksum(&out);
        let mut last = TlvWriter::new();
        last.field(5, &sum);
        out.extend_from_slice(&last.finish());
        Ok(out)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, UnlockError> {
        let tlv = bytes.strip_prefix(MAGIC).ok_or(UnlockError::Damaged)?;
        let mut reader = TlvReader::new(tlv);
        // The version comes before the checksum: a newer file may be laid out otherwise.
        let version = reader.u8(1)?;
        if version != VERSION {
            return Err(UnlockError::Version { got: version });
        }
        let password = reader
            .optional(2)?
            .map(<[u8; _]>::try_from)
            .transpose()
            .map_err(|_| UnlockError::Damaged)?;
        let node_key = reader
            .optional(3)?
            .map(<[u8; _]>::try_from)
            .transpose()
            .map_err(|_| UnlockError::Damaged)?;
        let secrets = reader.required(4)?.to_vec();
        let sum: [u8; CHECKSUM_LEN] = reader.array(5)?;
        reader.finish()?;
        let summed = bytes
            .len()
            .checked_sub(CHECKSUM_LEN + 3)
            .and_then(|len| bytes.get(..len));
        if summed.map(checksum) != Some(sum) || (password.is_none() && node_key.is_none()) {
            return Err(UnlockError::Damaged);
        }
        Ok(Self {
            password,
            node_key,
            secrets,
        })
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let [c0, c1, c2, c3, c4, c5, c6, c7, ..] = hash(Purpose::KEYSTORE_CHECKSUM, &[bytes]);
    [c0, c1, c2, c3, c4, c5, c6, c7]
}

pub(super) fn seal_secrets(
    rng: &mut impl CryptoRng,
    key: &DataKey,
    secrets: &Secrets,
) -> Result<Vec<u8>, KeystoreError> {
    if secrets.name.len() > MAX_NAME {
        return Err(KeystoreError::Name {
            got: secrets.name.len(),
        });
    }
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let mut out = nonce.to_vec();
    let sealing = key.derive(Purpose::KEYSTORE_SECRETS, &[]);
    aead::xseal_into(&mut out, &sealing, &nonce, MAGIC, &encode_secrets(secrets));
    Ok(out)
}

pub(super) fn open_secrets(key: &DataKey, sealed: &[u8]) -> Result<Secrets, UnlockError> {
    let mut reader = ByteReader::new(sealed);
    let nonce = reader.array::<NONCE_LEN>().ok_or(UnlockError::Damaged)?;
    let opening = key.derive(Purpose::KEYSTORE_SECRETS, &[]);
    let tlv = aead::xopen(&opening, &nonce, MAGIC, reader.rest()).map_err(|_| UnlockError::Damaged)?;
    decode_secrets(&tlv)
}

fn encode_secrets(secrets: &Secrets) -> Zeroizing<Vec<u8>> {
    let (signing, dh) = secrets.device.secrets();
    let mut writer = TlvWriter::with_capacity(
        // Fields 1–3 and all tags and lengths take 6 × 3 + 96 bytes; growing would leave secrets behind.
        114usize
            .saturating_add(secrets.cert.as_bytes().len())
            .saturating_add(secrets.list.as_bytes().len())
            .saturating_add(secrets.name.len()),
    );
    if let Some(entropy) = &secrets.entropy {
        writer.field(1, entropy.as_slice());
    }
    writer
        .field(2, signing.as_slice())
        .field(3, dh.as_slice())
        .field(4, secrets.cert.as_bytes())
        .field(5, secrets.list.as_bytes())
        .field(6, secrets.name.as_bytes());
    Zeroizing::new(writer.finish())
}

fn decode_secrets(tlv: &[u8]) -> Result<Secrets, UnlockError> {
    let mut reader = TlvReader::new(tlv);
    let entropy = match reader.optional(1)? {
        None => None,
        Some(bytes) => Some(Zeroizing::new(bytes.try_into().map_err(|_| UnlockError::Damaged)?)),
    };
    let signing = Zeroizing::new(reader.array(2)?);
    let dh = Zeroizing::new(reader.array(3)?);
    let device = DeviceKeys::from_secrets(&signing, &dh);
    let cert = DeviceCert::verify(reader.required(4)?)?;
    let list = DeviceList::verify(reader.required(5)?)?;
    let name = reader.required(6)?;
    reader.finish()?;
    let name = std::str::from_utf8(name).map_err(|_| UnlockError::Damaged)?.to_owned();
    let fits = name.len() <= MAX_NAME
        && cert.device() == device.id()
        && cert.user() == list.user()
        && entropy
            .as_ref()
            .is_none_or(|entropy| Identity::from_entropy(entropy).user_id() == cert.user());
    if fits {
        Ok(Secrets {
            entropy,
            device,
            cert,
            list,
            name,
        })
    } else {
        Err(UnlockError::Damaged)
    }
}

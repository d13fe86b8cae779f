//! Renewing this device's certificate before it expires: an expired one starts no session (PROTOCOL.md section 2).

use std::fs;
use std::io;
use std::path::Path;

use parlour_crypto::{DataKey, DeviceCert, DeviceList, Identity, Keystore, Secrets, Unlock};
use zeroize::Zeroizing;

use crate::data::write_private;
use crate::random::SystemRng;

/// A certificate is renewed when it has this long to live: contacts who are away for months still learn in time.
const RENEW_MS: u64 = 180 * 24 * 3_600_000;

/// Gives the device a new certificate, on a new device list, if it is time. Only a primary device can: it has the identity.
/// Returns whether something changed.
pub(crate) fn renew(secrets: &mut Secrets, now: u64) -> bool {
    let old = &secrets.cert;
    let Some(entropy) = secrets
        .entropy
        .as_ref()
        .filter(|_| old.expires().saturating_sub(now) <= RENEW_MS)
    else {
        return false;
    };
    let identity = Identity::from_entropy(entropy);
    let cert = DeviceCert::issue(&identity, &secrets.device, old.serial().saturating_add(1), now);
    let mut certs: Vec<DeviceCert> = secrets.list.certs().to_vec();
    certs.retain(|other| other.device() != cert.device());
    certs.push(cert.clone());
    match secrets.list.next(&identity, &certs, &[], now) {
        Ok(list) => {
            (secrets.cert, secrets.list) = (cert, list);
            true
        }
        Err(error) => {
            tracing::warn!(%error, "the device's certificate could not be renewed");
            false
        }
    }
}

/// [`renew`] for the secrets of a keystore file. The new ones count once they are on the disk: two lists of one version would
/// look like a fork to contacts.
pub(crate) fn renew_on_disk(file: &Path, bytes: &[u8], key: &DataKey, secrets: &mut Secrets, now: u64) -> bool {
    let (cert, list) = (secrets.cert.clone(), secrets.list.clone());
    if !renew(secrets, now) {
        return false;
    }
    let written = Keystore::set_secrets(&mut SystemRng, bytes, key, secrets)
        .map_err(|error| io::Error::other(error.to_string()))
        .and_then(|bytes| write_private(file, &bytes));
    if let Err(error) = written {
        tracing::warn!(%error, "the renewed certificate could not be written; the old one stays");
        (secrets.cert, secrets.list) = (cert, list);
        return false;
    }
    true
}

/// What a running node does now and then: the certificate and list as they are on the disk, renewed if it was time.
///
/// # Errors
/// The keystore cannot be read.
pub(crate) fn renew_running(file: &Path, key: &DataKey, now: u64) -> io::Result<(DeviceCert, DeviceList)> {
    let bytes = Zeroizing::new(fs::read(file)?);
    let (mut secrets, key) =
        Keystore::unlock(&bytes, Unlock::DataKey(key)).map_err(|error| io::Error::other(error.to_string()))?;
    renew_on_disk(file, &bytes, &key, &mut secrets, now);
    Ok((secrets.cert, secrets.list))
}

//! The certificate that the door to the network shows: one that this node made for itself and keeps in its data directory, or
//! one that its user has from elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parlour_store::private_dir;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use zeroize::Zeroizing;

use crate::data::write_private;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a certificate is good that is made here: browsers take none for longer than 825 days.
const LASTS_DAYS: u32 = 800;
/// A new one is made when this much is left, so that there is time to tell.
const RENEW_DAYS: u32 = 30;
/// Before it was made, for clocks that are behind.
const BEFORE_DAYS: u32 = 2;
/// Names of one certificate: those of networks this machine was in stay, and the list does not grow without end.
const MAX_NAMES: usize = 32;

/// What anybody may know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// SHA-256 of its DER form, as browsers show it: pairs of capital hexadecimal digits between colons.
    pub(crate) fingerprint: String,
    /// When it ends, ms since 1970.
    pub(crate) ends: u64,
    /// The DNS names and IP addresses it is for.
    pub(crate) names: BTreeSet<String>,
    /// This node made it for itself.
    pub(crate) own: bool,
}

/// A certificate with its key.
pub(crate) struct Shown {
    pub(crate) facts: Facts,
    pub(crate) key: CertifiedKey,
}

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read as what it should be.
    #[error("{} holds no {what} in PEM form", path.display())]
    Pem {
        /// Which file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate does not parse.
    #[error("the certificate in {} cannot be read", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
    },
    /// They do not belong together, or the key is of a kind that is not known.
    #[error("the key in {} is not the certificate's, or is of an unknown kind", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// None could be made.
    #[error("a certificate could not be made")]
    Make(#[from] rcgen::Error),
    /// The one that was made could not be kept.
    #[error("the certificate could not be written")]
    Write(#[from] io::Error),
}

/// The certificate kept in `folder`, as long as it is good for these names and for some weeks; else a new one in its place,
/// with a new key. `now` is ms since 1970.
pub(crate) fn kept(folder: &Path, names: &BTreeSet<String>, now: u64) -> Result<Shown, CertificateError> {
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let mut names = names.clone();
    if certificate.exists() {
        match read(&certificate, &key, true) {
            Ok(shown)
                if names.is_subset(&shown.facts.names) && shown.facts.ends > now.saturating_add(days(RENEW_DAYS)) =>
            {
                return Ok(shown);
            }
            Ok(shown) => {
                let before = shown.facts.names.into_iter();
                let room = MAX_NAMES.saturating_sub(names.len());
                let before: Vec<String> = before.filter(|name| !names.contains(name)).take(room).collect();
                names.extend(before);
            }
            // It is made of nothing but chance: another is as good, once its fingerprint is told.
            Err(error) => tracing::warn!(%error, "the node's TLS certificate is made anew"),
        }
    }
    private_dir(folder)?;
    let (made, secret) = make(&names, now)?;
    // A key without its certificate is noticed, and both are made again.
    write_private(&key, secret.as_bytes())?;
    write_private(&certificate, made.as_bytes())?;
    read(&certificate, &key, true)
}

/// A certificate chain (the node's own first) and a key from PEM files.
pub(crate) fn read(certificate: &Path, key: &Path, own: bool) -> Result<Shown, CertificateError> {
    let pem = |path: &Path, what| {
        let path = path.to_owned();
        move |source| CertificateError::Pem { path, what, source }
    };
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_file_iter(certificate).and_then(|all| all.collect());
    let chain = chain.map_err(pem(certificate, "certificate"))?;
    let Some(first) = chain.first() else {
        let none = rustls::pki_types::pem::Error::NoItemsFound;
        return Err(pem(certificate, "certificate")(none));
    };
    let facts = facts(first, own).ok_or_else(|| CertificateError::Certificate {
        path: certificate.to_owned(),
    })?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(pem(key, "private key"))?;
    let key = CertifiedKey::from_der(chain, secret, &aws_lc_rs::default_provider()).map_err(|source| {
        CertificateError::Key {
            path: key.to_owned(),
            source,
        }
    })?;
    Ok(Shown { facts, key })
}

fn facts(der: &CertificateDer<'_>, own: bool) -> Option<Facts> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let ends = certificate.validity().not_after.timestamp();
    let digest = Sha256::digest(der.as_ref());
    let fingerprint: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    Some(Facts {
        fingerprint: fingerprint.join(":"),
        ends: u64::try_from(ends).unwrap_or(0).saturating_mul(1_000),
        names: names(&certificate),
        own,
    })
}

fn names(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return BTreeSet::new();
    };
    let names = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(|ip| ip.to_string()),
        _ => None,
    });
    names.collect()
}

/// A certificate for these names and its key, both in PEM form.
fn make(names: &BTreeSet<String>, now: u64) -> Result<(String, Zeroizing<String>), CertificateError> {
    let names: Vec<String> = names.iter().cloned().collect();
    let mut wanted = CertificateParams::new(names)?;
    wanted.distinguished_name = DistinguishedName::new();
    wanted.distinguished_name.push(DnType::CommonName, "parlour");
    wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (year, month, day) = date(now.saturating_sub(days(BEFORE_DAYS)));
    wanted.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = date(now.saturating_add(days(LASTS_DAYS)));
    wanted.not_after = rcgen::date_time_ymd(year, month, day);
    let key = KeyPair::generate()?;
    let made = wanted.self_signed(&key)?;
    Ok((made.pem(), Zeroizing::new(key.serialize_pem())))
}

/// Year, month and day (UTC) of a time in ms since 1970.
fn date(ms: u64) -> (i32, u8, u8) {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let day = time.to_zoned(jiff::tz::TimeZone::UTC).date();
    let number = |part: i8| u8::try_from(part).unwrap_or(1);
    (i32::from(day.year()), number(day.month()), number(day.day()))
}

fn days(count: u32) -> u64 {
    u64::try_from(DAY.saturating_mul(count).as_millis()).unwrap_or(u64::MAX)
}

/// How this machine is called and where it is, as far as it can tell without asking anybody.
pub(crate) fn machine() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    if let Some(name) = host_name() {
        if !name.contains('.') {
            names.insert(format!("{name}.local"));
        }
        names.insert(name);
    }
    names.extend(outward().iter().map(ToString::to_string));
    names
}

/// What the system calls this machine.
pub(crate) fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname"));
    let name = name.ok()?.trim().to_ascii_lowercase();
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (!name.is_empty() && name.len() <= 253 && name.chars().all(known) && name != "localhost").then_some(name)
}

/// The addresses from which this machine would go out. Nothing is sent: a UDP socket that is connected has chosen its address.
pub(crate) fn outward() -> Vec<IpAddr> {
    let ways = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    let from = |(any, there): (&str, &str)| {
        let socket = std::net::UdpSocket::bind(any).ok()?;
        socket.connect(there).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
    };
    ways.into_iter().filter_map(from).collect()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const NOW: u64 = 1_790_000_000_000;

    fn of(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_certificate_is_kept_until_it_is_nearly_over() {
        let folder = TempDir::new().unwrap();
        let names = of(&["localhost", "192.168.1.5", "::1"]);
        let made = kept(folder.path(), &names, NOW).unwrap().facts;
        assert_eq!(made.names, names);
        assert_eq!(made.fingerprint.len(), 32 * 3 - 1);
        let left = made.ends - NOW;
        assert!(left > days(LASTS_DAYS - 2) && left <= days(LASTS_DAYS), "{left}");
        let late = made.ends - days(RENEW_DAYS) - 1;
        assert_eq!(kept(folder.path(), &names, late).unwrap().facts, made);
        let next = kept(folder.path(), &names, late + 1).unwrap().facts;
        assert_ne!(next.fingerprint, made.fingerprint);
        assert!(next.ends > made.ends + days(LASTS_DAYS - 2 * RENEW_DAYS));
    }

    #[test]
    fn a_new_name_makes_a_new_one_that_keeps_the_old_names() {
        let folder = TempDir::new().unwrap();
        let first = kept(folder.path(), &of(&["localhost", "10.0.0.1"]), NOW).unwrap().facts;
        let second = kept(folder.path(), &of(&["localhost", "10.0.0.2"]), NOW).unwrap().facts;
        assert_eq!(second.names, of(&["localhost", "10.0.0.1", "10.0.0.2"]));
        assert_ne!(first.fingerprint, second.fingerprint);
        let same = kept(folder.path(), &of(&["localhost", "10.0.0.1"]), NOW).unwrap().facts;
        assert_eq!(same, second);
        for n in 0..100 {
            let many = kept(folder.path(), &of(&[&format!("10.1.0.{n}")]), NOW).unwrap().facts;
            assert!(many.names.len() <= MAX_NAMES && many.names.contains(&format!("10.1.0.{n}")));
        }
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_the_key() {
        use std::os::unix::fs::PermissionsExt;

        let folder = TempDir::new().unwrap();
        let inside = folder.path().join("tls");
        kept(&inside, &of(&["localhost"]), NOW).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inside), mode(&inside.join("key.pem"))), (0o700, 0o600));
    }

    #[test]
    fn damaged_files_and_a_key_of_another_are_made_anew() {
        let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let names = of(&["localhost"]);
        let first = kept(folder.path(), &names, NOW).unwrap().facts;
        kept(other.path(), &names, NOW).unwrap();
        fs::copy(other.path().join("key.pem"), folder.path().join("key.pem")).unwrap();
        let second = kept(folder.path(), &names, NOW).unwrap().facts;
        assert_ne!(first.fingerprint, second.fingerprint);
        fs::write(
            folder.path().join("certificate.pem"),
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
        )
        .unwrap();
        let third = kept(folder.path(), &names, NOW).unwrap().facts;
        assert_ne!(second.fingerprint, third.fingerprint);
    }

    #[test]
    fn files_from_elsewhere_that_are_wrong_say_which_and_stay_as_they_are() {
        let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        kept(folder.path(), &of(&["localhost"]), NOW).unwrap();
        kept(other.path(), &of(&["localhost"]), NOW).unwrap();
        let file = |folder: &TempDir, name: &str| folder.path().join(name);
        let (certificate, key) = (file(&folder, "certificate.pem"), file(&folder, "key.pem"));
        assert!(!read(&certificate, &key, false).unwrap().facts.own);
        let refused = |certificate: &Path, key: &Path| read(certificate, key, false).err().unwrap().to_string();
        assert!(refused(&certificate, &file(&other, "key.pem")).contains("is not the certificate's"));
        assert!(refused(&key, &key).contains("holds no certificate"));
        assert!(refused(&certificate, &certificate).contains("holds no private key"));
        assert!(refused(&file(&folder, "none"), &key).contains("none holds no certificate"));
        assert!(fs::read_to_string(&key).unwrap().contains("PRIVATE KEY"));
    }
}

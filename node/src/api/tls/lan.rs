//! A door for the other machines of a network: where it is, by which names, with which certificate.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::certificate::{self, CertificateError};
use super::{Source, Tls};
use crate::api::BindError;

/// What a door to the network is opened with.
#[derive(Debug, Clone)]
pub struct Lan {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Further names by which it is reached, such as a router's or a container host's.
    pub hosts: Vec<HostName>,
    /// What it shows.
    pub certificate: Certificate,
}

/// Where the certificate of a door comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificate {
    /// This node makes it, and keeps it in its data directory.
    Own,
    /// Files in PEM form: the chain, and the key.
    Files {
        /// The chain, the node's own certificate first.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// Why a door to the network could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LanError {
    /// Its address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// There is no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// A name or an IP address, with a port or without: how a browser's address line may call the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Name(String),
    Ip(IpAddr),
}

/// Not a name by which a door can be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a machine: expected NAME, NAME:PORT, IP or IP:PORT")]
pub struct HostNameError(String);

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let wrong = || HostNameError(text.to_owned());
        if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(Self {
                host: Host::Ip(ip),
                port: None,
            });
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: Host::Ip(address.ip()),
                port: Some(address.port()),
            });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let label = |label: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            !label.is_empty() && label.len() <= 63 && label.chars().all(known)
        };
        // Nothing but digits at the end would be an IP address that is none.
        let last = name.rsplit('.').next().unwrap_or_default();
        if name.len() > 253 || !name.split('.').all(label) || last.chars().all(|c| c.is_ascii_digit()) {
            return Err(wrong());
        }
        Ok(Self {
            host: Host::Name(name.to_ascii_lowercase()),
            port,
        })
    }
}

impl HostName {
    /// Without the port, as a certificate has it.
    pub(super) fn name(&self) -> String {
        match &self.host {
            Host::Name(name) => name.clone(),
            Host::Ip(ip) => ip.to_string(),
        }
    }

    /// As a browser sends it to a door at this port, where it names no other.
    pub(crate) fn authority(&self, port: u16) -> String {
        let host = match &self.host {
            Host::Name(name) => name.clone(),
            Host::Ip(IpAddr::V4(ip)) => ip.to_string(),
            Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        };
        authority(&host, self.port.unwrap_or(port))
    }
}

/// `HOST:PORT`, and `HOST` alone where HTTPS means the port.
fn authority(host: &str, port: u16) -> String {
    match port {
        443 => host.to_owned(),
        port => format!("{host}:{port}"),
    }
}

/// An address as a browser sends it.
pub(crate) fn authority_of(address: SocketAddr) -> String {
    let host = match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    authority(&host, address.port())
}

/// A door to the network that is open.
#[derive(Clone)]
pub(crate) struct LanDoor {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    hosts: Vec<HostName>,
    pub(crate) tls: Arc<Tls>,
}

impl Lan {
    /// Reads or makes the certificate; those made are kept in `folder`.
    pub(crate) fn door(self, address: SocketAddr, folder: &Path) -> Result<LanDoor, CertificateError> {
        let source = match self.certificate {
            Certificate::Own => Source::Kept {
                folder: folder.to_owned(),
                hosts: self.hosts.clone(),
                listen: address,
            },
            Certificate::Files { certificate, key } => Source::Given { certificate, key },
        };
        Ok(LanDoor {
            address,
            hosts: self.hosts,
            tls: Arc::new(Tls::open(source)?),
        })
    }
}

impl LanDoor {
    /// What requests may call it, besides the address they came to: this machine's names and those that were given.
    pub(crate) fn authorities(&self) -> Vec<String> {
        let port = self.address.port();
        let own = ["127.0.0.1", "localhost", "[::1]"].map(|host| authority(host, port));
        let mut all = Vec::from(own);
        if let Some(name) = certificate::host_name() {
            if !name.contains('.') {
                all.push(authority(&format!("{name}.local"), port));
            }
            all.push(authority(&name, port));
        }
        all.extend(self.hosts.iter().map(|host| host.authority(port)));
        all
    }

    /// Where others find it, the names that were given first: `https://HOST:PORT`.
    pub(crate) fn urls(&self) -> Vec<String> {
        let port = self.address.port();
        let given = self.hosts.iter().map(|host| host.authority(port));
        let found = match self.address.ip().is_unspecified() {
            true => certificate::outward(),
            false => vec![self.address.ip()],
        };
        let is_v4 = self.address.is_ipv4();
        let found = found.into_iter().filter(|ip| !is_v4 || ip.is_ipv4());
        let mut urls: Vec<String> = Vec::new();
        for host in given.chain(found.map(|ip| authority_of(SocketAddr::new(ip, port)))) {
            let url = format!("https://{host}");
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        if urls.is_empty() {
            urls.push(format!("https://{}", authority("localhost", port)));
        }
        urls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_as_browsers_name_it() {
        for (text, port, expected) in [
            ("Box.example", 7743, "box.example:7743"),
            ("box", 443, "box"),
            ("box:8443", 443, "box:8443"),
            ("192.168.1.5", 7743, "192.168.1.5:7743"),
            ("192.168.1.5:1", 7743, "192.168.1.5:1"),
            ("::1", 7743, "[::1]:7743"),
            ("[fd00::1]", 443, "[fd00::1]"),
            ("[fd00::1]:9", 443, "[fd00::1]:9"),
        ] {
            assert_eq!(text.parse::<HostName>().unwrap().authority(port), expected, "{text}");
        }
        for wrong in [
            "",
            "a b",
            "*",
            "box:",
            "box:x",
            "http://box",
            "1.2.3",
            "box/",
            "a..b",
            "box:70000",
            "-:é",
        ] {
            assert!(wrong.parse::<HostName>().is_err(), "{wrong}");
        }
    }
}

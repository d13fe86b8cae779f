//! The door to the network: what the options and `DATA/parlour.toml` say of it.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use parlour_node::{Certificate, HostName, Lan};
use serde::Deserialize;

use crate::config::FILE;

/// Where it listens if nothing is said.
const LISTEN: &str = "0.0.0.0:7743";

/// What the options say.
#[derive(Debug, Default, Args)]
pub(crate) struct LanOptions {
    /// Also let other machines of the network in to the API and the page, over TLS [default address: 0.0.0.0:7743]
    #[arg(long, value_name = "IP:PORT", env = "PARLOUR_LAN", num_args = 0..=1, default_missing_value = LISTEN)]
    lan: Option<SocketAddr>,
    /// One more name by which they reach it, such as a router's or a container host's: NAME or NAME:PORT; repeatable
    #[arg(
        long = "lan-host",
        value_name = "NAME",
        env = "PARLOUR_LAN_HOST",
        value_delimiter = ','
    )]
    hosts: Vec<HostName>,
    /// Show this certificate there (PEM, with its chain) in place of one that the node makes
    #[arg(long, value_name = "FILE", env = "PARLOUR_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of that certificate (PEM)
    #[arg(long, value_name = "FILE", env = "PARLOUR_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// What the file says, under `[lan]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LanPart {
    listen: Option<SocketAddr>,
    #[serde(default)]
    hosts: Vec<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl LanOptions {
    /// What both say together; an option stands for what the file says of the same. `None`: the door stays shut.
    ///
    /// # Errors
    /// They say what cannot be.
    pub(crate) fn with(self, file: Option<LanPart>) -> Result<Option<Lan>> {
        let is_wanted = self.lan.is_some() || file.is_some();
        if !is_wanted && (self.tls_cert.is_some() || !self.hosts.is_empty()) {
            bail!("--lan-host and --tls-cert are for the door to the network: say --lan, too");
        }
        let file = file.unwrap_or_default();
        let mut hosts = self.hosts;
        if hosts.is_empty() {
            for host in &file.hosts {
                hosts.push(host.parse()?);
            }
        }
        let certificate = match (self.tls_cert.or(file.certificate), self.tls_key.or(file.key)) {
            (Some(certificate), Some(key)) => Certificate::Files { certificate, key },
            (None, None) => Certificate::Own,
            _ => bail!("[lan] of {FILE} needs both: certificate and key"),
        };
        let listen = match self.lan.or(file.listen) {
            Some(listen) => listen,
            None => LISTEN.parse()?,
        };
        Ok(is_wanted.then_some(Lan {
            listen,
            hosts,
            certificate,
        }))
    }
}

/// Where the API listens: it speaks in plain, so with programs of this machine alone.
pub(crate) fn own_address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "it is an address such as 127.0.0.1:7700".to_owned())?;
    match address.ip().is_loopback() {
        true => Ok(address),
        false => Err(format!(
            "the API is not encrypted, and for this machine alone: leave it at 127.0.0.1:{}; `--lan {address}` lets others in over TLS",
            address.port()
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        lan: LanOptions,
    }

    fn of(options: &[&str], file: Option<&str>) -> Result<Option<Lan>> {
        let typed = Typed::try_parse_from(["up"].iter().chain(options))?;
        let part = file.map(|text| -> Result<LanPart> {
            use figment::providers::{Format, Toml};
            Ok(figment::Figment::from(Toml::string(text)).extract()?)
        });
        typed.lan.with(part.transpose()?)
    }

    #[test]
    fn the_door_is_shut_unless_an_option_or_the_file_opens_it() {
        assert!(of(&[], None).unwrap().is_none());
        assert_eq!(of(&["--lan"], None).unwrap().unwrap().listen.to_string(), LISTEN);
        assert_eq!(of(&[], Some("")).unwrap().unwrap().listen.to_string(), LISTEN);
        let lan = of(
            &["--lan", "[::1]:1"],
            Some("listen = \"10.0.0.1:2\"\nhosts = [\"box\"]"),
        )
        .unwrap()
        .unwrap();
        assert_eq!((lan.listen.port(), lan.hosts), (1, vec!["box".parse().unwrap()]));
    }

    #[test]
    fn a_certificate_has_its_key_and_a_door() {
        let both = ["--lan", "--tls-cert", "c", "--tls-key", "k"];
        let lan = of(&both, None).unwrap().unwrap();
        assert!(matches!(lan.certificate, Certificate::Files { .. }));
        assert!(of(&both[..3], None).is_err());
        assert!(of(&both[1..], None).is_err());
        assert!(of(&["--lan-host", "box"], None).is_err());
        assert!(of(&[], Some("certificate = \"c\"")).is_err());
        assert!(of(&[], Some("hosts = [\"a b\"]")).is_err());
    }

    #[test]
    fn the_api_in_plain_is_for_this_machine() {
        assert!(own_address("127.0.0.1:7700").is_ok() && own_address("[::1]:0").is_ok());
        for wrong in ["0.0.0.0:7700", "192.168.1.5:7700", "[::]:7700"] {
            assert!(own_address(wrong).unwrap_err().contains("--lan"), "{wrong}");
        }
        assert!(own_address("nowhere").is_err());
    }
}

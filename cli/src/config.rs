//! `DATA/parlour.toml`: what `parlour up` is told each time. Options and `PARLOUR_*` come before it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use figment::Figment;
use figment::providers::{Format, Toml};
use parlour_node::{ApiLimits, Family, Gateway, Lan, Registration, Ui};
use serde::Deserialize;

use crate::lan::{LanOptions, LanPart};
use crate::limits::LimitsPart;

/// Its name in the data directory.
pub(crate) const FILE: &str = "parlour.toml";

/// What can stand in it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Who may make an account through the API and the gateways.
    registration: Option<String>,
    /// Where others reach this node besides.
    #[serde(default)]
    announce: Vec<String>,
    /// Nodes to stay connected to.
    #[serde(default)]
    bootstrap: Vec<String>,
    /// The door to the network.
    lan: Option<LanPart>,
    /// How much it serves.
    #[serde(default)]
    limits: LimitsPart,
    /// Whether the node's people become contacts of each other by themselves.
    local_contacts: Option<bool>,
    /// Origins whose pages may use the API with a token.
    #[serde(default)]
    origins: Vec<String>,
    /// By the names of the families.
    #[serde(default)]
    gateways: BTreeMap<String, GatewayPart>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GatewayPart {
    listen: Option<SocketAddr>,
    ui: Option<String>,
    /// In the place of the family's usual one.
    origins: Option<Vec<String>>,
}

/// What the options say of gateways.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) gateways: Vec<Named>,
    pub(crate) uis: Vec<(Family, Ui)>,
    pub(crate) origins: Vec<(Family, String)>,
}

/// A gateway as an option names it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    gateway: Gateway,
    with_address: bool,
}

impl std::str::FromStr for Named {
    type Err = parlour_node::GatewayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self {
            gateway: text.parse()?,
            with_address: text.contains('='),
        })
    }
}

impl Config {
    /// Reads the file; none is an empty one.
    ///
    /// # Errors
    /// It cannot be read, or says something that is not known.
    pub(crate) fn read(data: &Path) -> Result<Self> {
        let file = data.join(FILE);
        if !file.exists() {
            return Ok(Self::default());
        }
        let read = Figment::from(Toml::file_exact(&file)).extract();
        read.with_context(|| format!("cannot use {}", file.display()))
    }

    /// The rule of registration, if the file has one.
    ///
    /// # Errors
    /// There is no such rule.
    pub(crate) fn registration(&self) -> Result<Option<Registration>> {
        let rule = self.registration.as_deref().map(str::parse).transpose();
        rule.with_context(|| format!("cannot use registration of {FILE}"))
    }

    /// The door to the network, if the options or the file open it.
    ///
    /// # Errors
    /// They say what cannot be.
    pub(crate) fn lan(&mut self, told: LanOptions) -> Result<Option<Lan>> {
        told.with(self.lan.take())
    }

    /// How much the node serves.
    ///
    /// # Errors
    /// The file has a number that is none to serve by.
    pub(crate) fn limits(&self) -> Result<ApiLimits> {
        let limits = self.limits.apply(ApiLimits::default());
        limits.with_context(|| format!("cannot use [limits] of {FILE}"))
    }

    /// What the options say of addresses to announce, or else the file.
    pub(crate) fn announce(&self, told: Vec<String>) -> Vec<String> {
        told_or(told, &self.announce)
    }

    /// What the options say of nodes to stay connected to, or else the file.
    pub(crate) fn bootstrap(&self, told: Vec<String>) -> Vec<String> {
        told_or(told, &self.bootstrap)
    }

    /// Whether the node's people become contacts of each other by themselves, if the file says it.
    pub(crate) fn local_contacts(&self) -> Option<bool> {
        self.local_contacts
    }

    /// The origins of the file and of the options whose pages may use the API.
    ///
    /// # Errors
    /// One of them is none.
    pub(crate) fn pages(&self, told: Vec<String>) -> Result<Vec<String>> {
        let all: Vec<String> = self.origins.iter().cloned().chain(told).collect();
        all.iter().try_for_each(|origin| Gateway::check_origin(origin))?;
        Ok(all)
    }

    /// The gateways of the file and of the options, each family once; an option stands for what the file says of the same.
    ///
    /// # Errors
    /// The file names what there is not.
    pub(crate) fn gateways(self, told: Told) -> Result<Vec<Gateway>> {
        let mut all = BTreeMap::new();
        for (name, part) in self.gateways {
            let gateway = part.gateway(&name);
            let gateway = gateway.with_context(|| format!("cannot use [gateways.{name}] of {FILE}"))?;
            all.insert(gateway.family, gateway);
        }
        for Named { gateway, with_address } in told.gateways {
            let known = all.entry(gateway.family).or_insert_with(|| gateway.clone());
            if with_address {
                known.listen = gateway.listen;
            }
        }
        for (family, ui) in told.uis {
            all.entry(family).or_insert_with(|| Gateway::of(family)).ui = Some(ui);
        }
        for (family, origin) in told.origins {
            all.entry(family)
                .or_insert_with(|| Gateway::of(family))
                .allow(&origin)?;
        }
        Ok(all.into_values().collect())
    }
}

impl GatewayPart {
    fn gateway(self, name: &str) -> Result<Gateway> {
        let mut gateway = Gateway::of(name.parse()?);
        if let Some(listen) = self.listen {
            gateway = gateway.at(listen)?;
        }
        gateway.ui = self.ui.as_deref().map(str::parse).transpose()?;
        if let Some(origins) = &self.origins {
            gateway.origins.clear();
            origins.iter().try_for_each(|origin| gateway.allow(origin))?;
        }
        Ok(gateway)
    }
}

/// A list of an option stands for the file's; one that is empty, as compose files give it, is none.
fn told_or(told: Vec<String>, file: &[String]) -> Vec<String> {
    let told: Vec<String> = told.into_iter().filter(|one| !one.trim().is_empty()).collect();
    if told.is_empty() { file.to_vec() } else { told }
}

/// `NAME=VALUE` of an option for a gateway.
pub(crate) fn of_gateway<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<(Family, T), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "say for which gateway: NAME=VALUE".to_owned())?;
    let family = name
        .parse()
        .map_err(|error: parlour_node::GatewayError| error.to_string())?;
    Ok((family, value.parse().map_err(|error: T::Err| error.to_string())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, told: Told) -> Result<Vec<Gateway>> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join(FILE), text)?;
        Config::read(folder.path())?.gateways(told)
    }

    #[test]
    fn options_come_before_the_file_and_what_neither_says_is_usual() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            Config::read(folder.path())
                .unwrap()
                .gateways(Told::default())
                .unwrap()
                .is_empty()
        );
        let text = "[gateways.echoroom]\nlisten = \"127.0.0.1:3999\"\nui = \"http://127.0.0.1:5173\"\n\
                    origins = [\"http://localhost:5173\"]\n";
        let [gateway] = &of(text, Told::default()).unwrap()[..] else {
            panic!("one gateway");
        };
        assert_eq!(gateway.listen.port(), 3999);
        assert_eq!(gateway.ui, Some(Ui::Server("127.0.0.1:5173".into())));
        let told = Told {
            gateways: vec!["echoroom=127.0.0.1:4000".parse().unwrap()],
            uis: vec![of_gateway("echoroom=http://localhost:1").unwrap()],
            origins: vec![of_gateway("echoroom=http://localhost:2").unwrap()],
        };
        let [gateway] = &of(text, told).unwrap()[..] else {
            panic!("one gateway");
        };
        assert_eq!((gateway.listen.port(), gateway.origins.len()), (4000, 2));
        assert_eq!(gateway.ui, Some(Ui::Server("localhost:1".into())));
        let told = Told {
            gateways: vec!["echoroom".parse().unwrap()],
            ..Told::default()
        };
        assert_eq!(of(text, told).unwrap()[0].listen.port(), 3999, "no address was named");
        let [gateway] = &of("[gateways.echoroom]\n", Told::default()).unwrap()[..] else {
            panic!("one gateway");
        };
        assert_eq!(*gateway, Gateway::of(Family::EchoRoom));
    }

    #[test]
    fn addresses_of_options_stand_for_those_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let text = "announce = [\"ada.example:1\"]\nbootstrap = [\"bo:2\", \"cy:3\"]\n";
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let config = Config::read(folder.path()).unwrap();
        assert_eq!(config.announce(vec![String::new()]), ["ada.example:1"]);
        assert_eq!(config.bootstrap(Vec::new()), ["bo:2", "cy:3"]);
        assert_eq!(config.bootstrap(vec!["dee:4".into()]), ["dee:4"]);
    }

    #[test]
    fn the_rule_of_registration_is_one_of_four() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            Config::read(folder.path()).unwrap().registration()
        };
        assert_eq!(read("").unwrap(), None);
        std::fs::write(folder.path().join(FILE), "local_contacts = false").unwrap();
        assert_eq!(Config::read(folder.path()).unwrap().local_contacts(), Some(false));
        assert_eq!(read("registration = \"invite\"").unwrap(), Some(Registration::Invite));
        assert!(format!("{:#}", read("registration = \"all\"").unwrap_err()).contains("all"));
    }

    #[test]
    fn what_is_not_known_is_an_error_that_names_it() {
        for (text, name) in [
            ("gateway = 1", "gateway"),
            ("[gateways.chat]", "chat"),
            ("[gateways.echoroom]\nport = 1", "port"),
            ("[gateways.echoroom]\nlisten = \"0.0.0.0:3000\"", "this machine"),
            ("[gateways.echoroom]\nui = \"http://example.org\"", "example.org"),
            ("[gateways.echoroom]\norigins = [\"*\"]", "*"),
            ("nonsense", "parlour.toml"),
        ] {
            let error = format!("{:#}", of(text, Told::default()).unwrap_err());
            assert!(error.contains(name), "{text}: {error}");
        }
        assert!(of_gateway::<Ui>("http://127.0.0.1:1").is_err());
        assert!(of_gateway::<Ui>("chat=http://127.0.0.1:1").is_err());
    }
}

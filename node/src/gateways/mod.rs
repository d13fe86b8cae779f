//! Gateways: other chat backends' APIs, each on a port of its own, for web UIs that were written for them. A gateway turns its
//! family's requests into requests of API v1, answered inside the process by the same router with the same checks, and the answers into
//! its family's. It reads no store, touches no key and holds nothing but what belongs to one connection.

mod chatterbox;
mod cookie;
mod echoroom;
mod form;
mod history;
mod inside;
mod live;
mod people;
mod pictures;
mod public;
mod request;
mod socketchat;
mod ui;

use std::net::SocketAddr;
use std::str::FromStr;

use axum::Router;
use tokio::sync::watch;

use crate::api::{self, BindError, Door, Rooms};
use inside::Inside;
pub use ui::{Ui, UiError};

/// Which backend is spoken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// REST and Socket.IO; rooms, recovery by sequence numbers.
    EchoRoom,
    /// REST and Socket.IO; rooms by name, reactions, receipts.
    SocketChat,
    /// REST alone; conversations, contacts and rooms alike.
    Chatterbox,
}

impl FromStr for Family {
    type Err = GatewayError;

    fn from_str(text: &str) -> Result<Self, GatewayError> {
        let known = [Self::EchoRoom, Self::SocketChat, Self::Chatterbox]
            .into_iter()
            .find(|family| family.name() == text);
        known.ok_or_else(|| GatewayError::Unknown(text.to_owned()))
    }
}

impl Family {
    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EchoRoom => "echoroom",
            Self::SocketChat => "socketchat",
            Self::Chatterbox => "chatterbox",
        }
    }

    /// The port its UIs expect.
    fn port(self) -> u16 {
        match self {
            Self::EchoRoom => 3000,
            Self::SocketChat => 5000,
            Self::Chatterbox => 9002,
        }
    }

    /// Where its UIs are served while they are developed, as the family's documents say.
    fn development(self) -> Option<&'static str> {
        match self {
            Self::EchoRoom => Some("http://localhost:5173"),
            Self::SocketChat | Self::Chatterbox => None,
        }
    }

    /// Whether pages of other origins, as far as they are let in, may also read what it answers. Nobody has to, where UIs ask
    /// relative to where they came from.
    fn shares(self) -> bool {
        match self {
            Self::EchoRoom | Self::SocketChat => true,
            Self::Chatterbox => false,
        }
    }
}

/// A gateway to open: `NAME` or `NAME=IP:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Which.
    pub family: Family,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Origins besides its own whose pages may use it, with what a browser keeps for them.
    pub origins: Vec<String>,
    /// The UI that is served with it.
    pub ui: Option<Ui>,
}

impl Gateway {
    /// The gateway of this family where its UIs expect it.
    #[must_use]
    pub fn of(family: Family) -> Self {
        Self {
            family,
            listen: SocketAddr::from(([127, 0, 0, 1], family.port())),
            origins: family.development().map(ToOwned::to_owned).into_iter().collect(),
            ui: None,
        }
    }

    /// Lets it listen elsewhere.
    ///
    /// # Errors
    /// The address is not this machine's own.
    pub fn at(mut self, listen: SocketAddr) -> Result<Self, GatewayError> {
        if !listen.ip().is_loopback() {
            return Err(GatewayError::NotLoopback);
        }
        self.listen = listen;
        Ok(self)
    }

    /// Lets pages of one more origin use it.
    ///
    /// # Errors
    /// It is no origin as browsers write them.
    pub fn allow(&mut self, origin: &str) -> Result<(), GatewayError> {
        Self::check_origin(origin)?;
        self.origins.push(origin.to_owned());
        Ok(())
    }

    /// Whether a text is an origin as browsers write them.
    ///
    /// # Errors
    /// It is none.
    pub fn check_origin(origin: &str) -> Result<(), GatewayError> {
        let host = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        let is_host = |host: &str| {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
            !host.is_empty() && host.chars().all(is_plain)
        };
        if !host.is_some_and(is_host) {
            return Err(GatewayError::BadOrigin(origin.to_owned()));
        }
        Ok(())
    }
}

/// Why a text names no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// There is none of this name.
    #[error("there is no gateway {0:?}; there are echoroom, socketchat and chatterbox")]
    Unknown(String),
    /// Not an address.
    #[error("{0:?} is no address: IP:PORT")]
    BadAddress(String),
    /// It is not this machine's own.
    #[error("a gateway listens on this machine only: 127.0.0.1:PORT or [::1]:PORT")]
    NotLoopback,
    /// Not as browsers write it.
    #[error(
        "{0:?} is no origin: http://HOST:PORT, as the browser's address line has it, in lower case and with nothing behind"
    )]
    BadOrigin(String),
}

impl FromStr for Gateway {
    type Err = GatewayError;

    fn from_str(text: &str) -> Result<Self, GatewayError> {
        let (name, address) = text
            .split_once('=')
            .map_or((text, None), |(name, address)| (name, Some(address)));
        let gateway = Self::of(name.parse()?);
        match address {
            Some(address) => {
                let listen = address.parse();
                gateway.at(listen.map_err(|_| GatewayError::BadAddress(address.to_owned()))?)
            }
            None => Ok(gateway),
        }
    }
}

/// A gateway that has its address, and is served by [`Open::run`].
pub(crate) struct Open {
    pub(crate) family: Family,
    pub(crate) address: SocketAddr,
    listener: tokio::net::TcpListener,
    door: Door,
    ui: Option<Ui>,
}

impl Open {
    /// Takes the address.
    ///
    /// # Errors
    /// It cannot be had.
    pub(crate) async fn bind(gateway: Gateway, native: &Door) -> Result<Self, BindError> {
        let listener = api::bind(gateway.listen).await?;
        let address = listener.local_addr().unwrap_or(gateway.listen);
        Ok(Self {
            family: gateway.family,
            address,
            door: native.gateway(address, &gateway.origins, gateway.family.shares()),
            listener,
            ui: gateway.ui,
        })
    }

    /// Serves until the node stops; `rooms` is what stands behind the native API's door.
    pub(crate) async fn run(self, native: Door, rooms: watch::Receiver<Rooms>) {
        let inside = Inside::new(native, rooms);
        let router: Router = match self.family {
            Family::EchoRoom => echoroom::router(inside, self.door.clone(), self.ui.as_ref()),
            Family::SocketChat => socketchat::router(inside, self.door.clone(), self.ui.as_ref()),
            Family::Chatterbox => chatterbox::router(inside, self.door.clone(), self.ui.as_ref()),
        };
        let (_, rooms) = watch::channel(Rooms::from([router]));
        api::run(self.listener, self.door, rooms).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_a_name_with_or_without_an_address_of_this_machine() {
        let gateway: Gateway = "echoroom".parse().unwrap();
        assert_eq!(gateway.listen.to_string(), "127.0.0.1:3000");
        let gateway: Gateway = "echoroom=[::1]:3999".parse().unwrap();
        assert_eq!(gateway.listen.to_string(), "[::1]:3999");
        let gateway: Gateway = "chatterbox".parse().unwrap();
        assert_eq!((gateway.family, gateway.listen.port()), (Family::Chatterbox, 9002));
        for wrong in [
            "",
            "chat",
            "echoroom=",
            "echoroom=3000",
            "echoroom=0.0.0.0:3000",
            "echoroom=10.0.0.1:1",
        ] {
            assert!(wrong.parse::<Gateway>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        let mut gateway = Gateway::of(Family::EchoRoom);
        assert_eq!(gateway.origins, ["http://localhost:5173"], "the family's own");
        assert!(Gateway::of(Family::Chatterbox).origins.is_empty());
        for right in ["http://localhost:5174", "https://chat.example", "http://[::1]:80"] {
            gateway.allow(right).unwrap();
        }
        for wrong in [
            "*",
            "null",
            "localhost:5173",
            "http://localhost:5173/",
            "http://",
            "http://A",
            "ftp://x",
        ] {
            assert!(gateway.allow(wrong).is_err(), "{wrong}");
        }
        assert_eq!(gateway.origins.len(), 4);
    }
}

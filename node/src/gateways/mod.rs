//! Gateways: other chat backends' APIs, each on a port of its own, for web UIs that were written for them. A gateway turns its
//! family's requests into requests of API v1, answered inside the process by the same router with the same checks, and the answers into
//! its family's. It reads no store, touches no key and holds nothing but what belongs to one connection.

mod echoroom;
mod inside;
mod live;
mod request;

use std::net::SocketAddr;
use std::str::FromStr;

use axum::Router;
use tokio::sync::watch;

use crate::api::{self, BindError, Door, Rooms};
use inside::Inside;

/// Which backend is spoken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// REST and Socket.IO; rooms, recovery by sequence numbers.
    EchoRoom,
}

impl Family {
    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EchoRoom => "echoroom",
        }
    }

    /// The port its UIs expect.
    fn port(self) -> u16 {
        match self {
            Self::EchoRoom => 3000,
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
}

/// Why a text names no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// There is none of this name.
    #[error("there is no gateway {0:?}; there is echoroom")]
    Unknown(String),
    /// Not an address.
    #[error("{0:?} is no address: IP:PORT")]
    BadAddress(String),
    /// It is not this machine's own.
    #[error("a gateway listens on this machine only: 127.0.0.1:PORT or [::1]:PORT")]
    NotLoopback,
}

impl FromStr for Gateway {
    type Err = GatewayError;

    fn from_str(text: &str) -> Result<Self, GatewayError> {
        let (name, address) = text
            .split_once('=')
            .map_or((text, None), |(name, address)| (name, Some(address)));
        let family = match name {
            "echoroom" => Family::EchoRoom,
            _ => return Err(GatewayError::Unknown(name.to_owned())),
        };
        let listen = match address {
            Some(address) => address
                .parse()
                .map_err(|_| GatewayError::BadAddress(address.to_owned()))?,
            None => SocketAddr::from(([127, 0, 0, 1], family.port())),
        };
        if listen.ip().is_loopback() {
            Ok(Self {
                family,
                listen,
                origins: Vec::new(),
            })
        } else {
            Err(GatewayError::NotLoopback)
        }
    }
}

/// A gateway that has its address, and is served by [`Open::run`].
pub(crate) struct Open {
    pub(crate) family: Family,
    pub(crate) address: SocketAddr,
    listener: tokio::net::TcpListener,
    door: Door,
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
            door: native.gateway(address, &gateway.origins),
            listener,
        })
    }

    /// Serves until the node stops; `rooms` is what stands behind the native API's door.
    pub(crate) async fn run(self, native: Door, rooms: watch::Receiver<Rooms>) {
        let inside = Inside::new(native, rooms);
        let router: Router = match self.family {
            Family::EchoRoom => echoroom::router(inside, self.door.clone()),
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
}

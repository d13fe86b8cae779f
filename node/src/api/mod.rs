//! The local door: HTTP, server-sent events and WebSockets for programs of this machine's user.
//!
//! A request goes through [`connection`] (time limits), [`guard`] (who may ask), the router of [`v1`] (what is asked) and
//! comes back hardened by [`server`]. Nothing here decides; commands go to the account's handle, reads to its store.
//! A node without an account has [`setup`] in the place of [`v1`], behind the same [`door`].

mod access;
mod auth;
mod connection;
mod door;
mod error;
mod extract;
mod guard;
mod health;
mod limits;
mod neighbours;
mod newcomers;
mod openapi;
mod operations;
mod pairing;
mod rate;
mod server;
mod setup;
mod state;
mod tls;
mod v1;
mod web;

pub(crate) use auth::{Caller, Keeper, Roles, random_token};
pub(crate) use connection::Connection;
pub(crate) use door::Door;
pub(crate) use error::ApiError;
pub(crate) use extract::read_body;
pub(crate) use guard::{Guard, PICTURES, is_json};
pub use limits::{ApiLimits, RateLimit};
pub(crate) use newcomers::{Newcomer, RegisterError, Welcome};
pub use newcomers::{Registration, RegistrationError};
pub(crate) use operations::is_open;
pub use server::{ApiConfig, BindError, bind, serve};
pub(crate) use server::{ForEveryPage, Rooms, account_room, account_rooms, run, setup_rooms};
pub(crate) use setup::{Made, Setup, serve_first};
pub(crate) use state::{ApiState, Shared};
pub(crate) use tls::LanDoor;
pub use tls::{Certificate, CertificateError, HostName, HostNameError, Lan, LanError};
pub(crate) use v1::{EncodedChange, cursor_before};

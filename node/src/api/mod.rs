//! The local door: HTTP, server-sent events and WebSockets for programs of this machine's user.
//!
//! A request goes through [`connection`] (time limits), [`guard`] (who may ask), the router of [`v1`] (what is asked) and
//! comes back hardened by [`server`]. Nothing here decides; commands go to the account's handle, reads to its store.

mod auth;
mod connection;
mod error;
mod extract;
mod guard;
mod health;
mod limits;
mod rate;
mod server;
mod state;
mod v1;

pub use limits::{ApiLimits, RateLimit};
pub use server::{ApiConfig, BindError, bind, serve};

//! The real program, as scripts and people use it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod accounts;
mod demo;
#[cfg(unix)]
mod doctor;
mod doors;
mod errors;
mod gateways;
mod guide;
mod harness;
mod network;
mod offline;
mod pair;
mod personal;
mod polls;
mod profiles;
mod requests;
mod rooms;
mod store;
mod tokens;
mod trust;
mod waiting;
mod webhooks;

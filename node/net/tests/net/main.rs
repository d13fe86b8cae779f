//! Whole nodes over loopback sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

mod bootstrap;
mod connect;
mod gossip;
mod harness;
mod hostile;
mod knock;
mod lan;
mod streams;

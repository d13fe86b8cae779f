//! The local API against real nodes and real sockets: what it does, and what it must not do.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where something unexpected happens"
)]

mod accounts;
mod administration;
mod attacks;
mod avatars;
mod changes;
mod chatterbox;
mod echoroom;
mod house;
mod lan;
mod limits;
mod logins;
mod neighbours;
mod newcomers;
mod openapi;
mod packets;
mod pages;
mod pairing;
mod personal;
mod polls;
mod rest;
mod rooms;
mod schema;
mod setup;
mod socket;
mod socketchat;
mod storms;
mod stream;
mod support;
mod tokens;
mod trust;
mod uis;
mod waiting;
mod webhooks;

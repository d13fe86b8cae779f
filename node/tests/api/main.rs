//! The local API against real nodes and real sockets: what it does, and what it must not do.

mod attacks;
mod limits;
mod rest;
mod socket;
mod stream;
mod support;

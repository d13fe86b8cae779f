//! What is said about messages ends the same in every order of arrival, and as a simple model says.

#![allow(clippy::unwrap_used, reason = "a test stops at the first failure")]

mod erasing;
mod many;
mod order;
mod plan;
mod polls;
mod threads;
mod world;

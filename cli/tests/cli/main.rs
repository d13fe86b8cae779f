//! The real program, as scripts and people use it.

mod demo;
mod errors;
mod harness;
mod offline;
mod pair;

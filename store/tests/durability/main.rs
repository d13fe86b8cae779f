//! A store that is damaged, checked, compacted, indexed anew, or of an earlier version.

#[path = "../support/world.rs"]
mod world;

mod damaged;
mod files;
mod fixture;
mod upkeep;

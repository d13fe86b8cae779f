//! A store that is damaged, checked, compacted, indexed anew, or of an earlier version.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests are tests")]

#[path = "../annotations/world.rs"]
#[allow(dead_code, reason = "made for other tests")]
mod annotated;
#[path = "../support/world.rs"]
mod world;

mod damaged;
mod files;
mod fixture;
mod kept_rows;
mod rows;
mod upkeep;

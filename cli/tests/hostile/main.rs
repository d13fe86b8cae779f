//! Two real nodes that talk, and a bad peer at their ports. Each attack is seen to arrive; while it lasts and after it messages go
//! through in time and the nodes' memory stays.
//!
//! The bad peer is built from the libp2p crates, without parlour's network: it writes its frames by hand, so that they can be
//! wrong. `PARLOUR_HOSTILE_SECONDS` says how long attacks go on that have no end of their own, and makes the limits on
//! latency and on the rate of the flood those that are promised; `--nocapture` shows what was measured.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests are tests"
)]

mod attacks;
mod forged;
mod gossip;
mod node;
mod peer;
mod raw;
mod rpc;
mod scene;
mod talk;

use std::time::Duration;

/// Nothing on one machine takes nearly as long, even if the machine is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long an attack goes on that has no end of its own.
pub(crate) fn length() -> Duration {
    let seconds = std::env::var("PARLOUR_HOSTILE_SECONDS").map(|text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(3))
}

/// Whether this is a run whose figures count.
pub(crate) fn measured() -> bool {
    std::env::var_os("PARLOUR_HOSTILE_SECONDS").is_some()
}

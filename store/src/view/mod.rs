//! Pure folds: what a reader sees, made from stored rows at the moment of reading.

mod delivery;
mod former;
mod message;
mod poll;
mod shown;
mod timer;

pub use delivery::{DeliveryState, DeliveryView, DeviceDelivery, MessageStatus, TRIED_MS, recipients};
pub use message::{MessageView, message, message_at, message_text};
pub use poll::{PollView, chosen, counting, tally};
pub use shown::{Absent, MAX_OWN_EMOJI, ReactionView, Shown, State, Version, searchable, state, versions};
pub use timer::timer;

use parlour_crypto::UserId;

use crate::keyspace::DeviceNo;

/// This account on this node, for views that depend on who is looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own {
    /// The account's user id.
    pub user: UserId,
    /// This device.
    pub device: DeviceNo,
}

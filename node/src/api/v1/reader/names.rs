//! States, by the names that the API has for them.

use parlour_store::contacts::InviteRefusal;
use parlour_store::view::{DeliveryState, MessageStatus};

pub(super) fn status_name(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Sending => "sending",
        MessageStatus::Sent => "sent",
        MessageStatus::Delivered => "delivered",
        MessageStatus::Read => "read",
        MessageStatus::Received => "received",
    }
}

pub(super) fn delivery_name(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Failed => "failed",
        DeliveryState::Expired => "expired",
        DeliveryState::Queued => "queued",
        DeliveryState::Sent => "sent",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Read => "read",
    }
}

pub(super) fn refusal_text(why: InviteRefusal) -> &'static str {
    match why {
        InviteRefusal::Used => "the invite was used up",
        InviteRefusal::Expired => "the invite has expired",
        InviteRefusal::Revoked => "the invite was taken back",
    }
}

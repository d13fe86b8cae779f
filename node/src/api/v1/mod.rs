//! Version 1 of the API: one file per resource.

mod accounts;
mod administration;
mod changes;
mod contacts;
mod conversations;
mod doctor;
pub(crate) mod dto;
mod events;
mod frames;
mod invites;
mod logins;
mod me;
mod message;
mod messages;
mod naming;
pub(crate) mod newcomers;
pub(crate) mod passing;
mod profile;
mod qr;
mod reader;
mod remembering;
mod requests;
mod rooms;
mod safety;
mod search;
pub(crate) mod session;
mod stats;
mod tokens;
mod webhooks;
mod ws;

use axum::Router;
pub(crate) use stats::metrics;

use super::state::ApiState;

pub(crate) use changes::{Changes, EncodedChange};
pub(crate) use message::conversation_of_message;
pub(crate) use messages::cursor_before;

/// Everything under `/api/v1`.
pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .merge(session::router())
        .merge(logins::router())
        .merge(tokens::router())
        .merge(webhooks::router())
        .merge(accounts::router())
        .merge(administration::router())
        .merge(newcomers::router())
        .merge(me::router())
        .merge(profile::router())
        .merge(safety::router())
        .merge(qr::router())
        .merge(stats::router())
        .merge(doctor::router())
        .merge(invites::router())
        .merge(contacts::router())
        .merge(requests::router())
        .merge(rooms::router())
        .merge(conversations::router())
        .merge(messages::router())
        .merge(message::router())
        .merge(search::router())
        .merge(events::router())
        .merge(ws::router())
}

//! Pairing: a link for a browser, and the token it is exchanged for.

use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Json, Router};

use super::dto::{self, Time};
use crate::api::auth::Caller;
use crate::api::connection::Connection;
use crate::api::door::Door;
use crate::api::error::ApiError;
use crate::api::extract::Body;

/// The same with and without an account.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S>
where
    Door: FromRef<S>,
{
    Router::new()
        .route("/session/link", post(link))
        .route("/session/pair", post(pair))
}

async fn link(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<(StatusCode, Json<dto::Link>), ApiError> {
    let link = door.link(caller.account);
    let link = dto::Link {
        lan_link: door.link_from_lan(&link),
        link: link.secret.as_str().to_owned(),
        expires_at: Time(link.until),
    };
    Ok((StatusCode::CREATED, Json(link)))
}

async fn pair(
    State(door): State<Door>,
    Extension(connection): Extension<Arc<Connection>>,
    Body(dto::Pair { code }): Body<dto::Pair>,
) -> Result<Json<dto::Paired>, ApiError> {
    let token = door.pair(&code, connection.from)?;
    Ok(Json(dto::Paired {
        token: token.secret.as_str().to_owned(),
        expires_at: Time(token.until),
    }))
}

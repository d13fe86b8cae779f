//! What people say about themselves, and their pictures.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use data_encoding::BASE64;
use parlour_crypto::{CardDetails, ImageKind};
use parlour_store::contacts;
use parlour_store::registers::{self, OwnProfile, Register};

use super::dto;
use super::reader::profile;
use crate::api::error::ApiError;
use crate::api::extract::{self, Body, Part, Raw};
use crate::api::state::{ApiState, Shared};
use crate::engine::{Decision, ProfileChange};
use crate::resolve;
use crate::runner::now_ms;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/me/profile", get(own).patch(change))
        .route("/me/avatar", get(own_avatar).put(set_avatar).delete(clear_avatar))
        .route("/contacts/{contact}/avatar", get(avatar))
}

fn own_details(state: &Shared) -> Result<CardDetails, ApiError> {
    let own: Option<OwnProfile> = registers::get(state.account.store(), Register::Profile)?;
    Ok(own.map(|own| own.details).unwrap_or_default())
}

async fn own(State(state): State<ApiState>) -> Result<Json<dto::OwnProfile>, ApiError> {
    let details = own_details(&state)?;
    Ok(Json(dto::OwnProfile {
        name: state.account.name(),
        profile: profile(&details, now_ms()),
    }))
}

async fn change(
    State(state): State<ApiState>,
    Body(wish): Body<dto::ChangeProfile>,
) -> Result<Json<dto::OwnProfile>, ApiError> {
    let text = |field: Option<Option<String>>| field.map(Option::unwrap_or_default);
    let status_expires = match wish.status_expires_at {
        None => None,
        Some(None) => Some(0),
        Some(Some(time)) => extract::time("status_expires_at", Some(&time))?.map(|ms| ms.max(1)),
    };
    let picture = |text: String| {
        let bytes = BASE64.decode(text.as_bytes());
        bytes.map_err(|_| ApiError::bad_field("avatar", "avatar must be a picture in base64"))
    };
    let avatar = wish.avatar.map(|given| given.map(picture).transpose()).transpose()?;
    let change = ProfileChange {
        name: wish.name,
        about: text(wish.about),
        pronouns: text(wish.pronouns),
        status: text(wish.status),
        emoji: text(wish.status_emoji),
        status_expires,
        avatar,
    };
    let name = change.name.clone();
    state.account.decide(Decision::Profile(change)).await?;
    let Json(mut own) = own(State(state)).await?;
    // The snapshot of what is live may be a moment behind.
    own.name = name.map_or(own.name, |name| name.trim().to_owned());
    Ok(Json(own))
}

async fn own_avatar(State(state): State<ApiState>) -> Result<Response, ApiError> {
    picture(&own_details(&state)?)
}

async fn avatar(State(state): State<ApiState>, Part(contact): Part) -> Result<Response, ApiError> {
    let row = resolve::contact(state.account.store(), &contact)?;
    picture(&contacts::details(state.account.store(), &row.user)?)
}

async fn set_avatar(State(state): State<ApiState>, Raw(bytes): Raw) -> Result<StatusCode, ApiError> {
    state.account.decide(Decision::Avatar(Some(bytes))).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_avatar(State(state): State<ApiState>) -> Result<StatusCode, ApiError> {
    state.account.decide(Decision::Avatar(None)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn picture(details: &CardDetails) -> Result<Response, ApiError> {
    let kind = details.avatar_kind();
    let kind = kind.ok_or_else(|| ApiError::not_found("there is no picture"))?;
    Ok(image(kind, details.avatar.to_vec()))
}

/// The type is told by the bytes, never by who sent them; every answer forbids guessing and scripts besides.
pub(super) fn image(kind: ImageKind, bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind.media_type()),
        (header::CONTENT_DISPOSITION, "inline; filename=\"avatar\""),
    ];
    (headers, bytes).into_response()
}

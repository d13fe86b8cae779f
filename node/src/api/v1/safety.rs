//! Safety numbers: shown as digits and as a QR code, compared, and what was decided.

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use parlour_crypto::{UserId, safety_number};
use parlour_store::contacts;
use qrcode::EcLevel;

use super::dto;
use super::qr::drawing;
use super::reader::{Reader, trust};
use crate::api::error::ApiError;
use crate::api::extract::{Body, Part};
use crate::api::state::{ApiState, Shared};
use crate::engine::{Decision, ListCode, list_code};
use crate::resolve;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/contacts/{contact}/safety", get(show))
        .route("/contacts/{contact}/safety.svg", get(draw))
        .route("/contacts/{contact}/verify", post(verify))
        .route("/contacts/{contact}/trust", post(accept))
}

fn number(state: &Shared, user: &UserId) -> String {
    safety_number(&state.account.facts().own.user, user)
}

async fn show(State(state): State<ApiState>, Part(contact): Part) -> Result<Json<dto::Safety>, ApiError> {
    let row = resolve::contact(state.account.store(), &contact)?;
    let (trust, trust_since, warning) = trust(state.account.store(), &row.user)?;
    Ok(Json(dto::Safety {
        number: number(&state, &row.user),
        trust,
        trust_since,
        devices: list_code(&row.device_list).map(|code| format!("{:016x}", u64::from_be_bytes(code))),
        warning,
    }))
}

/// The digits as a QR code: both sides draw the same.
async fn draw(State(state): State<ApiState>, Part(contact): Part) -> Result<Response, ApiError> {
    let row = resolve::contact(state.account.store(), &contact)?;
    let digits = number(&state, &row.user).replace(' ', "");
    drawing(&digits, EcLevel::M)
}

async fn verify(
    State(state): State<ApiState>,
    Part(contact): Part,
    Body(wish): Body<dto::Verify>,
) -> Result<Json<dto::Contact>, ApiError> {
    let row = resolve::contact(state.account.store(), &contact)?;
    let devices = named_devices(wish.devices.as_deref())?;
    decided(&state, row.user, Decision::Verify(row.user, wish.code, devices)).await
}

async fn accept(
    State(state): State<ApiState>,
    Part(contact): Part,
    Body(wish): Body<dto::TakeAsTheyAre>,
) -> Result<Json<dto::Contact>, ApiError> {
    let row = resolve::contact(state.account.store(), &contact)?;
    let devices = named_devices(wish.devices.as_deref())?;
    decided(&state, row.user, Decision::Accept(row.user, devices)).await
}

fn named_devices(text: Option<&str>) -> Result<Option<ListCode>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let code = Some(text)
        .filter(|text| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|text| u64::from_str_radix(text, 16).ok());
    let wrong = || ApiError::bad_field("devices", "the code of devices has 16 hexadecimal digits");
    code.map(|code| Some(code.to_be_bytes())).ok_or_else(wrong)
}

async fn decided(state: &Shared, user: UserId, change: Decision) -> Result<Json<dto::Contact>, ApiError> {
    state.account.decide(change).await?;
    let row =
        contacts::get(state.account.store(), &user)?.ok_or_else(|| ApiError::not_found("there is no such contact"))?;
    Ok(Json(Reader::new(&state.account).contact(&row)?))
}

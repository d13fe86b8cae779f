//! Accounts that people make for themselves, and the invitations to do so.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Extension, Json, Router};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::dto::{self, Time};
use super::logins::{device_text, lives};
use super::tokens::on_disk;
use crate::account::NewAccount;
use crate::api::connection::Connection;
use crate::api::door::Door;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::newcomers::Welcome;
use crate::runner::now_ms;

/// How long an invitation is good, without being told and at most.
const USUAL_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
const MAX_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

/// The same with and without an account.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S>
where
    Door: FromRef<S>,
{
    Router::new()
        .route("/session/register", post(register))
        .route("/accounts/invites", post(invite))
}

async fn register(
    State(door): State<Door>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
    Body(wish): Body<dto::Register>,
) -> Result<(StatusCode, Json<dto::Registered>), ApiError> {
    let password = Zeroizing::new(wish.password);
    let new = NewAccount {
        account: wish.account,
        ..NewAccount::named(wish.name)
    };
    let now = (Instant::now(), now_ms());
    let served = door.newcomers.register(
        new,
        wish.email,
        password.clone(),
        wish.code.as_deref(),
        connection.from,
        now,
    );
    let Welcome { created } = served.await?;
    let mut lives = lives(&door.limits);
    if wish.one_token {
        lives.access = lives.refresh;
    }
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    let device = device_text(wish.device.as_deref().or(agent).unwrap_or_default());
    let (auth, now) = (door.guard.auth(), (Instant::now(), now_ms()));
    let logged_in = auth.log_in(&created.account, password, &device, connection.from, lives, now);
    let logged_in = logged_in.await?;
    let made = dto::Registered {
        account: created.account,
        user_id: created.user,
        name: created.name,
        words: created.phrase.map(|phrase| phrase.as_str().to_owned()),
        token: logged_in.access.as_str().to_owned(),
        expires_at: Time(logged_in.until),
        refresh_token: logged_in.refresh.as_str().to_owned(),
        refresh_expires_at: Time(logged_in.refresh_until),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

async fn invite(
    State(door): State<Door>,
    Body(wish): Body<dto::InviteAccount>,
) -> Result<(StatusCode, Json<dto::AccountInvite>), ApiError> {
    let life = wish.valid_s.map_or(USUAL_LIFE, Duration::from_secs);
    if life.is_zero() || life > MAX_LIFE {
        let detail = format!("valid_s must be from 1 to {}", MAX_LIFE.as_secs());
        return Err(ApiError::bad_field("valid_s", detail));
    }
    let now = now_ms();
    let until = now.saturating_add(u64::try_from(life.as_millis()).unwrap_or(u64::MAX));
    let newcomers = door.newcomers.clone();
    let code = on_disk(move || newcomers.invite(until, now)).await?;
    let made = dto::AccountInvite {
        code: code.as_str().to_owned(),
        expires_at: Time(until),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

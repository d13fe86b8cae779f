//! Logging in with name and password, for user interfaces: tokens, their renewal, and the logins there are.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::dto::{self, Time};
use super::tokens::on_disk;
use crate::api::auth::{Caller, Lives, LoggedIn, LoginError, MAX_DEVICE, Program};
use crate::api::connection::Connection;
use crate::api::error::ApiError;
use crate::api::extract::{Body, Part};
use crate::api::limits::ApiLimits;
use crate::api::state::{ApiState, Shared};
use crate::runner::now_ms;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/session/login", post(log_in))
        .route("/session/refresh", post(refresh))
        .route("/session/logout", post(log_out))
        .route("/session/logins", get(list))
        .route("/session/logins/{login}", delete(end))
        .route("/me/login", get(show).put(set))
}

async fn log_in(
    State(state): State<ApiState>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
    Body(wish): Body<dto::LogIn>,
) -> Result<Json<dto::LoggedIn>, ApiError> {
    let device = wish.device.unwrap_or_else(|| {
        let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        agent.unwrap_or_default().to_owned()
    });
    let password = Zeroizing::new(wish.password);
    let mut lives = lives(&state.door.limits);
    if wish.one_token {
        lives.access = lives.refresh;
    }
    let logged_in = enter(&state, &wish.name, password, &device, lives, connection.from).await?;
    answer(&state, &logged_in).map(Json)
}

/// Logs in, for whatever door; who fails too often waits.
pub(crate) async fn enter(
    state: &Shared,
    name: &str,
    password: Zeroizing<String>,
    device: &str,
    lives: Lives,
    from: IpAddr,
) -> Result<LoggedIn, ApiError> {
    let guard = &state.door.guard;
    let now = (Instant::now(), now_ms());
    // Counted before the password is looked at, since the client may not wait for the answer.
    guard.try_once(from, now.0)?;
    let outcome = guard
        .auth()
        .log_in(name, password, &device_text(device), from, lives, now)
        .await;
    if !matches!(&outcome, Err(LoginError::Wrong)) {
        guard.was_no_failure(from);
    }
    Ok(outcome?)
}

async fn refresh(
    State(state): State<ApiState>,
    Extension(connection): Extension<Arc<Connection>>,
    Body(wish): Body<dto::Refresh>,
) -> Result<Json<dto::LoggedIn>, ApiError> {
    let logged_in = renew(&state, Zeroizing::new(wish.refresh_token), connection.from).await?;
    answer(&state, &logged_in).map(Json)
}

/// Exchanges a refresh token, for whatever door.
pub(crate) async fn renew(state: &Shared, token: Zeroizing<String>, from: IpAddr) -> Result<LoggedIn, ApiError> {
    let guard = state.door.guard.clone();
    let instant = Instant::now();
    let lives = lives(&state.door.limits);
    let auth = guard.auth().clone();
    // A right one does not wait for others who guess.
    let outcome = on_disk(move || Ok::<_, ApiError>(auth.refresh(&token, lives, now_ms()))).await?;
    if let Err(LoginError::Ended | LoginError::Reused) = &outcome {
        guard.try_once(from, instant)?;
    }
    Ok(outcome?)
}

async fn log_out(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<StatusCode, ApiError> {
    if !matches!(caller.program, Program::Page | Program::Login) {
        let detail = "this token is no session: `parlour token revoke` takes it back";
        return Err(ApiError::new(StatusCode::CONFLICT, "no_session", detail));
    }
    let auth = state.door.guard.auth().clone();
    on_disk(move || auth.log_out(&caller)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<dto::List<dto::Login>>, ApiError> {
    let rows = state.door.guard.auth().logins(&caller, now_ms())?;
    let items = rows.into_iter().map(|row| dto::Login {
        id: row.id,
        device: row.device,
        created_at: Time(row.created),
        last_used_at: Time(row.used),
        expires_at: Time(row.until),
        current: row.current,
    });
    Ok(Json(dto::List { items: items.collect() }))
}

async fn end(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<StatusCode, ApiError> {
    let (auth, account) = (state.door.guard.auth().clone(), caller.account);
    on_disk(move || auth.end_login(account, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn show(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<dto::OwnLogin>, ApiError> {
    let password = state.door.guard.auth().password_of(caller.account)?;
    let (email, since) = password.map_or((None, None), |(email, since)| (email, Some(Time(since))));
    Ok(Json(dto::OwnLogin {
        name: state.account.facts().account.clone(),
        email,
        password_since: since,
    }))
}

async fn set(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<dto::SetLogin>,
) -> Result<Json<dto::OwnLogin>, ApiError> {
    let (auth, account) = (state.door.guard.auth().clone(), caller.account);
    let (password, email) = (Zeroizing::new(wish.password), wish.email);
    on_disk(move || auth.set_password(account, email.as_deref(), &password, now_ms())).await?;
    show(State(state), Extension(caller)).await
}

fn answer(state: &Shared, logged_in: &LoggedIn) -> Result<dto::LoggedIn, ApiError> {
    let of = state
        .neighbour(logged_in.account)
        .ok_or_else(|| ApiError::unauthorized("this account does not run any more"))?;
    Ok(dto::LoggedIn {
        user_id: of.account.facts().own.user,
        name: of.account.name(),
        token: logged_in.access.as_str().to_owned(),
        expires_at: Time(logged_in.until),
        refresh_token: logged_in.refresh.as_str().to_owned(),
        refresh_expires_at: Time(logged_in.refresh_until),
    })
}

pub(super) fn lives(limits: &ApiLimits) -> Lives {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Lives {
        access: ms(limits.login_access),
        refresh: ms(limits.login_refresh),
    }
}

/// What a client says of itself, fit to be shown.
pub(super) fn device_text(text: &str) -> String {
    let mut device = crate::text::one_line(text);
    let end = device.floor_char_boundary(MAX_DEVICE);
    device.truncate(end);
    device
}

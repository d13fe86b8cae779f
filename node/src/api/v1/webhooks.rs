//! Webhooks: made, listed, tested, removed. What they do is in [`crate::webhooks`].

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};

use super::dto::{self, Time, What};
use super::tokens::on_disk;
use crate::api::auth::{Caller, Program};
use crate::api::error::ApiError;
use crate::api::extract::{Body, Part};
use crate::api::state::{ApiState, Shared};
use crate::resolve;
use crate::webhooks::{Hook, NewHook};

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/webhooks", get(list).post(make))
        .route("/webhooks/{webhook}", delete(remove))
        .route("/webhooks/{webhook}/test", post(test))
}

async fn list(State(state): State<ApiState>) -> Result<Json<dto::List<dto::Webhook>>, ApiError> {
    let last = state.changes.last()?;
    let hooks = state.account.webhooks.all()?;
    let items = hooks.into_iter().map(|hook| show(&state, hook, last)).collect();
    Ok(Json(dto::List { items }))
}

async fn make(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<dto::MakeWebhook>,
) -> Result<(StatusCode, Json<dto::MadeWebhook>), ApiError> {
    // What a page or a program could set up for itself would go on sending when its token has ended.
    if wish.anywhere && caller.program != Program::CommandLine {
        let detail = "only the command line lets messages leave this machine: `parlour webhook new --anywhere`";
        return Err(ApiError::forbidden("not_for_pages", detail).at("anywhere"));
    }
    let new = new_hook(&state, wish)?;
    let webhooks = state.account.webhooks.clone();
    let (hook, secret) = on_disk(move || webhooks.make(new)).await?;
    let made = dto::MadeWebhook {
        secret: secret.as_str().to_owned(),
        webhook: show(&state, hook, state.changes.last()?),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

fn new_hook(state: &Shared, wish: dto::MakeWebhook) -> Result<NewHook, ApiError> {
    let mut events = wish.events.unwrap_or_default();
    events.sort();
    events.dedup();
    if let Some(other) = events.iter().find(|name| !What::NAMES.contains(&name.as_str())) {
        let detail = format!("{other:?} is no kind of change; these are: {}", What::NAMES.join(", "));
        return Err(ApiError::bad_field("events", detail));
    }
    let conversation = wish
        .conversation
        .map(|text| resolve::conversation(state.account.store(), state.account.facts().own, &text))
        .transpose()
        .map_err(|error| ApiError::from(error).at("conversation"))?;
    Ok(NewHook {
        url: wish.url,
        anywhere: wish.anywhere,
        events,
        conversation: conversation.map(|(_, row)| row.id),
        cursor: state.changes.last()?,
    })
}

async fn remove(State(state): State<ApiState>, Part(id): Part) -> Result<StatusCode, ApiError> {
    let webhooks = state.account.webhooks.clone();
    on_disk(move || webhooks.remove(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn test(
    State(state): State<ApiState>,
    Part(id): Part,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<Json<dto::WebhookTest>, ApiError> {
    let tried = state.account.webhooks.test(&state, &id).await?;
    Ok(Json(dto::WebhookTest {
        delivered: tried.error.is_none(),
        error: tried.error,
        took_ms: u64::try_from(tried.took.as_millis()).unwrap_or(u64::MAX),
    }))
}

/// What its deliveries do now.
pub(super) fn state_of(hook: &Hook) -> &'static str {
    match &hook.trouble {
        None => "active",
        Some(trouble) if trouble.paused => "paused",
        Some(_) => "retrying",
    }
}

fn show(state: &Shared, hook: Hook, last: u64) -> dto::Webhook {
    dto::Webhook {
        state: state_of(&hook),
        next_try_at: state.account.webhooks.next_try(&hook.id).map(Time),
        behind: last.saturating_sub(hook.cursor),
        failing_since: hook.trouble.as_ref().map(|trouble| Time(trouble.since)),
        tries: hook.trouble.as_ref().map_or(0, |trouble| trouble.tries),
        error: hook.trouble.map(|trouble| trouble.error),
        id: hook.id,
        url: hook.url,
        events: hook.events,
        conversation: hook.conversation,
        anywhere: hook.anywhere,
        created_at: Time(hook.created),
        cursor: hook.cursor,
        last_delivery_at: Time::unless_never(hook.delivered),
    }
}

//! One message: shown with its deliveries and versions, edited, deleted, reacted to, pinned, viewed, voted on. And the pins and the
//! timer of a conversation.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use parlour_crypto::{ConversationId, EventId};
use parlour_store::{annotations, view};
use serde::Deserialize;

use super::dto;
use super::reader::{Reader, parts};
use crate::api::error::ApiError;
use crate::api::extract::{Body, Params, Part, TwoParts};
use crate::api::state::{ApiState, Shared};
use crate::engine::{Change, ChangeMessage, RoomAct, SetTimer};
use crate::resolve;

/// Versions of one message that are listed beside the first one.
const MAX_VERSIONS: usize = 1_000;
/// Pins of one conversation that are listed.
const MAX_PINS: usize = 1_000;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/messages/{id}", get(one).patch(edit).delete(delete))
        .route("/messages/{id}/versions", get(versions))
        .route("/messages/{id}/reactions/{emoji}", put(react).delete(unreact))
        .route("/messages/{id}/pin", put(pin).delete(unpin))
        .route("/messages/{id}/view", post(view))
        .route("/messages/{id}/vote", put(vote).post(vote).delete(take_vote_back))
        .route("/messages/{id}/close", post(close))
        .route("/messages/{id}/report", post(report))
        .route("/conversations/{conversation}/pins", get(pins))
        .route(
            "/conversations/{conversation}/timer",
            get(timer).put(set_timer).delete(clear_timer),
        )
}

fn id_of(state: &Shared, text: &str) -> Result<EventId, ApiError> {
    Ok(resolve::message(state.account.store(), text)?)
}

/// Where a message is that is shown here.
pub(crate) fn conversation_of_message(state: &Shared, text: &str) -> Result<Option<ConversationId>, ApiError> {
    let id = id_of(state, text)?;
    let found = Reader::new(&state.account).message_by_id(&id)?;
    Ok(found.map(|(_, message)| message.conversation))
}

fn not_there() -> ApiError {
    ApiError::not_found("there is no such message")
}

async fn one(State(state): State<ApiState>, Part(id): Part) -> Result<Json<dto::MessageDetails>, ApiError> {
    let id = id_of(&state, &id)?;
    let mut reader = Reader::new(&state.account);
    let (key, message) = reader.message_by_id(&id)?.ok_or_else(not_there)?;
    let devices = reader.deliveries(&key)?;
    let (reason, since) = reader.held_up(&key, &devices)?;
    Ok(Json(dto::MessageDetails {
        message,
        devices,
        reason,
        since,
    }))
}

/// Tells those who keep order in its room.
async fn report(
    State(state): State<ApiState>,
    Part(id): Part,
    Body(wish): Body<dto::MakeReport>,
) -> Result<StatusCode, ApiError> {
    let message = id_of(&state, &id)?;
    let (_, shown) = Reader::new(&state.account)
        .message_by_id(&message)?
        .ok_or_else(not_there)?;
    let reason = wish.reason;
    let act = RoomAct::Report { message, reason };
    state.account.act_in_room(shown.conversation, act).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn versions(State(state): State<ApiState>, Part(id): Part) -> Result<Json<dto::List<dto::Version>>, ApiError> {
    let id = id_of(&state, &id)?;
    let mut reader = Reader::new(&state.account);
    let (key, _) = reader.message_by_id(&id)?.ok_or_else(not_there)?;
    let items = reader.versions(&key, MAX_VERSIONS)?;
    Ok(Json(dto::List { items }))
}

/// Does something with a message and shows how it stands then.
async fn change(state: &Shared, id: &str, what: Change) -> Result<Json<dto::Message>, ApiError> {
    let id = id_of(state, id)?;
    let changed = state.account.change(ChangeMessage { id, what }).await?;
    let message = Reader::new(&state.account).message_at(&changed.event)?;
    message.map(Json).ok_or_else(not_there)
}

async fn edit(
    State(state): State<ApiState>,
    Part(id): Part,
    Body(wish): Body<dto::EditMessage>,
) -> Result<Json<dto::Message>, ApiError> {
    change(&state, &id, Change::Edit(wish.text)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteParams {
    r#for: Option<String>,
}

async fn delete(
    State(state): State<ApiState>,
    Part(id): Part,
    Params(params): Params<DeleteParams>,
) -> Result<StatusCode, ApiError> {
    let what = match params.r#for.as_deref() {
        Some("all") => Change::Delete,
        Some("me") => Change::Hide,
        _ => return Err(ApiError::bad_field("for", "for must be all or me")),
    };
    let id = id_of(&state, &id)?;
    state.account.change(ChangeMessage { id, what }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn react(
    State(state): State<ApiState>,
    TwoParts(id, emoji): TwoParts,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<Json<dto::Message>, ApiError> {
    change(&state, &id, Change::React { emoji, on: true }).await
}

async fn unreact(State(state): State<ApiState>, TwoParts(id, emoji): TwoParts) -> Result<Json<dto::Message>, ApiError> {
    change(&state, &id, Change::React { emoji, on: false }).await
}

async fn pin(
    State(state): State<ApiState>,
    Part(id): Part,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<Json<dto::Message>, ApiError> {
    change(&state, &id, Change::Pin(true)).await
}

async fn unpin(State(state): State<ApiState>, Part(id): Part) -> Result<Json<dto::Message>, ApiError> {
    change(&state, &id, Change::Pin(false)).await
}

async fn vote(
    State(state): State<ApiState>,
    Part(id): Part,
    Body(wish): Body<dto::CastVote>,
) -> Result<Json<dto::Message>, ApiError> {
    if wish.options.is_empty() {
        return Err(ApiError::bad_field(
            "options",
            "options must name one at least; DELETE takes a vote back",
        ));
    }
    change(&state, &id, Change::Vote(wish.options)).await
}

async fn take_vote_back(State(state): State<ApiState>, Part(id): Part) -> Result<Json<dto::Message>, ApiError> {
    change(&state, &id, Change::Vote(Vec::new())).await
}

async fn close(
    State(state): State<ApiState>,
    Part(id): Part,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<Json<dto::Message>, ApiError> {
    change(&state, &id, Change::ClosePoll).await
}

/// Shows what is seen on demand, which counts.
async fn view(
    State(state): State<ApiState>,
    Part(id): Part,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<Json<dto::Viewed>, ApiError> {
    let id = id_of(&state, &id)?;
    let what = Change::View;
    let changed = state.account.change(ChangeMessage { id, what }).await?;
    let message = Reader::new(&state.account).message_at(&changed.event)?;
    let content = changed.viewed;
    Ok(Json(dto::Viewed {
        id,
        text: content.as_ref().and_then(parts::text).unwrap_or_default(),
        parts: content.as_ref().map(parts::parts).unwrap_or_default(),
        views_left: message.and_then(|message| message.more.views_left).unwrap_or(0),
    }))
}

async fn pins(
    State(state): State<ApiState>,
    Part(conversation): Part,
) -> Result<Json<dto::List<dto::Message>>, ApiError> {
    let store = state.account.store();
    let (no, _) = resolve::conversation(store, state.account.facts().own, &conversation)?;
    let mut reader = Reader::new(&state.account);
    let mut items = Vec::new();
    for id in annotations::pins(store, no, MAX_PINS)? {
        items.extend(reader.message_by_id(&id)?.map(|(_, message)| message));
    }
    Ok(Json(dto::List { items }))
}

async fn timer(State(state): State<ApiState>, Part(conversation): Part) -> Result<Json<dto::Timer>, ApiError> {
    let store = state.account.store();
    let (no, _) = resolve::conversation(store, state.account.facts().own, &conversation)?;
    let expires_after_ms = view::timer(store, no)?;
    Ok(Json(dto::Timer { expires_after_ms }))
}

async fn set_timer(
    State(state): State<ApiState>,
    Part(conversation): Part,
    Body(wish): Body<dto::SetTimer>,
) -> Result<Json<dto::Timer>, ApiError> {
    set(&state, &conversation, Some(wish.expires_after_ms)).await
}

async fn clear_timer(State(state): State<ApiState>, Part(conversation): Part) -> Result<Json<dto::Timer>, ApiError> {
    set(&state, &conversation, None).await
}

async fn set(state: &Shared, conversation: &str, expires_after_ms: Option<u64>) -> Result<Json<dto::Timer>, ApiError> {
    let own = state.account.facts().own;
    let (_, row) = resolve::conversation(state.account.store(), own, conversation)?;
    let wish = SetTimer {
        conversation: row.id,
        expires_after_ms,
    };
    state.account.set_timer(wish).await?;
    Ok(Json(dto::Timer { expires_after_ms }))
}

//! Conversations: listed, shown, marked as read.

use std::cmp::Reverse;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use parlour_crypto::ConversationId;
use parlour_store::contacts::{self, ContactState};
use parlour_store::conversations::{self, ConversationKind, ConversationRow};
use parlour_store::{ConversationNo, Store, StoreError};

use super::dto;
use super::reader::Reader;
use crate::api::error::ApiError;
use crate::api::extract::{self, Body, Part};
use crate::api::state::{ApiState, Shared};
use crate::engine::{ConversationChange, Decision, UpTo};
use crate::resolve;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/conversations", get(list))
        .route("/notes", put(open_notes))
        .route("/conversations/{conversation}", get(one).patch(change))
        .route("/conversations/{conversation}/read", post(mark_read).put(read_up_to))
        .route("/conversations/{conversation}/typing", get(typing).put(set_typing))
}

async fn list(State(state): State<ApiState>) -> Result<Json<dto::List<dto::Conversation>>, ApiError> {
    let store = state.account.store();
    let mut rows = Vec::new();
    for (no, row) in conversations::all(store)? {
        if row.last.is_some() || !is_with_former(store, &row)? {
            rows.push((no, row));
        }
    }
    rows.sort_by_key(|(no, row)| (Reverse(row.last.map_or(row.created, |(clock, _, _)| clock)), *no));
    let mut reader = Reader::new(&state.account);
    let items = rows
        .iter()
        .map(|(_, row)| reader.conversation(row))
        .collect::<Result<_, _>>()?;
    Ok(Json(dto::List { items }))
}

/// Whether it is with somebody who is no contact any more: then it is shown for its history alone.
fn is_with_former(store: &Store, row: &ConversationRow) -> Result<bool, StoreError> {
    let ConversationKind::Direct { with } = &row.kind else {
        return Ok(false);
    };
    Ok(contacts::get(store, with)?.is_some_and(|contact| contact.state == ContactState::Former))
}

async fn one(State(state): State<ApiState>, Part(conversation): Part) -> Result<Json<dto::Conversation>, ApiError> {
    let own = state.account.facts().own;
    let (_, row) = resolve::conversation(state.account.store(), own, &conversation)?;
    Ok(Json(Reader::new(&state.account).conversation(&row)?))
}

async fn mark_read(
    State(state): State<ApiState>,
    Part(conversation): Part,
    Body(mark): Body<dto::MarkRead>,
) -> Result<StatusCode, ApiError> {
    let own = state.account.facts().own;
    let (_, row) = resolve::conversation(state.account.store(), own, &conversation)?;
    state.account.mark_read(row.id, UpTo::Seq(mark.seq)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read_up_to(
    State(state): State<ApiState>,
    Part(conversation): Part,
    Body(mark): Body<dto::ReadUpTo>,
) -> Result<Json<dto::Conversation>, ApiError> {
    let own = state.account.facts().own;
    let (no, row) = resolve::conversation(state.account.store(), own, &conversation)?;
    let named = mark.up_to.map(|text| resolve::message(state.account.store(), &text));
    let up_to = named.transpose().map_err(|error| ApiError::from(error).at("up_to"))?;
    state
        .account
        .mark_read(row.id, up_to.map_or(UpTo::End, UpTo::Message))
        .await?;
    let row = conversations::get(state.account.store(), no)?.unwrap_or(row);
    Ok(Json(Reader::new(&state.account).conversation(&row)?))
}

async fn typing(State(state): State<ApiState>, Part(conversation): Part) -> Result<Json<dto::Typing>, ApiError> {
    let own = state.account.facts().own;
    let (_, row) = resolve::conversation(state.account.store(), own, &conversation)?;
    let reader = Reader::new(&state.account);
    let now = state.account.ephemera().borrow().clone();
    let here = now.typing.iter().filter(|(id, _)| *id == row.id);
    let typing = here.map(|(_, user)| {
        Ok(dto::TypingUser {
            user_id: *user,
            name: reader.name_of(user)?,
        })
    });
    let typing = typing.collect::<Result<_, ApiError>>()?;
    Ok(Json(dto::Typing { typing }))
}

async fn set_typing(
    State(state): State<ApiState>,
    Part(conversation): Part,
    Body(wish): Body<dto::SetTyping>,
) -> Result<StatusCode, ApiError> {
    let own = state.account.facts().own;
    let (_, row) = resolve::conversation(state.account.store(), own, &conversation)?;
    let change = Decision::Typing {
        conversation: row.id,
        typing: wish.typing,
    };
    state.account.decide(change).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change(
    State(state): State<ApiState>,
    Part(conversation): Part,
    Body(wish): Body<dto::ChangeConversation>,
) -> Result<Json<dto::Conversation>, ApiError> {
    let own = state.account.facts().own;
    let (no, row) = resolve::conversation(state.account.store(), own, &conversation)?;
    let muted_until = match wish.muted_until {
        None => None,
        Some(None) => Some(0),
        Some(Some(text)) if text == "forever" => Some(u64::MAX),
        Some(Some(text)) => extract::time("muted_until", Some(&text))?.map(|ms| ms.max(1)),
    };
    let change = ConversationChange {
        muted_until,
        archived: wish.archived,
        draft: wish.draft.map(Option::unwrap_or_default),
    };
    state.account.decide(Decision::Conversation(row.id, change)).await?;
    let row = conversations::get(state.account.store(), no)?.unwrap_or(row);
    Ok(Json(Reader::new(&state.account).conversation(&row)?))
}

/// The conversation with oneself, made at first use.
async fn open_notes(
    State(state): State<ApiState>,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<Json<dto::Conversation>, ApiError> {
    let (_, row) = notes(&state).await?;
    Ok(Json(Reader::new(&state.account).conversation(&row)?))
}

/// The conversation to write in; the one with oneself is made if it is meant.
pub(super) async fn wanted(state: &Shared, text: &str) -> Result<(ConversationNo, ConversationRow), ApiError> {
    let (store, own) = (state.account.store(), state.account.facts().own);
    match resolve::conversation(store, own, text) {
        Err(resolve::ResolveError::Unknown { .. }) if text == resolve::NOTES => notes(state).await,
        found => Ok(found?),
    }
}

/// By its id alone: no name leads anywhere else.
async fn notes(state: &Shared) -> Result<(ConversationNo, ConversationRow), ApiError> {
    state.account.decide(Decision::OpenNotes).await?;
    let store = state.account.store();
    let id = ConversationId::notes(&state.account.facts().own.user);
    let row = match conversations::number(store, &id)? {
        Some(no) => conversations::get(store, no)?.map(|row| (no, row)),
        None => None,
    };
    row.ok_or_else(|| ApiError::not_found("there is no conversation with yourself"))
}

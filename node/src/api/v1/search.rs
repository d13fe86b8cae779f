//! Search in messages.

use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Json, Router};
use parlour_crypto::UserId;
use parlour_store::{Filter, Order, Query, devices};
use serde::Deserialize;

use super::dto;
use super::reader::Reader;
use crate::api::access;
use crate::api::auth::Caller;
use crate::api::error::ApiError;
use crate::api::extract::{self, Params};
use crate::api::state::{ApiState, Shared};
use crate::resolve::{self, ResolveError};

/// Characters of a snippet.
const SNIPPET: usize = 160;

pub(crate) fn router() -> Router<ApiState> {
    Router::new().route("/search", get(search))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchParams {
    q: Option<String>,
    conversation: Option<String>,
    author: Option<String>,
    after: Option<String>,
    before: Option<String>,
    order: Option<String>,
    limit: Option<String>,
}

async fn search(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<SearchParams>,
) -> Result<Json<dto::List<dto::FoundMessage>>, ApiError> {
    let missing = || ApiError::bad_field("q", "q must say what to look for");
    let query = Query::parse(params.q.as_deref().ok_or_else(missing)?)?;
    let limit = extract::limit(params.limit.as_deref())?;
    let order = match params.order.as_deref() {
        None | Some("newest") => Order::Newest,
        Some("ranked") => Order::Ranked,
        Some(_) => return Err(ApiError::bad_field("order", "order must be newest or ranked")),
    };
    params
        .author
        .iter()
        .try_for_each(|who| access::may_name(&caller, who))?;
    let filter = filter(&state, &params)?;
    // Waits while others search; closed never.
    let place = state
        .searches
        .clone()
        .acquire_owned()
        .await
        .map_err(|_| ApiError::internal())?;
    let found = tokio::task::spawn_blocking(move || {
        let _place = place;
        find(&state, &query, &filter, order, limit)
    });
    let items = found.await.map_err(|error| {
        tracing::error!(%error, "a search did not end");
        ApiError::internal()
    })??;
    Ok(Json(dto::List { items }))
}

fn filter(state: &Shared, params: &SearchParams) -> Result<Filter, ApiError> {
    let (store, own) = (state.account.store(), state.account.facts().own);
    let conversation = params
        .conversation
        .as_deref()
        .map(|text| resolve::conversation(store, own, text))
        .transpose();
    let conversation = conversation.map_err(|error| ApiError::from(error).at("conversation"))?;
    let authors = match params.author.as_deref() {
        Some(text) => {
            let user = author(state, text).map_err(|error| ApiError::from(error).at("author"))?;
            Some(devices::of_user(store, &user)?.into_iter().map(|no| no.0).collect())
        }
        None => None,
    };
    Ok(Filter {
        conversations: conversation.map(|(no, _)| vec![no.0]),
        authors,
        kinds: None,
        after_ms: extract::time("after", params.after.as_deref())?,
        before_ms: extract::time("before", params.before.as_deref())?,
    })
}

fn author(state: &Shared, text: &str) -> Result<UserId, ResolveError> {
    // Members of rooms need not be contacts.
    if let Ok(user) = text.parse() {
        return Ok(user);
    }
    let facts = state.account.facts();
    match resolve::contact(state.account.store(), text) {
        Err(ResolveError::Unknown { .. }) if text == state.account.name() => Ok(facts.own.user),
        found => found.map(|row| row.user),
    }
}

fn find(
    state: &Shared,
    query: &Query,
    filter: &Filter,
    order: Order,
    limit: usize,
) -> Result<Vec<dto::FoundMessage>, ApiError> {
    let store = state.account.store();
    let found = store.finder().find(store, query, filter, order, limit)?;
    let mut reader = Reader::new(&state.account);
    let mut items = Vec::with_capacity(found.len());
    for hit in found {
        // What was erased since the index was asked has no words.
        let Some(words) = reader.words(&hit.event)? else {
            continue;
        };
        let message = reader.message_at(&hit.event)?;
        items.extend(message.map(|message| with_snippet(query, &words, message)));
    }
    Ok(items)
}

fn with_snippet(query: &Query, words: &str, message: dto::Message) -> dto::FoundMessage {
    let snippet = query.snippet(words, SNIPPET);
    dto::FoundMessage {
        message,
        snippet: snippet.text,
        ranges: snippet.ranges,
    }
}

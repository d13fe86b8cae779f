//! Who may do what: the one place where a token's scope, and the conversation it is for, are held against what is asked.

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use parlour_crypto::{ConversationId, UserId};

use super::auth::{Caller, Grant, Program, Scope};
use super::error::ApiError;
use super::operations::{self, Needs, Place};
use super::state::ApiState;
use super::v1::conversation_of_message;

/// Stands in front of every route. A request without a caller has passed the guard because it needs none, or because it is a
/// WebSocket, whose frames are checked by [`may_send`].
pub(crate) async fn check(State(state): State<ApiState>, request: Request, next: Next) -> Result<Response, ApiError> {
    checked(Some(&state), request, next).await
}

/// The same for a node that waits for its account, where nothing is for one conversation.
pub(crate) async fn check_waiting(request: Request, next: Next) -> Result<Response, ApiError> {
    checked(None, request, next).await
}

async fn checked(state: Option<&ApiState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return Ok(next.run(request).await);
    };
    let (mut parts, body) = request.into_parts();
    permit(state, &caller, &mut parts).await?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}

async fn permit(state: Option<&ApiState>, caller: &Grant, parts: &mut Parts) -> Result<(), ApiError> {
    let operation = parts
        .extensions
        .get::<MatchedPath>()
        .and_then(|path| operations::find(&parts.method, path.as_str()));
    let unknown = (Needs::Scope(Scope::Admin), Place::Account);
    let (needs, place) = operation.map_or(unknown, |operation| (operation.needs, operation.place));
    check_scope(caller, needs)?;
    let Some(only) = &caller.conversation else {
        return Ok(());
    };
    let named = match place {
        Place::Filtered => return Ok(()),
        Place::Account => None,
        Place::Query => one_parameter(parts.uri.query().unwrap_or_default(), "conversation"),
        Place::Conversation | Place::Message => first_part(parts).await,
    };
    match place {
        Place::Message => {
            // What is elsewhere does not exist for such a token.
            let found = match (state, named) {
                (Some(state), Some(text)) => conversation_of_message(state, &text)?,
                _ => None,
            };
            let is_there = found.as_ref() == Some(only);
            is_there
                .then_some(())
                .ok_or_else(|| ApiError::not_found("there is no such message"))
        }
        _ => check_conversation(only, named.as_deref()),
    }
}

/// Whether a WebSocket's caller may write there.
pub(crate) fn may_send(caller: &Grant, conversation: &str) -> Result<(), ApiError> {
    check_scope(caller, Needs::Scope(Scope::Send))?;
    match &caller.conversation {
        Some(only) => check_conversation(only, Some(conversation)),
        None => Ok(()),
    }
}

/// Whether a caller may name somebody so. Whoever is let into one conversation names people by their whole ids, and does not learn
/// by trying names who else there is.
pub(crate) fn may_name(caller: &Grant, who: &str) -> Result<(), ApiError> {
    if caller.conversation.is_none() || who.parse::<UserId>().is_ok() {
        return Ok(());
    }
    let detail = "a token for one conversation names people by their whole user ids";
    Err(ApiError::forbidden("other_conversation", detail))
}

fn check_scope(caller: &Grant, needs: Needs) -> Result<(), ApiError> {
    match needs {
        Needs::Nothing => Ok(()),
        Needs::Scope(scope) if scope <= caller.scope => Ok(()),
        Needs::Scope(scope) => Err(ApiError::forbidden(
            "scope",
            format!(
                "this needs a token of the scope {}; this one has {}",
                scope.name(),
                caller.scope.name()
            ),
        )),
        Needs::CommandLine if caller.program == Program::CommandLine => Ok(()),
        // A page or a program that could make tokens could make its own last for ever.
        Needs::CommandLine => Err(ApiError::forbidden(
            "not_for_pages",
            "only the command line makes links and tokens: `parlour open`, `parlour token new`",
        )),
    }
}

/// By its whole id, since names can move from one conversation to another.
fn check_conversation(only: &ConversationId, named: Option<&str>) -> Result<(), ApiError> {
    if named.is_some_and(|text| text == only.to_string()) {
        return Ok(());
    }
    let detail = format!("this token is for the conversation {only} alone, which is named by its whole id");
    Err(ApiError::forbidden("other_conversation", detail))
}

async fn first_part(parts: &mut Parts) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    params.iter().next().map(|(_, value)| value.to_owned())
}

/// The value of a parameter that is there once. An id needs no percent-encoding, so that encoded ones are no match.
fn one_parameter(query: &str, name: &str) -> Option<String> {
    let mut values = query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then_some(value)
    });
    let first = values.next()?;
    values.next().is_none().then(|| first.to_owned())
}

//! What a room can be called by its members, and on this node.

use axum::http::StatusCode;

use crate::api::error::ApiError;
use crate::api::state::Shared;
use crate::resolve::{self, ResolveError};
use crate::text;

/// What is said in the name of a room is seen, by those who say it and by all others. What others send is cleaned where it is shown.
pub(super) fn check_texts(name: Option<&str>, topic: Option<&str>) -> Result<(), ApiError> {
    if name.is_some_and(|name| !name.trim().is_empty() && text::name(name) != name.trim()) {
        let detail = "a room's name is one line without control, direction or invisible characters";
        return Err(ApiError::bad_request("bad_text", detail).at("name"));
    }
    if topic.is_some_and(|topic| topic.chars().any(|c| c != '\n' && text::acts(c))) {
        let detail = "a topic has no control or direction characters but line breaks";
        return Err(ApiError::bad_request("bad_text", detail).at("topic"));
    }
    Ok(())
}

/// What a room is called here leads to nobody else; what else makes an alias is the engine's matter.
pub(super) fn check_alias(state: &Shared, alias: &str) -> Result<(), ApiError> {
    let taken = |whose: &str| {
        let detail = format!("{alias:?} {whose}: call the room something else");
        Err(ApiError::new(StatusCode::CONFLICT, "name_taken", detail).at("slug"))
    };
    if alias == resolve::NOTES {
        return taken("means your own notes");
    }
    match resolve::contact(state.account.store(), alias) {
        Ok(_) | Err(ResolveError::Ambiguous { .. }) => taken("is what a contact is called"),
        Err(ResolveError::Store(error)) => Err(error.into()),
        Err(ResolveError::Unknown { .. } | ResolveError::BadId { .. }) => Ok(()),
    }
}

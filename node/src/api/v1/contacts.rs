//! Contacts: listed, shown, added from an invite, removed.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use parlour_store::contacts::{self, ContactState};
use serde::Deserialize;

use super::dto;
use super::reader::Reader;
use crate::api::error::ApiError;
use crate::api::extract::{Body, Params, Part};
use crate::api::state::ApiState;
use crate::engine::{AddContact, ContactChange, Decision};
use crate::resolve;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/contacts", get(list).post(add))
        .route("/contacts/{contact}", get(one).patch(change).delete(remove))
}

async fn list(State(state): State<ApiState>) -> Result<Json<dto::List<dto::Contact>>, ApiError> {
    let reader = Reader::new(&state.account);
    let mut items = Vec::new();
    for row in contacts::all(state.account.store())? {
        let contact = reader.contact(&row)?;
        // Whoever is no contact any more is known by name, and listed while there is something to undo.
        if row.state != ContactState::Former || contact.blocked {
            items.push(contact);
        }
    }
    Ok(Json(dto::List { items }))
}

async fn one(State(state): State<ApiState>, Part(contact): Part) -> Result<Json<dto::Contact>, ApiError> {
    let row = resolve::contact(state.account.store(), &contact)?;
    Ok(Json(Reader::new(&state.account).contact(&row)?))
}

async fn add(
    State(state): State<ApiState>,
    Body(wish): Body<dto::AddContact>,
) -> Result<(StatusCode, Json<dto::AddedContact>), ApiError> {
    add_link(&state, wish.link, wish.petname, wish.note).await
}

/// Opens an invite, or asks at an address.
pub(crate) async fn add_link(
    state: &ApiState,
    link: String,
    petname: Option<String>,
    note: Option<String>,
) -> Result<(StatusCode, Json<dto::AddedContact>), ApiError> {
    let added = state.account.add(AddContact { link, petname, note }).await?;
    let row = contacts::get(state.account.store(), &added.user)?.ok_or_else(|| {
        tracing::error!("a contact is gone right after it was added");
        ApiError::internal()
    })?;
    let contact = Reader::new(&state.account).contact(&row)?;
    let status = if added.already {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((
        status,
        Json(dto::AddedContact {
            contact,
            already: added.already,
        }),
    ))
}

async fn change(
    State(state): State<ApiState>,
    Part(contact): Part,
    Body(wish): Body<dto::ChangeContact>,
) -> Result<Json<dto::Contact>, ApiError> {
    let store = state.account.store();
    let change = ContactChange {
        petname: wish.petname,
        blocked: wish.blocked,
    };
    let known = match resolve::contact(store, &contact) {
        Ok(row) => Ok(row),
        // Fellow members of rooms are known by their whole ids, and can be blocked.
        Err(unknown) => match contact.parse() {
            Ok(user) if wish.blocked == Some(true) => {
                state.account.decide(Decision::Contact(user, change)).await?;
                let row = contacts::get(store, &user)?.ok_or_else(|| ApiError::from(unknown))?;
                return Ok(Json(Reader::new(&state.account).contact(&row)?));
            }
            _ => Err(unknown),
        },
    };
    let row = known?;
    state.account.decide(Decision::Contact(row.user, change)).await?;
    let row = contacts::get(store, &row.user)?.unwrap_or(row);
    Ok(Json(Reader::new(&state.account).contact(&row)?))
}

/// Whether what was written with them goes, too.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    #[serde(default)]
    history: bool,
}

async fn remove(
    State(state): State<ApiState>,
    Part(contact): Part,
    Params(Removal { history }): Params<Removal>,
) -> Result<Json<dto::Contact>, ApiError> {
    let row = resolve::contact(state.account.store(), &contact)?;
    let user = row.user;
    state.account.decide(Decision::Remove { user, history }).await?;
    let row = contacts::get(state.account.store(), &user)?.unwrap_or(row);
    Ok(Json(Reader::new(&state.account).contact(&row)?))
}

//! Public rooms that somebody is not in yet, as more than one family finds them: API v1 lists them and lets in.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::inside::{Refused, part};
use super::request::Asker;

/// Those that the account is not in.
pub(super) async fn listed(asker: &Asker) -> Result<Vec<Value>, Refused> {
    let mut listed = asker.post("/api/v1/public-rooms", &json!({})).await?;
    let Value::Array(mut rooms) = listed["items"].take() else {
        return Ok(Vec::new());
    };
    rooms.retain(|room| room["joined"] != true);
    Ok(rooms)
}

/// The one of an id, or of a slug that no other one has.
pub(super) async fn find(asker: &Asker, room: &str) -> Result<Option<Value>, Refused> {
    let means = |one: &Value| one["id"] == room || (one["slug"] == room && one["ambiguous"] == false);
    Ok(listed(asker).await?.into_iter().find(means))
}

/// Comes into one; answers it as API v1 tells of a room.
pub(super) async fn enter(asker: &Asker, room: &Value) -> Result<Value, Refused> {
    let id = part(room["id"].as_str().unwrap_or_default());
    let entered = asker
        .post(&format!("/api/v1/public-rooms/{id}/join"), &json!({}))
        .await?;
    match entered["standing"].as_str() {
        Some("member") => Ok(entered),
        Some("refused") => {
            let why = entered["reason"].as_str().unwrap_or("they do not let you in");
            Err(Refused::new(StatusCode::FORBIDDEN, why))
        }
        _ => Err(Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "nobody of this room has let you in yet: try again",
        )
        .after(2)),
    }
}

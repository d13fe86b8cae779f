//! The family's conversations: every contact and every room, also where nothing was said yet, since UIs open no others.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::super::inside::{Refused, part};
use super::super::request::{Asker, Params};
use super::{Answer, Session, done, needed, show};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListParams {
    user_id: Option<String>,
}

pub(super) async fn list(session: Session, Params(params): Params<ListParams>) -> Answer {
    let asker = session.of(needed(params.user_id.as_deref(), "userId")?).await?;
    let listed = asker.get("/api/v1/conversations").await?;
    let contacts = asker.get("/api/v1/contacts").await?;
    let contacts = contacts["items"].as_array().into_iter().flatten();
    let by_id: BTreeMap<_, _> = contacts
        .filter_map(|contact| Some((contact["user_id"].as_str()?, contact)))
        .collect();
    let items = listed["items"].as_array().into_iter().flatten();
    let conversations = items.map(|item| {
        let contact = item["with"].as_str().and_then(|with| by_id.get(with));
        show::conversation(item, contact.copied())
    });
    let conversations = conversations.collect();
    Ok(Json(done("", "conversations", &conversations)))
}

/// The conversation of an id, its own or that of whom it is with. Names lead nowhere here, and neither do parts of ids.
pub(super) async fn find(asker: &Asker, id: &str) -> Result<Value, Refused> {
    let nothing = || Refused::new(StatusCode::NOT_FOUND, "there is no such conversation");
    match asker.get(&format!("/api/v1/conversations/{}", part(id))).await {
        Ok(found) if found["id"] == id || found["with"] == id => Ok(found),
        Ok(_) => Err(nothing()),
        Err(refused) => match refused.status {
            // However the id is wrong.
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::CONFLICT => Err(nothing()),
            _ => Err(refused),
        },
    }
}

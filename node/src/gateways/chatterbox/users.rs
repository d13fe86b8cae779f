//! The family's users: the account's own, and its contacts.

use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::super::inside::Refused;
use super::super::people;
use super::super::request::{Asker, Id, Params, bad};
use super::{Answer, Page, Session, needed, paged, show};

/// Users that a search finds, without being asked for a number.
const FOUND: usize = 20;

/// The account's own user.
pub(super) async fn own(asker: &Asker) -> Result<Value, Refused> {
    let me = asker.get("/api/v1/me").await?;
    let profile = asker.get("/api/v1/me/profile").await?;
    let user = people::own(asker, &me, &profile, Value::Null).await?;
    Ok(show::own(&me, &profile, user))
}

/// The picture of the account's user or of a contact, by the whole id.
pub(super) async fn avatar(Session(asker): Session, Id(user): Id) -> Result<Response, Refused> {
    people::find(&asker, &user).await?.picture(&asker).await
}

/// Whoever logs in or writes is there for some minutes: the family has no other word for it.
pub(super) async fn is_there(asker: &Asker) {
    // What they ask for does not depend on it.
    let _ = asker.say_there(true).await;
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SearchParams {
    q: Option<String>,
    current_user_id: Option<String>,
    page: Option<String>,
    limit: Option<String>,
}

pub(super) async fn search(session: Session, Params(params): Params<SearchParams>) -> Answer {
    let user = needed(params.current_user_id.as_deref(), "currentUserId")?;
    let asker = session.of(user).await?;
    let wanted = needed(params.q.as_deref(), "q")?.trim().to_lowercase();
    if wanted.is_empty() {
        return Err(bad("q must not be empty"));
    }
    let page = Page::of(params.page.as_deref(), params.limit.as_deref(), FOUND)?;
    let contacts = people::contacts(&asker).await?;
    let is_found = |contact: &&Value| {
        let mut names = ["display", "name"].iter().filter_map(|name| contact[*name].as_str());
        names.any(|name| name.to_lowercase().contains(&wanted))
    };
    let found: Vec<_> = contacts.iter().filter(is_found).map(show::contact).collect();
    let users = found.iter().skip(page.skip()).take(page.limit).cloned().collect();
    Ok(paged("users", &Value::Array(users), &page, found.len()))
}

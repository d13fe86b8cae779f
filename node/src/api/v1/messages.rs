//! Messages: pages of a conversation, one with its deliveries, and writing.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, Json, Router};
use data_encoding::BASE64URL_NOPAD;
use parlour_crypto::{Content, EQUATOR, EventId, Location, MAX_MENTIONS, MERIDIAN, Poll, Sticker, is_emoji};
use parlour_store::conversations::{ConversationKind, ConversationRow};
use parlour_store::timeline::{self, Position, TimelineEntry};
use parlour_store::{ConversationNo, EventKey, Store, StoreError, annotations, client_ids, events, system};
use serde::Deserialize;

use super::dto;
use super::reader::{Reader, parts};
use crate::api::access;
use crate::api::auth::Caller;
use crate::api::error::ApiError;
use crate::api::extract::{self, Body, Params, Part, field};
use crate::api::state::{ApiState, Shared};
use crate::engine::{Expiry, SendText};
use crate::resolve;

pub(crate) fn router() -> Router<ApiState> {
    Router::new().route("/conversations/{conversation}/messages", get(page).post(create))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageParams {
    limit: Option<String>,
    before: Option<String>,
    after: Option<String>,
    /// A message: it and its neighbours on both sides.
    around: Option<String>,
    /// In the order in which they came here, after the one with this number (`seq`).
    after_seq: Option<String>,
    /// Only what is under this message, newest page first: its id or the beginning of one; one in a thread stands for its root.
    thread: Option<String>,
}

async fn page(
    State(state): State<ApiState>,
    Part(conversation): Part,
    Params(params): Params<PageParams>,
) -> Result<Json<dto::Page<dto::Message>>, ApiError> {
    let limit = extract::limit(params.limit.as_deref())?;
    let before = params
        .before
        .as_deref()
        .map(|text| parse_cursor("before", text))
        .transpose()?;
    let after = params
        .after
        .as_deref()
        .map(|text| parse_cursor("after", text))
        .transpose()?;
    let store = state.account.store();
    let (no, _) = resolve::conversation(store, state.account.facts().own, &conversation)?;
    if let Some(after) = field::<u64>(
        "after_seq",
        params.after_seq.as_deref(),
        "the seq of a message, a number",
    )? {
        if params.before.is_some() || params.after.is_some() || params.around.is_some() || params.thread.is_some() {
            return Err(ApiError::bad_field("after_seq", "after_seq is given alone"));
        }
        return arrived(&state, no, after, limit).map(Json);
    }
    let one_more = limit.saturating_add(1);
    if let Some(root) = params.thread.as_deref() {
        if after.is_some() || params.around.is_some() {
            return Err(ApiError::bad_field("thread", "a thread is read with before alone"));
        }
        return thread(&state, no, root, before.as_ref(), limit).map(Json);
    }
    let (entries, prev, next) = match (before, after, params.around.as_deref()) {
        (Some(_), Some(_), _) => {
            return Err(ApiError::bad_field(
                "after",
                "either before or after can be given, not both",
            ));
        }
        (None, None, Some(text)) => around(store, no, text, limit)?,
        (_, _, Some(_)) => {
            let detail = "around is given alone, without before or after";
            return Err(ApiError::bad_field("around", detail));
        }
        (before, None, None) => {
            let mut entries = system::page_before(store, no, before.as_ref(), one_more)?;
            let more = entries.len() > limit;
            entries.drain(..usize::from(more));
            let prev = entries.first().filter(|_| more).map(cursor);
            let next = entries.last().filter(|_| before.is_some()).map(cursor);
            (entries, prev, next)
        }
        (None, Some(after), None) => {
            let mut entries = system::page_after(store, no, Some(&after), one_more)?;
            let more = entries.len() > limit;
            entries.truncate(limit);
            let (prev, next) = (entries.first().map(cursor), entries.last().filter(|_| more).map(cursor));
            (entries, prev, next)
        }
    };
    let mut reader = Reader::new(&state.account);
    let mut items = Vec::with_capacity(entries.len());
    for entry in &entries {
        items.extend(reader.message(&entry.event, entry.room_seq)?);
    }
    Ok(Json(dto::Page { items, prev, next }))
}

/// Entries of a page, with the cursors of its neighbours.
type Entries = (Vec<TimelineEntry>, Option<String>, Option<String>);

/// A page with the message that a text means in its middle, as far as there are neighbours.
fn around(store: &Store, no: ConversationNo, text: &str, limit: usize) -> Result<Entries, ApiError> {
    let not_here = || ApiError::not_found("there is no such message in this conversation").at("around");
    let id = resolve::message(store, text).map_err(|error| ApiError::from(error).at("around"))?;
    let place = events::place(store, &id)?.filter(|at| at.log.conversation == no);
    let clock = events::brief(store, &place.ok_or_else(not_here)?)?
        .ok_or_else(not_here)?
        .clock;
    let at = Position { clock, id };
    let entry = match timeline::get(store, no, &at)? {
        Some(entry) => entry,
        None if system::is_shown(store, no, &at)? => TimelineEntry {
            at,
            event: place.ok_or_else(not_here)?,
            room_seq: 0,
        },
        None => return Err(not_here()),
    };
    let older = limit / 2;
    let newer = limit.saturating_sub(older).saturating_sub(1);
    let mut entries = system::page_before(store, no, Some(&at), older.saturating_add(1))?;
    let more = entries.len() > older;
    entries.drain(..usize::from(more));
    entries.push(entry);
    let mut later = system::page_after(store, no, Some(&at), newer.saturating_add(1))?;
    let more_later = later.len() > newer;
    later.truncate(newer);
    entries.append(&mut later);
    let prev = entries.first().filter(|_| more).map(cursor);
    let next = entries.last().filter(|_| more_later).map(cursor);
    Ok((entries, prev, next))
}

/// What came after a message, as it came; `next` is the `after_seq` of the page behind it.
fn arrived(state: &Shared, no: ConversationNo, after: u64, limit: usize) -> Result<dto::Page<dto::Message>, ApiError> {
    let mut entries = timeline::arrived(state.account.store(), no, after, limit.saturating_add(1))?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|entry| entry.room_seq.to_string());
    let mut reader = Reader::new(&state.account);
    let mut items = Vec::with_capacity(entries.len());
    for entry in &entries {
        items.extend(reader.message(&entry.event, entry.room_seq)?);
    }
    Ok(dto::Page {
        items,
        prev: None,
        next,
    })
}

/// The messages under a root, as a page of a conversation.
fn thread(
    state: &Shared,
    no: ConversationNo,
    root: &str,
    before: Option<&Position>,
    limit: usize,
) -> Result<dto::Page<dto::Message>, ApiError> {
    let store = state.account.store();
    let mut reader = Reader::new(&state.account);
    let named = resolve::message(store, root).map_err(|error| ApiError::from(error).at("thread"))?;
    let not_there = || ApiError::not_found("there is no such message in this conversation").at("thread");
    let (at, message) = reader.message_by_id(&named)?.ok_or_else(not_there)?;
    if at.log.conversation != no {
        return Err(not_there());
    }
    let root = message.more.thread.unwrap_or(named);
    let mut under = annotations::in_thread(store, no, &root, before, limit.saturating_add(1))?;
    let more = under.len() > limit;
    under.truncate(limit);
    under.reverse();
    let prev = under.first().filter(|_| more).map(|(at, _)| cursor_of(at));
    let next = under.last().filter(|_| before.is_some()).map(|(at, _)| cursor_of(at));
    let mut items = Vec::with_capacity(under.len());
    for (_, key) in &under {
        items.extend(reader.message_at(key)?);
    }
    Ok(dto::Page { items, prev, next })
}

fn cursor(entry: &TimelineEntry) -> String {
    cursor_of(&entry.at)
}

fn cursor_of(at: &Position) -> String {
    let mut bytes = at.clock.to_be_bytes().to_vec();
    bytes.extend_from_slice(at.id.as_bytes());
    BASE64URL_NOPAD.encode(&bytes)
}

/// The cursor of what is older than a message, from the message as the API shows it.
pub(crate) fn cursor_before(message: &serde_json::Value) -> Option<String> {
    let id: EventId = message["id"].as_str()?.parse().ok()?;
    let at: jiff::Timestamp = message["created_at"].as_str()?.parse().ok()?;
    let mut bytes = u64::try_from(at.as_millisecond()).ok()?.to_be_bytes().to_vec();
    bytes.extend_from_slice(id.as_bytes());
    Some(BASE64URL_NOPAD.encode(&bytes))
}

fn parse_cursor(field: &str, text: &str) -> Result<Position, ApiError> {
    let bad =
        || ApiError::bad_request("bad_cursor", format!("{text:?} is no cursor that an earlier page gave")).at(field);
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| bad())?;
    let (clock, id) = bytes.split_first_chunk::<8>().ok_or_else(bad)?;
    let id = <[u8; 32]>::try_from(id).map_err(|_| bad())?;
    Ok(Position {
        clock: u64::from_be_bytes(*clock),
        id: EventId::from_bytes(id),
    })
}

async fn create(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Part(conversation): Part,
    Body(wish): Body<dto::SendMessage>,
) -> Result<(StatusCode, Json<dto::Message>), ApiError> {
    wish.mentions
        .iter()
        .try_for_each(|who| access::may_name(&caller, who))?;
    let (known, message) = send(&state, &conversation, wish).await?;
    Ok((if known { StatusCode::OK } else { StatusCode::CREATED }, Json(message)))
}

/// Writes a message; `true` if its client id was used before, so that it was there already.
pub(super) async fn send(
    state: &Shared,
    conversation: &str,
    wish: dto::SendMessage,
) -> Result<(bool, dto::Message), ApiError> {
    let (no, row) = super::conversations::wanted(state, conversation).await?;
    // Before anything else is looked at: what a reply answers, or whom a message mentions, can be gone when the send is repeated.
    if let Some(id) = &wish.client_id
        && let Some(known) = client_ids::get(state.account.store(), no, id)?
    {
        return sent_before(state, &known.event).map(|message| (true, message));
    }
    let sent = state.account.send(send_text(state, no, &row, &wish)?).await?;
    let text = match wish.text {
        Some(text) if sent.plain => text,
        _ => return sent_before(state, &sent.event).map(|message| (!sent.fresh, message)),
    };
    // What was just written need not be read again.
    let facts = state.account.facts();
    let message = dto::Message {
        id: sent.at.id,
        conversation: row.id,
        author: facts.own.user,
        author_name: state.account.name(),
        device: facts.device,
        text: Some(text),
        unsupported: false,
        deleted: false,
        pinned: false,
        reactions: Vec::new(),
        more: Box::default(),
        created_at: dto::Time(sent.at.clock),
        status: "sending",
        seq: sent.room_seq,
        own: true,
    };
    Ok((false, message))
}

fn sent_before(state: &Shared, event: &EventKey) -> Result<dto::Message, ApiError> {
    let message = Reader::new(&state.account).sent_before(event)?;
    Ok(message.ok_or(StoreError::Malformed { noun: "event" })?)
}

/// The one thing that is to be said.
fn content(wish: &dto::SendMessage) -> Result<Content, ApiError> {
    match (&wish.text, &wish.poll, &wish.location, &wish.sticker) {
        (Some(text), None, None, None) => Ok(Content::Text(text.clone())),
        (None, Some(poll), None, None) => Ok(Content::Poll(Poll {
            question: poll.question.trim().to_owned(),
            options: poll.options.iter().map(|option| option.trim().to_owned()).collect(),
            multiple: poll.multiple,
            anonymous: poll.anonymous,
            closes_at: extract::time("closes_at", poll.closes_at.as_deref())?,
        })),
        (None, None, Some(place), None) => location(place).map(Content::Location),
        (None, None, None, Some(sticker)) if !is_emoji(&sticker.emoji) => {
            Err(ApiError::bad_request("not_an_emoji", "a sticker is exactly one emoji").at("sticker"))
        }
        (None, None, None, Some(sticker)) => Ok(Content::Sticker(Sticker {
            emoji: sticker.emoji.clone(),
            name: sticker.name.trim().to_owned(),
            file: None,
        })),
        _ => Err(ApiError::bad_field(
            "text",
            "exactly one of text, poll, location and sticker must be given",
        )),
    }
}

fn location(place: &dto::Place) -> Result<Location, ApiError> {
    let coordinate = |field, degrees, zero| {
        parts::from_degrees(degrees, zero)
            .ok_or_else(|| ApiError::bad_field(field, format!("{field} is not on earth: {degrees}")))
    };
    Ok(Location {
        latitude: coordinate("latitude", place.latitude, EQUATOR)?,
        longitude: coordinate("longitude", place.longitude, MERIDIAN)?,
        accuracy_m: place.accuracy_m,
        name: place.name.as_deref().unwrap_or_default().trim().to_owned(),
    })
}

fn send_text(
    state: &Shared,
    no: ConversationNo,
    row: &ConversationRow,
    wish: &dto::SendMessage,
) -> Result<SendText, ApiError> {
    let (store, facts) = (state.account.store(), state.account.facts());
    let name = state.account.name();
    let own = (facts.own.user, name.as_str());
    let reply_to = wish.reply_to.as_deref().map(|text| resolve::message(store, text));
    let mentions = wish.mentions.iter().map(|text| {
        if *text == facts.own.user.to_string() {
            return Ok(facts.own.user);
        }
        match row.kind {
            // Members know one another without being contacts.
            ConversationKind::Room => resolve::member(store, no, own, text),
            _ => resolve::contact(store, text).map(|row| row.user),
        }
    });
    let mentions: Result<Vec<_>, _> = mentions.take(MAX_MENTIONS.saturating_add(1)).collect();
    let thread = wish.thread.as_deref().map(|text| resolve::message(store, text));
    Ok(SendText {
        conversation: row.id,
        content: Box::new(content(wish)?),
        thread: thread.transpose().map_err(|error| ApiError::from(error).at("thread"))?,
        reply_to: reply_to
            .transpose()
            .map_err(|error| ApiError::from(error).at("reply_to"))?,
        client_id: wish.client_id.clone(),
        mentions: mentions.map_err(|error| ApiError::from(error).at("mentions"))?,
        expires: match wish.expires_after_ms {
            None => Expiry::Default,
            Some(None) => Expiry::Never,
            Some(Some(ms)) => Expiry::After(ms),
        },
        visibility: wish.view_once.visibility(),
    })
}

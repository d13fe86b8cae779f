//! Rooms: made, listed, joined, left, ruled.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get, patch, post, put};
use axum::{Json, Router};
use parlour_crypto::{ConversationId, EventId, History, ImageKind, JoinRule, Policy, Rank, UserId, image_kind};
use parlour_store::rooms::{self, RoomRow, Standing};
use parlour_store::{ConversationNo, Store, conversations, registers};

use super::dto::{self, Time};
use super::naming::{check_alias, check_texts};
use super::profile::image;
use super::reader::Reader;
use crate::api::error::ApiError;
use crate::api::extract::{Body, Part, Raw, TwoParts};
use crate::api::neighbours;
use crate::api::state::{ApiState, Shared};
use crate::engine::{ContactChange, Decision, LinkKind, NewRoom, PolicyChange, RoomAct, RoomError};
use crate::resolve;
use crate::text;

/// How long one waits to be let into a public room; later the feed says it.
const LET_IN: Duration = Duration::from_secs(5);

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/rooms", get(list).post(make))
        .route("/room-links", post(open_link))
        .route("/public-rooms", post(public_rooms))
        .route("/public-rooms/{room}/join", post(join_public))
        .route("/rooms/{room}", get(one).patch(change))
        .route("/rooms/{room}/avatar", get(avatar).put(set_avatar).delete(clear_avatar))
        .route("/rooms/{room}/members", get(members))
        .route("/rooms/{room}/members/{user}", patch(give_rank))
        .route("/rooms/{room}/members/{user}/remove", post(remove))
        .route("/rooms/{room}/members/{user}/block", put(block).delete(unblock))
        .route("/rooms/{room}/bans/{user}", delete(unban))
        .route("/rooms/{room}/invites", post(invite))
        .route("/rooms/{room}/links", post(make_link))
        .route("/rooms/{room}/links/revoke", post(revoke_link))
        .route("/rooms/{room}/requests", get(requests))
        .route("/rooms/{room}/requests/{user}", post(accept).delete(turn_away))
        .route("/rooms/{room}/reports", get(reports))
        .route("/rooms/{room}/reports/{message}", delete(dismiss))
        .route("/rooms/{room}/join", post(join))
        .route("/rooms/{room}/leave", post(leave))
}

/// Why nobody let us in.
fn refusal(reason: u8) -> &'static str {
    match reason {
        1 => "the link has ended: ask for a new one",
        2 => "the link was taken back, or never was: ask for a new one",
        3 => "the link was used as often as it may be: ask for a new one",
        4 => "only the device that made the link can let you in: ask for a new one",
        5 => "you are banned from this room",
        _ => "they do not let you in",
    }
}

/// What a rank is called.
pub(super) fn rank_name(rank: u8) -> &'static str {
    match Rank::from_number(rank) {
        Some(Rank::Guest) => "guest",
        Some(Rank::Member) => "member",
        Some(Rank::Moderator) => "moderator",
        Some(Rank::Admin) => "admin",
        Some(Rank::Owner) => "owner",
        Some(Rank::Nobody) | None => "none",
    }
}

fn rank(field: &str, name: &str) -> Result<Rank, ApiError> {
    Ok(match name {
        "guest" => Rank::Guest,
        "member" => Rank::Member,
        "moderator" => Rank::Moderator,
        "admin" => Rank::Admin,
        "owner" => Rank::Owner,
        _ => {
            let detail = "a rank is one of guest, member, moderator, admin, owner";
            return Err(ApiError::bad_field(field, detail));
        }
    })
}

/// The room meant by an id, the beginning of one, or what it is called here.
fn resolve_room(state: &Shared, text: &str) -> Result<(ConversationNo, ConversationId), ApiError> {
    let (no, row) = resolve::room(state.account.store(), text)?;
    Ok((no, row.id))
}

/// The member, or whoever else, meant by an id, a contact's name, or what a member calls themselves.
fn resolve_user(state: &Shared, no: ConversationNo, text: &str) -> Result<UserId, ApiError> {
    let name = state.account.name();
    let own = (state.account.facts().own.user, name.as_str());
    Ok(resolve::member(state.account.store(), no, own, text)?)
}

/// Who is kept out.
fn banned(reader: &Reader<'_>, no: ConversationNo, store: &Store) -> Result<Vec<dto::Banned>, ApiError> {
    let users = rooms::banned(store, no)?.into_iter();
    let items = users.map(|user_id| {
        let name = reader.name_of(&user_id)?;
        Ok(dto::Banned { user_id, name })
    });
    items.collect()
}

fn shown(state: &Shared, reader: &mut Reader<'_>, no: ConversationNo, row: &RoomRow) -> Result<dto::Room, ApiError> {
    let store = state.account.store();
    let own = state.account.facts().own;
    let missing = || ApiError::from(RoomError::UnknownRoom);
    let conversation = conversations::get(store, no)?.ok_or_else(missing)?;
    let rank = rooms::member(store, no, &own.user)?.map_or(0, |member| member.rank);
    let (standing, invited_by, reason) = match &row.standing {
        Standing::Invited { by, .. } => ("invited", Some(*by), None),
        Standing::Asked { refused: None, .. } => ("joining", None, None),
        Standing::Asked {
            refused: Some(reason), ..
        } => ("refused", None, Some(refusal(*reason))),
        Standing::Member => ("member", None, None),
        Standing::Gone => ("gone", None, None),
    };
    Ok(dto::Room {
        id: conversation.id,
        slug: row.slug.clone(),
        name: text::name(&row.name),
        topic: text::lines(&row.topic),
        avatar: picture_of(store, no)?.map(|(kind, _)| kind.media_type()),
        standing,
        reason,
        role: rank_name(rank),
        members: row.members,
        policy: shown_rules(&row.policy),
        invited_by,
        invited_by_name: invited_by.map(|user| reader.name_of(&user)).transpose()?,
        unread: conversation.unread,
        mentions: conversation.mentions,
        last_seq: conversation.last_seq,
        banned: banned(reader, no, store)?,
        created_at: Time(conversation.created),
    })
}

pub(super) fn shown_rules(policy: &Policy) -> dto::ShownRules {
    dto::ShownRules {
        post: rank_name(policy.post),
        invite: rank_name(policy.invite),
        pin: rank_name(policy.pin),
        info: rank_name(policy.info),
        remove: rank_name(policy.remove),
        roles: rank_name(policy.roles),
        join: match policy.join_rule() {
            JoinRule::Invite => "invite",
            JoinRule::Link => "link",
            JoinRule::Knock => "knock",
            JoinRule::Public => "public",
        },
        history: match policy.history_rule() {
            History::None => "none",
            History::Last100 => "last100",
            History::Days30 => "30days",
            History::All => "all",
        },
        slow_mode_ms: policy.slow_mode_ms,
        expires_after_ms: policy.expires_after_ms,
    }
}

fn by_id(state: &Shared, room: &ConversationId) -> Result<dto::Room, ApiError> {
    let store = state.account.store();
    let missing = || ApiError::from(RoomError::UnknownRoom);
    let no = conversations::number(store, room)?.ok_or_else(missing)?;
    let row = rooms::get(store, no)?.ok_or_else(missing)?;
    shown(state, &mut Reader::new(&state.account), no, &row)
}

async fn list(State(state): State<ApiState>) -> Result<Json<dto::List<dto::Room>>, ApiError> {
    let mut reader = Reader::new(&state.account);
    let rows = rooms::all(state.account.store())?;
    // An invitation is none before the operation that lets us in has come: it could not be accepted.
    let has_come = |row: &RoomRow| !matches!(row.standing, Standing::Invited { open: false, .. });
    let items = rows
        .iter()
        .filter(|(_, row)| has_come(row))
        .map(|(no, row)| shown(&state, &mut reader, *no, row))
        .collect::<Result<_, _>>()?;
    Ok(Json(dto::List { items }))
}

async fn one(State(state): State<ApiState>, Part(room): Part) -> Result<Json<dto::Room>, ApiError> {
    let (_, id) = resolve_room(&state, &room)?;
    Ok(Json(by_id(&state, &id)?))
}

async fn make(
    State(state): State<ApiState>,
    Body(wish): Body<dto::MakeRoom>,
) -> Result<(StatusCode, Json<dto::Room>), ApiError> {
    check_texts(Some(&wish.name), wish.topic.as_deref())?;
    let new = NewRoom {
        policy: wish.policy.as_ref().map(rules).transpose()?.unwrap_or_default(),
        name: wish.name,
        topic: wish.topic,
    };
    let id = state.account.make_room(new).await?;
    Ok((StatusCode::CREATED, Json(by_id(&state, &id)?)))
}

/// Changes of the rules.
fn rules(wish: &dto::Rules) -> Result<PolicyChange, ApiError> {
    let ranked = |field, name: &Option<String>| name.as_deref().map(|name| rank(field, name)).transpose();
    let join = wish.join.as_deref().map(|join| match join {
        "invite" => Ok(JoinRule::Invite),
        "link" => Ok(JoinRule::Link),
        "knock" => Ok(JoinRule::Knock),
        "public" => Ok(JoinRule::Public),
        _ => Err(ApiError::bad_field("join", "one of invite, link, knock, public")),
    });
    let history = wish.history.as_deref().map(|history| match history {
        "none" => Ok(History::None),
        "last100" => Ok(History::Last100),
        "30days" => Ok(History::Days30),
        "all" => Ok(History::All),
        _ => Err(ApiError::bad_field("history", "one of none, last100, 30days, all")),
    });
    Ok(PolicyChange {
        post: ranked("post", &wish.post)?,
        invite: ranked("invite", &wish.invite)?,
        pin: ranked("pin", &wish.pin)?,
        info: ranked("info", &wish.info)?,
        remove: ranked("remove", &wish.remove)?,
        roles: ranked("roles", &wish.roles)?,
        join: join.transpose()?,
        history: history.transpose()?,
        slow_mode_ms: wish.slow_mode_ms,
    })
}

async fn change(
    State(state): State<ApiState>,
    Part(room): Part,
    Body(wish): Body<dto::ChangeRoom>,
) -> Result<Json<dto::Room>, ApiError> {
    let (_, id) = resolve_room(&state, &room)?;
    check_texts(wish.name.as_deref(), wish.topic.as_deref())?;
    if let Some(alias) = wish.slug.as_deref() {
        check_alias(&state, alias)?;
    }
    if wish.name.is_some() || wish.topic.is_some() {
        let act = RoomAct::Info {
            name: wish.name.map(|name| name.trim().to_owned()),
            topic: wish.topic,
        };
        state.account.act_in_room(id, act).await?;
    }
    if let Some(slug) = wish.slug {
        state.account.act_in_room(id, RoomAct::Alias(slug)).await?;
    }
    if let Some(wish) = &wish.policy {
        state.account.act_in_room(id, RoomAct::Policy(rules(wish)?)).await?;
    }
    Ok(Json(by_id(&state, &id)?))
}

/// The picture of a room, if its bytes are one: any member with the right could have sent anything.
fn picture_of(store: &Store, no: ConversationNo) -> Result<Option<(ImageKind, Vec<u8>)>, ApiError> {
    let bytes = rooms::picture(store, no)?;
    Ok(bytes.and_then(|bytes| Some((image_kind(&bytes).ok()?, bytes))))
}

async fn avatar(State(state): State<ApiState>, Part(room): Part) -> Result<Response, ApiError> {
    let (no, _) = resolve_room(&state, &room)?;
    let picture = picture_of(state.account.store(), no)?;
    let (kind, bytes) = picture.ok_or_else(|| ApiError::not_found("there is no picture"))?;
    Ok(image(kind, bytes))
}

async fn set_avatar(State(state): State<ApiState>, Part(room): Part, Raw(bytes): Raw) -> Result<StatusCode, ApiError> {
    let (_, id) = resolve_room(&state, &room)?;
    state.account.act_in_room(id, RoomAct::Picture(Some(bytes))).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_avatar(State(state): State<ApiState>, Part(room): Part) -> Result<StatusCode, ApiError> {
    let (_, id) = resolve_room(&state, &room)?;
    state.account.act_in_room(id, RoomAct::Picture(None)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn members(
    State(state): State<ApiState>,
    Part(room): Part,
) -> Result<Json<dto::List<dto::RoomMember>>, ApiError> {
    let (no, _) = resolve_room(&state, &room)?;
    let reader = Reader::new(&state.account);
    let own = state.account.facts().own.user;
    let mut rows: Vec<_> = rooms::members(state.account.store(), no)?.into_iter().collect();
    rows.sort_by_key(|(user, row)| (std::cmp::Reverse(row.rank), row.since, *user));
    let items = rows.into_iter().map(|(user, row)| {
        Ok(dto::RoomMember {
            user_id: user,
            name: reader.name_of(&user)?,
            role: rank_name(row.rank),
            own: user == own,
            blocked: registers::blocked(state.account.store(), &user)?.is_some(),
            since: Time(row.since),
        })
    });
    Ok(Json(dto::List {
        items: items.collect::<Result<_, ApiError>>()?,
    }))
}

async fn invite(
    State(state): State<ApiState>,
    Part(room): Part,
    Body(wish): Body<dto::InviteToRoom>,
) -> Result<StatusCode, ApiError> {
    let (_, id) = resolve_room(&state, &room)?;
    let user = resolve::contact(state.account.store(), &wish.user)?.user;
    let rank = wish
        .role
        .as_deref()
        .map_or(Ok(Rank::Member), |name| rank("role", name))?;
    state.account.act_in_room(id, RoomAct::Invite(user, rank)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A year.
const MAX_LINK_MS: u64 = 365 * 24 * 3_600_000;
/// Of a link that says nothing else.
const LINK_MS: u64 = 30 * 24 * 3_600_000;

async fn make_link(
    State(state): State<ApiState>,
    Part(room): Part,
    Body(wish): Body<dto::MakeRoomLink>,
) -> Result<(StatusCode, Json<dto::RoomLink>), ApiError> {
    let (_, id) = resolve_room(&state, &room)?;
    if wish
        .uses
        .is_some_and(|uses| !(1..=parlour_crypto::MAX_LINK_USES).contains(&uses))
    {
        return Err(ApiError::bad_field("uses", "a link is for 1 to 10 000 uses"));
    }
    let valid_ms = wish.valid_s.map_or(LINK_MS, |s| s.saturating_mul(1_000));
    if !(1_000..=MAX_LINK_MS).contains(&valid_ms) {
        return Err(ApiError::bad_field("valid_s", "a link is good for a second to a year"));
    }
    let kind = match wish.knock {
        true if wish.uses.is_some() => {
            return Err(ApiError::bad_field("uses", "who knocks is let in one by one"));
        }
        true => LinkKind::Knocks,
        false => LinkKind::Joins(wish.uses),
    };
    let made = state.account.make_room_link(id, kind, valid_ms).await?;
    let link = dto::RoomLink {
        link: made.link,
        uses: wish.uses,
        expires_at: Time(made.expires),
    };
    Ok((StatusCode::CREATED, Json(link)))
}

async fn revoke_link(
    State(state): State<ApiState>,
    Part(room): Part,
    Body(wish): Body<dto::OpenRoomLink>,
) -> Result<StatusCode, ApiError> {
    let (_, id) = resolve_room(&state, &room)?;
    state.account.act_in_room(id, RoomAct::RevokeLink(wish.link)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn requests(
    State(state): State<ApiState>,
    Part(room): Part,
) -> Result<Json<dto::List<dto::RoomRequest>>, ApiError> {
    let (no, _) = resolve_room(&state, &room)?;
    let reader = Reader::new(&state.account);
    let mut rows = rooms::requests(state.account.store(), Some(no))?;
    rows.retain(|(_, _, row)| row.is_open());
    rows.sort_by_key(|(_, _, row)| row.at);
    let items = rows
        .iter()
        .map(|(_, user, row)| reader.room_request(user, row).transpose());
    Ok(Json(dto::List {
        items: items.flatten().collect::<Result<_, _>>()?,
    }))
}

/// Who asks to be let in, by their id, its beginning, or what they call themselves if nobody else does.
fn asking(state: &Shared, no: ConversationNo, wanted: &str) -> Result<UserId, ApiError> {
    let mut rows = rooms::requests(state.account.store(), Some(no))?;
    rows.retain(|(_, _, row)| row.is_open());
    let means = |user: &UserId, row: &rooms::RequestRow| {
        row.name == wanted || (wanted.len() > "user_".len() && user.to_string().starts_with(wanted))
    };
    let mut found = rows.iter().filter(|(_, user, row)| means(user, row));
    match (found.next(), found.next()) {
        (Some((_, user, _)), None) => Ok(*user),
        (Some(_), Some(_)) => Err(ApiError::bad_field(
            "user",
            "several who ask are called so: give the id",
        )),
        (None, _) => Err(RoomError::NotAsking.into()),
    }
}

async fn accept(
    State(state): State<ApiState>,
    TwoParts(room, user): TwoParts,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<StatusCode, ApiError> {
    let (no, id) = resolve_room(&state, &room)?;
    let act = RoomAct::Invite(asking(&state, no, &user)?, Rank::Member);
    state.account.act_in_room(id, act).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn turn_away(State(state): State<ApiState>, TwoParts(room, user): TwoParts) -> Result<StatusCode, ApiError> {
    let (no, id) = resolve_room(&state, &room)?;
    let act = RoomAct::TurnAway(asking(&state, no, &user)?);
    state.account.act_in_room(id, act).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn reports(State(state): State<ApiState>, Part(room): Part) -> Result<Json<dto::List<dto::Report>>, ApiError> {
    let (no, _) = resolve_room(&state, &room)?;
    let mut rows = rooms::reports(state.account.store(), no)?;
    rows.retain(|(_, _, row)| !row.dismissed);
    rows.sort_by_key(|(_, _, row)| row.at);
    let mut reader = Reader::new(&state.account);
    let items = rows.iter().map(|(target, by, row)| reader.report(target, by, row));
    Ok(Json(dto::List {
        items: items.collect::<Result<_, _>>()?,
    }))
}

async fn dismiss(State(state): State<ApiState>, TwoParts(room, message): TwoParts) -> Result<StatusCode, ApiError> {
    let (no, id) = resolve_room(&state, &room)?;
    // It may be gone, or never have come.
    let reported = rooms::reports(state.account.store(), no)?.into_iter();
    let mut meant = reported
        .map(|(target, _, _)| target)
        .filter(|target| target.to_string().starts_with(&message));
    let target = meant.next().ok_or(RoomError::NoSuchReport)?;
    if message.len() <= EventId::PREFIX.len() || meant.any(|other| other != target) {
        let detail = "several reported messages have ids that begin so: give more of it";
        return Err(ApiError::bad_field("message", detail));
    }
    state.account.act_in_room(id, RoomAct::DismissReports(target)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn public_rooms(
    State(state): State<ApiState>,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<Json<dto::List<dto::PublicRoom>>, ApiError> {
    Ok(Json(dto::List {
        items: listed(&state).await?,
    }))
}

/// The public rooms of this node, of contacts and on the LAN.
async fn listed(state: &ApiState) -> Result<Vec<dto::PublicRoom>, ApiError> {
    let mut found = neighbours::public_rooms(state).await?;
    let here: BTreeSet<ConversationId> = found.iter().map(|room| room.room).collect();
    found.extend(state.account.public_rooms().await?);
    let mut seen = BTreeSet::new();
    found.retain(|room| !text::name(&room.name).is_empty() && seen.insert(room.room));
    let slugs: Vec<String> = found.iter().map(|room| rooms::slug(&text::name(&room.name))).collect();
    let (store, reader) = (state.account.store(), Reader::new(&state.account));
    let items = found.into_iter().zip(&slugs).map(|(room, slug)| {
        let known = conversations::number(store, &room.room)?;
        let row = known.map(|no| rooms::get(store, no)).transpose()?.flatten();
        Ok(dto::PublicRoom {
            id: room.room,
            slug: slug.clone(),
            name: text::name(&room.name),
            topic: text::lines(&room.topic),
            members: room.members,
            made_by: room.creator,
            made_by_name: reader.name_of(&room.creator)?,
            created_at: Time(room.created),
            ambiguous: slugs.iter().filter(|other| *other == slug).count() > 1,
            joined: row.is_some_and(|row| row.standing == Standing::Member),
            here: here.contains(&room.room),
            link: room.link,
        })
    });
    items.collect()
}

/// Comes into a public room by its id, or by what it would be called here if no other is; waits for being let in as long as one
/// waits for a page.
async fn join_public(
    State(state): State<ApiState>,
    Part(room): Part,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<(StatusCode, Json<dto::Room>), ApiError> {
    let mut rooms = listed(&state).await?;
    rooms.retain(|one| one.id.to_string() == room || one.slug == room);
    let one = match rooms.as_slice() {
        [] => return Err(ApiError::not_found("nobody lists a public room of this name")),
        [one] => one,
        _ => {
            let detail = "several public rooms would be called so: give the id";
            return Err(ApiError::new(StatusCode::CONFLICT, "ambiguous", detail));
        }
    };
    let mut feed = state.account.feed();
    let id = state.account.join_by_link(one.link.clone()).await?;
    let decided = async {
        loop {
            feed.borrow_and_update();
            let room = by_id(&state, &id)?;
            if room.standing != "joining" || feed.changed().await.is_err() {
                return Ok::<_, ApiError>(room);
            }
        }
    };
    match tokio::time::timeout(LET_IN, decided).await {
        Ok(room) => Ok((StatusCode::OK, Json(room?))),
        Err(_) => Ok((StatusCode::ACCEPTED, Json(by_id(&state, &id)?))),
    }
}

async fn open_link(
    State(state): State<ApiState>,
    Body(wish): Body<dto::OpenRoomLink>,
) -> Result<(StatusCode, Json<dto::Room>), ApiError> {
    let id = state.account.join_by_link(wish.link).await?;
    Ok((StatusCode::ACCEPTED, Json(by_id(&state, &id)?)))
}

async fn join(
    State(state): State<ApiState>,
    Part(room): Part,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<Json<dto::Room>, ApiError> {
    let (_, id) = resolve_room(&state, &room)?;
    state.account.act_in_room(id, RoomAct::Join).await?;
    Ok(Json(by_id(&state, &id)?))
}

async fn leave(
    State(state): State<ApiState>,
    Part(room): Part,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<Json<dto::Room>, ApiError> {
    let (_, id) = resolve_room(&state, &room)?;
    state.account.act_in_room(id, RoomAct::Leave).await?;
    Ok(Json(by_id(&state, &id)?))
}

async fn give_rank(
    State(state): State<ApiState>,
    TwoParts(room, user): TwoParts,
    Body(wish): Body<dto::GiveRank>,
) -> Result<StatusCode, ApiError> {
    let (no, id) = resolve_room(&state, &room)?;
    let user = resolve_user(&state, no, &user)?;
    let act = match rank("role", &wish.role)? {
        Rank::Owner => RoomAct::Transfer(user),
        rank => RoomAct::Role(user, rank),
    };
    state.account.act_in_room(id, act).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(state): State<ApiState>,
    TwoParts(room, user): TwoParts,
    Body(wish): Body<dto::RemoveMember>,
) -> Result<StatusCode, ApiError> {
    let (no, id) = resolve_room(&state, &room)?;
    let act = RoomAct::Remove {
        user: resolve_user(&state, no, &user)?,
        ban: wish.ban,
        purge: wish.purge,
        reason: wish.reason.unwrap_or_default(),
    };
    state.account.act_in_room(id, act).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_blocked(state: &Shared, room: &str, user: &str, blocked: bool) -> Result<StatusCode, ApiError> {
    let (no, _) = resolve_room(state, room)?;
    let change = ContactChange {
        blocked: Some(blocked),
        ..ContactChange::default()
    };
    let user = resolve_user(state, no, user)?;
    state.account.decide(Decision::Contact(user, change)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Does not show what a member writes, in any room.
async fn block(
    State(state): State<ApiState>,
    TwoParts(room, user): TwoParts,
    Body(dto::Nothing {}): Body<dto::Nothing>,
) -> Result<StatusCode, ApiError> {
    set_blocked(&state, &room, &user, true).await
}

async fn unblock(State(state): State<ApiState>, TwoParts(room, user): TwoParts) -> Result<StatusCode, ApiError> {
    set_blocked(&state, &room, &user, false).await
}

async fn unban(State(state): State<ApiState>, TwoParts(room, user): TwoParts) -> Result<StatusCode, ApiError> {
    let (no, id) = resolve_room(&state, &room)?;
    let user = resolve_user(&state, no, &user)?;
    state.account.act_in_room(id, RoomAct::Unban(user)).await?;
    Ok(StatusCode::NO_CONTENT)
}

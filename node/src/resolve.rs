//! From what a person types to the contact or conversation meant: an id, the beginning of one, or a name.
//!
//! A text that begins as an id does is only ever an id, so that nobody can take another's id as a name.

use parlour_crypto::{ConversationId, UserId};
use parlour_store::contacts::{self, ContactRow, ContactState};
use parlour_store::conversations::{self, ConversationKind, ConversationRow};
use parlour_store::requests::{self, RequestRow};
use parlour_store::rooms::{self, RoomRow, Standing};
use parlour_store::view::Own;
use parlour_store::{ConversationNo, Read, StoreError};
use serde::Serialize;

use crate::engine::is_open_request;
use crate::text;

pub(crate) use message::message;
pub(crate) use parlour_store::conversations::NOTES;

mod message;

/// The shortest beginning of an id that is looked for, counted behind its prefix.
const MIN_PREFIX: usize = 6;
/// Candidates named where a text is ambiguous.
const MAX_CANDIDATES: usize = 10;

/// Who or what an ambiguous text may mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Candidate {
    /// Its id.
    pub(crate) id: String,
    /// How it is shown.
    pub(crate) name: String,
}

/// Why a text does not lead anywhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    /// Nothing has this name or id.
    #[error("there is no {noun} {text:?}{}", listed(noun))]
    Unknown {
        /// Contact or conversation.
        noun: &'static str,
        /// What was asked for.
        text: String,
    },
    /// It begins as an id but cannot be one.
    #[error("{text:?} is no id: behind {prefix:?} come {MIN_PREFIX} to 52 characters of a-z and 2-7")]
    BadId {
        /// What was asked for.
        text: String,
        /// The prefix it has.
        prefix: &'static str,
    },
    /// More than one fits.
    #[error("{text:?} can mean more than one {noun}: use an id{}", or_rename(noun))]
    Ambiguous {
        /// Contact or conversation.
        noun: &'static str,
        /// What was asked for.
        text: String,
        /// What it may mean, at most 10.
        candidates: Vec<Candidate>,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where the right name is found.
fn listed(noun: &str) -> &'static str {
    match noun {
        "contact" => "; `parlour contacts` lists them",
        "contact request" => "; `parlour requests` lists them",
        "conversation" => "; `parlour contacts` and `parlour room list` show with whom and where",
        "room" => "; `parlour room list` shows them",
        "member" => "; `parlour room members` lists them",
        _ => "",
    }
}

/// How two of one name are told apart from now on.
fn or_rename(noun: &str) -> &'static str {
    match noun {
        "contact" => ", or call one of them something else (`parlour contacts rename`)",
        "room" => ", or call one of them something else (`parlour room alias`)",
        "conversation" => ", or call one of them something else (`parlour contacts rename`, `parlour room alias`)",
        _ => "",
    }
}

/// The contact meant by a petname, a profile name, a user id or the beginning of one.
///
/// # Errors
/// See [`ResolveError`].
pub(crate) fn contact(read: &impl Read, text: &str) -> Result<ContactRow, ResolveError> {
    let noun = "contact";
    let matching: Vec<ContactRow> = match id_text(text, UserId::PREFIX)? {
        Some(IdText::Whole) => match text.parse() {
            Ok(id) => contacts::get(read, &id)?.into_iter().collect(),
            Err(_) => return Err(bad_id(text, UserId::PREFIX)),
        },
        Some(IdText::Beginning) => contacts::all(read)?
            .into_iter()
            .filter(|row| row.user.to_string().starts_with(text))
            .collect(),
        None => named(contacts::all(read)?, text),
    };
    one(noun, text, matching, |row| Candidate {
        id: row.user.to_string(),
        name: display(row),
    })
}

/// The open contact request meant by a user id, the beginning of one, or the name of whoever asks.
///
/// # Errors
/// See [`ResolveError`].
pub(crate) fn request(read: &impl Read, text: &str, now: u64) -> Result<RequestRow, ResolveError> {
    let mut matching = requests::all(read)?;
    matching.retain(|row| is_open_request(row, now));
    match id_text(text, UserId::PREFIX)? {
        Some(_) => matching.retain(|row| row.user.to_string().starts_with(text)),
        None => {
            matching.retain(|row| asking_name(row) == text);
            // A stranger may call themselves as a friend does.
            let mut friends = named(contacts::all(read)?, text);
            friends.retain(|row| !is_former(row));
            if !matching.is_empty() && !friends.is_empty() {
                let candidate = |user: &UserId, name| Candidate {
                    id: user.to_string(),
                    name,
                };
                let asking = matching.iter().map(|row| candidate(&row.user, asking_name(row)));
                return Err(ResolveError::Ambiguous {
                    noun: "person",
                    text: text.to_owned(),
                    candidates: asking.take(MAX_CANDIDATES).collect(),
                });
            }
        }
    }
    one("contact request", text, matching, |row| Candidate {
        id: row.user.to_string(),
        name: asking_name(row),
    })
}

/// How whoever asks is shown.
#[must_use]
pub(crate) fn asking_name(row: &RequestRow) -> String {
    let name = text::name(&row.name);
    if name.is_empty() { row.user.short() } else { name }
}

/// The conversation meant by its id, the beginning of one, or whatever means the contact it is with.
///
/// # Errors
/// See [`ResolveError`].
pub(crate) fn conversation(
    read: &impl Read,
    own: Own,
    text: &str,
) -> Result<(ConversationNo, ConversationRow), ResolveError> {
    let matching = match id_text(text, ConversationId::PREFIX)? {
        Some(part) => by_part_of_id(read, &part, text)?,
        None if text == NOTES => by_id(read, &ConversationId::notes(&own.user))?.into_iter().collect(),
        None => {
            let with = match contact(read, text) {
                Ok(with) => Some(with),
                Err(ResolveError::Unknown { .. }) => None,
                Err(other) => return Err(other),
            };
            // What we call somebody ourselves stands above what rooms are called; what they call themselves does not.
            let ours = with.as_ref().is_some_and(|with| with.petname.as_deref() == Some(text));
            let mut matching = match ours {
                true => Vec::new(),
                false => rooms_called(read, text, with.is_none())?,
            };
            if let Some(with) = with {
                matching.extend(by_id(read, &ConversationId::direct(&own.user, &with.user))?);
            }
            matching
        }
    };
    one("conversation", text, matching, |found| as_candidate(read, found))
}

/// The room meant by its id, the beginning of one, or what it is called; people of that name do not come into it.
///
/// # Errors
/// See [`ResolveError`].
pub(crate) fn room(read: &impl Read, text: &str) -> Result<(ConversationNo, ConversationRow), ResolveError> {
    let mut matching = match id_text(text, ConversationId::PREFIX)? {
        Some(part) => by_part_of_id(read, &part, text)?,
        None => rooms_called(read, text, true)?,
    };
    matching.retain(|(_, row)| row.kind == ConversationKind::Room);
    one("room", text, matching, |found| as_candidate(read, found))
}

fn by_part_of_id(
    read: &impl Read,
    part: &IdText,
    text: &str,
) -> Result<Vec<(ConversationNo, ConversationRow)>, ResolveError> {
    Ok(match part {
        IdText::Whole => match text.parse() {
            Ok(id) => by_id(read, &id)?.into_iter().collect(),
            Err(_) => return Err(bad_id(text, ConversationId::PREFIX)),
        },
        IdText::Beginning => conversations::all(read)?
            .into_iter()
            .filter(|(_, row)| row.id.to_string().starts_with(text))
            .collect(),
    })
}

fn as_candidate(read: &impl Read, (no, row): &(ConversationNo, ConversationRow)) -> Candidate {
    let name = match &row.kind {
        ConversationKind::Direct { with } => contacts::get(read, with)
            .ok()
            .flatten()
            .map_or_else(|| with.short(), |row| display(&row)),
        ConversationKind::Notes => NOTES.to_owned(),
        ConversationKind::Room => rooms::get(read, *no)
            .ok()
            .flatten()
            .map_or_else(|| row.id.to_string(), |room| room.slug),
    };
    Candidate {
        id: row.id.to_string(),
        name,
    }
}

/// The user meant by a whole id, a contact's name, or the name or the beginning of the id of a member of this room; `own` is this
/// account's user and what they call themselves.
///
/// # Errors
/// See [`ResolveError`].
pub(crate) fn member(
    read: &impl Read,
    room: ConversationNo,
    (own, own_name): (UserId, &str),
    text: &str,
) -> Result<UserId, ResolveError> {
    if let Ok(user) = text.parse() {
        return Ok(user);
    }
    match contact(read, text) {
        Ok(contact) => return Ok(contact.user),
        Err(ResolveError::Unknown { .. }) => {}
        Err(other) => return Err(other),
    }
    let beginning = id_text(text, UserId::PREFIX)?.is_some();
    let mut matching = Vec::new();
    for user in rooms::members(read, room)?.into_keys() {
        let name = match user == own {
            true => Some(own_name.to_owned()),
            false => rooms::name_of(read, &user)?.map(|name| text::name(&name)),
        };
        let fits = match beginning {
            true => user.to_string().starts_with(text),
            false => name.as_deref() == Some(text),
        };
        if fits {
            matching.push((user, name));
        }
    }
    let (user, _) = one("member", text, matching, |(user, name)| Candidate {
        id: user.to_string(),
        name: name.clone().unwrap_or_else(|| user.short()),
    })?;
    Ok(user)
}

/// The room that is called so here, or else those that everybody calls so; those that we are in before others, which count only if
/// `also_others`.
fn rooms_called(
    read: &impl Read,
    text: &str,
    also_others: bool,
) -> Result<Vec<(ConversationNo, ConversationRow)>, StoreError> {
    let rooms = rooms::all(read)?;
    let of = |members: bool, fits: &dyn Fn(&RoomRow) -> bool| -> Vec<ConversationNo> {
        let wanted = |row: &RoomRow| (row.standing == Standing::Member) == members && fits(row);
        rooms.iter().filter(|(_, row)| wanted(row)).map(|(no, _)| *no).collect()
    };
    let slug = |row: &RoomRow| row.slug == text;
    let name = |row: &RoomRow| text::name(&row.name) == text;
    let mut called = Vec::new();
    for members in [true, false] {
        for fits in [&slug as &dyn Fn(&RoomRow) -> bool, &name] {
            if called.is_empty() && (members || also_others) {
                called = of(members, fits);
            }
        }
    }
    let mut found = Vec::new();
    for no in called {
        found.extend(conversations::get(read, no)?.map(|row| (no, row)));
    }
    Ok(found)
}

/// How a contact is shown: petname, else profile name, else the beginning of the id.
#[must_use]
pub(crate) fn display(row: &ContactRow) -> String {
    let name = text::name(row.petname.as_ref().unwrap_or(&row.name));
    if name.is_empty() { row.user.short() } else { name }
}

fn by_id(read: &impl Read, id: &ConversationId) -> Result<Option<(ConversationNo, ConversationRow)>, StoreError> {
    let Some(no) = conversations::number(read, id)? else {
        return Ok(None);
    };
    Ok(conversations::get(read, no)?.map(|row| (no, row)))
}

/// Petnames go before the names people give themselves, and contacts before those who are none any more.
fn named(all: Vec<ContactRow>, wanted: &str) -> Vec<ContactRow> {
    let (former, now): (Vec<_>, Vec<_>) = all.into_iter().partition(is_former);
    let found = named_among(now, wanted);
    if found.is_empty() {
        named_among(former, wanted)
    } else {
        found
    }
}

fn is_former(row: &ContactRow) -> bool {
    row.state == ContactState::Former
}

fn named_among(all: Vec<ContactRow>, wanted: &str) -> Vec<ContactRow> {
    let (called, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|row| row.petname.as_deref() == Some(wanted));
    if called.is_empty() {
        others
            .into_iter()
            .filter(|row| text::name(&row.name) == wanted)
            .collect()
    } else {
        called
    }
}

enum IdText {
    Whole,
    Beginning,
}

/// How much of an id `text` is; `None` if it does not begin as one.
fn id_text(text: &str, prefix: &'static str) -> Result<Option<IdText>, ResolveError> {
    const WHOLE: usize = 52;
    let Some(rest) = text.strip_prefix(prefix) else {
        return Ok(None);
    };
    let plain = rest
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte));
    match rest.len() {
        WHOLE if plain => Ok(Some(IdText::Whole)),
        MIN_PREFIX..WHOLE if plain => Ok(Some(IdText::Beginning)),
        _ => Err(bad_id(text, prefix)),
    }
}

fn bad_id(text: &str, prefix: &'static str) -> ResolveError {
    ResolveError::BadId {
        text: text.to_owned(),
        prefix,
    }
}

fn one<T>(
    noun: &'static str,
    text: &str,
    mut matching: Vec<T>,
    candidate: impl Fn(&T) -> Candidate,
) -> Result<T, ResolveError> {
    if matching.len() > 1 {
        let candidates = matching.iter().take(MAX_CANDIDATES).map(candidate).collect();
        return Err(ResolveError::Ambiguous {
            noun,
            text: text.to_owned(),
            candidates,
        });
    }
    matching.pop().ok_or_else(|| ResolveError::Unknown {
        noun,
        text: text.to_owned(),
    })
}

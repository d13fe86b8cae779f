//! System messages: what an operation, a pin or a timer says happened, as JSON and as a sentence. All of it is in the event itself, so that it
//! is the same on all nodes but for what people are called there.

use parlour_crypto::{Act, Body, ConversationId, EventId, Info, KIND_OPERATION, Operation, UserId, VerifiedEvent};
use parlour_store::rooms::{self, HeardRow, ReportRow, RequestRow, Standing};
use parlour_store::{EventKey, StoreError, conversations, devices, events, registers};

use super::super::dto::{self, Time};
use super::super::rooms::{rank_name, shown_rules};
use super::Reader;
use crate::engine::sets_timer;
use crate::text;

impl Reader<'_> {
    /// What an event says happened; nothing if it is a message, or speaks of one.
    pub(super) fn system(
        &mut self,
        at: &EventKey,
        event: &VerifiedEvent,
        author: (&UserId, &str),
    ) -> Result<Option<dto::System>, StoreError> {
        let Some((_, body)) = event.body() else { return Ok(None) };
        let who = match *author.0 == self.facts.own.user {
            true => "you",
            false => author.1,
        };
        if event.header().kind == KIND_OPERATION {
            return match Operation::decode(body) {
                Ok(operation) => self.happened(who, operation),
                Err(_) => Ok(None),
            };
        }
        Ok(match Body::read(event.header().kind, body) {
            Ok(Body::Pin(pin)) => {
                let quote = self.quote(at.log.conversation, &pin.target)?;
                let (kind, did) = match pin.on {
                    true => ("pinned", "pinned a message"),
                    false => ("unpinned", "unpinned a message"),
                };
                let said = quote.snippet.as_deref().map(text::one_line);
                Some(dto::System {
                    kind,
                    text: match said {
                        Some(said) => format!("{who} {did}: {said}"),
                        None => format!("{who} {did}"),
                    },
                    target: Some(pin.target),
                    quote: Some(quote),
                    ..dto::System::default()
                })
            }
            Ok(Body::Timer(timer)) => Some(dto::System {
                kind: "timer",
                text: timer_set(who, timer.expires_after_ms),
                ..dto::System::default()
            }),
            _ => None,
        })
    }

    fn happened(&mut self, who: &str, operation: Operation) -> Result<Option<dto::System>, StoreError> {
        let plain = |kind, did: &str| dto::System {
            kind,
            text: format!("{who} {did}"),
            ..dto::System::default()
        };
        Ok(Some(match operation.act {
            Act::Create { info, policy, .. } => dto::System {
                policy: Some(shown_rules(&policy)),
                ..named(info, "created", |name| match name {
                    Some(name) => format!("{who} made the room {name}"),
                    None => format!("{who} made the room"),
                })
            },
            Act::Info(info) => {
                let did = changed(&info);
                named(info, "info", |_| format!("{who} {did}"))
            }
            Act::Policy(policy) if sets_timer(&operation.ext) => dto::System {
                kind: "timer",
                text: timer_set(who, policy.expires_after_ms),
                policy: Some(shown_rules(&policy)),
                ..dto::System::default()
            },
            Act::Policy(policy) => dto::System {
                policy: Some(shown_rules(&policy)),
                ..plain("policy", "changed the rules")
            },
            Act::Join { invite, .. } => {
                let by = invite.map(|invite| self.author_of(&invite)).transpose()?.flatten();
                match by {
                    Some(user) => {
                        let name = self.named_in_sentence(&user)?;
                        let joined = plain("joined", &format!("joined, let in by {name}"));
                        self.about(joined, user)?
                    }
                    None => plain("joined", "joined"),
                }
            }
            Act::Leave => plain("left", "left"),
            Act::Remove {
                user,
                device,
                ban,
                reason,
                ..
            } => {
                let name = self.named_in_sentence(&user)?;
                let (kind, did) = match (device, ban) {
                    (Some(_), _) => ("device_removed", format!("removed a device of {name}")),
                    (None, true) => ("banned", format!("removed and banned {name}")),
                    (None, false) => ("removed", format!("removed {name}")),
                };
                let reason = Some(text::one_line(&reason)).filter(|reason| !reason.is_empty());
                let did = reason.as_ref().map_or(did.clone(), |reason| format!("{did}: {reason}"));
                let removed = self.about(plain(kind, &did), user)?;
                dto::System { reason, ..removed }
            }
            Act::Unban { user } => {
                let did = format!("lifted the ban of {}", self.named_in_sentence(&user)?);
                self.about(plain("unbanned", &did), user)?
            }
            Act::Role { user, role } => {
                let did = format!("made {} {}", self.named_in_sentence(&user)?, rank_name(role));
                let ranked = self.about(plain("role", &did), user)?;
                dto::System {
                    role: Some(rank_name(role)),
                    ..ranked
                }
            }
            Act::Transfer { user } => {
                let did = format!("gave the room to {}", self.named_in_sentence(&user)?);
                self.about(plain("transferred", &did), user)?
            }
            Act::Invite { .. } | Act::Link { .. } | Act::RevokeLink { .. } | Act::Devices { .. } => return Ok(None),
        }))
    }

    /// What somebody said of a message to those who keep order.
    pub(crate) fn report(&mut self, target: &EventId, by: &UserId, row: &ReportRow) -> Result<dto::Report, StoreError> {
        let message = self.message_by_id(target)?;
        Ok(dto::Report {
            message_id: *target,
            message: message.map(|(_, message)| Box::new(message)),
            user_id: *by,
            name: self.name_of(by)?,
            reason: text::lines(&row.reason),
            reported_at: Time(row.at),
            open: !row.dismissed,
        })
    }

    /// Who knocks at a room; nothing if they are blocked.
    pub(crate) fn room_request(&self, user: &UserId, row: &RequestRow) -> Result<Option<dto::RoomRequest>, StoreError> {
        if registers::blocked(&self.rows, user)?.is_some() {
            return Ok(None);
        }
        let told_by = match row.told_by() {
            Some(device) => devices::get(&self.rows, device)?.map(|device| device.user),
            None => None,
        };
        Ok(Some(dto::RoomRequest {
            user_id: *user,
            name: text::name(&row.name),
            note: text::lines(&row.note),
            asked_at: Time(row.at),
            told_by_name: told_by.map(|user| self.name_of(&user)).transpose()?,
            told_by,
        }))
    }

    /// A public room of others, as it was first listed; nothing if whoever made it is blocked.
    pub(crate) fn public_room(
        &self,
        id: &ConversationId,
        row: &HeardRow,
    ) -> Result<Option<dto::PublicRoom>, StoreError> {
        let name = text::name(&row.name);
        if name.is_empty() || registers::blocked(&self.rows, &row.creator)?.is_some() {
            return Ok(None);
        }
        let slug = rooms::slug(&name);
        let others = rooms::all_heard(&self.rows)?;
        let mut others = others.iter().filter(|(other, _)| other != id);
        let known = match conversations::number(&self.rows, id)? {
            Some(no) => rooms::get(&self.rows, no)?,
            None => None,
        };
        Ok(Some(dto::PublicRoom {
            id: *id,
            topic: text::lines(&row.topic),
            members: row.members,
            made_by: row.creator,
            made_by_name: self.name_of(&row.creator)?,
            created_at: Time(row.created),
            ambiguous: others.any(|(_, other)| rooms::slug(&text::name(&other.name)) == slug),
            joined: known.is_some_and(|room| room.standing == Standing::Member),
            here: false,
            link: row.link.clone(),
            slug,
            name,
        }))
    }

    fn about(&self, what: dto::System, user: UserId) -> Result<dto::System, StoreError> {
        Ok(dto::System {
            user_id: Some(user),
            user_name: Some(self.name_of(&user)?),
            ..what
        })
    }

    fn named_in_sentence(&self, user: &UserId) -> Result<String, StoreError> {
        if *user == self.facts.own.user {
            return Ok("you".to_owned());
        }
        self.name_of(user)
    }

    /// Who made an event that is here.
    fn author_of(&self, id: &EventId) -> Result<Option<UserId>, StoreError> {
        let Some(at) = events::place(&self.rows, id)? else {
            return Ok(None);
        };
        Ok(devices::get(&self.rows, at.log.device)?.map(|device| device.user))
    }
}

fn timer_set(who: &str, expires_after_ms: Option<u64>) -> String {
    match expires_after_ms {
        Some(ms) => format!("{who} set messages to disappear after {}", text::span(ms)),
        None => format!("{who} set messages to stay"),
    }
}

fn named(info: Info, kind: &'static str, sentence: impl FnOnce(Option<&str>) -> String) -> dto::System {
    let name = info.name.as_deref().map(text::name);
    dto::System {
        kind,
        text: sentence(name.as_deref()),
        name,
        topic: info.topic.as_deref().map(text::lines),
        ..dto::System::default()
    }
}

/// What of a room was changed.
fn changed(info: &Info) -> String {
    let name = info
        .name
        .as_deref()
        .map(|name| format!("renamed the room to {}", text::name(name)));
    let topic = info.topic.as_deref().map(|topic| match text::one_line(topic) {
        topic if topic.is_empty() => "removed the topic".to_owned(),
        topic => format!("set the topic: {topic}"),
    });
    let picture = info.avatar.as_ref().map(|picture| match picture.is_empty() {
        true => "removed the picture".to_owned(),
        false => "changed the picture".to_owned(),
    });
    let all: Vec<String> = [name, picture, topic].into_iter().flatten().collect();
    match all.is_empty() {
        true => "changed nothing".to_owned(),
        false => all.join(", "),
    }
}

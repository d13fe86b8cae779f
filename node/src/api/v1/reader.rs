//! From stored rows to the JSON of the API. One reader serves one request and reads what it needs again and again only once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use parlour_crypto::{CardDetails, ConversationId, DeviceId, EventId, ImageKind, UserId};
use parlour_store::contacts::{self, ContactRow, ContactState};
use parlour_store::conversations::{self, ConversationKind, ConversationRow};
use parlour_store::registers::{Register, Trust};
use parlour_store::view::{self, Absent, DeliveryView, Shown};
use parlour_store::{
    ConversationNo, DeviceNo, EventKey, Read, Store, StoreError, devices, events, registers, rooms, system, timeline,
};

use self::names::{refusal_text, status_name};
use super::dto::{self, Time};
use super::passing::presence_name;
use super::remembering::Remembering;
use crate::engine::{Ephemera, Live};
use crate::handle::{AccountHandle, Facts};
use crate::resolve;
use crate::runner::now_ms;
use crate::text::{lines, name, one_line};

mod change;
mod content;
mod delivery;
mod happened;
mod names;
pub(crate) mod parts;

const REPLACED: &str = "the devices of this contact have changed, and nothing is sent to them: ask them, by voice or face to face, \
                        whether they set up a new device, and accept these devices only if they did";
const REPLACED_VERIFIED: &str = "you had verified this contact, and their devices have changed since; nothing is sent to them: ask them, by \
                                 voice or face to face, whether they set up a new device, and accept these devices only if they did; the \
                                 safety number alone does not show it";
const NEW_DEVICE: &str = "this contact has a new device: ask them whether they set it up";

/// Reads for one request.
pub(crate) struct Reader<'a> {
    store: &'a Store,
    rows: Remembering<'a>,
    facts: &'a Facts,
    live: Arc<Live>,
    own_name: String,
    ephemera: Arc<Ephemera>,
    authors: BTreeMap<DeviceNo, Author>,
    conversations: BTreeMap<ConversationNo, (ConversationId, DeliveryView<'a, Store>)>,
}

#[derive(Clone)]
struct Author {
    user: UserId,
    device: DeviceId,
    name: String,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(account: &'a AccountHandle) -> Self {
        Self {
            store: account.store(),
            rows: Remembering::new(account.store()),
            facts: account.facts(),
            live: account.live(),
            own_name: account.name(),
            ephemera: account.ephemera().borrow().clone(),
            authors: BTreeMap::new(),
            conversations: BTreeMap::new(),
        }
    }

    /// The message at `key`; `None` if there is none.
    pub(crate) fn message(&mut self, key: &EventKey, room_seq: u64) -> Result<Option<dto::Message>, StoreError> {
        let Some(event) = events::get(&self.rows, key)? else {
            return Ok(None);
        };
        let author = self.author(key.log.device)?;
        let (conversation, delivery) = self.conversation_view(key.log.conversation)?;
        let conversation = *conversation;
        let status = status_name(delivery.status(&key.log, key.seq, event.header().clock)?);
        let state = view::state(&self.rows, key, &event, &author.user)?.at(now_ms());
        let (text, mut more) = self.content(key.log.conversation, &state)?;
        let system = self.system(key, &event, (&author.user, &author.name))?;
        more.system = system.map(Box::new);
        more.around_removal = state.around_removal;
        more.late =
            author.user != self.facts.own.user && timeline::is_late(&self.rows, key.log.conversation, &event.id())?;
        Ok(Some(dto::Message {
            id: event.id(),
            conversation,
            own: author.user == self.facts.own.user,
            author: author.user,
            author_name: author.name,
            device: author.device,
            unsupported: state.shown == Shown::Unsupported && more.system.is_none(),
            deleted: state.shown == Shown::Absent(Absent::Deleted),
            pinned: state.pinned,
            reactions: self.reactions(state.reactions),
            text,
            more,
            created_at: Time(event.header().clock),
            status,
            seq: room_seq,
        }))
    }

    /// The message at `key` that was sent here before: what it says only if it is still shown.
    pub(crate) fn sent_before(&mut self, key: &EventKey) -> Result<Option<dto::Message>, StoreError> {
        if let Some(message) = self.message_at(key)? {
            return Ok(Some(message));
        }
        let message = self.message(key, 0)?;
        Ok(message.map(|message| dto::Message {
            text: None,
            reactions: Vec::new(),
            more: Box::new(dto::More {
                gone: Some("hidden"),
                ..dto::More::default()
            }),
            ..message
        }))
    }

    /// The message with an event id, if it is shown.
    pub(crate) fn message_by_id(&mut self, id: &EventId) -> Result<Option<(EventKey, dto::Message)>, StoreError> {
        match events::place(&self.rows, id)? {
            Some(key) => Ok(self.message_at(&key)?.map(|message| (key, message))),
            None => Ok(None),
        }
    }

    /// The message at `key`, if it is shown.
    pub(crate) fn message_at(&mut self, key: &EventKey) -> Result<Option<dto::Message>, StoreError> {
        let Some(event) = events::get(&self.rows, key)? else {
            return Ok(None);
        };
        let at = timeline::Position {
            clock: event.header().clock,
            id: event.id(),
        };
        match timeline::get(&self.rows, key.log.conversation, &at)? {
            Some(entry) => self.message(key, entry.room_seq),
            None if system::is_shown(&self.rows, key.log.conversation, &at)? => self.message(key, 0),
            None => Ok(None),
        }
    }

    /// Why nothing comes from a peer, in words of our own; `connected` if it is there. Each address with what went wrong there stands
    /// among the statistics.
    fn why_peer_unreachable(&self, peer: &[u8], connected: &str) -> String {
        let Ok(peer) = parlour_net::peer_from_bytes(peer) else {
            return "its address is not known".to_owned();
        };
        if self.live.peers.iter().any(|there| there.peer == peer) {
            return connected.to_owned();
        }
        let mut unreachable = self.live.unreachable.iter();
        let failed = unreachable.any(|unreachable| unreachable.peer == peer);
        if failed { "not reachable" } else { "not connected" }.to_owned()
    }

    /// How far a contact has come, and why no further.
    fn contact_state(&self, row: &ContactRow) -> (&'static str, Option<String>) {
        match &row.state {
            ContactState::Accepted => ("accepted", None),
            ContactState::Former => ("former", None),
            ContactState::Invited { refused: None, .. } => (
                "waiting",
                Some(self.why_peer_unreachable(&row.peer, "connected; waiting for the other node to answer")),
            ),
            ContactState::Invited { refused: Some(why), .. } => ("refused", Some(refusal_text(*why).to_owned())),
            ContactState::Asked { expires, .. } if *expires <= now_ms() => {
                ("refused", Some("the request has run out".to_owned()))
            }
            ContactState::Asked { told: Some(_), .. } => ("asked", Some("waiting for them to accept".to_owned())),
            ContactState::Asked { told: None, .. } => (
                "waiting",
                Some(self.why_peer_unreachable(&row.peer, "connected; the request is on its way")),
            ),
        }
    }

    pub(crate) fn contact(&self, row: &ContactRow) -> Result<dto::Contact, StoreError> {
        let (state, reason) = self.contact_state(row);
        let shares = contacts::shares_presence(&self.rows, &row.user)?;
        let mut listed = Vec::new();
        for no in devices::of_user(&self.rows, &row.user)? {
            if let Some(device) = devices::get(&self.rows, no)? {
                listed.push(dto::ContactDevice {
                    device_id: device.id,
                    reachable: self.link(&device.id).is_some(),
                    last_seen: Time::unless_never(device.last_seen).filter(|_| shares),
                });
            }
        }
        let (trust, trust_since, warning) = trust(&self.rows, &row.user)?;
        let since = listed.iter().filter_map(|device| self.link(&device.device_id)).min();
        Ok(dto::Contact {
            user_id: row.user,
            name: name(&row.name),
            petname: row.petname.clone(),
            display: resolve::display(row),
            state,
            reason,
            reachable: since.is_some(),
            since: since.map(Time),
            last_seen: listed.iter().filter_map(|device| device.last_seen).max(),
            presence: self
                .ephemera
                .presence
                .get(&row.user)
                .map(|online| presence_name(*online)),
            trust,
            trust_since,
            warning,
            profile: profile(&contacts::details(&self.rows, &row.user)?, now_ms()),
            blocked: registers::blocked(&self.rows, &row.user)?.is_some(),
            conversation: ConversationId::direct(&self.facts.own.user, &row.user),
            created_at: Time(row.created),
            devices: listed,
        })
    }

    pub(crate) fn conversation(&mut self, row: &ConversationRow) -> Result<dto::Conversation, StoreError> {
        let own = self.facts.own.user;
        let (kind, with, title) = match &row.kind {
            ConversationKind::Direct { with } => ("direct", Some(*with), self.name_of(with)?),
            ConversationKind::Notes => ("notes", Some(own), "Notes".to_owned()),
            ConversationKind::Room => ("room", None, self.room_name(&row.id)?),
        };
        let last = match &row.last {
            Some((_, _, key)) => self.message_at(key)?,
            None => None,
        };
        let kept = registers::kept(&self.rows, &row.id)?;
        let warning = match &with {
            Some(with) => trust(&self.rows, with)?.2,
            None => None,
        };
        Ok(dto::Conversation {
            warning,
            muted: kept.muted_until > now_ms(),
            muted_until: Time::unless_never(kept.muted_until).filter(|until| until.0 != u64::MAX && until.0 > now_ms()),
            archived: kept.archived,
            draft: Some(kept.draft).filter(|draft| !draft.is_empty()),
            id: row.id,
            kind,
            title,
            with,
            unread: row.unread,
            mentions: row.mentions,
            last_seq: row.last_seq,
            last,
            created_at: Time(row.created),
        })
    }

    /// How a user is shown.
    pub(crate) fn name_of(&self, user: &UserId) -> Result<String, StoreError> {
        if *user == self.facts.own.user {
            return Ok(self.own_name.clone());
        }
        if let Some(row) = contacts::get(&self.rows, user)? {
            return Ok(resolve::display(&row));
        }
        let told = rooms::name_of(&self.rows, user)?.map(|told| name(&told));
        Ok(told.filter(|told| !told.is_empty()).unwrap_or_else(|| user.short()))
    }

    fn room_name(&self, id: &ConversationId) -> Result<String, StoreError> {
        let Some(no) = conversations::number(&self.rows, id)? else {
            return Ok(id.to_string());
        };
        Ok(rooms::get(&self.rows, no)?.map_or_else(|| id.to_string(), |row| crate::text::name(&row.name)))
    }

    /// Since when a device is linked.
    fn link(&self, device: &DeviceId) -> Option<u64> {
        self.live
            .linked
            .iter()
            .find(|(linked, _, _)| linked == device)
            .map(|(_, since, _)| *since)
    }

    fn author(&mut self, no: DeviceNo) -> Result<Author, StoreError> {
        if let Some(author) = self.authors.get(&no) {
            return Ok(author.clone());
        }
        let row = devices::get(&self.rows, no)?.ok_or(StoreError::Malformed { noun: "device" })?;
        let author = Author {
            user: row.user,
            device: row.id,
            name: self.name_of(&row.user)?,
        };
        self.authors.insert(no, author.clone());
        Ok(author)
    }

    fn conversation_view(
        &mut self,
        no: ConversationNo,
    ) -> Result<&mut (ConversationId, DeliveryView<'a, Store>), StoreError> {
        match self.conversations.entry(no) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(vacant) => {
                let row = conversations::get(&self.rows, no)?.ok_or(StoreError::Malformed { noun: "conversation" })?;
                let view = DeliveryView::new(self.store, self.facts.own, no)?;
                Ok(vacant.insert((row.id, view)))
            }
        }
    }
}

/// How trust is called, since when it is so, and what to know about it.
pub(crate) fn trust(
    read: &impl Read,
    user: &UserId,
) -> Result<(&'static str, Option<Time>, Option<&'static str>), StoreError> {
    let new_device = registers::get(read, Register::NewDevice(*user))?.unwrap_or(0u64) > 0;
    let new_device = new_device.then_some(NEW_DEVICE);
    Ok(match registers::trust(read, user)? {
        Trust::Unverified => ("unverified", None, new_device),
        Trust::Verified { at } => ("verified", Some(Time(at)), new_device),
        Trust::Changed {
            at,
            verified_before: true,
        } => ("changed", Some(Time(at)), Some(REPLACED_VERIFIED)),
        Trust::Changed { at, .. } => ("changed", Some(Time(at)), Some(REPLACED)),
    })
}

/// The first 16 bytes of BLAKE3 of a picture, as hexadecimal digits.
fn hash_of(picture: &[u8]) -> String {
    let mut digits = blake3::hash(picture).to_hex().to_string();
    digits.truncate(32);
    digits
}

/// What somebody says about themselves, fit to be shown.
pub(crate) fn profile(details: &CardDetails, now: u64) -> dto::Profile {
    let status = details.has_status(now);
    let line = |text: &str| Some(one_line(text)).filter(|text| !text.is_empty());
    dto::Profile {
        about: Some(lines(&details.about)).filter(|text| !text.is_empty()),
        pronouns: line(&details.pronouns),
        status: line(&details.status).filter(|_| status),
        status_emoji: line(&details.emoji).filter(|_| status),
        status_expires_at: Time::unless_never(details.status_expires).filter(|_| status),
        avatar: details.avatar_kind().map(ImageKind::media_type),
        avatar_hash: details.avatar_kind().map(|_| hash_of(&details.avatar)),
    }
}

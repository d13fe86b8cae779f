//! What a message says now: its body, and everything that was said about it.

use std::collections::BTreeMap;

use parlour_crypto::{Body, Content, EventId, KIND_MESSAGE, Message, UserId, VISIBLE_FOREVER, VerifiedEvent};

use crate::annotations::{self, Gone, Reaction, Thread};
use crate::db::Read;
use crate::events;
use crate::keyspace::EventKey;
use crate::record::StoreError;
use crate::timeline::{self, Position};
use crate::view::poll::{self, PollView};

/// Emoji of one user shown on one message.
pub const MAX_OWN_EMOJI: usize = 20;

/// Why there is nothing to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Its author deleted it.
    Deleted,
    /// Its time was over.
    Expired,
    /// It was viewed as often as its author allowed.
    Viewed,
    /// It came without its body: others had erased it.
    Erased,
    /// It came sooner after its author's last one than the rules of its room allow.
    TooSoon,
    /// Its author had no right to say it in its room, or was removed long before.
    Void,
}

/// What is to be seen of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A text.
    Text(String),
    /// A poll, and what came of it so far.
    Poll(Box<PollView>),
    /// Anything else that was said.
    Content(Box<Content>),
    /// Something to be viewed on demand, so often yet. 0: this account sent it.
    OnDemand {
        /// Views left.
        views_left: u8,
    },
    /// Not a message: somebody set the conversation's timer.
    Timer(Option<u64>),
    /// Nothing any more.
    Absent(Absent),
    /// Something this version cannot show.
    Unsupported,
}

impl Shown {
    /// What of it is read as text, if anything can be seen.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Poll(poll) => Some(Content::Poll(poll.poll.clone()).words()),
            Self::Content(content) => Some(content.words()),
            Self::OnDemand { .. } | Self::Timer(_) | Self::Absent(_) | Self::Unsupported => None,
        }
    }
}

/// One emoji on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactionView {
    /// What.
    pub emoji: String,
    /// Whose, the earliest first.
    pub users: Vec<UserId>,
}

/// A message as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// What is to be seen.
    pub shown: Shown,
    /// Clock of the edit that is shown, ms.
    pub edited: Option<u64>,
    /// The message it answers.
    pub reply_to: Option<EventId>,
    /// The message whose thread it is in.
    pub thread: Option<EventId>,
    /// The thread under it.
    pub replies: Option<Thread>,
    /// Users it calls by name.
    pub mentions: Vec<UserId>,
    /// Reactions, the emoji that was first put first.
    pub reactions: Vec<ReactionView>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// When it disappears, ms.
    pub expires: Option<u64>,
    /// Whether its author was removed from the room by somebody who had not seen it.
    pub around_removal: bool,
}

impl State {
    fn of(shown: Shown) -> Self {
        Self {
            shown,
            edited: None,
            reply_to: None,
            thread: None,
            replies: None,
            mentions: Vec::new(),
            reactions: Vec::new(),
            pinned: false,
            expires: None,
            around_removal: false,
        }
    }

    /// How it stands at `now`: what has had its time is not shown, erased or not.
    #[must_use]
    pub fn at(mut self, now: u64) -> Self {
        if self.expires.is_some_and(|expires| expires <= now) && !matches!(self.shown, Shown::Absent(_)) {
            return Self::of(Shown::Absent(Absent::Expired));
        }
        if let Shown::Poll(poll) = &mut self.shown {
            poll.closed |= poll.poll.closes_at.is_some_and(|closes| closes <= now);
        }
        self
    }

    /// The text, if there is one to be seen.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.shown {
            Shown::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// One version of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Clock and id of the event that says it.
    pub at: Position,
    /// What it says.
    pub text: String,
}

/// The message at `at` as it stands, whatever the time is ([`State::at`]). `author` is the user who wrote it.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn state(read: &impl Read, at: &EventKey, event: &VerifiedEvent, author: &UserId) -> Result<State, StoreError> {
    let header = event.header();
    // Only in rooms is there a view.
    let ruling = match header.view {
        Some(_) => annotations::ruling(read, &event.id())?,
        None => annotations::Ruling::default(),
    };
    if ruling.hides() {
        let why = if ruling.void { Absent::Void } else { Absent::TooSoon };
        return Ok(State::of(Shown::Absent(why)));
    }
    let body = event.body().map(|(_, body)| Body::read(header.kind, body));
    match body {
        Some(Ok(Body::Message(message))) => {
            let state = of_message(read, at, event, author, message)?;
            let around_removal = ruling.around_removal && !matches!(state.shown, Shown::Absent(_));
            Ok(State {
                around_removal,
                ..state
            })
        }
        Some(Ok(Body::Timer(timer))) => Ok(State::of(Shown::Timer(timer.expires_after_ms))),
        Some(_) => Ok(State::of(Shown::Unsupported)),
        None => Ok(State::of(absent(read, at, event, author)?)),
    }
}

fn absent(read: &impl Read, at: &EventKey, event: &VerifiedEvent, author: &UserId) -> Result<Shown, StoreError> {
    let id = event.id();
    if annotations::is_deleted(read, at.log.conversation, &id, author)? {
        return Ok(Shown::Absent(Absent::Deleted));
    }
    Ok(match annotations::gone(read, &id)? {
        Some(Gone::Expired) => Shown::Absent(Absent::Expired),
        Some(Gone::Viewed) => Shown::Absent(Absent::Viewed),
        Some(Gone::SentOnce) => Shown::OnDemand { views_left: 0 },
        Some(Gone::Forgotten) | None => Shown::Absent(Absent::Erased),
    })
}

fn of_message(
    read: &impl Read,
    at: &EventKey,
    event: &VerifiedEvent,
    author: &UserId,
    message: Message,
) -> Result<State, StoreError> {
    let (id, conversation) = (event.id(), at.log.conversation);
    let expires = message.expires_after();
    // The body of what is erased can stay a moment longer.
    if (message.visibility != VISIBLE_FOREVER || expires.is_some()) && annotations::gone(read, &id)?.is_some() {
        return Ok(State::of(absent(read, at, event, author)?));
    }
    let thread = match message.thread {
        Some(root) => annotations::is_root(read, conversation, &root)?.then_some(root),
        None => None,
    };
    let shown = match message.content {
        _ if message.visibility != VISIBLE_FOREVER => {
            let used = annotations::views_used(read, &id)?;
            let views_left = message.visibility.saturating_sub(used);
            Shown::OnDemand { views_left }
        }
        Content::Text(text) => Shown::Text(text),
        Content::Poll(asked) => Shown::Poll(Box::new(poll::poll(read, conversation, &id, author, asked)?)),
        other => Shown::Content(Box::new(other)),
    };
    let mut state = State {
        reply_to: message.reply_to,
        thread,
        mentions: message.mentions,
        expires: expires.map(|after| event.header().clock.saturating_add(after)),
        ..State::of(shown)
    };
    if !annotations::any(read, conversation, &id)? {
        return Ok(state);
    }
    if message.thread.is_none() {
        state.replies = annotations::thread(read, conversation, &id)?;
    }
    let said = annotations::said(read, conversation, &id)?;
    if said.deleted_for_all || said.deleted_by.contains(author) {
        return Ok(State::of(Shown::Absent(Absent::Deleted)));
    }
    state.pinned = match &said.pin {
        Some(pin) => annotations::is_shown_pinned(read, conversation, pin)?,
        None => false,
    };
    state.reactions = reactions(said.reactions);
    if let Shown::Text(shown) = &mut state.shown
        && let Some((stamp, place)) = annotations::edits(read, conversation, &id, author, 1)?.pop()
        && let Some(edit) = events::get(read, &place)?
        && let Some(Ok(Body::Edit(edit))) = edit.body().map(|(_, body)| Body::read(edit.header().kind, body))
        && let Content::Text(text) = edit.content
    {
        *shown = text;
        state.mentions = edit.mentions;
        state.edited = Some(stamp.clock);
    }
    Ok(state)
}

/// Of each user the newest ones that are on; emoji and users in the order in which they were put.
fn reactions(mut all: Vec<Reaction>) -> Vec<ReactionView> {
    all.retain(|reaction| reaction.on);
    all.sort_by_key(|reaction| std::cmp::Reverse(reaction.at));
    let mut count: BTreeMap<UserId, usize> = BTreeMap::new();
    all.retain(|reaction| {
        let count = count.entry(reaction.user).or_default();
        *count = count.saturating_add(1);
        *count <= MAX_OWN_EMOJI
    });
    let mut shown: Vec<ReactionView> = Vec::new();
    for reaction in all.into_iter().rev() {
        match shown.iter_mut().find(|known| known.emoji == reaction.emoji) {
            Some(known) => known.users.push(reaction.user),
            None => shown.push(ReactionView {
                emoji: reaction.emoji,
                users: vec![reaction.user],
            }),
        }
    }
    shown
}

/// All versions of a message whose text can be seen, the first one first, at most `limit` of the newest and the first.
///
/// # Errors
/// As [`state`].
pub fn versions(
    read: &impl Read,
    at: &EventKey,
    event: &VerifiedEvent,
    author: &UserId,
    limit: usize,
) -> Result<Vec<Version>, StoreError> {
    let id = event.id();
    let mut versions = Vec::new();
    let first = event.body().map(|(_, body)| Body::read(event.header().kind, body));
    if let Some(Ok(Body::Message(Message {
        content: Content::Text(text),
        visibility: VISIBLE_FOREVER,
        ..
    }))) = first
    {
        if matches!(state(read, at, event, author)?.shown, Shown::Absent(_)) {
            return Ok(versions);
        }
        let clock = event.header().clock;
        let at = Position { clock, id };
        versions.push(Version { at, text });
    } else {
        return Ok(versions);
    }
    let mut edits = annotations::edits(read, at.log.conversation, &id, author, limit)?;
    edits.reverse();
    for (stamp, place) in edits {
        if let Some(edit) = events::get(read, &place)?
            && let Some(Ok(Body::Edit(edit))) = edit.body().map(|(_, body)| Body::read(edit.header().kind, body))
            && let Content::Text(text) = edit.content
        {
            versions.push(Version { at: stamp, text });
        }
    }
    Ok(versions)
}

/// The text by which the message at `at` can be found; nothing for what is not shown, or only on demand.
///
/// # Errors
/// As [`state`].
pub fn searchable(read: &impl Read, at: &EventKey, event: &VerifiedEvent) -> Result<Option<String>, StoreError> {
    if event.header().kind != KIND_MESSAGE || event.body().is_none() {
        return Ok(None);
    }
    let id = event.id();
    if annotations::is_hidden(read, &id)? || (event.header().view.is_some() && annotations::is_veiled(read, &id)?) {
        return Ok(None);
    }
    let Some((text, expires)) = visible(event) else {
        return Ok(None);
    };
    if expires && annotations::gone(read, &id)?.is_some() {
        return Ok(None);
    }
    if !annotations::any(read, at.log.conversation, &id)? {
        return Ok(Some(text));
    }
    // Something may be said of a message whose time is not come.
    let position = Position {
        clock: event.header().clock,
        id,
    };
    if timeline::get(read, at.log.conversation, &position)?.is_none() {
        return Ok(None);
    }
    let author = annotations::author(read, at)?;
    let shown = state(read, at, event, &author)?.shown;
    Ok(shown.words().filter(|words| !words.is_empty()))
}

/// The text as it was sent, and whether its time will be over some day.
fn visible(event: &VerifiedEvent) -> Option<(String, bool)> {
    let message = Message::decode(event.body()?.1).ok()?;
    let expires = message.expires_after().is_some();
    let words = message.content.words();
    (message.visibility == VISIBLE_FOREVER && !words.is_empty()).then_some((words, expires))
}

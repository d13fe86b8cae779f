//! What a set of events means, worked out from PROTOCOL.md section 7 and from nothing of the store: the reference that views are
//! compared with.

use std::collections::BTreeMap;

use parlour_crypto::{Body, Content, EventId, UserId};
use parlour_store::annotations::ConversationTimer;
use parlour_store::timeline::Position;
use parlour_store::view::{Absent, ReactionView, Shown, State};

use super::ledger::Entry;
use super::people::Shows;

/// The view of these events at `now`. None of them is viewed once or hidden.
pub(super) fn fold(entries: &[&Entry], now: u64) -> Shows {
    let mut shown: Vec<(Position, EventId, State)> = Vec::new();
    let mut pins: Vec<(Position, EventId)> = Vec::new();
    let mut timer: Option<ConversationTimer> = None;
    for entry in entries {
        let id = entry.at.id;
        match &entry.body {
            Body::Message(_) => {
                let (state, pinned) = state(entry, entries, now);
                pins.extend(pinned.map(|at| (at, id)));
                shown.push((entry.at, id, state));
            }
            Body::Timer(body) => {
                shown.push((entry.at, id, plain(Shown::Timer(body.expires_after_ms))));
                if timer.is_none_or(|known| known.at < entry.at) {
                    timer = Some(ConversationTimer {
                        at: entry.at,
                        user: entry.user,
                        expires_after_ms: body.expires_after_ms,
                    });
                }
            }
            _ => {}
        }
    }
    shown.sort_by_key(|(at, ..)| *at);
    pins.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    Shows {
        messages: shown.into_iter().map(|(_, id, state)| (id, state)).collect(),
        pins: pins.into_iter().map(|(_, id)| id).collect(),
        timer,
    }
}

fn plain(shown: Shown) -> State {
    State {
        shown,
        edited: None,
        reply_to: None,
        mentions: Vec::new(),
        reactions: Vec::new(),
        pinned: false,
        expires: None,
    }
}

/// A message as it stands, and when it was pinned.
fn state(message: &Entry, entries: &[&Entry], now: u64) -> (State, Option<Position>) {
    let Body::Message(body) = &message.body else {
        return (plain(Shown::Unsupported), None);
    };
    let id = message.at.id;
    let deleted = entries.iter().any(|entry| {
        let names = matches!(&entry.body, Body::Delete(delete) if delete.targets.contains(&id));
        names && entry.user == message.user
    });
    if deleted {
        return (plain(Shown::Absent(Absent::Deleted)), None);
    }
    let expires = body.expires_after().map(|after| message.at.clock.saturating_add(after));
    if expires.is_some_and(|at| at <= now) {
        return (plain(Shown::Absent(Absent::Expired)), None);
    }
    let Content::Text(text) = &body.content;
    let mut state = State {
        reply_to: body.reply_to,
        mentions: body.mentions.clone(),
        expires,
        ..plain(Shown::Text(text.clone()))
    };
    let mut edited: Option<Position> = None;
    let mut pin: Option<(Position, bool)> = None;
    let mut reactions: BTreeMap<(&str, UserId), (Position, bool)> = BTreeMap::new();
    for entry in entries {
        match &entry.body {
            Body::Edit(edit)
                if edit.target == id && entry.user == message.user && edited.is_none_or(|at| at < entry.at) =>
            {
                let Content::Text(text) = &edit.content;
                edited = Some(entry.at);
                state.shown = Shown::Text(text.clone());
                state.mentions = edit.mentions.clone();
                state.edited = Some(entry.at.clock);
            }
            Body::Pin(body) if body.target == id && pin.is_none_or(|(at, _)| at < entry.at) => {
                pin = Some((entry.at, body.on));
            }
            Body::Reaction(body) if body.target == id => {
                let known = reactions
                    .entry((&body.emoji, entry.user))
                    .or_insert((entry.at, body.on));
                if known.0 < entry.at {
                    *known = (entry.at, body.on);
                }
            }
            _ => {}
        }
    }
    let pinned = pin.filter(|(_, on)| *on).map(|(at, _)| at);
    state.pinned = pinned.is_some();
    let mut on: Vec<_> = reactions.into_iter().filter(|(_, (_, on))| *on).collect();
    on.sort_by_key(|(_, (at, _))| *at);
    for ((emoji, user), _) in on {
        match state.reactions.iter_mut().find(|known| known.emoji == emoji) {
            Some(known) => known.users.push(user),
            None => state.reactions.push(ReactionView {
                emoji: emoji.to_owned(),
                users: vec![user],
            }),
        }
    }
    (state, pinned)
}

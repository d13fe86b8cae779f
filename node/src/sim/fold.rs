//! What a set of events means, worked out from PROTOCOL.md section 7 and from nothing of the store: the reference that views are
//! compared with.

use std::collections::BTreeMap;

use parlour_crypto::{Body, Content, EventId, Message, Poll, UserId};
use parlour_store::annotations::{ConversationTimer, Thread};
use parlour_store::timeline::Position;
use parlour_store::view::{Absent, PollView, ReactionView, Shown, State};

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
        thread: None,
        replies: None,
        mentions: Vec::new(),
        reactions: Vec::new(),
        pinned: false,
        expires: None,
        around_removal: false,
    }
}

/// What is under a root: messages that are there.
fn replies(root: EventId, entries: &[&Entry], now: u64) -> Option<Thread> {
    let gone = |message: &Entry, body: &Message| {
        let due = body.expires_after().map(|after| message.at.clock.saturating_add(after));
        let deletes = |entry: &&&Entry| {
            let names = matches!(&entry.body, Body::Delete(delete) if delete.targets.contains(&message.at.id));
            names && entry.user == message.user
        };
        due.is_some_and(|due| due <= now) || entries.iter().any(|entry| deletes(&entry))
    };
    let under = entries.iter().filter(|entry| match &entry.body {
        Body::Message(body) => body.thread == Some(root) && !gone(entry, body),
        _ => false,
    });
    let all: Vec<Position> = under.map(|entry| entry.at).collect();
    let last = all.iter().max().copied()?;
    Some(Thread {
        replies: all.len() as u64,
        last,
    })
}

/// A poll: of each user the newest vote that may count, and once it is closed, of those that its closing names.
fn tally(message: &Entry, poll: &Poll, entries: &[&Entry]) -> PollView {
    let closings = entries.iter().filter_map(|entry| match &entry.body {
        Body::ClosePoll(close) if close.poll == message.at.id && entry.user == message.user => Some((entry.at, close)),
        _ => None,
    });
    let closing = closings.min_by_key(|(at, _)| *at).map(|(_, close)| close);
    let mut newest: BTreeMap<UserId, (Position, &[u8])> = BTreeMap::new();
    for entry in entries {
        let Body::Vote(vote) = &entry.body else { continue };
        let late = poll.closes_at.is_some_and(|closes| closes < entry.at.clock);
        let left_out = closing.is_some_and(|close| !close.counted.contains(&entry.at.id));
        let strange = vote
            .options
            .iter()
            .any(|option| usize::from(*option) >= poll.options.len());
        let several = vote.options.len() > 1 && !poll.multiple;
        if vote.poll != message.at.id || late || left_out || strange || several {
            continue;
        }
        let known = newest.entry(entry.user).or_insert((entry.at, &vote.options));
        if known.0 < entry.at {
            *known = (entry.at, &vote.options);
        }
    }
    let mut counting: Vec<(Position, UserId, &[u8])> =
        newest.into_iter().map(|(user, (at, of))| (at, user, of)).collect();
    counting.retain(|(_, _, options)| !options.is_empty());
    counting.sort_unstable();
    let voters = (0..poll.options.len()).map(|option| {
        let chose = counting
            .iter()
            .filter(|(_, _, options)| options.iter().any(|chosen| usize::from(*chosen) == option));
        chose.map(|(_, user, _)| *user).collect()
    });
    PollView {
        poll: poll.clone(),
        voters: voters.collect(),
        total: counting.len(),
        closed: closing.is_some(),
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
    let shown = match &body.content {
        Content::Text(text) => Shown::Text(text.clone()),
        Content::Poll(poll) => Shown::Poll(Box::new(tally(message, poll, entries))),
        other => Shown::Content(Box::new(other.clone())),
    };
    let mut state = State {
        reply_to: body.reply_to,
        thread: body.thread,
        replies: if body.thread.is_none() {
            replies(id, entries, now)
        } else {
            None
        },
        mentions: body.mentions.clone(),
        expires,
        ..plain(shown)
    };
    let mut edited: Option<Position> = None;
    let mut pin: Option<(Position, bool)> = None;
    let mut reactions: BTreeMap<(&str, UserId), (Position, bool)> = BTreeMap::new();
    for entry in entries {
        match &entry.body {
            Body::Edit(edit)
                if edit.target == id && entry.user == message.user && edited.is_none_or(|at| at < entry.at) =>
            {
                let (Content::Text(text), Shown::Text(shown)) = (&edit.content, &mut state.shown) else {
                    continue;
                };
                edited = Some(entry.at);
                *shown = text.clone();
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

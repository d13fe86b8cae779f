//! Taking a verified event into the store, whoever wrote it and however it came: log, heads, timeline, feed. An event that
//! is already here changes nothing, but for a body that others had erased and that is not erased here.

use parlour_crypto::{EventId, KIND_TIMER, VerifiedEvent};
use parlour_store::annotations::{self, Folded, bodiless};
use parlour_store::conversations::{self, ConversationRow};
use parlour_store::feed::{self, FeedRow};
use parlour_store::timeline::{self, Position, TimelineEntry};
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError, events, logs};

use super::effects::Turn;
use super::rollback;
use super::rooms::is_operation;

/// An event whose clock is further ahead than this waits until its time has come.
pub(crate) const MAX_AHEAD_MS: u64 = 10 * 60 * 1000;
/// Parents an event may name.
const MAX_PARENTS: usize = 8;
/// Heads remembered per conversation.
const MAX_HEADS: usize = 64;
/// Events kept that claim one place in a log.
const MAX_BRANCHES: u8 = 8;

/// Gaps in what we hold of one log; whoever makes more of them waits until some are closed.
const MAX_GAPS: usize = 1_024;
/// Logs of one device in one conversation.
const MAX_LOGS: usize = 64;

/// Where an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Signed here a moment ago: nobody can have it yet.
    Here,
    /// Signed here once, lost, and given back by others.
    Returned,
    /// From another device.
    Elsewhere,
    /// The same, and what others did builds on it: it gets its place whatever else claims it.
    Wanted,
    /// From a device of a user whom this account has blocked: kept, and shown to nobody.
    Blocked,
    /// The same, once they are unblocked.
    Unblocked,
}

impl Origin {
    /// Whether this device may have written it.
    fn is_own(self) -> bool {
        matches!(self, Self::Here | Self::Returned)
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// Stored now.
    New(EventKey),
    /// It was here before.
    Known(EventKey),
    /// It was here without its body, and can be read now.
    Completed(EventKey),
    /// Its place in the log is taken by too many others; not stored.
    Refused,
}

/// Stores `event`. One signed here is shown at once, however the clock stands.
pub(crate) fn append(
    turn: &mut Turn<'_, '_>,
    conversation: ConversationNo,
    device: DeviceNo,
    event: &VerifiedEvent,
    origin: Origin,
) -> Result<Appended, StoreError> {
    let id = event.id();
    if origin != Origin::Here
        && let Some(key) = events::place(turn.txn, &id)?
    {
        return Ok(match complete(turn, &key, event, origin)? {
            true => Appended::Completed(key),
            false => Appended::Known(key),
        });
    }
    let header = event.header();
    let log = LogKey {
        conversation,
        device,
        log: header.log,
    };
    let bounded = origin != Origin::Wanted;
    let Some(key) = claim(turn, log, header.seq, id, bounded)? else {
        return Ok(Appended::Refused);
    };
    events::put(turn.txn, &key, event);
    if origin != Origin::Here && header.clock > turn.now.saturating_add(MAX_AHEAD_MS) {
        // Of one whose time is not come our own are not to build on.
        timeline::hold(turn.txn, header.clock.saturating_sub(MAX_AHEAD_MS), &key);
    } else if origin == Origin::Blocked {
        keep_back(turn, &key, event)?;
    } else {
        reveal(turn, &key, event, origin)?;
    }
    Ok(Appended::New(key))
}

/// Takes the body of an event that came without it before; `true` if it is shown now, and never was. What this node has a reason of its own to have erased
/// stays erased.
fn complete(
    turn: &mut Turn<'_, '_>,
    key: &EventKey,
    event: &VerifiedEvent,
    origin: Origin,
) -> Result<bool, StoreError> {
    if event.body().is_none() || !events::brief(turn.txn, key)?.is_some_and(|brief| brief.stub) {
        return Ok(false);
    }
    let conversation = key.log.conversation;
    let erased = annotations::is_erased_here(turn.txn, key, event)?;
    // What was erased here without a right was counted when it came.
    let is_back = bodiless::is_sought(turn.txn, conversation, &event.id(), turn.now)?;
    bodiless::settled(turn.txn, conversation, &event.id());
    if erased {
        return Ok(false);
    }
    events::put(turn.txn, key, event);
    let header = event.header();
    if timeline::is_held(turn.txn, header.clock.saturating_sub(MAX_AHEAD_MS), key)?
        || timeline::is_held(turn.txn, timeline::UNTIL_UNBLOCKED, key)?
    {
        return Ok(false);
    }
    let folded = annotations::fold(turn.txn, key, event, origin.is_own(), turn.now)?;
    tell(turn, &folded)?;
    if events::has_a_place(header.kind) && !annotations::is_hidden(turn.txn, &event.id())? {
        feed::append(turn.txn, &FeedRow::Changed { event: *key })?;
        return Ok(!is_back && events::brief(turn.txn, key)?.is_some_and(|brief| !brief.stub));
    }
    Ok(false)
}

/// Takes the event's place in its log: the first comer the main one, others branches of a fork.
fn claim(
    turn: &mut Turn<'_, '_>,
    log: LogKey,
    seq: u64,
    id: EventId,
    bounded: bool,
) -> Result<Option<EventKey>, StoreError> {
    let branches = if bounded { MAX_BRANCHES } else { u8::MAX };
    let mut row = logs::get(turn.txn, &log)?;
    let mut key = EventKey { log, seq, branch: 0 };
    if row.have.contains(seq) {
        row.forked = true;
        while events::get(turn.txn, &key)?.is_some() {
            key.branch = key.branch.saturating_add(1);
            if key.branch >= branches {
                return Ok(None);
            }
        }
    } else {
        if bounded && row.have.is_empty() && too_many_logs(turn, &log)? {
            return Ok(None);
        }
        let grown = {
            let mut have = row.have.clone();
            have.insert(seq);
            have
        };
        if bounded && grown.as_slice().len() > MAX_GAPS {
            return Ok(None);
        }
        if row.have.max().is_none_or(|max| max < seq) {
            row.top = Some(id);
        }
        row.have = grown;
        turn.txn.mark(rollback::head_mark(&log), row.have.count());
    }
    logs::put(turn.txn, &log, &row);
    Ok(Some(key))
}

/// A device begins a new log only after damage; one that does so again and again is not followed.
fn too_many_logs(turn: &Turn<'_, '_>, log: &LogKey) -> Result<bool, StoreError> {
    let logs = logs::of_conversation(turn.txn, log.conversation)?;
    Ok(logs.iter().filter(|(key, _)| key.device == log.device).count() >= MAX_LOGS)
}

/// An event of a blocked user stands among the others for those that build on it, and says nothing.
pub(crate) fn keep_back(turn: &mut Turn<'_, '_>, key: &EventKey, event: &VerifiedEvent) -> Result<(), StoreError> {
    let conversation = key.log.conversation;
    let Some(mut row) = conversations::get(turn.txn, conversation)? else {
        return Err(StoreError::Malformed { noun: "conversation" });
    };
    update_heads(turn, conversation, &mut row, event)?;
    conversations::put(turn.txn, conversation, &row);
    timeline::hold(turn.txn, timeline::UNTIL_UNBLOCKED, key);
    Ok(())
}

/// Lets an event count: it becomes a head, moves the clock, is shown if it has a place in the timeline, and what it says of other
/// messages is seen on them.
pub(crate) fn reveal(
    turn: &mut Turn<'_, '_>,
    key: &EventKey,
    event: &VerifiedEvent,
    origin: Origin,
) -> Result<(), StoreError> {
    let conversation = key.log.conversation;
    let Some(mut row) = conversations::get(turn.txn, conversation)? else {
        return Err(StoreError::Malformed { noun: "conversation" });
    };
    let at = Position {
        clock: event.header().clock,
        id: event.id(),
    };
    // Operations build on each other, and what is said does not build on them.
    if !is_operation(event.header().kind) && origin != Origin::Unblocked {
        update_heads(turn, conversation, &mut row, event)?;
    }
    let hidden = origin != Origin::Here && annotations::is_hidden(turn.txn, &at.id)?;
    let shown = !hidden && events::has_a_place(event.header().kind);
    if shown {
        show(turn, key, at, &mut row)?;
    }
    let folded = annotations::fold(turn.txn, key, event, origin.is_own(), turn.now)?;
    // Nobody can read what others had erased, or what was deleted or had its time before it came.
    let is_new = shown && !origin.is_own() && event.body().is_some() && event.header().kind != KIND_TIMER;
    let is_new = is_new && !(event.header().view.is_some() && annotations::is_veiled(turn.txn, &at.id)?);
    if is_new && events::brief(turn.txn, key)?.is_some_and(|brief| !brief.stub) {
        row.unread = row.unread.saturating_add(1);
    }
    conversations::put(turn.txn, conversation, &row);
    tell(turn, &folded)
}

/// Says on the feed which messages look different, and remembers when something is to be erased.
pub(crate) fn tell(turn: &mut Turn<'_, '_>, folded: &Folded) -> Result<(), StoreError> {
    for event in &folded.changed {
        feed::append(turn.txn, &FeedRow::Changed { event: *event })?;
    }
    if let Some(due) = folded.due {
        turn.effects.erase_at(due);
    }
    turn.effects.add_void(folded.void);
    for event in &folded.system {
        feed::append(turn.txn, &FeedRow::System { event: *event })?;
    }
    Ok(())
}

fn show(turn: &mut Turn<'_, '_>, key: &EventKey, at: Position, row: &mut ConversationRow) -> Result<(), StoreError> {
    let conversation = key.log.conversation;
    row.last_seq = row.last_seq.saturating_add(1);
    let entry = TimelineEntry {
        at,
        event: *key,
        room_seq: row.last_seq,
    };
    timeline::put(turn.txn, conversation, &entry);
    feed::append(
        turn.txn,
        &FeedRow::Message {
            event: *key,
            room_seq: row.last_seq,
        },
    )?;
    if row.last.is_none_or(|(clock, id, _)| (clock, id) < (at.clock, at.id)) {
        row.last = Some((at.clock, at.id, *key));
    }
    Ok(())
}

fn update_heads(
    turn: &mut Turn<'_, '_>,
    conversation: ConversationNo,
    row: &mut ConversationRow,
    event: &VerifiedEvent,
) -> Result<(), StoreError> {
    let header = event.header();
    for named in header.parents.iter().chain(&header.prev) {
        if row.heads.iter().any(|(_, id)| id == named) {
            row.heads.retain(|(_, id)| id != named);
        } else if !counts(turn, conversation, named)? && timeline::mark_missing(turn.txn, conversation, named)? {
            row.missing = row.missing.saturating_add(1);
        }
    }
    let named_already = row.missing > 0 && timeline::take_missing(turn.txn, conversation, &event.id())?;
    if named_already {
        row.missing = row.missing.saturating_sub(1);
    } else {
        row.heads.push((header.clock, event.id()));
        row.heads.sort_unstable();
        if row.heads.len() > MAX_HEADS {
            row.heads.remove(0);
        }
    }
    Ok(())
}

/// Whether an event is here and has been taken up. One that waits for its time will be no head then, since it is named already.
fn counts(turn: &Turn<'_, '_>, conversation: ConversationNo, id: &EventId) -> Result<bool, StoreError> {
    let Some(key) = events::place(turn.txn, id)?.filter(|key| key.log.conversation == conversation) else {
        return Ok(false);
    };
    let Some(brief) = events::brief(turn.txn, &key)? else {
        return Ok(false);
    };
    Ok(!timeline::is_held(
        turn.txn,
        brief.clock.saturating_sub(MAX_AHEAD_MS),
        &key,
    )?)
}

/// The parents a new event names (ascending by id) and the clock it gets.
pub(crate) fn parents_and_clock(row: &ConversationRow, now: u64) -> (Vec<EventId>, u64) {
    let newest = row.heads.len().saturating_sub(MAX_PARENTS);
    let heads = row.heads.get(newest..).unwrap_or_default();
    let mut parents: Vec<EventId> = heads.iter().map(|(_, id)| *id).collect();
    parents.sort_unstable();
    let after = heads
        .iter()
        .map(|(clock, _)| clock.saturating_add(1))
        .max()
        .unwrap_or(0);
    (parents, now.max(after))
}

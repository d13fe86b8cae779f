//! Taking an event's meaning into the rows. Called once for each event, in whatever order they come; the rows end the same.

use std::collections::BTreeSet;

use parlour_crypto::{
    Body, BodyError, ClosePoll, Content, Delete, Edit, EventId, Message, Pin as PinBody, Reaction, Timer,
    VISIBLE_FOREVER, Vote,
};
use parlour_crypto::{KIND_EDIT, KIND_MESSAGE, UserId, VerifiedEvent};

use super::erase::{self, Gone};
use super::{
    Class, ConversationTimer, MAX_REACTION_ROWS, Pin, Place, ReactionRow, Tombstone, author, bodiless, class,
    edits_key, message_place, newer, note_erased_edit, pins, polls, replies, rooms, threads, timer_key,
};
use crate::db::Txn;
use crate::events;
use crate::keyspace::{ConversationNo, EventKey};
use crate::record::{self, StoreError};
use crate::system;
use crate::timeline::Position;

/// Characters of a message that its replies quote.
const QUOTE_CHARS: usize = 120;

/// What an event changed beside its own place.
#[derive(Debug, Default)]
pub struct Folded {
    /// Messages that look different now.
    pub changed: BTreeSet<EventKey>,
    /// When something has to be erased, ms.
    pub due: Option<u64>,
    /// Votes and closings of polls that can never count, as far as that is known.
    pub void: u64,
    /// What is shown as a system message, and was not.
    pub system: Vec<EventKey>,
}

impl Folded {
    /// Adds what another event changed.
    pub(super) fn merge(&mut self, other: Self) {
        self.changed.extend(other.changed);
        if let Some(due) = other.due {
            self.due_at(due);
        }
        self.void = self.void.saturating_add(other.void);
        self.system.extend(other.system);
    }

    pub(super) fn due_at(&mut self, due: u64) {
        self.due = Some(self.due.map_or(due, |known| known.min(due)));
    }
}

/// The beginning of a text, as replies quote it.
#[must_use]
pub fn quoted(text: &str) -> &str {
    let end = text.char_indices().nth(QUOTE_CHARS).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or(text)
}

struct Fold<'a, 'b> {
    txn: &'a mut Txn<'b>,
    at: EventKey,
    stamp: Position,
    conversation: ConversationNo,
    now: u64,
    /// The rules of its room hide the message.
    veiled: bool,
    out: Folded,
}

/// Takes up what the event at `at` says. `own`: this device may have written it.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn fold(
    txn: &mut Txn<'_>,
    at: &EventKey,
    event: &VerifiedEvent,
    own: bool,
    now: u64,
) -> Result<Folded, StoreError> {
    let header = event.header();
    let veiled = header.view.is_some() && rooms::is_veiled(txn, &event.id())?;
    if veiled && header.kind != KIND_MESSAGE {
        return Ok(Folded::default());
    }
    let mut fold = Fold {
        txn,
        at: *at,
        stamp: Position {
            clock: header.clock,
            id: event.id(),
        },
        conversation: at.log.conversation,
        now,
        veiled,
        out: Folded::default(),
    };
    let body = event.body().map(|(_, body)| Body::read(header.kind, body));
    match &body {
        Some(Ok(Body::Message(message))) => fold.message(Some(message), own)?,
        Some(Err(_)) if header.kind == KIND_MESSAGE => fold.message(None, own)?,
        None if header.kind == KIND_MESSAGE => fold.stub(event)?,
        None if header.kind == KIND_EDIT => bodiless::note(fold.txn, fold.conversation, &fold.stamp.id),
        Some(Ok(Body::Edit(edit))) => fold.edit(edit)?,
        Some(Ok(Body::Delete(delete))) => fold.delete(delete)?,
        Some(Ok(Body::Reaction(reaction))) => fold.reaction(reaction)?,
        Some(Ok(Body::Pin(pin))) => {
            // Only in rooms is there a view, and are there others to be told who did it.
            if header.view.is_some() && !system::is_shown(fold.txn, fold.conversation, &fold.stamp)? {
                system::put(fold.txn, &fold.stamp, at);
                fold.out.system.push(*at);
            }
            fold.pin(pin)?;
        }
        Some(Ok(Body::Timer(timer))) => fold.timer(timer)?,
        Some(Ok(Body::Vote(vote))) => fold.vote(vote)?,
        Some(Ok(Body::ClosePoll(close))) => fold.close_poll(close)?,
        Some(Err(_)) | None => {}
    }
    if let Some(Err(BodyError::NeedsNewerVersion)) = body {
        newer::note(fold.txn, at);
    }
    fold.out.changed.remove(at);
    Ok(fold.out)
}

impl Fold<'_, '_> {
    fn message(&mut self, message: Option<&Message>, own: bool) -> Result<(), StoreError> {
        let id = self.stamp.id;
        let mut why = None;
        if let Some(message) = message {
            if let Some(target) = &message.reply_to {
                let key = class(self.conversation, target, Class::Reply);
                let key = key.u64(self.stamp.clock).event_id(&id).done();
                record::put(self.txn, key, &Place::of(&self.at));
            }
            if let Some(root) = message.thread.as_ref().filter(|_| !self.veiled) {
                self.join_thread(root)?;
            }
            why = self.why_gone(message)?;
            if message.visibility != VISIBLE_FOREVER && own && why.is_none() {
                erase::note_sent_once(self.txn, &self.at);
            }
        }
        let spoken_of = super::any(self.txn, self.conversation, &id)?;
        if !spoken_of && why.is_none() {
            return Ok(());
        }
        let author = author(self.txn, &self.at)?;
        if self.is_deleted(&id, &author)? {
            return self.erase(&self.at.clone(), &id, &author, None);
        }
        if why.is_some() {
            return self.erase(&self.at.clone(), &id, &author, why);
        }
        self.out.changed.extend(replies(self.txn, self.conversation, &id)?);
        if self.veiled {
            return Ok(());
        }
        let pin = super::pin(self.txn, self.conversation, &id)?;
        let moved = pins::exchange(self.txn, self.conversation, &id, (None, pin))?;
        self.changed_pins(moved)?;
        Ok(())
    }

    /// Why a message that comes with its body is not to keep it, but for a deletion. Otherwise notes when that will be.
    fn why_gone(&mut self, message: &Message) -> Result<Option<Gone>, StoreError> {
        let once = message.visibility != VISIBLE_FOREVER;
        let due = message
            .expires_after()
            .map(|after| self.stamp.clock.saturating_add(after));
        if !once && due.is_none() {
            return Ok(None);
        }
        let id = self.stamp.id;
        // It was erased here before: it comes again, after a loss or from somebody who kept it.
        if let Some(why) = erase::gone(self.txn, &id)? {
            return Ok(Some(why));
        }
        if once && erase::views_used(self.txn, &id)? >= message.visibility {
            return Ok(Some(Gone::Viewed));
        }
        let Some(due) = due else { return Ok(None) };
        if due <= self.now {
            return Ok(Some(Gone::Expired));
        }
        erase::put_due(self.txn, due, &self.at);
        self.out.due_at(due);
        Ok(None)
    }

    /// A message without its body: if it is known why, what came before it as its versions goes as well.
    fn stub(&mut self, event: &VerifiedEvent) -> Result<(), StoreError> {
        let id = self.stamp.id;
        if !erase::is_erased_here(self.txn, &self.at, event)? {
            bodiless::note(self.txn, self.conversation, &id);
            return Ok(());
        }
        if super::any(self.txn, self.conversation, &id)? {
            let author = author(self.txn, &self.at)?;
            self.erase(&self.at.clone(), &id, &author, None)?;
        }
        Ok(())
    }

    fn edit(&mut self, edit: &Edit) -> Result<(), StoreError> {
        let by = author(self.txn, &self.at)?;
        let target = message_place(self.txn, self.conversation, &edit.target)?;
        let target = match target {
            Some((at, brief)) if author(self.txn, &at)? == by => Some((at, brief)),
            _ => None,
        };
        // Whoever deletes a message takes back what they said in its place, whether it was theirs or not.
        let stub = target.is_some_and(|(_, brief)| brief.stub);
        let stub = stub && !bodiless::may_come(self.txn, self.conversation, &edit.target)?;
        let erased = stub || self.is_deleted(&edit.target, &by)?;
        if erased {
            events::erase(self.txn, &self.at)?;
            note_erased_edit(self.txn, &edit.target, &self.at);
            return Ok(());
        }
        let newest = super::edits(self.txn, self.conversation, &edit.target, &by, 1)?;
        let key = edits_key(self.conversation, &edit.target, &by);
        let key = key.u64(self.stamp.clock).event_id(&self.stamp.id).done();
        record::put(self.txn, key, &Place::of(&self.at));
        if let Some((at, _)) = target
            && newest.first().is_none_or(|(newest, _)| *newest < self.stamp)
        {
            self.out.changed.insert(at);
            let before = self.words_at(newest.first().map_or(at, |(_, at)| *at))?;
            if before.is_none_or(|before| quoted(&before) != quoted(&edit.content.words())) {
                self.out
                    .changed
                    .extend(replies(self.txn, self.conversation, &edit.target)?);
            }
        }
        Ok(())
    }

    /// What a message or a version of one says.
    fn words_at(&self, at: EventKey) -> Result<Option<String>, StoreError> {
        Ok(self.content_at(&at)?.map(|content| content.words()))
    }

    fn content_at(&self, at: &EventKey) -> Result<Option<Content>, StoreError> {
        let Some(event) = events::get(self.txn, at)? else {
            return Ok(None);
        };
        let body = event.body().map(|(_, body)| Body::read(event.header().kind, body));
        Ok(match body {
            Some(Ok(Body::Message(message))) => Some(message.content),
            Some(Ok(Body::Edit(edit))) => Some(edit.content),
            _ => None,
        })
    }

    /// Its root looks different with it.
    fn join_thread(&mut self, root: &EventId) -> Result<(), StoreError> {
        let place = (&self.stamp, &self.at);
        if !super::is_hidden(self.txn, &self.stamp.id)? && threads::join(self.txn, self.conversation, root, place)? {
            let root = message_place(self.txn, self.conversation, root)?;
            self.out.changed.extend(root.map(|(at, _)| at));
        }
        Ok(())
    }

    fn vote(&mut self, vote: &Vote) -> Result<(), StoreError> {
        let by = author(self.txn, &self.at)?;
        let target = message_place(self.txn, self.conversation, &vote.poll)?;
        if target.is_none() && events::place(self.txn, &vote.poll)?.is_some() {
            self.out.void = 1;
            return Ok(());
        }
        let cast = (&by, self.stamp, vote.options.as_slice());
        polls::note_vote(self.txn, self.conversation, &vote.poll, cast)?;
        let Some((at, _)) = target.filter(|(_, brief)| !brief.stub) else {
            return Ok(());
        };
        let stamp = self.stamp;
        let counts = match self.content_at(&at)? {
            Some(Content::Poll(poll)) => {
                let asked = author(self.txn, &at)?;
                let closing = polls::counted_ids(self.txn, self.conversation, &vote.poll, &asked)?;
                let in_time = poll.closes_at.is_none_or(|closes| stamp.clock <= closes);
                // They stand in their order.
                let among = |counted: Vec<EventId>| counted.binary_search(&stamp.id).is_ok();
                poll.allows(&vote.options) && in_time && closing.is_none_or(among)
            }
            _ => false,
        };
        if counts {
            self.out.changed.insert(at);
        } else {
            self.out.void = 1;
        }
        Ok(())
    }

    fn close_poll(&mut self, close: &ClosePoll) -> Result<(), StoreError> {
        let by = author(self.txn, &self.at)?;
        let target = message_place(self.txn, self.conversation, &close.poll)?;
        if target.is_none() && events::place(self.txn, &close.poll)?.is_some() {
            self.out.void = 1;
            return Ok(());
        }
        let closing = (&by, self.stamp, &self.at);
        polls::note_closing(self.txn, self.conversation, &close.poll, closing)?;
        let Some((at, brief)) = target else { return Ok(()) };
        if author(self.txn, &at)? != by {
            self.out.void = 1;
        } else if !brief.stub {
            self.out.changed.insert(at);
        }
        Ok(())
    }

    fn delete(&mut self, delete: &Delete) -> Result<(), StoreError> {
        let by = author(self.txn, &self.at)?;
        let for_all = rooms::deletes_for_all(self.txn, &self.stamp.id)?;
        for target in delete.targets.iter().collect::<BTreeSet<_>>() {
            let place = message_place(self.txn, self.conversation, target)?;
            let writer = place.map(|(at, _)| author(self.txn, &at)).transpose()?;
            let was = match &writer {
                Some(writer) => self.is_deleted(target, writer)?,
                None => false,
            };
            let known = self.tombstone(target, &by)?;
            let row = Tombstone {
                at: known.map_or(self.stamp, |known| known.at.min(self.stamp)),
                for_all: for_all || known.is_some_and(|known| known.for_all),
            };
            let key = class(self.conversation, target, Class::Delete).user(&by).done();
            record::put(self.txn, key, &row);
            match (place, writer) {
                (Some((at, _)), Some(writer)) if writer == by || row.for_all => {
                    if !was {
                        self.erase(&at, target, &writer, None)?;
                        self.out.changed.insert(at);
                    }
                }
                _ => self.take_back(target, &by)?,
            }
        }
        Ok(())
    }

    /// Erases what a user said in the place of a message that is not theirs, or not here.
    fn take_back(&mut self, target: &EventId, by: &UserId) -> Result<(), StoreError> {
        if erase::take_back(self.txn, self.conversation, target, by)? {
            self.out.due_at(self.now);
        }
        Ok(())
    }

    fn reaction(&mut self, reaction: &Reaction) -> Result<(), StoreError> {
        let by = author(self.txn, &self.at)?;
        let target = message_place(self.txn, self.conversation, &reaction.target)?;
        if target.is_none() && events::place(self.txn, &reaction.target)?.is_some() {
            return Ok(());
        }
        let all = class(self.conversation, &reaction.target, Class::Reaction).user(&by);
        let key = class(self.conversation, &reaction.target, Class::Reaction).user(&by);
        let key = key.bytes(reaction.emoji.as_bytes()).done();
        let known = record::get::<ReactionRow>(self.txn, &key)?;
        if known.is_some_and(|known| known.at >= self.stamp) {
            return Ok(());
        }
        let row = ReactionRow {
            at: self.stamp,
            on: reaction.on,
        };
        record::put(self.txn, key, &row);
        let mut rows: Vec<(Position, Vec<u8>)> = Vec::new();
        for row in record::scan::<ReactionRow>(self.txn, &all.range()) {
            let (key, row) = row?;
            rows.push((row.at, key));
        }
        if rows.len() > MAX_REACTION_ROWS {
            rows.sort_unstable_by(|a, b| b.cmp(a));
            for (_, key) in rows.drain(MAX_REACTION_ROWS..) {
                self.txn.delete(key);
            }
        }
        if let Some((at, brief)) = target
            && !brief.stub
            && known.is_some_and(|known| known.on) != reaction.on
        {
            self.out.changed.insert(at);
        }
        Ok(())
    }

    fn pin(&mut self, pin: &PinBody) -> Result<(), StoreError> {
        let user = author(self.txn, &self.at)?;
        let target = message_place(self.txn, self.conversation, &pin.target)?;
        let elsewhere = target.is_none() && events::place(self.txn, &pin.target)?.is_some();
        let known = super::pin(self.txn, self.conversation, &pin.target)?;
        if elsewhere || known.is_some_and(|known| known.at >= self.stamp) {
            return Ok(());
        }
        let row = Pin {
            at: self.stamp,
            user,
            on: pin.on,
        };
        let key = class(self.conversation, &pin.target, Class::Pin).done();
        record::put(self.txn, key, &row);
        let Some((at, _)) = target.filter(|(_, brief)| !brief.stub) else {
            return Ok(());
        };
        // Its body is still to be erased, or the rules hide it.
        if self.is_deleted(&pin.target, &author(self.txn, &at)?)?
            || erase::gone(self.txn, &pin.target)?.is_some()
            || rooms::is_veiled(self.txn, &pin.target)?
        {
            return Ok(());
        }
        let moved = pins::exchange(self.txn, self.conversation, &pin.target, (known, Some(row)))?;
        self.changed_pins(moved)?;
        if known.is_some_and(|known| known.on) != pin.on {
            self.out.changed.insert(at);
        }
        Ok(())
    }

    /// Messages that are shown as pinned, or no more, since others were pinned.
    fn changed_pins(&mut self, moved: Vec<EventId>) -> Result<(), StoreError> {
        for id in moved {
            let place = message_place(self.txn, self.conversation, &id)?;
            self.out.changed.extend(place.map(|(at, _)| at));
        }
        Ok(())
    }

    fn timer(&mut self, timer: &Timer) -> Result<(), StoreError> {
        let known = super::timer(self.txn, self.conversation)?;
        if known.is_none_or(|known| known.at < self.stamp) {
            let row = ConversationTimer {
                at: self.stamp,
                user: author(self.txn, &self.at)?,
                expires_after_ms: timer.expires_after_ms,
            };
            record::put(self.txn, timer_key(self.conversation), &row);
        }
        Ok(())
    }

    fn tombstone(&self, target: &EventId, by: &UserId) -> Result<Option<Tombstone>, StoreError> {
        erase::tombstone(self.txn, self.conversation, target, by)
    }

    fn is_deleted(&self, target: &EventId, author: &UserId) -> Result<bool, StoreError> {
        erase::is_deleted(self.txn, self.conversation, target, author)
    }

    fn erase(&mut self, at: &EventKey, id: &EventId, by: &UserId, why: Option<Gone>) -> Result<(), StoreError> {
        erase::message(self.txn, at, id, by, why, self.now, &mut self.out)
    }
}

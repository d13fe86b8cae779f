//! Taking an event's meaning into the rows. Called once for each event, in whatever order they come; the rows end the same.

use std::collections::BTreeSet;

use parlour_crypto::{Body, Delete, Edit, EventId, Message, Pin as PinBody, Reaction, Timer, VISIBLE_FOREVER};
use parlour_crypto::{KIND_MESSAGE, UserId, VerifiedEvent};

use super::erase::{self, Gone};
use super::{
    Class, ConversationTimer, MAX_REACTION_ROWS, Pin, Place, ReactionRow, Target, Tombstone, author, class, edits_key,
    message_place, pin_order_key, replies, timer_key,
};
use crate::db::Txn;
use crate::events;
use crate::keyspace::{ConversationNo, DeviceNo, EventKey};
use crate::record::{self, StoreError};
use crate::timeline::Position;

/// What an event changed beside its own place.
#[derive(Debug, Default)]
pub struct Folded {
    /// Messages that look different now.
    pub changed: BTreeSet<EventKey>,
    /// When something has to be erased, ms.
    pub due: Option<u64>,
}

impl Folded {
    pub(super) fn due_at(&mut self, due: u64) {
        self.due = Some(self.due.map_or(due, |known| known.min(due)));
    }
}

struct Fold<'a, 'b> {
    txn: &'a mut Txn<'b>,
    at: EventKey,
    stamp: Position,
    conversation: ConversationNo,
    now: u64,
    out: Folded,
}

/// Takes up what the event at `at` says. `own` is this device; nothing when events are taken up a second time.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn fold(
    txn: &mut Txn<'_>,
    at: &EventKey,
    event: &VerifiedEvent,
    own: Option<DeviceNo>,
    now: u64,
) -> Result<Folded, StoreError> {
    let header = event.header();
    let mut fold = Fold {
        txn,
        at: *at,
        stamp: Position {
            clock: header.clock,
            id: event.id(),
        },
        conversation: at.log.conversation,
        now,
        out: Folded::default(),
    };
    let body = event.body().map(|(_, body)| Body::read(header.kind, body));
    match body {
        Some(Ok(Body::Message(message))) => fold.message(Some(&message), own)?,
        _ if header.kind == KIND_MESSAGE => fold.message(None, own)?,
        Some(Ok(Body::Edit(edit))) => fold.edit(&edit)?,
        Some(Ok(Body::Delete(delete))) => fold.delete(&delete)?,
        Some(Ok(Body::Reaction(reaction))) => fold.reaction(&reaction)?,
        Some(Ok(Body::Pin(pin))) => fold.pin(&pin)?,
        Some(Ok(Body::Timer(timer))) => fold.timer(&timer)?,
        Some(Err(_)) | None => {}
    }
    fold.out.changed.remove(at);
    Ok(fold.out)
}

impl Fold<'_, '_> {
    fn message(&mut self, message: Option<&Message>, own: Option<DeviceNo>) -> Result<(), StoreError> {
        let id = self.stamp.id;
        if let Some(message) = message {
            if let Some(target) = &message.reply_to {
                let key = class(self.conversation, target, Class::Reply);
                let key = key.u64(self.stamp.clock).event_id(&id).done();
                record::put(self.txn, key, &Place::of(&self.at));
            }
            if message.visibility != VISIBLE_FOREVER && Some(self.at.log.device) == own {
                erase::note_sent_once(self.txn, &self.at);
            }
            if let Some(after) = message.expires_after() {
                let due = self.stamp.clock.saturating_add(after);
                if due <= self.now {
                    let author = author(self.txn, &self.at)?;
                    self.erase(&self.at.clone(), &id, &author, Some(Gone::Expired))?;
                } else {
                    erase::put_due(self.txn, due, &self.at);
                    self.out.due_at(due);
                }
            }
        }
        if !super::any(self.txn, self.conversation, &id)? {
            return Ok(());
        }
        let author = author(self.txn, &self.at)?;
        self.out.changed.extend(replies(self.txn, self.conversation, &id)?);
        if self.tombstone(&id, &author)?.is_some() {
            return self.erase(&self.at.clone(), &id, &author, None);
        }
        // One that came after its time has been erased above.
        let here = events::brief(self.txn, &self.at)?.is_some_and(|brief| !brief.stub);
        if here && let Some(pin) = super::pin(self.txn, self.conversation, &id)?.filter(|pin| pin.on) {
            record::put(self.txn, pin_order_key(self.conversation, &pin.at), &Target(id));
        }
        Ok(())
    }

    fn edit(&mut self, edit: &Edit) -> Result<(), StoreError> {
        let by = author(self.txn, &self.at)?;
        let target = message_place(self.txn, self.conversation, &edit.target)?;
        let own_target = match &target {
            Some((at, _)) => author(self.txn, at)? == by,
            None => events::place(self.txn, &edit.target)?.is_none(),
        };
        let erased = target.is_some_and(|(_, brief)| brief.stub) || self.tombstone(&edit.target, &by)?.is_some();
        if !own_target {
            return Ok(());
        }
        if erased {
            events::erase(self.txn, &self.at)?;
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
            self.out
                .changed
                .extend(replies(self.txn, self.conversation, &edit.target)?);
        }
        Ok(())
    }

    fn delete(&mut self, delete: &Delete) -> Result<(), StoreError> {
        let by = author(self.txn, &self.at)?;
        for target in delete.targets.iter().collect::<BTreeSet<_>>() {
            let known = self.tombstone(target, &by)?;
            if known.is_none_or(|known| self.stamp < known) {
                let key = class(self.conversation, target, Class::Delete).user(&by).done();
                record::put(self.txn, key, &Tombstone(self.stamp));
            }
            match message_place(self.txn, self.conversation, target)? {
                Some((at, _)) if author(self.txn, &at)? == by => {
                    if known.is_none() {
                        self.erase(&at, target, &by, None)?;
                        self.out.changed.insert(at);
                    }
                }
                Some(_) => {}
                None if events::place(self.txn, target)?.is_none() => {
                    erase::versions(self.txn, self.conversation, target, &by)?;
                }
                None => {}
            }
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
        if let Some(known) = known.filter(|known| known.on) {
            self.txn.delete(pin_order_key(self.conversation, &known.at));
        }
        if pin.on {
            let key = pin_order_key(self.conversation, &self.stamp);
            record::put(self.txn, key, &Target(pin.target));
        }
        if known.is_some_and(|known| known.on) != pin.on {
            self.out.changed.insert(at);
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

    fn tombstone(&self, target: &EventId, by: &UserId) -> Result<Option<Position>, StoreError> {
        erase::tombstone(self.txn, self.conversation, target, by)
    }

    fn erase(&mut self, at: &EventKey, id: &EventId, by: &UserId, why: Option<Gone>) -> Result<(), StoreError> {
        erase::message(self.txn, at, id, by, why, self.now, &mut self.out)
    }
}

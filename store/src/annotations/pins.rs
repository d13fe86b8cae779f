//! Pins. For each message the newest pin counts, whoever set it; of those that are on, the newest [`MAX_PINS`] of each user in a
//! conversation are shown. So whoever pins without end hides nobody else's pins, and what is shown is the same in every order of
//! arrival.

use std::cmp::Reverse;

use parlour_crypto::{EventId, UserId};
use serde::{Deserialize, Serialize};

use super::fold::Folded;
use super::{Class, class, message_place};
use crate::db::{Db, Read, Txn};
use crate::keyspace::{ConversationNo, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};
use crate::repair::RepairError;
use crate::timeline::Position;

/// Pins of one user that are shown in one conversation.
pub const MAX_PINS: usize = 100;
/// Rows of an older build that are written anew in one commit.
const RENEWED_AT_ONCE: usize = 1_000;

/// A pin as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// When it was last set or taken away.
    pub at: Position,
    /// Who did.
    pub user: UserId,
    /// Whether it is there.
    pub on: bool,
}

impl Row for Pin {
    const NOUN: &'static str = "pin";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Target(EventId);

impl Row for Target {
    const NOUN: &'static str = "pinned message";
}

fn all_of(conversation: ConversationNo, user: &UserId) -> Key {
    Key::new(Kind::PinnedBy).conversation(conversation).user(user)
}

fn key(conversation: ConversationNo, pin: &Pin) -> Vec<u8> {
    all_of(conversation, &pin.user)
        .u64(pin.at.clock)
        .event_id(&pin.at.id)
        .done()
}

/// The pin of a message, as it stands.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn pin(read: &impl Read, conversation: ConversationNo, target: &EventId) -> Result<Option<Pin>, StoreError> {
    record::get(read, &class(conversation, target, Class::Pin).done())
}

/// Whether a pin of a message that is there is among those that are shown.
///
/// # Errors
/// As [`pin`].
pub fn is_shown_pinned(read: &impl Read, conversation: ConversationNo, pin: &Pin) -> Result<bool, StoreError> {
    if !pin.on {
        return Ok(false);
    }
    let (mut from, (_, to)) = (key(conversation, pin), all_of(conversation, &pin.user).range());
    from.push(0);
    let newer = read
        .scan_keys(&from, &to)
        .take(MAX_PINS)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(newer.len() < MAX_PINS)
}

/// How many pins of a user are shown in a conversation.
///
/// # Errors
/// As [`pin`].
pub fn pins_of(read: &impl Read, conversation: ConversationNo, user: &UserId) -> Result<usize, StoreError> {
    Ok(newest_of(read, conversation, user)?.len())
}

fn newest_of(
    read: &impl Read,
    conversation: ConversationNo,
    user: &UserId,
) -> Result<Vec<(Position, EventId)>, StoreError> {
    record::scan::<Target>(read, &all_of(conversation, user).range())
        .rev()
        .take(MAX_PINS)
        .map(|row| {
            let (key, Target(target)) = row?;
            let mut fields = Fields(key.get(37..).unwrap_or_default());
            let (Some(clock), Some(id)) = (fields.u64(), fields.array()) else {
                return Err(StoreError::Malformed { noun: "pin key" });
            };
            let id = EventId::from_bytes(id);
            Ok((Position { clock, id }, target))
        })
        .collect()
}

/// The pinned messages of a conversation, newest pin first, at most `limit`.
///
/// # Errors
/// As [`pin`].
pub fn pins(read: &impl Read, conversation: ConversationNo, limit: usize) -> Result<Vec<EventId>, StoreError> {
    let mut all = Vec::new();
    let (mut from, to) = Key::new(Kind::PinnedBy).conversation(conversation).range();
    // From one user to the next, however many pins each has.
    while let Some(first) = read.scan_keys(&from, &to).next().transpose()? {
        let user = Fields(first.get(5..).unwrap_or_default()).array();
        let user = UserId::from_bytes(user.ok_or(StoreError::Malformed { noun: "pin key" })?);
        all.extend(newest_of(read, conversation, &user)?);
        (_, from) = all_of(conversation, &user).range();
    }
    all.sort_unstable_by_key(|(at, _)| Reverse(*at));
    Ok(all.into_iter().take(limit).map(|(_, id)| id).collect())
}

/// Lets a pin of a message that is there count, in place of the one before. Returns the messages of others that come to be shown as
/// pinned with that, or cease to be.
pub(super) fn exchange(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    target: &EventId,
    (before, after): (Option<Pin>, Option<Pin>),
) -> Result<Vec<EventId>, StoreError> {
    let before = before.filter(|pin| pin.on);
    let after = after.filter(|pin| pin.on);
    let users = [before, after].into_iter().flatten().map(|pin| pin.user);
    let users: std::collections::BTreeSet<UserId> = users.collect();
    let shown = |txn: &Txn<'_>| -> Result<Vec<EventId>, StoreError> {
        let mut shown = Vec::new();
        for user in &users {
            let newest = newest_of(txn, conversation, user)?;
            // Below the limit nobody makes room for anybody.
            if newest.len() == MAX_PINS {
                shown.extend(newest.into_iter().map(|(_, id)| id));
            }
        }
        Ok(shown)
    };
    let there = shown(txn)?;
    if let Some(before) = before {
        txn.delete(key(conversation, &before));
    }
    if let Some(after) = after {
        record::put(txn, key(conversation, &after), &Target(*target));
    }
    let here = shown(txn)?;
    let one_sided = |a: &[EventId], b: &[EventId]| a.iter().filter(|id| !b.contains(id)).copied().collect::<Vec<_>>();
    let mut moved = Vec::new();
    if there.len() == here.len() {
        moved.extend(one_sided(&there, &here));
        moved.extend(one_sided(&here, &there));
    }
    moved.retain(|id| id != target);
    Ok(moved)
}

/// A message is not to be seen any more, and its pin is not shown with it.
pub(super) fn unpin(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    target: &EventId,
    out: &mut Folded,
) -> Result<(), StoreError> {
    let pin = pin(txn, conversation, target)?;
    for moved in exchange(txn, conversation, target, (pin, None))? {
        let place = message_place(txn, conversation, &moved)?;
        out.changed.extend(place.map(|(at, _)| at));
    }
    Ok(())
}

/// Rows of builds that kept the pins of all users in one order.
pub(crate) fn renew(db: &Db) -> Result<(), RepairError> {
    loop {
        let mut txn = db.begin();
        let old = record::scan::<Target>(&txn, &Key::new(Kind::PinOrder).range());
        let rows: Vec<(Vec<u8>, Target)> = old.take(RENEWED_AT_ONCE).collect::<Result<_, _>>()?;
        if rows.is_empty() {
            return Ok(());
        }
        for (old, target) in rows {
            let no = Fields(old.get(1..).unwrap_or_default()).u32();
            let conversation = ConversationNo(no.ok_or(StoreError::Malformed { noun: "pin key" })?);
            if let Some(pin) = pin(&txn, conversation, &target.0)?.filter(|pin| pin.on) {
                record::put(&mut txn, key(conversation, &pin), &target);
            }
            txn.delete(old);
        }
        db.commit(txn.into_batch())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::DbOptions;

    #[test]
    fn pins_of_an_older_build_are_there_after_an_upgrade() {
        let dir = tempfile::tempdir().unwrap();
        let options = DbOptions {
            reserve_bytes: 0,
            ..DbOptions::default()
        };
        let (db, _) = Db::open(dir.path(), &[7; 32], options).unwrap();
        let conversation = ConversationNo(3);
        let mut txn = db.begin();
        let mut expected = Vec::new();
        for n in 1..=1_500u64 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            let target = EventId::from_bytes(bytes);
            let user = UserId::from_bytes([u8::try_from(n % 2).unwrap(); 32]);
            let at = Position { clock: n, id: target };
            let on = n % 3 != 0;
            record::put(
                &mut txn,
                class(conversation, &target, Class::Pin).done(),
                &Pin { at, user, on },
            );
            if on {
                let old = Key::new(Kind::PinOrder)
                    .conversation(conversation)
                    .u64(n)
                    .event_id(&target);
                record::put(&mut txn, old.done(), &Target(target));
                expected.push(target);
            }
        }
        db.commit(txn.into_batch()).unwrap();
        renew(&db).unwrap();
        renew(&db).unwrap();
        expected.reverse();
        let shown = pins(&db, conversation, 1_000).unwrap();
        assert_eq!(shown.len(), 2 * MAX_PINS);
        assert_eq!(shown[..2 * MAX_PINS], expected[..2 * MAX_PINS]);
        let (from, to) = Key::new(Kind::PinOrder).range();
        assert_eq!(db.scan_keys(&from, &to).count(), 0);
    }
}

//! What those who keep order in a room do with what others wrote, and what its rules hide. Who has the right to what, the engine says:
//! it is written down here before the event is folded, so that a repair comes to the same.

use parlour_crypto::{EventId, UserId};
use serde::{Deserialize, Serialize};

use super::{Class, Tombstone, class};
use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, Key, Kind};
use crate::record::{self, Row, StoreError};
use crate::timeline::Position;

#[derive(Serialize, Deserialize)]
pub(crate) struct Mark;

impl Row for Mark {
    const NOUN: &'static str = "mark of an event";
}

fn for_all_key(deletion: &EventId) -> Vec<u8> {
    Key::new(Kind::ForAll).event_id(deletion).done()
}

/// Notes whether the deletion with this id is by somebody who may delete what others wrote.
pub fn let_delete_for_all(txn: &mut Txn<'_>, deletion: &EventId, may: bool) {
    match may {
        true => record::put(txn, for_all_key(deletion), &Mark),
        false => txn.delete(for_all_key(deletion)),
    }
}

/// Whether a deletion is by somebody who may delete what others wrote.
///
/// # Errors
/// The database cannot be read.
pub fn deletes_for_all(read: &impl Read, deletion: &EventId) -> Result<bool, StoreError> {
    Ok(read.get(&for_all_key(deletion))?.is_some())
}

/// Deletes a message that is on its way here, whoever wrote it.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn delete_for_all(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    target: Position,
    by: &UserId,
) -> Result<(), StoreError> {
    let key = class(conversation, &target.id, Class::Delete).user(by).done();
    let known = record::get::<Tombstone>(txn, &key)?;
    let at = known.map_or(target, |known| known.at.min(target));
    record::put(txn, key, &Tombstone { at, for_all: true });
    Ok(())
}

/// What the rules of a room say of a message in it, or of anything else that was said there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// It came sooner after its author's last one than they allow: not shown.
    pub too_soon: bool,
    /// Its author was removed by somebody who had not seen it: marked.
    pub around_removal: bool,
    /// Its author had no right to it, which was not known when it came: not shown, and of no effect on messages.
    pub void: bool,
}

impl Ruling {
    /// Whether the message is not shown.
    #[must_use]
    pub fn hides(self) -> bool {
        self.too_soon || self.void
    }
}

impl Row for Ruling {
    const NOUN: &'static str = "ruling on a message";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let too_soon = version == 1 && rest.is_empty();
        too_soon.then_some(Self {
            too_soon,
            ..Self::default()
        })
    }
}

fn ruling_key(id: &EventId) -> Vec<u8> {
    Key::new(Kind::Ruling).event_id(id).done()
}

/// Writes down what the rules of its room say of a message.
pub fn rule(txn: &mut Txn<'_>, id: &EventId, ruling: Ruling) {
    match ruling == Ruling::default() {
        true => txn.delete(ruling_key(id)),
        false => record::put(txn, ruling_key(id), &ruling),
    }
}

/// What the rules of its room say of a message.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn ruling(read: &impl Read, id: &EventId) -> Result<Ruling, StoreError> {
    Ok(record::get(read, &ruling_key(id))?.unwrap_or_default())
}

/// Whether the rules of its room hide a message.
///
/// # Errors
/// As [`ruling`].
pub fn is_veiled(read: &impl Read, id: &EventId) -> Result<bool, StoreError> {
    Ok(ruling(read, id)?.hides())
}

//! Erasing the history of a conversation from this account's sight and disk: messages and their versions go, some in one transaction,
//! from the oldest on; a row remembers that there is more to do. Signed headers stay, as after all erasing, so that others are
//! not asked for it again.

use serde::{Deserialize, Serialize};

use super::erase::{self, Gone};
use super::fold::Folded;
use super::{author, hide};
use crate::db::Txn;
use crate::feed::{self, FeedRow};
use crate::keyspace::{ConversationNo, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};
use crate::{conversations, timeline};

/// What is shown up to this clock is to be erased.
#[derive(Serialize, Deserialize)]
pub(crate) struct Forgetting(u64);

impl Row for Forgetting {
    const NOUN: &'static str = "history to be erased";
}

fn key(no: ConversationNo) -> Vec<u8> {
    Key::new(Kind::Forgetting).conversation(no).done()
}

/// Has everything that a conversation shows now erased, from the next look at what is due on; nothing of it is unread any more.
///
/// # Errors
/// The database cannot be read, or the conversation is not there.
pub fn forget(txn: &mut Txn<'_>, no: ConversationNo) -> Result<(), StoreError> {
    let mut row = conversations::get(txn, no)?.ok_or(StoreError::Malformed { noun: "conversation" })?;
    if let Some((clock, _, _)) = row.last {
        record::put(txn, key(no), &Forgetting(clock));
    }
    row.read_seq = row.last_seq;
    row.unread = 0;
    row.mentions = 0;
    conversations::put(txn, no, &row);
    Ok(())
}

/// Goes on with one history, as far as this transaction may.
pub(super) fn go_on(txn: &mut Txn<'_>, now: u64, out: &mut Folded) -> Result<(), StoreError> {
    let first = record::scan::<Forgetting>(txn, &Key::new(Kind::Forgetting).range()).next();
    let Some((row_key, Forgetting(up_to))) = first.transpose()? else {
        return Ok(());
    };
    let no = Fields(row_key.get(1..).unwrap_or_default()).u32();
    let no = ConversationNo(no.ok_or(StoreError::Malformed { noun: "forgetting key" })?);
    let entries = timeline::after(txn, no, None, erase::left(txn))?;
    for entry in entries.iter().filter(|entry| entry.at.clock <= up_to) {
        if erase::is_spent(txn) {
            break;
        }
        let by = author(txn, &entry.event)?;
        hide(txn, &entry.at.id, now)?;
        timeline::remove(txn, no, &entry.at)?;
        erase::message(txn, &entry.event, &entry.at.id, &by, Some(Gone::Forgotten), now, out)?;
        out.changed.insert(entry.event);
    }
    let oldest = timeline::after(txn, no, None, 1)?.pop();
    if oldest.is_none_or(|entry| entry.at.clock > up_to) {
        txn.delete(row_key);
    }
    if let Some(mut row) = conversations::get(txn, no)? {
        let newest = timeline::before(txn, no, None, 1)?.pop();
        row.last = newest.map(|entry| (entry.at.clock, entry.at.id, entry.event));
        conversations::put(txn, no, &row);
        feed::append(txn, &FeedRow::Conversation { conversation: no })?;
    }
    Ok(())
}

//! Keys: whoever reads a range is asked for the one row that is there.

use parlour_crypto::{ConversationId, EventId, UserId};

use crate::annotations::{self, bodiless, erase};
use crate::db::{Read, ReadError, RowKeys, Rows};
use crate::keyspace::{ConversationNo, DeviceNo, EventKey, Fields, LogKey};
use crate::timeline::{self, Position};
use crate::{
    chains, contacts, conversations, devices, events, feed, invites, logs, outbox, prekeys, read_marks, registers,
    requests, rooms, sessions, system,
};

/// At most so many rows are asked for.
const LIMIT: usize = 4;

/// All that there is.
struct OneRow<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

impl OneRow<'_> {
    fn in_range(&self, from: &[u8], to: &[u8]) -> bool {
        from <= self.key && self.key < to
    }
}

impl Read for OneRow<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok((key == self.key).then(|| self.value.to_vec()))
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        let row = self
            .in_range(from, to)
            .then(|| (self.key.to_vec(), self.value.to_vec()));
        Box::new(row.into_iter().map(Ok))
    }

    fn scan_keys<'a>(&'a self, from: &[u8], to: &[u8]) -> RowKeys<'a> {
        let key = self.in_range(from, to).then(|| self.key.to_vec());
        Box::new(key.into_iter().map(Ok))
    }
}

/// What the fields of a key may be, where it has them.
struct Parts {
    conversation: ConversationNo,
    log: LogKey,
    /// In front.
    first: [u8; 32],
    /// Behind the number of a conversation.
    second: [u8; 32],
    /// Behind that and the class of an annotation.
    third: [u8; 32],
}

impl Parts {
    fn of(key: &[u8]) -> Self {
        let after = |at: usize| Fields(key.get(at..).unwrap_or_default());
        let number = |at: usize| after(at).u32().unwrap_or_default();
        let id = |at: usize| after(at).array().unwrap_or_default();
        let conversation = ConversationNo(number(1));
        Self {
            conversation,
            log: LogKey {
                conversation,
                device: DeviceNo(number(5)),
                log: number(9),
            },
            first: id(1),
            second: id(5),
            third: id(38),
        }
    }
}

/// Offers a row: the length of its key, the key, the value. `None` if it has no such key.
pub(super) fn offer(bytes: &[u8]) -> Option<()> {
    let (len, rest) = bytes.split_first()?;
    let (key, value) = rest.split_at_checked((*len).into())?;
    let row = OneRow { key, value };
    let parts = Parts::of(key);
    parse(key);
    said(&row, &parts);
    about_messages(&row, &parts);
    about_people(&row, &parts);
    in_rooms(&row, &parts);
    Some(())
}

fn parse(key: &[u8]) {
    if let Ok((due, at)) = erase::parse_due(key) {
        assert_eq!(erase::due_key(due, &at).get(1..), key.get(1..), "a due key changes");
    }
    let _ = erase::parse_take_back(key);
    if let Some(at) = EventKey::from_bytes(key) {
        assert_eq!(at.to_bytes(), key, "an event key changes");
    }
    let marks = [(key.to_vec(), 1)].into();
    for (log, _) in logs::bounds(&marks) {
        assert!(key.starts_with(&logs::mark(&log)), "a mark changes");
    }
}

fn said(row: &OneRow<'_>, parts: &Parts) {
    let no = parts.conversation;
    for entry in timeline::before(row, no, None, LIMIT).into_iter().flatten() {
        let there = timeline::get(row, no, &entry.at);
        // Whatever stands behind the fields of a key is not looked at.
        assert!(row.key.len() != 45 || there.is_ok_and(|there| there == Some(entry)));
    }
    let start = Position {
        clock: 0,
        id: EventId::from_bytes([0; 32]),
    };
    let _ = timeline::after(row, no, Some(&start), LIMIT);
    let _ = timeline::arrived(row, no, 0, LIMIT);
    let _ = timeline::due(row, u64::MAX - 1, LIMIT);
    let _ = timeline::unblocked(row, |_| true, LIMIT);
    let _ = timeline::missing(row, no, (None, LIMIT));
    let _ = timeline::leads_to_an_event(row, row.key);
    let _ = system::all(row, no).count();
    let _ = system::page_before(row, no, None, LIMIT);
    let _ = system::page_after(row, no, Some(&start), LIMIT);
    let _ = events::ids_from(row, parts.first.get(..2).unwrap_or_default(), LIMIT);
    let _ = events::leads_to_an_event(row, row.key);
    if let Some(at) = EventKey::from_bytes(row.key.get(1..).unwrap_or_default()) {
        let _ = (events::get(row, &at), events::brief(row, &at));
    }
    let _ = feed::after(row, 0, LIMIT);
    let _ = (logs::of_conversation(row, no), logs::deliveries(row, &parts.log));
    let _ = read_marks::all_of_log(row, &parts.log);
}

fn about_messages(row: &OneRow<'_>, parts: &Parts) {
    let (no, target) = (parts.conversation, EventId::from_bytes(parts.second));
    let by = UserId::from_bytes(parts.third);
    let _ = annotations::said(row, no, &target);
    let _ = annotations::edits(row, no, &target, &by, LIMIT);
    let _ = annotations::votes(row, no, &target);
    let _ = annotations::counted(row, no, &target, &by);
    let _ = annotations::thread(row, no, &target);
    let _ = annotations::in_thread(row, no, &target, None, LIMIT);
    let _ = annotations::pins(row, no, LIMIT);
    let _ = annotations::pins_of(row, no, &UserId::from_bytes(parts.second));
    let _ = annotations::sent_once(row, None, LIMIT);
    let _ = annotations::next_due(row);
    let _ = annotations::purging(row);
    let _ = annotations::timer(row, no);
    let _ = bodiless::to_ask(row, no, parts.log.device, (None, LIMIT), 0);
}

fn about_people(row: &OneRow<'_>, parts: &Parts) {
    let user = UserId::from_bytes(parts.first);
    let _ = (contacts::all(row), invites::all(row));
    let _ = (requests::all(row), requests::all_asking(row));
    let _ = (devices::all(row), devices::current_of_user(row, &user));
    let _ = (
        outbox::devices(row),
        outbox::of_device(row, DeviceNo(parts.conversation.0)),
    );
    let _ = (prekeys::all(row), prekeys::expired_one_time(row, u64::MAX));
    let _ = (sessions::all(row), chains::all_records(row));
    let _ = (
        registers::settings(row),
        registers::all_blocked(row),
        registers::all_changed(row),
    );
    let id = row.key.get(2..).and_then(|id| id.try_into().ok());
    if let Some(id) = id {
        let _ = registers::kept(row, &ConversationId::from_bytes(id));
        let _ = registers::trust(row, &UserId::from_bytes(id));
    }
}

fn in_rooms(row: &OneRow<'_>, parts: &Parts) {
    let (no, user) = (parts.conversation, UserId::from_bytes(parts.first));
    let _ = (conversations::all(row), rooms::all(row));
    let _ = (rooms::members(row, no), rooms::banned(row, no));
    let _ = (rooms::of_user(row, &user), rooms::let_in_by(row, &user));
    let _ = (rooms::tokens(row), rooms::all_joining(row));
    let _ = (rooms::requests(row, None), rooms::reports(row, no));
    let _ = rooms::all_heard(row);
}

//! Events, and every row that follows from them.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{DeviceCert, EventId, Intervals, KIND_OPERATION, SignedEvent, VerifiedEvent};

use super::{AuditReport, Problem};
use crate::conversations::ConversationRow;
use crate::db::Read as _;
use crate::feed::FeedRow;
use crate::keyspace::{ConversationNo, DeviceNo, EventKey, Fields, Key, Kind, LogKey};
use crate::meta::{self, CounterName};
use crate::record::StoreError;
use crate::store::Store;
use crate::timeline::{self, Position};
use crate::{annotations, conversations, devices, events, feed, logs, view};

const STEP: u64 = 10_000;
const FEED_PAGE: usize = 2_000;

/// What is gathered on the way through the events.
struct Walk<'a> {
    store: &'a Store,
    keys: BTreeMap<DeviceNo, Option<[u8; 32]>>,
    held: BTreeSet<EventKey>,
    /// Seqs that are there, by log.
    seen: BTreeMap<LogKey, Intervals>,
    /// Shown events and the newest of them, by conversation.
    shown: BTreeMap<ConversationNo, (u64, Position)>,
    heads: BTreeMap<EventId, ConversationNo>,
    named_heads: BTreeSet<EventId>,
    /// Messages with a text.
    messages: BTreeSet<EventKey>,
}

/// Returns where the messages are that can be searched.
pub(super) fn check(
    store: &Store,
    report: &mut AuditReport,
    progress: &mut impl FnMut(&'static str, u64),
) -> Result<BTreeSet<EventKey>, StoreError> {
    let rooms = readable_conversations(store);
    let mut walk = Walk {
        store,
        keys: BTreeMap::new(),
        held: held(store),
        seen: BTreeMap::new(),
        shown: BTreeMap::new(),
        heads: rooms
            .iter()
            .flat_map(|(no, row)| row.heads.iter().map(|(_, id)| (*id, *no)))
            .collect(),
        named_heads: BTreeSet::new(),
        messages: BTreeSet::new(),
    };
    let (from, to) = Key::new(Kind::Event).range();
    for key in store.scan_keys(&from, &to) {
        let Ok(key) = key else { break };
        if let Some(at) = EventKey::from_bytes(key.get(1..).unwrap_or_default()) {
            walk.event(&at, report);
        }
        if report.events.is_multiple_of(STEP) {
            progress("events", report.events);
        }
    }
    progress("events", report.events);
    walk.logs(report);
    walk.ids(report);
    walk.timelines(&rooms, report);
    walk.feed(report)?;
    Ok(walk.messages)
}

/// The conversations whose rows open; the others are named by the walk through the rows.
fn readable_conversations(store: &Store) -> BTreeMap<ConversationNo, ConversationRow> {
    let (from, to) = Key::new(Kind::Conversation).range();
    let keys = store.scan_keys(&from, &to).map_while(Result::ok);
    keys.filter_map(|key| {
        let no = ConversationNo(Fields(key.get(1..)?).u32()?);
        Some((no, conversations::get(store, no).ok()??))
    })
    .collect()
}

fn held(store: &Store) -> BTreeSet<EventKey> {
    let (from, to) = Key::new(Kind::Held).range();
    let keys = store.scan_keys(&from, &to).map_while(Result::ok);
    keys.filter_map(|key| EventKey::from_bytes(key.get(9..)?)).collect()
}

impl Walk<'_> {
    fn event(&mut self, at: &EventKey, report: &mut AuditReport) {
        let event = match events::get(self.store, at) {
            Ok(Some(event)) => event,
            // The walk through the rows has named it.
            Err(StoreError::Read(_)) | Ok(None) => return,
            Err(StoreError::Malformed { .. }) => return report.found(Problem::Orphan { at: *at }),
        };
        if at.branch == 0 {
            self.seen.entry(at.log).or_default().insert(at.seq);
        }
        let id = event.id();
        if !self.signature_holds(at.log.device, &event) {
            return report.found(Problem::Signature { id, at: *at });
        }
        report.events = report.events.saturating_add(1);
        if events::place(self.store, &id).ok().flatten() != Some(*at) {
            report.found(Problem::Place { id });
        }
        if self.held.contains(at) {
            return;
        }
        // Operations build on each other alone, and have no place.
        if event.header().kind == KIND_OPERATION {
            return;
        }
        self.parents(&event, at, report);
        self.shown(&event, at, report);
    }

    fn signature_holds(&mut self, device: DeviceNo, event: &VerifiedEvent) -> bool {
        let store = self.store;
        let key = self.keys.entry(device).or_insert_with(|| {
            let row = devices::get(store, device).ok().flatten()?;
            let certificate = DeviceCert::verify(&row.certificate).ok()?;
            Some(*certificate.signing_key())
        });
        let Some(key) = key else { return false };
        SignedEvent::decode(&event.to_wire()).is_ok_and(|signed| signed.verify(key).is_ok())
    }

    fn parents(&mut self, event: &VerifiedEvent, at: &EventKey, report: &mut AuditReport) {
        let header = event.header();
        for named in header.parents.iter().chain(&header.prev) {
            if self.heads.contains_key(named) {
                self.named_heads.insert(*named);
            }
            let here = events::place(self.store, named).ok().flatten().is_some();
            if !here && !timeline::is_missing(self.store, at.log.conversation, named).unwrap_or(true) {
                report.found(Problem::Unasked { id: event.id() });
            }
        }
    }

    fn shown(&mut self, event: &VerifiedEvent, at: &EventKey, report: &mut AuditReport) {
        let conversation = at.log.conversation;
        let hidden = annotations::is_hidden(self.store, &event.id()).unwrap_or(false);
        if !events::has_a_place(event.header().kind) || hidden {
            return;
        }
        let position = Position {
            clock: event.header().clock,
            id: event.id(),
        };
        let entry = timeline::get(self.store, conversation, &position).ok().flatten();
        let by_number = entry.filter(|entry| entry.event == *at).and_then(|entry| {
            timeline::by_room_seq(self.store, conversation, entry.room_seq)
                .ok()
                .flatten()
        });
        if by_number != Some(position) {
            return report.found(Problem::NotShown { id: event.id() });
        }
        report.shown = report.shown.saturating_add(1);
        let (count, newest) = self.shown.entry(conversation).or_insert((0, position));
        *count = count.saturating_add(1);
        *newest = (*newest).max(position);
        if view::searchable(self.store, at, event).is_ok_and(|text| text.is_some()) {
            self.messages.insert(*at);
        }
    }

    /// What the logs list is there, and the other way round.
    fn logs(&mut self, report: &mut AuditReport) {
        let (from, to) = Key::new(Kind::Log).range();
        let keys: Vec<Vec<u8>> = self.store.scan_keys(&from, &to).map_while(Result::ok).collect();
        for key in keys {
            let mut fields = Fields(key.get(1..).unwrap_or_default());
            let (Some(conversation), Some(device), Some(number)) = (fields.u32(), fields.u32(), fields.u32()) else {
                continue;
            };
            let log = LogKey {
                conversation: ConversationNo(conversation),
                device: DeviceNo(device),
                log: number,
            };
            let Ok(row) = logs::get(self.store, &log) else { continue };
            let seen = self.seen.remove(&log).unwrap_or_default();
            let missing = row.have.difference(&seen);
            if !missing.is_empty() {
                report.found(Problem::Missing { log, seqs: missing });
            }
            let unlisted = seen.difference(&row.have);
            if !unlisted.is_empty() {
                report.found(Problem::Unlisted { log, seqs: unlisted });
            }
        }
        for (log, seqs) in std::mem::take(&mut self.seen) {
            report.found(Problem::Unlisted { log, seqs });
        }
        for (log, bound) in logs::bounds(&self.store.db().marks()) {
            let held = logs::get(self.store, &log).map_or(0, |row| row.have.count());
            if held < bound {
                report.found(Problem::Short { log, held, bound });
            }
        }
    }

    fn ids(&self, report: &mut AuditReport) {
        let (from, to) = Key::new(Kind::EventId).range();
        let keys = self.store.scan_keys(&from, &to).map_while(Result::ok);
        let count = keys.filter(|key| !events::leads_to_an_event(self.store, key)).count() as u64;
        if count > 0 {
            report.found(Problem::Dangling { count });
        }
    }

    fn timelines(&self, rooms: &BTreeMap<ConversationNo, ConversationRow>, report: &mut AuditReport) {
        let count_of = |kind, no| {
            let (from, to) = Key::new(kind).conversation(no).range();
            self.store.scan_keys(&from, &to).map_while(Result::ok).count() as u64
        };
        for (no, row) in rooms {
            let (shown, newest) = match self.shown.get(no) {
                Some((count, newest)) => (*count, Some(*newest)),
                None => (0, None),
            };
            let surplus = count_of(Kind::Timeline, *no)
                .max(count_of(Kind::RoomSeq, *no))
                .saturating_sub(shown);
            if surplus > 0 {
                report.found(Problem::ShownInVain { count: surplus });
            }
            let mut wrong = |what| {
                report.found(Problem::Conversation {
                    conversation: no.0,
                    what,
                });
            };
            if row.last.map(|(clock, id, _)| Position { clock, id }) != newest {
                wrong("last message");
            }
            if row.last_seq < shown {
                wrong("last arrival number");
            }
            let strange =
                |id: &EventId| self.named_heads.contains(id) || events::place(self.store, id).ok().flatten().is_none();
            if row.heads.iter().any(|(_, id)| strange(id)) {
                wrong("list of newest events");
            }
        }
        for no in self.shown.keys().filter(|no| !rooms.contains_key(no)) {
            report.found(Problem::Conversation {
                conversation: no.0,
                what: "row",
            });
        }
    }

    fn feed(&self, report: &mut AuditReport) -> Result<(), StoreError> {
        let mut cursor = 0;
        loop {
            let Ok(page) = feed::after(self.store, cursor, FEED_PAGE) else {
                report.found(Problem::Feed {
                    what: "a change cannot be read, and readers stop before it",
                });
                break;
            };
            let Some((last, _)) = page.last() else { break };
            cursor = *last;
            let gone = |row: &FeedRow| matches!(row, FeedRow::Message { event, .. } | FeedRow::Changed { event } if !events::is_there(self.store, event));
            if page.iter().any(|(_, row)| gone(row)) {
                report.found(Problem::Feed {
                    what: "it tells of messages that are not there",
                });
            }
        }
        if meta::counter(self.store, CounterName::Feed).is_ok_and(|last| last < cursor) {
            report.found(Problem::Feed {
                what: "its last number is below changes that are there",
            });
        }
        Ok(())
    }
}

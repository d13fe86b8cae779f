//! Every row opens under its seal.

use super::{AuditReport, Problem};
use crate::db::ReadError;
use crate::keyspace::{Key, Kind};
use crate::store::Store;

const STEP: u64 = 50_000;

pub(super) const KINDS: [(Kind, &str); 30] = [
    (Kind::Meta, "counter"),
    (Kind::DeviceId, "device id"),
    (Kind::Device, "device"),
    (Kind::Contact, "contact"),
    (Kind::UserDevice, "user's device"),
    (Kind::DeviceName, "device name"),
    (Kind::ConversationId, "conversation id"),
    (Kind::Conversation, "conversation"),
    (Kind::Log, "log"),
    (Kind::Delivery, "delivery"),
    (Kind::Missing, "missing event"),
    (Kind::ConversationName, "conversation name"),
    (Kind::SharesPresence, "presence wish"),
    (Kind::CardDetails, "card"),
    (Kind::ReadMark, "read mark"),
    (Kind::ReadLog, "read log"),
    (Kind::Register, "register"),
    (Kind::Event, "event"),
    (Kind::EventId, "event id"),
    (Kind::Timeline, "timeline"),
    (Kind::RoomSeq, "arrival number"),
    (Kind::Held, "held event"),
    (Kind::Feed, "change"),
    (Kind::Outbox, "outbox"),
    (Kind::Session, "session"),
    (Kind::SessionRecord, "session record"),
    (Kind::Prekey, "prekey"),
    (Kind::OneTimeKey, "one-time key"),
    (Kind::Ephemeral, "ephemeral key"),
    (Kind::Invite, "invite"),
];

pub(super) fn check(store: &Store, report: &mut AuditReport, progress: &mut impl FnMut(&'static str, u64)) {
    for (kind, noun) in KINDS.into_iter().chain([(Kind::ClientId, "client id")]) {
        let (from, to) = Key::new(kind).range();
        for row in store.db().scan(&from, &to) {
            match row {
                Ok(_) => {
                    report.rows = report.rows.saturating_add(1);
                    if report.rows.is_multiple_of(STEP) {
                        progress("rows", report.rows);
                    }
                }
                Err(ReadError::Damaged { key }) => report.found(Problem::Unreadable { noun, key }),
                Err(ReadError::State { detail }) => report.found(Problem::Unreachable { noun, detail }),
            }
        }
    }
    progress("rows", report.rows);
}

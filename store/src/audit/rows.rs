//! Every page of rows opens under its seal.

use super::{AuditReport, Problem};
use crate::db::ReadError;
use crate::keyspace::Kind;
use crate::store::Store;

const STEP: u64 = 50_000;

/// What the rows of a kind are called.
fn noun(first: u8) -> &'static str {
    NOUNS
        .iter()
        .find(|(kind, _)| *kind as u8 == first)
        .map_or("row", |(_, noun)| noun)
}

const NOUNS: &[(Kind, &str)] = &[
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
    (Kind::LeftDevice, "retired device"),
    (Kind::RemovedContact, "removed contact"),
    (Kind::ReadMark, "read mark"),
    (Kind::ReadLog, "read log"),
    (Kind::Forgetting, "history to be erased"),
    (Kind::PinnedBy, "pin of a user"),
    (Kind::NotUnderstood, "event that needs a newer version"),
    (Kind::Register, "register"),
    (Kind::Event, "event"),
    (Kind::EventId, "event id"),
    (Kind::Timeline, "timeline"),
    (Kind::RoomSeq, "arrival number"),
    (Kind::Held, "held event"),
    (Kind::Late, "late message"),
    (Kind::Feed, "change"),
    (Kind::Outbox, "outbox"),
    (Kind::Session, "session"),
    (Kind::SessionRecord, "session record"),
    (Kind::OwnChain, "own sender chain"),
    (Kind::SenderChain, "sender chain"),
    (Kind::Prekey, "prekey"),
    (Kind::OneTimeKey, "one-time key"),
    (Kind::Ephemeral, "ephemeral key"),
    (Kind::Invite, "invite"),
    (Kind::ContactRequest, "contact request"),
    (Kind::Asking, "own contact request"),
    (Kind::TakeBack, "body to be erased"),
    (Kind::Annotation, "edit, reaction or deletion"),
    (Kind::PinOrder, "pin"),
    (Kind::Gone, "erased message"),
    (Kind::Hidden, "hidden message"),
    (Kind::Due, "time to erase"),
    (Kind::SentOnce, "message to be viewed once"),
    (Kind::Views, "views"),
    (Kind::ConversationTimer, "timer"),
    (Kind::ClientId, "client id"),
    (Kind::Room, "room"),
    (Kind::Member, "member"),
    (Kind::RoomOf, "room of a user"),
    (Kind::View, "view"),
    (Kind::MemberName, "name of a member"),
    (Kind::RoomToken, "room link"),
    (Kind::Joining, "room to join"),
    (Kind::System, "system message"),
    (Kind::Report, "report of a message"),
    (Kind::Banned, "banned user"),
    (Kind::ForAll, "deletion for all"),
    (Kind::Ruling, "ruling on a message"),
    (Kind::Purging, "removal of what somebody said"),
    (Kind::Bodiless, "message without its body"),
    (Kind::NextChain, "next sender chain"),
    (Kind::Parted, "member that left"),
    (Kind::LetInBy, "who let somebody in"),
    (Kind::RoomRequest, "request to join"),
    (Kind::RoomPicture, "picture of a room"),
    (Kind::HeardRoom, "public room"),
];

pub(super) fn check(store: &Store, report: &mut AuditReport, progress: &mut impl FnMut(&'static str, u64)) {
    // All of the key space: no kind of row can be forgotten here.
    for row in store.db().scan(&[], &[u8::MAX; 64]) {
        match row {
            Ok(_) => {
                report.rows = report.rows.saturating_add(1);
                if report.rows.is_multiple_of(STEP) {
                    progress("rows", report.rows);
                }
            }
            Err(ReadError::Damaged { from, to }) => {
                let noun = noun(from.first().copied().unwrap_or_default());
                report.found(Problem::Unreadable { noun, from, to });
            }
            Err(ReadError::State { detail }) => report.found(Problem::Unreachable { noun: "row", detail }),
        }
    }
    progress("rows", report.rows);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_row_has_a_name() {
        let source = include_str!("../keyspace.rs");
        let kinds = source.split_once("enum Kind {").unwrap().1.split_once('}').unwrap().0;
        let numbers = kinds
            .lines()
            .filter_map(|line| line.trim().trim_end_matches(',').split_once(" = 0x"));
        for (name, number) in numbers {
            let number = u8::from_str_radix(number, 16).unwrap();
            assert!(NOUNS.iter().any(|(kind, _)| *kind as u8 == number), "{name}");
        }
    }
}

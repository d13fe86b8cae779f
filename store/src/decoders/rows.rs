//! Which rows each table has.

use parlour_crypto::CardDetails;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::annotations::{self, bodiless, erase, forget, newer, pins, polls, purging, rooms as rulings, threads};
use crate::keyspace::{EventKey, Kind};
use crate::record::{Row, decode_row, encode_row};
use crate::{
    chains, client_ids, contacts, conversations, devices, events, feed, invites, logs, meta, outbox, prekeys,
    read_marks, registers, requests, rooms, sessions, timeline,
};

type Reader = fn(&[u8]) -> bool;

/// How the values of each table are read; those of some by what their keys say.
pub(super) const TABLES: &[(Kind, &[Reader])] = &[
    (Kind::Meta, &[row::<meta::Counter>]),
    (Kind::DeviceId, &[row::<devices::Number>]),
    (Kind::Device, &[row::<devices::DeviceRow>]),
    (Kind::Contact, &[row::<contacts::ContactRow>]),
    (Kind::UserDevice, &[row::<devices::Number>]),
    (Kind::DeviceName, &[row::<devices::Name>]),
    (Kind::SharesPresence, &[row::<contacts::SharesPresence>]),
    (Kind::CardDetails, &[row::<contacts::Details>]),
    (Kind::LeftDevice, &[row::<devices::Left>]),
    (Kind::RemovedContact, &[row::<contacts::Removed>]),
    (Kind::ConversationId, &[row::<conversations::Number>]),
    (Kind::Conversation, &[row::<conversations::ConversationRow>]),
    (Kind::Log, &[row::<logs::LogRow>]),
    (Kind::Delivery, &[row::<logs::DeliveryRow>]),
    (Kind::Missing, &[row::<timeline::Nothing>]),
    (Kind::ConversationName, &[row::<conversations::Name>]),
    (Kind::ReadMark, &[row::<read_marks::ReadMarkRow>]),
    (Kind::ReadLog, &[row::<read_marks::ReadLogRow>]),
    (Kind::Forgetting, &[row::<forget::Forgetting>]),
    (Kind::PinnedBy, &[row::<pins::Target>]),
    (Kind::NotUnderstood, &[row::<newer::Mark>]),
    (Kind::ForAll, &[row::<rulings::Mark>]),
    (Kind::Ruling, &[row::<rulings::Ruling>]),
    (Kind::Purging, &[row::<purging::Purging>]),
    (Kind::System, &[place]),
    (Kind::Bodiless, &[row::<bodiless::Bodiless>]),
    (Kind::Event, &[row::<events::EventRow>]),
    (Kind::EventId, &[row::<events::Place>]),
    (Kind::Timeline, &[row::<timeline::EntryRow>]),
    (Kind::RoomSeq, &[row::<timeline::Arrival>]),
    (Kind::Held, &[row::<timeline::Nothing>]),
    (Kind::Late, &[row::<timeline::Nothing>]),
    (Kind::TakeBack, &[row::<erase::Mark>]),
    (Kind::Annotation, ANNOTATIONS),
    (Kind::PinOrder, &[row::<pins::Target>]),
    (Kind::Gone, &[row::<erase::Gone>]),
    (Kind::Hidden, &[row::<annotations::Since>]),
    (Kind::Due, &[row::<erase::Mark>]),
    (Kind::SentOnce, &[row::<erase::Mark>]),
    (Kind::Views, &[row::<erase::Views>]),
    (Kind::ConversationTimer, &[row::<annotations::ConversationTimer>]),
    (Kind::Feed, &[row::<feed::FeedRow>]),
    (Kind::Outbox, &[row::<outbox::OutboxRow>]),
    (Kind::Session, &[row::<sessions::CoreRow>]),
    (Kind::SessionRecord, &[row::<sessions::RecordRow>]),
    (Kind::OwnChain, &[row::<chains::OwnRow>]),
    (Kind::SenderChain, &[row::<chains::RecordRow>]),
    (Kind::NextChain, &[row::<chains::OwnRow>]),
    (Kind::Prekey, &[row::<prekeys::PrekeyRow>]),
    (Kind::OneTimeKey, &[row::<prekeys::OneTimeRow>]),
    (Kind::Ephemeral, &[row::<prekeys::Seen>]),
    (Kind::Invite, &[row::<invites::InviteRow>]),
    (Kind::ContactRequest, &[row::<requests::RequestRow>]),
    (Kind::Asking, &[row::<requests::AskingRow>]),
    (Kind::ClientId, &[row::<client_ids::ClientIdRow>]),
    (Kind::Register, REGISTERS),
    (Kind::Room, &[row::<rooms::RoomRow>]),
    (Kind::Member, &[row::<rooms::MemberRow>]),
    (Kind::RoomOf, &[row::<rooms::Takes>]),
    (Kind::View, &[row::<rooms::ViewRow>]),
    (Kind::MemberName, &[row::<rooms::NameRow>]),
    (Kind::RoomToken, &[row::<rooms::TokenRow>]),
    (Kind::Joining, &[row::<rooms::JoiningRow>]),
    (Kind::Parted, &[row::<rooms::Parted>]),
    (Kind::LetInBy, &[row::<rooms::Takes>]),
    (Kind::RoomRequest, &[row::<rooms::RequestRow>]),
    (Kind::Report, &[row::<rooms::ReportRow>]),
    (Kind::Banned, &[row::<rooms::Takes>]),
    (Kind::RoomPicture, &[row::<rooms::picture::PictureRow>]),
    (Kind::HeardRoom, &[row::<rooms::HeardRow>]),
];

const ANNOTATIONS: &[Reader] = &[
    row::<annotations::Tombstone>,
    row::<annotations::Pin>,
    row::<annotations::ReactionRow>,
    row::<annotations::Place>,
    row::<polls::VoteRow>,
    row::<polls::ClosingRow>,
    row::<threads::Count>,
];

/// The row, and what stands in one.
const REGISTERS: &[Reader] = &[
    row::<registers::RegisterRow>,
    value::<registers::Settings>,
    value::<registers::OwnProfile>,
    value::<registers::Trust>,
    value::<CardDetails>,
    value::<Option<String>>,
    value::<String>,
    value::<u64>,
    value::<bool>,
];

/// Offers the value of a row to all readers of its table; whether any took it.
pub(super) fn offer(table: u8, bytes: &[u8]) -> bool {
    let readers = TABLES.iter().find(|(kind, _)| *kind as u8 == table);
    readers.is_some_and(|(_, readers)| readers.iter().fold(false, |taken, read| read(bytes) | taken))
}

fn row<T: Row>(bytes: &[u8]) -> bool {
    let Ok(row) = decode_row::<T>(bytes) else {
        return false;
    };
    let written = encode_row(&row);
    let again = decode_row::<T>(&written).map(|again| encode_row(&again));
    assert!(again.is_ok_and(|again| again == written), "a {} row changes", T::NOUN);
    if bytes.first() == Some(&T::VERSION) {
        // Numbers may have been written longer than they are, and nothing else differs.
        assert!(written.len() <= bytes.len(), "a {} row grows", T::NOUN);
    }
    true
}

fn value<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> bool {
    let Ok(value) = registers::value_of::<T>(bytes) else {
        return false;
    };
    let written = registers::written(&value);
    let again = registers::value_of::<T>(&written).map(|again| registers::written(&again));
    assert!(again.is_ok_and(|again| again == written), "a register changes");
    true
}

/// System messages are places of events, and no more.
fn place(bytes: &[u8]) -> bool {
    let at = EventKey::from_bytes(bytes);
    assert!(at.is_none_or(|at| at.to_bytes() == bytes), "a place changes");
    at.is_some()
}

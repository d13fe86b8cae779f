//! Postcard values in JSON: structures by field name, enums as `[variant, value]`, bytes as hex.

use parlour_crypto::{
    Body, ClosePoll, Control, ConversationId, Delete, DeviceId, Edit, EventId, Ext, Frame, Have, Hello, Intervals,
    KIND_CLOSE_POLL, KIND_DELETE, KIND_EDIT, KIND_MESSAGE, KIND_PIN, KIND_REACTION, KIND_TIMER, KIND_VOTE,
    KnockRequest, KnockResponse, ListedRoom, LogHave, Message, Pin, Presence, Profile, Reaction, ReadMark, RoomAsk,
    RoomKnock, Timer, UserId, Vote,
};
use serde_json::Value;

use super::contents::content;
use super::given::{Given, unhex};
use super::rooms;

/// An enum's variant and what it holds.
pub(crate) fn variant(value: &Value) -> (&str, Given<'_>) {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(name), held]) => (name, Given(held)),
        _ => panic!("{value} is no variant"),
    }
}

pub(crate) fn message(value: &Value) -> Message {
    let v = Given(value);
    Message {
        content: content(v.value("content")),
        reply_to: v.optional("reply_to").map(EventId::from_bytes),
        thread: v.optional("thread").map(EventId::from_bytes),
        mentions: v.ids("mentions").into_iter().map(UserId::from_bytes).collect(),
        visibility: v.int("visibility"),
        expires_after_ms: v.has("expires_after_ms").then(|| v.int("expires_after_ms")),
        ext: ext(&v),
    }
}

/// The body of an event of `kind`.
pub(crate) fn body(kind: u16, value: &Value) -> Body {
    let v = Given(value);
    let target = || EventId::from_bytes(v.array("target"));
    let on = || v.value("on").as_bool().expect("a bool");
    match kind {
        KIND_MESSAGE => Body::Message(message(value)),
        KIND_EDIT => Body::Edit(Edit {
            target: target(),
            content: content(v.value("content")),
            mentions: v.ids("mentions").into_iter().map(UserId::from_bytes).collect(),
            ext: ext(&v),
        }),
        KIND_DELETE => Body::Delete(Delete {
            targets: v.ids("targets").into_iter().map(EventId::from_bytes).collect(),
            ext: ext(&v),
        }),
        KIND_REACTION => Body::Reaction(Reaction {
            target: target(),
            emoji: v.text("emoji").to_owned(),
            on: on(),
            ext: ext(&v),
        }),
        KIND_PIN => Body::Pin(Pin {
            target: target(),
            on: on(),
            ext: ext(&v),
        }),
        KIND_TIMER => Body::Timer(Timer {
            expires_after_ms: v.has("expires_after_ms").then(|| v.int("expires_after_ms")),
            ext: ext(&v),
        }),
        KIND_VOTE => {
            let options = v.value("options").as_array().expect("options").iter();
            let number = |option: &Value| option.as_u64().and_then(|n| n.try_into().ok()).expect("u8");
            Body::Vote(Vote {
                poll: EventId::from_bytes(v.array("poll")),
                options: options.map(number).collect(),
                ext: ext(&v),
            })
        }
        KIND_CLOSE_POLL => Body::ClosePoll(ClosePoll {
            poll: EventId::from_bytes(v.array("poll")),
            counted: v.ids("counted").into_iter().map(EventId::from_bytes).collect(),
            ext: ext(&v),
        }),
        other => panic!("unknown kind {other}"),
    }
}

pub(crate) fn control(value: &Value) -> Control {
    let (name, v) = variant(value);
    match name {
        "ContactHello" => Control::ContactHello {
            token: v.optional("token"),
            profile: profile(v.part("profile")),
            ext: ext(&v),
        },
        "ContactAccept" => Control::ContactAccept {
            profile: profile(v.part("profile")),
            ext: ext(&v),
        },
        "Contact" => Control::Contact {
            profile: profile(v.part("profile")),
            ext: ext(&v),
        },
        "Have" => Control::Have(have(v)),
        "Received" => Control::Received { ids: short_ids(&v) },
        "Read" => Control::Read(ReadMark {
            conversation: ConversationId::from_bytes(v.array("conversation")),
            clock: v.int("clock"),
            event: EventId::from_bytes(v.array("event")),
        }),
        "ContactRequest" => Control::ContactRequest {
            link: v.text("link").to_owned(),
            note: v.text("note").to_owned(),
            ext: ext(&v),
        },
        other => room_control(other, v),
    }
}

fn room_control(name: &str, v: Given<'_>) -> Control {
    let heads = || v.ids("heads").into_iter().map(EventId::from_bytes).collect();
    let ext = ext(&v);
    if name == "SenderChain" {
        let chains = v.parts("chains").map(rooms::shared).collect();
        return Control::SenderChain { chains, ext };
    }
    let room = ConversationId::from_bytes(v.array("room"));
    match name {
        "KeyRequest" => {
            let asked = v.value("chains").as_array().expect("chains").iter();
            let device = |pair: &Value| DeviceId::from_bytes(unhex(&pair[0]).try_into().expect("a device"));
            let chains = asked.map(|pair| (device(pair), unhex(&pair[1]).try_into().expect("a chain")));
            Control::KeyRequest {
                room,
                chains: chains.collect(),
                ext,
            }
        }
        "RoomAsk" => Control::RoomAsk(RoomAsk {
            room,
            token: v.optional("token"),
            name: v.text("name").to_owned(),
            device_list: v.bytes("device_list"),
            note: v.text("note").to_owned(),
            ext,
        }),
        "RoomWelcome" => Control::RoomWelcome {
            room,
            create: v.bytes("create"),
            heads: heads(),
            ext,
        },
        "RoomRefused" => Control::RoomRefused {
            room,
            reason: v.int("reason"),
            ext,
        },
        "RoomHeads" => Control::RoomHeads {
            room,
            heads: heads(),
            ext,
        },
        "RoomReport" => Control::RoomReport {
            room,
            target: EventId::from_bytes(v.array("target")),
            reason: v.text("reason").to_owned(),
            ext,
        },
        "RoomKnock" => Control::RoomKnock(RoomKnock {
            room,
            user: UserId::from_bytes(v.array("user")),
            at: v.int("at"),
            name: v.text("name").to_owned(),
            note: v.text("note").to_owned(),
            ext,
        }),
        "RoomTurnedAway" => Control::RoomTurnedAway {
            room,
            user: UserId::from_bytes(v.array("user")),
            at: v.int("at"),
            ext,
        },
        "RoomOperations" => Control::RoomOperations {
            room,
            events: v.list("events").into_iter().map(Into::into).collect(),
            ext,
        },
        other => panic!("unknown control {other}"),
    }
}

pub(crate) fn frame(kind: &str, value: &Value) -> Frame {
    let v = Given(value);
    let conversation = || ConversationId::from_bytes(v.array("conversation"));
    match kind {
        "Hello" => Frame::Hello(Hello {
            version: v.int("version"),
            wall_time_ms: v.int("wall_time_ms"),
            list_version: v.int("list_version"),
            list_hash: v.array("list_hash"),
            bundle_serial: v.int("bundle_serial"),
            ext: ext(&v),
        }),
        "Have" => Frame::Have(have(v)),
        "Events" => Frame::Events {
            conversation: conversation(),
            events: v.list("events"),
        },
        "Control" => Frame::Control {
            id: v.array("id"),
            control: control(v.value("control")),
        },
        "Received" => Frame::Received { ids: short_ids(&v) },
        "Rekey" => Frame::Rekey,
        "Want" => Frame::Want {
            conversation: conversation(),
            ids: v.ids("ids").into_iter().map(EventId::from_bytes).collect(),
        },
        "Typing" => Frame::Typing {
            conversation: conversation(),
            typing: v.0["typing"].as_bool().expect("a bool"),
        },
        "Presence" => Frame::Presence(match v.int::<u8>("presence") {
            0 => Presence::Away,
            1 => Presence::Online,
            _ => Presence::Hidden,
        }),
        other => panic!("unknown frame {other}"),
    }
}

pub(crate) fn knock_request(value: &Value) -> KnockRequest {
    match variant(value) {
        ("Bundle", v) => KnockRequest::Bundle { hash: v.array("hash") },
        ("Deliver", v) => KnockRequest::Deliver {
            envelope: v.bytes("envelope"),
        },
        ("BundleOf", v) => KnockRequest::BundleOf {
            user: UserId::from_bytes(v.array("user")),
        },
        ("Ask", v) => KnockRequest::Ask {
            user: UserId::from_bytes(v.array("user")),
            nonce: v.int("nonce"),
            envelope: v.bytes("envelope"),
        },
        ("Rooms", _) => KnockRequest::Rooms,
        ("RoomsChanged", _) => KnockRequest::RoomsChanged,
        ("Link", v) => KnockRequest::Link {
            nonce: v.array("nonce"),
            proof: v.array("proof"),
        },
        (other, _) => panic!("unknown request {other}"),
    }
}

pub(crate) fn knock_response(value: &Value) -> KnockResponse {
    match variant(value) {
        ("Nothing", _) => KnockResponse::Nothing,
        ("Bundle", v) => KnockResponse::Bundle {
            device_list: v.bytes("device_list"),
            bundle: v.bytes("bundle"),
            one_time: v.has("one_time").then(|| one_time(v.value("one_time"))),
        },
        ("Received", _) => KnockResponse::Received,
        ("Closed", v) => KnockResponse::Closed {
            reason: v.int("reason"),
        },
        ("Rooms", v) => KnockResponse::Rooms {
            rooms: v.parts("rooms").map(listed_room).collect(),
        },
        ("Member", v) => KnockResponse::Member {
            proof: v.array("proof"),
            device_list: v.bytes("device_list"),
            bundle: v.bytes("bundle"),
        },
        (other, _) => panic!("unknown response {other}"),
    }
}

fn listed_room(v: Given<'_>) -> ListedRoom {
    ListedRoom {
        create: v.bytes("create"),
        link: v.text("link").to_owned(),
        name: v.text("name").to_owned(),
        topic: v.text("topic").to_owned(),
        members: v.int("members"),
        ext: ext(&v),
    }
}

fn one_time(value: &Value) -> (u32, [u8; 32]) {
    let id = value[0].as_u64().expect("the number of a one-time key");
    (id.try_into().expect("u32"), unhex(&value[1]).try_into().expect("a key"))
}

fn profile(v: Given<'_>) -> Profile {
    Profile {
        name: v.text("name").to_owned(),
        device_list: v.bytes("device_list"),
        bundle: v.bytes("bundle"),
        peer: v.bytes("peer"),
        addresses: v.list("addresses"),
        ext: ext(&v),
    }
}

fn have(v: Given<'_>) -> Have {
    Have {
        conversation: ConversationId::from_bytes(v.array("conversation")),
        full: v.value("full").as_bool().expect("full"),
        logs: v.parts("logs").map(log_have).collect(),
    }
}

fn log_have(v: Given<'_>) -> LogHave {
    let bound = |value: &Value| value.as_u64().expect("a seq");
    let intervals = v.value("have").as_array().expect("have").iter();
    let intervals = intervals.map(|pair| (bound(&pair[0]), bound(&pair[1]))).collect();
    LogHave {
        device: DeviceId::from_bytes(v.array("device")),
        log: v.int("log"),
        have: Intervals::from_normalized(intervals).expect("intervals"),
    }
}

fn short_ids(v: &Given<'_>) -> Vec<[u8; 16]> {
    v.list("ids")
        .into_iter()
        .map(|id| id.try_into().expect("an id"))
        .collect()
}

pub(crate) fn ext(v: &Given<'_>) -> Ext {
    let entries = v.value("ext").as_array().expect("ext").iter();
    let number = |value: &Value| value.as_u64().and_then(|number| number.try_into().ok()).expect("u16");
    entries.map(|entry| (number(&entry[0]), unhex(&entry[1]))).collect()
}

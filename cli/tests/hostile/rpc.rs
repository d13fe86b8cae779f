//! Gossipsub's frames, written and read by hand (protobuf; the field numbers are those of libp2p's `rpc.proto`).

use std::collections::VecDeque;

pub(crate) const TOPICS: u8 = 8;

pub(crate) fn topic(number: u8) -> String {
    format!("/parlour/1/s/{number}")
}

pub(crate) fn all_topics() -> Vec<String> {
    (0..TOPICS).map(topic).collect()
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A field that holds a number.
fn number(field: u64, value: &[u8]) -> Vec<u8> {
    [varint(field << 3), value.to_vec()].concat()
}

/// A field that holds bytes.
pub(crate) fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

/// A whole frame.
pub(crate) fn frame(parts: &[Vec<u8>]) -> Vec<u8> {
    let body = parts.concat();
    [varint(body.len() as u64), body].concat()
}

pub(crate) fn subscribe(topic: &str) -> Vec<u8> {
    bytes(1, &[number(1, &[1]), bytes(2, topic.as_bytes())].concat())
}

pub(crate) fn message(topic: &str, data: &[u8]) -> Vec<u8> {
    bytes(2, &[bytes(2, data), bytes(4, topic.as_bytes())].concat())
}

pub(crate) fn is_message(part: &[u8]) -> bool {
    part.first() == Some(&(2 << 3 | 2))
}

/// Orders go into one field.
pub(crate) fn control(orders: &[Vec<u8>]) -> Vec<u8> {
    bytes(3, &orders.concat())
}

pub(crate) fn ihave(topic: &str, ids: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<u8> = ids.iter().flat_map(|id| bytes(2, id)).collect();
    bytes(1, &[bytes(1, topic.as_bytes()), ids].concat())
}

pub(crate) fn iwant(ids: &[Vec<u8>]) -> Vec<u8> {
    bytes(2, &ids.iter().flat_map(|id| bytes(1, id)).collect::<Vec<u8>>())
}

pub(crate) fn graft(topic: &str) -> Vec<u8> {
    bytes(3, &bytes(1, topic.as_bytes()))
}

/// `seconds` as the bytes of a varint, so that they can be more than a number holds.
pub(crate) fn prune(topic: &str, seconds: &[u8]) -> Vec<u8> {
    bytes(4, &[bytes(1, topic.as_bytes()), number(3, seconds)].concat())
}

pub(crate) fn prune_with_peers(topic: &str, peers: &[Vec<u8>]) -> Vec<u8> {
    let peers: Vec<u8> = peers.iter().flat_map(|peer| bytes(2, &bytes(1, peer))).collect();
    bytes(4, &[bytes(1, topic.as_bytes()), peers, number(3, &[60])].concat())
}

pub(crate) fn idontwant(ids: &[Vec<u8>]) -> Vec<u8> {
    bytes(5, &ids.iter().flat_map(|id| bytes(1, id)).collect::<Vec<u8>>())
}

/// What a node said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Subscribe(String),
    Message(String, Vec<u8>),
    IHave(Vec<Vec<u8>>),
    IWant(Vec<Vec<u8>>),
    Graft(String),
    Prune(String),
}

/// Takes the whole frames out of what has arrived.
pub(crate) fn read(arrived: &mut Vec<u8>) -> Vec<Said> {
    let mut said = Vec::new();
    loop {
        let mut rest = &arrived[..];
        let Some(len) = take_varint(&mut rest) else { return said };
        let (start, len) = (arrived.len() - rest.len(), len as usize);
        if rest.len() < len {
            return said;
        }
        for (field, value) in fields(&rest[..len]) {
            match field {
                1 => said.extend(text(&value, 2).map(Said::Subscribe)),
                2 => said.extend(text(&value, 4).map(|topic| Said::Message(topic, first(&value, 2)))),
                3 => said.extend(
                    fields(&value)
                        .into_iter()
                        .filter_map(|(order, value)| order_of(order, &value)),
                ),
                _ => {}
            }
        }
        arrived.drain(..start + len);
    }
}

fn order_of(order: u64, value: &[u8]) -> Option<Said> {
    let ids = |field: u64| {
        let all = fields(value).into_iter();
        all.filter(|(number, _)| *number == field).map(|(_, id)| id).collect()
    };
    match order {
        1 => Some(Said::IHave(ids(2))),
        2 => Some(Said::IWant(ids(1))),
        3 => text(value, 1).map(Said::Graft),
        4 => text(value, 1).map(Said::Prune),
        _ => None,
    }
}

fn text(value: &[u8], field: u64) -> Option<String> {
    String::from_utf8(first(value, field)).ok()
}

fn first(value: &[u8], wanted: u64) -> Vec<u8> {
    let found = fields(value).into_iter().find(|(field, _)| *field == wanted);
    found.map(|(_, value)| value).unwrap_or_default()
}

/// Fields of a structure; numbers come as their eight bytes.
fn fields(mut rest: &[u8]) -> VecDeque<(u64, Vec<u8>)> {
    let mut all = VecDeque::new();
    while let Some(key) = take_varint(&mut rest) {
        let value = match key & 7 {
            0 => take_varint(&mut rest).unwrap().to_be_bytes().to_vec(),
            2 => {
                let len = take_varint(&mut rest).unwrap() as usize;
                let (value, after) = rest.split_at(len);
                rest = after;
                value.to_vec()
            }
            other => panic!("a node sent a field of type {other}"),
        };
        all.push_back((key >> 3, value));
    }
    all
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (at, byte) in rest.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *rest = &rest[at + 1..];
            return Some(value);
        }
    }
    None
}

/// Bytes that look random and are never the same.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    getrandom::fill(&mut out).unwrap();
    out
}

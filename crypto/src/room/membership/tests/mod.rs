#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use super::*;
use crate::ids::{DeviceId, UserId};
use crate::kdf::{Purpose, hash};
use crate::room::operation::{Act, Info, LastSeq, LinkUse, Listed};
use crate::room::rules::{JoinRule, Policy, Rank};
use crate::testing::rng;
use rand_chacha::rand_core::Rng;
use std::collections::HashSet;

mod devices;
mod folding;
mod joining;
mod ranks;
mod said;

const ROOM: ConversationId = ConversationId::from_bytes([7; 32]);
const OWEN: u8 = 1;
const ANN: u8 = 2;
const BOB: u8 = 3;
const CAT: u8 = 4;
const DAN: u8 = 5;

fn user(number: u8) -> UserId {
    UserId::from_bytes([number; 32])
}

/// A device of a user.
type Hand = (u8, u8);

fn device((user, number): Hand) -> DeviceId {
    DeviceId::from_bytes(hash(Purpose::DEVICE_ID, &[&[user, number]]))
}

fn list(of: u8, version: u32, devices: &[u8], revoked: &[u8]) -> Listed {
    let devices_of = |numbers: &[u8]| numbers.iter().map(|number| device((of, *number))).collect();
    Listed {
        version,
        recovered: false,
        certified: devices_of(devices),
        revoked: devices_of(revoked),
    }
}

/// Makes operations as devices would that know what they are told to know.
#[derive(Default)]
struct World {
    operations: Vec<RoomOperation>,
    made: u32,
}

impl World {
    fn get(&self, id: &EventId) -> &RoomOperation {
        self.operations.iter().find(|operation| operation.id == *id).unwrap()
    }

    fn past(&self, parents: &[EventId]) -> HashSet<EventId> {
        let (mut past, mut open) = (HashSet::new(), parents.to_vec());
        while let Some(id) = open.pop() {
            if past.insert(id) {
                open.extend(&self.get(&id).parents);
            }
        }
        past
    }

    /// As `hand` does it, knowing `parents` and nothing beside them.
    fn act(&mut self, hand: Hand, parents: &[EventId], act: Act) -> EventId {
        let past = self.past(parents);
        let own = self.operations.iter().filter(|operation| past.contains(&operation.id));
        let last = own
            .filter(|operation| operation.device == device(hand))
            .map(|operation| operation.op_seq)
            .max();
        self.act_as_number(hand, parents, last.unwrap_or(0) + 1, act)
    }

    fn act_as_number(&mut self, hand: Hand, parents: &[EventId], op_seq: u32, act: Act) -> EventId {
        self.made += 1;
        let list = match act {
            Act::Create { .. } | Act::Join { .. } => Some(list(hand.0, 1, &[0, 1], &[])),
            _ => None,
        };
        let mut parents = parents.to_vec();
        parents.sort_unstable();
        parents.dedup();
        let id = EventId::from_bytes(hash(Purpose::EVENT_ID, &[&self.made.to_be_bytes()]));
        self.operations.push(RoomOperation {
            id,
            room: ROOM,
            device: device(hand),
            user: user(hand.0),
            clock: 1000 + u64::from(self.made),
            op_seq,
            parents,
            act: Some(act),
            list,
        });
        id
    }

    fn list(&mut self, hand: Hand, parents: &[EventId], listed: Listed) -> EventId {
        let id = self.act(
            hand,
            parents,
            Act::Devices {
                device_list: Vec::new(),
                logs: Vec::new(),
            },
        );
        self.operations.last_mut().unwrap().list = Some(listed);
        id
    }

    fn join(&mut self, who: u8, parents: &[EventId], by: Hand) -> EventId {
        let invite = self.act(by, parents, invite(who));
        self.act((who, 0), &[invite], join(invite))
    }

    fn fold(&self) -> Membership {
        Membership::fold(ROOM, self.operations.clone()).unwrap()
    }

    fn rank(&self, who: u8) -> Rank {
        self.fold().state().rank(&user(who))
    }

    fn dropped(&self, id: EventId) -> Option<Dropped> {
        self.fold().state().dropped.get(&id).copied()
    }
}

fn create(policy: Policy) -> Act {
    Act::Create {
        info: Info {
            name: Some("Room".to_owned()),
            ..Info::default()
        },
        policy,
        device_list: Vec::new(),
    }
}

fn invite(who: u8) -> Act {
    Act::Invite {
        user: user(who),
        role: 2,
        link: None,
    }
}

fn join(invite: EventId) -> Act {
    Act::Join {
        invite: Some(invite),
        device_list: Vec::new(),
    }
}

fn remove(who: u8) -> Act {
    Act::Remove {
        user: user(who),
        device: None,
        ban: false,
        purge: false,
        logs: Vec::new(),
        reason: String::new(),
    }
}

fn remove_device(who: u8, number: u8) -> Act {
    Act::Remove {
        user: user(who),
        device: Some(device((who, number))),
        ban: false,
        purge: false,
        logs: Vec::new(),
        reason: String::new(),
    }
}

fn ban(who: u8) -> Act {
    Act::Remove {
        user: user(who),
        device: None,
        ban: true,
        purge: false,
        logs: Vec::new(),
        reason: String::new(),
    }
}

fn role(who: u8, role: u8) -> Act {
    Act::Role { user: user(who), role }
}

fn transfer(who: u8) -> Act {
    Act::Transfer { user: user(who) }
}

fn named(name: &str) -> Act {
    Act::Info(Info {
        name: Some(name.to_owned()),
        ..Info::default()
    })
}

/// Owen's room with Ann an admin, Bob a moderator, Cat and Dan members; and its head.
fn room() -> (World, EventId) {
    let mut world = World::default();
    let root = world.act((OWEN, 0), &[], create(Policy::default()));
    let mut head = root;
    for who in [ANN, BOB, CAT, DAN] {
        head = world.join(who, &[head], (OWEN, 0));
    }
    head = world.act((OWEN, 0), &[head], role(ANN, 4));
    head = world.act((OWEN, 0), &[head], role(BOB, 3));
    (world, head)
}

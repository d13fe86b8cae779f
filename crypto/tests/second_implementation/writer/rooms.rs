//! Random histories of rooms: devices that know parts of what the others do, and do what they may, or not.

use std::collections::BTreeSet;

use parlour_crypto::Membership;
use serde_json::{Value, json};

use super::{Case, Draw};
use crate::given::Given;
use crate::world::World;

const USERS: u64 = 4;
const HISTORIES: usize = 12;
const STEPS: u64 = 30;
const NOW: u64 = 1_790_000_000_000;

type Known = BTreeSet<usize>;

/// Every user has one device, and user 0 a second one, the last.
struct History<'a> {
    draw: &'a mut Draw,
    world: World,
    operations: Vec<Value>,
    inputs: Value,
    known: Vec<Known>,
}

pub(super) fn folds(draw: &mut Draw) -> Vec<Case> {
    (0..HISTORIES)
        .map(|number| ("fold", format!("history {number}"), History::made(draw)))
        .collect()
}

impl<'a> History<'a> {
    fn made(draw: &'a mut Draw) -> Value {
        let users = draw.hexes(USERS, 32);
        let owners = (0..USERS).chain([0]);
        let devices: Vec<Value> = owners.map(|user| json!([user, draw.hex(32), draw.hex(32)])).collect();
        let lists: Vec<Value> = (0..USERS)
            .map(|user| match user {
                0 => json!([0, 1, null, [0, USERS], [], 0]),
                user => json!([user, 1, null, [user], [], 0]),
            })
            .chain([json!([0, 2, 0, [0], [USERS], 0]), json!([1, 2, null, [], [1], 1])])
            .collect();
        let inputs = json!({"users": users, "devices": devices, "lists": lists, "operations": []});
        let world = World::of(Given(&inputs));
        let known = vec![Known::new(); devices.len()];
        let mut history = Self {
            draw,
            world,
            operations: Vec::new(),
            inputs,
            known,
        };
        let policy = history.policy();
        let info = json!({"name_text": "room"});
        history.push(
            0,
            &Known::new(),
            json!(["Create", {"info": info, "policy": policy, "device_list": 0}]),
        );
        history.known.iter_mut().for_each(|known| *known = Known::from([0]));
        (0..STEPS).for_each(|_| history.step());
        history.finish()
    }

    fn policy(&mut self) -> Value {
        let mut between = |least: u64, most: u64| least + self.draw.below(most - least + 1);
        let (remove, roles) = (between(3, 4), between(3, 5));
        json!([
            2,
            between(2, 4),
            2,
            between(2, 5),
            remove,
            roles,
            between(0, 3),
            between(0, 3),
            0,
            null
        ])
    }

    fn step(&mut self) {
        let count = u64::try_from(self.known.len()).unwrap();
        let at = |place: u64| usize::try_from(place).unwrap();
        let device = if self.draw.chance(35) {
            0
        } else {
            at(self.draw.below(count))
        };
        if self.draw.chance(40) {
            let other = self.known[at(self.draw.below(count))].clone();
            self.known[device].extend(other);
        }
        let mut known = self.known[device].clone();
        if self.draw.chance(15) {
            let back = *known.iter().nth(at(self.draw.below(known.len() as u64))).unwrap();
            known = self.closure(&Known::from([back]));
        }
        for _ in 0..8 {
            let act = self.act(device, &known);
            let made = self.push(device, &known, act);
            let folded: Vec<_> = known
                .iter()
                .chain([&made])
                .map(|&at| self.world.operations[at].clone())
                .collect();
            let folded = Membership::fold(self.world.room, folded).unwrap();
            let dropped = folded.state().dropped.contains_key(&self.world.operations[made].id());
            if !dropped || self.draw.chance(10) {
                known.insert(made);
                self.known[device].extend(known);
                return;
            }
            self.world.operations.pop();
            self.operations.pop();
        }
    }

    /// One of the operations for which `wanted`, or the first.
    fn one_of(&mut self, known: &Known, wanted: &str) -> usize {
        let found: Vec<_> = known
            .iter()
            .filter(|&&at| self.operations[at]["act"][0] == wanted)
            .collect();
        let picked = self.draw.below(found.len().max(1) as u64);
        found.get(usize::try_from(picked).unwrap()).map_or(0, |&&at| at)
    }

    fn act(&mut self, device: usize, known: &Known) -> Value {
        let (user, role) = (self.draw.below(USERS), 1 + self.draw.below(4));
        let own = self.user(device);
        let own_list = if own == 1 && self.draw.chance(10) { 5 } else { own };
        match self.draw.below(18) {
            0..=2 => json!(["Invite", {"user": user, "role": 1 + role % 2, "link": null}]),
            3 | 4 => json!(["Join", {"invite": self.one_of(known, "Invite"), "device_list": own_list}]),
            5..=7 => json!(["Role", {"user": user, "role": role}]),
            8 | 9 => json!(["Remove", {"user": user, "device": null, "ban": role == 1}]),
            10 => json!(["Remove", {"user": user, "device": user, "ban": false}]),
            11 => json!(["Unban", {"user": user}]),
            12 => json!(["Policy", {"fields": self.policy()}]),
            13 => json!(["Info", {"name_text": format!("name {role}"), "avatar": self.draw.hex(2)}]),
            14 => json!(["Link", {"role": 1 + role % 2, "uses": 2, "expires": NOW + 1000 * self.draw.below(60)}]),
            15 => {
                let link = self.one_of(known, "Link");
                let role = self.operations[link]["act"][1]["role"].as_u64().unwrap_or(2);
                json!(["Invite", {"user": user, "role": role, "link": [link, 1 + self.draw.below(2)]}])
            }
            16 => json!(["Transfer", {"user": user}]),
            _ if self.draw.chance(40) => json!(["RevokeLink", {"link": self.one_of(known, "Link")}]),
            _ if own == 0 && self.draw.chance(40) => json!(["Devices", {"device_list": 4}]),
            _ if self.draw.chance(40) => json!(["Leave", null]),
            _ => json!(["Later", [13 + role, "00"]]),
        }
    }

    fn user(&self, device: usize) -> usize {
        if device as u64 == USERS { 0 } else { device }
    }

    fn closure(&self, of: &Known) -> Known {
        let (mut found, mut open) = (Known::new(), of.clone());
        while let Some(at) = open.pop_last() {
            found.insert(at);
            let parents = self.world.operations[at].parents().iter();
            open.extend(parents.map(|id| self.world.operation(id)));
        }
        found
    }

    fn heads(&self, known: &Known) -> Vec<usize> {
        let parents = known.iter().flat_map(|&at| self.world.operations[at].parents());
        let named: Known = parents.map(|id| self.world.operation(id)).collect();
        known.difference(&named).copied().collect()
    }

    fn push(&mut self, device: usize, known: &Known, act: Value) -> usize {
        let own = known.iter().filter(|&&at| self.operations[at]["by"] == device);
        let last = own.filter_map(|&at| self.operations[at]["op_seq"].as_u64()).max();
        let operation = json!({
            "by": device, "op_seq": 1 + last.unwrap_or(0), "parents": self.heads(known),
            "clock": NOW + 1000 * self.operations.len() as u64, "act": act,
        });
        self.world.add_operation(Given(&operation));
        self.operations.push(operation);
        self.operations.len() - 1
    }

    /// One operation in a third of the histories does not arrive.
    fn finish(mut self) -> Value {
        let count = self.operations.len();
        let mut arrived: Vec<usize> = (0..count).collect();
        if self.draw.chance(33) {
            arrived.remove(count / 2);
        }
        for at in (1..arrived.len()).rev() {
            arrived.swap(at, usize::try_from(self.draw.below(at as u64 + 1)).unwrap());
        }
        let half: Known = (0..count / 2).collect();
        self.inputs["operations"] = self.operations.clone().into();
        self.inputs["arrived"] = json!(arrived);
        self.inputs["views"] = json!([self.heads(&half)]);
        self.inputs
    }
}

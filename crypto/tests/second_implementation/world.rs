//! The users, devices, lists and operations of a case, written short: by their numbers.

use parlour_crypto::{
    Act, ConversationId, DeviceCert, DeviceId, DeviceKeys, DeviceList, EventHeader, EventId, Info, KIND_OPERATION,
    LinkUse, Operation, Policy, RoomOperation, SignedEvent, UserId, VerifiedEvent, body_hash, link_token_hash, room_id,
};
use serde_json::Value;

use super::given::{Given, unhex};
use super::people;

const BEGIN: u64 = 1_790_000_000_000;
const LIFE: u64 = 300 * 86_400_000;

pub(crate) struct World {
    identities: Vec<[u8; 32]>,
    pub(crate) users: Vec<UserId>,
    keys: Vec<[u8; 32]>,
    pub(crate) devices: Vec<DeviceCert>,
    lists: Vec<DeviceList>,
    pub(crate) room: ConversationId,
    pub(crate) operations: Vec<RoomOperation>,
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a number")).unwrap()
}

fn numbers(value: &Value) -> impl Iterator<Item = usize> {
    value.as_array().expect("numbers").iter().map(number)
}

/// 16 bytes that end with the number of an operation.
fn counted(number: usize) -> [u8; 16] {
    u128::try_from(number).unwrap().to_be_bytes()
}

impl World {
    pub(crate) fn of(i: Given<'_>) -> Self {
        let identities = i.ids("users");
        let mut world = Self {
            users: identities
                .iter()
                .map(|seed| UserId::from_bytes(people::public(seed)))
                .collect(),
            identities,
            keys: Vec::new(),
            devices: Vec::new(),
            lists: Vec::new(),
            room: ConversationId::from_bytes([0; 32]),
            operations: Vec::new(),
        };
        i.value("devices")
            .as_array()
            .unwrap()
            .iter()
            .for_each(|device| world.add_device(device));
        i.value("lists")
            .as_array()
            .unwrap()
            .iter()
            .for_each(|list| world.add_list(list));
        i.parts("operations")
            .for_each(|operation| world.add_operation(operation));
        world
    }

    pub(crate) fn user(&self, user: &UserId) -> usize {
        self.users.iter().position(|other| other == user).unwrap()
    }

    pub(crate) fn device(&self, device: &DeviceId) -> usize {
        self.devices.iter().position(|cert| cert.device() == *device).unwrap()
    }

    pub(crate) fn operation(&self, id: &EventId) -> usize {
        self.operations
            .iter()
            .position(|operation| operation.id() == *id)
            .unwrap()
    }

    fn add_device(&mut self, device: &Value) {
        let secret = |at: usize| -> [u8; 32] { unhex(&device[at]).try_into().unwrap() };
        let keys = DeviceKeys::from_secrets(&secret(1), &secret(2));
        let identity = &self.identities[number(&device[0])];
        self.devices
            .push(people::issue(identity, &keys, 3, [BEGIN, BEGIN + LIFE], 1));
        self.keys.push(secret(1));
    }

    /// `[user, version, previous list, certified devices, revoked devices, recovered]`
    fn add_list(&mut self, list: &Value) {
        let previous = match &list[2] {
            Value::Null => [0; 32],
            before => self.lists[number(before)].hash(),
        };
        let mut certified: Vec<&DeviceCert> = numbers(&list[3]).map(|device| &self.devices[device]).collect();
        certified.sort_by_key(|cert| cert.device());
        let certificates: Vec<_> = certified.iter().map(|cert| cert.as_bytes().to_vec()).collect();
        let mut revoked: Vec<[u8; 32]> = numbers(&list[4])
            .map(|device| *self.devices[device].device().as_bytes())
            .collect();
        revoked.sort_unstable();
        self.lists.push(people::issue_list(
            &self.identities[number(&list[0])],
            (u32::try_from(number(&list[1])).unwrap(), &previous),
            &certificates,
            &revoked,
            (u8::try_from(number(&list[5])).unwrap(), BEGIN),
        ));
    }

    pub(crate) fn add_operation(&mut self, i: Given<'_>) {
        let by = i.int::<usize>("by");
        let event = if i.has("wire") {
            SignedEvent::decode(&i.bytes("wire")).unwrap()
        } else {
            self.sign(by, i)
        };
        if self.operations.is_empty() {
            self.room = event.header().conversation;
        }
        let verified = event.verify(self.devices[by].signing_key()).unwrap();
        self.operations
            .push(RoomOperation::read(&verified, &self.devices[by]).unwrap());
    }

    /// Its number serves as log number and salt.
    fn sign(&self, by: usize, i: Given<'_>) -> SignedEvent {
        let (at, cert) = (self.operations.len(), &self.devices[by]);
        let (salt, body) = (counted(at), self.body(cert.user(), i));
        let mut header = EventHeader {
            kind: KIND_OPERATION,
            conversation: self.room,
            device: cert.device(),
            log: u32::try_from(at).unwrap(),
            seq: 1,
            prev: None,
            parents: Vec::new(),
            clock: i.int("clock"),
            view: None,
            body_hash: body_hash(&salt, &body),
        };
        if i.value("act")[0] == "Create" {
            header.conversation = room_id(&header);
        }
        let signature = people::sign(&self.keys[by], "event", &header.encode());
        SignedEvent::decode(&VerifiedEvent::restore(header, signature, Some((salt, body))).to_wire()).unwrap()
    }

    fn body(&self, user: UserId, i: Given<'_>) -> Vec<u8> {
        let mut parents: Vec<EventId> = numbers(i.value("parents")).map(|at| self.operations[at].id()).collect();
        parents.sort_unstable();
        let (op_seq, act) = (i.int("op_seq"), i.value("act"));
        if act[0] == "Later" {
            let place = postcard::to_stdvec(&(user, op_seq, parents)).unwrap();
            let number = postcard::to_stdvec(&u32::try_from(number(&act[1][0])).unwrap()).unwrap();
            return [place, number, unhex(&act[1][1])].concat();
        }
        let operation = Operation {
            user,
            op_seq,
            parents,
            act: self.act(act[0].as_str().unwrap(), Given(&act[1])),
            ext: Vec::new(),
        };
        let written = operation.encode().unwrap();
        assert_eq!(Operation::decode(&written).unwrap(), operation);
        written
    }

    fn act(&self, what: &str, i: Given<'_>) -> Act {
        let user = || self.users[i.int::<usize>("user")];
        let id = |value: &Value| self.operations[number(value)].id();
        let device_list = || self.lists[i.int::<usize>("device_list")].as_bytes().to_vec();
        match what {
            "Create" => Act::Create {
                info: info(i.part("info")),
                policy: policy(i.value("policy")),
                device_list: device_list(),
            },
            "Info" => Act::Info(info(i)),
            "Policy" => Act::Policy(policy(i.value("fields"))),
            "Invite" => Act::Invite {
                user: user(),
                role: i.int("role"),
                link: i.has("link").then(|| LinkUse {
                    link: id(&i.value("link")[0]),
                    number: u32::try_from(number(&i.value("link")[1])).unwrap(),
                }),
            },
            "Join" => Act::Join {
                invite: i.has("invite").then(|| id(i.value("invite"))),
                device_list: device_list(),
            },
            "Leave" => Act::Leave,
            "Remove" => Act::Remove {
                user: user(),
                device: i.has("device").then(|| self.devices[i.int::<usize>("device")].device()),
                ban: i.value("ban").as_bool().unwrap(),
                purge: false,
                logs: Vec::new(),
                reason: String::new(),
            },
            "Unban" => Act::Unban { user: user() },
            "Role" => Act::Role {
                user: user(),
                role: i.int("role"),
            },
            "Transfer" => Act::Transfer { user: user() },
            "Link" => Act::Link {
                token: link_token_hash(&counted(self.operations.len())),
                role: i.int("role"),
                uses: i.has("uses").then(|| i.int("uses")),
                expires: i.has("expires").then(|| i.int("expires")),
            },
            "RevokeLink" => Act::RevokeLink {
                link: id(i.value("link")),
            },
            "Devices" => Act::Devices {
                device_list: device_list(),
                logs: Vec::new(),
            },
            other => panic!("unknown act {other}"),
        }
    }
}

fn info(i: Given<'_>) -> Info {
    Info {
        name: i.has("name_text").then(|| i.text("name_text").to_owned()),
        topic: i.has("topic_text").then(|| i.text("topic_text").to_owned()),
        avatar: i.has("avatar").then(|| serde_bytes::ByteBuf::from(i.bytes("avatar"))),
    }
}

/// The fields in their order.
fn policy(fields: &Value) -> Policy {
    let field = |at: usize| fields[at].as_u64().expect("a number");
    let small = |at: usize| u8::try_from(field(at)).unwrap();
    Policy {
        post: small(0),
        invite: small(1),
        pin: small(2),
        info: small(3),
        remove: small(4),
        roles: small(5),
        join: small(6),
        history: small(7),
        slow_mode_ms: u32::try_from(field(8)).unwrap(),
        expires_after_ms: fields[9].as_u64(),
    }
}

/// A policy as its fields in their order.
pub(crate) fn fields_of(policy: &Policy) -> Value {
    let Policy {
        post,
        invite,
        pin,
        info,
        remove,
        roles,
        join,
        history,
        slow_mode_ms,
        expires_after_ms,
    } = policy;
    serde_json::json!([
        post,
        invite,
        pin,
        info,
        remove,
        roles,
        join,
        history,
        slow_mode_ms,
        expires_after_ms
    ])
}

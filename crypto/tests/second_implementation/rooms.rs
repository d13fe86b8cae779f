//! Audiences, sender chains, room links and the bodies of operations.

use parlour_crypto::{
    Act, Audience, AudienceProof, ChainKeys, ChainSender, ConversationId, DeviceId, EventId, Info, LastSeq, LinkUse,
    Operation, Policy, RoomLink, RoomOpenError, SendingChain, SharedChain, SignedEvent, TakeError, Taken, UserId,
    link_token_hash, parse, room_shard,
};
use serde_json::{Value, json};

use super::given::{Given, Script, hex, hexes, unhex};
use super::kinds::Found;
use super::{people, private, values};

pub(crate) fn operation(i: Given<'_>) -> Found {
    let v = i.part("value");
    let value = Operation {
        user: UserId::from_bytes(v.array("user")),
        op_seq: v.int("op_seq"),
        parents: v.ids("parents").into_iter().map(EventId::from_bytes).collect(),
        act: act(v.value("act")),
        ext: values::ext(&v),
    };
    let written = value.encode().unwrap();
    assert_eq!(Operation::decode(&written).unwrap(), value);
    Found::out(json!({"bytes": hex(written)}))
}

fn act(value: &Value) -> Act {
    let v = Given(&value[1]);
    let user = || UserId::from_bytes(v.array("user"));
    match value[0].as_str().unwrap() {
        "Create" => Act::Create {
            info: info(v.part("info")),
            policy: policy(v.part("policy")),
            device_list: v.bytes("device_list"),
        },
        "Info" => Act::Info(info(v)),
        "Policy" => Act::Policy(policy(v)),
        "Invite" => Act::Invite {
            user: user(),
            role: v.int("role"),
            link: v.has("link").then(|| LinkUse {
                link: EventId::from_bytes(unhex(&v.value("link")[0]).try_into().unwrap()),
                number: u32::try_from(v.value("link")[1].as_u64().unwrap()).unwrap(),
            }),
        },
        "Join" => Act::Join {
            invite: v.optional("invite").map(EventId::from_bytes),
            device_list: v.bytes("device_list"),
        },
        "Leave" => Act::Leave,
        "Remove" => Act::Remove {
            user: user(),
            device: v.optional("device").map(DeviceId::from_bytes),
            ban: v.value("ban").as_bool().unwrap(),
            purge: v.value("purge").as_bool().unwrap(),
            logs: logs(v),
            reason: v.text("reason").to_owned(),
        },
        "Unban" => Act::Unban { user: user() },
        "Role" => Act::Role {
            user: user(),
            role: v.int("role"),
        },
        "Transfer" => Act::Transfer { user: user() },
        "Link" => Act::Link {
            token: v.array("token"),
            role: v.int("role"),
            uses: v.has("uses").then(|| v.int("uses")),
            expires: v.has("expires").then(|| v.int("expires")),
        },
        "RevokeLink" => Act::RevokeLink {
            link: EventId::from_bytes(v.array("link")),
        },
        "Devices" => Act::Devices {
            device_list: v.bytes("device_list"),
            logs: logs(v),
        },
        other => panic!("unknown act {other}"),
    }
}

fn info(v: Given<'_>) -> Info {
    Info {
        name: v.has("name").then(|| v.text("name").to_owned()),
        topic: v.has("topic").then(|| v.text("topic").to_owned()),
        avatar: v.has("avatar").then(|| v.bytes("avatar").into()),
    }
}

fn policy(v: Given<'_>) -> Policy {
    Policy {
        post: v.int("post"),
        invite: v.int("invite"),
        pin: v.int("pin"),
        info: v.int("info"),
        remove: v.int("remove"),
        roles: v.int("roles"),
        join: v.int("join"),
        history: v.int("history"),
        slow_mode_ms: v.int("slow_mode_ms"),
        expires_after_ms: v.has("expires_after_ms").then(|| v.int("expires_after_ms")),
    }
}

fn logs(v: Given<'_>) -> Vec<LastSeq> {
    let logs = v.parts("logs");
    logs.map(|end| LastSeq {
        device: DeviceId::from_bytes(end.array("device")),
        log: end.int("log"),
        seq: end.int("seq"),
    })
    .collect()
}

fn audience_of(i: Given<'_>, name: &str) -> Audience {
    Audience::new(i.ids(name).into_iter().map(DeviceId::from_bytes)).unwrap()
}

fn written(proof: &AudienceProof) -> Value {
    json!({"index": proof.index, "count": proof.count, "path": hexes(&proof.path)})
}

pub(crate) fn audience(i: Given<'_>) -> Found {
    let audience = audience_of(i, "devices");
    let (root, devices) = (audience.root(), audience.devices());
    let places: Vec<usize> = serde_json::from_value(i.value("proved").clone()).unwrap();
    let proofs = places.iter().map(|&at| {
        let proof = audience.prove(&devices[at]).unwrap();
        assert!(proof.holds(&devices[at], &root));
        assert!(!proof.holds(&DeviceId::from_bytes([9; 32]), &root));
        written(&proof)
    });
    Found::out(json!({"root": hex(root), "proofs": proofs.collect::<Vec<_>>()}))
}

/// A chain as JSON; the keys are read from its bytes in a control.
fn shared_json(shared: &SharedChain) -> Value {
    let keys = postcard::to_stdvec(&shared.keys).unwrap();
    json!({
        "cert": hex(&shared.cert), "iteration": shared.iteration, "chain_key": hex(&keys[..32]), "header_key": hex(&keys[32..64]),
        "tag_key": hex(&keys[64..]), "view": hexes(&shared.view), "proof": shared.proof.as_ref().map(written), "ext": [],
    })
}

pub(crate) fn shared(v: Given<'_>) -> SharedChain {
    let keys = [v.bytes("chain_key"), v.bytes("header_key"), v.bytes("tag_key")].concat();
    SharedChain {
        cert: v.bytes("cert"),
        iteration: v.int("iteration"),
        keys: postcard::from_bytes::<ChainKeys>(&keys).unwrap(),
        view: v.ids("view").into_iter().map(EventId::from_bytes).collect(),
        proof: v.has("proof").then(|| {
            let proof = v.part("proof");
            AudienceProof {
                index: proof.int("index"),
                count: proof.int("count"),
                path: proof.ids("path"),
            }
        }),
        ext: values::ext(&v),
    }
}

/// Reads a chain that `giver` hands over to `reader_device`, which then takes it.
pub(crate) fn take(i: Given<'_>, bytes: &[u8]) -> Result<Taken, TakeError> {
    let (owner, room) = (people::certificate(i), ConversationId::from_bytes(i.array("room")));
    let device = |name| DeviceId::from_bytes(i.array(name));
    let shared: SharedChain = postcard::from_bytes(bytes).expect("the form of a chain");
    let mut reader = ChainSender::new(room, &owner).expect("the owner's key");
    reader.take(&shared, &device("giver"), &device("reader_device"))
}

pub(crate) fn sender_chain(i: Given<'_>) -> Found {
    let (owner, room) = (people::certificate(i), ConversationId::from_bytes(i.array("room")));
    let (audience, reader) = (audience_of(i, "audience"), DeviceId::from_bytes(i.array("reader")));
    let fresh = ["chain", "chain_key", "header_key", "tag_key"].map(|name| i.bytes(name));
    let mut script = Script::new(fresh.iter().map(Vec::as_slice));
    let mut chain = SendingChain::create(
        &mut script,
        &people::device_keys(i),
        room,
        i.array("view"),
        &audience,
        0,
    );
    script.end();
    let first = chain.share(Vec::new()).unwrap();
    let (mut later, mut envelopes) = (None, Vec::new());
    for (number, message) in (0..).zip(i.value("messages").as_array().unwrap()) {
        if number == i.int::<u32>("from") {
            later = chain.share(Vec::new());
        }
        envelopes.push(seal(&mut chain, &owner, i, message));
    }
    let mut later = later.unwrap();
    later.proof = audience.prove(&reader);
    let mut readers = [0, 1].map(|_| ChainSender::new(room, &owner).unwrap());
    readers[0].take(&first, &owner.device(), &reader).unwrap();
    readers[1]
        .take(&later, &DeviceId::from_bytes([0; 32]), &reader)
        .unwrap();
    for step in i.value("steps").as_array().unwrap() {
        take_step(&mut readers, i, &envelopes, step);
    }
    Found::out(json!({"shared": [shared_json(&first), shared_json(&later)], "envelopes": envelopes}))
}

/// The envelope of a message; where there is none, something else takes its place.
fn seal(chain: &mut SendingChain, owner: &parlour_crypto::DeviceCert, i: Given<'_>, message: &Value) -> Value {
    let left_out = message.is_null();
    let message = Given(if left_out { &i.value("messages")[0] } else { message });
    let event = SignedEvent::decode(&message.bytes("wire")).unwrap();
    let event = event.verify(owner.signing_key()).unwrap();
    let nonce = message.bytes("header_nonce");
    let mut script = Script::new([nonce.as_slice()]);
    let sealed = chain.seal(&mut script, i.int("day"), &event).unwrap();
    script.end();
    if left_out { Value::Null } else { hex(sealed) }
}

/// `[reader, what, number, at]`
fn take_step(readers: &mut [ChainSender; 2], i: Given<'_>, envelopes: &[Value], step: &Value) {
    let place = |at: usize| usize::try_from(step[at].as_u64().unwrap()).unwrap();
    let (reader, what, number) = (&mut readers[place(0)], step[1].as_str().unwrap(), place(2));
    let mut envelope = match what {
        "refuse_given" => i.list("given")[number].clone(),
        _ => unhex(&envelopes[number]),
    };
    if what == "refuse_changed" {
        envelope[place(3)] ^= 1;
    }
    let opened = open(reader, &envelope);
    if what == "open" {
        let stated = i.value("messages")[number]["wire"].clone();
        assert_eq!(opened.map(hex), Ok(stated), "{step}");
    } else {
        assert!(opened.is_err(), "{step}: {opened:?}");
    }
}

fn open(reader: &mut ChainSender, envelope: &[u8]) -> Result<Vec<u8>, String> {
    let (prefix, _) = parse(envelope).map_err(|error| error.to_string())?;
    let chain = reader.tags(prefix.day).find(|(_, tag)| *tag == prefix.tag);
    let (chain, _) = chain.ok_or_else(|| RoomOpenError::NoKey.to_string())?;
    let pending = reader.open(&chain, envelope).map_err(|error| error.to_string())?;
    let proved = pending.verify().map_err(|error| error.to_string())?;
    let event = reader.commit(proved, 0).map_err(|error| error.to_string())?;
    Ok(event.to_wire())
}

pub(crate) fn shard(i: Given<'_>) -> Found {
    Found::out(json!({"shard": room_shard(&ConversationId::from_bytes(i.array("room")), i.int("day"))}))
}

pub(crate) fn link(i: Given<'_>) -> Found {
    let link = RoomLink {
        invite: private::invite_of(i),
        room: ConversationId::from_bytes(i.array("room")),
    };
    let text = link.to_link();
    assert!(RoomLink::parse(&text).unwrap() == link);
    assert!(parlour_crypto::Invite::parse(&text).is_err());
    Found::out(json!({"link_text": text, "token_hash": hex(link_token_hash(&i.array("token")))}))
}

//! Membership: what a set of operations comes to, in whatever order they arrive.

use parlour_crypto::{EventId, Membership, RoomState, membership_view};
use serde_json::{Value, json};

use super::given::{Given, hex};
use super::kinds::Found;
use super::world::{World, fields_of};

pub(crate) fn fold(i: Given<'_>) -> Found {
    let world = World::of(i);
    let arrived: Vec<usize> = serde_json::from_value(i.value("arrived").clone()).unwrap();
    let operations = || arrived.iter().map(|&at| world.operations[at].clone());
    let folded = Membership::fold(world.room, operations()).unwrap();
    let mut applied = Membership::fold(world.room, []).unwrap();
    for operation in operations() {
        applied.apply(operation).unwrap();
    }
    assert_eq!(folded.state(), applied.state(), "one after another gives another state");
    assert_eq!(folded.view(), applied.view());
    let mut out = state(&world, &folded);
    let views = i.value("views").as_array().expect("views").iter();
    out["views"] = views.map(|heads| view(&world, &folded, heads)).collect();
    Found::out(out)
}

fn sorted(mut items: Vec<Value>) -> Value {
    let key = |item: &Value| item.as_u64().or(item[0].as_u64());
    items.sort_by_key(key);
    items.into()
}

fn ranks(world: &World, state: &RoomState) -> Value {
    let ranks = state.members.iter();
    sorted(
        ranks
            .map(|(user, member)| json!([world.user(user), member.rank.number()]))
            .collect(),
    )
}

fn state(world: &World, folded: &Membership) -> Value {
    let state = folded.state();
    let operations = |ids: Vec<EventId>| sorted(ids.iter().map(|id| json!(world.operation(id))).collect());
    let later = |id: &EventId| world.operations[world.operation(id)].act().is_none();
    let void = state.dropped.keys().filter(|id| !later(id)).copied();
    let members = state.members.iter();
    json!({
        "room": hex(world.room), "view": hex(folded.view()), "heads": operations(folded.heads()),
        "waits": operations(folded.waiting_ids().collect()), "void": operations(void.collect()),
        "ranks": ranks(world, state), "policy": fields_of(&state.policy),
        "banned": sorted(state.banned.iter().map(|user| json!(world.user(user))).collect()),
        "links": sorted(state.links.iter().map(|(id, link)| json!([world.operation(id), link.used])).collect()),
        "invites": sorted(
            state.invited.iter().map(|(user, open)| json!([world.user(user), world.operation(&open.invite)])).collect(),
        ),
        "devices": sorted(members.map(|(user, member)| {
            let devices = member.devices.iter().map(|device| json!(world.device(device)));
            json!([world.user(user), sorted(devices.collect())])
        }).collect()),
        "forked": sorted(state.forked.iter().map(|device| json!(world.device(device))).collect()),
        "name_text": state.info.name, "topic_text": state.info.topic, "avatar": state.info.avatar.as_ref().map(hex),
    })
}

/// What content with these heads is judged by.
fn view(world: &World, folded: &Membership, heads: &Value) -> Value {
    let heads: Vec<usize> = serde_json::from_value(heads.clone()).unwrap();
    let mut heads: Vec<EventId> = heads.iter().map(|&at| world.operations[at].id()).collect();
    heads.sort_unstable();
    let state = folded.state_at(&heads).expect("the view is here");
    json!({
        "view": hex(membership_view(&world.room, &heads)), "ranks": ranks(world, &state), "policy": fields_of(&state.policy),
    })
}

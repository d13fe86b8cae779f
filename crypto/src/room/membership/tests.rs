#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use super::*;
use crate::ids::{DeviceId, UserId};
use crate::kdf::{Purpose, hash};
use crate::room::operation::{Act, Info, LinkUse, Listed};
use crate::room::rules::{JoinRule, Policy, Rank};
use crate::testing::rng;
use rand_chacha::rand_core::Rng;
use std::collections::HashSet;

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

#[test]
fn a_room_grows_by_invites_and_its_ranks_are_given_from_above() {
    let (world, _) = room();
    let membership = world.fold();
    let state = membership.state();
    assert!(state.dropped.is_empty(), "{:?}", state.dropped);
    assert_eq!(state.owner(), Some(&user(OWEN)));
    let ranks = [OWEN, ANN, BOB, CAT, DAN].map(|who| state.rank(&user(who)));
    assert_eq!(
        ranks,
        [Rank::Owner, Rank::Admin, Rank::Moderator, Rank::Member, Rank::Member]
    );
    assert_eq!(state.devices().len(), 10);
    assert_eq!(state.info.name.as_deref(), Some("Room"));
    assert_eq!(membership.heads().len(), 1);
}

#[test]
fn nobody_acts_on_an_equal_or_above_themselves() {
    let (mut world, head) = room();
    let refused = [
        (ANN, remove(OWEN), Dropped::NotAbove),
        (BOB, remove(ANN), Dropped::NotAbove),
        (CAT, remove(DAN), Dropped::NoRight),
        (BOB, role(CAT, 2), Dropped::NoRight),
        (ANN, role(CAT, 4), Dropped::NoRight),
        (ANN, role(ANN, 3), Dropped::AboutOneself),
        (BOB, remove(BOB), Dropped::AboutOneself),
        (ANN, transfer(ANN), Dropped::NoRight),
        (OWEN, Act::Leave, Dropped::OwnerStays),
        (OWEN, transfer(9), Dropped::NoConsent),
        (OWEN, role(9, 3), Dropped::NoConsent),
        (BOB, Act::Policy(Policy::default()), Dropped::NoRight),
        (CAT, named("Mine"), Dropped::NoRight),
        (CAT, join(head), Dropped::IsMember),
        (9, join(head), Dropped::NotInvited),
        (9, remove(CAT), Dropped::NoRight),
    ];
    for (who, act, why) in refused {
        let said = format!("{who} {act:?}");
        let id = world.act((who, 0), &[head], act);
        assert_eq!(world.dropped(id), Some(why), "{said}");
    }
    assert_eq!(world.rank(CAT), Rank::Member);
    assert_eq!(world.rank(9), Rank::Nobody);
}

#[test]
fn what_the_removed_does_beside_or_before_the_removal_unseen_is_void() {
    let (mut world, head) = room();
    let removal = world.act((OWEN, 0), &[head], remove(ANN));
    // Back-dated: Ann says that she knew nothing of it.
    let revenge = world.act((ANN, 0), &[head], remove(BOB));
    let planted = world.act((ANN, 1), &[head], invite(9));
    let came = world.act((9, 0), &[planted], join(planted));
    assert_eq!(world.dropped(revenge), Some(Dropped::NoRight));
    assert_eq!(world.dropped(planted), Some(Dropped::NoRight));
    assert_eq!(world.dropped(came), Some(Dropped::NotInvited));
    assert_eq!(world.rank(BOB), Rank::Moderator);
    let late = world.act((ANN, 0), &[removal, revenge], remove(CAT));
    assert_eq!(world.dropped(late), Some(Dropped::NoRight));
    assert_eq!((world.rank(ANN), world.rank(CAT)), (Rank::Nobody, Rank::Member));
}

#[test]
fn what_the_removed_did_with_the_removers_knowledge_stands() {
    let (mut world, head) = room();
    let done = world.act((ANN, 0), &[head], remove(DAN));
    world.act((OWEN, 0), &[done], remove(ANN));
    assert_eq!((world.rank(ANN), world.rank(DAN)), (Rank::Nobody, Rank::Nobody));
}

#[test]
fn a_demotion_voids_what_the_lower_rank_cannot_do_and_leaves_the_rest() {
    let (mut world, head) = room();
    world.act((OWEN, 0), &[head], role(ANN, 2));
    let high = world.act((ANN, 0), &[head], remove(BOB));
    let low = world.act((ANN, 1), &[head], invite(9));
    assert_eq!(world.dropped(high), Some(Dropped::NoRight));
    assert_eq!(world.dropped(low), None);
}

#[test]
fn two_admins_cannot_remove_each_other_not_even_at_once() {
    let (mut world, head) = room();
    let head = world.act((OWEN, 0), &[head], role(BOB, 4));
    let one = world.act((ANN, 0), &[head], remove(BOB));
    let other = world.act((BOB, 0), &[head], remove(ANN));
    assert_eq!(world.dropped(one), Some(Dropped::NotAbove));
    assert_eq!(world.dropped(other), Some(Dropped::NotAbove));
    assert_eq!((world.rank(ANN), world.rank(BOB)), (Rank::Admin, Rank::Admin));
}

#[test]
fn whom_a_higher_hand_raises_at_the_same_time_is_out_of_reach() {
    let (mut world, head) = room();
    world.act((OWEN, 0), &[head], role(CAT, 3));
    world.act((BOB, 0), &[head], remove(CAT));
    assert_eq!(world.rank(CAT), Rank::Moderator);
    // An admin's removal reaches a moderator whom the owner makes one at the same time.
    world.act((ANN, 0), &[head], remove(CAT));
    assert_eq!(world.rank(CAT), Rank::Nobody);
}

#[test]
fn concurrent_ranks_by_equals_meet_at_the_lower_one() {
    let (mut world, head) = room();
    world.act((OWEN, 0), &[head], role(CAT, 4));
    world.act((OWEN, 1), &[head], role(CAT, 3));
    assert_eq!(world.rank(CAT), Rank::Moderator);
}

#[test]
fn a_removal_beats_a_join_beside_it_and_a_used_invite_is_used() {
    let (mut world, head) = room();
    let invited = world.act((CAT, 0), &[head], invite(9));
    let banned = world.act((BOB, 0), &[head], ban(9));
    world.act((9, 0), &[invited], join(invited));
    assert_eq!(world.rank(9), Rank::Nobody);
    let again = world.act((9, 1), &[invited, banned], join(invited));
    assert_eq!(world.dropped(again), Some(Dropped::Banned));
    assert!(world.fold().state().banned.contains(&user(9)));

    let unbanned = world.act((BOB, 0), &[banned, invited], Act::Unban { user: user(9) });
    let stale = world.act((9, 1), &[unbanned], join(invited));
    assert_eq!(
        world.dropped(stale),
        Some(Dropped::NotInvited),
        "the ban came after the invite"
    );
    world.join(9, &[unbanned], (CAT, 0));
    assert_eq!(world.rank(9), Rank::Member);
}

#[test]
fn who_left_comes_back_by_a_new_invite_alone() {
    let (mut world, head) = room();
    let joined = world
        .operations
        .iter()
        .find(|operation| operation.user == user(CAT))
        .unwrap();
    let invited = joined.parents[0];
    let left = world.act((CAT, 0), &[head], Act::Leave);
    assert_eq!(world.rank(CAT), Rank::Nobody);
    let back = world.act((CAT, 0), &[left], join(invited));
    assert_eq!(world.dropped(back), Some(Dropped::NotInvited));
    let raised = world.act((OWEN, 0), &[left], role(CAT, 3));
    assert_eq!(world.dropped(raised), Some(Dropped::NoConsent));
    world.join(CAT, &[back], (OWEN, 0));
    assert_eq!(world.rank(CAT), Rank::Member);
}

#[test]
fn the_room_is_handed_over_once() {
    let (mut world, head) = room();
    let given = world.act((OWEN, 0), &[head], transfer(ANN));
    assert_eq!((world.rank(ANN), world.rank(OWEN)), (Rank::Owner, Rank::Admin));
    world.act((ANN, 0), &[given], remove(OWEN));
    assert_eq!(world.rank(OWEN), Rank::Nobody);
    // What the giver did as owner without having seen their own gift, on another device or in a second history.
    let planted = world.act((OWEN, 1), &[head], role(CAT, 4));
    let second = world.act((OWEN, 0), &[head], role(DAN, 4));
    for id in [planted, second] {
        assert_eq!(world.dropped(id), Some(Dropped::NoRight));
    }
    assert_eq!(world.rank(ANN), Rank::Owner);
}

#[test]
fn a_room_given_to_two_at_once_has_no_owner_and_the_giver_nothing_back() {
    let (mut world, head) = room();
    let given = world.act((OWEN, 0), &[head], transfer(ANN));
    world.act((ANN, 0), &[given], remove(OWEN));
    world.act((OWEN, 1), &[head], transfer(CAT));
    assert_eq!(world.fold().state().owner(), None);
    assert_eq!(world.rank(OWEN), Rank::Nobody);
    assert_eq!((world.rank(ANN), world.rank(CAT)), (Rank::Admin, Rank::Member));
    // To the same user twice is no dispute.
    let (mut world, head) = room();
    world.act((OWEN, 0), &[head], transfer(ANN));
    world.act((OWEN, 1), &[head], transfer(ANN));
    assert_eq!(world.rank(ANN), Rank::Owner);
}

#[test]
fn an_admin_of_two_histories_gains_nothing_after_the_removal() {
    let (mut world, head) = room();
    let seen = world.act((ANN, 0), &[head], named("Seen"));
    world.act((OWEN, 0), &[seen], remove(ANN));
    let same_number = world.act((ANN, 0), &[head], remove(BOB));
    assert_eq!(world.get(&same_number).op_seq, world.get(&seen).op_seq);
    assert_eq!(world.dropped(same_number), Some(Dropped::NoRight));
    assert_eq!(world.dropped(seen), None);
    assert!(world.fold().state().forked.contains(&device((ANN, 0))));
    assert_eq!(world.fold().state().forked.len(), 1);
}

#[test]
fn numbers_that_do_not_follow_are_void() {
    let (mut world, head) = room();
    let last = world
        .operations
        .iter()
        .filter(|operation| operation.device == device((OWEN, 0)))
        .map(|operation| operation.op_seq)
        .max()
        .unwrap();
    for number in [0, 1, last, last + 2, u32::MAX - 1, u32::MAX] {
        let id = world.act_as_number((OWEN, 0), &[head], number, remove(CAT));
        assert_eq!(world.dropped(id), Some(Dropped::OutOfSequence), "{number}");
    }
    // The one behind the greatest number does not wrap around.
    let top = world.act_as_number((DAN, 0), &[head], u32::MAX, Act::Leave);
    let after = world.act_as_number((DAN, 0), &[top], 0, Act::Leave);
    assert_eq!(world.dropped(after), Some(Dropped::OutOfSequence));
    assert_eq!(world.rank(CAT), Rank::Member);
}

#[test]
fn a_revoked_device_ends_and_whoever_stands_above_ends_what_it_dates_back() {
    let (mut world, head) = room();
    let seen = world.act((ANN, 1), &[head], named("Seen"));
    let revoked = world.list((ANN, 0), &[seen], list(ANN, 2, &[0], &[1]));
    let after = world.act((ANN, 1), &[revoked], named("Stolen later"));
    let beside = world.act((ANN, 1), &[seen], named("Stolen"));
    // An old list, said again by the revoked device, brings nothing back.
    world.list((ANN, 1), &[revoked], list(ANN, 1, &[0, 1], &[]));
    assert_eq!(world.dropped(after), Some(Dropped::DeviceEnded));
    assert_eq!(world.dropped(beside), None);
    let equal = world.act((BOB, 0), &[revoked], remove_device(ANN, 1));
    assert_eq!(world.dropped(equal), Some(Dropped::NotAbove));
    world.act((OWEN, 0), &[revoked], remove_device(ANN, 1));
    assert_eq!(world.dropped(beside), Some(Dropped::NoRight));
    assert_eq!(world.dropped(seen), None);
    let membership = world.fold();
    assert_eq!(membership.state().info.name.as_deref(), Some("Seen"));
    assert_eq!(membership.state().rank(&user(ANN)), Rank::Admin);
    assert_eq!(membership.state().members[&user(ANN)].devices, [device((ANN, 0))]);
}

#[test]
fn a_list_ends_no_device_of_another_user() {
    let (mut world, head) = room();
    let mut hostile = list(CAT, 2, &[0], &[]);
    hostile.revoked = vec![device((OWEN, 0)), device((OWEN, 1))];
    let said = world.list((CAT, 0), &[head], hostile);
    let after = world.act((OWEN, 0), &[said], named("After"));
    assert_eq!(world.dropped(after), None);
    assert_eq!(world.fold().state().members[&user(OWEN)].devices.len(), 2);
}

#[test]
fn an_owners_list_ends_what_their_device_dates_back() {
    let (mut world, head) = room();
    world.list((OWEN, 1), &[head], list(OWEN, 2, &[1], &[0]));
    let stolen = world.act((OWEN, 0), &[head], remove(ANN));
    assert_eq!(world.dropped(stolen), Some(Dropped::DeviceEnded));
    assert_eq!(world.rank(ANN), Rank::Admin);
}

/// By a list that revokes the device that did it, or by leaving, as if nothing had been seen of it.
#[test]
fn nobody_undoes_what_they_did_themselves() {
    let (mut world, head) = room();
    let root = world.operations[0].id;
    let joined = world
        .operations
        .iter()
        .find(|operation| operation.user == user(ANN))
        .unwrap()
        .id;
    let came = world.join(9, &[head], (ANN, 0));
    let gone = world.act((ANN, 0), &[came], remove(DAN));
    let given = world.act((OWEN, 0), &[gone], transfer(ANN));
    let before = world.fold().state().members.clone();
    world.list((OWEN, 1), &[root], list(OWEN, 2, &[1], &[0]));
    world.list((ANN, 1), &[joined], list(ANN, 2, &[1], &[0]));
    let after = world.fold().state().members.clone();
    assert_eq!(world.dropped(given), None);
    let ranks = |members: &BTreeMap<UserId, Member>| {
        members
            .iter()
            .map(|(user, member)| (*user, member.rank))
            .collect::<Vec<_>>()
    };
    assert_eq!(ranks(&after), ranks(&before));
    assert_eq!(after[&user(ANN)].devices, [device((ANN, 1))]);

    let (mut world, head) = room();
    let joined = world
        .operations
        .iter()
        .find(|operation| operation.user == user(CAT))
        .unwrap()
        .id;
    world.join(9, &[head], (CAT, 0));
    world.act((CAT, 1), &[joined], Act::Leave);
    assert_eq!((world.rank(CAT), world.rank(9)), (Rank::Nobody, Rank::Member));
}

#[test]
fn a_recovered_list_ends_all_devices_but_its_own_and_later_ones() {
    let (mut world, head) = room();
    let mut recovered = list(ANN, 1 << 31, &[2], &[]);
    recovered.recovered = true;
    let recovery = world.list((ANN, 2), &[head], recovered);
    let old = world.act((ANN, 0), &[recovery], named("Old"));
    world.list((ANN, 3), &[recovery], list(ANN, (1 << 31) + 1, &[2, 3], &[]));
    let new = world.act((ANN, 2), &[recovery], named("New"));
    assert_eq!(world.dropped(old), Some(Dropped::DeviceEnded));
    assert_eq!(world.dropped(new), None);
    let mut devices = [device((ANN, 2)), device((ANN, 3))];
    devices.sort_unstable();
    assert_eq!(world.fold().state().members[&user(ANN)].devices, devices);
}

#[test]
fn policies_that_do_not_know_of_each_other_meet_at_the_stricter_one() {
    let (mut world, head) = room();
    let open = Policy {
        join: JoinRule::Public as u8,
        post: 4,
        ..Policy::default()
    };
    let closed = Policy {
        join: JoinRule::Invite as u8,
        expires_after_ms: Some(60_000),
        ..Policy::default()
    };
    let opened = world.act((OWEN, 0), &[head], Act::Policy(open));
    let free = Act::Join {
        invite: None,
        device_list: Vec::new(),
    };
    let came = world.act((9, 0), &[opened], free.clone());
    assert_eq!(world.dropped(came), None);
    let strict = world.act((ANN, 0), &[head], Act::Policy(closed));
    assert_eq!(world.dropped(came), None, "it was public as far as they knew");
    let late = world.act((8, 0), &[opened, strict], free);
    assert_eq!(world.dropped(late), Some(Dropped::NotInvited));
    let policy = world.fold().state().policy.clone();
    assert_eq!(
        (policy.join, policy.post, policy.expires_after_ms),
        (0, 4, Some(60_000))
    );
}

#[test]
fn links_end_by_time_number_and_revocation() {
    let (mut world, head) = room();
    let link = |uses, expires| Act::Link {
        token: [1; 32],
        role: 2,
        uses,
        expires,
    };
    let with = |link, number, who| Act::Invite {
        user: user(who),
        role: 2,
        link: Some(LinkUse { link, number }),
    };
    let free = world.act((CAT, 0), &[head], link(None, Some(5000)));
    let used = world.act((DAN, 0), &[free], with(free, 0, 9));
    assert_eq!(world.dropped(used), None);
    world.operations.last_mut().unwrap().clock = 5000;
    assert_eq!(world.dropped(used), Some(Dropped::NoLink), "it has ended");

    let limited = world.act((CAT, 0), &[free], link(Some(2), None));
    let other = world.act((DAN, 0), &[limited, used], with(limited, 1, 10));
    assert_eq!(
        world.dropped(other),
        Some(Dropped::NoLink),
        "another device counts for nobody"
    );
    let first = world.act((CAT, 0), &[limited], with(limited, 1, 10));
    let again = world.act((CAT, 0), &[first], with(limited, 1, 11));
    assert_eq!(world.dropped(again), Some(Dropped::NoLink), "a number is used once");
    let beyond = world.act((CAT, 0), &[again], with(limited, 3, 11));
    assert_eq!(world.dropped(beyond), Some(Dropped::NoLink));
    let revoked = world.act((CAT, 0), &[beyond], Act::RevokeLink { link: limited });
    let late = world.act((CAT, 0), &[revoked], with(limited, 2, 11));
    assert_eq!(world.dropped(late), Some(Dropped::NoLink), "it was revoked");
    let state = world.fold();
    assert!(!state.state().links.contains_key(&limited));
    assert_eq!(state.state().invited[&user(10)].invite, first);
    let stranger = world.act((9, 0), &[revoked], Act::RevokeLink { link: free });
    assert_eq!(world.dropped(stranger), Some(Dropped::NoRight));
}

#[test]
fn what_has_no_way_back_to_the_beginning_waits_or_counts_for_nothing() {
    let (mut world, head) = room();
    let lone = world.act((9, 0), &[], Act::Leave);
    assert_eq!(world.dropped(lone), Some(Dropped::NoRoot));
    // Parents that nobody has, and a circle, which no hash could make.
    let missing = EventId::from_bytes([0xEE; 32]);
    let orphan = world.act((CAT, 0), &[head], named("Orphan"));
    world.operations.last_mut().unwrap().parents.push(missing);
    let [one, other] = [[0xA1; 32], [0xA2; 32]].map(EventId::from_bytes);
    for (id, parent) in [(one, other), (other, one)] {
        let mut circle = world.get(&orphan).clone();
        (circle.id, circle.parents) = (id, vec![parent]);
        world.operations.push(circle);
    }
    let membership = world.fold();
    assert_eq!(membership.state().info.name.as_deref(), Some("Room"));
    assert_eq!(membership.missing(), [missing]);
    assert!(membership.contains(&one) && membership.contains(&orphan));
    assert_eq!(membership.len(), world.operations.len() - 3);
}

#[test]
fn the_last_operation_is_judged_alone_as_with_all_others() {
    let (world, _) = room();
    let mut membership = Membership::fold(ROOM, []).unwrap();
    for (number, operation) in world.operations.iter().enumerate() {
        let applied = membership.apply(operation.clone()).unwrap();
        assert_eq!(applied, Applied::Last);
        let folded = Membership::fold(ROOM, world.operations[..=number].to_vec()).unwrap();
        assert_eq!(membership.state(), folded.state());
        assert_eq!(membership.view(), folded.view());
        assert_eq!(membership.apply(operation.clone()), Ok(Applied::Known));
    }
    let first = world.operations[0].id;
    let then = membership.state_at(&[first]).unwrap();
    assert_eq!(then.members.len(), 1);
    assert_eq!(membership.state_at(&[EventId::from_bytes([1; 32])]), None);
}

/// Devices that act at random on what they happen to know.
fn storm(seed: u64) -> World {
    let mut random = rng(seed);
    let mut pick = |below: usize| random.next_u32() as usize % below;
    let (mut world, head) = room();
    let mut known: Vec<HashSet<EventId>> = vec![world.past(&[head]); 14];
    for _ in 0..30 {
        let who = pick(14);
        let hand = (1 + (who / 2) as u8, (who % 2) as u8);
        if pick(2) == 0 {
            let other = known[pick(14)].clone();
            known[who].extend(other);
        }
        let mut heads: Vec<EventId> = known[who].iter().copied().collect();
        heads.retain(|id| !known[who].iter().any(|other| world.get(other).parents.contains(id)));
        let target = 1 + pick(8) as u8;
        let invites = known[who].iter().filter(
            |id| matches!(&world.get(id).act, Some(Act::Invite { user: invited, .. }) if *invited == user(hand.0)),
        );
        let act = match pick(16) {
            0..=3 => role(target, 1 + pick(4) as u8),
            4 => remove(target),
            5 => remove_device(target, pick(2) as u8),
            6 => ban(target),
            7 => Act::Unban { user: user(target) },
            8 | 9 => invite(target),
            10 | 11 => Act::Join {
                invite: invites.min().copied(),
                device_list: Vec::new(),
            },
            12 => Act::Leave,
            13 => transfer(target),
            14 => Act::Policy(Policy {
                join: pick(4) as u8,
                roles: 3 + pick(3) as u8,
                ..Policy::default()
            }),
            _ => named(&format!("{}", pick(9))),
        };
        let id = match pick(12) {
            0 => world.list(
                hand,
                &heads,
                list(hand.0, 2 + pick(2) as u32, &[0, pick(3) as u8], &[pick(3) as u8]),
            ),
            1 => {
                let mut recovered = list(hand.0, 5, &[pick(2) as u8], &[]);
                recovered.recovered = true;
                world.list(hand, &heads, recovered)
            }
            _ => world.act(hand, &heads, act),
        };
        // One in four forgets what it did, and does something else under the same number.
        if pick(4) > 0 {
            known[who].insert(id);
        }
    }
    world
}

fn shuffle<T>(random: &mut impl Rng, items: &mut [T]) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.next_u32() as usize % (at + 1));
    }
}

#[test]
fn order_repetition_and_partition_do_not_matter() {
    let (mut counted, mut void) = (0, 0);
    for seed in 0..256 {
        let world = storm(seed);
        let mut random = rng(seed ^ 0xF01D);
        let whole = world.fold();
        void += whole.state().dropped.len();
        counted += whole.len() - whole.state().dropped.len();

        let mut repeated = [world.operations.clone(), world.operations.clone()].concat();
        shuffle(&mut random, &mut repeated);
        let folded = Membership::fold(ROOM, repeated.clone()).unwrap();
        assert_eq!(folded.state(), whole.state(), "seed {seed}: order");
        assert_eq!(folded.view(), whole.view());

        // Two parts that grew apart, and one operation after the other.
        let split = random.next_u32() as usize % repeated.len();
        let mut joined = Membership::fold(ROOM, repeated[..split].to_vec()).unwrap();
        for operation in &repeated[split..] {
            joined.apply(operation.clone()).unwrap();
        }
        assert_eq!(joined.state(), whole.state(), "seed {seed}: partition");
        let mut grown = Membership::fold(ROOM, []).unwrap();
        for operation in &world.operations {
            grown.apply(operation.clone()).unwrap();
        }
        assert_eq!(grown.state(), whole.state(), "seed {seed}: one by one");
        let again = whole.state_at(&whole.heads()).unwrap();
        assert_eq!(again, *whole.state());
    }
    assert!(
        counted > 3000 && void > 1000,
        "{counted} count, {void} do not: the storm says little"
    );
}

#[test]
fn whoever_is_removed_at_the_end_and_unopposed_stays_out_whatever_they_date_back() {
    for seed in 0..256 {
        let mut world = storm(seed);
        let membership = world.fold();
        let Some(owner) = membership.state().owner().copied() else {
            continue;
        };
        let number = owner.as_bytes()[0];
        let Some(victim) = membership.state().members.keys().find(|who| **who != owner).copied() else {
            continue;
        };
        let heads = membership.heads();
        let ended = membership.judge.index.ended.contains_key(&(owner, device((number, 0))));
        if ended || heads.len() > 16 {
            continue;
        }
        world.act((number, 0), &heads, remove(victim.as_bytes()[0]));
        let after = world.fold().state().clone();
        assert_eq!(after.rank(&victim), Rank::Nobody, "seed {seed}");
        // From any place in the past the removed tries everything.
        let places: Vec<EventId> = world.operations.iter().map(|operation| operation.id).collect();
        let mut random = rng(seed);
        for _ in 0..20 {
            let place = places[random.next_u32() as usize % (places.len() - 1)];
            let hand = (victim.as_bytes()[0], (random.next_u32() % 2) as u8);
            let act = match random.next_u32() % 4 {
                0 => remove(1 + (random.next_u32() % 7) as u8),
                1 => role(1 + (random.next_u32() % 7) as u8, 1 + (random.next_u32() % 4) as u8),
                2 => invite(20),
                _ => Act::Policy(Policy::default()),
            };
            world.act(hand, &[place], act);
        }
        let later = world.fold().state().clone();
        assert_eq!(later.members, after.members, "seed {seed}");
        assert_eq!(
            (later.policy, later.banned, later.invited),
            (after.policy, after.banned, after.invited)
        );
    }
}

#[test]
fn many_heads_and_long_histories_are_folded() {
    let (mut world, head) = room();
    for number in 0..2000 {
        world.made += 1;
        let mut copy = world.get(&head).clone();
        copy.id = EventId::from_bytes(hash(Purpose::EVENT_ID, &[b"head", &u32::to_be_bytes(number)]));
        copy.parents = vec![head];
        copy.op_seq += 1;
        world.operations.push(copy);
    }
    let membership = world.fold();
    assert_eq!(membership.heads().len(), 2000);
    assert_eq!(membership.state().rank(&user(BOB)), Rank::Moderator);
    assert!(membership.state().forked.contains(&device((OWEN, 0))));

    let many = (0..=MAX_OPERATIONS as u32).map(|number| {
        let mut copy = world.get(&head).clone();
        copy.id = EventId::from_bytes(hash(Purpose::EVENT_ID, &[&number.to_be_bytes()]));
        copy
    });
    assert!(matches!(Membership::fold(ROOM, many), Err(TooManyOperations)));
}

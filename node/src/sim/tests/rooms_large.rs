//! A room of many: what it costs that somebody is removed and others go on talking.
//!
//! `PARLOUR_ROOM_MEMBERS` asks for another number of them; 256 takes minutes, and is measured in a release build.

use std::collections::BTreeSet;
use std::ops::Range;

use parlour_crypto::{History, Rank};
use parlour_store::contacts::ContactState;
use parlour_store::rooms::{self, Standing};
use parlour_store::sessions;

use super::*;
use crate::engine::RoomAct;

/// Those who speak after the removal. They and the owner are connected with everybody, and nobody else is.
fn speakers() -> Range<usize> {
    1..11
}
/// Members in every run of the tests: enough for what is only done in large rooms.
const FEW: usize = 36;
/// Bytes that one of them may send for 100 members.
const BYTES_PER_100: u64 = 64 * 1024;
/// What all nodes together work for all of it, with their disks in memory, in a room of 256.
const WORK_MS: u128 = 2_000;
/// Whether the bound on work means anything: a build without optimization is no measure.
const MEASURED: bool = !cfg!(debug_assertions);

impl Sim {
    /// Bytes that a node has given to the network: frames, and each of its envelopes once.
    fn given_to_network(&self, index: usize) -> u64 {
        let of = |bytes: &std::collections::BTreeMap<usize, u64>| bytes.get(&index).copied().unwrap_or(0);
        of(&self.network.sent) + of(&self.network.published)
    }

    /// Lets time pass until something holds.
    fn until(&mut self, most_ms: u64, mut holds: impl FnMut(&Self) -> bool) {
        let (end, step) = (self.now + most_ms, (most_ms / 600).max(100));
        while !holds(self) {
            assert!(self.now < end, "not within {most_ms} ms");
            self.wait(step);
        }
    }

    /// With how many devices a node has a session that both sides know of.
    fn sessions_of(&self, index: usize) -> usize {
        let all = sessions::all(self.nodes[index].store()).expect("readable");
        let known = all
            .into_iter()
            .filter(|(info, _)| info.confirmed)
            .map(|(info, _)| info.device);
        known.collect::<BTreeSet<_>>().len()
    }

    /// Whether all of these nodes have a room of so many members.
    fn all_know(&self, room: &ConversationId, who: Range<usize>, members: usize) -> bool {
        who.into_iter().all(|index| {
            let no = self.number_of(index, room);
            no.is_some_and(|no| {
                let row = rooms::get(self.nodes[index].store(), no).expect("readable");
                row.is_some_and(|row| row.members as usize == members)
            })
        })
    }

    /// How many messages a node shows in a room.
    fn shown(&self, index: usize, room: &ConversationId) -> u64 {
        let no = self.number_of(index, room).expect("the room is there");
        let row = conversations::get(self.nodes[index].store(), no).expect("readable");
        row.expect("the room is there").last_seq
    }
}

fn members() -> usize {
    let asked = std::env::var("PARLOUR_ROOM_MEMBERS").ok();
    let asked = asked.map(|text| text.parse().expect("PARLOUR_ROOM_MEMBERS is a number"));
    asked.unwrap_or(FEW).max(speakers().end + 2)
}

/// A room in which everybody has heard all who speak. The first one made it.
fn crowd(members: usize) -> (Sim, ConversationId) {
    let names: Vec<String> = (0..members).map(|n| format!("member {n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut sim = Sim::with(901, &names);
    for a in 1..members {
        (a + 1..members).for_each(|b| sim.cut(a, b));
    }
    let room = sim.make_room(0, "garden", History::None);
    for who in 1..members {
        sim.introduce(0, who);
        let user = sim.user(who);
        sim.until(MINUTE, |sim| sim.state_at(who, 0) == Some(ContactState::Accepted));
        sim.in_room(0, room, RoomAct::Invite(user, Rank::Member))
            .expect("invited");
        sim.until(MINUTE, |sim| {
            matches!(sim.standing(who, &room), Some(Standing::Invited { open: true, .. }))
        });
        sim.in_room(who, room, RoomAct::Join).expect("joined");
        sim.until(MINUTE, |sim| sim.all_know(&room, 0..1, who + 1));
        // Who came before hears of the others later, and of all of them at once.
        sim.cut(0, who);
    }
    (1..members).for_each(|who| sim.mend(0, who));
    sim.until(HOUR, |sim| sim.all_know(&room, 0..members, members));
    for a in speakers() {
        (a + 1..members).for_each(|b| sim.mend(a, b));
    }
    // Sessions with those who are no contacts are begun by and by.
    sim.until(HOUR, |sim| speakers().all(|who| sim.sessions_of(who) == members - 1));
    for who in speakers() {
        sim.tell(who, room, "before");
    }
    let all = speakers().len() as u64;
    sim.until(10 * MINUTE, |sim| (0..members).all(|who| sim.shown(who, &room) == all));
    for who in speakers() {
        let handed = sim.own_chain(who, &room).map(|(_, _, given)| given);
        assert_eq!(handed, Some(members - 1), "{who} has handed its chain to everybody");
    }
    // What everybody says of it now and then has been said.
    sim.wait(2 * MINUTE);
    (sim, room)
}

#[test]
fn after_a_removal_everybody_left_reads_what_ten_say_next_and_it_costs_little() {
    let members = members();
    let (mut sim, room) = crowd(members);
    let gone = members - 1;
    let given: Vec<u64> = (0..speakers().end).map(|who| sim.given_to_network(who)).collect();
    let chains: Vec<_> = speakers()
        .map(|who| (who, sim.own_chain(who, &room).expect("a chain").0))
        .collect();
    let (worked, began) = (sim.worked, sim.now);
    sim.remove(0, room, gone);
    sim.until(MINUTE, |sim| sim.all_know(&room, 0..gone, gone));
    let known = sim.now;
    for who in speakers() {
        sim.tell(who, room, &format!("next by {who}"));
    }
    let all = 2 * speakers().len() as u64;
    sim.until(MINUTE, |sim| (0..gone).all(|who| sim.shown(who, &room) == all));
    let read = sim.now;
    sim.until(MINUTE, |sim| {
        let delivered = |who| sim.statuses(who, &room).into_iter().all(|status| status >= Delivered);
        speakers().all(delivered)
    });
    let took = (sim.worked - worked).as_millis();
    let for_100 = |who: usize| (sim.given_to_network(who) - given[who]) * 100 / (gone as u64 - 1);
    let dearest = speakers().map(for_100).max().expect("ten of them");
    // Shown with --nocapture.
    println!(
        "{members} members: the removal was known after {} ms, and all read what was said {} ms later. For 100 members, who removed gave \
         the network {} bytes, who spoke {dearest} at most. All nodes together worked {took} ms.",
        known - began,
        read - known,
        for_100(0),
    );
    // By new chains, and not around them: each was handed to everybody left.
    for (who, before) in chains {
        let (chain, next, handed) = sim.own_chain(who, &room).expect("a chain");
        assert_ne!(chain, before, "{who} goes on with a chain that {gone} has");
        assert_eq!((next, handed), (1, gone - 1), "of {who}");
    }
    for who in 0..gone {
        let others = speakers().len() - usize::from(speakers().contains(&who));
        assert_eq!(sim.senders(who), others, "{who} has the chains of all the others");
    }
    // The envelope, and what ten tell each other, do not grow with the room, and are much for each member of a small one.
    let most = BYTES_PER_100 + if members < 100 { 4 * 1024 * 100 / gone as u64 } else { 0 };
    assert!(for_100(0) < most && dearest < most);
    if MEASURED {
        assert!(took < WORK_MS, "{took} ms of work");
    }
    sim.wait(2 * MINUTE);
    assert_eq!(
        sim.shown(gone, &room),
        speakers().len() as u64,
        "who was removed reads nothing of it"
    );
    assert_eq!(sim.senders(gone), 0);
}

#[test]
fn who_was_away_is_given_what_was_said_in_a_large_room_by_others_than_its_author() {
    let members = FEW;
    let (mut sim, room) = crowd(members);
    let (author, absent) = (speakers().start, members - 1);
    sim.down(absent, Crash::Killed);
    sim.tell(author, room, "while you were away");
    sim.wait(10 * SECOND);
    sim.down(author, Crash::Killed);
    sim.start(absent);
    let all = speakers().len() as u64 + 1;
    sim.until(MINUTE, |sim| sim.shown(absent, &room) == all);
}

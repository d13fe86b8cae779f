//! One set of events of a room, given to real engines in any order, repeated and in parts, comes to one view of it: what was done by the
//! operations, what is shown of what was said, and what is said of it.

mod acts;
mod history;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use parlour_crypto::{
    EventId, KIND_DELETE, KIND_EDIT, KIND_MESSAGE, KIND_PIN, KIND_REACTION, KIND_VOTE, Policy, SignedEvent,
};
use parlour_store::annotations::{self, bodiless};
use parlour_store::rooms::{self, RoomRow};
use parlour_store::view::{Absent, Shown, State};

use super::super::seeds;
use super::*;
use acts::Acts;
use history::{AUTHORS, History, START};

/// Most that one of the authors does.
const MOST: usize = 200;
const REPLICAS: [&str; 3] = ["in order", "in any order", "in two parts"];
/// What counted where it came first, and no more when it was known that nobody had a right to it.
const VOID: [(&str, u16); 6] = [
    ("void messages", KIND_MESSAGE),
    ("void edits", KIND_EDIT),
    ("void deletions", KIND_DELETE),
    ("void reactions", KIND_REACTION),
    ("void pins", KIND_PIN),
    ("void votes", KIND_VOTE),
];
/// In how many turns at most everything has to be taken that ever will be.
const ROUNDS: usize = 40;

/// What the authors did, and how often what.
fn history(seed: u64) -> (History, BTreeMap<&'static str, u64>) {
    let mut history = History::new(seed, Policy::default());
    let mut acts = Acts::new(&mut history);
    let authors = 1 + history.below(AUTHORS);
    // Few runs are as large as can be, since they take long.
    let most = match seed % 32 {
        0 => MOST,
        1..=4 => MOST / 3,
        _ => MOST / 10,
    };
    let mut left: Vec<usize> = (0..authors).map(|_| most / 2 + history.below(most / 2 + 1)).collect();
    if most == MOST {
        left = vec![MOST; AUTHORS];
    }
    let mut happened = BTreeMap::new();
    while left.iter().any(|left| *left > 0) {
        let who = history.below(left.len());
        if left[who] > 0 {
            left[who] -= 1;
            *happened.entry(acts.step(&mut history, who)).or_default() += 1;
        }
    }
    (history, happened)
}

fn shuffle(history: &mut History, deck: &mut [usize]) {
    for at in (1..deck.len()).rev() {
        let other = history.below(at + 1);
        deck.swap(at, other);
    }
}

/// The order in which one of the replicas is given the events, some of them more than once.
fn deck(history: &mut History, replica: usize) -> Vec<usize> {
    let count = history.made.len();
    let mut all: Vec<usize> = (0..count).collect();
    match replica {
        0 => {}
        1 => {
            all.extend((0..count / 4).map(|_| history.below(count)));
            shuffle(history, &mut all);
        }
        // All that one of them knew, and then the rest with the last first.
        _ => {
            let who = history.below(AUTHORS);
            let (mut first, rest): (Vec<usize>, Vec<usize>) = all.iter().partition(|at| history.knows(who, **at));
            shuffle(history, &mut first);
            all = first;
            all.extend(rest.into_iter().rev());
        }
    }
    all
}

impl Sim {
    /// Gives a replica all events, in turns of several, until it takes no more of them; which it took, and let stand.
    fn give_all(&mut self, replica: usize, history: &mut History) -> Vec<bool> {
        let room = history.room;
        let views: Vec<Vec<EventId>> = history.views.iter().cloned().collect();
        let mut taken = vec![false; history.made.len()];
        let mut deck = deck(history, replica);
        self.nodes[replica].keep_room(&room, self.now);
        for round in 0.. {
            assert!(round < ROUNDS, "{replica} goes on taking events");
            let before = taken.clone();
            let lacked = self.lacks_bodies(replica, history);
            let mut left = deck.as_slice();
            while !left.is_empty() {
                let (now, later) = left.split_at((1 + history.below(200)).min(left.len()));
                let events: Vec<SignedEvent> = now.iter().map(|at| history.made[*at].event.clone()).collect();
                let took = self.nodes[replica].take_of_room(&room, &views, &events, self.now);
                for (at, took) in now.iter().zip(took) {
                    taken[*at] |= took;
                }
                left = later;
                if history.chance(10) {
                    self.let_it_work(replica);
                }
            }
            deck = self.lacks_bodies(replica, history);
            if taken == before && deck == lacked {
                break;
            }
            deck.extend((0..taken.len()).filter(|at| !taken[*at]));
            shuffle(history, &mut deck);
        }
        self.let_it_work(replica);
        (0..taken.len())
            .map(|at| taken[at] && !self.is_void(replica, &history.made[at].id()))
            .collect()
    }

    /// The events of which a replica would ask for the body, since it was erased for something that counts no more.
    fn lacks_bodies(&self, replica: usize, history: &History) -> Vec<usize> {
        let no = self.number_of(replica, &history.room).expect("kept");
        let store = self.nodes[replica].store();
        let lacks = |at: &usize| bodiless::may_come(store, no, &history.made[*at].id()).expect("readable");
        (0..history.made.len()).filter(lacks).collect()
    }

    /// Whether what was said has no effect at a replica: nobody had a right to it, as it turned out.
    fn is_void(&self, replica: usize, id: &EventId) -> bool {
        annotations::ruling(self.nodes[replica].store(), id)
            .expect("readable")
            .void
    }

    /// What is due happens: deletions are carried out.
    fn let_it_work(&mut self, replica: usize) {
        for _ in 0..100 {
            // What one turn leaves is for the next millisecond.
            self.now += 2;
            if self.nodes[replica].next_tick().is_none_or(|due| due > self.now) {
                return;
            }
            drop(self.nodes[replica].turn(Input::Tick, self.now));
        }
        panic!("{replica} has something to do for ever");
    }

    /// All that readers see of the room at a replica, by name.
    fn view_of(&mut self, replica: usize, room: &ConversationId) -> Vec<(String, String)> {
        let no = self.number_of(replica, room).expect("kept");
        let state = self.nodes[replica].room_state(room, self.now);
        let shows = self.shows(replica, room);
        let store = self.nodes[replica].store();
        let row = rooms::get(store, no).expect("readable").expect("a room");
        // What it is found by here was its first name here.
        let row = RoomRow {
            slug: String::new(),
            ..row
        };
        let members = rooms::members(store, no).expect("readable").into_iter();
        // Since when they are there is about who looks.
        let members: Vec<_> = members
            .map(|(user, row)| (user, row.rank, row.history, row.devices, row.came))
            .collect();
        let banned = rooms::banned(store, no).expect("readable");
        let mut view = vec![
            ("state".to_owned(), format!("{state:#?}")),
            ("members".to_owned(), format!("{members:?} {banned:?}")),
            ("room".to_owned(), format!("{row:?}")),
            ("happened".to_owned(), format!("{:?}", self.happened(replica, room))),
            ("pins".to_owned(), format!("{:?} {:?}", shows.pins, shows.timer)),
        ];
        // Elsewhere that is not even there.
        let void = |state: &State| state.shown == Shown::Absent(Absent::Void);
        let messages = shows.messages.into_iter().filter(|(_, state)| !void(state));
        view.extend(messages.map(|(id, state)| (id.to_string(), format!("{state:?}"))));
        view
    }
}

fn hash(view: &[(String, String)]) -> u64 {
    let mut hasher = DefaultHasher::new();
    view.hash(&mut hasher);
    hasher.finish()
}

/// Where two views begin to differ.
fn difference(one: &[(String, String)], other: &[(String, String)]) -> String {
    let mut pairs = one.iter().zip(other);
    let Some((one, other)) = pairs.find(|(one, other)| one != other) else {
        return format!("{} against {} messages", one.len(), other.len());
    };
    let mut lines = one.1.lines().zip(other.1.lines());
    let line = lines
        .find(|(one, other)| one != other)
        .unwrap_or((one.1.as_str(), other.1.as_str()));
    format!("{} and {}:\n{}\n{}", one.0, other.0, line.0, line.1)
}

fn check(seed: u64) -> BTreeMap<&'static str, u64> {
    let (mut history, mut happened) = history(seed);
    let mut sim = Sim::new(seed, &REPLICAS);
    assert_eq!(sim.now, START);
    // Every clock is in the past, and every time that has come came long ago.
    sim.now = history.now + 100 * HOUR;
    let mut views = Vec::new();
    for (replica, how) in REPLICAS.iter().enumerate() {
        let taken = sim.give_all(replica, &mut history);
        views.push((how, taken, sim.view_of(replica, &history.room)));
        for (what, kind) in VOID {
            let void = history.made.iter().filter(|made| {
                let header = made.event.header();
                header.kind == kind && sim.is_void(replica, &made.id())
            });
            *happened.entry(what).or_default() += void.count() as u64;
        }
    }
    let (_, taken, expected) = &views[0];
    let forked = history.forked();
    happened.insert("numbers given out twice", forked);
    let around = expected
        .iter()
        .filter(|(_, state)| state.contains("around_removal: true"));
    happened.insert("around a removal", around.count() as u64);
    for (how, other, view) in &views[1..] {
        let differs = (0..taken.len()).find(|at| taken[*at] != other[*at]);
        assert_eq!(differs, None, "event stands in order and {how}, or not");
        let equal = hash(view) == hash(expected);
        assert!(equal, "{how} is seen otherwise: {}", difference(expected, view));
    }
    happened.insert("all", taken.len() as u64);
    happened.insert("standing", taken.iter().filter(|taken| **taken).count() as u64);
    happened.insert("views of several", history.views.len() as u64);
    happened
}

#[test]
fn all_replicas_of_a_room_come_to_one_view_in_any_order_with_repetition_and_partition() {
    let seeds = seeds::seeds(0..256);
    let many = seeds.end - seeds.start >= 256;
    let happened = seeds::each("sim::tests::rooms_view", seeds, check);
    let count = |what| happened.get(what).copied().unwrap_or(0);
    for what in [
        "said",
        "asked",
        "edited",
        "deleted",
        "reacted",
        "pinned",
        "voted",
        "closed",
        "timed",
        "joined",
        "left",
        "renamed",
        "ranked",
        "removed",
        "removed unawares",
        "around a removal",
        "numbers given out twice",
        "invited",
        "unbanned",
        "given",
        "ruled",
        "views of several",
        "void messages",
        "void edits",
        "void deletions",
        "void reactions",
        "void pins",
        "void votes",
    ] {
        let least = if what.starts_with("void") { 5 } else { 10 };
        assert!(!many || count(what) >= least, "{what} is rare: {happened:?}");
    }
    assert!(!many || count("standing") * 10 >= count("all") * 6, "{happened:?}");
}

//! Sessions that both sides begin at once: both are kept, and both sides come to send on the same one.

use std::collections::BTreeMap;

use parlour_store::contacts::ContactState;
use parlour_store::sessions;

use super::super::seeds;
use super::*;

/// Both begin, and neither knows of the other's beginning.
const CASES: [&str; 3] = [
    "each opens an invite of the other",
    "each has lost its sessions",
    "each has lost its sessions while they were apart",
];

impl Sim {
    /// The session a node seals with for the other one.
    fn sends_on(&self, at: usize, to: usize) -> Option<parlour_crypto::SessionId> {
        self.nodes[at].engine().sends_on(&self.user(to))
    }

    fn sessions_at(&self, index: usize) -> usize {
        sessions::all(self.nodes[index].store()).expect("readable").len()
    }

    fn lose_sessions(&mut self, index: usize) {
        let now = self.now;
        for command in self.nodes[index].lose_sessions(now) {
            self.execute(index, command);
        }
        self.schedule_tick(index);
    }
}

/// Contacts by two invites that cross.
fn by_invites(seed: u64) -> Sim {
    let mut sim = Sim::with(seed, &["ada", "bo"]);
    let made = [0, 1].map(|index| sim.invite(index, 60 * MINUTE, 1));
    sim.open_invite(0, &made[1].link).expect("the invite opens");
    sim.open_invite(1, &made[0].link).expect("the invite opens");
    sim
}

/// Contacts whose sessions are lost on both sides at one moment.
fn anew(seed: u64, apart: bool) -> Sim {
    let (mut sim, conversation) = Sim::friends(seed);
    sim.tell(0, conversation, "before");
    sim.wait(MINUTE);
    assert!(sim.sends_on(0, 1).is_some() && sim.sends_on(0, 1) == sim.sends_on(1, 0));
    if apart {
        sim.cut(0, 1);
        sim.wait(SECOND);
    }
    (0..2).for_each(|index| sim.lose_sessions(index));
    assert_eq!([sim.sends_on(0, 1), sim.sends_on(1, 0)], [None, None]);
    sim.mend_all();
    sim
}

fn run(seed: u64) -> BTreeMap<&'static str, u64> {
    let case = CASES[(seed % 3) as usize];
    let mut sim = match seed % 3 {
        0 => by_invites(seed),
        which => anew(seed, which == 2),
    };
    let conversation = sim.direct(0, 1);
    let pause = sim.below(2 * SECOND);
    let mut said = sim
        .number_of(0, &conversation)
        .map_or(0, |_| sim.plain_texts(0, &conversation).len());
    for n in 0..6 {
        sim.wait(pause);
        for from in [0, 1] {
            sim.tell(from, conversation, &format!("{n} from {from}"));
            said += 1;
        }
    }
    sim.wait(10 * MINUTE);
    for (index, other) in [(0, 1), (1, 0)] {
        assert_eq!(sim.state_at(index, other), Some(ContactState::Accepted), "{case}");
        assert_eq!(sim.plain_texts(index, &conversation).len(), said, "{case}");
        let statuses = sim.statuses(index, &conversation);
        let done = |status: &MessageStatus| matches!(status, MessageStatus::Delivered | MessageStatus::Received);
        assert!(statuses.iter().all(done), "{case}: {statuses:?}");
    }
    let (a, b) = (sim.sends_on(0, 1), sim.sends_on(1, 0));
    assert!(a.is_some() && a == b, "{case}: one sends on {a:?}, the other on {b:?}");
    if (0..2).all(|index| sim.sessions_at(index) == 2) {
        sim.note(case);
    }
    sim.happened
}

#[test]
fn two_who_begin_at_once_come_to_send_on_one_session() {
    let seeds = seeds::seeds(0..24);
    let many = seeds.end - seeds.start >= 24;
    let happened = seeds::each("sim::tests::beginnings", seeds, run);
    // Those who were apart need not cross.
    for case in &CASES[..2] {
        let crossed = happened.get(case).copied().unwrap_or(0);
        assert!(!many || crossed >= 3, "two sessions of {case:?}: {happened:?}");
    }
}

#[test]
fn an_invite_opened_while_a_clock_was_days_ahead_makes_contacts_once_it_is_right() {
    for (seed, who) in [(1, 0), (2, 1)] {
        let mut sim = Sim::with(seed, &["ada", "bo"]);
        let made = sim.invite(0, 7 * DAY, 1);
        let right = sim.nodes[who].ahead;
        sim.nodes[who].ahead += 3 * DAY as i64;
        sim.schedule_tick(who);
        sim.open_invite(1, &made.link).expect("the invite opens");
        sim.wait(MINUTE);
        sim.nodes[who].ahead = right;
        sim.schedule_tick(who);
        sim.wait(15 * MINUTE);
        for (index, other) in [(0, 1), (1, 0)] {
            assert_eq!(
                sim.state_at(index, other),
                Some(ContactState::Accepted),
                "{who} was ahead"
            );
        }
        let conversation = sim.direct(0, 1);
        sim.tell(0, conversation, "there you are");
        sim.wait(5 * SECOND);
        assert_eq!(sim.statuses(0, &conversation), [Delivered], "{who} was ahead");
    }
}

//! What has to hold at every moment, not only at the end: what a node was told yes to is on its disk after every start, what a device
//! acknowledged is on its disk, and who is blocked changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::EventId;
use parlour_store::view::{Shown, State};
use parlour_store::{EventKey, devices, events, logs};

use super::Sim;
use super::disk::{Crash, Files};
use super::people::Shows;

/// A copy of a disk, and the events of the ledger on it.
pub(super) struct DiskCopy {
    files: Files,
    on_it: BTreeSet<EventId>,
}

impl DiskCopy {
    pub(super) fn files(&self) -> &Files {
        &self.files
    }
}

/// What the run remembers of people's disks and decisions.
#[derive(Default)]
pub(super) struct Watched {
    copies: BTreeMap<usize, DiskCopy>,
    /// Who blocks whom, and what was shown of them then.
    blocked: BTreeMap<(usize, usize), Shows>,
}

impl Sim {
    /// After a start: everything the node was told yes to is there, and everything it has acknowledged.
    pub(super) fn watch_start(&self, index: usize) {
        if self.nodes[index].damaged {
            return;
        }
        self.watch_acknowledgements();
        let store = self.nodes[index].store();
        for (id, entry) in &self.ledger.entries {
            if entry.by == index && entry.certain && !entry.away {
                let there = events::place(store, id).expect("readable").is_some();
                assert!(
                    there,
                    "node {index} was told yes to {:?}, and has it no more",
                    entry.body
                );
            }
        }
    }

    /// Every engine looks after itself once a minute by its own clock, wherever that was set: one whose next timer is later than that
    /// is silent.
    pub(super) fn watch_timers(&self, index: usize) {
        /// Steps of a clock that are waited out.
        const STEP: u64 = 2 * super::SECOND;
        let node = &self.nodes[index];
        let due = node.engine().next_tick().expect("there is always something to do");
        let now = node.clock(self.now);
        assert!(
            due <= now + super::MINUTE + STEP,
            "{index} has nothing to do for {} ms",
            due - now
        );
    }

    /// What others count as delivered is on the disk of those who said so.
    pub(super) fn watch_acknowledgements(&self) {
        let is_steady = |n: &usize| {
            let node = &self.nodes[*n];
            node.is_up() && !node.rolled_back && !node.damaged && !node.bad
        };
        let steady: Vec<usize> = (0..self.nodes.len()).filter(is_steady).collect();
        for &a in &steady {
            for &b in steady.iter().filter(|b| **b != a) {
                let (store, own) = (self.nodes[a].store(), self.nodes[a].engine().own());
                let device = self.nodes[b].engine().device();
                let (Some(no), Some(to)) = (
                    self.number_of(a, &self.direct(a, b)),
                    devices::number(store, device).expect("readable"),
                ) else {
                    continue;
                };
                for (log, _) in logs::of_conversation(store, no).expect("readable") {
                    if log.device != own.device {
                        continue;
                    }
                    let acked = logs::delivery(store, &log, to).expect("readable").acked;
                    for seq in acked.values() {
                        let key = EventKey { log, seq, branch: 0 };
                        let event = events::get(store, &key).expect("readable").expect("it was sent");
                        let there = events::place(self.nodes[b].store(), &event.id()).expect("readable");
                        assert!(there.is_some(), "{b} acknowledged {seq} of {a} and does not have it");
                    }
                }
            }
        }
    }

    /// Takes a copy of a disk, or puts one back.
    pub(super) fn copy_or_restore(&mut self, who: usize) {
        if let Some(copy) = self.watched.copies.remove(&who) {
            self.note("old copy put back");
            self.put_back(who, &copy);
            self.later(self.now + 1_000, who, super::Pending::Start);
            return;
        }
        let known = |other: usize| {
            other == who || self.state_at(who, other) == Some(parlour_store::contacts::ContactState::Accepted)
        };
        // Nobody can give back a contact that the copy does not know.
        if self.nodes[who].is_up() && (0..self.nodes.len()).all(known) {
            let copy = self.copy_disk(who);
            self.watched.copies.insert(who, copy);
        }
    }

    /// Copies the disk of a node that runs.
    pub(super) fn copy_disk(&self, who: usize) -> DiskCopy {
        let store = self.nodes[who].store();
        let written = self.ledger.entries.keys();
        let on_it = written.filter(|id| events::place(store, id).expect("readable").is_some());
        DiskCopy {
            on_it: on_it.copied().collect(),
            files: self.nodes[who].copy_disk(),
        }
    }

    /// Ends a node and puts its disk back to a copy.
    pub(super) fn put_back(&mut self, who: usize, copy: &DiskCopy) {
        self.down(who, Crash::Killed);
        self.nodes[who].restore_disk(&copy.files);
        self.nodes[who].rolled_back = true;
        self.lost_with_the_disk(who, &copy.on_it);
        self.ledger.forget_logs_of(who);
        self.watched.blocked.retain(|(by, _), _| *by != who);
    }

    /// What no other disk has is gone with this one; what another has must come back.
    fn lost_with_the_disk(&mut self, who: usize, left: &BTreeSet<EventId>) {
        let mut entries = std::mem::take(&mut self.ledger.entries);
        for (id, entry) in entries.iter_mut().filter(|(id, _)| !left.contains(*id)) {
            let holds = |n: usize| match self.nodes[n].is_up() {
                true => events::place(self.nodes[n].store(), id).expect("readable").is_some(),
                false => n == entry.by && !entry.away,
            };
            entry.certain &= (0..self.nodes.len()).any(|n| n != who && holds(n));
            entry.away |= entry.by == who;
        }
        self.ledger.entries = entries;
    }

    pub(super) fn block_or_unblock(&mut self, who: usize) {
        let blocked = self.watched.blocked.keys().find(|(by, _)| *by == who).copied();
        if let Some((_, whom)) = blocked {
            self.watch_blocks();
            // Whoever crashes has done it, perhaps.
            if self.nodes[who].is_up() {
                self.watched.blocked.remove(&(who, whom));
            }
            self.try_block(who, whom, false);
            return;
        }
        let others = self.nodes.len() as u64 - 1;
        let whom = (who + 1 + self.below(others) as usize) % self.nodes.len();
        if self.nodes[who].is_up() && self.try_block(who, whom, true) {
            self.note("block");
            let conversation = self.direct(who, whom);
            if self.number_of(who, &conversation).is_some() {
                let shows = self.shows(who, &conversation);
                self.watched.blocked.insert((who, whom), shows);
            }
        }
    }

    /// Whether it was answered yes.
    fn try_block(&mut self, who: usize, whom: usize, blocked: bool) -> bool {
        let user = self.user(whom);
        let change = crate::engine::ContactChange {
            blocked: Some(blocked),
            ..crate::engine::ContactChange::default()
        };
        let decision = crate::engine::Decision::Contact(user, change);
        let answer = self.ask(who, |reply| crate::engine::Command::Decide(decision, reply));
        matches!(answer, Some(Ok(()))) && self.nodes[who].is_up()
    }

    /// Who is blocked changes nothing that is shown; time may.
    pub(super) fn watch_blocks(&self) {
        for (&(who, whom), before) in &self.watched.blocked {
            if !self.nodes[who].is_up() {
                continue;
            }
            let after = self.shows(who, &self.direct(who, whom));
            let ids = |shows: &Shows| shows.messages.iter().map(|(id, _)| *id).collect::<Vec<_>>();
            assert_eq!(
                ids(before),
                ids(&after),
                "{who} sees something of {whom}, whom they have blocked"
            );
            assert_eq!(
                before.timer, after.timer,
                "{whom}, who is blocked, set a timer at {who}"
            );
            for ((id, before), (_, after)) in before.messages.iter().zip(&after.messages) {
                let gone = matches!(after.shown, Shown::Absent(_)) && before.expires.is_some();
                // Replies are looked at for themselves, and their time may come.
                let before = &State {
                    replies: after.replies,
                    ..before.clone()
                };
                assert!(
                    gone || before == after,
                    "{whom}, who is blocked, changed {id} at {who}: {before:?}, {after:?}"
                );
            }
        }
    }

    /// Everybody who was blocked is let in again.
    pub(super) fn unblock_all(&mut self, honest: usize) {
        self.watched.blocked.clear();
        for who in 0..honest {
            for whom in (0..self.nodes.len()).filter(|whom| *whom != who) {
                // Who is no contact yet, and a bad one may never become one, cannot be blocked.
                if self.state_at(who, whom).is_some() {
                    self.block(who, whom, false);
                }
            }
        }
    }
}

//! What was accepted: every event that the people of a simulation wrote, as it stood on the writer's disk right after the commit, and
//! whether the writer was told yes. What was written and not answered may be there or not, but then everywhere.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{Body, ConversationId, EventId, UserId, VerifiedEvent};
use parlour_store::timeline::Position;
use parlour_store::{EventKey, LogKey, conversations, events, logs};

use super::Sim;

/// One event that somebody wrote.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) by: usize,
    pub(super) user: UserId,
    pub(super) conversation: ConversationId,
    pub(super) at: Position,
    pub(super) body: Body,
    /// The writer was told yes, and some disk has it.
    pub(super) certain: bool,
    /// The writer's disk was put back to a copy without it.
    pub(super) away: bool,
}

#[derive(Default)]
pub(super) struct Ledger {
    pub(super) entries: BTreeMap<EventId, Entry>,
    fresh: Vec<EventId>,
    /// How far each log was read.
    seen: BTreeMap<(usize, LogKey), u64>,
}

impl Ledger {
    /// A command begins.
    pub(super) fn begin(&mut self) {
        self.fresh.clear();
    }

    /// It was said yes to.
    pub(super) fn confirm(&mut self) {
        for id in self.fresh.drain(..) {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.certain = true;
            }
        }
    }

    /// A disk may hold less than before: its logs are read again.
    pub(super) fn forget_logs_of(&mut self, node: usize) {
        self.seen.retain(|(of, _), _| *of != node);
    }

    pub(super) fn of(&self, conversation: &ConversationId) -> impl Iterator<Item = (&EventId, &Entry)> {
        let conversation = *conversation;
        let entries = self.entries.iter();
        entries.filter(move |(_, entry)| entry.conversation == conversation)
    }
}

impl Sim {
    /// Takes up what a node has just written.
    pub(super) fn observe(&mut self, index: usize) {
        let store = self.nodes[index].store();
        let own = self.nodes[index].engine().own();
        for (no, row) in conversations::all(store).expect("readable") {
            let own_logs = logs::of_conversation(store, no).expect("readable");
            for (log, held) in own_logs.into_iter().filter(|(log, _)| log.device == own.device) {
                let last = held.have.max().unwrap_or(0);
                let seen = self.ledger.seen.insert((index, log), last).unwrap_or(0);
                for seq in held.have.values().filter(|seq| *seq > seen) {
                    let key = EventKey { log, seq, branch: 0 };
                    let Some(event) = events::get(store, &key).expect("readable") else {
                        continue;
                    };
                    let id = event.id();
                    let body = event.body().map(|(_, body)| Body::read(event.header().kind, body));
                    let Some(Ok(body)) = body.filter(|_| !self.ledger.entries.contains_key(&id)) else {
                        continue;
                    };
                    self.assert_follows(index, &row.id, &event);
                    let entry = Entry {
                        by: index,
                        user: own.user,
                        conversation: row.id,
                        at: Position {
                            clock: event.header().clock,
                            id,
                        },
                        body,
                        certain: false,
                        away: false,
                    };
                    self.ledger.entries.insert(id, entry);
                    self.ledger.fresh.push(id);
                }
            }
        }
    }

    /// A new event names the newest that its author had seen, and stands behind it.
    fn assert_follows(&self, index: usize, conversation: &ConversationId, event: &VerifiedEvent) {
        let beside = |bad: usize| self.nodes[bad].bad && (bad == index || *conversation == self.direct(index, bad));
        // With clocks that were set anew, what came may have been held back until this very turn.
        let clocks = self.weather.jump > 0 || self.weather.sleep > 0;
        if clocks || (0..self.nodes.len()).any(beside) {
            return;
        }
        let now = self.nodes[index].clock(self.now);
        let store = self.nodes[index].store();
        let seen = self.ledger.of(conversation).filter(|(id, _)| {
            let place = events::place(store, id).expect("readable");
            place.is_some() && **id != event.id()
        });
        let Some(newest) = seen.map(|(_, entry)| entry.at).max() else {
            return;
        };
        if newest.clock <= now + 8 * super::MINUTE {
            let header = event.header();
            let named = header.parents.contains(&newest.id) || header.prev == Some(newest.id);
            assert!(
                named,
                "{index} does not name the newest event it had seen: {newest:?}, {:?}; {header:?}, now {now}",
                self.ledger.entries.get(&newest.id)
            );
            assert!(header.clock > newest.clock, "{index} writes before what it had seen");
        }
    }

    /// The ids of all events that a node holds of a conversation.
    pub(super) fn held(&self, index: usize, conversation: &ConversationId) -> BTreeSet<EventId> {
        let store = self.nodes[index].store();
        let Some(no) = self.number_of(index, conversation) else {
            return BTreeSet::new();
        };
        let mut ids = BTreeSet::new();
        for (log, row) in logs::of_conversation(store, no).expect("readable") {
            for seq in row.have.values() {
                for branch in 0..=u8::MAX {
                    let key = EventKey { log, seq, branch };
                    let Some(event) = events::get(store, &key).expect("readable") else {
                        assert!(branch > 0, "node {index} lists {key:?} and does not have it");
                        break;
                    };
                    ids.insert(event.id());
                    if !row.forked {
                        break;
                    }
                }
            }
        }
        ids
    }
}

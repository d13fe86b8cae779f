//! What has to be true when the network has healed and everybody had the time to talk.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{Body, ConversationId, DeviceId, EventId};
use parlour_store::contacts::ContactState;
use parlour_store::feed::{self, FeedRow};
use parlour_store::view::{DeliveryView, MessageStatus, Shown, message};
use parlour_store::{EventKey, conversations, devices, events, logs, timeline};

use super::fold::fold;
use super::ledger::Entry;
use super::{Sim, Wire};

impl Sim {
    /// Checks everything between the first `honest` nodes, and what they show of the others.
    pub(super) fn check(&self, honest: usize) {
        self.watch_acknowledgements();
        for a in 0..honest {
            self.watch_start(a);
            self.check_store(a);
            for b in a + 1..self.nodes.len() {
                match b < honest {
                    true => self.check_pair(a, b),
                    false => self.check_beside(a, b),
                }
            }
        }
    }

    /// The same events, the same view of them, and that is what they mean.
    fn check_pair(&self, a: usize, b: usize) {
        let conversation = self.direct(a, b);
        for (at, of) in [(a, b), (b, a)] {
            assert_eq!(
                self.state_at(at, of),
                Some(ContactState::Accepted),
                "{of} is no contact of {at}"
            );
        }
        let (at_a, at_b) = (self.held(a, &conversation), self.held(b, &conversation));
        let apart: Vec<_> = at_a
            .symmetric_difference(&at_b)
            .map(|id| (id, at_a.contains(id), self.ledger.entries.get(id)))
            .collect();
        assert!(
            apart.is_empty(),
            "{a} and {b} hold different events (there at {a}?): {apart:?}; {:?}",
            self.happened
        );
        let mut present: Vec<&Entry> = Vec::new();
        for (id, entry) in self.ledger.of(&conversation) {
            if at_a.contains(id) {
                present.push(entry);
            } else {
                assert!(
                    !entry.certain,
                    "{:?} of {} was accepted, and is nowhere",
                    entry.body, entry.by
                );
            }
        }
        assert_eq!(present.len(), at_a.len(), "nobody wrote some of what {a} and {b} hold");
        self.check_once(&present);
        let expected = fold(&present, self.now);
        for index in [a, b] {
            let shown = self.shows(index, &conversation);
            for (got, want) in shown.messages.iter().zip(&expected.messages) {
                assert_eq!(
                    got, want,
                    "{index} shows a message of {conversation} otherwise than it is"
                );
            }
            assert_eq!(shown, expected, "{index} shows {conversation} otherwise than it is");
            self.check_statuses(index, &conversation);
        }
    }

    /// No two envelopes carry the same header nonce: with it the key of a message is another one, even where a ratchet is used again, as by
    /// a disk that was put back.
    pub(super) fn check_nonces(&self) {
        let mut seen = BTreeMap::new();
        for wire in &self.wire {
            let Wire::Envelope(data) = wire else { continue };
            let Ok((prefix, rest)) = parlour_crypto::parse(data) else {
                continue;
            };
            if let Some(other) = seen.insert((prefix.tag, &rest[..24]), data) {
                assert_eq!(other, data, "a nonce was used for another envelope");
            }
        }
    }

    /// What was sent with a client id is there once, however often it was asked for.
    fn check_once(&self, present: &[&Entry]) {
        let mut texts: BTreeMap<(usize, String), usize> = BTreeMap::new();
        for entry in present.iter().filter(|entry| !self.nodes[entry.by].rolled_back) {
            if let Body::Message(message) = &entry.body {
                *texts.entry((entry.by, message.content.words())).or_default() += 1;
            }
        }
        for ((by, text), count) in texts {
            assert_eq!(count, 1, "{text:?} of {by} is there {count} times");
        }
    }

    /// Everything is read, and said to be.
    fn check_statuses(&self, index: usize, conversation: &ConversationId) {
        let store = self.nodes[index].store();
        let no = self.number_of(index, conversation).expect("it is there");
        let own = self.nodes[index].engine().own();
        let mut delivery = DeliveryView::new(store, own, no).expect("readable");
        for entry in timeline::after(store, no, None, usize::MAX).expect("readable") {
            let status = message(store, &entry, &mut delivery).expect("readable").status;
            let done = match status {
                MessageStatus::Received => entry.event.log.device != own.device,
                MessageStatus::Read => true,
                _ => false,
            };
            assert!(
                done,
                "{:?} at {index} is {status:?}, and everybody has read it",
                entry.event
            );
        }
        assert_eq!(self.unread(index, conversation), 0, "{index} has read everything");
    }

    /// A conversation with somebody who does not keep to the rules: own words are there, nobody else's are taken for them, and what is
    /// shown is what was signed.
    fn check_beside(&self, a: usize, bad: usize) {
        let conversation = self.direct(a, bad);
        let Some(no) = self.number_of(a, &conversation) else {
            return;
        };
        let store = self.nodes[a].store();
        let held = self.held(a, &conversation);
        for (id, entry) in self.ledger.of(&conversation) {
            let lost = entry.by == a && entry.certain && !entry.away && !held.contains(id);
            assert!(!lost, "{:?} was accepted by {a} and is gone", entry.body);
        }
        let keys = self.nodes[bad].keys();
        let (own, theirs) = (*self.nodes[a].engine().device(), keys.id());
        let mut meant: Vec<Entry> = Vec::new();
        for id in &held {
            let event = self.event(a, id);
            let author: DeviceId = event.header().device;
            assert!(
                author == own || author == theirs,
                "{a} holds events of nobody in this conversation"
            );
            assert!(
                author != own || self.ledger.entries.contains_key(id),
                "{a} holds words of its own that it never said"
            );
            let place = events::place(store, id).expect("readable").expect("held");
            let due = event.header().clock.saturating_sub(10 * super::MINUTE);
            let waits = timeline::is_held(store, due, &place).expect("readable");
            let body = event.body().map(|(_, body)| Body::read(event.header().kind, body));
            if let Some(Ok(body)) = body.filter(|_| !waits) {
                meant.push(Entry {
                    by: if author == own { a } else { bad },
                    user: self.user(if author == own { a } else { bad }),
                    conversation,
                    at: timeline::Position {
                        clock: event.header().clock,
                        id: *id,
                    },
                    body,
                    certain: false,
                    away: false,
                });
            }
        }
        let meant: Vec<&Entry> = meant.iter().collect();
        let reference: BTreeMap<EventId, _> = fold(&meant, self.now).messages.into_iter().collect();
        let shown = self.shows(a, &conversation);
        let entries = timeline::after(store, no, None, usize::MAX).expect("readable");
        assert!(
            entries.is_sorted_by(|x, y| x.at < y.at),
            "{a} shows {conversation} out of order"
        );
        for (id, state) in &shown.messages {
            let expected = reference.get(id).map(|state| &state.shown);
            match &state.shown {
                Shown::Absent(_) => assert!(expected.is_none_or(|shown| matches!(shown, Shown::Absent(_)))),
                Shown::Unsupported => assert_eq!(expected, None),
                _ => assert_eq!(
                    reference.get(id),
                    Some(state),
                    "{a} shows {id} otherwise than it was signed"
                ),
            }
        }
    }

    /// The store agrees with itself, and the feed tells each shown message once.
    fn check_store(&self, index: usize) {
        let store = self.nodes[index].store();
        let audit = parlour_store::check(store, |_, _| ()).expect("readable");
        assert_eq!(audit.problems, [], "node {index}");
        let mut told: BTreeMap<EventKey, Vec<u64>> = BTreeMap::new();
        for (_, row) in feed::after(store, 0, usize::MAX).expect("readable") {
            if let FeedRow::Message { event, room_seq } = row {
                told.entry(event).or_default().push(room_seq);
            }
        }
        for (no, _) in conversations::all(store).expect("readable") {
            let mut arrivals = BTreeSet::new();
            for entry in timeline::after(store, no, None, usize::MAX).expect("readable") {
                assert!(
                    arrivals.insert(entry.room_seq),
                    "two messages have one arrival number at {index}"
                );
                assert_eq!(
                    told.get(&entry.event),
                    Some(&vec![entry.room_seq]),
                    "the feed of {index}"
                );
            }
        }
        // What nobody can give is not waited for.
        for (no, row) in devices::all(store).expect("readable") {
            let named = devices::number(store, &row.id).expect("readable");
            assert_eq!(named, Some(no), "a device of {index} has two numbers");
        }
        let lost = |key: &EventKey| events::get(store, key).expect("readable").is_none();
        for (no, _) in conversations::all(store).expect("readable") {
            for (log, row) in logs::of_conversation(store, no).expect("readable") {
                let gone = row.have.values().map(|seq| EventKey { log, seq, branch: 0 }).find(lost);
                assert_eq!(gone, None, "listed and not there at {index}");
            }
        }
    }
}

//! Contacts with other code: what they cost is bounded, and nobody else notices.

use parlour_crypto::{Draft, Frame, Have, KIND_MESSAGE, Message};
use parlour_store::{feed, logs};

use super::*;

/// Bo keeps to no rule; Cy is a friend of Ada's.
fn three(seed: u64) -> (Sim, ConversationId) {
    let mut sim = Sim::with(seed, &["ada", "bo", "cy"]);
    sim.introduce(0, 1);
    sim.introduce(0, 2);
    sim.wait(5 * SECOND);
    let conversation = sim.direct(0, 1);
    (sim, conversation)
}

impl Sim {
    fn sent_by(&self, index: usize) -> u64 {
        self.network.sent.get(&index).copied().unwrap_or(0)
    }

    /// Cy and Ada talk as if nobody else was there.
    fn assert_others_talk(&mut self) {
        let conversation = self.direct(0, 2);
        for who in [0, 2] {
            self.tell(who, conversation, &format!("by {who}"));
        }
        self.wait(2 * SECOND);
        for index in [0, 2] {
            let statuses = self.statuses(index, &conversation);
            assert!(
                statuses.iter().all(|status| *status >= Delivered),
                "{index}: {statuses:?}"
            );
        }
    }

    /// A message of bo's at a place of its log.
    fn placed(&mut self, conversation: ConversationId, log: u32, seq: u64, text: &str) -> Vec<u8> {
        let body = Message::text(text).encode().expect("short");
        let draft = Draft {
            kind: KIND_MESSAGE,
            conversation,
            device: self.nodes[1].keys().id(),
            log,
            seq,
            prev: (seq > 1).then(|| EventId::from_bytes([seq as u8; 32])),
            parents: Vec::new(),
            clock: self.now,
            view: None,
        };
        self.signed(1, draft, &body).to_wire()
    }

    fn give(&mut self, conversation: ConversationId, events: Vec<Vec<u8>>) {
        self.say_to(1, Some(0), &Frame::Events { conversation, events });
    }
}

#[test]
fn who_says_again_and_again_that_it_holds_nothing_is_given_everything_a_few_times_only() {
    let (mut sim, conversation) = three(51);
    for n in 0..100 {
        sim.tell(0, conversation, &format!("{n} {}", "x".repeat(1_000)));
    }
    sim.wait(10 * SECOND);
    let before = sim.sent_by(0);
    for _ in 0..500 {
        let have = Have {
            conversation,
            full: true,
            logs: Vec::new(),
        };
        sim.say_to(1, Some(0), &Frame::Have(have));
        sim.wait(20);
    }
    let sent = sim.sent_by(0) - before;
    assert!(
        sent < 500_000,
        "{sent} bytes for 500 claims about 100 000 bytes of messages"
    );
    sim.assert_others_talk();
}

#[test]
fn what_is_said_elsewhere_is_given_to_nobody() {
    let (mut sim, _) = three(52);
    let elsewhere = sim.direct(0, 2);
    let ids: Vec<EventId> = (0..20)
        .map(|n| sim.tell(0, elsewhere, &format!("for cy {n}")))
        .collect();
    sim.wait(5 * SECOND);
    let before = sim.sent_by(0);
    for conversation in [sim.direct(0, 1), elsewhere, ConversationId::notes(&sim.user(0))] {
        let ids = ids.clone();
        sim.say_to(1, Some(0), &Frame::Want { conversation, ids });
    }
    sim.wait(500);
    assert_eq!(sim.sent_by(0), before, "a question about others is not answered");
}

#[test]
fn branches_gaps_and_logs_are_kept_up_to_a_bound() {
    let (mut sim, conversation) = three(53);
    let branches = (0..40)
        .map(|n| sim.placed(conversation, 1, 1, &format!("branch {n}")))
        .collect();
    sim.give(conversation, branches);
    for part in 0..12 {
        let gaps = (0..100).map(|n| sim.placed(conversation, 1, 3 + 2 * (part * 100 + n), "gap"));
        let gaps = gaps.collect();
        sim.give(conversation, gaps);
        sim.wait(100);
    }
    let many = (2..100).map(|log| sim.placed(conversation, log, 1, "log")).collect();
    sim.give(conversation, many);
    sim.wait(5 * SECOND);
    let store = sim.nodes[0].store();
    let no = sim.number_of(0, &conversation).expect("it is there");
    let held = logs::of_conversation(store, no).expect("readable");
    let (own, bo) = (sim.nodes[0].engine().own().device, sim.nodes[1].keys().id());
    let bo = parlour_store::devices::number(store, &bo).expect("readable");
    let logs_of_bo: Vec<_> = held.iter().filter(|(log, _)| Some(log.device) == bo).collect();
    assert_eq!(logs_of_bo.len(), 64, "no more logs than that");
    let widest = logs_of_bo.iter().map(|(_, row)| row.have.as_slice().len()).max();
    assert_eq!(widest, Some(1_024), "no more gaps than that");
    let first = held.iter().find(|(log, _)| Some(log.device) == bo && log.log == 1);
    assert!(
        first.is_some_and(|(_, row)| row.forked),
        "two claims for one place are a fork"
    );
    let shown = sim.held(0, &conversation).len();
    assert_eq!(
        shown,
        8 + 1_023 + 63,
        "8 branches of the first place, one of each other"
    );
    assert!(held.iter().all(|(log, row)| log.device != own || row.have.is_empty()));
    sim.assert_others_talk();
}

#[test]
fn who_repeats_itself_fills_no_disk() {
    let (mut sim, conversation) = three(54);
    let event = sim.placed(conversation, 1, 1, "once");
    sim.give(conversation, vec![event.clone()]);
    sim.wait(2 * SECOND);
    let (feed, held) = (sim.feed_of(0), sim.held(0, &conversation));
    for _ in 0..200 {
        sim.give(conversation, vec![event.clone(); 5]);
        sim.wait(10);
    }
    assert_eq!((sim.feed_of(0), sim.held(0, &conversation)), (feed, held));
    let rows = feed::after(sim.nodes[0].store(), 0, usize::MAX).expect("readable");
    let shown = rows
        .iter()
        .filter(|(_, row)| matches!(row, feed::FeedRow::Message { .. }));
    assert_eq!(shown.count(), 1);
    sim.assert_others_talk();
}

#[test]
fn two_branches_shown_to_a_node_before_and_after_it_lost_its_power_are_both_kept() {
    let (mut sim, conversation) = three(55);
    let [left, right] = ["left", "right"].map(|text| sim.placed(conversation, 1, 1, text));
    sim.give(conversation, vec![left.clone()]);
    sim.wait(SECOND);
    sim.crash_as(0, Crash::PowerCut);
    sim.wait(10 * SECOND);
    sim.give(conversation, vec![right, left]);
    sim.wait(SECOND);
    let mut texts = sim.plain_texts(0, &conversation);
    texts.sort();
    assert_eq!(texts, ["left", "right"]);
    sim.assert_others_talk();
}

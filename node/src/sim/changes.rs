//! What is done with messages, in bad weather: both sides end with the same view of every message, what was deleted or had its
//! time is on no disk, and what was accepted has its effect.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{ConversationId, EventId, VerifiedEvent};
use parlour_store::view::{Absent, DeliveryView, Shown, State, message};
use parlour_store::{annotations, conversations, events, timeline};

use super::scenario::{MINUTE, STORM, seeds};
use super::{CALM, Sim};
use crate::engine::{Change, ChangeError, ChangeMessage, Command, Expiry, SendText, SetTimer, UpTo};

const EMOJI: [&str; 4] = ["👍", "❤️", "🎉", "👀"];

/// What a node shows of a conversation.
#[derive(Debug, PartialEq)]
struct Shows {
    messages: Vec<(EventId, State)>,
    pins: Vec<EventId>,
    timer: Option<annotations::ConversationTimer>,
}

impl Sim {
    fn shows(&self, index: usize, conversation: &ConversationId) -> Shows {
        let store = self.nodes[index].store();
        let own = self.nodes[index].engine().own();
        let no = conversations::number(store, conversation)
            .expect("readable")
            .expect("the conversation exists");
        let mut delivery = DeliveryView::new(store, own, no).expect("readable");
        let entries = timeline::after(store, no, None, usize::MAX).expect("readable");
        let messages = entries.iter().map(|entry| {
            let view = message(store, entry, &mut delivery).expect("readable");
            let body = events::brief(store, &entry.event).expect("readable").expect("there");
            let absent = matches!(view.state.shown, Shown::Absent(_));
            assert_eq!(
                body.stub, absent,
                "what is not shown is not on the disk: {:?}",
                view.state
            );
            if absent {
                let versions = annotations::edits(store, no, &view.id, &view.author, 1).expect("readable");
                assert_eq!(versions, [], "nothing that was said in place of {} is left", view.id);
            }
            let mut state = view.state;
            // Whose copy came after its time knows that it is gone, and not why.
            if state.shown == Shown::Absent(Absent::Erased) {
                state.shown = Shown::Absent(Absent::Expired);
            }
            (view.id, state)
        });
        Shows {
            messages: messages.collect(),
            pins: annotations::pins(store, no, 1_000).expect("readable"),
            timer: annotations::timer(store, no).expect("readable"),
        }
    }

    fn change(&mut self, index: usize, id: EventId, what: Change) -> Option<Result<(), ChangeError>> {
        let change = ChangeMessage { id, what };
        let answer = self.ask(index, |reply| Command::Change(change, reply))?;
        Some(answer.map(|_| ()))
    }

    /// Something random, by a random one of two; what was deleted is noted.
    fn do_something(&mut self, step: usize, conversation: ConversationId, deleted: &mut BTreeSet<EventId>) {
        let who = self.below(2) as usize;
        if !self.nodes[who].is_up() {
            return;
        }
        let shows = self.shows(who, &conversation);
        let count = shows.messages.len() as u64;
        let kind = self.below(10);
        if count == 0 || kind < 3 {
            let text = format!("{step} by {who}");
            let expires = match self.below(4) {
                0 => Expiry::After(5_000 + self.below(60_000)),
                1 => Expiry::Never,
                _ => Expiry::Default,
            };
            let send = SendText {
                expires,
                ..SendText::plain(conversation, text)
            };
            self.ask(who, |reply| Command::Send(send, reply));
            return;
        }
        let (id, _) = shows.messages[self.below(count) as usize];
        let emoji = EMOJI[self.below(4) as usize].to_owned();
        let on = self.chance(600);
        let what = match kind {
            3 | 4 => Change::Edit(format!("edited in {step} by {who}")),
            5 => Change::Delete,
            6 | 7 => Change::React { emoji, on },
            8 => Change::Pin(on),
            _ => {
                let expires_after_ms = on.then(|| 5_000 + self.below(100_000));
                let set = SetTimer {
                    conversation,
                    expires_after_ms,
                };
                self.ask(who, |reply| Command::SetTimer(set, reply));
                return;
            }
        };
        let deletes = matches!(what, Change::Delete);
        if self.change(who, id, what) == Some(Ok(())) && deletes {
            deleted.insert(id);
        }
    }
}

fn run(seed: u64) -> (Sim, ConversationId, BTreeSet<EventId>) {
    let mut sim = Sim::new(seed, &["ada", "bo"]);
    sim.run_until(sim.now + 100);
    sim.introduce(0, 1);
    sim.run_until(sim.now + 5_000);
    let conversation = sim.direct(0, 1);
    let mut deleted = BTreeSet::new();
    sim.weather = STORM;
    for step in 0..120 {
        let pause = 100 + sim.below(1_000);
        sim.run_until(sim.now + pause);
        match sim.below(10) {
            0 => sim.cut(0, 1),
            1 | 2 => sim.mend(0, 1),
            _ => {}
        }
        sim.do_something(step, conversation, &mut deleted);
    }
    sim.weather = CALM;
    sim.mend_all();
    sim.run_until(sim.now + 15 * MINUTE);
    (sim, conversation, deleted)
}

#[test]
fn both_sides_end_with_the_same_view_of_every_message() {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in seeds() {
        let (sim, conversation, deleted) = run(seed);
        let (ada, bo) = (sim.shows(0, &conversation), sim.shows(1, &conversation));
        assert_eq!(ada, bo, "seed {seed}: different views");
        for (id, state) in &ada.messages {
            let gone = state.shown == Shown::Absent(Absent::Deleted);
            assert!(
                gone || !deleted.contains(id),
                "seed {seed}: {id} is shown, though it was deleted: {state:?}"
            );
            let late = state.expires.is_some_and(|at| at <= sim.now);
            assert!(!late, "seed {seed}: {id} has had its time: {state:?}");
            let seen = [
                ("deleted", gone),
                ("expired", state.shown == Shown::Absent(Absent::Expired)),
                ("edited", state.edited.is_some()),
                ("reactions", !state.reactions.is_empty()),
                ("pinned", state.pinned),
                ("timer", matches!(state.shown, Shown::Timer(_))),
            ];
            for (kind, _) in seen.iter().filter(|(_, is)| *is) {
                *kinds.entry(kind).or_default() += 1;
            }
        }
    }
    assert_eq!(kinds.len(), 6, "not everything happened: {kinds:?}");
}

#[test]
fn what_others_may_not_do_has_no_effect_here() {
    let mut sim = Sim::new(0, &["ada", "bo"]);
    sim.run_until(sim.now + 100);
    sim.introduce(0, 1);
    sim.run_until(sim.now + 5_000);
    let conversation = sim.direct(0, 1);
    sim.send(0, 1, "by ada");
    sim.run_until(sim.now + 5_000);
    let (id, _) = sim.shows(1, &conversation).messages[0];
    for what in [Change::Edit("by bo".to_owned()), Change::Delete] {
        assert_eq!(sim.change(1, id, what), Some(Err(ChangeError::NotYours)));
    }
    assert_eq!(sim.shows(0, &conversation).messages.len(), 1);
}

#[test]
fn a_message_to_be_viewed_once_is_seen_once_and_then_on_no_disk() {
    let mut sim = Sim::new(3, &["ada", "bo"]);
    sim.run_until(sim.now + 100);
    sim.introduce(0, 1);
    sim.run_until(sim.now + 5_000);
    let conversation = sim.direct(0, 1);
    let send = SendText {
        visibility: 1,
        ..SendText::plain(conversation, "look")
    };
    let sent = sim
        .ask(0, |reply| Command::Send(send, reply))
        .expect("up")
        .expect("sent");
    sim.run_until(sim.now + 3 * MINUTE);
    let body = |sim: &Sim, index: usize| {
        let store = sim.nodes[index].store();
        let at = events::place(store, &sent.at.id).expect("readable").expect("there");
        events::get(store, &at)
            .expect("readable")
            .expect("there")
            .body()
            .is_some()
    };
    assert!(!body(&sim, 0), "it has arrived, and its sender keeps nothing");
    assert!(body(&sim, 1));
    let view = |sim: &mut Sim| {
        let change = ChangeMessage {
            id: sent.at.id,
            what: Change::View,
        };
        sim.ask(1, |reply| Command::Change(change, reply)).expect("up")
    };
    assert_eq!(view(&mut sim).expect("seen").viewed.as_deref(), Some("look"));
    assert!(!body(&sim, 1));
    assert_eq!(view(&mut sim), Err(ChangeError::UsedUp));
}

impl Sim {
    fn send_once(&mut self, from: usize, conversation: ConversationId) -> EventId {
        let send = SendText {
            visibility: 1,
            ..SendText::plain(conversation, "look")
        };
        let sent = self.ask(from, |reply| Command::Send(send, reply));
        sent.expect("up").expect("sent").at.id
    }

    fn event(&self, index: usize, id: &EventId) -> VerifiedEvent {
        let store = self.nodes[index].store();
        let at = events::place(store, id).expect("readable").expect("there");
        events::get(store, &at).expect("readable").expect("there")
    }
}

#[test]
fn what_was_read_before_it_was_looked_for_is_erased_by_its_sender_as_well() {
    let mut sim = Sim::new(4, &["ada", "bo"]);
    sim.run_until(sim.now + 100);
    sim.introduce(0, 1);
    sim.run_until(sim.now + 5_000);
    let conversation = sim.direct(0, 1);
    let id = sim.send_once(0, conversation);
    sim.run_until(sim.now + 1_000);
    sim.ask(1, |reply| Command::MarkRead {
        conversation,
        up_to: UpTo::End,
        reply,
    })
    .expect("up")
    .expect("read");
    sim.run_until(sim.now + 5 * MINUTE);
    assert!(sim.event(0, &id).body().is_none());
}

#[test]
fn messages_that_do_not_arrive_hold_up_no_others() {
    let mut sim = Sim::new(5, &["ada", "bo", "cy"]);
    sim.run_until(sim.now + 100);
    sim.introduce(0, 1);
    sim.run_until(sim.now + 5_000);
    sim.introduce(0, 2);
    sim.run_until(sim.now + 5_000);
    let (away, there) = (sim.direct(0, 1), sim.direct(0, 2));
    sim.nodes[1].crash();
    sim.cut_everything_of(1);
    for _ in 0..260 {
        sim.send_once(0, away);
    }
    let id = sim.send_once(0, there);
    sim.run_until(sim.now + 5 * MINUTE);
    assert!(sim.event(0, &id).body().is_none());
}

#[test]
fn a_body_comes_after_all_when_others_had_erased_it_and_this_account_has_not() {
    let mut sim = Sim::new(6, &["ada", "bo"]);
    sim.run_until(sim.now + 100);
    sim.introduce(0, 1);
    sim.run_until(sim.now + 5_000);
    let conversation = sim.direct(0, 1);
    sim.cut(0, 1);
    let send = SendText::plain(conversation, "heron");
    let id = sim
        .ask(0, |reply| Command::Send(send, reply))
        .expect("up")
        .expect("sent")
        .at
        .id;
    let whole = sim.event(0, &id);
    let stub = VerifiedEvent::restore(whole.header().clone(), *whole.signature(), None);
    let ada = sim.user(0);
    let now = sim.now;
    let mut take = |event: &VerifiedEvent| {
        sim.nodes[1].take_wire(&conversation, &ada, &event.to_wire(), now);
        let (shows, feed) = (sim.shows(1, &conversation).messages, sim.feed_of(1));
        let rows = conversations::all(sim.nodes[1].store()).expect("readable");
        let unread = rows.iter().any(|(_, row)| row.unread > 0);
        assert!(event.body().is_some() || !unread, "a mark is nothing to be read");
        (shows.last().expect("it is shown").1.shown.clone(), feed)
    };
    let (shown, told) = take(&stub);
    assert!(matches!(shown, Shown::Absent(_)), "{shown:?}");
    let (shown, told_again) = take(&whole);
    assert_eq!(shown, Shown::Text("heron".to_owned()));
    assert!(told_again > told, "it looks different now");
    assert_eq!(take(&stub), (shown, told_again), "what is here stays");
}

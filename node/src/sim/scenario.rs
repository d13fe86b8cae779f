//! What happens in a simulation, and what must be true afterwards.

use std::collections::BTreeMap;

use parlour_crypto::ConversationId;
use parlour_store::view::{DeliveryView, MessageStatus, message};
use parlour_store::{contacts, conversations, timeline};
use tokio::sync::oneshot;

use super::{CALM, Sim, Weather};
use crate::engine::{AddContact, Command, Decision, Input, NewInvite, SendText};

pub(super) const STORM: Weather = Weather {
    loss: 150,
    repeat: 100,
    crash: 4,
    max_delay_ms: 400,
};
pub(super) const MINUTE: u64 = 60_000;

/// A message a user wants to send, tried again until it is accepted.
struct Wish {
    from: usize,
    to: usize,
    text: String,
    accepted: bool,
}

impl Sim {
    /// Runs a command to its answer; `None` if the node crashed or is down.
    pub(super) fn ask<T, E: std::fmt::Debug>(
        &mut self,
        index: usize,
        command: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Command,
    ) -> Option<Result<T, E>> {
        if !self.nodes[index].is_up() {
            return None;
        }
        let (reply, mut answer) = oneshot::channel();
        self.turn(index, Input::Command(command(reply)));
        answer.try_recv().ok()
    }

    pub(super) fn user(&self, index: usize) -> parlour_crypto::UserId {
        self.nodes[index].engine().own().user
    }

    /// `b` opens an invite of `a`.
    pub(super) fn introduce(&mut self, a: usize, b: usize) {
        let new = NewInvite {
            valid_ms: 60 * MINUTE,
            max_uses: 1,
        };
        let made = self
            .ask(a, |reply| Command::Invite(new, reply))
            .expect("up")
            .expect("an invite");
        let add = AddContact {
            link: made.link,
            petname: None,
            note: None,
        };
        self.ask(b, |reply| Command::Add(add, reply))
            .expect("up")
            .expect("the invite opens");
    }

    pub(super) fn direct(&self, a: usize, b: usize) -> ConversationId {
        ConversationId::direct(&self.user(a), &self.user(b))
    }

    /// Sends a text that has to be accepted.
    pub(super) fn send(&mut self, from: usize, to: usize, text: &str) {
        let conversation = self.direct(from, to);
        let mut wish = Wish {
            from,
            to,
            text: text.to_owned(),
            accepted: false,
        };
        self.try_wish(&mut wish, conversation);
        assert!(wish.accepted, "{text:?} was not accepted");
    }

    fn try_wish(&mut self, wish: &mut Wish, conversation: ConversationId) {
        let send = SendText {
            client_id: Some(wish.text.clone()),
            ..SendText::plain(conversation, wish.text.clone())
        };
        if let Some(answer) = self.ask(wish.from, |reply| Command::Send(send, reply)) {
            answer.expect("a good text to a known contact is accepted");
            wish.accepted = true;
        }
    }

    pub(super) fn texts(&self, index: usize, conversation: &ConversationId) -> Vec<(String, MessageStatus)> {
        let store = self.nodes[index].store();
        let own = self.nodes[index].engine().own();
        let no = conversations::number(store, conversation)
            .expect("readable")
            .expect("the conversation exists");
        let mut delivery = DeliveryView::new(store, own, no).expect("readable");
        timeline::after(store, no, None, usize::MAX)
            .expect("readable")
            .iter()
            .map(|entry| {
                let view = message(store, entry, &mut delivery).expect("readable");
                (view.state.text().expect("a text").to_owned(), view.status)
            })
            .collect()
    }
}

/// Three people, random talk in bad weather, then calm: the state every promise is about.
fn run(seed: u64) -> (Sim, Vec<Wish>, BTreeMap<(usize, usize), ConversationId>) {
    let mut sim = Sim::new(seed, &["ada", "bo", "cy"]);
    sim.run_until(sim.now + 100);
    let pairs = [(0, 1), (0, 2), (1, 2)];
    for (a, b) in pairs {
        sim.introduce(a, b);
    }
    // Some talk begins before anybody has been accepted, some after.
    let start = sim.below(5_000);
    sim.run_until(sim.now + start);
    let conversations: BTreeMap<_, _> = pairs.iter().map(|&(a, b)| ((a, b), sim.direct(a, b))).collect();
    let mut wishes = Vec::new();
    sim.weather = STORM;
    for step in 0..60 {
        let pause = 200 + sim.below(1_800);
        sim.run_until(sim.now + pause);
        let (a, b) = pairs[sim.below(3) as usize];
        match sim.below(10) {
            0 => sim.cut(a, b),
            1 | 2 => sim.mend(a, b),
            _ => {}
        }
        let (from, to) = if sim.chance(500) { (a, b) } else { (b, a) };
        for burst in 0..1 + sim.below(3) {
            let text = format!("{step}.{burst} from {from} to {to}");
            wishes.push(Wish {
                from,
                to,
                text,
                accepted: false,
            });
        }
        for wish in wishes.iter_mut().filter(|wish| !wish.accepted) {
            let conversation = conversations[&(wish.from.min(wish.to), wish.from.max(wish.to))];
            // The conversation of an invite exists at once only for the one who opened it.
            let known = sim.nodes[wish.from].is_up()
                && conversations::number(sim.nodes[wish.from].store(), &conversation)
                    .expect("readable")
                    .is_some();
            if known {
                sim.try_wish(wish, conversation);
            }
        }
    }
    sim.weather = CALM;
    sim.mend_all();
    sim.run_until(sim.now + 10 * MINUTE);
    for wish in wishes.iter_mut().filter(|wish| !wish.accepted) {
        let conversation = conversations[&(wish.from.min(wish.to), wish.from.max(wish.to))];
        sim.try_wish(wish, conversation);
    }
    sim.run_until(sim.now + 5 * MINUTE);
    (sim, wishes, conversations)
}

fn check(seed: u64) {
    let (sim, wishes, all) = run(seed);
    for index in 0..3 {
        let store = sim.nodes[index].store();
        for contact in contacts::all(store).expect("readable") {
            assert_eq!(
                contact.state,
                contacts::ContactState::Accepted,
                "seed {seed}: node {index} has an open contact"
            );
        }
    }
    for (&(a, b), conversation) in &all {
        let (at_a, at_b) = (sim.texts(a, conversation), sim.texts(b, conversation));
        let order = |texts: &[(String, MessageStatus)]| texts.iter().map(|(t, _)| t.clone()).collect::<Vec<_>>();
        assert_eq!(
            order(&at_a),
            order(&at_b),
            "seed {seed}: {a} and {b} see different histories"
        );
        let mut expected: Vec<String> = wishes
            .iter()
            .filter(|w| (w.from.min(w.to), w.from.max(w.to)) == (a, b))
            .inspect(|w| assert!(w.accepted, "seed {seed}: {:?} was never accepted", w.text))
            .map(|w| w.text.clone())
            .collect();
        let mut found = order(&at_a);
        expected.sort();
        found.sort();
        assert_eq!(
            found, expected,
            "seed {seed}: not every accepted message is there exactly once"
        );
        for (text, status) in at_a.iter().chain(&at_b) {
            let done = matches!(status, MessageStatus::Delivered | MessageStatus::Received);
            assert!(done, "seed {seed}: {text:?} is {status:?} though it is everywhere");
        }
    }
}

/// Seeds to run; `PARLOUR_SIM_SEEDS=FROM..TO` asks for others.
pub(super) fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("PARLOUR_SIM_SEEDS").ok();
    let range = asked.as_deref().and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    assert!(asked.is_none() || range.is_some(), "PARLOUR_SIM_SEEDS is FROM..TO");
    range.unwrap_or(0..24)
}

#[test]
fn accepted_messages_arrive_everywhere_once_and_in_one_order() {
    for seed in seeds() {
        check(seed);
    }
}

#[test]
fn a_disk_put_back_to_an_earlier_copy_gets_everything_again() {
    for seed in 0..4 {
        let mut sim = Sim::new(seed, &["ada", "bo"]);
        sim.run_until(sim.now + 100);
        sim.introduce(0, 1);
        sim.run_until(sim.now + 5_000);
        let conversation = sim.direct(0, 1);
        let mut expected = Vec::new();
        let mut talk = |sim: &mut Sim, part: &str| {
            for n in 0..5 {
                for (from, to) in [(0, 1), (1, 0)] {
                    let text = format!("{part} {n} from {from}");
                    let mut wish = Wish {
                        from,
                        to,
                        text: text.clone(),
                        accepted: false,
                    };
                    sim.try_wish(&mut wish, conversation);
                    assert!(wish.accepted);
                    expected.push(text);
                    sim.run_until(sim.now + 300);
                }
            }
        };
        talk(&mut sim, "before the copy");
        sim.nodes[0].crash();
        sim.cut_everything_of(0);
        let copy = sim.nodes[0].copy_disk();
        sim.start(0);
        sim.run_until(sim.now + 10_000);
        talk(&mut sim, "after the copy");
        sim.run_until(sim.now + 10_000);
        sim.nodes[0].crash();
        sim.cut_everything_of(0);
        sim.nodes[0].restore_disk(copy);
        sim.start(0);
        // It writes before it can know that it was put back.
        talk(&mut sim, "after the return");
        sim.run_until(sim.now + 10 * MINUTE);
        talk(&mut sim, "at last");
        sim.run_until(sim.now + 10 * MINUTE);
        expected.sort();
        for index in [0, 1] {
            let mut texts: Vec<String> = sim
                .texts(index, &conversation)
                .into_iter()
                .map(|(text, _)| text)
                .collect();
            texts.sort();
            assert_eq!(texts, expected, "seed {seed}, node {index}");
        }
    }
}

#[test]
fn the_weather_really_is_bad() {
    let (sim, wishes, _) = run(1);
    assert!(sim.crashes > 5, "{} crashes", sim.crashes);
    assert!(wishes.len() > 60);
}

#[test]
fn certificates_are_renewed_and_contacts_go_on() {
    /// Long enough that a certificate is renewed.
    const AWAY: u64 = 190 * 24 * 60 * MINUTE;
    for seed in 0..3 {
        let mut sim = Sim::new(seed, &["ada", "bo"]);
        sim.run_until(sim.now + 100);
        sim.introduce(0, 1);
        sim.run_until(sim.now + 5_000);
        let conversation = sim.direct(0, 1);
        let mut expected = Vec::new();
        // Bo is away while two certificates of Ada come and go, and his own expires.
        for (part, away) in [(0, 0), (1, AWAY), (2, AWAY), (3, MINUTE)] {
            sim.nodes[0].crash();
            sim.cut_everything_of(0);
            if part == 1 {
                sim.nodes[1].crash();
                sim.cut_everything_of(1);
            }
            sim.now += away;
            sim.start(0);
            if part == 2 {
                sim.start(1);
            }
            if part != 1 {
                sim.run_until(sim.now + 10 * MINUTE);
            }
            for (from, to) in [(0, 1), (1, 0)] {
                if sim.nodes[from].is_up() {
                    let text = format!("{part} from {from}");
                    let mut wish = Wish {
                        from,
                        to,
                        text: text.clone(),
                        accepted: false,
                    };
                    sim.try_wish(&mut wish, conversation);
                    expected.push(text);
                }
            }
            sim.run_until(sim.now + 10 * MINUTE);
        }
        let ada = &sim.nodes[0].engine().own().user;
        let row = contacts::get(sim.nodes[1].store(), ada)
            .expect("readable")
            .expect("a contact");
        let list = parlour_crypto::DeviceList::verify(&row.device_list).expect("a list");
        assert_eq!(list.version(), 3, "seed {seed}: Bo knows Ada's newest devices");
        expected.sort();
        for index in [0, 1] {
            let mut found: Vec<String> = sim
                .texts(index, &conversation)
                .into_iter()
                .map(|(text, _)| text)
                .collect();
            found.sort();
            assert_eq!(found, expected, "seed {seed}: node {index}");
        }
    }
}

#[test]
fn a_device_that_left_its_users_list_hears_and_says_nothing_more() {
    let mut sim = Sim::new(0, &["ada", "bo"]);
    sim.run_until(sim.now + 100);
    sim.introduce(0, 1);
    sim.run_until(sim.now + 5_000);
    let conversation = sim.direct(0, 1);
    let say = |sim: &mut Sim, from: usize, text: &str| {
        let mut wish = Wish {
            from,
            to: 0,
            text: text.to_owned(),
            accepted: false,
        };
        sim.try_wish(&mut wish, conversation);
        assert!(wish.accepted);
        sim.run_until(sim.now + 10_000);
    };
    say(&mut sim, 0, "before");
    let again = sim.recover(1);
    sim.run_until(sim.now + 1_000);
    sim.introduce(0, again);
    sim.run_until(sim.now + 10_000);
    let bo = sim.user(1);
    let known = parlour_store::contacts::get(sim.nodes[0].store(), &bo).expect("readable");
    let code = crate::engine::list_code(&known.expect("a contact").device_list);
    let accept = Decision::Accept(bo, code);
    sim.ask(0, |reply| Command::Decide(accept, reply))
        .expect("up")
        .expect("a contact");
    say(&mut sim, 0, "after");
    say(&mut sim, 1, "from the lost device");
    say(&mut sim, again, "from the new device");
    sim.run_until(sim.now + MINUTE);
    let texts = |sim: &Sim, index| -> Vec<(String, MessageStatus)> { sim.texts(index, &conversation) };
    let words = |index| texts(&sim, index).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
    assert_eq!(words(0), ["before", "after", "from the new device"]);
    assert_eq!(words(1), ["before", "from the lost device"]);
    assert!(words(again).ends_with(&["after".to_owned(), "from the new device".to_owned()]));
    for (text, status) in texts(&sim, 0) {
        assert!(
            matches!(status, MessageStatus::Delivered | MessageStatus::Received),
            "{text:?} is {status:?}"
        );
    }
}

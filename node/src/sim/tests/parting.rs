//! Contacts that are removed, requests that are taken back, and whoever asks and is blocked.

use parlour_store::contacts::{ContactState, InviteRefusal};

use super::*;

fn remove(sim: &mut Sim, who: usize, whom: usize, history: bool) {
    let user = sim.user(whom);
    sim.decide(who, Decision::Remove { user, history })
        .expect("it is known");
}

fn send(sim: &mut Sim, from: usize, conversation: ConversationId) -> Result<(), SendError> {
    let send = SendText::plain(conversation, "anybody?".to_owned());
    sim.ask(from, |reply| Command::Send(send, reply)).expect("up").map(drop)
}

#[test]
fn a_removed_contact_is_not_heard_or_told_and_what_was_written_stays_as_it_was() {
    let (mut sim, conversation) = Sim::people(31);
    let said = sim.tell(0, conversation, "one");
    sim.wait(5_000);
    sim.tell(1, conversation, "two");
    sim.wait(5_000);
    let feed = sim.feed_of(0);
    remove(&mut sim, 0, 1, false);
    let news = parlour_store::feed::after(sim.nodes[0].store(), feed, 10).expect("readable");
    let user = sim.user(1);
    let told = |(_, row): &(u64, _)| *row == parlour_store::feed::FeedRow::Contact { user };
    assert!(news.iter().any(told), "readers are told: {news:?}");
    assert_eq!(sim.state_at(0, 1), Some(ContactState::Former));
    assert_eq!(
        send(&mut sim, 0, conversation),
        Err(SendError::Refused(Refusal::NoContact))
    );
    assert_nothing_is_said(&mut sim, 0, conversation, said, Refusal::NoContact);
    sim.tell(1, conversation, "three");
    sim.decide(1, typing(conversation, true)).expect("told to nobody");
    sim.wait(3 * HOUR);
    sim.crash(0);
    sim.wait(MINUTE);
    assert_eq!(
        sim.texts(0, &conversation),
        [
            ("one".to_owned(), Delivered),
            ("two".to_owned(), MessageStatus::Received)
        ]
    );
    assert_eq!(sim.state_at(1, 0), Some(ContactState::Accepted), "nobody told them");
    assert_ne!(sim.statuses(1, &conversation)[2], Delivered);
    assert_eq!(presence_of(&mut sim, 1, 0), None);
    let unheard = sim.decide(
        0,
        Decision::Remove {
            user: parlour_crypto::UserId::from_bytes([3; 32]),
            history: false,
        },
    );
    assert_eq!(unheard, Err(DecisionError::UnknownContact));
}

#[test]
fn a_history_is_erased_with_its_contact_however_long_it_is() {
    let (mut sim, conversation) = Sim::friends(32);
    for n in 0..700 {
        sim.tell(n % 2, conversation, &format!("secret {n}"));
        if n % 50 == 0 {
            sim.wait(1_000);
        }
    }
    let last = sim.tell(0, conversation, "more than fits into one turn");
    for n in 0..600 {
        let edit = Change::Edit(format!("version {n}"));
        sim.change(0, last, edit).expect("up").expect("edited");
    }
    sim.wait(10_000);
    remove(&mut sim, 0, 1, true);
    // In the middle of it.
    sim.wait(1);
    sim.crash(0);
    sim.wait(MINUTE);
    assert_eq!(sim.texts(0, &conversation), []);
    assert_eq!(sim.unread(0, &conversation), 0);
    let store = sim.nodes[0].store();
    let ids = parlour_store::events::ids_from(store, &[], 10_000).expect("readable");
    let bodies = ids.into_iter().filter(|id| {
        let at = parlour_store::events::place(store, id)
            .expect("readable")
            .expect("there");
        let brief = parlour_store::events::brief(store, &at).expect("readable");
        brief.is_some_and(|brief| !brief.stub)
    });
    assert_eq!(bodies.count(), 0, "nothing of it is on the disk");
    assert_eq!(
        sim.texts(1, &conversation).len(),
        701,
        "it is there with whoever they wrote to"
    );
    let audit = parlour_store::check(store, |_, _| ()).expect("readable");
    assert_eq!(audit.problems, []);
    // Contacts again: what was erased does not come back.
    sim.introduce(0, 1);
    sim.wait(MINUTE);
    sim.tell(1, conversation, "again");
    sim.tell(0, conversation, "welcome");
    sim.wait(MINUTE);
    assert_eq!(sim.sorted_texts(0, &conversation), ["again", "welcome"]);
    assert_eq!(sim.texts(1, &conversation).len(), 703);
}

#[test]
fn whoever_was_removed_comes_back_by_asking_or_by_a_new_invite_and_not_by_the_old_one() {
    for who_comes in [
        "removed",
        "removed themselves",
        "remover asks",
        "remover opens",
        "removed opens",
    ] {
        let mut sim = Sim::with(33, &["ada", "bo"]);
        let first = sim.invite(0, 20 * 24 * HOUR, 5);
        sim.open_invite(1, &first.link).expect("it opens");
        sim.wait(5_000);
        let conversation = sim.direct(0, 1);
        remove(&mut sim, 0, 1, false);
        sim.tell(1, conversation, "meanwhile");
        sim.wait(2 * HOUR);
        match who_comes {
            "removed" => {
                // Both have parted.
                remove(&mut sim, 1, 0, false);
                let opened = sim.open_invite(1, &first.link).expect("it is an invite");
                assert!(!opened.already);
                sim.wait(MINUTE);
                let refused = InviteRefusal::Used;
                let state = sim.state_at(1, 0);
                assert!(
                    matches!(state, Some(ContactState::Invited { refused: Some(why), .. }) if why == refused),
                    "{state:?}"
                );
                sim.ask_at(1, 0, "sorry").expect("up").expect("asked");
                sim.wait(MINUTE);
                sim.accept_request(0).expect("asked");
            }
            "removed themselves" => {
                remove(&mut sim, 1, 0, false);
                sim.ask_at(0, 1, "it was me").expect("up").expect("asked");
                sim.wait(MINUTE);
                sim.accept_request(1).expect("asked");
            }
            // Whoever still has the other as a contact need not decide anything.
            "remover asks" => drop(sim.ask_at(0, 1, "sorry").expect("up").expect("asked")),
            "remover opens" => sim.introduce(1, 0),
            _ => sim.introduce(0, 1),
        }
        sim.wait(10 * MINUTE);
        for (index, other) in [(0, 1), (1, 0)] {
            assert_eq!(
                sim.state_at(index, other),
                Some(ContactState::Accepted),
                "{who_comes}: {index}"
            );
        }
        sim.tell(0, conversation, "hello");
        sim.wait(MINUTE);
        for index in [0, 1] {
            assert_eq!(
                sim.plain_texts(index, &conversation),
                ["meanwhile", "hello"],
                "{who_comes}: {index}"
            );
        }
    }
}

#[test]
fn a_request_that_was_taken_back_leads_to_nothing_until_it_is_made_again() {
    let mut sim = Sim::with(34, &["ada", "bo"]);
    sim.ask_at(0, 1, "hello").expect("up").expect("asked");
    sim.wait(MINUTE);
    remove(&mut sim, 0, 1, false);
    sim.accept_request(1).expect("it is an invite");
    sim.wait(MINUTE);
    let state = sim.state_at(1, 0).expect("a contact");
    let revoked = Some(InviteRefusal::Revoked);
    assert!(
        matches!(state, ContactState::Invited { refused, .. } if refused == revoked),
        "{state:?}"
    );
    assert_eq!(sim.state_at(0, 1), Some(ContactState::Former));
    sim.ask_at(0, 1, "after all").expect("up").expect("asked");
    sim.wait(MINUTE);
    sim.accept_request(1).expect("asked again");
    sim.wait(MINUTE);
    assert_eq!(sim.state_at(1, 0), Some(ContactState::Accepted));

    // Taken back and made again before anybody looked: what lies there counts again.
    let mut sim = Sim::with(35, &["ada", "bo"]);
    sim.ask_at(0, 1, "hello").expect("up").expect("asked");
    sim.wait(MINUTE);
    remove(&mut sim, 0, 1, false);
    sim.ask_at(0, 1, "hello").expect("up").expect("asked");
    sim.wait(MINUTE);
    sim.accept_request(1).expect("asked again");
    sim.wait(MINUTE);
    assert_eq!(sim.state_at(0, 1), Some(ContactState::Accepted));
}

#[test]
fn whoever_asks_can_be_blocked_and_asks_again_once_they_are_not() {
    let mut sim = Sim::with(36, &["ada", "bo"]);
    sim.ask_at(0, 1, "buy this").expect("up").expect("asked");
    sim.wait(MINUTE);
    let ada = sim.user(0);
    sim.decide(1, Decision::BlockRequest(ada)).expect("she asks");
    assert_eq!(
        sim.decide(1, Decision::BlockRequest(ada)),
        Err(DecisionError::UnknownRequest)
    );
    assert!(sim.requests_at(1).is_empty());
    assert_eq!(sim.state_at(1, 0), Some(ContactState::Former));
    // A day later it could be told again.
    sim.wait(2 * HOUR);
    sim.crash(1);
    sim.now += DAY;
    sim.wait(MINUTE);
    sim.ask_at(0, 1, "buy that").expect("up").expect("asked");
    sim.wait(MINUTE);
    assert!(sim.requests_at(1).is_empty(), "a block outlives the process");
    sim.block(1, 0, false);
    sim.now += DAY + HOUR;
    sim.ask_at(0, 1, "buy that, too").expect("up").expect("asked");
    sim.wait(HOUR);
    assert_eq!(sim.requests_at(1).len(), 1);
}

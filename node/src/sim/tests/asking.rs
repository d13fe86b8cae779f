//! Asking to become contacts without an invite.

use std::collections::BTreeMap;

use parlour_store::contacts::ContactState;

use super::super::seeds;
use super::super::weather::Weather;
use super::*;

/// Who asks whom, and who changes their mind.
const CASES: [&str; 3] = ["one asks", "both ask", "one asks, takes it back and asks again"];

/// Asks until that is written.
fn ask(sim: &mut Sim, by: usize, whom: usize) {
    while !matches!(sim.ask_at(by, whom, "hello"), Some(Ok(_))) {
        sim.wait(SECOND);
    }
}

fn are_contacts(sim: &Sim) -> bool {
    let state = |at: usize, of: usize| match sim.nodes[at].is_up() {
        true => sim.state_at(at, of),
        false => None,
    };
    state(0, 1) == Some(ContactState::Accepted) && state(1, 0) == Some(ContactState::Accepted)
}

fn run(seed: u64) -> BTreeMap<&'static str, u64> {
    let case = CASES[(seed % 3) as usize];
    let mut sim = Sim::with(seed, &["ada", "bo"]);
    sim.weather = Weather {
        crash: 20,
        full: 5,
        ..STORM
    };
    sim.note(case);
    ask(&mut sim, 0, 1);
    let pause = sim.below(4 * SECOND);
    match case {
        "both ask" => {
            sim.wait(pause);
            ask(&mut sim, 1, 0);
        }
        "one asks" => {}
        _ => {
            sim.wait(10 * pause);
            let user = sim.user(1);
            let remove = Decision::Remove { user, history: false };
            while !matches!(sim.ask(0, |reply| Command::Decide(remove.clone(), reply)), Some(Ok(()))) {
                sim.wait(SECOND);
            }
            sim.wait(pause);
            ask(&mut sim, 0, 1);
        }
    }
    // What is said before anybody has answered waits.
    let conversation = sim.direct(0, 1);
    let said = SendText {
        client_id: Some("first".to_owned()),
        ..SendText::plain(conversation, "said while asking".to_owned())
    };
    while !matches!(sim.ask(0, |reply| Command::Send(said.clone(), reply)), Some(Ok(_))) {
        sim.wait(SECOND);
    }
    for minute in 0..240 {
        if are_contacts(&sim) {
            break;
        }
        if minute == 20 {
            sim.weather = CALM;
        }
        sim.wait(MINUTE);
        if !sim.nodes[1].is_up() {
            continue;
        }
        let open = sim.requests_at(1);
        assert!(open.len() <= 1, "one user has one request");
        if let Some(row) = open.first() {
            let add = crate::engine::AddContact {
                link: row.link.clone(),
                petname: None,
                note: None,
            };
            sim.note("accepted");
            sim.ask(1, |reply| Command::Add(add, reply));
        }
    }
    sim.weather = CALM;
    sim.wait(10 * MINUTE);
    assert!(
        are_contacts(&sim),
        "{case}: {:?} and {:?}",
        sim.state_at(0, 1),
        sim.state_at(1, 0)
    );
    assert!(
        (0..2).all(|index| sim.requests_at(index).is_empty()),
        "nothing is left to decide"
    );
    sim.tell(1, conversation, "yes");
    sim.wait(5 * MINUTE);
    for index in [0, 1] {
        assert_eq!(
            sim.sorted_texts(index, &conversation),
            ["said while asking", "yes"],
            "{case}: {index}"
        );
        sim.watch_acknowledgements();
    }
    sim.happened
}

#[test]
fn whoever_asks_in_bad_weather_is_heard_once_and_both_end_as_contacts() {
    let seeds = seeds::seeds(0..12);
    let many = seeds.end - seeds.start >= 12;
    let happened = seeds::each("sim::tests::asking", seeds, run);
    for what in ["kill", "crash before a commit", "accepted"].into_iter().chain(CASES) {
        assert!(
            !many || happened.contains_key(what),
            "{what} did not happen: {happened:?}"
        );
    }
}

//! Devices and their certificates over the years.

use parlour_store::contacts::{self, ContactState};

use super::*;

#[test]
fn certificates_are_renewed_and_contacts_go_on() {
    /// Long enough that a certificate is renewed.
    const AWAY: u64 = 190 * 24 * 60 * MINUTE;
    for seed in 0..3 {
        let (mut sim, conversation) = Sim::friends(seed);
        let mut expected = Vec::new();
        // Bo is away while two certificates of Ada come and go, and his own expires.
        for (part, away) in [(0, 0), (1, AWAY), (2, AWAY), (3, MINUTE)] {
            sim.down(0, Crash::Killed);
            if part == 1 {
                sim.down(1, Crash::Killed);
            }
            sim.now += away;
            sim.start(0);
            if part == 2 {
                sim.start(1);
            }
            if part != 1 {
                sim.wait(10 * MINUTE);
            }
            for from in [0, 1] {
                if sim.nodes[from].is_up() {
                    let text = format!("{part} from {from}");
                    sim.tell(from, conversation, &text);
                    expected.push(text);
                }
            }
            sim.wait(10 * MINUTE);
        }
        let ada = &sim.nodes[0].engine().own().user;
        let row = contacts::get(sim.nodes[1].store(), ada)
            .expect("readable")
            .expect("a contact");
        let list = parlour_crypto::DeviceList::verify(&row.device_list).expect("a list");
        assert_eq!(list.version(), 3, "seed {seed}: Bo knows Ada's newest devices");
        expected.sort();
        for index in [0, 1] {
            assert_eq!(
                sim.sorted_texts(index, &conversation),
                expected,
                "seed {seed}: node {index}"
            );
        }
    }
}

#[test]
fn invites_and_requests_outlive_the_certificate_they_were_made_under() {
    let mut sim = Sim::with(4, &["ada", "bo", "cy"]);
    let later = |sim: &mut Sim, days: u64| {
        (0..3).for_each(|index| sim.down(index, Crash::Killed));
        sim.now += days * DAY;
        (0..3).for_each(|index| sim.start(index));
        sim.wait(10_000);
    };
    // A certificate is good for 365 days, and renewed when 180 are left.
    later(&mut sim, 183);
    let made = sim.invite(0, 20 * 24 * HOUR, 1);
    sim.ask_at(0, 2, "it is ada").expect("up").expect("asked");
    sim.wait(MINUTE);
    assert_eq!(sim.requests_at(2).len(), 1);
    later(&mut sim, 5);
    sim.open_invite(1, &made.link).expect("opened");
    sim.accept_request(2).expect("opened");
    sim.wait(MINUTE);
    for (index, other) in [(1, 0), (0, 1), (2, 0), (0, 2)] {
        assert_eq!(
            sim.state_at(index, other),
            Some(ContactState::Accepted),
            "{other} at {index}"
        );
    }
    let ada = contacts::get(sim.nodes[1].store(), &sim.user(0))
        .expect("readable")
        .expect("a contact");
    let list = parlour_crypto::DeviceList::verify(&ada.device_list).expect("a list");
    assert_eq!(list.version(), 2, "the certificate was renewed in between");
    let conversation = sim.direct(0, 1);
    sim.tell(1, conversation, "hello");
    sim.wait(5_000);
    assert_eq!(sim.plain_texts(0, &conversation), ["hello"]);
}

#[test]
fn a_device_that_left_its_users_list_hears_and_says_nothing_more() {
    let (mut sim, conversation) = Sim::friends(0);
    let say = |sim: &mut Sim, from: usize, text: &str| {
        sim.tell(from, conversation, text);
        sim.wait(10_000);
    };
    say(&mut sim, 0, "before");
    let again = sim.recover(1);
    sim.wait(1_000);
    sim.introduce(0, again);
    sim.wait(10_000);
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
    sim.wait(MINUTE);
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

#[test]
fn no_certificate_takes_a_suite_from_a_device() {
    let (mut sim, conversation) = Sim::friends(3);
    let suites_of = |sim: &Sim, device: &parlour_crypto::DeviceId| {
        let store = sim.nodes[0].store();
        let no = parlour_store::devices::number(store, device).expect("readable");
        let row = parlour_store::devices::get(store, no.expect("known")).expect("readable");
        let certificate = parlour_crypto::DeviceCert::verify(&row.expect("known").certificate);
        certificate.expect("good").suites()
    };
    let list_of_bo = |sim: &Sim| {
        let row = contacts::get(sim.nodes[0].store(), &sim.user(1)).expect("readable");
        row.expect("a contact").device_list
    };
    let told = |sim: &mut Sim, index: usize, renewed| {
        sim.turn(index, Input::Command(Command::Renewed(Box::new(renewed))));
        let status = format!("at {}", sim.now);
        let change = ProfileChange {
            status: Some(status),
            ..ProfileChange::default()
        };
        sim.decide(index, Decision::Profile(change)).expect("it fits");
        sim.wait(MINUTE);
    };
    let (old, before) = (sim.nodes[1].keys(), list_of_bo(&sim));
    let renewed = sim.nodes[1].with_weaker_device(&old, sim.now);
    told(&mut sim, 1, renewed);
    assert_eq!(suites_of(&sim, &old.id()), parlour_crypto::Suites::ALL);
    assert_eq!(list_of_bo(&sim), before, "nothing of it is taken");
    sim.tell(0, conversation, "still on");
    sim.tell(1, conversation, "yes");
    sim.wait(MINUTE);
    assert_eq!(sim.texts(0, &conversation).len(), 2);
    assert_eq!(sim.texts(1, &conversation).len(), 2);

    // The device leaves the list, and comes back weaker: no list to compare with names it.
    let again = sim.recover(1);
    sim.down(1, Crash::Killed);
    sim.wait(1_000);
    sim.introduce(0, again);
    sim.wait(10_000);
    let before = list_of_bo(&sim);
    let code = crate::engine::list_code(&before);
    let bo = sim.user(1);
    sim.decide(0, Decision::Accept(bo, code)).expect("these devices");
    let renewed = sim.nodes[again].with_weaker_device(&old, sim.now);
    told(&mut sim, again, renewed);
    assert_eq!(suites_of(&sim, &old.id()), parlour_crypto::Suites::ALL);
    assert_eq!(list_of_bo(&sim), before, "nor of this one");
    let renewed = {
        let Sim { nodes, rng, now, .. } = &mut sim;
        nodes[again].with_another_device(rng, *now)
    };
    told(&mut sim, again, renewed);
    assert_ne!(list_of_bo(&sim), before, "a good one is taken the same way");
}

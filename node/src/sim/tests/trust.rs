//! Safety numbers, and devices that are new.

use parlour_store::registers::Trust;

use super::*;

#[test]
fn a_safety_number_verifies_and_replaced_devices_take_that_back_and_get_nothing() {
    let (mut sim, conversation) = Sim::people(12);
    let bo = sim.user(1);
    let trust = |sim: &Sim| parlour_store::registers::trust(sim.nodes[0].store(), &bo).expect("readable");
    let number = parlour_crypto::safety_number(&sim.user(0), &bo);
    let verify = |sim: &mut Sim, code: &str| sim.decide(0, Decision::Verify(bo, code.to_owned(), None));
    let wrong = number.chars().rev().collect::<String>();
    assert_eq!(verify(&mut sim, &wrong), Err(DecisionError::WrongSafetyNumber));
    for no_number in ["", "12345", &"x".repeat(60), &number.replace(' ', "")[..59]] {
        assert_eq!(
            verify(&mut sim, no_number),
            Err(DecisionError::NoSafetyNumber),
            "{no_number:?}"
        );
    }
    let nobody = parlour_crypto::UserId::from_bytes([3; 32]);
    assert_eq!(
        sim.decide(0, Decision::Verify(nobody, number.clone(), None)),
        Err(DecisionError::UnknownContact)
    );
    assert_eq!(trust(&sim), Trust::Unverified);
    verify(&mut sim, &number.replace(' ', "-")).expect("it is the same");
    assert!(matches!(trust(&sim), Trust::Verified { .. }));

    let before = sim.tell(0, conversation, "before");
    sim.wait(2_000);
    let again = sim.recover(1);
    sim.down(1, Crash::Killed);
    sim.wait(1_000);
    sim.introduce(0, again);
    sim.wait(10_000);
    assert!(matches!(
        trust(&sim),
        Trust::Changed {
            verified_before: true,
            ..
        }
    ));
    let refused = sim.ask(0, |reply| {
        let send = SendText::plain(conversation, "secret".to_owned());
        Command::Send(send, reply)
    });
    assert_eq!(
        refused.expect("up").err(),
        Some(SendError::Refused(Refusal::DevicesChanged))
    );
    sim.tell(again, conversation, "it is me");
    sim.wait(5 * 60_000);
    assert_eq!(sim.texts(0, &conversation).len(), 2, "what they say arrives");
    assert_eq!(
        sim.texts(again, &conversation).len(),
        1,
        "nothing of the past is given to the new device"
    );
    assert_nothing_is_said(&mut sim, 0, conversation, before, Refusal::DevicesChanged);
    sim.decide(0, Decision::Online(600_000)).expect("told to nobody there");
    sim.decide(0, typing(conversation, true)).expect("told to nobody there");
    sim.read(0, conversation, UpTo::End).expect("it is there");
    let renamed = ProfileChange {
        name: Some("Ada the second".to_owned()),
        ..ProfileChange::default()
    };
    sim.decide(0, Decision::Profile(renamed)).expect("it fits");
    sim.wait(500);
    assert!(!writes(&mut sim, again, 0));
    sim.wait(60_000);
    assert_eq!(presence_of(&mut sim, again, 0), None);
    let name_of_ada = |sim: &Sim| {
        let row = parlour_store::contacts::get(sim.nodes[again].store(), &sim.user(0)).expect("readable");
        row.expect("a contact").name
    };
    assert_eq!(name_of_ada(&sim), "ada");
    assert!(
        sim.statuses(again, &conversation)[0] < Delivered,
        "nothing is acknowledged"
    );
    sim.crash(0);
    sim.wait(10_000);
    assert_eq!(sim.texts(again, &conversation).len(), 1, "nor after a restart");
    assert_eq!(
        verify(&mut sim, &number),
        Err(DecisionError::DevicesUndecided),
        "the identity is the same, and so is a thief's"
    );
    assert_eq!(
        sim.decide(0, Decision::Accept(bo, None)),
        Err(DecisionError::DevicesUndecided)
    );
    let known = parlour_store::contacts::get(sim.nodes[0].store(), &bo).expect("readable");
    let code = crate::engine::list_code(&known.expect("a contact").device_list);
    for other in [
        Some([0; 8]),
        code.map(|mut code| {
            code[7] ^= 1;
            code
        }),
    ] {
        for decision in [Decision::Accept(bo, other), Decision::Verify(bo, number.clone(), other)] {
            assert_eq!(sim.decide(0, decision), Err(DecisionError::OtherDevices));
        }
    }
    assert!(matches!(trust(&sim), Trust::Changed { .. }));
    sim.decide(0, Decision::Verify(bo, number.clone(), code))
        .expect("exactly these devices");
    sim.wait(60_000);
    assert_eq!(sim.statuses(again, &conversation)[1], Read, "what was held is told");
    assert_eq!(name_of_ada(&sim), "Ada the second");
    sim.tell(0, conversation, "welcome back");
    sim.wait(60_000);
    assert_eq!(sim.texts(again, &conversation).len(), 3);
}

/// Bo's device list gets another device, without a word that anything was recovered.
fn add_a_device(sim: &mut Sim, name: &str) {
    let (certificate, list) = {
        let Sim { nodes, rng, now, .. } = sim;
        nodes[1].with_another_device(rng, *now)
    };
    sim.turn(1, Input::Command(Command::Renewed(Box::new((certificate, list)))));
    let change = ProfileChange {
        name: Some(name.to_owned()),
        ..ProfileChange::default()
    };
    sim.decide(1, Decision::Profile(change)).expect("it fits");
    sim.wait(60_000);
}

#[test]
fn a_device_more_is_told_and_stops_what_goes_to_somebody_verified() {
    let (mut sim, conversation) = Sim::people(14);
    let bo = sim.user(1);
    let trust = |sim: &Sim| parlour_store::registers::trust(sim.nodes[0].store(), &bo).expect("readable");
    let new_device = |sim: &Sim| -> u64 {
        let register = parlour_store::registers::Register::NewDevice(bo);
        let since = parlour_store::registers::get(sim.nodes[0].store(), register).expect("readable");
        since.unwrap_or(0)
    };
    add_a_device(&mut sim, "Bo at home");
    assert_eq!(trust(&sim), Trust::Unverified);
    assert!(new_device(&sim) > 0, "whoever it is, the user is told");
    sim.tell(0, conversation, "still on");
    sim.decide(0, Decision::Accept(bo, None)).expect("nothing is stopped");
    assert_eq!(new_device(&sim), 0, "decided");

    let mut sim = Sim::people(15).0;
    let bo = sim.user(1);
    let number = parlour_crypto::safety_number(&sim.user(0), &bo);
    sim.decide(0, Decision::Verify(bo, number, None))
        .expect("it is the same");
    add_a_device(&mut sim, "Bo at home");
    let trust = parlour_store::registers::trust(sim.nodes[0].store(), &bo).expect("readable");
    assert!(matches!(
        trust,
        Trust::Changed {
            verified_before: true,
            ..
        }
    ));
}

//! Profiles, and the cards that carry them.

use super::*;

#[test]
fn a_profile_reaches_contacts_and_what_is_too_long_or_acts_is_refused() {
    let (mut sim, _) = Sim::people(11);
    let (ada, bo) = (sim.user(0), sim.user(1));
    let gif = |blocks: usize| {
        let block = [&[255][..], &[7; 255]].concat();
        let head = b"GIF89a\x09\0\x09\0\0\0\0\x2c\0\0\0\0\x09\0\x09\0\0\x02";
        [&head[..], &block.repeat(blocks), b"\0\x3b"].concat()
    };
    let set = |sim: &mut Sim, change: ProfileChange| sim.decide(0, Decision::Profile(change));
    let profile = ProfileChange {
        name: Some("Ada L.".to_owned()),
        about: Some("first\nof all".to_owned()),
        status: Some("computing".to_owned()),
        status_expires: Some(sim.now + 60_000),
        ..ProfileChange::default()
    };
    set(&mut sim, profile).expect("it fits");
    sim.decide(0, Decision::Avatar(Some(gif(78)))).expect("it fits");
    sim.wait(10_000);
    let store = |sim: &Sim| sim.nodes[1].store().clone();
    let at_bo = |sim: &Sim| {
        let row = parlour_store::contacts::get(&store(sim), &ada)
            .expect("readable")
            .expect("a contact");
        (
            row.name,
            parlour_store::contacts::details(&store(sim), &ada).expect("readable"),
        )
    };
    let (name, details) = at_bo(&sim);
    assert_eq!((name.as_str(), details.about.as_str()), ("Ada L.", "first\nof all"));
    assert!(details.has_status(sim.now) && !details.has_status(sim.now + 60_000));
    assert_eq!(details.avatar.len(), 26 + 78 * 256);

    let text = |what: &str, text: String| {
        let text = Some(text);
        match what {
            "name" => ProfileChange {
                name: text,
                ..ProfileChange::default()
            },
            "about" => ProfileChange {
                about: text,
                ..ProfileChange::default()
            },
            _ => ProfileChange {
                pronouns: text,
                ..ProfileChange::default()
            },
        }
    };
    for (what, max) in [("name", 64), ("about", 512), ("pronouns", 32)] {
        let long = set(&mut sim, text(what, "x".repeat(10_000)));
        let over = parlour_crypto::CardError::OverLimit {
            field: what,
            got: 10_000,
            max,
        };
        assert_eq!(long, Err(DecisionError::Card(over)));
        let acting = set(&mut sim, text(what, "a\u{202e}b\u{1b}[2J".to_owned()));
        assert!(matches!(acting, Err(DecisionError::BadText { .. })), "{what}");
    }
    assert!(matches!(
        set(&mut sim, text("name", " ".to_owned())),
        Err(DecisionError::BadText { .. })
    ));
    let over = ProfileChange {
        status_expires: Some(sim.now),
        ..ProfileChange::default()
    };
    assert_eq!(set(&mut sim, over), Err(DecisionError::StatusOver));
    for bad in [
        b"<svg/>".to_vec(),
        Vec::new(),
        gif(24 * 1024),
        b"GIF89a\x01\x02\x01\x02".to_vec(),
    ] {
        let refused = sim.decide(0, Decision::Avatar(Some(bad)));
        assert!(matches!(refused, Err(DecisionError::Card(_))), "{refused:?}");
    }
    sim.wait(10_000);
    assert_eq!(at_bo(&sim), (name, details), "nothing of it was told");
    sim.crash(0);
    sim.wait(10_000);
    sim.decide(0, Decision::Avatar(None)).expect("gone");
    sim.wait(10_000);
    let (name, details) = at_bo(&sim);
    assert_eq!(
        (name.as_str(), details.avatar.len()),
        ("Ada L.", 0),
        "a profile outlives the process"
    );
    let at_ada = parlour_store::contacts::details(sim.nodes[0].store(), &bo).expect("readable");
    assert_eq!(at_ada, parlour_crypto::CardDetails::default());
}

#[test]
fn the_last_of_many_cards_arrives_however_fast_they_come() {
    let (mut sim, _) = Sim::people(16);
    let ada = sim.user(0);
    for n in 0..30 {
        let change = ProfileChange {
            name: Some(format!("Ada {n}")),
            ..ProfileChange::default()
        };
        sim.decide(0, Decision::Profile(change)).expect("it fits");
        sim.wait(1_600);
    }
    sim.wait(5 * 60_000);
    let row = parlour_store::contacts::get(sim.nodes[1].store(), &ada).expect("readable");
    assert_eq!(row.expect("a contact").name, "Ada 29");
}

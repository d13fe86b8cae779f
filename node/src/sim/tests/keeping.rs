//! What a user alone decides: mutes, archives, drafts, petnames, notes.

use parlour_crypto::{Control, Frame, ReadMark};

use super::*;

#[test]
fn mutes_archives_drafts_and_petnames_are_kept_and_bad_ones_change_nothing() {
    let (mut sim, conversation) = Sim::people(10);
    let keep = |sim: &mut Sim, change| sim.decide(1, Decision::Conversation(conversation, change));
    let kept = |sim: &Sim| parlour_store::registers::kept(sim.nodes[1].store(), &conversation).expect("readable");
    let archived = || ConversationChange {
        archived: Some(true),
        ..ConversationChange::default()
    };
    let muted = |until| ConversationChange {
        muted_until: Some(until),
        ..ConversationChange::default()
    };
    keep(&mut sim, archived()).expect("kept");
    sim.tell(0, conversation, "wake up");
    sim.wait(2_000);
    assert!(!kept(&sim).archived, "a message brings it back");
    keep(&mut sim, muted(u64::MAX)).expect("kept");
    keep(&mut sim, archived()).expect("kept");
    sim.tell(0, conversation, "psst");
    sim.wait(2_000);
    assert!(kept(&sim).archived, "not while it is muted");
    let before = kept(&sim);
    let past = sim.now - 1;
    assert_eq!(keep(&mut sim, muted(past)), Err(DecisionError::Past));
    let draft = |text: String| ConversationChange {
        draft: Some(text),
        ..ConversationChange::default()
    };
    let long = keep(&mut sim, draft("x".repeat(16_385)));
    assert!(matches!(long, Err(DecisionError::TooLong { got: 16_385, .. })));
    assert_eq!(kept(&sim), before);
    keep(&mut sim, draft("dear ada".to_owned())).expect("kept");
    assert_eq!(kept(&sim).draft, "dear ada");

    let (ada, cy) = (sim.user(0), sim.user(2));
    let rename = |sim: &mut Sim, user, name: Option<&str>| {
        let change = ContactChange {
            petname: Some(name.map(str::to_owned)),
            ..ContactChange::default()
        };
        sim.decide(1, Decision::Contact(user, change))
    };
    let petname = |sim: &Sim| {
        let row = parlour_store::contacts::get(sim.nodes[1].store(), &ada).expect("readable");
        row.expect("a contact").petname
    };
    rename(&mut sim, ada, Some("countess")).expect("free");
    for bad in ["", &"x".repeat(10_000), "a\u{202e}b", "a\nb"] {
        assert_eq!(
            rename(&mut sim, ada, Some(bad)),
            Err(DecisionError::BadName { max: 64 }),
            "{bad:?}"
        );
    }
    assert_eq!(
        rename(&mut sim, cy, Some("countess")),
        Err(DecisionError::NameTaken("countess".to_owned()))
    );
    let nobody = parlour_crypto::UserId::from_bytes([3; 32]);
    assert_eq!(rename(&mut sim, nobody, None), Err(DecisionError::UnknownContact));
    assert_eq!(petname(&sim), Some("countess".to_owned()));
    rename(&mut sim, ada, None).expect("kept");
    assert_eq!(petname(&sim), None);
}

#[test]
fn notes_go_to_nobody_else_and_are_where_they_belong_at_once() {
    let (mut sim, conversation) = Sim::people(13);
    sim.tell(0, conversation, "to bo");
    sim.wait(2_000);
    sim.decide(0, Decision::OpenNotes).expect("made");
    sim.decide(0, Decision::OpenNotes).expect("there is one only");
    let notes = ConversationId::notes(&sim.user(0));
    let wire = sim.wire.len();
    sim.tell(0, notes, "milk and bread");
    assert_eq!(sim.statuses(0, &notes), vec![Delivered]);
    sim.wait(60_000);
    assert_eq!(sim.wire.len(), wire, "nothing went over the wire");
    assert_eq!(
        conversations::number(sim.nodes[1].store(), &notes).expect("readable"),
        None
    );
    assert_eq!(conversations::all(sim.nodes[0].store()).expect("readable").len(), 2);
    sim.crash(0);
    sim.wait(10_000);
    assert_eq!(sim.texts(0, &notes).len(), 1);
    for name in ["notes", "Notes", " notes "] {
        let change = ContactChange {
            petname: Some(Some(name.to_owned())),
            ..ContactChange::default()
        };
        let bo = sim.user(1);
        let refused = sim.decide(0, Decision::Contact(bo, change));
        assert_eq!(refused, Err(DecisionError::NameReserved(name.trim().to_owned())));
    }
    // Nobody else can put something there.
    let forged = Frame::Control {
        id: [1; 16],
        control: Control::Read(ReadMark {
            conversation: notes,
            clock: 1,
            event: EventId::from_bytes([1; 32]),
        }),
    };
    let forged = sim.nodes[1].forge_frame(&forged, None, sim.now);
    forged.into_iter().for_each(|command| sim.execute(1, command));
    sim.wait(1_000);
    assert_eq!(sim.texts(0, &notes).len(), 1);
}

//! Typing and presence: seen, over after a while, and never stored.

use parlour_crypto::{Frame, Presence};

use super::*;

#[test]
fn typing_is_seen_and_ends_by_itself_by_word_and_by_a_message() {
    let (mut sim, conversation) = Sim::people(6);
    let feed = |sim: &Sim| parlour_store::feed::last(sim.nodes[1].store()).expect("readable");
    let before = feed(&sim);
    sim.decide(0, typing(conversation, true)).expect("told");
    sim.wait(500);
    assert!(writes(&mut sim, 1, 0));
    sim.wait(4_000);
    assert!(writes(&mut sim, 1, 0));
    sim.wait(3_000);
    assert!(!writes(&mut sim, 1, 0), "it ends 6 s after it was last said");
    sim.decide(0, typing(conversation, true)).expect("told");
    sim.decide(0, typing(conversation, false)).expect("told");
    sim.wait(500);
    assert!(!writes(&mut sim, 1, 0));
    assert_eq!(feed(&sim), before, "nothing of it is stored");
    sim.decide(0, typing(conversation, true)).expect("told");
    sim.tell(0, conversation, "done");
    sim.wait(1_000);
    assert!(!writes(&mut sim, 1, 0));
    assert_eq!(
        sim.decide(0, typing(ConversationId::from_bytes([1; 32]), true)),
        Err(DecisionError::UnknownConversation)
    );
}

#[test]
fn presence_is_told_contacts_lapses_and_can_be_switched_off() {
    let (mut sim, _) = Sim::people(7);
    assert_eq!(presence_of(&mut sim, 1, 0), Some(false));
    sim.decide(0, Decision::Online(90_000)).expect("told");
    sim.wait(1_000);
    assert_eq!(
        (presence_of(&mut sim, 1, 0), presence_of(&mut sim, 2, 0)),
        (Some(true), None)
    );
    sim.wait(95_000);
    assert_eq!(presence_of(&mut sim, 1, 0), Some(false), "nobody is there for ever");
    let shares =
        |sim: &Sim| parlour_store::contacts::shares_presence(sim.nodes[1].store(), &sim.user(0)).expect("readable");
    assert!(shares(&sim));
    let off = Decision::Settings {
        read_receipts: None,
        presence: Some(false),
    };
    sim.decide(0, off).expect("written");
    sim.wait(1_000);
    assert_eq!(presence_of(&mut sim, 1, 0), None);
    sim.wait(5 * 60_000);
    assert!(!shares(&sim), "what is said again is written down");
    let feed = |sim: &Sim| parlour_store::feed::last(sim.nodes[1].store()).expect("readable");
    let before = feed(&sim);
    for presence in [Presence::Online, Presence::Hidden].into_iter().cycle().take(15) {
        let flip = sim.nodes[0].forge_frame(&Frame::Presence(presence), None, sim.now);
        flip.into_iter().for_each(|command| sim.execute(0, command));
    }
    sim.wait(1_000);
    assert!(feed(&sim) <= before + 1, "whoever flips does not fill the disk");
}

#[test]
fn a_flood_of_typing_is_cut_off_and_a_stranger_to_the_conversation_types_nowhere() {
    let (mut sim, conversation) = Sim::people(8);
    let frame = Frame::Typing {
        conversation,
        typing: true,
    };
    let forged = sim.nodes[2].forge_frame(&frame, None, sim.now);
    forged.into_iter().for_each(|command| sim.execute(2, command));
    sim.wait(500);
    assert!(!writes(&mut sim, 1, 2));
    for on in [true, false].into_iter().cycle().take(200) {
        let frame = Frame::Typing {
            conversation,
            typing: on,
        };
        let flood = sim.nodes[0].forge_frame(&frame, None, sim.now);
        flood.into_iter().for_each(|command| sim.execute(0, command));
    }
    sim.wait(500);
    let frame = Frame::Typing {
        conversation,
        typing: true,
    };
    let one_more = sim.nodes[0].forge_frame(&frame, None, sim.now);
    one_more.into_iter().for_each(|command| sim.execute(0, command));
    sim.wait(100);
    assert!(!writes(&mut sim, 1, 0), "what is over the rate is not looked at");
    sim.tell(0, conversation, "talk goes on");
    sim.wait(2_000);
    assert_eq!(sim.unread(1, &conversation), 1);
}

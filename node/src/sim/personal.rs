//! What people do with contacts and conversations beside talking: read marks and what follows, between real engines.

use parlour_crypto::{Control, ConversationId, EventId, Frame, ReadMark};
use parlour_store::registers::Trust;
use parlour_store::view::MessageStatus;
use parlour_store::{conversations, timeline};

use super::Sim;
use crate::engine::{
    Command, ContactChange, ConversationChange, Decision, DecisionError, ProfileChange, ReadMarkError, SendText, UpTo,
};

/// Two contacts with an open stream, and a stranger to both who knows the second.
fn people(seed: u64) -> (Sim, ConversationId) {
    let mut sim = Sim::new(seed, &["ada", "bo", "cy"]);
    sim.run_until(sim.now + 100);
    sim.introduce(0, 1);
    sim.introduce(1, 2);
    sim.run_until(sim.now + 5_000);
    let conversation = sim.direct(0, 1);
    (sim, conversation)
}

impl Sim {
    fn wait(&mut self, ms: u64) {
        self.run_until(self.now + ms);
    }

    fn tell(&mut self, from: usize, conversation: ConversationId, text: &str) -> EventId {
        let send = SendText::plain(conversation, text.to_owned());
        let sent = self.ask(from, |reply| Command::Send(send, reply));
        sent.expect("up").expect("accepted").at.id
    }

    fn read(&mut self, who: usize, conversation: ConversationId, up_to: UpTo) -> Result<(), ReadMarkError> {
        self.ask(who, |reply| Command::MarkRead {
            conversation,
            up_to,
            reply,
        })
        .expect("up")
    }

    fn decide(&mut self, who: usize, change: Decision) -> Result<(), DecisionError> {
        self.ask(who, |reply| Command::Decide(change, reply)).expect("up")
    }

    fn statuses(&self, who: usize, conversation: &ConversationId) -> Vec<MessageStatus> {
        self.texts(who, conversation)
            .into_iter()
            .map(|(_, status)| status)
            .collect()
    }

    fn unread(&self, who: usize, conversation: &ConversationId) -> u64 {
        let store = self.nodes[who].store();
        let no = conversations::number(store, conversation)
            .expect("readable")
            .expect("it is there");
        conversations::get(store, no)
            .expect("readable")
            .expect("it is there")
            .unread
    }
}

use MessageStatus::{Delivered, Read};

#[test]
fn a_read_mark_reaches_the_author_and_never_goes_back() {
    let (mut sim, conversation) = people(1);
    let first = sim.tell(0, conversation, "one");
    let second = sim.tell(0, conversation, "two");
    sim.tell(0, conversation, "three");
    sim.wait(2_000);
    assert_eq!(
        (sim.unread(1, &conversation), sim.statuses(0, &conversation)),
        (3, vec![Delivered; 3])
    );
    assert_eq!(sim.read(1, conversation, UpTo::Message(second)), Ok(()));
    sim.wait(2_000);
    assert_eq!(
        (sim.unread(1, &conversation), sim.statuses(0, &conversation)),
        (1, vec![Read, Read, Delivered])
    );
    assert_eq!(
        sim.read(1, conversation, UpTo::Message(first)),
        Ok(()),
        "it is read already"
    );
    sim.wait(2_000);
    assert_eq!(
        (sim.unread(1, &conversation), sim.statuses(0, &conversation)),
        (1, vec![Read, Read, Delivered])
    );
    assert_eq!(sim.read(1, conversation, UpTo::End), Ok(()));
    sim.wait(2_000);
    assert_eq!(
        (sim.unread(1, &conversation), sim.statuses(0, &conversation)),
        (0, vec![Read; 3])
    );
}

#[test]
fn a_read_mark_of_another_conversation_or_of_no_message_is_refused() {
    let (mut sim, conversation) = people(2);
    let elsewhere = sim.direct(1, 2);
    let foreign = sim.tell(2, elsewhere, "not yours");
    sim.tell(0, conversation, "hello");
    sim.wait(2_000);
    for message in [foreign, EventId::from_bytes([9; 32])] {
        let refused = sim.read(1, conversation, UpTo::Message(message));
        assert_eq!(refused, Err(ReadMarkError::UnknownMessage));
    }
    let unknown = ConversationId::from_bytes([1; 32]);
    assert_eq!(sim.read(1, unknown, UpTo::End), Err(ReadMarkError::UnknownConversation));
    assert_eq!(sim.unread(1, &conversation), 1);
}

#[test]
fn nobody_is_told_with_read_receipts_off_and_own_counting_goes_on() {
    let (mut sim, conversation) = people(3);
    sim.tell(0, conversation, "hello");
    sim.wait(2_000);
    let off = Decision::Settings {
        read_receipts: Some(false),
        presence: None,
    };
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.decide(1, off).expect("written");
    sim.wait(120_000);
    assert_eq!(sim.unread(1, &conversation), 0);
    assert_eq!(
        sim.statuses(0, &conversation),
        vec![Delivered],
        "what waited was not told either"
    );
}

#[test]
fn a_mark_made_while_the_author_is_away_arrives_later() {
    let (mut sim, conversation) = people(4);
    sim.tell(0, conversation, "hello");
    sim.wait(2_000);
    sim.crash(0);
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.wait(60_000);
    assert_eq!(sim.statuses(0, &conversation), vec![Read]);
}

#[test]
fn a_forged_or_future_read_mark_changes_nothing() {
    let (mut sim, conversation) = people(5);
    let said = sim.tell(0, conversation, "hello");
    sim.wait(2_000);
    let at = timeline::after(sim.nodes[0].store(), parlour_store::ConversationNo(1), None, 1).expect("readable")[0].at;
    assert_eq!(at.id, said);
    let mark = |clock| Frame::Control {
        id: [7; 16],
        control: Control::Read(ReadMark {
            conversation,
            clock,
            event: said,
        }),
    };
    // Cy is a contact of Bo and no part of what Ada and Bo say.
    let forged = sim.nodes[2].forge_frame(&mark(at.clock), sim.now);
    forged.into_iter().for_each(|command| sim.execute(2, command));
    sim.wait(2_000);
    let marks = |sim: &Sim, who: usize| {
        let store = sim.nodes[who].store();
        let own = sim.nodes[who].engine().own().device;
        let devices = parlour_store::devices::all(store).expect("readable");
        let of = |no| parlour_store::read_marks::get(store, parlour_store::ConversationNo(1), no).expect("readable");
        devices
            .into_iter()
            .filter(|(no, _)| *no != own && of(*no).is_some())
            .count()
    };
    assert_eq!(marks(&sim, 1), 0);
    let future = sim.nodes[1].forge_frame(&mark(sim.now + 3_600_000), sim.now);
    future.into_iter().for_each(|command| sim.execute(1, command));
    sim.wait(2_000);
    assert_eq!((marks(&sim, 0), sim.statuses(0, &conversation)), (0, vec![Delivered]));
    let honest = sim.nodes[1].forge_frame(&mark(at.clock), sim.now);
    honest.into_iter().for_each(|command| sim.execute(1, command));
    sim.wait(2_000);
    assert_eq!(sim.statuses(0, &conversation), vec![Read]);
}

fn presence_of(sim: &mut Sim, who: usize, of: usize) -> Option<bool> {
    let user = sim.user(of);
    // Whatever changed or not, the state is what counts here.
    let ephemera = sim.nodes[who].ephemera();
    ephemera.presence.get(&user).copied()
}

fn writes(sim: &mut Sim, who: usize, of: usize) -> bool {
    let user = sim.user(of);
    sim.nodes[who]
        .ephemera()
        .typing
        .iter()
        .any(|(_, typing)| *typing == user)
}

fn typing(conversation: ConversationId, typing: bool) -> Decision {
    Decision::Typing { conversation, typing }
}

#[test]
fn typing_is_seen_and_ends_by_itself_by_word_and_by_a_message() {
    let (mut sim, conversation) = people(6);
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
    let (mut sim, _) = people(7);
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
    assert_eq!((presence_of(&mut sim, 1, 0), shares(&sim)), (None, false));
}

#[test]
fn a_flood_of_typing_is_cut_off_and_a_stranger_to_the_conversation_types_nowhere() {
    let (mut sim, conversation) = people(8);
    let frame = Frame::Typing {
        conversation,
        typing: true,
    };
    let forged = sim.nodes[2].forge_frame(&frame, sim.now);
    forged.into_iter().for_each(|command| sim.execute(2, command));
    sim.wait(500);
    assert!(!writes(&mut sim, 1, 2));
    for on in [true, false].into_iter().cycle().take(200) {
        let frame = Frame::Typing {
            conversation,
            typing: on,
        };
        let flood = sim.nodes[0].forge_frame(&frame, sim.now);
        flood.into_iter().for_each(|command| sim.execute(0, command));
    }
    sim.wait(500);
    let frame = Frame::Typing {
        conversation,
        typing: true,
    };
    let one_more = sim.nodes[0].forge_frame(&frame, sim.now);
    one_more.into_iter().for_each(|command| sim.execute(0, command));
    sim.wait(100);
    assert!(!writes(&mut sim, 1, 0), "what is over the rate is not looked at");
    sim.tell(0, conversation, "talk goes on");
    sim.wait(2_000);
    assert_eq!(sim.unread(1, &conversation), 1);
}

fn block(sim: &mut Sim, who: usize, whom: usize, blocked: bool) {
    let change = ContactChange {
        blocked: Some(blocked),
        ..ContactChange::default()
    };
    let user = sim.user(whom);
    sim.decide(who, Decision::Contact(user, change)).expect("a contact");
}

#[test]
fn a_blocked_user_is_not_heard_learns_nothing_and_is_caught_up_with_later() {
    let (mut sim, conversation) = people(9);
    sim.tell(0, conversation, "before");
    sim.wait(2_000);
    block(&mut sim, 1, 0, true);
    let feed = parlour_store::feed::last(sim.nodes[1].store()).expect("readable");
    let wire = sim.wire.len();
    sim.tell(0, conversation, "while blocked");
    sim.decide(0, typing(conversation, true)).expect("told to nobody");
    sim.wait(8 * 60_000);
    assert_eq!(sim.texts(1, &conversation).len(), 1);
    let news = parlour_store::feed::after(sim.nodes[1].store(), feed, 10).expect("readable");
    let (ada, cy) = (sim.user(0), sim.user(2));
    let about_cy = parlour_store::feed::FeedRow::Contact { user: cy };
    assert!(news.iter().all(|(_, row)| *row == about_cy), "{news:?} beside {ada:?}");
    assert!(!writes(&mut sim, 1, 0));
    assert_ne!(sim.statuses(0, &conversation)[1], Delivered, "nothing was acknowledged");
    assert_eq!(presence_of(&mut sim, 0, 1), None, "no presence goes to the blocked");
    assert!(sim.wire.len() > wire, "they did try");
    let refused = sim.ask(1, |reply| {
        let send = SendText::plain(conversation, "no".to_owned());
        Command::Send(send, reply)
    });
    assert_eq!(refused.expect("up").err(), Some(crate::engine::SendError::Blocked));
    sim.crash(1);
    sim.wait(60_000);
    assert_eq!(sim.texts(1, &conversation).len(), 1, "a block outlives the process");
    block(&mut sim, 1, 0, false);
    sim.wait(10 * 60_000);
    assert_eq!(sim.texts(1, &conversation).len(), 2);
    assert_eq!(sim.statuses(0, &conversation), vec![Delivered; 2]);
}

#[test]
fn mutes_archives_drafts_and_petnames_are_kept_and_bad_ones_change_nothing() {
    let (mut sim, conversation) = people(10);
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
fn a_profile_reaches_contacts_and_what_is_too_long_or_acts_is_refused() {
    let (mut sim, _) = people(11);
    let (ada, bo) = (sim.user(0), sim.user(1));
    let gif = |extra: usize| [&b"GIF89a\x09\0\x09\0"[..], &vec![0; extra]].concat();
    let set = |sim: &mut Sim, change: ProfileChange| sim.decide(0, Decision::Profile(change));
    let profile = ProfileChange {
        name: Some("Ada L.".to_owned()),
        about: Some("first\nof all".to_owned()),
        status: Some("computing".to_owned()),
        status_expires: Some(sim.now + 60_000),
        ..ProfileChange::default()
    };
    set(&mut sim, profile).expect("it fits");
    sim.decide(0, Decision::Avatar(Some(gif(20_000)))).expect("it fits");
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
    assert_eq!(details.avatar.len(), 20_010);

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
fn a_safety_number_verifies_and_replaced_devices_take_that_back_and_get_nothing() {
    let (mut sim, conversation) = people(12);
    let bo = sim.user(1);
    let trust = |sim: &Sim| parlour_store::registers::trust(sim.nodes[0].store(), &bo).expect("readable");
    let number = parlour_crypto::safety_number(&sim.user(0), &bo);
    let verify = |sim: &mut Sim, code: &str| sim.decide(0, Decision::Verify(bo, code.to_owned()));
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
        sim.decide(0, Decision::Verify(nobody, number.clone())),
        Err(DecisionError::UnknownContact)
    );
    assert_eq!(trust(&sim), Trust::Unverified);
    verify(&mut sim, &number.replace(' ', "-")).expect("it is the same");
    assert!(matches!(trust(&sim), Trust::Verified { .. }));

    sim.tell(0, conversation, "before");
    sim.wait(2_000);
    let again = sim.recover(1);
    sim.nodes[1].crash();
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
        Some(crate::engine::SendError::DevicesReplaced)
    );
    sim.tell(again, conversation, "it is me");
    sim.wait(5 * 60_000);
    assert_eq!(sim.texts(0, &conversation).len(), 2, "what they say arrives");
    assert_eq!(
        sim.texts(again, &conversation).len(),
        1,
        "nothing of the past is given to the new device"
    );
    sim.crash(0);
    sim.wait(10_000);
    assert_eq!(sim.texts(again, &conversation).len(), 1, "nor after a restart");
    verify(&mut sim, &number).expect("the identity is the same");
    sim.tell(0, conversation, "welcome back");
    sim.wait(60_000);
    assert_eq!(sim.texts(again, &conversation).len(), 3);
}

#[test]
fn notes_go_to_nobody_else_and_are_where_they_belong_at_once() {
    let (mut sim, conversation) = people(13);
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
    // Nobody else can put something there.
    let forged = Frame::Control {
        id: [1; 16],
        control: Control::Read(ReadMark {
            conversation: notes,
            clock: 1,
            event: EventId::from_bytes([1; 32]),
        }),
    };
    let forged = sim.nodes[1].forge_frame(&forged, sim.now);
    forged.into_iter().for_each(|command| sim.execute(1, command));
    sim.wait(1_000);
    assert_eq!(sim.texts(0, &notes).len(), 1);
}

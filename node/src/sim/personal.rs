//! What people do with contacts and conversations beside talking: read marks and what follows, between real engines.

use parlour_crypto::{Control, ConversationId, EventId, Frame, Presence, ReadMark};
use parlour_store::registers::Trust;
use parlour_store::view::MessageStatus;
use parlour_store::{conversations, timeline};

use super::Sim;
use crate::engine::{
    Change, ChangeError, ChangeMessage, Command, ContactChange, ConversationChange, Decision, DecisionError, Input,
    ProfileChange, ReadMarkError, Refusal, SendError, SendText, SetTimer, TimerError, UpTo,
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
fn what_came_late_and_stands_before_the_mark_is_neither_read_nor_reported_as_read() {
    const SAID: usize = 20;
    let (mut sim, conversation) = people(21);
    sim.cut(0, 1);
    sim.wait(1_000);
    for n in 0..SAID {
        sim.tell(0, conversation, &format!("{n} {}", "x".repeat(16_000)));
    }
    sim.weather.max_delay_ms = 400;
    sim.mend(0, 1);
    let in_part = |sim: &Sim| {
        let count = sim.unread(1, &conversation);
        let first = sim.texts(1, &conversation).first().map(|(text, _)| text.clone());
        count > 0 && count < SAID as u64 && first.is_some_and(|text| !text.starts_with("0 "))
    };
    for _ in 0..600_000 {
        if in_part(&sim) {
            break;
        }
        sim.wait(1);
    }
    assert!(in_part(&sim), "what was missed comes newest first");
    let seen: Vec<String> = sim.texts(1, &conversation).into_iter().map(|(text, _)| text).collect();
    sim.read(1, conversation, UpTo::End).expect("it is there");
    assert_eq!(sim.unread(1, &conversation), 0);
    sim.wait(10 * 60_000);
    assert_eq!(sim.texts(1, &conversation).len(), SAID);
    let late = (SAID - seen.len()) as u64;
    sim.read(1, conversation, UpTo::Seq(0)).expect("it is there");
    assert_eq!(
        sim.unread(1, &conversation),
        late,
        "a mark that says nothing new hides nothing"
    );
    for (text, status) in sim.texts(0, &conversation) {
        let read = status == Read;
        assert!(!read || seen.contains(&text), "nobody has seen {:?}", &text[..4]);
    }
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.tell(0, conversation, "one more");
    sim.wait(5_000);
    assert_eq!(sim.unread(1, &conversation), 1);
    sim.read(1, conversation, UpTo::End).expect("it is there");
    sim.wait(5_000);
    assert_eq!(sim.unread(1, &conversation), 0);
    assert_eq!(sim.statuses(0, &conversation), vec![Read; SAID + 1]);
}

#[test]
fn a_message_read_by_its_arrival_number_speaks_of_nothing_behind_it() {
    let (mut sim, conversation) = people(22);
    for text in ["one", "two", "three"] {
        sim.tell(0, conversation, text);
        sim.wait(1_000);
    }
    sim.tell(1, conversation, "mine");
    sim.wait(2_000);
    sim.read(1, conversation, UpTo::Seq(2)).expect("it is there");
    sim.wait(2_000);
    assert_eq!(sim.unread(1, &conversation), 1);
    assert_eq!(sim.statuses(0, &conversation)[..3], [Read, Read, Delivered]);
    let feed = |sim: &Sim| parlour_store::feed::last(sim.nodes[1].store()).expect("readable");
    let before = feed(&sim);
    for seq in [0, 1, 2] {
        sim.read(1, conversation, UpTo::Seq(seq)).expect("it is there");
    }
    assert_eq!(feed(&sim), before, "nothing moved, so nothing was written");
    let mark = |sim: &Sim| {
        let own = sim.nodes[1].engine().own().device;
        let no = parlour_store::ConversationNo(1);
        parlour_store::read_marks::get(sim.nodes[1].store(), no, own).expect("readable")
    };
    sim.read(1, conversation, UpTo::End).expect("it is there");
    let read = mark(&sim).expect("marked");
    let last_foreign = timeline::after(sim.nodes[1].store(), parlour_store::ConversationNo(1), None, 10)
        .expect("readable")
        .into_iter()
        .filter(|entry| entry.event.log.device != sim.nodes[1].engine().own().device)
        .map(|entry| entry.at)
        .max();
    assert_eq!(Some(read.at()), last_foreign, "no mark speaks of what oneself wrote");
    sim.wait(2_000);
    sim.tell(1, conversation, "mine again");
    sim.wait(1_000);
    sim.read(1, conversation, UpTo::End).expect("it is there");
    assert_eq!(
        mark(&sim).map(|mark| mark.at()),
        Some(read.at()),
        "there was nothing to mark"
    );
    let waiting = parlour_store::outbox::devices(sim.nodes[1].store()).expect("readable");
    assert!(waiting.is_empty(), "{waiting:?}");
}

#[test]
fn marks_do_not_use_up_the_envelopes_of_a_contact_who_is_away() {
    let (mut sim, conversation) = people(23);
    for n in 0..40 {
        sim.tell(0, conversation, &format!("{n}"));
    }
    sim.wait(5_000);
    sim.nodes[0].crash();
    sim.cut_everything_of(0);
    sim.wait(60_000);
    let wire = sim.wire.len();
    for seq in 1..=40 {
        sim.read(1, conversation, UpTo::Seq(seq)).expect("it is there");
        sim.wait(30_000);
    }
    let sent = sim.wire.len() - wire;
    assert!(sent <= 10, "{sent} envelopes for 40 marks in 20 minutes");
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
    assert_eq!(presence_of(&mut sim, 1, 0), None);
    sim.wait(5 * 60_000);
    assert!(!shares(&sim), "what is said again is written down");
    let feed = |sim: &Sim| parlour_store::feed::last(sim.nodes[1].store()).expect("readable");
    let before = feed(&sim);
    for presence in [Presence::Online, Presence::Hidden].into_iter().cycle().take(15) {
        let flip = sim.nodes[0].forge_frame(&Frame::Presence(presence), sim.now);
        flip.into_iter().for_each(|command| sim.execute(0, command));
    }
    sim.wait(1_000);
    assert!(feed(&sim) <= before + 1, "whoever flips does not fill the disk");
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

/// Nothing that is done with a message or a conversation goes where no message may go.
fn assert_nothing_is_said(sim: &mut Sim, who: usize, conversation: ConversationId, own: EventId, why: Refusal) {
    let heads = |sim: &Sim| conversations::all(sim.nodes[who].store()).expect("readable");
    let before = heads(sim);
    let emoji = "👍".to_owned();
    let changes = [
        Change::Edit("anew".to_owned()),
        Change::Delete,
        Change::React { emoji, on: true },
        Change::Pin(true),
    ];
    for what in changes {
        let change = ChangeMessage { id: own, what };
        let answer = sim.ask(who, |reply| Command::Change(change, reply));
        assert_eq!(answer.expect("up").err(), Some(ChangeError::Refused(why)));
    }
    let set = SetTimer {
        conversation,
        expires_after_ms: Some(3_600_000),
    };
    let answer = sim.ask(who, |reply| Command::SetTimer(set, reply));
    assert_eq!(answer.expect("up").err(), Some(TimerError::Refused(why)));
    assert_eq!(heads(sim), before);
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
    let said = sim.tell(1, conversation, "mine");
    sim.wait(2_000);
    block(&mut sim, 1, 0, true);
    let feed = parlour_store::feed::last(sim.nodes[1].store()).expect("readable");
    let wire = sim.wire.len();
    sim.tell(0, conversation, "while blocked");
    sim.decide(0, typing(conversation, true)).expect("told to nobody");
    sim.wait(8 * 60_000);
    assert_eq!(sim.texts(1, &conversation).len(), 2);
    let news = parlour_store::feed::after(sim.nodes[1].store(), feed, 10).expect("readable");
    let (ada, cy) = (sim.user(0), sim.user(2));
    let about_cy = parlour_store::feed::FeedRow::Contact { user: cy };
    assert!(news.iter().all(|(_, row)| *row == about_cy), "{news:?} beside {ada:?}");
    assert!(!writes(&mut sim, 1, 0));
    assert_ne!(sim.statuses(0, &conversation)[2], Delivered, "nothing was acknowledged");
    assert_eq!(presence_of(&mut sim, 0, 1), None, "no presence goes to the blocked");
    assert!(sim.wire.len() > wire, "they did try");
    let refused = sim.ask(1, |reply| {
        let send = SendText::plain(conversation, "no".to_owned());
        Command::Send(send, reply)
    });
    assert_eq!(refused.expect("up").err(), Some(SendError::Refused(Refusal::Blocked)));
    assert_nothing_is_said(&mut sim, 1, conversation, said, Refusal::Blocked);
    sim.crash(1);
    sim.wait(60_000);
    assert_eq!(sim.texts(1, &conversation).len(), 2, "a block outlives the process");
    block(&mut sim, 1, 0, false);
    sim.wait(10 * 60_000);
    assert_eq!(sim.texts(1, &conversation).len(), 3);
    let statuses = sim.statuses(0, &conversation);
    assert_eq!(statuses.iter().filter(|status| **status == Delivered).count(), 2);
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
fn a_safety_number_verifies_and_replaced_devices_take_that_back_and_get_nothing() {
    let (mut sim, conversation) = people(12);
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
    let (mut sim, conversation) = people(14);
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

    let mut sim = people(15).0;
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

#[test]
fn the_last_of_many_cards_arrives_however_fast_they_come() {
    let (mut sim, _) = people(16);
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
    let forged = sim.nodes[1].forge_frame(&forged, sim.now);
    forged.into_iter().for_each(|command| sim.execute(1, command));
    sim.wait(1_000);
    assert_eq!(sim.texts(0, &notes).len(), 1);
}

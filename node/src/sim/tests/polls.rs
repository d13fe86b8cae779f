//! Polls and threads between nodes that were apart.

use parlour_crypto::{Content, Poll};
use parlour_store::view::{PollView, Shown};

use super::*;

pub(super) fn ask(sim: &mut Sim, who: usize, conversation: ConversationId, closes_at: Option<u64>) -> EventId {
    let poll = Poll {
        question: "which weir?".to_owned(),
        options: ["upper", "lower"].map(str::to_owned).to_vec(),
        multiple: false,
        anonymous: false,
        closes_at,
    };
    let send = SendText {
        content: Box::new(Content::Poll(poll)),
        ..SendText::plain(conversation, "")
    };
    let sent = sim.ask(who, |reply| Command::Send(send, reply));
    sent.expect("up").expect("asked").at.id
}

pub(super) fn poll(sim: &Sim, who: usize, conversation: &ConversationId, id: EventId) -> PollView {
    let messages = sim.shows(who, conversation).messages;
    let state = messages
        .into_iter()
        .find(|(known, _)| *known == id)
        .expect("it is there")
        .1;
    match state.shown {
        Shown::Poll(poll) => *poll,
        other => panic!("{other:?}"),
    }
}

pub(super) fn vote(sim: &mut Sim, who: usize, id: EventId, options: &[u8]) -> Result<(), ChangeError> {
    sim.change(who, id, Change::Vote(options.to_vec())).expect("up")
}

#[test]
fn a_vote_that_its_closing_did_not_know_does_not_count_on_either_side() {
    let (mut sim, conversation) = Sim::friends(3);
    let id = ask(&mut sim, 0, conversation, None);
    sim.wait(5 * SECOND);
    vote(&mut sim, 1, id, &[0]).expect("voted");
    sim.wait(5 * SECOND);
    sim.cut(0, 1);
    vote(&mut sim, 1, id, &[1]).expect("voted");
    assert_eq!(poll(&sim, 1, &conversation, id).choice_of(&sim.user(1)), [1]);
    vote(&mut sim, 0, id, &[1]).expect("voted");
    sim.change(0, id, Change::ClosePoll).expect("up").expect("closed");
    assert_eq!(vote(&mut sim, 0, id, &[0]), Err(ChangeError::PollClosed));
    sim.mend_all();
    sim.wait(5 * MINUTE);
    let here = poll(&sim, 0, &conversation, id);
    assert_eq!(here, poll(&sim, 1, &conversation, id));
    assert_eq!((here.closed, here.total), (true, 2));
    assert_eq!(
        (here.choice_of(&sim.user(0)), here.choice_of(&sim.user(1))),
        (vec![1], vec![0])
    );
    assert_eq!(vote(&mut sim, 1, id, &[1]), Err(ChangeError::PollClosed));
}

#[test]
fn what_a_poll_does_not_allow_is_refused_and_nothing_is_written() {
    let (mut sim, conversation) = Sim::friends(4);
    let soon = sim.now + MINUTE;
    let id = ask(&mut sim, 0, conversation, Some(soon));
    let text = sim.tell(0, conversation, "no poll");
    sim.wait(5 * SECOND);
    let feed = sim.feed_of(1);
    let cases = [
        (id, &[2][..], ChangeError::NoSuchOption { count: 2 }),
        (id, &[1, 1], ChangeError::OptionTwice),
        (id, &[0, 1], ChangeError::OneOption),
        (text, &[0], ChangeError::NotPoll),
    ];
    for (id, options, why) in cases {
        assert_eq!(vote(&mut sim, 1, id, options), Err(why));
    }
    assert_eq!(vote(&mut sim, 1, id, &[]), Ok(()), "there is nothing to take back");
    let close = |sim: &mut Sim, who, id| sim.change(who, id, Change::ClosePoll).expect("up");
    assert_eq!(close(&mut sim, 1, id), Err(ChangeError::NotYourPoll));
    assert_eq!(close(&mut sim, 0, text), Err(ChangeError::NotPoll));
    assert_eq!(sim.feed_of(1), feed);
    sim.wait(2 * MINUTE);
    assert_eq!(vote(&mut sim, 1, id, &[0]), Err(ChangeError::PollClosed));
    assert_eq!(close(&mut sim, 0, id), Ok(()), "it is");
    assert_eq!(poll(&sim, 0, &conversation, id).total, 0);
}

#[test]
fn a_thread_has_a_root_that_is_there_and_in_no_thread() {
    let (mut sim, conversation) = Sim::friends(5);
    let root = sim.tell(0, conversation, "root");
    sim.wait(5 * SECOND);
    let under = |sim: &mut Sim, root: EventId| {
        let send = SendText {
            thread: Some(root),
            ..SendText::plain(conversation, "under it")
        };
        sim.ask(1, |reply| Command::Send(send, reply)).expect("up")
    };
    let first = under(&mut sim, root).expect("said").at.id;
    assert_eq!(under(&mut sim, first), Err(SendError::InThread(root)));
    let nothing = EventId::from_bytes([9; 32]);
    assert_eq!(under(&mut sim, nothing), Err(SendError::UnknownThread));
    sim.wait(5 * SECOND);
    for who in [0, 1] {
        let state = &sim.shows(who, &conversation).messages[0].1;
        assert_eq!(
            state.replies.map(|thread| (thread.replies, thread.last.id)),
            Some((1, first))
        );
    }
    assert_eq!(sim.change(0, root, Change::Delete), Some(Ok(())));
    sim.wait(5 * SECOND);
    assert_eq!(under(&mut sim, root), Err(SendError::ThreadGone));
}

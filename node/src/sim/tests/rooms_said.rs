//! Polls, threads, messages to be viewed once, and giving a room away, between the nodes of three members.

use parlour_crypto::Rank;

use super::polls::{ask, poll, vote};
use super::rooms::three;
use super::*;
use crate::engine::{RoomAct, RoomError};

#[test]
fn three_vote_and_what_the_closing_did_not_know_counts_nowhere() {
    let (mut sim, room) = three(541);
    let id = ask(&mut sim, 1, room, None);
    sim.wait(5 * SECOND);
    for (who, option) in [(0, 0), (1, 1), (2, 1)] {
        vote(&mut sim, who, id, &[option]).expect("voted");
    }
    sim.wait(10 * SECOND);
    let choices = |sim: &Sim, who| {
        let poll = poll(sim, who, &room, id);
        let of = [0, 1, 2].map(|voter| poll.choice_of(&sim.user(voter)));
        (poll.closed, poll.total, of)
    };
    for who in [0, 1, 2] {
        assert_eq!(choices(&sim, who), (false, 3, [vec![0], vec![1], vec![1]]), "{who}");
    }
    // ada and cy change their minds; bo hears of the one, and closes it.
    sim.cut(0, 1);
    sim.cut(0, 2);
    vote(&mut sim, 0, id, &[1]).expect("voted");
    vote(&mut sim, 2, id, &[0]).expect("voted");
    sim.wait(10 * SECOND);
    sim.change(1, id, Change::ClosePoll).expect("up").expect("closed");
    sim.mend_all();
    sim.wait(5 * MINUTE);
    for who in [0, 1, 2] {
        assert_eq!(choices(&sim, who), (true, 3, [vec![0], vec![1], vec![0]]), "{who}");
        assert_eq!(vote(&mut sim, who, id, &[0]), Err(ChangeError::PollClosed));
    }
}

#[test]
fn a_thread_that_grew_at_several_nodes_at_once_is_one() {
    let (mut sim, room) = three(542);
    let root = sim.tell(0, room, "root");
    sim.wait(5 * SECOND);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        sim.cut(a, b);
    }
    for who in [0, 1, 2] {
        let send = SendText {
            thread: Some(root),
            ..SendText::plain(room, "under it")
        };
        let said = sim.ask(who, |reply| Command::Send(send, reply)).expect("up");
        said.expect("said");
    }
    sim.mend_all();
    sim.wait(5 * MINUTE);
    let replies = |sim: &Sim, who| {
        let shown = sim.shows(who, &room).messages;
        let state = shown.into_iter().find(|(id, _)| *id == root).expect("there").1;
        state.replies.expect("a thread")
    };
    let here = replies(&sim, 0);
    assert_eq!(here.replies, 3);
    for who in [1, 2] {
        assert_eq!(
            (replies(&sim, who).replies, replies(&sim, who).last.id),
            (3, here.last.id)
        );
    }
}

#[test]
fn each_member_views_a_message_once_and_its_sender_keeps_nothing() {
    let (mut sim, room) = three(543);
    let id = sim.send_once(0, room);
    sim.wait(5 * MINUTE);
    let body = |sim: &Sim, who| sim.event(who, &id).body().is_some();
    assert_eq!([0, 1, 2].map(|who| body(&sim, who)), [false, true, true]);
    let view = |sim: &mut Sim, who| {
        let what = Change::View;
        let seen = sim.ask(who, |reply| Command::Change(ChangeMessage { id, what }, reply));
        seen.expect("up").map(|seen| seen.viewed.is_some())
    };
    assert_eq!(view(&mut sim, 1), Ok(true));
    sim.wait(MINUTE);
    assert_eq!(
        [1, 2].map(|who| body(&sim, who)),
        [false, true],
        "cy has not looked yet"
    );
    assert_eq!(view(&mut sim, 2), Ok(true));
    sim.wait(5 * MINUTE);
    for who in [1, 2] {
        assert_eq!(view(&mut sim, who), Err(ChangeError::UsedUp), "{who}");
        assert!(!body(&sim, who), "nobody gives it back");
    }
}

#[test]
fn a_room_that_is_given_away_is_ruled_by_whoever_has_it_now_at_all_nodes() {
    let (mut sim, room) = three(544);
    let [ada, bo, cy] = [0, 1, 2].map(|who| sim.user(who));
    let refused = sim.in_room(0, room, RoomAct::Transfer(cy));
    assert!(matches!(refused, Err(RoomError::Rank { .. })), "{refused:?}");
    assert_eq!(sim.in_room(1, room, RoomAct::Leave), Err(RoomError::Owner));
    sim.in_room(1, room, RoomAct::Transfer(ada)).expect("given");
    sim.wait(10 * SECOND);
    for who in [0, 1, 2] {
        let ranks = [0, 1, 2].map(|of| sim.rank_at(who, &room, of));
        let admin = Some(Rank::Admin);
        assert_eq!(ranks, [Some(Rank::Owner), admin, Some(Rank::Member)], "{who}");
    }
    assert!(
        sim.in_room(1, room, RoomAct::Transfer(cy)).is_err(),
        "it is bo's no more"
    );
    assert_eq!(sim.in_room(0, room, RoomAct::Leave), Err(RoomError::Owner));
    sim.in_room(0, room, RoomAct::Role(bo, Rank::Member)).expect("lowered");
    sim.wait(10 * SECOND);
    assert_eq!(sim.rank_at(2, &room, 1), Some(Rank::Member));
    sim.in_room(1, room, RoomAct::Leave).expect("bo may go now");
    sim.wait(MINUTE);
    for who in [0, 2] {
        assert_eq!(sim.members_at(who, &room), [0, 2], "{who}");
    }
    sim.tell(0, room, "mine now");
    sim.wait(10 * SECOND);
    assert_eq!(sim.plain_texts(2, &room), ["mine now"]);
}

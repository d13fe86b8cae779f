//! What members tell those who keep order, and what one of them can make these keep.

use parlour_crypto::{Control, Frame, Rank, UserId};
use parlour_store::rooms;

use super::rooms::three;
use super::*;
use crate::engine::{RoomAct, RoomError};

impl Sim {
    fn report(&mut self, who: usize, room: ConversationId, message: EventId) -> Result<(), RoomError> {
        let reason = "spam".to_owned();
        self.in_room(who, room, RoomAct::Report { message, reason })
    }

    /// The reports that are open at a node: which message, and who told.
    fn reported(&self, who: usize, room: &ConversationId) -> Vec<(EventId, UserId)> {
        let no = self.number_of(who, room).expect("there");
        let all = rooms::reports(self.nodes[who].store(), no).expect("readable");
        let open = all.into_iter().filter(|(_, _, row)| !row.dismissed);
        open.map(|(target, by, _)| (target, by)).collect()
    }
}

#[test]
fn reports_come_to_those_who_keep_order_alone_and_each_of_them_dismisses_their_own() {
    let (mut sim, room) = three(711);
    let (ada, cy) = (sim.user(0), sim.user(2));
    let by_ada = sim.tell(0, room, "buy this");
    let by_bo = sim.tell(1, room, "a word of the owner");
    sim.wait(10 * SECOND);
    sim.report(2, room, by_ada).expect("told");
    sim.report(2, room, by_ada)
        .expect("told before, and told again to nobody");
    assert_eq!(sim.report(0, room, by_ada), Err(RoomError::OwnMessage));
    assert_eq!(
        sim.report(2, room, by_bo),
        Err(RoomError::NobodyToTell),
        "bo alone keeps order"
    );
    assert_eq!(
        sim.report(2, room, EventId::from_bytes([7; 32])),
        Err(RoomError::NoSuchMessage)
    );
    sim.wait(10 * SECOND);
    assert_eq!(sim.reported(1, &room), [(by_ada, cy)]);
    assert_eq!(sim.reported(0, &room), [], "whom it is about, and who keeps no order");
    sim.in_room(1, room, RoomAct::Role(ada, Rank::Moderator))
        .expect("ranked");
    sim.wait(10 * SECOND);
    sim.report(2, room, by_bo).expect("ada can do something");
    sim.wait(10 * SECOND);
    assert_eq!(sim.reported(0, &room), [(by_bo, cy)]);
    assert_eq!(
        sim.reported(1, &room),
        [(by_ada, cy)],
        "nobody is told of what is said of them"
    );
    sim.in_room(1, room, RoomAct::DismissReports(by_ada))
        .expect("dismissed");
    assert_eq!(sim.reported(1, &room), []);
    assert_eq!(
        sim.in_room(1, room, RoomAct::DismissReports(by_ada)),
        Err(RoomError::NoSuchReport)
    );
    sim.crash(1);
    sim.wait(10 * MINUTE);
    assert_eq!(sim.reported(1, &room), [], "and does not come again");
}

#[test]
fn a_report_waits_for_whoever_is_away() {
    let (mut sim, room) = three(712);
    let said = sim.tell(0, room, "buy this");
    sim.wait(10 * SECOND);
    sim.down(1, Crash::Killed);
    sim.report(2, room, said).expect("told");
    sim.wait(HOUR);
    sim.start(1);
    sim.wait(10 * MINUTE);
    assert_eq!(sim.reported(1, &room), [(said, sim.user(2))]);
}

#[test]
fn who_reports_without_end_fills_a_little_and_no_more() {
    let (mut sim, room) = three(713);
    let cy = sim.user(2);
    let said: Vec<EventId> = (0..12).map(|n| sim.tell(0, room, &format!("{n}"))).collect();
    sim.wait(10 * SECOND);
    let told: Vec<_> = said.iter().map(|id| sim.report(2, room, *id)).collect();
    assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 10);
    assert_eq!(told.last(), Some(&Err(RoomError::TooManyReports)));
    sim.wait(HOUR);
    sim.report(2, room, said[11]).expect("an hour later");
    sim.wait(MINUTE);
    // Other code does not count, and invents messages.
    for n in 0..60 {
        let control = Control::RoomReport {
            room,
            target: EventId::from_bytes([n; 32]),
            reason: "x".repeat(512),
            ext: Vec::new(),
        };
        sim.say_to(2, Some(1), &Frame::Control { id: [n; 16], control });
        sim.wait(100);
    }
    sim.wait(MINUTE);
    assert_eq!(sim.reported(1, &room).len(), 32);
    assert!(sim.reported(1, &room).iter().all(|(_, by)| *by == cy));
    // What was looked at makes room for what is new.
    sim.in_room(1, room, RoomAct::DismissReports(said[0]))
        .expect("dismissed");
    let new = EventId::from_bytes([200; 32]);
    let control = Control::RoomReport {
        room,
        target: new,
        reason: String::new(),
        ext: Vec::new(),
    };
    sim.say_to(2, Some(1), &Frame::Control { id: [200; 16], control });
    sim.wait(MINUTE);
    assert!(sim.reported(1, &room).contains(&(new, cy)));
    assert_eq!(sim.reported(1, &room).len(), 32);
}

#[test]
fn what_outsiders_report_is_not_kept() {
    let (mut sim, room) = three(714);
    let said = sim.tell(0, room, "buy this");
    sim.wait(10 * SECOND);
    sim.remove(1, room, 2);
    sim.wait(10 * SECOND);
    assert_eq!(sim.report(2, room, said), Err(RoomError::NotMember));
    let control = Control::RoomReport {
        room,
        target: said,
        reason: String::new(),
        ext: Vec::new(),
    };
    sim.say_to(2, Some(1), &Frame::Control { id: [1; 16], control });
    sim.wait(MINUTE);
    assert_eq!(sim.reported(1, &room), []);
}

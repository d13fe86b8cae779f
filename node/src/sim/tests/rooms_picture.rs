//! The picture of a room: set and taken away by those with the right, the same for all, and never more than bytes to look at.

use parlour_crypto::{ImageError, Rank};
use parlour_store::rooms;

use super::rooms::three;
use super::*;
use crate::engine::{RoomAct, RoomError};

const GIF: &[u8] = b"GIF89a\x09\0\x09\0\0\0\0\x2c\0\0\0\0\x09\0\x09\0\0\x02\x02ab\0\x3b";

impl Sim {
    fn room_picture(&self, who: usize, room: &ConversationId) -> Option<Vec<u8>> {
        let no = self.number_of(who, room).expect("the room is there");
        rooms::picture(self.nodes[who].store(), no).expect("readable")
    }
}

#[test]
fn a_picture_is_the_same_for_all_also_for_who_comes_later_or_starts_again_and_goes_for_all() {
    let (mut sim, room) = three(571);
    let (head, rest) = GIF.split_at(13);
    let with_a_place = [head, b"\x21\xfe\x0452 N\0", rest].concat();
    sim.in_room(1, room, RoomAct::Picture(Some(with_a_place))).expect("set");
    sim.wait(10 * SECOND);
    for who in 0..3 {
        assert_eq!(
            sim.room_picture(who, &room).as_deref(),
            Some(GIF),
            "at {who}, without what was written into it"
        );
    }
    sim.crash(2);
    sim.wait(MINUTE);
    assert_eq!(sim.room_picture(2, &room).as_deref(), Some(GIF));
    sim.remove(1, room, 0);
    sim.wait(10 * SECOND);
    sim.let_in(1, room, 0);
    assert_eq!(sim.room_picture(0, &room).as_deref(), Some(GIF));
    sim.in_room(1, room, RoomAct::Picture(None)).expect("taken away");
    sim.wait(10 * SECOND);
    assert_eq!([0, 1, 2].map(|who| sim.room_picture(who, &room)), [None, None, None]);
}

#[test]
fn what_is_no_picture_is_refused_and_so_is_who_has_no_right_to_one() {
    let (mut sim, room) = three(572);
    let before = sim.feed_of(1);
    let set = |bytes: &[u8]| RoomAct::Picture(Some(bytes.to_vec()));
    assert!(matches!(
        sim.in_room(1, room, set(b"<svg/>")),
        Err(RoomError::Picture(ImageError::Unknown))
    ));
    let block = [&[255][..], &[7; 255]].concat();
    let large = [&GIF[..GIF.len() - 5], &block.repeat(100), &GIF[GIF.len() - 5..]].concat();
    assert!(matches!(
        sim.in_room(1, room, set(&large)),
        Err(RoomError::TooLong { field: "avatar", .. })
    ));
    assert!(matches!(
        sim.in_room(0, room, set(GIF)),
        Err(RoomError::Rank {
            needs: Rank::Moderator,
            ..
        })
    ));
    assert_eq!(sim.feed_of(1), before, "nothing has changed");
    assert_eq!(sim.room_picture(1, &room), None);
}

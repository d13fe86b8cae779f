//! Opening a room of 256 members with a long history: its last page, and how many of its messages are unread.

use std::path::Path;
use std::time::Instant;

use parlour_store::view::{self, DeliveryView};
use parlour_store::{Store, conversations, system};

use crate::account::Account;
use crate::account::room::{MEMBERS, Room, Said};
use crate::figures::{Figures, spread};
use crate::{BATCH, PAGE, PAGES, messages};

/// Fills a room, message by message, and leaves it on the disk.
pub(crate) fn write(dir: &Path, figures: &mut Figures) {
    let key = Account::new();
    let mut room = Room::new();
    let store = Room::open(dir, key.key());
    room.begin(&store);
    let (all, mut done) = (messages(), 0);
    let tenth = all / 10;
    let mut measured = false;
    while done < all {
        let said: Vec<Said> = (0..BATCH.min(all - done)).map(|_| room.next()).collect();
        done += said.len();
        let mut txn = store.begin();
        room.take_in(&mut txn, &said, done == all);
        store.commit(txn.into_batch()).unwrap();
        if store.db().needs_checkpoint(0) {
            store.db().checkpoint().unwrap();
        }
        if done >= tenth && !measured {
            measured = true;
            unread(&store, room.of_others(), "room_unread_at_a_tenth", figures);
        }
    }
    unread(&store, room.of_others(), "room_unread", figures);
    figures.number("room_members", MEMBERS as f64);
    store.db().clone().close().unwrap();
}

/// Reads the count of a room, as a list of conversations does; it has to be right, too.
fn unread(store: &Store, expected: u64, name: &str, figures: &mut Figures) {
    let mut times = Vec::new();
    for _ in 0..PAGES {
        let began = Instant::now();
        let row = conversations::get(store, Room::NO).unwrap().unwrap();
        times.push(began.elapsed());
        assert_eq!(row.unread, expected);
    }
    figures.number(&format!("{name}_p50_us"), spread(times).p50 * 1e3);
}

/// Opens the store of such a room, and its last page again and again, as the API reads it.
pub(crate) fn read(dir: &Path, figures: &mut Figures) {
    let key = Account::new();
    let room = Room::new();
    let store = Room::open(dir, key.key());
    let began = Instant::now();
    page(&room, &store);
    figures.number("room_first_page_ms", began.elapsed().as_secs_f64() * 1e3);
    let mut times = Vec::new();
    for _ in 0..PAGES {
        let began = Instant::now();
        page(&room, &store);
        times.push(began.elapsed());
    }
    let times = spread(times);
    figures.spread("room_last_page", &times);
    figures.goal("room_last_page_p50_ms", times.p50, "<= 1");
}

fn page(room: &Room, store: &Store) {
    let entries = system::page_before(store, Room::NO, None, PAGE).unwrap();
    assert_eq!(entries.len(), PAGE);
    let mut delivery = DeliveryView::new(store, room.own(), Room::NO).unwrap();
    for entry in &entries {
        let message = view::message(store, entry, &mut delivery).unwrap();
        assert!(message.state.text().is_some());
    }
}

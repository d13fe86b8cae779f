use super::*;
use crate::db::{Batch, Db, DbOptions};
use crate::keyspace::{DeviceNo, LogKey};

const ROOM: ConversationNo = ConversationNo(3);

fn opened() -> (tempfile::TempDir, Db) {
    let dir = tempfile::tempdir().unwrap();
    let options = DbOptions {
        reserve_bytes: 0,
        ..DbOptions::default()
    };
    let (db, _) = Db::open(dir.path(), &[7; 32], options).unwrap();
    (dir, db)
}

/// An entry whose id ends with `last` and begins like all others.
fn entry(room_seq: u64, clock: u64, last: u8) -> TimelineEntry {
    let mut id = [9; 32];
    id[31] = last;
    TimelineEntry {
        at: Position {
            clock,
            id: EventId::from_bytes(id),
        },
        event: EventKey {
            log: LogKey {
                conversation: ROOM,
                device: DeviceNo(1),
                log: 1,
            },
            seq: room_seq,
            branch: 0,
        },
        room_seq,
    }
}

#[test]
fn arrival_numbers_lead_to_their_own_messages_where_ids_begin_alike() {
    let (_dir, db) = opened();
    let entries = [entry(1, 50, 3), entry(2, 50, 1), entry(3, 50, 2), entry(4, 49, 1)];
    let mut txn = db.begin();
    entries.iter().for_each(|entry| put(&mut txn, ROOM, entry));
    for entry in &entries {
        assert_eq!(by_room_seq(&txn, ROOM, entry.room_seq).unwrap(), Some(entry.at));
    }
    assert_eq!(arrived(&txn, ROOM, 1, 10).unwrap(), entries[1..]);
    mark_late(&mut txn, ROOM, &entries[1].at.id);
    assert!(is_late(&txn, ROOM, &entries[1].at.id).unwrap() && !is_late(&txn, ROOM, &entries[0].at.id).unwrap());
    assert_eq!(remove(&mut txn, ROOM, &entries[1].at).unwrap(), Some(entries[1]));
    assert!(!is_late(&txn, ROOM, &entries[1].at.id).unwrap(), "nothing of it stays");
    assert_eq!(by_room_seq(&txn, ROOM, 2).unwrap(), None);
    assert_eq!(
        arrived(&txn, ROOM, 0, 10).unwrap(),
        [entries[0], entries[2], entries[3]]
    );
}

#[test]
fn arrival_numbers_with_whole_ids_are_read_as_well() {
    let (_dir, db) = opened();
    let entry = entry(7, 50, 1);
    let mut txn = db.begin();
    put(&mut txn, ROOM, &entry);
    let mut older = Batch::new();
    let key = Key::new(Kind::RoomSeq).conversation(ROOM).u64(7).done();
    older.put(key.clone(), parlour_crypto::encode_into(vec![1], &entry.at));
    txn.merge(older);
    assert_eq!(txn.get(&key).unwrap().unwrap()[0], 1);
    assert_eq!(by_room_seq(&txn, ROOM, 7).unwrap(), Some(entry.at));
    assert_eq!(arrived(&txn, ROOM, 0, 10).unwrap(), [entry]);
}

//! Events that needed a newer version when they came. They are kept and passed on as they are, and have no effect; the build that
//! understands them folds them then, once, some at a time.

use parlour_crypto::{Body, BodyError};
use serde::{Deserialize, Serialize};

use super::fold::{Folded, fold};
use crate::db::{Read, Txn};
use crate::keyspace::{EventKey, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};
use crate::{conversations, events, feed, timeline};

/// Raised with every kind, content or visibility that a build learns to understand.
const UNDERSTANDING: u32 = 2;
/// Events looked at again in one transaction.
const AT_ONCE: usize = 256;

#[derive(Serialize, Deserialize)]
pub(crate) struct Mark;

impl Row for Mark {
    const NOUN: &'static str = "event that needs a newer version";
}

/// The rows of builds that understood less stand first.
fn key(understanding: u32, at: &EventKey) -> Vec<u8> {
    Key::new(Kind::NotUnderstood)
        .u32(understanding)
        .bytes(&at.to_bytes())
        .done()
}

fn of_older_builds() -> (Vec<u8>, Vec<u8>) {
    let from = Key::new(Kind::NotUnderstood);
    (from.done(), Key::new(Kind::NotUnderstood).u32(UNDERSTANDING).done())
}

/// Notes that this build does not understand the event at `at`.
pub(super) fn note(txn: &mut Txn<'_>, at: &EventKey) {
    record::put(txn, key(UNDERSTANDING, at), &Mark);
}

/// Whether there are events that an older build did not understand and this one has not looked at.
pub(super) fn is_any(read: &impl Read) -> Result<bool, StoreError> {
    let (from, to) = of_older_builds();
    Ok(read.any(&from, &to)?)
}

/// Looks at some of them again.
pub(super) fn go_on(txn: &mut Txn<'_>, now: u64, out: &mut Folded) -> Result<(), StoreError> {
    let (from, to) = of_older_builds();
    let rows: Vec<Vec<u8>> = txn.scan_keys(&from, &to).take(AT_ONCE).collect::<Result<_, _>>()?;
    for row in rows {
        txn.delete(row.clone());
        let mut fields = Fields(row.get(1..).unwrap_or_default());
        let (Some(_), Some(at)) = (fields.u32(), EventKey::from_bytes(fields.0)) else {
            return Err(StoreError::Malformed { noun: Mark::NOUN });
        };
        let Some(event) = events::get(txn, &at)? else { continue };
        let body = event.body().map(|(_, body)| Body::read(event.header().kind, body));
        match body {
            Some(Err(BodyError::NeedsNewerVersion)) => note(txn, &at),
            Some(_) => {
                // Its row of erasing, if it has one, was written when it came: nobody can have written it here.
                out.merge(fold(txn, &at, &event, false, now)?);
                take_place(txn, &at, &event, out)?;
            }
            None => {}
        }
    }
    Ok(())
}

/// What was shown as something unknown is shown as what it is, or, where it speaks of messages alone, not by itself.
fn take_place(
    txn: &mut Txn<'_>,
    at: &EventKey,
    event: &parlour_crypto::VerifiedEvent,
    out: &mut Folded,
) -> Result<(), StoreError> {
    let no = at.log.conversation;
    if events::has_a_place(event.header().kind) {
        out.changed.insert(*at);
        return Ok(());
    }
    let place = timeline::Position {
        clock: event.header().clock,
        id: event.id(),
    };
    if timeline::remove(txn, no, &place)?.is_none() {
        return Ok(());
    }
    let Some(mut row) = conversations::get(txn, no)? else {
        return Err(StoreError::Malformed { noun: "conversation" });
    };
    let newest = timeline::before(txn, no, None, 1)?.pop();
    row.last = newest.map(|entry| (entry.at.clock, entry.at.id, entry.event));
    conversations::put(txn, no, &row);
    feed::append(txn, &feed::FeedRow::Conversation { conversation: no })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use parlour_crypto::{
        ConversationId, DeviceCert, DeviceKeys, Draft, EventId, Identity, KIND_MESSAGE, KIND_REACTION, Message,
        Reaction, VerifiedEvent,
    };
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;
    use zeroize::Zeroizing;

    use super::*;
    use crate::annotations::{erase_due, next_due, said};
    use crate::conversations::ConversationKind;
    use crate::db::{Db, DbOptions};
    use crate::devices::{self, DeviceRow};
    use crate::keyspace::{ConversationNo, LogKey};
    use crate::timeline::{Position, TimelineEntry};

    const START: u64 = 1_800_000_000_000;

    struct World {
        keys: DeviceKeys,
        conversation: ConversationId,
        log: LogKey,
    }

    impl World {
        fn new(txn: &mut Txn<'_>) -> Self {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let identity = Identity::from_entropy(&Zeroizing::new([1; 32]));
            let keys = DeviceKeys::generate(&mut rng);
            let user = identity.user_id();
            let certificate = DeviceCert::issue(&identity, &keys, 1, START);
            let row = DeviceRow {
                id: keys.id(),
                user,
                certificate: certificate.as_bytes().to_vec(),
                bundle: Vec::new(),
                peer: Vec::new(),
                addresses: Vec::new(),
                good_addresses: Vec::new(),
                last_seen: 0,
            };
            let device = devices::put(txn, &row).unwrap();
            let conversation = ConversationId::notes(&user);
            let (no, _) = conversations::ensure(txn, &conversation, ConversationKind::Notes, START).unwrap();
            let log = LogKey {
                conversation: no,
                device,
                log: 1,
            };
            Self {
                keys,
                conversation,
                log,
            }
        }

        /// Stores an event and shows it, as a build does that does not understand it.
        fn shown(&self, txn: &mut Txn<'_>, seq: u64, kind: u16, body: &[u8]) -> VerifiedEvent {
            let draft = Draft {
                kind,
                conversation: self.conversation,
                device: self.keys.id(),
                log: 1,
                seq,
                prev: (seq > 1).then(|| EventId::from_bytes([9; 32])),
                parents: Vec::new(),
                clock: START + seq,
                view: None,
            };
            let event = VerifiedEvent::sign(&self.keys, draft, [3; 16], body).unwrap();
            let at = self.at(seq);
            events::put(txn, &at, &event);
            let place = Position {
                clock: START + seq,
                id: event.id(),
            };
            let entry = TimelineEntry {
                at: place,
                event: at,
                room_seq: seq,
            };
            timeline::put(txn, self.log.conversation, &entry);
            let mut row = conversations::get(txn, self.log.conversation).unwrap().unwrap();
            row.last = Some((place.clock, place.id, at));
            row.last_seq = seq;
            conversations::put(txn, self.log.conversation, &row);
            event
        }

        fn at(&self, seq: u64) -> EventKey {
            EventKey {
                log: self.log,
                seq,
                branch: 0,
            }
        }
    }

    fn shown(read: &impl Read, no: ConversationNo) -> Vec<EventId> {
        let entries = timeline::after(read, no, None, 1_000).unwrap();
        entries.into_iter().map(|entry| entry.at.id).collect()
    }

    #[test]
    fn what_an_older_build_did_not_understand_has_its_effect_after_an_upgrade() {
        let dir = tempfile::tempdir().unwrap();
        let options = || DbOptions {
            reserve_bytes: 0,
            ..DbOptions::default()
        };
        let (db, _) = Db::open(dir.path(), &[7; 32], options()).unwrap();
        let mut txn = db.begin();
        let world = World::new(&mut txn);
        let text = Message::text("hello").encode().unwrap();
        let message = world.shown(&mut txn, 1, KIND_MESSAGE, &text);
        let reaction = |on| {
            let reaction = Reaction {
                target: message.id(),
                emoji: "👍".to_owned(),
                on,
                ext: Vec::new(),
            };
            Body::Reaction(reaction).encode().unwrap()
        };
        // More than one round of them, and the last one counts.
        let last = 2 * AT_ONCE as u64 + 1;
        for seq in 2..=last {
            world.shown(&mut txn, seq, KIND_REACTION, &reaction(seq == last));
            record::put(&mut txn, key(0, &world.at(seq)), &Mark);
        }
        let strange = world.shown(&mut txn, last + 1, 60_000, b"of a version to come");
        record::put(&mut txn, key(0, &world.at(last + 1)), &Mark);
        db.commit(txn.into_batch()).unwrap();
        drop(db);

        let (db, _) = Db::open(dir.path(), &[7; 32], options()).unwrap();
        let no = world.log.conversation;
        assert_eq!(shown(&db, no).len() as u64, last + 1);
        let (mut rounds, mut changed) = (0, std::collections::BTreeSet::new());
        while next_due(&db).unwrap() == Some(0) {
            let mut txn = db.begin();
            changed.extend(erase_due(&mut txn, START).unwrap().changed);
            db.commit(txn.into_batch()).unwrap();
            rounds += 1;
        }
        assert_eq!(rounds, 3, "a bounded part each time");
        assert!(changed.contains(&world.at(1)), "readers are told");
        let about = said(&db, no, &message.id()).unwrap();
        assert!(about.reactions.len() == 1 && about.reactions[0].on, "{about:?}");
        assert_eq!(shown(&db, no), [message.id(), strange.id()]);
        let row = conversations::get(&db, no).unwrap().unwrap();
        assert_eq!(row.last.map(|(_, id, _)| id), Some(strange.id()));
        // It waits for a build that knows more than this one.
        assert!(db.get(&key(UNDERSTANDING, &world.at(last + 1))).unwrap().is_some());
    }

    #[test]
    fn what_this_build_does_not_understand_is_noted_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (db, _) = Db::open(dir.path(), &[7; 32], DbOptions::default()).unwrap();
        let mut txn = db.begin();
        let world = World::new(&mut txn);
        for (seq, kind, noted) in [(1, 60_000, true), (2, KIND_MESSAGE, false), (3, KIND_REACTION, false)] {
            let body = match kind {
                KIND_MESSAGE => Message::text("hello").encode().unwrap(),
                // Wrong for ever, in whatever version.
                KIND_REACTION => vec![1, 2, 3],
                _ => vec![1],
            };
            let event = world.shown(&mut txn, seq, kind, &body);
            fold(&mut txn, &world.at(seq), &event, false, START).unwrap();
            let there = txn.get(&key(UNDERSTANDING, &world.at(seq))).unwrap();
            assert_eq!(there.is_some(), noted, "{kind}");
        }
        assert!(!is_any(&txn).unwrap());
    }
}

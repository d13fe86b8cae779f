//! Chains that come, go and are used in any order: each byte of the input is one thing that happens at a reader.
#![allow(dead_code, reason = "each test and fuzz target uses a part of it")]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use parlour_crypto::{
    ChainId, ChainSender, MAX_CHAINS, MAX_SKIPPED, RecordKey, SendingChain, SharedChain, Taken, VerifiedEvent,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::room::{DAY, NOW, ROOM, Room, padded};

/// More than a reader keeps.
const CHAINS: usize = MAX_CHAINS + 6;
/// More steps find nothing new.
const STEPS: usize = 160;

fn room() -> &'static Room {
    static ROOM: OnceLock<Room> = OnceLock::new();
    ROOM.get_or_init(Room::new)
}

/// A reader and its disk.
struct Reader {
    chains: ChainSender,
    disk: BTreeMap<RecordKey, Vec<u8>>,
}

impl Reader {
    /// Writes what changed; whether anything did.
    fn save(&mut self) -> bool {
        let changes = self.chains.take_changes();
        let any = !changes.is_empty();
        for change in changes {
            match change.value {
                Some(value) => self.disk.insert(change.key, value.to_vec()),
                None => self.disk.remove(&change.key),
            };
        }
        any
    }

    fn load(disk: &BTreeMap<RecordKey, Vec<u8>>) -> Option<ChainSender> {
        let records = disk.iter().map(|(key, value)| (*key, value.clone().into()));
        ChainSender::load(ROOM, &room().cert, records).ok()
    }

    fn holds(&self) -> Vec<ChainId> {
        self.chains.tags(DAY).map(|(chain, _)| chain).collect()
    }

    fn take(&mut self, shared: &SharedChain, by_owner: bool) {
        let room = room();
        let from = if by_owner { room.owner.id() } else { room.reader };
        let taken = self.chains.take(shared, &from, &room.reader);
        let moved = self.save();
        assert_eq!(moved, taken == Ok(Taken::New), "{taken:?}");
    }

    /// Hands in an envelope; the event, if it counted.
    fn hand_in(&mut self, chain: &ChainId, envelope: &[u8]) -> Option<VerifiedEvent> {
        let pending = self.chains.open(chain, envelope).ok();
        assert!(!self.save(), "an envelope that is opened moves nothing");
        let proved = pending?.verify().ok();
        assert!(!self.save(), "nor does one whose event is not the owner's");
        let event = self.chains.commit(proved?, NOW).ok();
        assert_eq!(self.save(), event.is_some());
        if event.is_some() {
            assert!(self.chains.open(chain, envelope).is_err(), "opened twice");
        }
        event
    }

    fn assert_bounds(&self) {
        assert!(self.holds().len() <= MAX_CHAINS);
        assert!(self.disk.len() <= 2 * MAX_CHAINS + MAX_SKIPPED);
    }
}

/// One envelope of a chain of the owner, handed to a reader who has that chain; whether it counted.
pub(crate) fn one_message(chain: &SendingChain, envelope: &[u8]) -> bool {
    let chains = room().reader_of(chain);
    let mut reader = Reader {
        chains,
        disk: BTreeMap::new(),
    };
    reader.save();
    let before = reader.disk.clone();
    let id = chain.cert().chain();
    let event = reader.hand_in(&id, envelope);
    assert_eq!(
        event.is_none(),
        reader.disk == before,
        "a reader moves with what counts"
    );
    let again = Reader::load(&reader.disk).expect("what was written is read again");
    assert!(event.is_none() || again.open(&id, envelope).is_err(), "opened twice");
    event.is_some()
}

fn sending() -> &'static Vec<Vec<u8>> {
    static SENDING: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SENDING.get_or_init(|| {
        let chains = (0..CHAINS as u64).map(|seed| room().chain(seed));
        chains.map(|chain| chain.to_bytes().to_vec()).collect()
    })
}

/// Lets happen what `data` says; how many messages counted.
pub(crate) fn play(data: &[u8]) -> usize {
    let room = room();
    let mut sending: BTreeMap<usize, SendingChain> = BTreeMap::new();
    let mut reader = Reader {
        chains: ChainSender::new(ROOM, &room.cert).unwrap(),
        disk: BTreeMap::new(),
    };
    let (mut seq, mut counted) = (0, 0);
    let mut input = data.iter().copied().take(2 * STEPS);
    while let (Some(what), Some(how)) = (input.next(), input.next()) {
        let which = usize::from(what >> 3) + 32 * usize::from(how & 1);
        let which = which % CHAINS;
        let chain = sending
            .entry(which)
            .or_insert_with(|| SendingChain::from_bytes(&self::sending()[which]).unwrap());
        let id = chain.cert().chain();
        let mut shared = chain.share(vec![]).expect("it does not end so soon");
        match what & 7 {
            0 | 1 => reader.take(&shared, true),
            2 => {
                shared.proof = room.audience.prove(&room.reader);
                reader.take(&shared, false);
            }
            // Damaged on the way, or by whoever hands it on.
            3 => {
                let at = usize::from(how) % shared.cert.len();
                shared.cert[at] ^= 1;
                let taken = reader.chains.take(&shared, &room.owner.id(), &room.reader);
                assert!(taken.is_err() && !reader.save());
            }
            4 => {
                shared.iteration = u32::from(how) * 8;
                reader.take(&shared, how & 2 == 0);
            }
            5 => {
                seq += 1;
                let event = room.event(seq);
                let mut rng = ChaCha20Rng::seed_from_u64(seq);
                let envelope = chain.seal(&mut rng, DAY, &event).unwrap();
                // Some are lost, so that keys are skipped.
                if how & 6 != 0 {
                    counted += usize::from(reader.hand_in(&id, &envelope).is_some());
                }
            }
            6 => {
                let body = padded(&[1, how, how]);
                let envelope = crate::room::forge(chain, u32::from(how), u32::from(how & 7), &body);
                assert_eq!(reader.hand_in(&id, &envelope), None);
            }
            _ => {
                let held = reader.holds();
                reader.chains = Reader::load(&reader.disk).expect("what was written is read again");
                assert_eq!(reader.holds(), held);
                if reader.chains.purge(NOW + u64::from(how & 1)) {
                    reader.save();
                }
            }
        }
        reader.assert_bounds();
    }
    damaged(&reader, data);
    counted
}

/// What is on the disk, with a bit flipped: it is refused, or it is chains that can be used.
fn damaged(reader: &Reader, data: &[u8]) {
    let [first, second, ..] = data else { return };
    let mut disk = reader.disk.clone();
    let which = usize::from(*first) % disk.len().max(1);
    let Some(value) = disk.values_mut().nth(which) else {
        return;
    };
    let at = usize::from(*second) % value.len();
    value[at] ^= 1 << (first & 7);
    if let Some(chains) = Reader::load(&disk) {
        for (chain, _) in chains.tags(DAY).collect::<Vec<_>>() {
            let _ = chains.share(&chain);
            assert!(chains.open(&chain, &[1; 512]).is_err());
        }
    }
}

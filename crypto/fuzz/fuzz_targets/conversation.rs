//! Two sessions and a network that may do anything: each byte of the input is one thing that happens. Both sides refresh the root as
//! often as they can, or as seldom as they do by themselves: the first byte says which.
#![no_main]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use parlour_crypto::{
    DeviceCert, DeviceKeys, EnvelopePrefix, FirstFlight, Identity, ListReference, PrekeySecret, RecordKey, Session,
    initiate, parse,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const NOW: u64 = 1_767_225_600_000;
const DAY: u16 = 20_454;
/// So many make fewer chains than are kept: whatever is on the way can still be opened.
const OPERATIONS: usize = 120;

/// A fresh pair, as it comes from the disk.
fn pair() -> [Session; 2] {
    static CORES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let cores = CORES.get_or_init(|| {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let person = |seed: u8, rng: &mut ChaCha20Rng| {
            let keys = DeviceKeys::generate(rng);
            let cert = DeviceCert::issue(&Identity::from_entropy(&[seed; 32]), &keys, 1, NOW);
            (keys, cert)
        };
        let ((a, a_cert), (b, b_cert)) = (person(1, &mut rng), person(2, &mut rng));
        let prekey = PrekeySecret::generate(&mut rng, 1);
        let bundle = prekey.bundle(&b, &b_cert, NOW, NOW + 1_000_000);
        let list = ListReference {
            version: 1,
            hash: [1; 8],
        };
        let prefix = EnvelopePrefix { day: DAY, tag: [7; 8] };
        let (at_a, envelope) = initiate(&mut rng, &a, &a_cert, list, &b_cert, &bundle, None, NOW)
            .unwrap()
            .seal(&mut rng, &prefix, b"hello")
            .unwrap();
        let (prefix, body) = parse(&envelope).unwrap();
        let flight = FirstFlight::parse(body).unwrap();
        let opened = flight.open(&prefix, &b, &b_cert, &prekey, bundle.hash(), None, |_| None, NOW);
        [at_a.core().to_vec(), opened.unwrap().session.core().to_vec()]
    });
    [0, 1].map(|side| Session::load(&cores[side], std::iter::empty()).unwrap())
}

fuzz_target!(|data: &[u8]| {
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let mut sessions = pair();
    let eager = data.first().is_some_and(|byte| byte & 1 == 0);
    for session in &mut sessions {
        assert!(session.know_refresh());
    }
    let mut disks = [BTreeMap::new(), BTreeMap::new()];
    let mut on_the_way: [Vec<(u32, Vec<u8>)>; 2] = [Vec::new(), Vec::new()];
    let mut opened = [std::collections::BTreeSet::new(), std::collections::BTreeSet::new()];
    for (number, &byte) in data.iter().take(OPERATIONS).enumerate() {
        let (number, side, at) = (number as u32, usize::from(byte & 1), usize::from(byte >> 4));
        let (to, queue) = (1 - side, &mut on_the_way[side]);
        match (byte >> 1) & 7 {
            0..=2 => {
                if eager {
                    sessions[side].ask_for_refresh();
                }
                if let Ok(envelope) = sessions[side].seal(&mut rng, DAY, &number.to_be_bytes()) {
                    queue.push((number, envelope));
                }
            }
            3 | 4 if !queue.is_empty() => {
                let (said, envelope) = queue.remove(at % queue.len());
                let text = sessions[to]
                    .open(&envelope, NOW)
                    .expect("what was sealed opens once, in any order");
                assert_eq!(text.as_slice(), said.to_be_bytes());
                assert!(opened[to].insert(said), "opened twice");
                assert!(
                    sessions[to].open(&envelope, NOW).is_err(),
                    "a repeated envelope is refused"
                );
            }
            5 if !queue.is_empty() => drop(queue.remove(at % queue.len())),
            6 if !queue.is_empty() => {
                let mut envelope = queue[at % queue.len()].1.clone();
                let bit = usize::from(byte) * 13 % (envelope.len() * 8);
                envelope[bit / 8] ^= 1 << (bit % 8);
                assert!(
                    sessions[to].open(&envelope, NOW).is_err(),
                    "a damaged envelope is refused"
                );
            }
            7 => reload(&mut sessions[side], &mut disks[side]),
            _ => {}
        }
    }
    let [a, b] = sessions.map(|session| session.refreshes());
    assert!(a.abs_diff(b) <= 1, "a side is at most one refresh ahead");
});

/// Reads a session back from what was written of it.
fn reload(session: &mut Session, disk: &mut BTreeMap<RecordKey, Vec<u8>>) {
    for change in session.take_changes() {
        match change.value {
            Some(value) => disk.insert(change.key, value.to_vec()),
            None => disk.remove(&change.key),
        };
    }
    let records = disk.iter().map(|(key, value)| (*key, value.clone().into()));
    *session = Session::load(&session.core(), records).expect("what was written is read again");
}

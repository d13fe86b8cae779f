//! Ratchet messages that the right keys seal, and that say what no correct sender says: headers, padding, offers and answers of a
//! peer gone bad. The session is in any phase of a refresh.
//!
//! Input: which state, how to forge, header fields, padded payload.
#![no_main]

use std::sync::OnceLock;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, XChaCha20Poly1305};
use libfuzzer_sys::fuzz_target;
use parlour_crypto::{
    ByteReader, DeviceCert, DeviceKeys, EnvelopePrefix, FirstFlight, Identity, ListReference, PrekeySecret, RecordKey,
    Session, initiate, parse,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const NOW: u64 = 1_767_225_600_000;
const DAY: u16 = 20_454;
/// Where parts of a core begin (`session`, `ratchet/state`).
const TH: usize = 2;
const NEXT_SENDING_HEADER: usize = 2 + 5 * 32;
const ACTIVE: usize = 2 + 7 * 32;

/// A stored session: core and records.
type Stored = (Vec<u8>, Vec<(RecordKey, Vec<u8>)>);

/// A side that has a sending chain, and the other one.
type Pair = (Stored, Stored);

fn store(session: &mut Session, records: &mut Vec<(RecordKey, Vec<u8>)>) -> Stored {
    for change in session.take_changes() {
        records.retain(|(key, _)| *key != change.key);
        if let Some(value) = change.value {
            records.push((change.key, value.to_vec()));
        }
    }
    (session.core().to_vec(), records.clone())
}

fn load((core, records): &Stored) -> Session {
    Session::load(core, records.iter().map(|(key, value)| (*key, value.clone().into()))).unwrap()
}

/// Both sides after each message of a conversation with two refreshes.
fn states() -> &'static Vec<Pair> {
    static STATES: OnceLock<Vec<Pair>> = OnceLock::new();
    STATES.get_or_init(|| {
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
        let mut sessions = [at_a, opened.unwrap().session];
        let mut records = [Vec::new(), Vec::new()];
        let mut states = Vec::new();
        for turn in 0..12 {
            let from = 1 - turn % 2;
            for session in &mut sessions {
                let _ = session.know_refresh();
                session.ask_for_refresh();
            }
            // One that is lost, so that there are skipped keys and old chains; then one that comes.
            sessions[from].seal(&mut rng, DAY, b"lost").unwrap();
            let envelope = sessions[from].seal(&mut rng, DAY, b"turn").unwrap();
            sessions[1 - from].open(&envelope, NOW).unwrap();
            let stored = [0, 1].map(|side| store(&mut sessions[side], &mut records[side]));
            let [a, b] = stored;
            states.push(if from == 0 { (a, b) } else { (b, a) });
        }
        assert!(sessions[0].refreshes() >= 2);
        states
    })
}

fn xof<const N: usize>(key: &[u8; 32], purpose: &str, field: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(b"parlour/1\0").update(purpose.as_bytes()).update(b"\0");
    if !field.is_empty() {
        hasher.update(&(field.len() as u32).to_be_bytes()).update(field);
    }
    hasher.finalize_xof().fill(&mut out);
    out
}

/// The envelope that the sender of `core` would seal if it said this.
fn forge(core: &[u8], mut input: ByteReader<'_>) -> Option<Vec<u8>> {
    let part = |at: usize| <[u8; 32]>::try_from(&core[at..at + 32]).unwrap();
    assert_eq!(core[ACTIVE], 1, "who has sealed has a chain");
    let mode = input.u8()?;
    let (pn, ahead, epoch, flags, zero) = (input.u32()?, input.u8()?, input.u32()?, input.u16()?, input.u16()?);
    let n = u32::from_be_bytes(core[ACTIVE + 129..][..4].try_into().unwrap());

    // The current chain; or a header as of the next chain, whose body cannot be right.
    let header_key = part(if mode & 1 == 0 {
        ACTIVE + 65
    } else {
        NEXT_SENDING_HEADER
    });
    let mut chain = part(ACTIVE + 97);
    let mut message_key = [0; 32];
    for _ in 0..=ahead {
        let step: [u8; 64] = xof(&chain, "ratchet step", &[]);
        message_key.copy_from_slice(&step[..32]);
        chain.copy_from_slice(&step[32..]);
    }
    let mut header = Vec::with_capacity(64);
    header.extend_from_slice(if mode & 2 == 0 {
        &core[ACTIVE + 33..][..32]
    } else {
        &[0; 32]
    });
    header.extend_from_slice(&pn.to_be_bytes());
    header.extend_from_slice(&(n + u32::from(ahead)).to_be_bytes());
    header.extend_from_slice(&epoch.to_be_bytes());
    header.extend_from_slice(&flags.to_be_bytes());
    header.extend_from_slice(&zero.to_be_bytes());

    let size = if mode & 4 == 0 { 2048 } else { 512 };
    let mut body = input.rest().to_vec();
    body.resize(size - 11 - 24 - 64 - 16, 0);
    let nonce = [9; 24];
    let mut envelope = EnvelopePrefix { day: DAY, tag: [3; 8] }.encode().to_vec();
    let ad = [&core[TH..TH + 32], &envelope].concat();
    XChaCha20Poly1305::new(&header_key.into())
        .encrypt_in_place(&nonce.into(), &ad, &mut header)
        .unwrap();
    envelope.extend_from_slice(&nonce);
    envelope.extend_from_slice(&header);
    let expanded: [u8; 44] = xof(&message_key, "ratchet message", &nonce);
    let (key, body_nonce) = expanded.split_at(32);
    let ad = [&core[TH..TH + 32], &envelope].concat();
    ChaCha20Poly1305::new(key.try_into().unwrap())
        .encrypt_in_place(body_nonce.try_into().unwrap(), &ad, &mut body)
        .unwrap();
    envelope.extend_from_slice(&body);
    Some(envelope)
}

fuzz_target!(|data: &[u8]| {
    let mut input = ByteReader::new(data);
    let Some(state) = input.u8() else { return };
    let (sender, receiver) = &states()[usize::from(state) % states().len()];
    let Some(envelope) = forge(&sender.0, input) else {
        return;
    };
    let mut session = load(receiver);
    match session.open(&envelope, NOW) {
        Ok(payload) => {
            assert!(payload.len() < envelope.len());
            let mut records = receiver.1.clone();
            let stored = store(&mut session, &mut records);
            let mut again = load(&stored);
            assert_eq!(*again.core(), *session.core(), "what was written is read again");
            assert!(again.open(&envelope, NOW).is_err(), "opened twice");
            assert!(again.seal(&mut ChaCha20Rng::from_seed([2; 32]), DAY, b"answer").is_ok());
        }
        Err(_) => {
            assert_eq!(*session.core(), receiver.0, "what does not open moves nothing");
            assert!(session.take_changes().is_empty());
        }
    }
});

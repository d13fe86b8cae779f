//! Seeded mutations of every encoding, and of what coverage-guided fuzzing has found (`fuzz/seeds`): whatever comes in, decoders
//! answer and do not panic.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod bodies;
#[path = "../support/chains.rs"]
mod chains;
mod decoders;
#[path = "../support/links.rs"]
mod links;
#[path = "../support/room.rs"]
mod room;
mod rooms;
mod samples;

use decoders::offer;
use parlour_crypto::DeviceCert;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use samples::samples;

const NOW: u64 = 1_767_225_600_000;
const ROUNDS: usize = 300;
/// Mutations of each seed; there are many.
const SEED_ROUNDS: usize = 2;

fn mutate(rng: &mut ChaCha20Rng, good: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=rng.next_u32() % 4 {
        let at = rng.next_u32() as usize % bytes.len().max(1);
        match rng.next_u32() % 6 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), rng.next_u32() as u8),
            2 if at < bytes.len() => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][rng.next_u32() as usize % 5],
            3 if at < bytes.len() => bytes[at] ^= 1 << (rng.next_u32() % 8),
            4 if at < bytes.len() => {
                let tail = bytes[at..].to_vec();
                bytes.extend_from_slice(&tail);
            }
            _ if at < bytes.len() => drop(bytes.remove(at)),
            _ => {}
        }
        bytes.truncate(70_000);
    }
    bytes
}

#[test]
fn no_mutation_makes_a_decoder_panic() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let samples = samples();
    let cert = DeviceCert::verify(&samples[0]).unwrap();
    for good in &samples {
        offer(good, &cert);
        for _ in 0..ROUNDS {
            offer(&mutate(&mut rng, good), &cert);
        }
    }
    for seed in seeds() {
        offer(&seed, &cert);
        for _ in 0..SEED_ROUNDS {
            offer(&mutate(&mut rng, &seed), &cert);
        }
    }
    for len in 0..600 {
        let mut noise = vec![0; len];
        rng.fill_bytes(&mut noise);
        offer(&noise, &cert);
    }
}

/// What the targets in `fuzz` found to reach new code, in order.
fn seeds() -> Vec<Vec<u8>> {
    let files = |folder: &std::path::Path| {
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    };
    let folders = files(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds"));
    assert_eq!(folders.len(), 10, "a folder for each target");
    let seeds: Vec<_> = folders.iter().flat_map(|folder| files(folder)).collect();
    seeds.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

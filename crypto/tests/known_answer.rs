//! A conversation over fixed seeds, byte for byte: whatever changes the bytes of the wire or of the disk shows here.
//!
//! The expected hashes come from this code. They prove that nothing has changed, not that it is right: that is for the
//! vectors of a second implementation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use data_encoding::HEXLOWER;
use parlour_crypto::{StreamOpen, accept_stream};
use sha2::{Digest, Sha256};
use support::{PREFIX, Side, device, rng};

const WIRE: &str = "9a0513ead399cc04691960c1eeedfa913c79d892d08a768167db1edf2d8405b5";
const DISK: &str = "a30a41730a86656a972313e28a6aa471aaa3fb4ef7087d52d7aaaa502669b4d9";

fn hex(hash: Sha256) -> String {
    HEXLOWER.encode(&hash.finalize())
}

#[test]
fn a_conversation_has_the_bytes_it_always_had() {
    let (a, b) = (device(1), device(2));
    let (mut wire, mut disk) = (Sha256::new(), Sha256::new());

    let initiated = a.start(&b, Some(&b.one_time.public()), 3).unwrap();
    let (session, first) = initiated.seal(&mut rng(4), &PREFIX, b"hello").unwrap();
    wire.update(&first);
    let accepted = b.answer(&first, Some(&b.one_time)).unwrap();
    let side = |session, seed| Side {
        session,
        records: Default::default(),
        rng: rng(seed),
        eager: false,
    };
    let mut sides = [side(session, 5), side(accepted.session, 6)];
    wire.update(sides[0].session.id().as_bytes());

    for turn in 0..12_u8 {
        let from = usize::from(turn % 2);
        // Of five messages the second is late and the fourth is lost.
        let sent: Vec<_> = (0..5).map(|n| sides[from].seal(&vec![turn; 300 * n])).collect();
        for envelope in &sent {
            wire.update(envelope);
        }
        for at in [0, 2, 1, 4] {
            sides[1 - from].open(&sent[at]).unwrap();
        }
        for side in &sides {
            disk.update(&*side.session.core());
            for (key, value) in &side.records {
                disk.update(key);
                disk.update(value);
            }
        }
    }

    let [a, b] = &sides;
    let (state, open) = StreamOpen::create(&mut rng(7), &a.session, b"peer a", b"peer b");
    let (_, accept, mut b_out, _) = accept_stream(&mut rng(8), &open, [&b.session], b"peer a", b"peer b").unwrap();
    let (mut a_out, _) = state.finish(&accept).unwrap();
    wire.update(&open);
    wire.update(&accept);
    for sealer in [&mut a_out, &mut b_out] {
        wire.update(sealer.seal(b"frame"));
        sealer.rekey();
        wire.update(sealer.seal(b"frame"));
    }

    let bytes = [hex(wire), hex(disk)];
    assert_eq!(bytes, [WIRE, DISK]);
}

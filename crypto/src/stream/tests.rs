use super::*;
use crate::testing::{LOW_ORDER, rng};

const PAIR_KEY: [u8; 32] = [1; 32];

fn peers() -> Peers {
    Peers {
        opener: b"a".to_vec(),
        acceptor: b"b".to_vec(),
    }
}

fn waiting() -> StreamOpen {
    StreamOpen {
        nonce: [2; 32],
        eph: keys::random_secret(&mut rng(1)),
        pair_key: Zeroizing::new(PAIR_KEY),
        exporter: Exporter([3; 32]),
        peers: peers(),
    }
}

#[test]
fn a_low_order_key_in_an_answer_is_refused() {
    for low in LOW_ORDER {
        let state = waiting();
        let (own, eph, nonce) = (PublicKey::from(&state.eph), PublicKey::from(low), [4; 32]);
        let mac = accept_mac(&PAIR_KEY, (&state.nonce, &own), (&nonce, &eph), &peers());
        let error = state.finish(&hello(&nonce, &eph, &mac)).unwrap_err();
        assert_eq!(error, StreamError::LowOrder(LowOrder));
    }
}

#[test]
fn a_low_order_key_on_either_side_gives_no_keys() {
    let own = keys::random_secret(&mut rng(1));
    for low in LOW_ORDER {
        let keys = stream_keys(
            &Exporter([3; 32]),
            &own,
            &PublicKey::from(low),
            (&[1; 32], &[2; 32]),
            &peers(),
        );
        assert_eq!(keys.err(), Some(LowOrder));
    }
}

#[test]
fn nonces_count_up_and_never_repeat() {
    assert_eq!(frame_nonce(0), [0; 12]);
    assert_eq!(frame_nonce(0x0102), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    assert_eq!(frame_nonce(u64::MAX)[..4], [0; 4]);
}

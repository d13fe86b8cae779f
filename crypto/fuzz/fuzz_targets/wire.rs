//! What anybody can put on the wire: envelopes, first flights, knocks, the beginnings of streams.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use parlour_crypto::{
    DeviceCert, DeviceKeys, EnvelopePrefix, FirstFlight, Identity, KnockRequest, KnockResponse, ListReference,
    PrekeyBundle, PrekeySecret, STREAM_ACCEPT_LEN, STREAM_OPEN_LEN, Session, StreamOpen, accept_stream, initiate,
    parse, relay_verdict,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const NOW: u64 = 1_767_225_600_000;

/// Somebody who gets what is on the wire.
struct Receiver {
    keys: DeviceKeys,
    cert: DeviceCert,
    prekey: PrekeySecret,
    bundle: PrekeyBundle,
    session: Session,
}

fn receiver() -> &'static Receiver {
    static RECEIVER: OnceLock<Receiver> = OnceLock::new();
    RECEIVER.get_or_init(|| {
        let mut rng = rng();
        let person = |seed: u8, rng: &mut ChaCha20Rng| {
            let keys = DeviceKeys::generate(rng);
            let cert = DeviceCert::issue(&Identity::from_entropy(&[seed; 32]), &keys, 1, NOW);
            (keys, cert)
        };
        let ((a, a_cert), (keys, cert)) = (person(1, &mut rng), person(2, &mut rng));
        let prekey = PrekeySecret::generate(&mut rng, 1);
        let bundle = prekey.bundle(&keys, &cert, NOW, NOW + 1_000_000);
        let list = ListReference {
            version: 1,
            hash: [1; 8],
        };
        let prefix = EnvelopePrefix {
            day: 20_454,
            tag: [7; 8],
        };
        let (session, _) = initiate(&mut rng, &a, &a_cert, list, &cert, &bundle, None, NOW)
            .unwrap()
            .seal(&mut rng, &prefix, b"hello")
            .unwrap();
        Receiver {
            keys,
            cert,
            prekey,
            bundle,
            session,
        }
    })
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

fuzz_target!(|data: &[u8]| {
    let Receiver {
        keys,
        cert,
        prekey,
        bundle,
        session,
    } = receiver();
    let _ = relay_verdict(data, 20_454);
    if let Ok((prefix, body)) = parse(data) {
        if let Ok(flight) = FirstFlight::parse(body) {
            let _ = flight.open(&prefix, keys, cert, prekey, bundle.hash(), None, |_| None, NOW);
        }
        let core = session.core();
        let mut session = Session::load(&core, std::iter::empty()).unwrap();
        assert!(session.open(data, NOW).is_err());
        assert_eq!(*session.core(), *core);
    }
    let _ = FirstFlight::parse(data);
    let _ = PrekeyBundle::verify(data, cert);
    // Whatever has another length is refused at once, and making the other side costs most of the time.
    if data.len() == STREAM_OPEN_LEN {
        assert!(accept_stream(&mut rng(), data, [session], b"peer a", b"peer b").is_err());
    }
    if data.len() == STREAM_ACCEPT_LEN {
        let (state, _) = StreamOpen::create(&mut rng(), session, b"peer a", b"peer b");
        assert!(state.finish(data).is_err());
    }
    if let Ok(request) = KnockRequest::decode(data) {
        assert_eq!(request.encode().unwrap(), data, "one encoding of a request");
    }
    if let Ok(response) = KnockResponse::decode(data) {
        assert_eq!(response.encode().unwrap(), data, "one encoding of a response");
    }
});

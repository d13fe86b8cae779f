//! Sync streams, from both ends.

use parlour_crypto::{Frame, FrameOpener, FrameSealer, Session, StreamOpen, accept_stream};
use serde_json::json;
use x25519_dalek::{PublicKey, StaticSecret};

use super::given::{Given, Script, hex, hexes};
use super::kinds::Found;
use super::values;

/// A session with this exporter and nothing else of interest, from the bytes it would have on disk.
pub(crate) fn session(exporter: &[u8; 32]) -> Session {
    let mut core = vec![1, 1];
    core.extend_from_slice(&[0; 3 * 32]);
    core.extend_from_slice(exporter);
    core.extend_from_slice(&[0; 3 * 32]);
    core.push(1);
    core.extend_from_slice(&[0; 4 * 32 + 8]);
    core.push(0);
    Session::load(&core, []).expect("a session")
}

/// Both ends of a stream that has just begun, and what was said for it.
pub(crate) struct Stream {
    pub(crate) a: (FrameSealer, FrameOpener),
    pub(crate) b: (FrameSealer, FrameOpener),
    pub(crate) open: Vec<u8>,
    pub(crate) accept: Vec<u8>,
}

pub(crate) fn opening(i: Given<'_>, exporter: &[u8; 32]) -> (StreamOpen, Vec<u8>) {
    let (nonce, eph) = (i.bytes("nonce_a"), i.bytes("eph_secret_a"));
    let mut script = Script::new([&nonce[..], &eph]);
    let (peer_a, peer_b) = (i.bytes("peer_a"), i.bytes("peer_b"));
    let opening = StreamOpen::create(&mut script, &session(exporter), &peer_a, &peer_b);
    script.end();
    opening
}

pub(crate) fn begin(i: Given<'_>) -> Stream {
    let exporter = i.array("exporter");
    let (waiting, open) = opening(i, &exporter);
    let (nonce, eph) = (i.bytes("nonce_b"), i.bytes("eph_secret_b"));
    let mut script = Script::new([&nonce[..], &eph]);
    let sessions = [session(&[1; 32]), session(&exporter)];
    let (peer_a, peer_b) = (i.bytes("peer_a"), i.bytes("peer_b"));
    let (_, accept, sealer, opener) = accept_stream(&mut script, &open, &sessions, &peer_a, &peer_b).unwrap();
    script.end();
    Stream {
        a: waiting.finish(&accept).unwrap(),
        b: (sealer, opener),
        open,
        accept,
    }
}

pub(crate) fn record(sealed: &[u8]) -> Vec<u8> {
    [&u32::try_from(sealed.len()).unwrap().to_be_bytes()[..], sealed].concat()
}

pub(crate) fn stream(i: Given<'_>) -> Found {
    let exporter = i.array("exporter");
    let mut stream = begin(i);
    let mut records = Vec::new();
    for step in i.parts("frames") {
        let frame = values::frame(step.text("type"), step.value("value"));
        let (sealer, opener) = match step.text("by") {
            "a" => (&mut stream.a.0, &mut stream.b.1),
            "b" => (&mut stream.b.0, &mut stream.a.1),
            other => panic!("unknown side {other}"),
        };
        let sealed = sealer.seal(&frame.encode().unwrap());
        assert_eq!(Frame::decode(&opener.open(&sealed).unwrap()).unwrap(), frame);
        if frame == Frame::Rekey {
            sealer.rekey();
            opener.rekey();
        }
        records.push(record(&sealed));
    }
    let eph = |name| hex(PublicKey::from(&StaticSecret::from(i.array::<32>(name))));
    Found {
        mid: json!({
            "pair_key": hex(session(&exporter).pair_key()),
            "eph_a": eph("eph_secret_a"),
            "eph_b": eph("eph_secret_b"),
        }),
        out: json!({"open": hex(&stream.open), "accept": hex(&stream.accept), "records": hexes(&records)}),
    }
}

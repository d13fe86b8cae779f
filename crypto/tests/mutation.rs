//! Seeded mutations of every encoding, and of what coverage-guided fuzzing has found (`fuzz/seeds`): whatever comes in, decoders
//! answer and do not panic.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use data_encoding::HEXLOWER;
use parlour_crypto::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::hint::black_box;

const NOW: u64 = 1_767_225_600_000;
const ROUNDS: usize = 300;
/// Mutations of each seed; there are many.
const SEED_ROUNDS: usize = 2;

/// Good encodings of everything.
fn samples() -> Vec<Vec<u8>> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let identity = Identity::from_entropy(&[1; 32]);
    let keys = DeviceKeys::generate(&mut rng);
    let cert = DeviceCert::issue(&identity, &keys, 1, NOW);
    let list = DeviceList::first(&identity, std::slice::from_ref(&cert), NOW).unwrap();
    let secret = PrekeySecret::generate(&mut rng, 1);
    let bundle = secret.bundle(&keys, &cert, NOW, NOW + BUNDLE_LIFETIME_MS);
    let conversation = ConversationId::notes(&identity.user_id());
    let draft = Draft {
        kind: KIND_MESSAGE,
        conversation,
        device: keys.id(),
        log: 0,
        seq: 1,
        prev: None,
        parents: vec![EventId::from_bytes([1; 32])],
        clock: NOW,
        view: None,
    };
    let body = Message::text("hello").encode().unwrap();
    let event = VerifiedEvent::sign(&keys, draft, [1; 16], &body).unwrap();
    let profile = Profile {
        name: "Ann".to_owned(),
        device_list: list.as_bytes().to_vec(),
        bundle: bundle.as_bytes().to_vec(),
        peer: vec![1; 38],
        addresses: vec![vec![4; 8]],
        ext: vec![(1, vec![2])],
    };
    let hello = Control::ContactHello {
        token: Some([1; 16]),
        profile,
        ext: vec![],
    };
    let log = LogHave {
        device: keys.id(),
        log: 0,
        have: [1, 2, 5, 9].into_iter().collect(),
    };
    let have = Have {
        conversation,
        full: true,
        logs: vec![log],
    };
    let invite = Invite {
        user: identity.user_id(),
        peer: vec![1; 38],
        addresses: vec![vec![4; 8]],
        bundle_hash: bundle.hash(),
        token: [1; 16],
        expires: NOW,
        name: Some("Ann".to_owned()),
    };
    let one_time = OneTimeSecret::generate(&mut rng, 1);
    let secrets = Secrets {
        entropy: None,
        device: keys,
        cert: cert.clone(),
        list: list.clone(),
        name: String::new(),
    };
    let session = include_bytes!("data/session-1.txt");
    let session = HEXLOWER
        .decode(session.split(|byte| *byte == b'\n').next().unwrap())
        .unwrap();
    let (keystore, _) = Keystore::create(&mut rng, &secrets, None, Some(&[1; 32])).unwrap();
    let mut envelope = EnvelopePrefix { day: 1, tag: [1; 8] }.encode().to_vec();
    envelope.extend_from_slice(&pad(b"payload", 501).unwrap());
    let mut samples = room_samples(&secrets.device, &list, &invite);
    let of_people = vec![
        cert.as_bytes().to_vec(),
        list.as_bytes().to_vec(),
        bundle.as_bytes().to_vec(),
        event.to_wire(),
        event.header().encode(),
        body,
        Payload::Control {
            id: [1; 16],
            control: hello.clone(),
        }
        .encode()
        .unwrap(),
        hello.encode().unwrap(),
        Control::Have(have.clone()).encode().unwrap(),
        Frame::Have(have).encode().unwrap(),
        Frame::Events {
            conversation,
            events: vec![event.to_wire()],
        }
        .encode()
        .unwrap(),
        KnockRequest::Bundle { hash: bundle.hash() }.encode().unwrap(),
        KnockResponse::Bundle {
            device_list: vec![1; 9],
            bundle: vec![2; 9],
            one_time: Some((1, [3; 32])),
        }
        .encode()
        .unwrap(),
        invite.to_link().into_bytes(),
        identity.user_id().to_string().into_bytes(),
        phrase_from_entropy(&[1; 32]).as_bytes().to_vec(),
        secret.to_bytes().to_vec(),
        one_time.public().key.to_vec(),
        keystore,
        envelope,
        session,
    ];
    samples.splice(0..0, of_people);
    samples
}

/// What rooms add.
fn room_samples(keys: &DeviceKeys, list: &DeviceList, invite: &Invite) -> Vec<Vec<u8>> {
    let room = ConversationId::from_bytes([5; 32]);
    let audience = Audience::new([keys.id(), DeviceId::from_bytes([1; 32])]).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let chain = SendingChain::create(&mut rng, keys, room, [1; 32], &audience, NOW);
    let mut shared = chain.share(vec![EventId::from_bytes([1; 32])]).unwrap();
    shared.proof = audience.prove(&keys.id());
    let operation = |op_seq, act| Operation {
        user: list.user(),
        op_seq,
        parents: vec![EventId::from_bytes([1; 32]); usize::from(op_seq > 1)],
        act,
        ext: vec![(1, vec![2])],
    };
    let create = Act::Create {
        info: Info {
            name: Some("Room".to_owned()),
            ..Info::default()
        },
        policy: Policy::default(),
        device_list: list.as_bytes().to_vec(),
    };
    let remove = Act::Remove {
        user: list.user(),
        device: None,
        ban: true,
        purge: true,
        logs: vec![LastSeq {
            device: keys.id(),
            log: 1,
            seq: 2,
        }],
        reason: "noise".to_owned(),
    };
    let controls = [
        Control::SenderChain {
            chains: vec![shared],
            ext: vec![],
        },
        Control::KeyRequest {
            room,
            chains: vec![(keys.id(), [1; 16])],
            ext: vec![],
        },
        Control::RoomOperations {
            room,
            events: vec![vec![1u8; 40].into()],
            ext: vec![],
        },
    ];
    let link = RoomLink {
        invite: invite.clone(),
        room,
    };
    let mut samples: Vec<_> = controls.iter().map(|control| control.encode().unwrap()).collect();
    samples.extend([
        chain.cert().as_bytes().to_vec(),
        chain.to_bytes().to_vec(),
        operation(1, create).encode().unwrap(),
        operation(2, remove).encode().unwrap(),
        link.to_link().into_bytes(),
    ]);
    samples
}

/// Offers `bytes` to every decoder; each must answer. The signature checks cost most, so the certificate is shared.
fn offer(bytes: &[u8], cert: &DeviceCert) {
    black_box(DeviceCert::verify(bytes).is_ok());
    black_box(DeviceList::verify(bytes).is_ok());
    black_box(PrekeyBundle::verify(bytes, cert).is_ok());
    black_box(PrekeySecret::from_bytes(bytes).is_ok());
    black_box(OneTimeSecret::from_bytes(bytes).is_ok());
    black_box(SignedEvent::decode(bytes).is_ok_and(|event| event.verify(cert.signing_key()).is_ok()));
    black_box(EventHeader::decode(bytes).is_ok());
    for kind in KIND_MESSAGE..=KIND_TIMER {
        black_box(Body::read(kind, bytes).is_ok());
    }
    black_box(Payload::decode(bytes).is_ok());
    if let Ok(Control::Contact { profile, .. } | Control::ContactHello { profile, .. }) = Control::decode(bytes) {
        CardDetails::from_ext(&profile.ext).validate().unwrap();
    }
    room(bytes, cert);
    black_box(plain_image(bytes).is_ok());
    black_box(Session::load(bytes, []).is_ok());
    black_box(Frame::decode(bytes).is_ok());
    black_box(KnockRequest::decode(bytes).is_ok());
    black_box(KnockResponse::decode(bytes).is_ok());
    black_box(parse(bytes).is_ok());
    black_box(unpad(bytes).is_ok());
    black_box(relay_verdict(bytes, 1));
    black_box(Keystore::unlock(bytes, Unlock::NodeKey(&[1; 32])).is_ok());
    let text = String::from_utf8_lossy(bytes);
    black_box(Invite::parse(&text).is_ok());
    black_box(RoomLink::parse(&text).is_ok());
    black_box(text.parse::<UserId>().is_ok());
    black_box(entropy_from_phrase(&text).is_ok());
    black_box(is_emoji(&text));
}

/// The decoders of rooms.
fn room(bytes: &[u8], cert: &DeviceCert) {
    black_box(Operation::decode(bytes).is_ok());
    black_box(ChainCert::claimed(bytes));
    black_box(SendingChain::from_bytes(bytes).is_ok());
    let room = ConversationId::from_bytes([5; 32]);
    if let Ok(event) = SignedEvent::decode(bytes).map(|event| event.verify(cert.signing_key()))
        && let Ok(event) = event
    {
        black_box(RoomOperation::read(&event, cert).is_ok());
    }
    if let Ok(Control::SenderChain { chains, .. }) = Control::decode(bytes) {
        let mut sender = ChainSender::new(room, cert).unwrap();
        for chain in chains {
            black_box(sender.take(&chain, &cert.device(), &cert.device()).is_ok());
        }
    }
    for kind in 1..=3 {
        let mut key = [0; 13];
        key[0] = kind;
        black_box(ChainSender::load(room, cert, [(key, bytes.to_vec().into())]).is_ok());
    }
}

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
    assert_eq!(folders.len(), 7, "a folder for each target");
    let seeds: Vec<_> = folders.iter().flat_map(|folder| files(folder)).collect();
    seeds.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

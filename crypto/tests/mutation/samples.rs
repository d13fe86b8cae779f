//! Good encodings of everything that has one.

use data_encoding::HEXLOWER;
use parlour_crypto::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::NOW;
use crate::bodies::bodies;

/// Good encodings of everything.
pub(crate) fn samples() -> Vec<Vec<u8>> {
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
    let session = include_bytes!("../data/session-1.txt");
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
    samples.extend(bodies().iter().map(|body| body.encode().unwrap()));
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

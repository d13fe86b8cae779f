//! What a message, a session and a stream frame cost.
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use parlour_crypto::{
    Act, Audience, CertProof, ChainSender, ConversationId, DeviceCert, DeviceKeys, DeviceList, Draft, EnvelopePrefix,
    EventId, FirstFlight, FrameOpener, FrameSealer, Identity, Info, KIND_MESSAGE, KIND_OPERATION, ListReference,
    Membership, OneTimeSecret, Operation, Policy, PrekeyBundle, PrekeySecret, RoomOperation, SendingChain, Session,
    StreamOpen, VerifiedEvent, accept_stream, initiate, parse, room_id,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const NOW: u64 = 1_767_225_600_000;
const DAY: u16 = 20_454;
const PREFIX: EnvelopePrefix = EnvelopePrefix { day: DAY, tag: [7; 8] };
const LIST: ListReference = ListReference {
    version: 1,
    hash: [1; 8],
};

fn main() {
    divan::main();
}

struct Device {
    keys: DeviceKeys,
    cert: DeviceCert,
    prekey: PrekeySecret,
    bundle: PrekeyBundle,
    one_time: OneTimeSecret,
}

fn device(seed: u8) -> Device {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let keys = DeviceKeys::generate(&mut rng);
    let cert = DeviceCert::issue(&Identity::from_entropy(&[seed; 32]), &keys, 1, NOW);
    let prekey = PrekeySecret::generate(&mut rng, 1);
    let bundle = prekey.bundle(&keys, &cert, NOW, NOW + 1_000_000);
    let one_time = OneTimeSecret::generate(&mut rng, 1);
    Device {
        keys,
        cert,
        prekey,
        bundle,
        one_time,
    }
}

fn start(a: &Device, b: &Device, rng: &mut ChaCha20Rng) -> (Session, Vec<u8>) {
    let one_time = b.one_time.public();
    initiate(rng, &a.keys, &a.cert, LIST, &b.cert, &b.bundle, Some(&one_time), NOW)
        .unwrap()
        .seal(rng, &PREFIX, b"hello")
        .unwrap()
}

/// `known` is the proof of a certificate verified before.
fn answer(b: &Device, envelope: &[u8], known: Option<CertProof>) -> Session {
    let (prefix, body) = parse(envelope).unwrap();
    FirstFlight::parse(body)
        .unwrap()
        .open(
            &prefix,
            &b.keys,
            &b.cert,
            &b.prekey,
            b.bundle.hash(),
            Some(&b.one_time),
            |_| known,
            NOW,
        )
        .unwrap()
        .session
}

fn pair() -> (Session, Session, ChaCha20Rng) {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let (a, b) = (device(1), device(2));
    let (session, envelope) = start(&a, &b, &mut rng);
    (session, answer(&b, &envelope, None), rng)
}

fn streams() -> (FrameSealer, FrameOpener) {
    let (a, b, mut rng) = pair();
    let (state, open) = StreamOpen::create(&mut rng, &a, b"peer a", b"peer b");
    let (_, accept, _, opener) = accept_stream(&mut rng, &open, [&b], b"peer a", b"peer b").unwrap();
    (state.finish(&accept).unwrap().0, opener)
}

#[divan::bench]
fn handshake_initiate(bencher: Bencher<'_, '_>) {
    let (a, b) = (device(1), device(2));
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    bencher.bench_local(|| start(black_box(&a), &b, &mut rng));
}

/// By a device whose certificate was verified before.
#[divan::bench]
fn handshake_answer(bencher: Bencher<'_, '_>) {
    let (a, b) = (device(1), device(2));
    let (_, envelope) = start(&a, &b, &mut ChaCha20Rng::from_seed([9; 32]));
    bencher.bench_local(|| answer(black_box(&b), &envelope, Some(a.cert.proof())));
}

/// By a device met for the first time: two signatures more.
#[divan::bench]
fn handshake_answer_stranger(bencher: Bencher<'_, '_>) {
    let (a, b) = (device(1), device(2));
    let (_, envelope) = start(&a, &b, &mut ChaCha20Rng::from_seed([9; 32]));
    bencher.bench_local(|| answer(black_box(&b), &envelope, None));
}

/// A chain ends at 65 536 messages: each sample starts a session of its own.
#[divan::bench(args = [100, 1024], sample_size = 1000, sample_count = 60)]
fn seal(bencher: Bencher<'_, '_>, size: usize) {
    let (mut a, _, mut rng) = pair();
    let payload = vec![7; size];
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| a.seal(&mut rng, DAY, black_box(&payload)).unwrap());
}

#[divan::bench(args = [100, 1024], sample_size = 1000, sample_count = 60)]
fn open_in_order(bencher: Bencher<'_, '_>, size: usize) {
    let (mut a, mut b, mut rng) = pair();
    let payload = vec![7; size];
    bencher
        .counter(BytesCount::new(size))
        .with_inputs(|| a.seal(&mut rng, DAY, &payload).unwrap())
        .bench_local_values(|envelope| b.open(&envelope, NOW).unwrap());
}

/// Every second message is lost, with 2000 keys kept: each open skips one key, drops the oldest and lists what changed.
#[divan::bench(sample_size = 500, sample_count = 40)]
fn open_with_a_gap_1024(bencher: Bencher<'_, '_>) {
    let (mut a, mut b, mut rng) = pair();
    let payload = vec![7; 1024];
    for _ in 0..4 {
        (0..600).for_each(|_| drop(a.seal(&mut rng, DAY, &payload)));
        b.open(&a.seal(&mut rng, DAY, &payload).unwrap(), NOW).unwrap();
    }
    bencher
        .with_inputs(|| {
            let _lost = a.seal(&mut rng, DAY, &payload).unwrap();
            a.seal(&mut rng, DAY, &payload).unwrap()
        })
        .bench_local_values(|envelope| (b.open(&envelope, NOW).unwrap(), b.take_changes()));
}

/// One message each way, with the Diffie-Hellman steps of both sides.
#[divan::bench]
fn ping_pong_1024(bencher: Bencher<'_, '_>) {
    let (mut a, mut b, mut rng) = pair();
    let payload = vec![7; 1024];
    bencher.bench_local(|| {
        let ping = a.seal(&mut rng, DAY, &payload).unwrap();
        b.open(&ping, NOW).unwrap();
        let pong = b.seal(&mut rng, DAY, &payload).unwrap();
        a.open(&pong, NOW).unwrap()
    });
}

/// What a commit after each message writes.
#[divan::bench]
fn core(bencher: Bencher<'_, '_>) {
    let (a, _, _) = pair();
    bencher.bench_local(|| black_box(&a).core());
}

#[divan::bench]
fn load_with_2000_keys(bencher: Bencher<'_, '_>) {
    let (mut a, mut b, mut rng) = pair();
    for _ in 0..2 {
        (0..1000).for_each(|_| drop(a.seal(&mut rng, DAY, b"lost")));
        b.open(&a.seal(&mut rng, DAY, b"found").unwrap(), NOW).unwrap();
    }
    let records: Vec<_> = b
        .take_changes()
        .into_iter()
        .filter_map(|change| Some((change.key, change.value?)))
        .collect();
    let core = b.core();
    bencher
        .with_inputs(|| records.clone())
        .bench_local_values(|records| Session::load(&core, records).unwrap());
}

const ROOM: ConversationId = ConversationId::from_bytes([7; 32]);

fn draft(keys: &DeviceKeys, kind: u16, room: ConversationId, view: Option<[u8; 32]>) -> Draft {
    Draft {
        kind,
        conversation: room,
        device: keys.id(),
        log: 0,
        seq: 2,
        prev: Some(EventId::from_bytes([1; 32])),
        parents: vec![EventId::from_bytes([1; 32])],
        clock: NOW,
        view,
    }
}

fn room_event(device: &Device, size: usize) -> VerifiedEvent {
    let draft = draft(&device.keys, KIND_MESSAGE, ROOM, Some([1; 32]));
    VerifiedEvent::sign(&device.keys, draft, [4; 16], &vec![7; size]).unwrap()
}

fn room_chain(device: &Device, rng: &mut ChaCha20Rng) -> (SendingChain, ChainSender) {
    let audience = Audience::new([device.keys.id()]).unwrap();
    let chain = SendingChain::create(rng, &device.keys, ROOM, [1; 32], &audience, NOW);
    let mut reader = ChainSender::new(ROOM, &device.cert).unwrap();
    let shared = chain.share(Vec::new()).unwrap();
    reader.take(&shared, &device.keys.id(), &device.keys.id()).unwrap();
    (chain, reader)
}

/// With the event's signature. A chain ends at 1000 messages: each sample has one of its own.
#[divan::bench(args = [100, 1024], sample_size = 900, sample_count = 40)]
fn room_seal(bencher: Bencher<'_, '_>, size: usize) {
    let (device, mut rng) = (device(1), ChaCha20Rng::from_seed([9; 32]));
    let (mut chain, _) = room_chain(&device, &mut rng);
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        if chain.is_due(NOW) {
            chain = room_chain(&device, &mut rng).0;
        }
        let event = room_event(&device, black_box(size));
        chain.seal(&mut rng, DAY, &event).unwrap()
    });
}

/// With the verification of the event's signature.
#[divan::bench(args = [100, 1024], sample_size = 100, sample_count = 100)]
fn room_open(bencher: Bencher<'_, '_>, size: usize) {
    let (device, mut rng) = (device(1), ChaCha20Rng::from_seed([9; 32]));
    let (mut chain, mut reader) = room_chain(&device, &mut rng);
    let event = room_event(&device, size);
    let envelopes: Vec<_> = (0..1000).map(|_| chain.seal(&mut rng, DAY, &event).unwrap()).collect();
    let (id, mut at) = (chain.cert().chain(), 0);
    let records: Vec<_> = reader
        .take_changes()
        .into_iter()
        .filter_map(|change| Some((change.key, change.value?)))
        .collect();
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        if at == envelopes.len() {
            (at, reader) = (0, ChainSender::load(ROOM, &device.cert, records.clone()).unwrap());
        }
        let pending = reader.open(&id, &envelopes[at]).unwrap();
        at += 1;
        reader.commit(pending.verify().unwrap(), NOW).unwrap()
    });
}

/// 10 000 operations of a room that invites and names itself anew, by one device, each knowing the one before.
fn operations() -> (ConversationId, Vec<RoomOperation>) {
    let owner = device(1);
    let list = DeviceList::first(
        &Identity::from_entropy(&[1; 32]),
        std::slice::from_ref(&owner.cert),
        NOW,
    )
    .unwrap();
    let user = owner.cert.user();
    let sign = |room, op_seq, parents: Vec<EventId>, act| {
        let operation = Operation {
            user,
            op_seq,
            parents,
            act,
            ext: Vec::new(),
        };
        let draft = draft(&owner.keys, KIND_OPERATION, room, None);
        VerifiedEvent::sign(&owner.keys, draft, [4; 16], &operation.encode().unwrap()).unwrap()
    };
    let info = |number: u32| Info {
        name: Some(format!("Room {number}")),
        ..Info::default()
    };
    let create = |room| {
        let act = Act::Create {
            info: info(0),
            policy: Policy::default(),
            device_list: list.as_bytes().to_vec(),
        };
        sign(room, 1, Vec::new(), act)
    };
    let room = room_id(create(ROOM).header());
    let mut events = vec![create(room)];
    for number in 2..=10_000u32 {
        let mut other = [0; 32];
        other[..4].copy_from_slice(&(number % 256).to_be_bytes());
        let act = match number % 4 {
            0 => Act::Info(info(number)),
            1 => Act::Policy(Policy::default()),
            2 => Act::Invite {
                user: parlour_crypto::UserId::from_bytes(other),
                role: 2,
                link: None,
            },
            _ => Act::Remove {
                user: parlour_crypto::UserId::from_bytes(other),
                device: None,
                ban: number % 8 == 3,
                purge: false,
                logs: Vec::new(),
                reason: String::new(),
            },
        };
        let last = events.last().unwrap().id();
        events.push(sign(room, number, vec![last], act));
    }
    let read = |event: &VerifiedEvent| RoomOperation::read(event, &owner.cert).unwrap();
    (room, events.iter().map(read).collect())
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn fold_10_000_operations(bencher: Bencher<'_, '_>) {
    let (room, operations) = operations();
    bencher
        .with_inputs(|| operations.clone())
        .bench_local_values(|operations| Membership::fold(room, operations).unwrap());
}

/// The last of 10 000, by itself.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn apply_operation_10_000(bencher: Bencher<'_, '_>) {
    let (room, operations) = operations();
    let (last, rest) = operations.split_last().unwrap();
    bencher
        .with_inputs(|| Membership::fold(room, rest.to_vec()).unwrap())
        .bench_local_values(|mut membership| {
            membership.apply(last.clone()).unwrap();
            membership
        });
}

#[divan::bench(args = [1024, 65_536])]
fn frame_seal(bencher: Bencher<'_, '_>, size: usize) {
    let (mut sealer, _) = streams();
    let payload = vec![7; size];
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| sealer.seal(black_box(&payload)));
}

#[divan::bench(args = [1024, 65_536])]
fn frame_open(bencher: Bencher<'_, '_>, size: usize) {
    let (mut sealer, mut opener) = streams();
    let payload = vec![7; size];
    bencher
        .counter(BytesCount::new(size))
        .with_inputs(|| sealer.seal(&payload))
        .bench_local_values(|frame| opener.open(&frame).unwrap());
}

//! Sessions, prekeys and sender chains.

use super::talk::conversation;
use super::*;

fn session() -> Session {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let world = crate::annotated::World::new();
    let certs = [0, 1].map(|n| {
        let no = devices::number(&world.store, &world.keys[n].id()).unwrap().unwrap();
        let row = devices::get(&world.store, no).unwrap().unwrap();
        parlour_crypto::DeviceCert::verify(&row.certificate).unwrap()
    });
    let prekey = PrekeySecret::generate(&mut rng, 1);
    let bundle = prekey.bundle(&world.keys[1], &certs[1], START, START + 1_000);
    let list = ListReference {
        version: 1,
        hash: [1; 8],
    };
    let begun = initiate(
        &mut rng,
        &world.keys[0],
        &certs[0],
        list,
        &certs[1],
        &bundle,
        None,
        START,
    )
    .unwrap();
    let prefix = EnvelopePrefix { day: 1, tag: [7; 8] };
    let (mut theirs, envelope) = begun.seal(&mut rng, &prefix, b"hello").unwrap();
    let (prefix, body) = parse(&envelope).unwrap();
    let flight = FirstFlight::parse(body).unwrap();
    let opened = flight.open(
        &prefix,
        &world.keys[1],
        &certs[1],
        &prekey,
        bundle.hash(),
        None,
        |_| None,
        START,
    );
    let mut session = opened.unwrap().session;
    // One that is lost, so that a key is skipped.
    theirs.seal(&mut rng, 1, b"lost").unwrap();
    let envelope = theirs.seal(&mut rng, 1, b"again").unwrap();
    session.open(&envelope, START).unwrap();
    session
}

pub(super) fn tables() -> Vec<Table> {
    let info = SessionInfo {
        device: DEVICE,
        confirmed: true,
        created: 5,
    };
    let prekey = || prekeys::PrekeyRow {
        serial: 4,
        secret: vec![1; 9].into(),
        bundle: vec![2; 9].into(),
        issued: 3,
        superseded: Some(5),
        device_list: vec![6; 9].into(),
    };
    let chain = || {
        let world = crate::annotated::World::new();
        let audience = Audience::new([world.keys[0].id()]).unwrap();
        let room = conversation().id;
        let chain = SendingChain::create(
            &mut ChaCha8Rng::seed_from_u64(4),
            &world.keys[0],
            room,
            [3; 32],
            &audience,
            START,
        );
        (world, chain)
    };
    let own = move || OwnChain {
        chain: chain().1,
        given: vec![DeviceNo(1), DEVICE],
        heads: vec![event(1)],
    };
    vec![
        table(
            "sessions",
            move |txn| sessions::save(txn, &info, &mut session()),
            move |store| {
                let all = sessions::all(store).unwrap();
                all.len() == 1 && all[0].0 == info && *all[0].1.core() == *session().core()
            },
        ),
        table(
            "prekeys",
            move |txn| {
                prekeys::put(txn, &prekey());
                let secret = vec![7; 9].into();
                prekeys::put_one_time(txn, 8, &prekeys::OneTimeRow { secret, expires: 9 });
                prekeys::mark_answered(txn, 4, &[1; 32]);
            },
            move |store| {
                let (row, wanted) = (prekeys::get(store, 4).unwrap().unwrap(), prekey());
                let one_time = prekeys::one_time(store, 8).unwrap().unwrap();
                assert_eq!((one_time.secret.as_slice(), one_time.expires), (&[7; 9][..], 9));
                assert!(prekeys::is_answered(store, 4, &[1; 32]).unwrap());
                (&row.secret, &row.bundle, row.issued, row.superseded, &row.device_list)
                    == (
                        &wanted.secret,
                        &wanted.bundle,
                        wanted.issued,
                        wanted.superseded,
                        &wanted.device_list,
                    )
            },
        ),
        table(
            "chains",
            move |txn| {
                chains::put_own(txn, ROOM, Which::Current, &own());
                chains::put_own(txn, ROOM, Which::Next, &own());
                let (world, chain) = chain();
                let no = devices::number(&world.store, &world.keys[0].id()).unwrap().unwrap();
                let row = devices::get(&world.store, no).unwrap().unwrap();
                let cert = parlour_crypto::DeviceCert::verify(&row.certificate).unwrap();
                let mut sender = ChainSender::new(conversation().id, &cert).unwrap();
                let (device, shared) = (world.keys[0].id(), chain.share(vec![]).unwrap());
                sender.take(&shared, &device, &device).unwrap();
                chains::save(txn, ROOM, DEVICE, &mut sender);
            },
            move |store| {
                let same = |which| {
                    let (kept, wanted) = (chains::own(store, ROOM, which).unwrap().unwrap(), own());
                    *kept.chain.to_bytes() == *wanted.chain.to_bytes()
                        && (kept.given, kept.heads) == (wanted.given, wanted.heads)
                };
                let records = chains::all_records(store).unwrap();
                same(Which::Current) && same(Which::Next) && records.contains_key(&(ROOM, DEVICE))
            },
        ),
    ]
}

//! Which chains are taken from whom, and how many are kept.

use super::*;

#[test]
fn a_chain_is_taken_from_its_owner_or_with_a_proof_of_the_audience() {
    let (ann, bob, cat, dan) = (person(1), person(2), person(3), person(4));
    let made_for = audience(&[&ann, &bob, &cat]);
    let chain = chain_of(&ann, ROOM, &made_for, 1);
    let [ann_id, bob_id, cat_id, dan_id] = [&ann, &bob, &cat, &dan].map(|person| person.keys.id());
    let from = |shared: &SharedChain, giver: &DeviceId, own: &DeviceId| {
        let mut reader = ChainSender::new(ROOM, &ann.cert).unwrap();
        let taken = reader.take(shared, giver, own);
        assert_eq!(taken.is_err(), reader.take_changes().is_empty());
        taken
    };
    let shared = chain.share(vec![EventId::from_bytes([1; 32])]).unwrap();
    assert_eq!(
        from(&shared, &ann_id, &dan_id),
        Ok(Taken::New),
        "the owner may give it to whoever came later"
    );
    assert_eq!(from(&shared, &bob_id, &cat_id), Err(TakeError::NotMeant));
    let with_proof = |of: &DeviceId, proved_in: &Audience| SharedChain {
        proof: proved_in.prove(of),
        ..shared.clone()
    };
    assert_eq!(from(&with_proof(&cat_id, &made_for), &bob_id, &cat_id), Ok(Taken::New));
    assert_eq!(
        from(&with_proof(&cat_id, &made_for), &bob_id, &dan_id),
        Err(TakeError::NotMeant)
    );
    assert_eq!(
        from(&with_proof(&bob_id, &made_for), &bob_id, &cat_id),
        Err(TakeError::NotMeant)
    );
    let larger = audience(&[&ann, &bob, &cat, &dan]);
    assert_eq!(
        from(&with_proof(&dan_id, &larger), &bob_id, &dan_id),
        Err(TakeError::NotMeant)
    );

    let mut other_keys = shared.clone();
    other_keys.keys.header[0] ^= 1;
    assert_eq!(from(&other_keys, &ann_id, &bob_id), Err(TakeError::Keys));
    let mut other_tag = shared.clone();
    other_tag.keys.tag[0] ^= 1;
    assert_eq!(from(&other_tag, &ann_id, &bob_id), Err(TakeError::Keys));
    let beyond = SharedChain {
        iteration: CHAIN_MESSAGES,
        ..shared.clone()
    };
    assert_eq!(from(&beyond, &ann_id, &bob_id), Err(TakeError::Keys));
    let elsewhere = chain_of(&ann, ConversationId::from_bytes([6; 32]), &made_for, 1);
    assert_eq!(
        from(&elsewhere.share(Vec::new()).unwrap(), &ann_id, &bob_id),
        Err(TakeError::OtherRoom)
    );
    let others = chain_of(&bob, ROOM, &made_for, 1);
    let others = from(&others.share(Vec::new()).unwrap(), &ann_id, &bob_id);
    assert_eq!(others, Err(TakeError::Cert(ChainCertError::OtherDevice)));
}

#[test]
fn a_false_chain_key_from_a_member_gives_way_to_the_owners() {
    let mut talk = talk();
    let (ann_id, bob_id, cat) = (talk.ann.keys.id(), talk.bob.keys.id(), person(3));
    let made_for = audience(&[&talk.ann, &talk.bob, &cat]);
    talk.chain = chain_of(&talk.ann, ROOM, &made_for, 2);
    let honest = talk.chain.share(Vec::new()).unwrap();
    let mut false_key = honest.clone();
    false_key.keys.chain[0] ^= 1;
    false_key.proof = made_for.prove(&cat.keys.id());
    let own = cat.keys.id();
    assert_eq!(talk.reader.take(&false_key, &bob_id, &own), Ok(Taken::New));
    talk.save();
    talk.reload();
    let (event, envelope) = talk.seal();
    assert_eq!(talk.refuses(&envelope), RoomOpenError::NotAuthentic);
    assert_eq!(talk.reader.take(&honest, &ann_id, &own), Ok(Taken::New));
    talk.save();
    assert_eq!(talk.open(&envelope).unwrap(), event);
    // From then on nobody turns it back.
    assert_eq!(talk.reader.take(&honest, &ann_id, &own), Ok(Taken::Known));
    assert_eq!(talk.reader.take(&false_key, &bob_id, &own), Ok(Taken::Known));
    assert_eq!(talk.refuses(&envelope), RoomOpenError::Replayed);
}

#[test]
fn chains_and_skipped_keys_of_a_sender_are_bounded() {
    let mut talk = talk();
    let (ann_id, bob_id) = (talk.ann.keys.id(), talk.bob.keys.id());
    let made_for = audience(&[&talk.ann, &talk.bob]);
    let mut first = Vec::new();
    for number in 0..40 {
        talk.chain = chain_of(&talk.ann, ROOM, &made_for, 100 + number);
        let shared = talk.chain.share(Vec::new()).unwrap();
        assert_eq!(talk.reader.take(&shared, &ann_id, &bob_id), Ok(Taken::New));
        first.push(talk.seal().1);
        (0..200).for_each(|_| drop(talk.seal()));
        let (event, last) = talk.seal();
        assert_eq!(talk.open(&last).unwrap(), event);
    }
    let count = |kind| talk.disk.keys().filter(|key| key[0] == kind).count();
    assert_eq!((count(1), count(2), count(3)), (MAX_CHAINS, MAX_CHAINS, MAX_SKIPPED));
    talk.reload();
    assert_eq!(talk.reader.tags(DAY).count(), MAX_CHAINS);
    assert_eq!(
        talk.refuses(&first[39 - 12]),
        RoomOpenError::NoKey,
        "the header key is another chain's"
    );
    assert!(talk.open(&first[39]).is_ok());
    assert!(talk.reader.purge(NOW + 1));
    talk.save();
    assert!(!talk.reader.purge(NOW + 1));
    assert_eq!(talk.disk.keys().filter(|key| key[0] == 3).count(), 0);
    talk.reload();
}

#[test]
fn records_that_do_not_fit_are_not_loaded() {
    let mut talk = talk();
    let (_, _lost) = talk.seal();
    let (_, envelope) = talk.seal();
    talk.open(&envelope).unwrap();
    let load = |disk: &BTreeMap<RecordKey, Vec<u8>>, cert| {
        let records = disk.iter().map(|(key, value)| (*key, Zeroizing::new(value.clone())));
        ChainSender::load(ROOM, cert, records).map(|_| ())
    };
    let good = talk.disk.clone();
    assert_eq!(load(&good, &talk.ann.cert), Ok(()));
    assert_eq!(load(&good, &talk.bob.cert), Err(SenderLoadError::Inconsistent));
    for key in good.keys() {
        let mut bad = good.clone();
        bad.get_mut(key).unwrap().push(0);
        assert_eq!(
            load(&bad, &talk.ann.cert),
            Err(SenderLoadError::Malformed),
            "{key:?} longer"
        );
        bad.insert(*key, good[key][..good[key].len() - 1].to_vec());
        assert_eq!(
            load(&bad, &talk.ann.cert),
            Err(SenderLoadError::Malformed),
            "{key:?} shorter"
        );
        if key[0] != 3 {
            bad.remove(key);
            assert_eq!(
                load(&bad, &talk.ann.cert),
                Err(SenderLoadError::Inconsistent),
                "without {key:?}"
            );
        }
    }
    let mut unknown = good;
    unknown.insert([9; 13], vec![1]);
    assert_eq!(load(&unknown, &talk.ann.cert), Err(SenderLoadError::Malformed));
}

#[test]
fn chains_that_others_hand_on_push_out_none_of_the_owners() {
    let (ann, bob, cat) = (person(1), person(2), person(3));
    let [ann_id, bob_id, cat_id] = [&ann, &bob, &cat].map(|person| person.keys.id());
    let made_for = audience(&[&ann, &bob, &cat]);
    let given = |seed: u64| {
        let shared = chain_of(&ann, ROOM, &made_for, seed).share(Vec::new()).unwrap();
        let proof = made_for.prove(&cat_id);
        SharedChain { proof, ..shared }
    };
    let mut reader = ChainSender::new(ROOM, &ann.cert).unwrap();
    let chains = |reader: &ChainSender| reader.tags(DAY).map(|(chain, _)| chain).collect::<Vec<_>>();
    assert_eq!(reader.take(&given(1), &ann_id, &cat_id), Ok(Taken::New));
    let current = chains(&reader)[0];
    for seed in 100..140 {
        assert_eq!(reader.take(&given(seed), &bob_id, &cat_id), Ok(Taken::New));
    }
    assert_eq!(chains(&reader).len(), MAX_CHAINS);
    assert_eq!(chains(&reader)[0], current, "the owner's word stays");
    for seed in 200..231 {
        assert_eq!(reader.take(&given(seed), &ann_id, &cat_id), Ok(Taken::New));
    }
    assert_eq!(chains(&reader)[0], current, "and theirs goes first");
    drop(reader.take_changes());
    assert_eq!(reader.take(&given(300), &bob_id, &cat_id), Err(TakeError::TooMany));
    assert!(reader.take_changes().is_empty());
    assert_eq!(reader.take(&given(301), &ann_id, &cat_id), Ok(Taken::New));
    assert!(
        !chains(&reader).contains(&current),
        "the owner may have more than 32 in the end"
    );
}

//! Chain keys that are handed on by others than those whose they are.

use parlour_crypto::{ChainSender, Control, DeviceCert, Frame, History, SharedChain};
use parlour_store::{chains, devices};

use super::*;

const ADA: usize = 0;
const BO: usize = 1;
const CY: usize = 2;
const DI: usize = 3;

impl Sim {
    /// The chains of one node's device that another one holds, as it can hand them on.
    fn chains_held(&self, by: usize, of: usize, room: ConversationId) -> Vec<SharedChain> {
        let store = self.nodes[by].store();
        let mut held = Vec::new();
        for ((_, device), records) in chains::all_records(store).expect("readable") {
            let row = devices::get(store, device).expect("readable").expect("known");
            if row.user != self.user(of) {
                continue;
            }
            let owner = DeviceCert::verify(&row.certificate).expect("certified");
            let sender = ChainSender::load(room, &owner, records).expect("loads");
            let ids: Vec<_> = sender.tags(0).map(|(chain, _)| chain).collect();
            held.extend(ids.iter().filter_map(|chain| sender.share(chain)));
        }
        held
    }

    fn hand_on(&mut self, by: usize, to: usize, n: u8, chains: Vec<SharedChain>) {
        let control = Control::SenderChain {
            chains,
            ext: Vec::new(),
        };
        self.say_to(by, Some(to), &Frame::Control { id: [n; 16], control });
        self.wait(10 * SECOND);
    }
}

/// ada, bo and cy in a room; cy knows di, who is not.
fn three_and_one(seed: u64) -> (Sim, ConversationId) {
    let mut sim = Sim::with(seed, &["ada", "bo", "cy", "di"]);
    for (one, other) in [(ADA, BO), (ADA, CY), (CY, DI)] {
        sim.introduce(one, other);
    }
    sim.wait(10 * SECOND);
    let room = sim.make_room(ADA, "garden", History::None);
    for who in [BO, CY] {
        sim.let_in(ADA, room, who);
    }
    for who in [ADA, BO, CY] {
        sim.tell(who, room, "all of us");
    }
    sim.wait(10 * SECOND);
    (sim, room)
}

#[test]
fn chains_that_are_handed_to_an_outsider_are_not_kept_there() {
    let (mut sim, room) = three_and_one(841);
    let loot = sim.chains_held(CY, ADA, room);
    assert!(!loot.is_empty());
    sim.hand_on(CY, DI, 1, loot);
    sim.tell(ADA, room, "among us");
    sim.wait(MINUTE);
    assert_eq!(chains::all_records(sim.nodes[DI].store()).expect("readable").len(), 0);
    assert_eq!(sim.number_of(DI, &room), None);
}

#[test]
fn who_comes_later_opens_nothing_with_a_chain_that_was_not_handed_to_them_by_whose_it_is() {
    let (mut sim, room) = three_and_one(842);
    let of_bo = sim.chains_held(CY, BO, room);
    let of_ada = sim.chains_held(CY, ADA, room);
    assert!(!of_ada.is_empty() && !of_bo.is_empty());
    sim.tell(ADA, room, "before di came");
    sim.wait(10 * SECOND);
    // bo is away and hands di nothing.
    sim.down(BO, Crash::Killed);
    sim.introduce(ADA, DI);
    sim.wait(10 * SECOND);
    sim.let_in(ADA, room, DI);
    sim.hand_on(CY, DI, 1, of_ada);
    sim.hand_on(CY, DI, 2, of_bo);
    for of in [ADA, BO] {
        assert_eq!(sim.chains_held(DI, of, room), [], "{of}");
    }
    sim.start(BO);
    sim.wait(5 * MINUTE);
    sim.tell(ADA, room, "hello, di");
    sim.wait(SECOND);
    sim.tell(BO, room, "hello from bo");
    sim.wait(MINUTE);
    assert_eq!(sim.plain_texts(DI, &room), ["hello, di", "hello from bo"]);
}

#[test]
fn a_chain_that_is_offered_again_or_changed_changes_nothing_for_those_who_have_it() {
    let (mut sim, room) = three_and_one(843);
    let held = sim.chains_held(CY, ADA, room);
    let at_bo = sim.chains_held(BO, ADA, room);
    assert!(!held.is_empty() && !at_bo.is_empty());
    let far = |shared: &SharedChain| {
        let mut shared = shared.clone();
        shared.iteration = 900;
        shared
    };
    let keys = &sim.chains_held(CY, BO, room)[0].keys.clone();
    let of_another = |shared: &SharedChain| SharedChain {
        keys: keys.clone(),
        ..shared.clone()
    };
    // The certificate binds what is beside the chain key. That stands behind certificate and number.
    let false_one = |shared: &SharedChain| {
        let mut bytes = parlour_crypto::encode(shared);
        let cert = bytes.windows(shared.cert.len()).position(|part| part == shared.cert);
        bytes[cert.expect("there") + shared.cert.len() + 1] ^= 1;
        parlour_crypto::decode_own::<SharedChain>(&bytes).expect("a chain")
    };
    let offers = [
        held.clone(),
        held.iter().map(far).collect(),
        held.iter().map(of_another).collect(),
        held.iter().map(false_one).collect(),
    ];
    for (n, offer) in (1..).zip(offers) {
        sim.hand_on(CY, BO, n, offer);
    }
    assert_eq!(sim.chains_held(BO, ADA, room), at_bo, "nothing has moved");
    for n in 0..5 {
        sim.tell(ADA, room, &format!("{n}"));
        sim.wait(SECOND);
    }
    sim.wait(10 * SECOND);
    let texts = sim.plain_texts(BO, &room);
    assert_eq!(texts[texts.len() - 5..], ["0", "1", "2", "3", "4"]);
}

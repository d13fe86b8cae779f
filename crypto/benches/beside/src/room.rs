//! A room's message: an event signed and sealed, opened, verified and counted; and Megolm.

use std::hint::black_box;
use std::time::{Duration, Instant};

use parlour_crypto::{
    Audience, CHAIN_MESSAGES, ChainSender, ConversationId, DeviceCert, DeviceKeys, Draft, EventId, KIND_MESSAGE,
    SendingChain, VerifiedEvent,
};
use rand_chacha::ChaCha20Rng;
use vodozemac::megolm::{GroupSession, InboundGroupSession, SessionConfig};

use crate::{DAY, MESSAGES, NOW, Talk, device};
use rand_chacha::rand_core::SeedableRng;

const ROOM: ConversationId = ConversationId::from_bytes([7; 32]);

pub(crate) struct Ours {
    keys: DeviceKeys,
    cert: DeviceCert,
    chain: SendingChain,
    reader: ChainSender,
    rng: ChaCha20Rng,
    seq: u64,
}

impl Ours {
    pub(crate) fn new() -> Self {
        let (keys, cert) = device(1);
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let (chain, reader) = chain(&keys, &cert, &mut rng);
        Self {
            keys,
            cert,
            chain,
            reader,
            rng,
            seq: 1,
        }
    }
}

/// A chain and its reader.
fn chain(keys: &DeviceKeys, cert: &DeviceCert, rng: &mut ChaCha20Rng) -> (SendingChain, ChainSender) {
    let (reader, _) = device(2);
    let audience = Audience::new([keys.id(), reader.id()]).expect("two devices");
    let chain = SendingChain::create(rng, keys, ROOM, [1; 32], &audience, NOW);
    let mut sender = ChainSender::new(ROOM, cert).expect("a key");
    let shared = chain.share(Vec::new()).expect("a new chain");
    sender.take(&shared, &keys.id(), &reader.id()).expect("taken");
    (chain, sender)
}

impl Talk for Ours {
    fn turn(&mut self, payload: &[u8]) -> (Duration, Duration) {
        if self.chain.iteration() as usize + MESSAGES > CHAIN_MESSAGES as usize {
            (self.chain, self.reader) = chain(&self.keys, &self.cert, &mut self.rng);
        }
        let id = self.chain.cert().chain();
        let mut sealed = Vec::with_capacity(MESSAGES);
        let began = Instant::now();
        for _ in 0..MESSAGES {
            self.seq += 1;
            let draft = Draft {
                kind: KIND_MESSAGE,
                conversation: ROOM,
                device: self.keys.id(),
                log: 0,
                seq: self.seq,
                prev: Some(EventId::from_bytes([1; 32])),
                parents: vec![EventId::from_bytes([1; 32])],
                clock: NOW,
                view: Some([1; 32]),
            };
            let event = VerifiedEvent::sign(&self.keys, draft, [4; 16], black_box(payload)).expect("signed");
            sealed.push(self.chain.seal(&mut self.rng, DAY, &event).expect("sealed"));
        }
        let sealing = began.elapsed();
        let began = Instant::now();
        for envelope in &sealed {
            let pending = self.reader.open(&id, black_box(envelope)).expect("opened");
            let proved = pending.verify().expect("verified");
            black_box(self.reader.commit(proved, NOW).expect("counted"));
        }
        let opening = began.elapsed();
        assert!(self.reader.take_changes().len() <= 2, "messages were skipped");
        (sealing, opening)
    }
}

pub(crate) struct Theirs {
    from: GroupSession,
    to: InboundGroupSession,
}

impl Theirs {
    pub(crate) fn new() -> Self {
        let config = SessionConfig::version_1();
        let from = GroupSession::new(config);
        let to = InboundGroupSession::new(&from.session_key(), config);
        Self { from, to }
    }
}

impl Talk for Theirs {
    fn turn(&mut self, payload: &[u8]) -> (Duration, Duration) {
        let mut sealed = Vec::with_capacity(MESSAGES);
        let began = Instant::now();
        for _ in 0..MESSAGES {
            sealed.push(self.from.encrypt(black_box(payload)));
        }
        let sealing = began.elapsed();
        let began = Instant::now();
        for message in &sealed {
            black_box(self.to.decrypt(black_box(message)).expect("opened"));
        }
        (sealing, began.elapsed())
    }
}

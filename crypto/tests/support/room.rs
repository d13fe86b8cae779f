//! A member who seals what they like with a sender chain (PROTOCOL.md section 11, "Room messages"), and its owner, who also signs.
#![allow(dead_code, reason = "each test and fuzz target uses a part of it")]

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, XChaCha20Poly1305};
use ed25519_dalek::{Signer, SigningKey};
use parlour_crypto::{
    Audience, ChainSender, ConversationId, DeviceCert, DeviceId, DeviceKeys, Draft, EventId, Identity, KIND_MESSAGE,
    KIND_OPERATION, Message, RoomOperation, SendingChain, SignedEvent, VerifiedEvent,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

pub(crate) const NOW: u64 = 1_767_225_600_000;
pub(crate) const DAY: u16 = 20_454;
pub(crate) const ROOM: ConversationId = ConversationId::from_bytes([5; 32]);
/// Where the keys of a chain's bytes begin: after version, time and number.
const KEYS: usize = 1 + 8 + 4;

/// Who owns chains, and a reader of them.
pub(crate) struct Room {
    pub(crate) owner: DeviceKeys,
    pub(crate) cert: DeviceCert,
    pub(crate) reader: DeviceId,
    pub(crate) audience: Audience,
}

impl Room {
    pub(crate) fn new() -> Self {
        let owner = DeviceKeys::generate(&mut ChaCha20Rng::seed_from_u64(1));
        let cert = DeviceCert::issue(&Identity::from_entropy(&[1; 32]), &owner, 1, NOW);
        let reader = DeviceId::from_bytes([1; 32]);
        let audience = Audience::new([owner.id(), reader]).unwrap();
        Self {
            owner,
            cert,
            reader,
            audience,
        }
    }

    pub(crate) fn chain(&self, seed: u64) -> SendingChain {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        SendingChain::create(&mut rng, &self.owner, ROOM, [3; 32], &self.audience, NOW)
    }

    /// A reader who has this chain from its owner.
    pub(crate) fn reader_of(&self, chain: &SendingChain) -> ChainSender {
        let mut sender = ChainSender::new(ROOM, &self.cert).unwrap();
        let shared = chain.share(vec![]).unwrap();
        sender.take(&shared, &self.owner.id(), &self.reader).unwrap();
        sender
    }

    /// An event of the owner.
    pub(crate) fn event(&self, seq: u64) -> VerifiedEvent {
        let draft = Draft {
            kind: KIND_MESSAGE,
            conversation: ROOM,
            device: self.owner.id(),
            log: 0,
            seq,
            prev: (seq > 1).then_some(EventId::from_bytes([1; 32])),
            parents: vec![],
            clock: NOW + seq,
            view: Some([3; 32]),
        };
        let body = Message::text("hello").encode().unwrap();
        VerifiedEvent::sign(&self.owner, draft, [4; 16], &body).unwrap()
    }

    /// A wire event around a header, whatever it is, that the owner has signed.
    pub(crate) fn signed(&self, header: &[u8], rest: &[u8]) -> Vec<u8> {
        let (seed, _) = self.owner.secrets();
        let signature = SigningKey::from_bytes(&seed).sign(&[b"parlour/1\0event\0", header].concat());
        let length = u16::try_from(header.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&length[..], header, &signature.to_bytes(), rest].concat()
    }
}

fn xof<const N: usize>(key: &[u8; 32], purpose: &str, field: Option<&[u8]>) -> [u8; N] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(b"parlour/1\0").update(purpose.as_bytes()).update(b"\0");
    if let Some(field) = field {
        hasher.update(&(field.len() as u32).to_be_bytes()).update(field);
    }
    let mut out = [0; N];
    hasher.finalize_xof().fill(&mut out);
    out
}

/// An envelope of `chain` that names message `n`, is sealed with the key `ahead` steps on, and whose padded payload is `body`.
pub(crate) fn forge(chain: &SendingChain, n: u32, ahead: u32, body: &[u8]) -> Vec<u8> {
    let bytes = chain.to_bytes();
    let key = |at: usize| <[u8; 32]>::try_from(&bytes[KEYS + 32 * at..][..32]).unwrap();
    let (mut step, header_key) = (key(0), key(1));
    let mut message_key = [0; 32];
    for _ in 0..=ahead {
        let next: [u8; 64] = xof(&step, "ratchet step", None);
        message_key.copy_from_slice(&next[..32]);
        step.copy_from_slice(&next[32..]);
    }
    let prefix = parlour_crypto::EnvelopePrefix {
        day: DAY,
        tag: chain.tag(DAY),
    };
    let prefix = prefix.encode();
    let binding = [&ROOM.as_bytes()[..], &chain.cert().chain(), &prefix].concat();
    let nonce = [9; 24];
    let mut header = n.to_be_bytes().to_vec();
    XChaCha20Poly1305::new(&header_key.into())
        .encrypt_in_place(&nonce.into(), &binding, &mut header)
        .unwrap();
    let expanded: [u8; 76] = xof(&message_key, "room message", Some(&nonce));
    let front = [&nonce[..], &header, &expanded[44..]].concat();
    let ad = [&binding[..], &front].concat();
    let length = prefix.len() + front.len() + 16;
    let size = parlour_crypto::ENVELOPE_SIZES
        .into_iter()
        .find(|size| *size >= length + body.len())
        .unwrap_or(parlour_crypto::MAX_ENVELOPE);
    let mut text = body.to_vec();
    text.resize(size - length, 0);
    ChaCha20Poly1305::new(expanded[..32].try_into().unwrap())
        .encrypt_in_place(expanded[32..44].try_into().unwrap(), &ad, &mut text)
        .unwrap();
    [&prefix[..], &front, &text].concat()
}

/// The payload of an envelope, with its length in front.
pub(crate) fn padded(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_be_bytes()[..], payload].concat()
}

/// Whether the owner's event with this body is an operation.
pub(crate) fn operation(room: &Room, body: &[u8]) -> bool {
    let draft = Draft {
        kind: KIND_OPERATION,
        conversation: ROOM,
        device: room.owner.id(),
        log: 0,
        seq: 1,
        prev: None,
        parents: vec![],
        clock: NOW,
        view: None,
    };
    let Ok(event) = VerifiedEvent::sign(&room.owner, draft, [4; 16], body) else {
        return false;
    };
    let signed = SignedEvent::decode(&event.to_wire()).unwrap();
    let list = RoomOperation::carried_list(&signed);
    let _ = RoomOperation::carried_invite(&signed);
    let Ok(operation) = RoomOperation::read(&event, &room.cert) else {
        return false;
    };
    assert_eq!((operation.id(), operation.user()), (event.id(), room.cert.user()));
    assert_eq!(operation.device_list(), list);
    true
}

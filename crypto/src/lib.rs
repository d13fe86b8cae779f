//! The cryptography of `parlour/1`: keys, certificates, sessions, and every structure that is signed, sealed or sent.
//!
//! Bytes are fixed by PROTOCOL.md at the top of the workspace. The crate is pure: no I/O, no async, no clock and no global
//! random number generator; time and randomness are arguments. No panic is reachable from bytes that came from outside.
#![deny(missing_docs)]

mod aead;
mod agreement;
mod asking;
mod body;
mod card;
mod codec;
mod control;
mod device;
mod device_list;
mod emoji;
mod envelope;
mod event;
mod flight;
mod frame;
mod handshake;
mod identity;
mod ids;
mod image;
mod intervals;
mod invite;
mod kdf;
mod kem;
mod keys;
mod keystore;
mod knock;
mod prekey;
mod ratchet;
mod recovery;
mod room;
mod safety_number;
#[cfg(test)]
mod second_implementation;
mod session;
#[cfg(test)]
mod signed;
mod stream;
mod suite;
#[cfg(test)]
mod testing;

pub use agreement::LowOrder;
pub use asking::{ASKING_WORK_BITS, AskingWork, MAX_ASKING_ENVELOPE};
pub use body::{
    Audio, BODY_KINDS, Body, BodyError, Call, CallOutcome, ClosePoll, Content, Delete, EQUATOR, Edit, Ext,
    KIND_CLOSE_POLL, KIND_DELETE, KIND_EDIT, KIND_MESSAGE, KIND_PIN, KIND_REACTION, KIND_TIMER, KIND_VOTE,
    KNOWN_CONTENTS, Location, MAX_CAPTION, MAX_COUNTED, MAX_EXT, MAX_FILE_NAME, MAX_MEDIA_TYPE, MAX_MENTIONS,
    MAX_OPTION, MAX_OPTIONS, MAX_QUESTION, MAX_TARGETS, MAX_TEXT, MAX_THUMBNAIL, MAX_TIMER_MS, MAX_WAVE, MERIDIAN,
    MIN_OPTIONS, MIN_TIMER_MS, Message, Picture, Pin, Poll, Reaction, SharedFile, Sticker, Timer, VISIBLE_FOREVER,
    VISIBLE_ONCE, VISIBLE_TWICE, Video, Voice, Vote,
};
pub use card::{CardDetails, CardError, MAX_ABOUT, MAX_AVATAR, MAX_PRONOUNS, MAX_STATUS};
pub use codec::{
    ByteReader, DecodeError, TlvError, TlvReader, TlvWriter, decode_own, decode_prefix, decode_strict, encode,
    encode_into,
};
pub use control::{
    Control, ControlError, ControlId, Have, LogHave, MAX_ADDRESSES, MAX_CONTROL, MAX_KEY_REQUESTS, MAX_LOGS, MAX_NAME,
    MAX_PEER, MAX_RECEIVED, MAX_REPORT_REASON, MAX_REQUEST_NOTE, MAX_ROOM_EVENTS, MAX_ROOM_HEADS, Payload, Profile,
    ReadMark, RoomAsk, RoomKnock,
};
pub use device::{CERT_MAX_LIFETIME_MS, CertError, CertProof, DeviceCert};
pub use device_list::{DeviceList, ListError, ListReference, MAX_DEVICES, MAX_REVOKED, SuccessionError};
pub use emoji::{MAX_EMOJI, is_emoji};
pub use envelope::{
    ENVELOPE_SIZES, ENVELOPE_VERSION, EnvelopeError, EnvelopePrefix, MAX_ENVELOPE, PREFIX_LEN, PadError, RelayVerdict,
    SHARDS, day_of, first_contact_tag, pad, parse, relay_verdict, room_shard, shard, size_for, unpad,
};
pub use event::{
    Draft, EventDecodeError, EventHeader, EventSignError, EventVerifyError, MAX_PARENTS, MAX_WIRE_EVENT, SignedEvent,
    VerifiedEvent, body_hash,
};
pub use flight::{Accepted, FirstFlight};
pub use frame::{Frame, Hello, MAX_FRAME, Presence, SYNC_VERSION};
pub use handshake::{HandshakeError, Initiated, initiate};
pub use identity::Identity;
pub use ids::{ConversationId, DeviceId, EventId, IdParseError, SessionId, UserId};
pub use image::{ImageError, ImageKind, MAX_IMAGE_SIDE, image_kind, plain_image};
pub use intervals::{Intervals, MAX_INTERVALS};
pub use invite::{
    ContactAddress, INVITE_PREFIX, Invite, InviteError, Link, MAX_INVITE, MAX_INVITE_ADDRESSES, MAX_INVITE_NAME,
};
pub use kdf::SignerKey;
pub use kem::{KEM_CIPHERTEXT_LEN, KEM_KEY_LEN};
pub use keys::DeviceKeys;
pub use keystore::{Argon2Params, DataKey, Keystore, KeystoreError, Secrets, Unlock, UnlockError};
pub use knock::{KnockRequest, KnockResponse, ListedRoom, MAX_KNOCK, MAX_LISTED, MAX_LISTED_CREATE};
pub use prekey::{
    BUNDLE_LIFETIME_MS, BundleError, OneTimeKey, OneTimeSecret, PrekeyBundle, PrekeySecret, SecretDecodeError,
};
pub use ratchet::{
    LoadError, MAX_CHAIN, MAX_OLD_CHAINS, MAX_SKIP, MAX_SKIPPED, OpenError, RecordChange, RecordKey, SealError,
};
pub use recovery::{PHRASE_WORDS, PhraseError, entropy_from_phrase, phrase_from_entropy};
pub use room::{
    Act, Applied, Audience, AudienceError, AudienceProof, BetweenPeers, CHAIN_DUE, CHAIN_LIFETIME_MS, CHAIN_MESSAGES,
    ChainCert, ChainCertError, ChainId, ChainKeys, ChainSender, Dropped, Ending, History, Info, JoinRule,
    KIND_OPERATION, KNOWN_ACTS, LastSeq, LinkState, LinkUse, MAX_AROUND_REMOVAL, MAX_AUDIENCE, MAX_CHAINS,
    MAX_LAST_SEQS, MAX_LINK_USES, MAX_OP_PARENTS, MAX_OP_SEQ, MAX_OPERATIONS, MAX_REASON, MAX_ROOM_NAME, MAX_SHARED,
    MAX_SLOW_MODE_MS, MAX_TOPIC, MAX_VIEW_HEADS, Member, Membership, OpenInvite, Operation, OperationError, Pending,
    Policy, Proved, Purge, Rank, RoomLink, RoomOpenError, RoomOperation, RoomSealError, RoomState, Said,
    SenderLoadError, SendingChain, SendingLoadError, SharedChain, TakeError, Taken, TooManyOperations,
    answers_about_link, asks_about_link, link_answer, link_question, link_token_hash, membership_view, room_id,
};
pub use safety_number::safety_number;
pub use session::{EXT_REFRESH, Session};
pub use stream::{
    FrameOpener, FrameSealer, REFUSE, STREAM_ACCEPT_LEN, STREAM_OPEN_LEN, StreamError, StreamOpen, accept_stream,
};
pub use suite::{Suite, Suites};

//! What a user decides about themselves, contacts and conversations, and what nobody else has to agree to.

use parlour_crypto::{CardError, ConversationId, UserId};
use parlour_store::StoreError;
use parlour_store::feed::{self, FeedRow};
use parlour_store::registers::{self, Register};

use super::Engine;
use super::effects::{StorageFailed, Turn};
use super::trust::ListCode;

/// One decision.
#[derive(Debug, Clone)]
pub enum Decision {
    /// How this account behaves towards others; what is not given stays.
    Settings {
        /// Whether contacts are told how far we have read.
        read_receipts: Option<bool>,
        /// Whether contacts are told when we are there.
        presence: Option<bool>,
    },
    /// The user writes something in a conversation, or has stopped.
    Typing {
        /// Where.
        conversation: ConversationId,
        /// Whether they do.
        typing: bool,
    },
    /// The user is there for so many ms; 0 = away.
    Online(u64),
    /// How a contact is kept.
    Contact(UserId, ContactChange),
    /// How a conversation is kept.
    Conversation(ConversationId, ConversationChange),
    /// The conversation with oneself is wanted.
    OpenNotes,
    /// A safety number was compared: the digits that the other side shows; and the devices that are accepted, if they have changed.
    Verify(UserId, String, Option<ListCode>),
    /// A contact is taken as they are, without having compared anything; and the devices that are accepted, if they have changed.
    Accept(UserId, Option<ListCode>),
    /// A request to become a contact is declined, without a word to whoever asks.
    DeclineRequest(UserId),
    /// Whoever asks to become a contact is blocked, without a word to them.
    BlockRequest(UserId),
    /// Somebody is a contact no more, or is not asked any more; without a word to them.
    Remove {
        /// Who.
        user: UserId,
        /// Whether what was written with them is erased here, too.
        history: bool,
    },
    /// What the user says about themselves.
    Profile(ProfileChange),
    /// Their picture; `None` = none.
    Avatar(Option<Vec<u8>>),
}

/// What a user says about themselves; what is not given stays, what is empty goes.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    /// Display name.
    pub name: Option<String>,
    /// Who they are.
    pub about: Option<String>,
    /// Their pronouns.
    pub pronouns: Option<String>,
    /// What they do just now.
    pub status: Option<String>,
    /// The same as a picture.
    pub emoji: Option<String>,
    /// When the status ends, ms; 0 = never.
    pub status_expires: Option<u64>,
    /// Their picture; `Some(None)` takes it away.
    pub avatar: Option<Option<Vec<u8>>>,
}

impl ProfileChange {
    /// Another picture, or none, and nothing else.
    fn picture(avatar: Option<Vec<u8>>) -> Self {
        Self {
            avatar: Some(avatar),
            ..Self::default()
        }
    }
}

/// How a contact is to be kept; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct ContactChange {
    /// What we call them; `Some(None)` = as they call themselves.
    pub petname: Option<Option<String>>,
    /// Whether they are blocked.
    pub blocked: Option<bool>,
}

/// How a conversation is to be kept; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct ConversationChange {
    /// Until when it is muted, ms; 0 = not, `u64::MAX` = for ever.
    pub muted_until: Option<u64>,
    /// Whether it is put away.
    pub archived: Option<bool>,
    /// What is being written in it; empty = nothing.
    pub draft: Option<String>,
}

/// Why a decision was not carried out. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// No such conversation.
    #[error("there is no such conversation")]
    UnknownConversation,
    /// No such contact.
    #[error("there is no such contact")]
    UnknownContact,
    /// Nobody of that name asks.
    #[error("there is no such contact request")]
    UnknownRequest,
    /// Somebody else has the petname.
    #[error("the name {0:?} is already taken by another contact")]
    NameTaken(String),
    /// The name means something else.
    #[error("the name {0:?} means your own notes: choose another one")]
    NameReserved(String),
    /// Not usable as a name.
    #[error("a petname has 1 to {max} bytes and no control or direction characters")]
    BadName {
        /// The limit.
        max: usize,
    },
    /// Muted until a time that is over.
    #[error("the time until which to mute is over already")]
    Past,
    /// Not sixty digits.
    #[error("a safety number has 60 digits")]
    NoSafetyNumber,
    /// Sixty other digits.
    #[error(
        "the safety numbers differ: either the digits were read wrongly, or somebody stands between you; nothing was changed"
    )]
    WrongSafetyNumber,
    /// Nothing was said of the devices that are to be accepted.
    #[error(
        "the devices of this contact have changed, and the safety number says nothing about that: ask them, by voice or face to face, \
         whether they set up a new device; if they did, name the code of these devices as well"
    )]
    DevicesUndecided,
    /// The devices that were decided about are not those of the contact now.
    #[error("these are not the devices that the contact has now: look at the new code, and ask them again")]
    OtherDevices,
    /// A status until a time that is over.
    #[error("the time at which the status ends is over already")]
    StatusOver,
    /// Characters that act instead of being seen, or no character at all.
    #[error("the {what} may hold no control or direction characters{}", if *what == "name" { ", and must not be empty" } else { "" })]
    BadText {
        /// What.
        what: &'static str,
    },
    /// The picture of a status is something else than an emoji, or several.
    #[error("the picture of a status is exactly one emoji")]
    NotEmoji,
    /// Does not fit on a card.
    #[error(transparent)]
    Card(#[from] CardError),
    /// Over a limit.
    #[error("the {what} is {got} bytes long; at most {max} are kept")]
    TooLong {
        /// What.
        what: &'static str,
        /// Bytes given.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// Not written.
    #[error(transparent)]
    Storage(#[from] StorageFailed),
}

impl Engine {
    pub(crate) fn decide(
        &mut self,
        turn: &mut Turn<'_, '_>,
        decision: Decision,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        match decision {
            Decision::Settings {
                read_receipts,
                presence,
            } => self.change_settings(turn, read_receipts, presence),
            Decision::Typing { conversation, typing } => self.set_typing(turn, &conversation, typing),
            Decision::Contact(user, change) => self.change_contact(turn, &user, change),
            Decision::Conversation(id, change) => self.change_conversation(turn, &id, change),
            Decision::Profile(change) => self.change_profile(turn, change),
            Decision::Avatar(avatar) => self.change_profile(turn, ProfileChange::picture(avatar)),
            Decision::Verify(user, code, devices) => self.verify(turn, &user, &code, devices),
            Decision::Accept(user, devices) => self.accept_as_is(turn, &user, devices),
            Decision::DeclineRequest(user) => self.decline_request(turn, &user),
            Decision::BlockRequest(user) => self.block_request(turn, &user),
            Decision::Remove { user, history } => self.remove_contact(turn, &user, history),
            Decision::OpenNotes => self.ensure_notes(turn).map(Ok),
            Decision::Online(ms) => self.set_online(turn, ms).map(Ok),
        }
    }

    fn change_settings(
        &mut self,
        turn: &mut Turn<'_, '_>,
        read_receipts: Option<bool>,
        presence: Option<bool>,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        let mut settings = registers::settings(turn.txn)?;
        settings.read_receipts = read_receipts.unwrap_or(settings.read_receipts);
        settings.presence = presence.unwrap_or(settings.presence);
        if !settings.read_receipts {
            self.drop_read_marks(turn)?;
        }
        let device = self.account.keys.id();
        registers::set(turn.txn, Register::Settings, &settings, device, turn.now)?;
        feed::append(turn.txn, &FeedRow::Own)?;
        self.tell_presence(turn)?;
        Ok(Ok(()))
    }
}

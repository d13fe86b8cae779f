//! Everything that can reach the engine, and the errors of what people ask of it.

use parlour_crypto::{
    BodyError, Content, ConversationId, DeviceCert, DeviceList, EventId, InviteError as LinkError, MAX_TIMER_MS,
    MIN_TIMER_MS, UserId,
};
use parlour_net::{Multiaddr, NetEvent};
use parlour_store::{EventKey, timeline::Position};
use tokio::sync::oneshot;

use super::change::{ChangeError, ChangeMessage, Changed};
use super::decisions::{Decision, DecisionError};
use super::disappearing::{SetTimer, TimerError};
use super::effects::{Effects, StorageFailed};
use super::rooms::{LinkKind, MadeLink, NewRoom, RoomAct, RoomError};

/// One thing to react to.
#[derive(Debug)]
pub(crate) enum Input {
    /// A user, through the API.
    Command(Command),
    /// The network.
    Net(NetEvent),
    /// A timer may be due.
    Tick,
}

/// One wish of a user. Answers come after the commit.
#[derive(Debug)]
pub(crate) enum Command {
    /// Writes a text message.
    Send(SendText, oneshot::Sender<Result<Sent, SendError>>),
    /// Does something with a message that is there.
    Change(ChangeMessage, oneshot::Sender<Result<Changed, ChangeError>>),
    /// Sets after which time new messages of a conversation disappear.
    SetTimer(SetTimer, oneshot::Sender<Result<(), TimerError>>),
    /// Makes an invite.
    Invite(NewInvite, oneshot::Sender<Result<MadeInvite, MakeInviteError>>),
    /// Takes an invite back.
    RevokeInvite([u8; 16], oneshot::Sender<Result<(), RevokeError>>),
    /// Opens somebody's invite.
    Add(AddContact, oneshot::Sender<Result<Added, AddError>>),
    /// This device's certificate and device list as they are on the disk now.
    Renewed(Box<(DeviceCert, DeviceList)>),
    /// Marks a conversation as read.
    MarkRead {
        conversation: ConversationId,
        up_to: UpTo,
        reply: oneshot::Sender<Result<(), ReadMarkError>>,
    },
    /// Makes a room.
    MakeRoom(NewRoom, oneshot::Sender<Result<ConversationId, RoomError>>),
    /// Makes a link into a room.
    MakeRoomLink {
        room: ConversationId,
        kind: LinkKind,
        valid_ms: u64,
        reply: oneshot::Sender<Result<MadeLink, RoomError>>,
    },
    /// Shows somebody's link into a room.
    JoinByLink(String, oneshot::Sender<Result<ConversationId, RoomError>>),
    /// Public rooms that others list.
    PublicRooms(oneshot::Sender<Result<Vec<super::PublicRoom>, RoomError>>),
    /// Public rooms that this account lists.
    OwnPublicRooms(oneshot::Sender<Result<Vec<super::PublicRoom>, RoomError>>),
    /// Does something in a room.
    ActInRoom(ConversationId, RoomAct, oneshot::Sender<Result<(), RoomError>>),
    /// Carries out what a user decided.
    Decide(Decision, oneshot::Sender<Result<(), DecisionError>>),
}

/// How far a conversation has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpTo {
    /// Everything that is shown now.
    End,
    /// Up to a message, in the order of the conversation.
    Message(EventId),
    /// Up to a message by its arrival number.
    Seq(u64),
}

/// A message to write.
#[derive(Debug, Clone)]
pub struct SendText {
    /// Where.
    pub conversation: ConversationId,
    /// What.
    pub content: Box<Content>,
    /// The message it answers.
    pub reply_to: Option<EventId>,
    /// The message whose thread it is in.
    pub thread: Option<EventId>,
    /// The same id twice in one conversation is one message. At most 64 bytes.
    pub client_id: Option<String>,
    /// Members it calls by name, at most 64.
    pub mentions: Vec<UserId>,
    /// When it disappears.
    pub expires: Expiry,
    /// How often a recipient may see it: 0 for ever, 1 or 2 on demand.
    pub visibility: u8,
}

impl SendText {
    /// A text and nothing else.
    #[must_use]
    pub fn plain(conversation: ConversationId, text: impl Into<String>) -> Self {
        Self {
            conversation,
            content: Box::new(Content::Text(text.into())),
            reply_to: None,
            thread: None,
            client_id: None,
            mentions: Vec::new(),
            expires: Expiry::Default,
            visibility: 0,
        }
    }
}

/// When a message disappears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// As the conversation's timer says.
    Default,
    /// Never, whatever the timer says.
    Never,
    /// After this time, ms.
    After(u64),
}

/// The message that came of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Where the event is.
    pub event: EventKey,
    /// Its id and clock.
    pub at: Position,
    /// Its arrival number in the conversation.
    pub room_seq: u64,
    /// `false`: the client id was used before, and this is the message it made then.
    pub fresh: bool,
    /// It is a text and nothing else.
    pub plain: bool,
}

/// Why nothing may be sent to a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// We have blocked them.
    #[error("you have blocked this contact: unblock them first (`parlour contacts unblock WHO`)")]
    Blocked,
    /// They are no contact any more.
    #[error("this person is not your contact any more: add them again first (`parlour add LINK`)")]
    NoContact,
    /// There are devices of theirs that nobody has decided about.
    #[error(
        "the devices of this contact have changed: ask them, by voice or face to face, whether they set up a new device; if they did: \
         `parlour contacts trust WHO` shows how to accept it"
    )]
    DevicesChanged,
    /// We are no member of the room.
    #[error("you are not a member of this room")]
    NotMember,
    /// The room's rules let others write.
    #[error("your rank does not let you write in this room")]
    MayNotPost,
    /// The room's rules let others pin.
    #[error("your rank does not let you pin in this room")]
    MayNotPin,
    /// Only admins set a room's timer.
    #[error("only admins set after which time messages disappear in a room")]
    MayNotSetTimer,
    /// So much was written at once that the conversation's clock is ahead of the time.
    #[error("too much was written here in too short a time: write on in a second")]
    TooFast,
    /// The room's rules ask for a pause.
    #[error("this room has slow mode: you can write again in {} seconds", wait_ms.div_ceil(1_000))]
    SlowMode {
        /// How long, ms.
        wait_ms: u64,
    },
}

/// Why a text was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No such conversation.
    #[error("there is no such conversation")]
    UnknownConversation,
    /// Nothing may be sent to whoever the conversation is with.
    #[error(transparent)]
    Refused(Refusal),
    /// Nothing to send.
    #[error("the text is empty")]
    Empty,
    /// Too long for one message.
    #[error("the text is {got} bytes long; a message holds at most {max}")]
    TooLong {
        /// Bytes given.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// The answered message is not in the conversation.
    #[error("the message to reply to is not in this conversation")]
    UnknownReply,
    /// The answered message is there no more.
    #[error("the message to reply to was erased")]
    ReplyGone,
    /// The root of the thread is not in the conversation.
    #[error("the message at the root of the thread is not in this conversation")]
    UnknownThread,
    /// The root of the thread is there no more.
    #[error("the message at the root of the thread was erased")]
    ThreadGone,
    /// The root of the thread is in one.
    #[error("this message is in a thread itself; its root is {0}")]
    InThread(EventId),
    /// Something else than a text that breaks a rule.
    #[error(transparent)]
    Content(BodyError),
    /// A poll whose time is over before it begins.
    #[error("the poll would be closed before anybody can vote")]
    PollOver,
    /// Somebody else is called by name.
    #[error("only members of the conversation can be mentioned")]
    MentionsStranger,
    /// Too many are called by name.
    #[error("{got} mentions are over the limit of {max}")]
    TooManyMentions {
        /// Users named.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// A time to disappear that is too short or too long.
    #[error("messages disappear after {} seconds at least and {} days at most", MIN_TIMER_MS / 1_000, MAX_TIMER_MS / 86_400_000)]
    ExpiryOutOfBounds,
    /// Views that cannot be counted.
    #[error("a message can be viewed once, twice or for ever")]
    BadVisibility,
    /// The client id is too long.
    #[error("the client id is longer than {max} bytes")]
    ClientIdTooLong {
        /// The limit.
        max: usize,
    },
    /// Not written.
    #[error(transparent)]
    Storage(#[from] StorageFailed),
}

/// An invite to make.
#[derive(Debug, Clone)]
pub struct NewInvite {
    /// How long it lasts, ms.
    pub valid_ms: u64,
    /// How often it may be used.
    pub max_uses: u32,
}

/// A new invite.
#[derive(Debug, Clone)]
pub struct MadeInvite {
    /// `parlour:…`
    pub link: String,
    /// By which it can be taken back.
    pub token: [u8; 16],
    /// When it ends, ms.
    pub expires: u64,
    /// The addresses in it.
    pub addresses: Vec<Multiaddr>,
}

/// Why no invite was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MakeInviteError {
    /// Too many are open.
    #[error("there are already {max} open invites; revoke some first")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Not listening anywhere.
    #[error("this node listens on no address yet, so nobody could use an invite")]
    NoAddress,
    /// Not written.
    #[error(transparent)]
    Storage(#[from] StorageFailed),
}

/// Why an invite was not taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevokeError {
    /// No such invite.
    #[error("there is no such invite")]
    Unknown,
    /// Not written.
    #[error(transparent)]
    Storage(#[from] StorageFailed),
}

/// An invite to open, or an address at which to ask.
#[derive(Debug, Clone)]
pub struct AddContact {
    /// `parlour:…`
    pub link: String,
    /// What to call them.
    pub petname: Option<String>,
    /// What to say when asking, at most 512 bytes; nothing where it is an invite.
    pub note: Option<String>,
}

/// What opening an invite led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Who made the invite.
    pub user: UserId,
    /// They were a contact before.
    pub already: bool,
}

/// Why an invite was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// Not a whole, undamaged link.
    #[error("this is no valid invite: {0}")]
    Link(LinkError),
    /// Made by this very account.
    #[error("this invite is your own: give it to the other person, who opens it with `parlour add`")]
    Own,
    /// Its time is over.
    #[error("this invite has expired: ask for a new one")]
    Expired,
    /// From a device that a contact of ours did not have.
    #[error(
        "{0} is a contact already, and this invite comes from another device of theirs: make an invite (`parlour invite`) and let \
         them open it there, so that it is proved to be theirs"
    )]
    OtherDevice(String),
    /// Too much to say.
    #[error("the note is {got} bytes long; at most {max} are sent with a request")]
    NoteTooLong {
        /// Bytes given.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// Somebody else has the petname.
    #[error("the name {0:?} is already taken by another contact")]
    NameTaken(String),
    /// The name means something else.
    #[error("the name {0:?} means your own notes: choose another one")]
    NameReserved(String),
    /// Not usable as a name.
    #[error("a petname has 1 to {max} bytes and no control characters")]
    BadName {
        /// The limit.
        max: usize,
    },
    /// Not written.
    #[error(transparent)]
    Storage(#[from] StorageFailed),
}

/// Why a read mark was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadMarkError {
    /// No such conversation.
    #[error("there is no such conversation")]
    UnknownConversation,
    /// The message is not one of it.
    #[error("there is no such message in this conversation")]
    UnknownMessage,
    /// Not written.
    #[error(transparent)]
    Storage(#[from] StorageFailed),
}

impl Command {
    /// Answers that nothing was done because storage failed.
    pub(crate) fn refuse(self, effects: &mut Effects, why: StorageFailed) {
        match self {
            Self::Send(_, reply) => effects.reply(reply, Err(why.into())),
            Self::Change(_, reply) => effects.reply(reply, Err(why.into())),
            Self::SetTimer(_, reply) => effects.reply(reply, Err(why.into())),
            Self::Invite(_, reply) => effects.reply(reply, Err(why.into())),
            Self::RevokeInvite(_, reply) => effects.reply(reply, Err(why.into())),
            Self::Add(_, reply) => effects.reply(reply, Err(why.into())),
            Self::MarkRead { reply, .. } => effects.reply(reply, Err(why.into())),
            Self::MakeRoom(_, reply) => effects.reply(reply, Err(why.into())),
            Self::MakeRoomLink { reply, .. } => effects.reply(reply, Err(why.into())),
            Self::JoinByLink(_, reply) => effects.reply(reply, Err(why.into())),
            Self::PublicRooms(reply) | Self::OwnPublicRooms(reply) => effects.reply(reply, Err(why.into())),
            Self::ActInRoom(_, _, reply) => effects.reply(reply, Err(why.into())),
            Self::Decide(_, reply) => effects.reply(reply, Err(why.into())),
            // It is on the disk, and said again.
            Self::Renewed(_) => {}
        }
        std::mem::take(effects).refuse(why);
    }
}

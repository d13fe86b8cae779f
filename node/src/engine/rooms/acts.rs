//! What can be done in a room, and why it was not.

use parlour_crypto::{EventId, History, ImageError, InviteError, JoinRule, Policy, Rank, UserId};

use crate::engine::effects::StorageFailed;

/// A room to make.
#[derive(Debug, Clone)]
pub struct NewRoom {
    /// Its name, 1–128 bytes.
    pub name: String,
    /// Its topic, at most 1 024 bytes.
    pub topic: Option<String>,
    /// What is to be different from the usual rules.
    pub policy: PolicyChange,
}

/// What is done in a room.
#[derive(Debug, Clone)]
pub enum RoomAct {
    /// Lets a user join, as a member or as a guest.
    Invite(UserId, Rank),
    /// Takes an invitation, or goes into a public room.
    Join,
    /// Goes. Who is only invited says no.
    Leave,
    /// Removes a user, for good if banned; with what they said around that if purged.
    Remove {
        /// Who.
        user: UserId,
        /// Kept out.
        ban: bool,
        /// What they said around that is hidden.
        purge: bool,
        /// Why, at most 256 bytes.
        reason: String,
    },
    /// Lets a banned user be invited again.
    Unban(UserId),
    /// Gives a rank.
    Role(UserId, Rank),
    /// Gives the room away.
    Transfer(UserId),
    /// Changes name or topic; what is not given stays.
    Info {
        /// Its name.
        name: Option<String>,
        /// Its topic; empty: none.
        topic: Option<String>,
    },
    /// Sets its picture, or takes it away.
    Picture(Option<Vec<u8>>),
    /// Changes the rules.
    Policy(PolicyChange),
    /// What the room is called on this node, and nowhere else.
    Alias(String),
    /// Does not let in who asks.
    TurnAway(UserId),
    /// Ends a link.
    RevokeLink(String),
    /// Tells those who keep order of a message.
    Report {
        /// Which.
        message: EventId,
        /// What is wrong with it, at most 512 bytes.
        reason: String,
    },
    /// What was said of a message is of no interest any more.
    DismissReports(EventId),
}

/// Changes of a room's rules; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct PolicyChange {
    /// Least rank to write.
    pub post: Option<Rank>,
    /// Least rank to invite.
    pub invite: Option<Rank>,
    /// Least rank to pin.
    pub pin: Option<Rank>,
    /// Least rank to change name and topic.
    pub info: Option<Rank>,
    /// Least rank to remove and ban.
    pub remove: Option<Rank>,
    /// Least rank to give ranks.
    pub roles: Option<Rank>,
    /// How one comes in.
    pub join: Option<JoinRule>,
    /// What those who come are given of what was said before.
    pub history: Option<History>,
    /// Pause between two messages of one member, ms.
    pub slow_mode_ms: Option<u32>,
}

impl PolicyChange {
    /// The rules with these changes.
    #[must_use]
    pub fn apply(&self, policy: &Policy) -> Policy {
        let rank = |change: Option<Rank>, old: u8| change.map_or(old, Rank::number);
        Policy {
            post: rank(self.post, policy.post),
            invite: rank(self.invite, policy.invite),
            pin: rank(self.pin, policy.pin),
            info: rank(self.info, policy.info),
            remove: rank(self.remove, policy.remove),
            roles: rank(self.roles, policy.roles),
            join: self.join.map_or(policy.join, |join| join as u8),
            history: self.history.map_or(policy.history, |history| history as u8),
            slow_mode_ms: self.slow_mode_ms.unwrap_or(policy.slow_mode_ms),
            expires_after_ms: policy.expires_after_ms,
        }
    }
}

/// Why nothing was done in a room. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// No such room.
    #[error("there is no such room")]
    UnknownRoom,
    /// The name is empty.
    #[error("a room needs a name")]
    Nameless,
    /// A text is too long.
    #[error("the {field} is {got} bytes long; it may have {max}")]
    TooLong {
        /// Which.
        field: &'static str,
        /// Bytes given.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// Not a member.
    #[error("you are not a member of this room")]
    NotMember,
    /// Already in.
    #[error("you are a member of this room already")]
    AlreadyMember,
    /// The invitation is no longer open.
    #[error("nobody lets you into this room any more: ask a member to invite you again")]
    NotInvited,
    /// The rank does not suffice.
    #[error("only {needs} may do this here; you are {have}", needs = rank_plural(*needs), have = rank_word(*have))]
    Rank {
        /// Least rank.
        needs: Rank,
        /// Own rank.
        have: Rank,
    },
    /// They stand as high or higher.
    #[error("this member is {}: only those above them can do this", rank_word(*.0))]
    Above(Rank),
    /// Whom it is about takes no part.
    #[error("this user is not a member of the room")]
    NoSuchMember,
    /// Whom it is about takes part.
    #[error("this user is a member of the room already")]
    Present,
    /// Whom it is about is kept out.
    #[error("this user is banned from the room: `parlour room unban` lets them be invited again")]
    Banned,
    /// Whom it is about is not kept out.
    #[error("this user is not banned from the room")]
    NotBanned,
    /// Not about oneself.
    #[error("you cannot do this to yourself: `parlour room leave` is for going")]
    Oneself,
    /// The owner stays until somebody else has the room.
    #[error("the owner cannot leave: give the room to somebody first (`parlour room role ROOM WHO owner`)")]
    Owner,
    /// Nothing can reach them.
    #[error("only contacts can be invited: become contacts first, or give them a link (`parlour room link`)")]
    NotContact,
    /// A rank that cannot be given.
    #[error("this rank cannot be given here")]
    BadRank,
    /// Nobody knocks.
    #[error(
        "nobody knocks at this room: let them (`parlour room policy ROOM --join knock`), or make a link that lets them in"
    )]
    NoKnocking,
    /// They have not asked, or do not wait any more.
    #[error("this user does not ask to be let in")]
    NotAsking,
    /// Not here, or not a message of this room.
    #[error("there is no such message in this room")]
    NoSuchMessage,
    /// Not about oneself.
    #[error("this is a message of your own: delete it (`parlour message delete`)")]
    OwnMessage,
    /// Nobody but its author keeps order.
    #[error("nobody but its author could do anything about this message")]
    NobodyToTell,
    /// One after the other.
    #[error("you have reported as much as you can for now: wait an hour, or until some of it was looked at")]
    TooManyReports,
    /// Nobody reported it, or it was dismissed.
    #[error("no report of this message is open")]
    NoSuchReport,
    /// It leads nowhere, or somewhere else.
    #[error("this is no link into this room that is open")]
    NoSuchLink,
    /// Another room is called so here.
    #[error("another room is called {0:?} here")]
    AliasTaken(String),
    /// Not a name that a room can have here.
    #[error(
        "a room is called by letters and digits in lower case here, with one `-` between words, {max} at most: {fits:?} would do"
    )]
    BadAlias {
        /// The limit.
        max: usize,
        /// What it could be.
        fits: String,
    },
    /// Rules out of bounds.
    #[error("the rules are out of their bounds")]
    BadPolicy,
    /// Not a picture that a room can have.
    #[error(transparent)]
    Picture(ImageError),
    /// Not a link into a room.
    #[error(transparent)]
    Link(InviteError),
    /// What it leads to is known, and is no room.
    #[error("this link leads to no room")]
    NotARoom,
    /// Made here.
    #[error("this is a link of your own: give it to those who are to come")]
    OwnLink,
    /// Its time is over.
    #[error("this link has ended: ask for a new one")]
    LinkEnded,
    /// Nobody comes with a link.
    #[error(
        "nobody joins this room with a link: invite them, or change the rule (`parlour room policy ROOM --join link`)"
    )]
    NoLinks,
    /// Too many are open.
    #[error("{max} links are open already; wait until some of them end")]
    TooManyLinks {
        /// The limit.
        max: usize,
    },
    /// What this device did before is not on its disk.
    #[error(
        "what you did in this room before was lost from this disk, and has to come back from the other members first"
    )]
    Lost,
    /// Somebody above has acted at the same time.
    #[error("this does not count: somebody above you has taken your right to it")]
    Void,
    /// Too much has happened.
    #[error("this room has had as many operations as it can have: make a new one")]
    Full,
    /// Not written.
    #[error(transparent)]
    Storage(#[from] StorageFailed),
}

/// A rank as a word.
#[must_use]
pub(crate) fn rank_word(rank: Rank) -> &'static str {
    match rank {
        Rank::Nobody => "nobody",
        Rank::Guest => "a guest",
        Rank::Member => "a member",
        Rank::Moderator => "a moderator",
        Rank::Admin => "an admin",
        Rank::Owner => "the owner",
    }
}

fn rank_plural(rank: Rank) -> &'static str {
    match rank {
        Rank::Nobody | Rank::Guest => "those who take part",
        Rank::Member => "members",
        Rank::Moderator => "moderators",
        Rank::Admin => "admins",
        Rank::Owner => "the owner",
    }
}

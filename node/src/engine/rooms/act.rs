//! What a user does in a room: each is one operation, checked against the rules before it is signed.

use std::collections::BTreeSet;

use parlour_crypto::{
    Act, ConversationId, Draft, History, Info, JoinRule, KIND_OPERATION, MAX_OP_PARENTS, MAX_REASON, MAX_ROOM_NAME,
    MAX_TOPIC, Operation, Policy, Rank, RoomOperation, RoomState, UserId, VerifiedEvent, room_id,
};
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::feed::{self, FeedRow};
use parlour_store::rooms::{self, RoomRow, Standing};
use parlour_store::{ConversationNo, EventKey, LogKey, StoreError, contacts, events, logs};

use super::OPERATIONS;
use super::links::BadLink;
use crate::engine::Engine;
use crate::engine::append::{Appended, MAX_AHEAD_MS, Origin, append};
use crate::engine::effects::{StorageFailed, Turn};

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
    /// Changes the rules.
    Policy(PolicyChange),
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
    /// Rules out of bounds.
    #[error("the rules are out of their bounds")]
    BadPolicy,
    /// Not a link into a room.
    #[error(transparent)]
    Link(BadLink),
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

impl Engine {
    /// Makes a room, with this account as its owner.
    pub(crate) fn make_room(
        &mut self,
        turn: &mut Turn<'_, '_>,
        new: &NewRoom,
    ) -> Result<Result<ConversationId, RoomError>, StoreError> {
        let name = new.name.trim();
        if name.is_empty() {
            return Ok(Err(RoomError::Nameless));
        }
        if let Err(error) = check_texts(Some(name), new.topic.as_deref()) {
            return Ok(Err(error));
        }
        let info = Info {
            name: Some(name.to_owned()),
            topic: new.topic.clone().filter(|topic| !topic.is_empty()),
            avatar: None,
        };
        let act = Act::Create {
            info,
            policy: new.policy.apply(&Policy::default()),
            device_list: self.account.list.as_bytes().to_vec(),
        };
        let Ok(body) = self.operation(1, Vec::new(), act).encode() else {
            return Ok(Err(RoomError::BadPolicy));
        };
        let draft = Draft {
            kind: KIND_OPERATION,
            conversation: ConversationId::from_bytes([0; 32]),
            device: self.account.keys.id(),
            log: self.own_log | OPERATIONS,
            seq: 1,
            prev: None,
            parents: Vec::new(),
            clock: turn.now,
            view: None,
        };
        // The id stands for all that is signed but itself, so the salt is the same in both.
        let salt = self.random_id();
        let failed = |_| StoreError::Malformed { noun: "room" };
        let unnamed = VerifiedEvent::sign(&self.account.keys, draft.clone(), salt, &body).map_err(failed)?;
        let room = room_id(unnamed.header());
        let draft = Draft {
            conversation: room,
            ..draft
        };
        let event = VerifiedEvent::sign(&self.account.keys, draft, salt, &body).map_err(failed)?;
        let (no, _) = conversations::ensure(turn.txn, &room, ConversationKind::Room, turn.now)?;
        let row = RoomRow {
            standing: Standing::Member,
            ..RoomRow::default()
        };
        rooms::put(turn.txn, no, &row);
        self.store_operation(turn, no, &event)?;
        Ok(Ok(room))
    }

    /// Does something in a room.
    pub(crate) fn act_in_room(
        &mut self,
        turn: &mut Turn<'_, '_>,
        room: &ConversationId,
        act: &RoomAct,
    ) -> Result<Result<(), RoomError>, StoreError> {
        let Some((no, row)) = self.room_number(turn, room)? else {
            return Ok(Err(RoomError::UnknownRoom));
        };
        let outside = matches!(row.standing, Standing::Invited { .. } | Standing::Asked { .. });
        if matches!(act, RoomAct::Leave) && outside {
            let standing = Standing::Gone;
            rooms::delete_joining(turn.txn, no);
            rooms::put(turn.txn, no, &RoomRow { standing, ..row });
            feed::append(turn.txn, &FeedRow::Conversation { conversation: no })?;
            return Ok(Ok(()));
        }
        if self.has_lost_own(turn, no)? {
            return Ok(Err(RoomError::Lost));
        }
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(Err(RoomError::UnknownRoom));
        };
        if folded.len() >= parlour_crypto::MAX_OPERATIONS {
            return Ok(Err(RoomError::Full));
        }
        let state = folded.state().clone();
        if let Err(error) = may(&state, &self.own.user, act) {
            return Ok(Err(error));
        }
        if let RoomAct::Invite(user, _) = act
            && !contacts::get(turn.txn, user)?.is_some_and(|c| c.state == contacts::ContactState::Accepted)
        {
            return Ok(Err(RoomError::NotContact));
        }
        let before: Vec<UserId> = state.members.keys().copied().collect();
        let act = self.as_operation(turn, no, &state, act)?;
        let key = match self.operate(turn, no, act.clone())? {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        let own = self.own.user;
        let others = before.into_iter().filter(move |user| *user != own);
        match &act {
            Act::Invite { user, .. } => self.welcome_to_room(turn, no, user)?,
            Act::Join { invite, .. } => {
                let others: BTreeSet<UserId> = others.collect();
                // With what lets us in, which they may not have.
                let invite = match invite {
                    Some(invite) => events::place(turn.txn, invite)?,
                    None => None,
                };
                let keys: Vec<EventKey> = invite.into_iter().chain([key]).collect();
                self.announce(turn, no, &keys, others.iter().copied())?;
                // They take it only now.
                self.tell_room_to(turn, no, &others)?;
            }
            Act::Leave => self.announce(turn, no, &[key], others)?,
            Act::Remove { user, .. } => self.announce(turn, no, &[key], [*user])?,
            _ => {}
        }
        self.distribute(turn, no)?;
        Ok(Ok(()))
    }

    fn as_operation(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        state: &RoomState,
        act: &RoomAct,
    ) -> Result<Act, StoreError> {
        Ok(match act.clone() {
            RoomAct::Invite(user, rank) => Act::Invite {
                user,
                role: rank.number(),
                link: None,
            },
            RoomAct::Join => Act::Join {
                invite: state.invited.get(&self.own.user).map(|open| open.invite),
                device_list: self.account.list.as_bytes().to_vec(),
            },
            RoomAct::Leave => Act::Leave,
            RoomAct::Remove {
                user,
                ban,
                purge,
                reason,
            } => Act::Remove {
                user,
                device: None,
                ban,
                purge,
                logs: self.last_seqs(turn, no, &user)?,
                reason,
            },
            RoomAct::Unban(user) => Act::Unban { user },
            RoomAct::Role(user, rank) => Act::Role {
                user,
                role: rank.number(),
            },
            RoomAct::Transfer(user) => Act::Transfer { user },
            RoomAct::Info { name, topic } => Act::Info(Info {
                name,
                topic,
                avatar: None,
            }),
            RoomAct::Policy(change) => Act::Policy(change.apply(&state.policy)),
        })
    }

    /// The last content held of a user's devices.
    fn last_seqs(
        &self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        user: &UserId,
    ) -> Result<Vec<parlour_crypto::LastSeq>, StoreError> {
        let mut last = Vec::new();
        for (log, row) in logs::of_conversation(turn.txn, no)? {
            let author = self.known.get(&log.device).filter(|known| known.user == *user);
            if let Some(author) = author.filter(|_| !super::holds_operations(&log)) {
                last.push(parlour_crypto::LastSeq {
                    device: author.id,
                    log: log.log,
                    seq: row.have.max().unwrap_or(0),
                });
            }
        }
        last.truncate(parlour_crypto::MAX_LAST_SEQS);
        Ok(last)
    }

    fn operation(&self, op_seq: u32, parents: Vec<parlour_crypto::EventId>, act: Act) -> Operation {
        let comes = matches!(act, Act::Create { .. } | Act::Join { .. });
        Operation {
            user: self.own.user,
            op_seq,
            parents,
            act,
            ext: if comes { self.tell_of_us() } else { Vec::new() },
        }
    }

    /// Signs an operation of this device, stores it and folds it in.
    pub(super) fn operate(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        act: Act,
    ) -> Result<Result<EventKey, RoomError>, StoreError> {
        let missing = || StoreError::Malformed { noun: "room" };
        let id = conversations::id_of(turn.txn, no)?.ok_or_else(missing)?;
        let log = LogKey {
            conversation: no,
            device: self.own.device,
            log: self.own_log | OPERATIONS,
        };
        if self.has_lost_own(turn, no)? {
            return Ok(Err(RoomError::Lost));
        }
        let held = logs::get(turn.txn, &log)?;
        let own = self.account.keys.id();
        let folded = self.folded(turn, no)?.ok_or_else(missing)?;
        let op_seq = folded.last_of(&own).map_or(1, |(op_seq, _)| op_seq.saturating_add(1));
        let mut parents = folded.heads();
        if parents.len() > MAX_OP_PARENTS {
            // What we did last comes first: without it the new operation would be out of its sequence.
            let last = folded.last_of(&own).map(|(_, id)| id);
            parents.sort_by_key(|id| Some(*id) != last);
            parents.truncate(MAX_OP_PARENTS);
            parents.sort_unstable();
        }
        let mut clock = turn.now;
        for parent in &parents {
            if let Some(at) = events::place(turn.txn, parent)?
                && let Some(brief) = events::brief(turn.txn, &at)?
            {
                clock = clock.max(brief.clock.saturating_add(1));
            }
        }
        clock = clock.min(turn.now.saturating_add(MAX_AHEAD_MS));
        let Ok(body) = self.operation(op_seq, parents, act).encode() else {
            return Ok(Err(RoomError::BadPolicy));
        };
        let draft = Draft {
            kind: KIND_OPERATION,
            conversation: id,
            device: own,
            log: log.log,
            seq: held.have.max().unwrap_or(0).saturating_add(1),
            prev: held.top,
            parents: Vec::new(),
            clock,
            view: None,
        };
        let salt = self.random_id();
        let event = VerifiedEvent::sign(&self.account.keys, draft, salt, &body).map_err(|_| missing())?;
        let key = self.store_operation(turn, no, &event)?;
        let folded = self.folded(turn, no)?;
        let void = folded.is_some_and(|folded| folded.state().dropped.contains_key(&event.id()));
        Ok(if void { Err(RoomError::Void) } else { Ok(key) })
    }

    /// Whether operations of this device are missing here: another one in their place would be out of its sequence, or a fork.
    fn has_lost_own(&mut self, turn: &Turn<'_, '_>, no: ConversationNo) -> Result<bool, StoreError> {
        let made = rooms::get(turn.txn, no)?.map_or(0, |row| row.own_operations);
        let own = self.account.keys.id();
        let folded = self.folded(turn, no)?;
        let here = folded
            .and_then(|folded| folded.last_of(&own))
            .map_or(0, |(op_seq, _)| op_seq);
        Ok(here < made)
    }

    fn store_operation(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        event: &VerifiedEvent,
    ) -> Result<EventKey, StoreError> {
        let malformed = || StoreError::Malformed { noun: "own operation" };
        let operation = RoomOperation::read(event, &self.account.certificate).map_err(|_| malformed())?;
        let Appended::New(key) = append(turn, no, self.own.device, event, Origin::Here)? else {
            return Err(malformed());
        };
        self.fold_in(turn, no, operation)?;
        Ok(key)
    }
}

fn check_texts(name: Option<&str>, topic: Option<&str>) -> Result<(), RoomError> {
    let limits = [("name", name, MAX_ROOM_NAME), ("topic", topic, MAX_TOPIC)];
    for (field, text, max) in limits {
        let got = text.map_or(0, str::len);
        if got > max {
            return Err(RoomError::TooLong { field, got, max });
        }
    }
    Ok(())
}

/// Whether the rules let a user do something now, said so that they know why not.
fn may(state: &RoomState, own: &UserId, act: &RoomAct) -> Result<(), RoomError> {
    let have = state.rank(own);
    let policy = &state.policy;
    let needs = |least: u8| {
        let needs = Rank::from_number(least).unwrap_or(Rank::Owner);
        let enough = have >= needs || have == Rank::Owner;
        if enough {
            Ok(())
        } else {
            Err(RoomError::Rank { needs, have })
        }
    };
    if have == Rank::Nobody && !matches!(act, RoomAct::Join) {
        return Err(RoomError::NotMember);
    }
    let member = |user: &UserId| match state.rank(user) {
        Rank::Nobody => Err(RoomError::NoSuchMember),
        rank if rank >= have => Err(RoomError::Above(rank)),
        _ => Ok(()),
    };
    match act {
        RoomAct::Join if have != Rank::Nobody => Err(RoomError::AlreadyMember),
        RoomAct::Join if state.banned.contains(own) => Err(RoomError::Banned),
        RoomAct::Join => {
            let public = policy.join_rule() == parlour_crypto::JoinRule::Public;
            if public || state.invited.contains_key(own) {
                Ok(())
            } else {
                Err(RoomError::NotInvited)
            }
        }
        RoomAct::Leave if have == Rank::Owner => Err(RoomError::Owner),
        RoomAct::Leave => Ok(()),
        RoomAct::Invite(user, rank) => {
            needs(policy.invite)?;
            if !matches!(rank, Rank::Guest | Rank::Member) {
                return Err(RoomError::BadRank);
            }
            if state.rank(user) != Rank::Nobody {
                return Err(RoomError::Present);
            }
            if state.banned.contains(user) {
                Err(RoomError::Banned)
            } else {
                Ok(())
            }
        }
        RoomAct::Remove { user, reason, .. } => {
            if user == own {
                return Err(RoomError::Oneself);
            }
            needs(policy.remove)?;
            if reason.len() > MAX_REASON {
                return Err(RoomError::TooLong {
                    field: "reason",
                    got: reason.len(),
                    max: MAX_REASON,
                });
            }
            member(user)
        }
        RoomAct::Unban(user) => {
            needs(policy.remove)?;
            if state.banned.contains(user) {
                Ok(())
            } else {
                Err(RoomError::NotBanned)
            }
        }
        RoomAct::Role(user, rank) => {
            if user == own {
                return Err(RoomError::Oneself);
            }
            needs(policy.roles)?;
            member(user)?;
            if matches!(rank, Rank::Nobody | Rank::Owner) || *rank >= have {
                return Err(RoomError::BadRank);
            }
            Ok(())
        }
        RoomAct::Transfer(user) => {
            needs(Rank::Owner.number())?;
            member(user)
        }
        RoomAct::Info { name, topic } => {
            needs(policy.info)?;
            if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
                return Err(RoomError::Nameless);
            }
            check_texts(name.as_deref(), topic.as_deref())
        }
        RoomAct::Policy(_) => needs(Rank::Admin.number()),
    }
}

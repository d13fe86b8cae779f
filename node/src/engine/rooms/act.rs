//! What a user does in a room: each is one operation, checked against the rules before it is signed.

use std::collections::BTreeSet;

use parlour_crypto::{
    Act, ConversationId, Draft, EventId, Ext, Info, KIND_OPERATION, MAX_OP_PARENTS, Operation, Policy, RoomLink,
    RoomOperation, RoomState, UserId, VerifiedEvent, link_token_hash, plain_image, room_id,
};
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::feed::{self, FeedRow};
use parlour_store::rooms::{self, RoomRow, Standing};
use parlour_store::{ConversationNo, EventKey, LogKey, StoreError, contacts, events, logs};
use serde_bytes::ByteBuf;

use super::OPERATIONS;
use super::acts::{NewRoom, RoomAct, RoomError};
use super::bounds::is_full;
use super::changes::has_lost;
use super::rights::{check_texts, may};
use crate::engine::Engine;
use crate::engine::append::{Appended, MAX_AHEAD_MS, Origin, append};
use crate::engine::effects::Turn;

/// In the ext of a `Policy`: of the rules it changes the timer alone, as its author says. Empty.
const EXT_TIMER: u16 = 3;

/// Whether whoever changed the rules of a room says that they set its timer.
pub(crate) fn sets_timer(ext: &Ext) -> bool {
    ext.iter().any(|(number, _)| *number == EXT_TIMER)
}

/// A picture that was looked at, without what its maker wrote into it.
fn plain_picture(picture: Option<&[u8]>) -> ByteBuf {
    let plain = picture.and_then(|bytes| plain_image(bytes).ok());
    ByteBuf::from(plain.unwrap_or_default())
}

/// Whether rules differ in their timer alone.
fn is_timer(policy: &Policy, before: &Policy) -> bool {
    let expires_after_ms = policy.expires_after_ms;
    expires_after_ms != before.expires_after_ms
        && *policy
            == Policy {
                expires_after_ms,
                ..before.clone()
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
        let Ok(body) = self.operation(1, Vec::new(), act, &Policy::default()).encode() else {
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
        self.tell_of_public_room(turn, new.policy.apply(&Policy::default()).join, Policy::default().join)?;
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
        if let RoomAct::Alias(alias) = act {
            return alias_room(turn, no, row, alias);
        }
        match act {
            RoomAct::Report { message, reason } => return self.report(turn, (no, room), message, reason),
            RoomAct::DismissReports(message) => return self.dismiss_reports(turn, no, message),
            _ => {}
        }
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
        let state = folded.state().clone();
        if let Err(error) = may(&state, &self.own.user, act) {
            return Ok(Err(error));
        }
        if let RoomAct::TurnAway(user) = act {
            return self.turn_away(turn, no, room, user);
        }
        if let RoomAct::RevokeLink(link) = act
            && open_link(&state, room, link).is_none()
        {
            return Ok(Err(RoomError::NoSuchLink));
        }
        if let RoomAct::Invite(user, _) = act
            && rooms::request(turn.txn, no, user)?.is_none()
            && !contacts::get(turn.txn, user)?.is_some_and(|c| c.state == contacts::ContactState::Accepted)
        {
            return Ok(Err(RoomError::NotContact));
        }
        let before: Vec<UserId> = state.members.keys().copied().collect();
        let act = self.as_operation(turn, (no, room), &state, act)?;
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
            Act::Policy(policy) => self.tell_of_public_room(turn, policy.join, state.policy.join)?,
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
        (no, room): (ConversationNo, &ConversationId),
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
            // Members see the picture, and not where and with what it was made. Without any bytes it is taken away.
            RoomAct::Picture(picture) => Act::Info(Info {
                avatar: Some(plain_picture(picture.as_deref())),
                ..Info::default()
            }),
            RoomAct::RevokeLink(link) => match open_link(state, room, &link) {
                Some(link) => Act::RevokeLink { link },
                None => Act::Info(Info::default()),
            },
            // Nobody else's business.
            RoomAct::Alias(_) | RoomAct::TurnAway(_) | RoomAct::Report { .. } | RoomAct::DismissReports(_) => {
                Act::Info(Info::default())
            }
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

    /// Sets after which time new messages in a room disappear: its rules say so, and so everybody knows who comes in.
    pub(crate) fn set_room_timer(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        expires_after_ms: Option<u64>,
    ) -> Result<Result<(), RoomError>, StoreError> {
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(Err(RoomError::UnknownRoom));
        };
        let policy = Policy {
            expires_after_ms,
            ..folded.state().policy.clone()
        };
        if let Err(error) = self.operate(turn, no, Act::Policy(policy))? {
            return Ok(Err(error));
        }
        self.distribute(turn, no)?;
        Ok(Ok(()))
    }

    fn operation(&self, op_seq: u32, parents: Vec<parlour_crypto::EventId>, act: Act, before: &Policy) -> Operation {
        let ext = match &act {
            Act::Create { .. } | Act::Join { .. } => self.tell_of_us(),
            Act::Policy(policy) if is_timer(policy, before) => vec![(EXT_TIMER, Vec::new())],
            _ => Vec::new(),
        };
        Operation {
            user: self.own.user,
            op_seq,
            parents,
            act,
            ext,
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
        let user = self.own.user;
        let folded = self.folded(turn, no)?.ok_or_else(missing)?;
        if is_full(folded, &user) {
            return Ok(Err(RoomError::Full));
        }
        let before = folded.state().policy.clone();
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
        let Ok(body) = self.operation(op_seq, parents, act, &before).encode() else {
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
        let user = self.own.user;
        let (row, members) = (rooms::get(turn.txn, no)?, rooms::members(turn.txn, no)?);
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(made > 0);
        };
        let here = folded.last_of(&own).map_or(0, |(op_seq, _)| op_seq);
        Ok(here < made || has_lost(folded, row.as_ref(), &members, &user))
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

/// The operation that made a link which is open.
fn open_link(state: &RoomState, room: &ConversationId, link: &str) -> Option<EventId> {
    let link = RoomLink::parse(link).ok().filter(|link| link.room == *room)?;
    let hash = link_token_hash(&link.invite.token);
    let mut open = state.links.iter();
    open.find(|(_, open)| open.token == hash).map(|(id, _)| *id)
}

/// Calls a room something on this node.
fn alias_room(
    turn: &mut Turn<'_, '_>,
    no: ConversationNo,
    row: RoomRow,
    alias: &str,
) -> Result<Result<(), RoomError>, StoreError> {
    let fits = rooms::slug(alias);
    if fits != alias {
        let max = rooms::MAX_SLUG;
        return Ok(Err(RoomError::BadAlias { max, fits }));
    }
    match rooms::by_slug(turn.txn, alias)? {
        Some(other) if other != no => return Ok(Err(RoomError::AliasTaken(fits))),
        Some(_) => {}
        None => {
            rooms::put(turn.txn, no, &RoomRow { slug: fits, ..row });
            feed::append(turn.txn, &FeedRow::Conversation { conversation: no })?;
        }
    }
    Ok(Ok(()))
}

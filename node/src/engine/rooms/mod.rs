//! Rooms: conversations whose members follow from signed operations (PROTOCOL.md section 11). A device's operations stand in logs of
//! their own, so that they can be told, compared and given first and whole; what they come to is folded in memory, and written down for
//! readers whenever it changes.

mod act;
mod fellows;
mod links;
mod serve;
mod take;
mod welcome;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parlour_crypto::{
    ConversationId, DeviceCert, EventId, Intervals, KIND_OPERATION, MAX_OPERATIONS, Membership, RoomOperation,
    RoomState, UserId, VerifiedEvent, membership_view,
};
use parlour_store::feed::{self, FeedRow};
use parlour_store::rooms::{self, MemberRow, RoomRow, Standing};
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError, conversations, devices, events, logs};

use super::Engine;
use super::effects::Turn;
use super::timers::Allowance;

pub use act::{NewRoom, PolicyChange, RoomAct, RoomError};
pub use links::MadeLink;
pub(crate) use take::Taken;

/// Set in the numbers of logs that hold operations.
pub(crate) const OPERATIONS: u32 = 1 << 31;
/// Branches of a fork that are folded.
const MAX_BRANCHES: u8 = 8;
/// Views whose state is kept in memory.
const MAX_VIEWS: usize = 64;

/// What is known of rooms beside what is on the disk.
#[derive(Default)]
pub(crate) struct Rooms {
    folded: BTreeMap<ConversationNo, Membership>,
    /// What those knew who wrote under a view; nothing where we do not know what they knew.
    views: HashMap<(ConversationNo, [u8; 32]), Arc<RoomState>>,
    /// The views of single operations with all they build on.
    single: BTreeMap<ConversationNo, HashMap<[u8; 32], EventId>>,
    /// The clock of the operation in which a user last told where they are.
    told: BTreeMap<UserId, u64>,
    /// Who asks to be let in, and how often they still may.
    asks: BTreeMap<DeviceNo, Allowance>,
    /// What a user is not given of a log.
    denied: BTreeMap<(LogKey, UserId), Intervals>,
}

/// Whether a log holds operations.
pub(crate) fn holds_operations(log: &LogKey) -> bool {
    log.log & OPERATIONS != 0
}

impl Engine {
    /// The operations of a room, folded; nothing if it is none.
    pub(super) fn folded(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
    ) -> Result<Option<&mut Membership>, StoreError> {
        if !self.rooms.folded.contains_key(&no) {
            if !self.is_room(turn, no)? {
                return Ok(None);
            }
            let folded = self.fold(turn, no)?;
            self.rooms.folded.insert(no, folded);
        }
        Ok(self.rooms.folded.get_mut(&no))
    }

    fn fold(&self, turn: &Turn<'_, '_>, no: ConversationNo) -> Result<Membership, StoreError> {
        let malformed = || StoreError::Malformed { noun: "room" };
        let id = conversations::id_of(turn.txn, no)?.ok_or_else(malformed)?;
        let mut operations = Vec::new();
        for (log, row) in logs::of_conversation(turn.txn, no)? {
            if !holds_operations(&log) {
                continue;
            }
            let Some(author) = devices::get(turn.txn, log.device)? else {
                continue;
            };
            let known = |_: &_| self.known.get(&log.device).map(|known| known.proof);
            let Ok(certificate) = DeviceCert::verify_unless_known(&author.certificate, known) else {
                continue;
            };
            for seq in row.have.values() {
                for branch in 0..MAX_BRANCHES {
                    let Some(event) = events::get(turn.txn, &EventKey { log, seq, branch })? else {
                        break;
                    };
                    operations.extend(RoomOperation::read(&event, &certificate));
                    if !row.forked {
                        break;
                    }
                }
            }
        }
        operations.truncate(MAX_OPERATIONS);
        Membership::fold(id, operations).map_err(|_| malformed())
    }

    /// An operation has been added: what it changes is written down, and told.
    pub(super) fn room_changed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        _event: &VerifiedEvent,
    ) -> Result<(), StoreError> {
        let (own, now) = (self.own.user, turn.now);
        let before = rooms::members(turn.txn, no)?;
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let members = members_after(folded, &before, now);
        let (heads, view) = (folded.heads(), folded.view());
        let old = rooms::get(turn.txn, no)?;
        let row = row_after(turn, no, folded.state(), old.as_ref(), (own, &members))?;
        rooms::put_view(turn.txn, no, &view, &heads);
        let row = RoomRow { heads, ..row };
        if old.as_ref() != Some(&row) {
            rooms::put(turn.txn, no, &row);
        }
        rooms::set_members(turn.txn, no, &members)?;
        feed::append(turn.txn, &FeedRow::Conversation { conversation: no })?;
        self.rooms.views.retain(|(room, _), _| *room != no);
        self.rooms.denied.retain(|(log, _), _| log.conversation != no);
        self.members.remove(&no);
        let came = members
            .into_keys()
            .filter(|user| !before.contains_key(user) && *user != own);
        let came: BTreeSet<UserId> = came.collect();
        self.tell_room_to(turn, no, &came)
    }

    /// Those who have come are told what we hold, and are given what they lack.
    pub(super) fn tell_room_to(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        users: &BTreeSet<UserId>,
    ) -> Result<(), StoreError> {
        let Some(id) = conversations::id_of(turn.txn, no)? else {
            return Ok(());
        };
        for stream in self.links_sharing(turn, no)? {
            let Some(link) = self.link(stream).filter(|link| users.contains(&link.user)) else {
                continue;
            };
            link.wanting.insert(no);
            self.tell_conversation(turn, stream, no, &id)?;
        }
        Ok(())
    }

    /// What those knew who write under a view: nothing if we have never seen it.
    pub(super) fn state_of_view(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        view: &[u8; 32],
    ) -> Result<Option<Arc<RoomState>>, StoreError> {
        if let Some(state) = self.rooms.views.get(&(no, *view)) {
            return Ok(Some(state.clone()));
        }
        let heads = match self.single_head(turn, no, view)? {
            Some(head) => Some(vec![head]),
            None => rooms::view(turn.txn, no, view)?,
        };
        let Some(heads) = heads else { return Ok(None) };
        let folded = self.folded(turn, no)?;
        let Some(state) = folded.and_then(|folded| folded.state_at(&heads)).map(Arc::new) else {
            return Ok(None);
        };
        if self.rooms.views.len() >= MAX_VIEWS {
            self.rooms.views.clear();
        }
        self.rooms.views.insert((no, *view), state.clone());
        Ok(Some(state))
    }

    /// The operation whose past alone a view is of: most are, and of those nothing has to be remembered.
    fn single_head(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        view: &[u8; 32],
    ) -> Result<Option<EventId>, StoreError> {
        let Some(id) = conversations::id_of(turn.txn, no)? else {
            return Ok(None);
        };
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(None);
        };
        let count = folded.len();
        let known = self.rooms.single.get(&no).map_or(0, HashMap::len);
        if known < count {
            let ids: Vec<EventId> = self
                .rooms
                .folded
                .get(&no)
                .into_iter()
                .flat_map(Membership::ids)
                .collect();
            let single = ids
                .into_iter()
                .map(|head| (membership_view(&id, [&head]), head))
                .collect();
            self.rooms.single.insert(no, single);
        }
        Ok(self.rooms.single.get(&no).and_then(|single| single.get(view)).copied())
    }

    /// The view that events of this device are written under; nothing in other conversations.
    pub(crate) fn own_view(&mut self, turn: &Turn<'_, '_>, no: ConversationNo) -> Result<Option<[u8; 32]>, StoreError> {
        Ok(self.folded(turn, no)?.map(|folded| folded.view()))
    }

    /// The room of this id, and its number.
    fn room_number(
        &self,
        turn: &Turn<'_, '_>,
        id: &ConversationId,
    ) -> Result<Option<(ConversationNo, RoomRow)>, StoreError> {
        let Some(no) = conversations::number(turn.txn, id)? else {
            return Ok(None);
        };
        Ok(rooms::get(turn.txn, no)?.map(|row| (no, row)))
    }
}

/// Who takes part. After a loss, what made somebody a member may not have come back yet, and it comes from them: nobody takes part or is
/// removed without an operation of their own.
fn members_after(folded: &Membership, before: &BTreeMap<UserId, MemberRow>, now: u64) -> BTreeMap<UserId, MemberRow> {
    let state = folded.state();
    let lost = before.iter().filter(|(user, _)| !folded.knows(user));
    let mut members: BTreeMap<UserId, MemberRow> = lost.map(|(user, row)| (*user, *row)).collect();
    members.extend(state.members.iter().map(|(user, member)| {
        let known = before.get(user);
        let row = MemberRow {
            rank: member.rank.number(),
            since: known.map_or(now, |row| row.since),
            history: known.map_or(state.policy.history, |row| row.history),
        };
        (*user, row)
    }));
    members
}

/// What readers see of a room.
fn row_after(
    turn: &Turn<'_, '_>,
    no: ConversationNo,
    state: &RoomState,
    old: Option<&RoomRow>,
    (own, members): (UserId, &BTreeMap<UserId, MemberRow>),
) -> Result<RoomRow, StoreError> {
    let name = state.info.name.clone().unwrap_or_default();
    let slug = match old {
        // Scripts go on when a room is renamed.
        Some(row) if !row.slug.is_empty() => row.slug.clone(),
        _ => rooms::free_slug(turn.txn, &name, no)?,
    };
    let waiting = match old.map(|row| row.standing.clone()) {
        Some(standing @ Standing::Invited { .. }) if state.invited.contains_key(&own) => Some(standing),
        // The operation that lets us in may still be on its way.
        Some(standing @ (Standing::Invited { .. } | Standing::Asked { .. }))
            if old.is_some_and(|row| row.heads.is_empty()) =>
        {
            Some(standing)
        }
        Some(standing @ Standing::Asked { .. }) => Some(standing),
        Some(standing @ Standing::Invited { .. }) if !was_let_in(state, &own) => Some(standing),
        _ => None,
    };
    let standing = match members.contains_key(&own) {
        true => Standing::Member,
        false => waiting.unwrap_or_default(),
    };
    Ok(RoomRow {
        standing,
        name,
        topic: state.info.topic.clone().unwrap_or_default(),
        slug,
        heads: Vec::new(),
        members: u32::try_from(members.len()).unwrap_or(u32::MAX),
        policy: state.policy.clone(),
    })
}

/// Whether the operation that lets a user in is among those that are here.
fn was_let_in(state: &RoomState, user: &UserId) -> bool {
    state.invited.contains_key(user)
}

/// Whether an event is an operation.
pub(crate) fn is_operation(kind: u16) -> bool {
    kind == KIND_OPERATION
}

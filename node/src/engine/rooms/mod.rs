//! Rooms: conversations whose members follow from signed operations (PROTOCOL.md section 11). A device's operations stand in logs of
//! their own, so that they can be told, compared and given first and whole; what they come to is folded in memory, and written down for
//! readers whenever it changes.

mod act;
mod acts;
mod chains;
mod fellows;
mod heard;
mod joining;
mod links;
mod rights;
mod serve;
mod take;
mod views;
mod welcome;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parlour_crypto::{
    Applied, ConversationId, DeviceCert, EventId, Intervals, KIND_OPERATION, MAX_OPERATIONS, Membership, Rank,
    RoomOperation, RoomState, UserId, membership_view,
};
use parlour_store::feed::{self, FeedRow};
use parlour_store::rooms::{self, MemberRow, RoomRow, Standing};
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError, conversations, devices, events, logs};

use super::Engine;
use super::effects::Turn;
use super::timers::Allowance;

pub use acts::{NewRoom, PolicyChange, RoomAct, RoomError};
use chains::Chains;
pub use links::MadeLink;
pub(crate) use take::Taken;

/// Set in the numbers of logs that hold operations.
pub(crate) const OPERATIONS: u32 = 1 << 31;
/// Branches of a fork that are folded.
const MAX_BRANCHES: u8 = 8;
/// Sessions with those who show a link: one per this time, and so many at once.
const VISIT_EVERY_MS: u64 = 500;
const VISITS_AT_ONCE: u64 = 4;
/// Sessions with those who show a link, at the same time.
const MAX_VISITORS: usize = 256;
/// Places for operations that are kept for those who can put an end to a flood of them.
const RESERVED: usize = 1_024;
/// Operations without effect that are taken from those who are no members.
const MAX_VOID: usize = 4_096;
/// Views whose state is kept in memory.
const MAX_VIEWS: usize = 64;

/// What is known of rooms beside what is on the disk.
pub(crate) struct Rooms {
    folded: BTreeMap<ConversationNo, Membership>,
    views: Views,
    /// The views of single operations with all they build on.
    single: BTreeMap<ConversationNo, HashMap<[u8; 32], EventId>>,
    /// The clock of the operation in which a user last told where they are.
    told: BTreeMap<UserId, u64>,
    /// Who asks to be let in, and how often they still may.
    asks: BTreeMap<DeviceNo, Allowance>,
    chains: Option<Chains>,
    /// Sessions with those who show a link.
    visits: Allowance,
    /// How many of them there are, as far as was counted, and those who came since.
    visitors: usize,
    /// Views that nothing here is known of, under which somebody wrote.
    unknown_views: BTreeSet<(ConversationNo, [u8; 32])>,
    /// Those that a device was asked for.
    asked_views: BTreeSet<(DeviceNo, ConversationNo, [u8; 32])>,
    /// What a user is not given of a log.
    denied: BTreeMap<(LogKey, UserId), Intervals>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            folded: BTreeMap::new(),
            views: Views::default(),
            single: BTreeMap::new(),
            told: BTreeMap::new(),
            asks: BTreeMap::new(),
            chains: None,
            visits: Allowance::new(VISIT_EVERY_MS, VISITS_AT_ONCE),
            visitors: 0,
            unknown_views: BTreeSet::new(),
            asked_views: BTreeSet::new(),
            denied: BTreeMap::new(),
        }
    }
}

impl Rooms {
    /// Whether one more may begin a session who shows a link.
    pub(crate) fn may_visit(&mut self, now: u64) -> bool {
        let may = self.visitors < MAX_VISITORS && self.visits.take(now);
        self.visitors = self.visitors.saturating_add(usize::from(may));
        may
    }

    /// The clock was set back.
    pub(crate) fn set_back(&mut self, by: u64) {
        let asks = self.asks.values_mut();
        asks.chain([&mut self.visits])
            .for_each(|allowance| allowance.set_back(by));
    }
}

/// What those knew who wrote under a view, the ones asked for last.
#[derive(Default)]
struct Views {
    states: HashMap<(ConversationNo, [u8; 32]), (u64, Arc<RoomState>)>,
    asked: u64,
}

impl Views {
    fn get(&mut self, no: ConversationNo, view: &[u8; 32]) -> Option<Arc<RoomState>> {
        self.asked = self.asked.wrapping_add(1);
        let (asked, state) = self.states.get_mut(&(no, *view))?;
        *asked = self.asked;
        Some(state.clone())
    }

    fn keep(&mut self, no: ConversationNo, view: [u8; 32], state: Arc<RoomState>) {
        if self.states.len() >= MAX_VIEWS
            && let Some(oldest) = self
                .states
                .iter()
                .min_by_key(|(_, (asked, _))| *asked)
                .map(|(at, _)| *at)
        {
            self.states.remove(&oldest);
        }
        self.states.insert((no, view), (self.asked, state));
    }

    fn forget(&mut self, no: ConversationNo) {
        self.states.retain(|(room, _), _| *room != no);
    }
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

    /// Operations have been added: what they change is written down, and told.
    pub(super) fn room_changed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        applied: Applied,
    ) -> Result<(), StoreError> {
        let (own, device) = (self.own.user, self.account.keys.id());
        let before = rooms::members(turn.txn, no)?;
        // What we write from now on has a clock above all that is here.
        let heads = conversations::get(turn.txn, no)?
            .map(|row| row.heads)
            .unwrap_or_default();
        let above = heads.iter().map(|(clock, _)| clock.saturating_add(1)).max();
        let since = turn.now.max(above.unwrap_or(0));
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let old = rooms::get(turn.txn, no)?;
        let lost = has_lost(folded, old.as_ref(), &before, &own);
        let members = members_after(folded, &before, since, lost);
        let (heads, view) = (folded.heads(), folded.view());
        let made = folded.last_of(&device).map_or(0, |(op_seq, _)| op_seq);
        let row = row_after(turn, no, folded.state(), old.as_ref(), (own, &members))?;
        rooms::put_view(turn.txn, no, &view, &heads);
        let heads = match &old {
            Some(old) if lost => old.heads.clone(),
            _ => heads,
        };
        let own_operations = old.as_ref().map_or(0, |row| row.own_operations).max(made);
        let row = RoomRow {
            heads,
            own_operations,
            ..row
        };
        if old.as_ref() != Some(&row) {
            rooms::put(turn.txn, no, &row);
        }
        rooms::set_members(turn.txn, no, &members)?;
        self.prune_chains(turn, no, &members)?;
        feed::append(turn.txn, &FeedRow::Conversation { conversation: no })?;
        let changed = |user: &UserId| before.get(user) != members.get(user);
        if applied != Applied::Last {
            self.rooms.views.forget(no);
        }
        let keep = |log: &LogKey, user: &UserId| applied == Applied::Last && !changed(user) && log.conversation == no;
        self.rooms
            .denied
            .retain(|(log, user), _| log.conversation != no || keep(log, user));
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
        if let Some(state) = self.rooms.views.get(no, view) {
            return Ok(Some(state));
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
        self.rooms.views.keep(no, *view, state.clone());
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

/// Whether operations are missing that were here, and others are there to give them back.
fn has_lost(folded: &Membership, old: Option<&RoomRow>, before: &BTreeMap<UserId, MemberRow>, own: &UserId) -> bool {
    let others = before.keys().any(|user| user != own);
    others && old.is_some_and(|old| old.heads.iter().any(|head| !folded.contains(head)))
}

/// Who takes part. After a loss, what made somebody a member may not have come back yet, and it comes from them: nobody takes part or is
/// removed without an operation of their own. What removed somebody may not have come back either: until then nobody is added.
fn members_after(
    folded: &Membership,
    before: &BTreeMap<UserId, MemberRow>,
    since: u64,
    lost_some: bool,
) -> BTreeMap<UserId, MemberRow> {
    let state = folded.state();
    let lost = before.iter().filter(|(user, _)| !folded.knows(user));
    let mut members: BTreeMap<UserId, MemberRow> = lost.map(|(user, row)| (*user, row.clone())).collect();
    let there = state.members.iter();
    let there = there.filter(|(user, _)| !lost_some || before.contains_key(user));
    members.extend(there.map(|(user, member)| {
        let known = before.get(user);
        let row = MemberRow {
            rank: member.rank.number(),
            since: known.map_or(since, |row| row.since),
            history: known.map_or(state.policy.history, |row| row.history),
            devices: member.devices.clone(),
        };
        (*user, row)
    }));
    members
}

/// Whether a room takes no more operations of a user.
fn is_full(folded: &Membership, user: &UserId) -> bool {
    let count = folded.len().saturating_add(folded.waiting());
    let rank = folded.state().rank(user);
    let room = match rank {
        Rank::Admin | Rank::Owner => MAX_OPERATIONS,
        _ => MAX_OPERATIONS.saturating_sub(RESERVED),
    };
    count >= room || (rank == Rank::Nobody && folded.state().dropped.len() >= MAX_VOID)
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
    let invited = state.invited.contains_key(&own);
    let standing = match old.map(|row| row.standing.clone()) {
        _ if members.contains_key(&own) => Standing::Member,
        // The operation that lets us in may still be on its way; once here, it has to go on counting.
        Some(Standing::Invited { by, at, open }) if invited || !open => Standing::Invited { by, at, open: invited },
        Some(standing @ Standing::Asked { .. }) => standing,
        _ => Standing::Gone,
    };
    Ok(RoomRow {
        standing,
        name,
        topic: state.info.topic.clone().unwrap_or_default(),
        slug,
        heads: Vec::new(),
        members: u32::try_from(members.len()).unwrap_or(u32::MAX),
        policy: state.policy.clone(),
        own_operations: 0,
    })
}

/// Whether an event is an operation.
pub(crate) fn is_operation(kind: u16) -> bool {
    kind == KIND_OPERATION
}

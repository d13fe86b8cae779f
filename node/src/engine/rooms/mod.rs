//! Rooms: conversations whose members follow from signed operations (PROTOCOL.md section 11). A device's operations stand in logs of
//! their own, so that they can be told, compared and given first and whole; what they come to is folded in memory, and written down for
//! readers whenever it changes.

mod act;
mod acts;
mod around;
mod astray;
mod bounds;
mod chains;
mod changes;
mod content;
mod directory;
mod doorkeepers;
mod fellows;
mod handing;
mod happened;
mod heard;
mod joining;
mod key_requests;
mod knocking;
mod links;
mod news;
mod purging;
mod reporting;
mod rights;
mod said;
mod serve;
mod slow;
mod take;
mod views;
mod welcome;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parlour_crypto::{
    ConversationId, DeviceCert, EventId, Intervals, KIND_OPERATION, MAX_OPERATIONS, Membership, RoomOperation,
    RoomState, UserId, membership_view,
};
use parlour_store::rooms::{self, RoomRow};
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError, conversations, devices, events, logs};

use super::Engine;
use super::effects::Turn;
use super::timers::Allowance;

pub(crate) use act::sets_timer;
pub use acts::{NewRoom, PolicyChange, RoomAct, RoomError};
use around::Around;
use chains::Chains;
use directory::Directory;
pub use directory::PublicRoom;
pub use links::{LinkKind, MadeLink};
use news::News;
use said::Grounds;
pub(crate) use take::Taken;
use take::Unsettled;

/// Set in the numbers of logs that hold operations.
pub(crate) const OPERATIONS: u32 = 1 << 31;
/// Sessions with those who show a link: one per this time, and so many at once.
const VISIT_EVERY_MS: u64 = 500;
const VISITS_AT_ONCE: u64 = 4;
/// Sessions with those who show a link, at the same time.
const MAX_VISITORS: usize = 256;
/// Views whose state is kept in memory.
const MAX_VIEWS: usize = 64;

/// What is known of rooms beside what is on the disk.
pub(crate) struct Rooms {
    folded: BTreeMap<ConversationNo, Membership>,
    /// What the rulings on what is held go by.
    grounds: BTreeMap<ConversationNo, Grounds>,
    /// What had no right to be here when it came.
    refused: BTreeSet<(ConversationNo, EventId)>,
    /// Of logs, the newest event that has come since the start, and its view.
    newest_views: HashMap<LogKey, (u64, [u8; 32])>,
    /// What was folded in and changed something that is not written down yet.
    unsettled: BTreeMap<ConversationNo, Unsettled>,
    /// Operations that belong together are being folded in.
    gathers: bool,
    /// … and brought devices.
    stale: bool,
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
    /// Operations behind views of others, which do not come by themselves.
    wanted: BTreeSet<(ConversationNo, EventId)>,
    /// What a user is not given of a log.
    denied: BTreeMap<(LogKey, UserId), Intervals>,
    /// How often a device may still ask for our chains.
    key_requests: BTreeMap<DeviceNo, Allowance>,
    /// When a device was last asked for its chain of a room.
    asked_chains: BTreeMap<(ConversationNo, DeviceNo), u64>,
    /// Rooms that a device may still tell us of.
    welcomes: BTreeMap<DeviceNo, Allowance>,
    /// How often a device may still tell us of those who knock.
    knock_news: BTreeMap<DeviceNo, Allowance>,
    /// Public rooms, given and found.
    pub(super) directory: Directory,
    /// Whom to ask for them, and whom to tell of ours.
    pub(super) news: News,
    /// Members who may let us in beside the makers of links.
    around: Around,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            folded: BTreeMap::new(),
            grounds: BTreeMap::new(),
            refused: BTreeSet::new(),
            newest_views: HashMap::new(),
            unsettled: BTreeMap::new(),
            gathers: false,
            stale: false,
            views: Views::default(),
            single: BTreeMap::new(),
            told: BTreeMap::new(),
            asks: BTreeMap::new(),
            chains: None,
            visits: Allowance::new(VISIT_EVERY_MS, VISITS_AT_ONCE),
            visitors: 0,
            unknown_views: BTreeSet::new(),
            asked_views: BTreeSet::new(),
            wanted: BTreeSet::new(),
            denied: BTreeMap::new(),
            key_requests: BTreeMap::new(),
            asked_chains: BTreeMap::new(),
            welcomes: BTreeMap::new(),
            knock_news: BTreeMap::new(),
            directory: Directory::default(),
            news: News::default(),
            around: Around::default(),
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

    /// Whether what is known of members is read again only when operations that are being gathered are settled.
    pub(crate) fn puts_off_members(&mut self) -> bool {
        self.stale |= self.gathers;
        self.gathers
    }

    /// The clock was set back.
    pub(crate) fn set_back(&mut self, by: u64) {
        let asks = self.asks.values_mut().chain(self.key_requests.values_mut());
        asks.chain(self.welcomes.values_mut())
            .chain(self.knock_news.values_mut())
            .chain([&mut self.visits])
            .for_each(|allowance| allowance.set_back(by));
        for at in self.asked_chains.values_mut() {
            *at = at.saturating_sub(by);
        }
        self.directory.set_back(by);
        self.news.set_back(by);
        self.around.set_back(by);
        self.chains.iter_mut().for_each(|chains| chains.set_back(by));
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
            self.rooms.grounds.insert(no, Grounds::of(folded.state()));
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
                for branch in 0..=u8::MAX {
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
        let Some(heads) = self.heads_of(turn, no, view)? else {
            return Ok(None);
        };
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

/// Whether an event is an operation.
pub(crate) fn is_operation(kind: u16) -> bool {
    kind == KIND_OPERATION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_are_few_at_once_and_one_after_the_other() {
        let mut rooms = Rooms::default();
        let visits = |rooms: &mut Rooms, now| (0..1_000).filter(|_| rooms.may_visit(now)).count();
        assert_eq!(visits(&mut rooms, 1_000_000), 4);
        assert_eq!(visits(&mut rooms, 1_000_499), 0);
        let by_and_by: usize = (0..10_000)
            .map(|n| visits(&mut rooms, 1_000_500 + n * VISIT_EVERY_MS))
            .sum();
        assert_eq!(by_and_by, MAX_VISITORS - 4);
        rooms.visitors = 0;
        assert!(rooms.may_visit(9_000_000), "when they have gone");
    }
}

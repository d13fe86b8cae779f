//! The rules of an account, without I/O: inputs go in, a batch and effects come out (decide → commit → act). The engine knows
//! no socket and reads no clock; what the network answers comes back as another input.

mod account;
mod acknowledging;
mod append;
mod asking;
mod blocks;
mod cards;
mod change;
mod clock;
mod contacts;
mod decisions;
mod dial;
mod disappearing;
mod effects;
mod envelopes;
mod ephemera;
mod flights;
#[cfg(test)]
mod forging;
mod giving_up;
mod gossip;
mod housekeeping;
mod input;
mod invites;
mod keeping;
mod link;
mod live;
mod marks;
mod offering;
mod parting;
mod people;
mod polls;
mod profile;
mod read;
mod reload;
mod requests;
mod rollback;
mod rooms;
mod routing;
mod serve;
mod sessions;
mod streams;
mod sync;
mod taking;
mod timers;
mod trust;
mod unread;
mod welcome;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parlour_crypto::{CardDetails, DeviceId, PrekeySecret, UserId, day_of};
use parlour_net::{Multiaddr, PeerId};
use parlour_store::meta::{self, CounterName};
use parlour_store::view::Own;
use parlour_store::{Batch, ConversationNo, DeviceNo, EventKey, Store, StoreError, Txn};
use rand_core::{CryptoRng, Rng};

pub(crate) use account::Account;
pub(crate) use cards::best_first;
pub use change::{Change, ChangeError, ChangeMessage, Changed};
pub use decisions::{ContactChange, ConversationChange, Decision, DecisionError, ProfileChange};
pub use disappearing::{SetTimer, TimerError};
pub use effects::StorageFailed;
pub(crate) use effects::{Effects, Released};
pub use ephemera::Ephemera;
pub use input::{
    AddContact, AddError, Added, Expiry, MadeInvite, MakeInviteError, NewInvite, ReadMarkError, Refusal, RevokeError,
    SendError, SendText, Sent, UpTo,
};
pub(crate) use input::{Command, Input};
pub use live::{Bootstrap, Counters, Live, LivePeer, Unreachable};
pub(crate) use requests::is_open as is_open_request;
pub(crate) use rollback::{other_copy, rolled_back};
pub(crate) use rooms::sets_timer;
pub use rooms::{LinkKind, MadeLink, NewRoom, PolicyChange, PublicRoom, RoomAct, RoomError};
pub use trust::ListCode;
pub(crate) use trust::list_code;

use asking::Asking;
use contacts::Knock;
use dial::Dialer;
use effects::Turn;
use envelopes::Envelopes;
use ephemera::EphemeraState;
use gossip::Gossip;
use link::Stream;
use offering::Offering;
use people::{Known, Members, own_device};
use rooms::Rooms;
use sessions::Sessions;
use timers::{Allowance, Backoff, Timer, Timers};

/// A source of randomness that can be owned by the engine.
pub(crate) type EngineRng = Box<dyn CryptoRng + Send>;

/// What the engine has to know about how it is started.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// The store reported a loss when it was opened.
    pub(crate) damaged: bool,
    /// Whether to connect to anybody.
    pub(crate) online: bool,
    /// Where others reach us besides where we listen, told before it.
    pub(crate) announce: Vec<Multiaddr>,
    /// Nodes that the configuration names, as it names them.
    pub(crate) bootstraps: Vec<String>,
}

/// Timers handled in one turn; the others are due in the next.
const TIMERS_MAX: usize = 64;

/// One account's rules and volatile state. Everything that must survive is in the store.
pub(crate) struct Engine {
    account: Account,
    own: Own,
    own_log: u32,
    /// Own logs before the current one, ascending.
    past_logs: Vec<u32>,
    /// When this process began, or its state was loaded anew, ms.
    began: u64,
    peer: PeerId,
    rng: EngineRng,
    listening: Vec<Multiaddr>,
    /// Told before where we listen.
    announced: Vec<Multiaddr>,
    bootstraps: Vec<Bootstrap>,
    /// The name the account was made with.
    first_name: String,
    details: CardDetails,
    bundle: Vec<u8>,
    bundle_hash: [u8; 32],
    bundle_serial: u32,
    /// The prekey that opened the last first flight: expanding its ML-KEM half costs a quarter of opening one.
    prekey: Option<PrekeySecret>,
    /// An unproved claim of a rollback was followed.
    rollback_hinted: bool,
    one_time_keys: Allowance,
    new_sessions: Allowance,
    asks: Allowance,
    searches: Allowance,
    /// Events of our own while a conversation's clock is ahead.
    hurry: Allowance,
    known: BTreeMap<DeviceNo, Known>,
    numbers: HashMap<DeviceId, DeviceNo>,
    members: BTreeMap<ConversationNo, Arc<Members>>,
    rooms: Rooms,
    sessions: Sessions,
    blocked: BTreeSet<UserId>,
    /// Something that blocked users said in rooms may have to be shown, since somebody is blocked no more.
    unblocked: bool,
    undecided: BTreeSet<UserId>,
    dialer: Dialer,
    streams: BTreeMap<u64, Stream>,
    link_of: BTreeMap<DeviceNo, u64>,
    /// Streams whose links may have something to do at the end of the turn: those that were looked at in it, and those with something
    /// left to send.
    touched: BTreeSet<u64>,
    opening: BTreeMap<DeviceNo, u64>,
    reopen: BTreeMap<DeviceNo, Backoff>,
    knocks: BTreeMap<u64, Knock>,
    asking: BTreeMap<UserId, Asking>,
    knock_backoff: BTreeMap<DeviceNo, Backoff>,
    refusals: BTreeMap<DeviceNo, u32>,
    begun_again: BTreeMap<DeviceNo, u64>,
    control_tries: BTreeMap<DeviceNo, u32>,
    cards: BTreeMap<DeviceNo, Allowance>,
    gossip: Gossip,
    offering: Offering,
    envelopes: Envelopes,
    ephemera: EphemeraState,
    timers: Timers,
    skews: BTreeMap<DeviceNo, i64>,
    counters: Counters,
    last_token: u64,
    /// What the clock said in the last turn, ms.
    last_now: u64,
    live_changed: bool,
    /// Where the last round of looking at messages sent to be viewed once ended.
    sent_once_after: Option<EventKey>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads an account's state and decides what to do first; returns the batch and effects of that first turn.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn load(
        account: Account,
        peer: PeerId,
        store: &Store,
        rng: EngineRng,
        start: Start,
        now: u64,
    ) -> Result<(Self, Batch, Effects), StoreError> {
        let mut txn = store.begin();
        let mut effects = Effects::default();
        let device = own_device(&mut txn, &account, &peer)?;
        let own_log = meta::counter(&txn, CounterName::OwnLog)?.max(1);
        let mut engine = Self {
            own: account.own(device),
            own_log: u32::try_from(own_log).unwrap_or(u32::MAX),
            past_logs: Vec::new(),
            began: now,
            peer,
            rng,
            listening: Vec::new(),
            announced: start.announce,
            bootstraps: start.bootstraps.into_iter().map(Bootstrap::new).collect(),
            first_name: account.name.clone(),
            details: CardDetails::default(),
            bundle: Vec::new(),
            bundle_hash: [0; 32],
            bundle_serial: 0,
            prekey: None,
            rollback_hinted: false,
            one_time_keys: Allowance::new(1_000, 10),
            new_sessions: Allowance::new(500, 4),
            asks: Allowance::new(500, 20),
            searches: Allowance::new(200, 10),
            hurry: write::hurry(),
            known: BTreeMap::new(),
            numbers: HashMap::new(),
            members: BTreeMap::new(),
            rooms: Rooms::default(),
            sessions: Sessions::new(parlour_store::sessions::all(&txn)?, day_of(now)),
            blocked: BTreeSet::new(),
            unblocked: true,
            undecided: BTreeSet::new(),
            dialer: Dialer::new(start.online),
            streams: BTreeMap::new(),
            link_of: BTreeMap::new(),
            touched: BTreeSet::new(),
            opening: BTreeMap::new(),
            reopen: BTreeMap::new(),
            knocks: BTreeMap::new(),
            asking: BTreeMap::new(),
            knock_backoff: BTreeMap::new(),
            refusals: BTreeMap::new(),
            begun_again: BTreeMap::new(),
            control_tries: BTreeMap::new(),
            cards: BTreeMap::new(),
            gossip: Gossip::default(),
            offering: Offering::default(),
            envelopes: Envelopes::default(),
            ephemera: EphemeraState::default(),
            timers: Timers::default(),
            skews: BTreeMap::new(),
            counters: Counters::default(),
            last_token: 0,
            last_now: now,
            live_changed: true,
            sent_once_after: None,
            account,
        };
        let mut turn = Turn {
            txn: &mut txn,
            now,
            effects: &mut effects,
        };
        engine.learn_devices(&mut turn)?;
        engine.learn_blocks(&mut turn)?;
        engine.learn_profile(&turn)?;
        engine.learn_trust(&turn)?;
        engine.learn_past_logs(&turn)?;
        if start.damaged || rollback::logs_are_short(turn.txn, &store.db().marks())? {
            engine.begin_after_damage(&mut turn)?;
        }
        engine.show_past_operations(&mut turn)?;
        engine.housekeeping(&mut turn)?;
        engine.want_contacts(&mut turn)?;
        Ok((engine, txn.into_batch(), effects))
    }

    /// Reacts to one input. What it decides is in `txn` and `effects`.
    ///
    /// # Errors
    /// The store cannot be read: the turn must be dropped and the engine loaded again.
    pub(crate) fn handle(
        &mut self,
        txn: &mut Txn<'_>,
        effects: &mut Effects,
        input: Input,
        now: u64,
    ) -> Result<(), StoreError> {
        self.look_at_clock(now);
        let mut turn = Turn { txn, now, effects };
        match input {
            Input::Command(command) => self.on_command(&mut turn, command),
            Input::Net(event) => self.on_net(&mut turn, event),
            Input::Tick => self.on_tick(&mut turn),
        }
    }

    /// Ends a turn: acknowledgements and batches that are due, marks that wait for a commit anyway.
    ///
    /// # Errors
    /// As [`Engine::handle`].
    pub(crate) fn finish_turn(&mut self, txn: &mut Txn<'_>, effects: &mut Effects, now: u64) -> Result<(), StoreError> {
        let mut turn = Turn { txn, now, effects };
        self.set_erase_timer(&mut turn);
        self.flush_links(&mut turn)?;
        if !turn.txn.batch().is_empty() {
            self.timers.clear(Timer::FlushSent);
            self.flush_sent(&mut turn)?;
        }
        Ok(())
    }

    /// When [`Input::Tick`] is next wanted, ms.
    #[must_use]
    pub(crate) fn next_tick(&self) -> Option<u64> {
        self.timers.next()
    }

    /// Who is looking, for views.
    #[must_use]
    pub(crate) fn own(&self) -> Own {
        self.own
    }

    /// Counts since the start.
    #[cfg(test)]
    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// This device's id.
    #[cfg(test)]
    pub(crate) fn device(&self) -> &DeviceId {
        &self.known[&self.own.device].id
    }

    fn token(&mut self) -> u64 {
        self.last_token = self.last_token.wrapping_add(1);
        self.last_token
    }

    fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }

    fn random_id(&mut self) -> [u8; 16] {
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        id
    }
}

//! What the members of a room did and said, each knowing a part of it: signed events as their devices make them, by keys that no engine has.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use parlour_crypto::{
    Act, Body, ConversationId, DeviceCert, DeviceKeys, DeviceList, Draft, EventId, Identity, Info, KIND_OPERATION,
    Membership, Operation, Policy, RoomOperation, SignedEvent, UserId, VerifiedEvent, membership_view, room_id,
};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

/// Set in the numbers of logs that hold operations.
const OPERATIONS: u32 = 1 << 31;
/// The clock of the first event.
pub(super) const START: u64 = 1_800_000_000_000;
/// Who writes, and who only comes and goes.
pub(super) const AUTHORS: usize = 5;
pub(super) const PEOPLE: usize = AUTHORS + 2;
const MAX_PARENTS: usize = 8;

/// Somebody with one device that no node is.
struct Person {
    keys: DeviceKeys,
    cert: DeviceCert,
    list: Vec<u8>,
    user: UserId,
}

impl Person {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let mut entropy = Zeroizing::new([0; 32]);
        rng.fill_bytes(entropy.as_mut_slice());
        let identity = Identity::from_entropy(&entropy);
        let keys = DeviceKeys::generate(rng);
        let cert = DeviceCert::issue(&identity, &keys, 1, START);
        let list = DeviceList::first(&identity, std::slice::from_ref(&cert), START).expect("a list");
        Self {
            keys,
            list: list.as_bytes().to_vec(),
            user: identity.user_id(),
            cert,
        }
    }
}

/// The same people in all runs: what differs is what they do.
fn people() -> &'static [Person] {
    static PEOPLE_OF_ALL: OnceLock<Vec<Person>> = OnceLock::new();
    PEOPLE_OF_ALL.get_or_init(|| {
        let mut rng = ChaCha8Rng::seed_from_u64(u64::MAX);
        (0..PEOPLE).map(|_| Person::new(&mut rng)).collect()
    })
}

pub(super) fn user(who: usize) -> UserId {
    people()[who].user
}

pub(super) fn list(who: usize) -> Vec<u8> {
    people()[who].list.clone()
}

/// An event, and what those who come after it need to know of it.
pub(super) struct Made {
    pub(super) event: SignedEvent,
    pub(super) by: usize,
    pub(super) operation: Option<RoomOperation>,
    clock: u64,
    seq: u64,
    /// Events that name this one as what was before.
    next: Vec<usize>,
}

impl Made {
    pub(super) fn id(&self) -> EventId {
        self.event.id()
    }
}

/// What one of them knows.
#[derive(Clone)]
struct Knows {
    all: Vec<bool>,
    said_heads: Vec<usize>,
    op_heads: Vec<usize>,
}

/// Where one of them stands.
struct Place {
    knows: Knows,
    folded: Membership,
    /// Operations that are known and not folded.
    unfolded: Vec<usize>,
    op_seq: u32,
    said: u64,
    last_op: Option<EventId>,
    last_said: Option<EventId>,
}

pub(super) struct History {
    pub(super) room: ConversationId,
    pub(super) made: Vec<Made>,
    /// Heads behind the views of several operations.
    pub(super) views: BTreeSet<Vec<EventId>>,
    pub(super) rng: ChaCha8Rng,
    pub(super) now: u64,
    places: Vec<Place>,
    /// Where somebody stands in the other one of two histories that they tell of themselves.
    other_self: Option<(usize, Place)>,
}

impl History {
    /// A room that the first of them made, and nobody else knows of.
    pub(super) fn new(seed: u64, policy: Policy) -> Self {
        let room = ConversationId::from_bytes([0; 32]);
        let place = || Place {
            knows: Knows {
                all: Vec::new(),
                said_heads: Vec::new(),
                op_heads: Vec::new(),
            },
            folded: Membership::fold(room, []).expect("none"),
            unfolded: Vec::new(),
            op_seq: 0,
            said: 0,
            last_op: None,
            last_said: None,
        };
        let mut history = Self {
            room,
            made: Vec::new(),
            views: BTreeSet::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            now: START,
            places: (0..PEOPLE).map(|_| place()).collect(),
            other_self: None,
        };
        let create = Act::Create {
            info: Info {
                name: Some("garden".to_owned()),
                ..Info::default()
            },
            policy,
            device_list: list(0),
        };
        history.operate(0, create);
        history
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.rng.next_u64() % n.max(1) as u64).expect("few")
    }

    pub(super) fn chance(&mut self, in_100: usize) -> bool {
        self.below(100) < in_100
    }

    pub(super) fn knows(&self, who: usize, event: usize) -> bool {
        self.places[who].knows.all[event]
    }

    /// How much of what somebody has said in the room another knows: its beginning, as whoever tells something tells all.
    pub(super) fn said_to(&self, who: usize, other: usize) -> u64 {
        let all = self.made.iter().enumerate();
        let said = all.filter(|(at, made)| made.by == who && made.operation.is_none() && self.knows(other, *at));
        said.map(|(_, made)| made.seq).max().unwrap_or(0)
    }

    /// How often two events have one number.
    pub(super) fn forked(&self) -> u64 {
        let mut seen = BTreeSet::new();
        let all = self.made.iter();
        let again = all.filter(|made| !seen.insert((made.by, made.operation.is_some(), made.seq)));
        again.count() as u64
    }

    /// Somebody begins a second history of themselves, or goes on in the one they left: with numbers given out twice from then on, and the
    /// knowledge they had there.
    pub(super) fn change_self(&mut self, who: usize) {
        let place = &self.places[who];
        let other = match self.other_self.take() {
            Some((_, other)) => other,
            None => Place {
                knows: place.knows.clone(),
                folded: self.fold_of(&place.knows),
                unfolded: Vec::new(),
                op_seq: place.op_seq,
                said: place.said,
                last_op: place.last_op,
                last_said: place.last_said,
            },
        };
        let left = std::mem::replace(&mut self.places[who], other);
        self.other_self = Some((who, left));
    }

    /// Somebody writes as if they knew of the operations up to one of those they know alone, which no honest device does. Returns what they
    /// know.
    pub(super) fn forget(&mut self, who: usize) -> Vec<usize> {
        let known = (0..self.made.len()).filter(|at| self.knows(who, *at) && self.made[*at].operation.is_some());
        let known: Vec<usize> = known.collect();
        let head = known[self.below(known.len())];
        std::mem::replace(&mut self.places[who].knows.op_heads, vec![head])
    }

    /// They remember it.
    pub(super) fn remember(&mut self, who: usize, heads: Vec<usize>) {
        self.places[who].knows.op_heads = heads;
    }

    fn fold_of(&self, knows: &Knows) -> Membership {
        let known = (0..self.made.len()).filter(|at| knows.all[*at]);
        let operations: Vec<RoomOperation> = known.filter_map(|at| self.made[at].operation.clone()).collect();
        Membership::fold(self.room, operations).expect("few")
    }

    pub(super) fn device(who: usize) -> parlour_crypto::DeviceId {
        people()[who].keys.id()
    }

    /// What the room is to somebody.
    pub(super) fn folded(&mut self, who: usize) -> &Membership {
        let place = &mut self.places[who];
        let unfolded = std::mem::take(&mut place.unfolded);
        if unfolded.len() < 3 {
            for operation in unfolded.iter().filter_map(|at| self.made[*at].operation.clone()) {
                place.folded.apply(operation).expect("few");
            }
        } else {
            let folded = self.fold_of(&self.places[who].knows);
            self.places[who].folded = folded;
        }
        &self.places[who].folded
    }

    /// `to` learns everything that `from` knows.
    pub(super) fn tell(&mut self, from: usize, to: usize) {
        if from == to {
            return;
        }
        let from = self.places[from].knows.clone();
        let place = &mut self.places[to];
        for at in 0..self.made.len() {
            if from.all[at] && !place.knows.all[at] {
                place.knows.all[at] = true;
                if self.made[at].operation.is_some() {
                    place.unfolded.push(at);
                }
            }
        }
        let is_head = |at: &usize| !self.made[*at].next.iter().any(|next| place.knows.all[*next]);
        for (own, other) in [
            (&mut place.knows.said_heads, &from.said_heads),
            (&mut place.knows.op_heads, &from.op_heads),
        ] {
            let all: BTreeSet<usize> = own.iter().chain(other).copied().collect();
            *own = all.into_iter().filter(is_head).collect();
        }
    }

    fn ids(&self, events: &[usize]) -> Vec<EventId> {
        let mut ids: Vec<EventId> = events.iter().map(|at| self.made[*at].id()).collect();
        ids.sort_unstable();
        ids
    }

    fn clock_after(&self, events: &[usize]) -> u64 {
        let clocks = events.iter().map(|at| self.made[*at].clock + 1);
        clocks.max().unwrap_or(0).max(self.now)
    }

    /// Somebody does something in the room, allowed or not.
    pub(super) fn operate(&mut self, who: usize, act: Act) -> usize {
        let place = &self.places[who];
        let before = place.knows.op_heads.clone();
        let op_seq = place.op_seq + 1;
        let body = Operation {
            user: user(who),
            op_seq,
            parents: self.ids(&before),
            act,
            ext: Vec::new(),
        };
        let body = body.encode().expect("within limits");
        let draft = Draft {
            kind: KIND_OPERATION,
            conversation: self.room,
            device: Self::device(who),
            log: OPERATIONS | 1,
            seq: u64::from(op_seq),
            prev: place.last_op,
            parents: Vec::new(),
            clock: self.clock_after(&before),
            view: None,
        };
        let keys = &people()[who].keys;
        let mut event = VerifiedEvent::sign(keys, draft.clone(), [7; 16], &body).expect("signed");
        if self.made.is_empty() {
            let conversation = room_id(event.header());
            self.room = conversation;
            for place in &mut self.places {
                place.folded = Membership::fold(conversation, []).expect("none");
            }
            event = VerifiedEvent::sign(keys, Draft { conversation, ..draft }, [7; 16], &body).expect("signed");
        }
        let operation = RoomOperation::read(&event, &people()[who].cert).expect("an operation");
        let at = self.keep(who, &event, Some(operation), &before);
        let place = &mut self.places[who];
        (place.op_seq, place.last_op) = (op_seq, Some(event.id()));
        place.unfolded.push(at);
        place.knows.op_heads = vec![at];
        at
    }

    /// Somebody says something in the room, allowed or not.
    pub(super) fn say(&mut self, who: usize, body: &Body) -> usize {
        let place = &self.places[who];
        let mut before = place.knows.said_heads.clone();
        before.sort_unstable_by_key(|at| (self.made[*at].clock, self.made[*at].id()));
        let newest = before.len().saturating_sub(MAX_PARENTS);
        let left = before.drain(..newest).collect::<Vec<_>>();
        let heads = self.ids(&place.knows.op_heads);
        let draft = Draft {
            kind: body.kind(),
            conversation: self.room,
            device: Self::device(who),
            log: 1,
            seq: place.said + 1,
            prev: place.last_said,
            parents: self.ids(&before),
            clock: self.clock_after(&before),
            view: Some(membership_view(&self.room, &heads)),
        };
        let mut salt = [0; 16];
        self.rng.fill_bytes(&mut salt);
        let body = body.encode().expect("within limits");
        let event = VerifiedEvent::sign(&people()[who].keys, draft, salt, &body).expect("signed");
        if heads.len() > 1 {
            self.views.insert(heads);
        }
        let at = self.keep(who, &event, None, &before);
        let place = &mut self.places[who];
        (place.said, place.last_said) = (place.said + 1, Some(event.id()));
        place.knows.said_heads = left;
        place.knows.said_heads.push(at);
        at
    }

    fn keep(&mut self, by: usize, event: &VerifiedEvent, operation: Option<RoomOperation>, before: &[usize]) -> usize {
        let at = self.made.len();
        for before in before {
            self.made[*before].next.push(at);
        }
        self.made.push(Made {
            event: SignedEvent::decode(&event.to_wire()).expect("an event"),
            by,
            operation,
            clock: event.header().clock,
            seq: event.header().seq,
            next: Vec::new(),
        });
        for (who, place) in self.places.iter_mut().enumerate() {
            place.knows.all.push(who == by);
        }
        if let Some((_, other)) = &mut self.other_self {
            other.knows.all.push(false);
        }
        at
    }
}

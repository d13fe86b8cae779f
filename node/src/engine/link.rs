//! One sync stream to one device: its opening, its keys, and what is on its way over it. What the frames mean is in
//! [`super::sync`].

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{EventId, FrameOpener, FrameSealer, Intervals, SessionId, StreamOpen, UserId};
use parlour_net::PeerId;
use parlour_store::{ConversationNo, DeviceNo, LogKey};

use super::rooms::holds_operations;

/// Events that may be unacknowledged on a stream.
pub(crate) const WINDOW_EVENTS: usize = 512;
/// Bytes that may be unacknowledged on a stream.
pub(crate) const WINDOW_BYTES: usize = 1024 * 1024;

/// Frames of events sent since the last acknowledgement; the network holds no more of a stream.
const WINDOW_FRAMES: usize = 32;

/// Where a stream stands.
pub(crate) enum Phase {
    /// We sent `open` and wait for `accept`.
    Opening {
        state: Box<StreamOpen>,
        device: DeviceNo,
        session: SessionId,
    },
    /// The peer opened it; its `open` has not come.
    Expecting,
    /// Keys are agreed.
    Ready(Box<Link>),
}

/// A stream of any phase.
pub(crate) struct Stream {
    pub(crate) peer: PeerId,
    pub(crate) phase: Phase,
}

/// An event on its way.
#[derive(Clone, Copy)]
pub(crate) struct InFlight {
    size: usize,
    round: u32,
}

/// What of a conversation may have to be sent. A large room has hundreds of logs, and most of what happens is about one of them.
pub(crate) enum Wanting {
    /// Any of its logs.
    All,
    /// These: operations come first.
    Logs(BTreeSet<(bool, LogKey)>),
}

/// A keyed stream.
pub(crate) struct Link {
    pub(crate) device: DeviceNo,
    pub(crate) user: UserId,
    pub(crate) sealer: FrameSealer,
    pub(crate) opener: FrameOpener,
    /// The other side's Hello has come: it has shown that it holds the keys.
    pub(crate) greeted: bool,
    /// When it became ready, ms.
    pub(crate) since: u64,
    /// What the other side said it holds; only logs of conversations in `told` can be compared.
    pub(crate) peer_has: BTreeMap<LogKey, Intervals>,
    /// Conversations of which the other side has told everything it holds, and when it told last what was new, ms.
    pub(crate) told: BTreeMap<ConversationNo, u64>,
    /// Conversations of which we have told everything we hold.
    pub(crate) all_told: BTreeSet<ConversationNo>,
    /// Sent on this stream and not acknowledged.
    pub(crate) in_flight: BTreeMap<(LogKey, u64), InFlight>,
    /// Sent and, two full statements later, still not held: the other side does not take them.
    pub(crate) untaken: BTreeMap<LogKey, Intervals>,
    round: u32,
    /// How often more we say soon what we hold, since we did not take something.
    pub(crate) refused: u8,
    pub(crate) in_flight_bytes: usize,
    /// Frames of events since something was last acknowledged.
    pub(crate) frames: usize,
    /// Logs of which we hold more than we told.
    pub(crate) unacknowledged: BTreeSet<LogKey>,
    pub(crate) unacknowledged_events: usize,
    /// Logs of large rooms of which we hold more than we told, by others than the other side: told with whatever is told next.
    pub(crate) quiet: BTreeSet<LogKey>,
    /// When we last acknowledged, ms.
    pub(crate) acknowledged_at: u64,
    /// Highest seq of each log when it was first compared: what is above was written since.
    pub(crate) live_from: BTreeMap<LogKey, u64>,
    /// Of conversations, the last event and the last body that were asked for.
    pub(crate) asked: BTreeMap<ConversationNo, (Option<EventId>, Option<EventId>)>,
    /// Rooms that we are out of, and the other side not, in its eyes: when it was told what we hold, ms.
    pub(crate) told_astray: BTreeMap<ConversationNo, u64>,
    /// The conversation served last, so that all get their turn.
    pub(crate) served: Option<ConversationNo>,
    /// Conversations that may have something to send.
    pub(crate) wanting: BTreeMap<ConversationNo, Wanting>,
}

impl Link {
    pub(crate) fn new(device: DeviceNo, user: UserId, (sealer, opener): (FrameSealer, FrameOpener), now: u64) -> Self {
        Self {
            device,
            user,
            sealer,
            opener,
            greeted: false,
            since: now,
            peer_has: BTreeMap::new(),
            told: BTreeMap::new(),
            all_told: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            untaken: BTreeMap::new(),
            round: 0,
            refused: 0,
            in_flight_bytes: 0,
            frames: 0,
            unacknowledged: BTreeSet::new(),
            unacknowledged_events: 0,
            quiet: BTreeSet::new(),
            acknowledged_at: 0,
            live_from: BTreeMap::new(),
            asked: BTreeMap::new(),
            told_astray: BTreeMap::new(),
            served: None,
            wanting: BTreeMap::new(),
        }
    }

    pub(crate) fn window_is_open(&self) -> bool {
        self.in_flight.len() < WINDOW_EVENTS && self.in_flight_bytes < WINDOW_BYTES && self.frames < WINDOW_FRAMES
    }

    /// Any log of a conversation may have something to send.
    pub(crate) fn want(&mut self, conversation: ConversationNo) {
        self.wanting.insert(conversation, Wanting::All);
    }

    /// A log may have something to send.
    pub(crate) fn want_log(&mut self, log: LogKey) {
        let none = || Wanting::Logs(BTreeSet::new());
        if let Wanting::Logs(logs) = self.wanting.entry(log.conversation).or_insert_with(none) {
            logs.insert((!holds_operations(&log), log));
        }
    }

    /// A log has nothing to send now.
    pub(crate) fn want_no_more(&mut self, log: &LogKey) {
        if let Some(Wanting::Logs(logs)) = self.wanting.get_mut(&log.conversation) {
            logs.remove(&(!holds_operations(log), *log));
        }
    }

    pub(crate) fn sent(&mut self, log: LogKey, seq: u64, size: usize) {
        let round = self.round;
        if self.in_flight.insert((log, seq), InFlight { size, round }).is_none() {
            self.in_flight_bytes = self.in_flight_bytes.saturating_add(size);
        }
    }

    /// The other side holds `have` of `log`: nothing of it is in flight any more.
    pub(crate) fn acknowledged(&mut self, log: LogKey, have: &Intervals) {
        let landed: Vec<u64> = self
            .in_flight
            .range((log, 0)..=(log, u64::MAX))
            .map(|((_, seq), _)| *seq)
            .filter(|seq| have.contains(*seq))
            .collect();
        if !landed.is_empty() {
            self.frames = 0;
        }
        for seq in landed {
            self.land(log, seq);
        }
    }

    fn land(&mut self, log: LogKey, seq: u64) {
        if let Some(InFlight { size, .. }) = self.in_flight.remove(&(log, seq)) {
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(size);
        }
    }

    /// The other side has told everything it holds: what was sent before the last time it did so, and is not held, it does not
    /// take. It is not offered again on this stream.
    pub(crate) fn begin_round(&mut self, conversation: ConversationNo) {
        self.round = self.round.saturating_add(1);
        let old: Vec<(LogKey, u64)> = self
            .in_flight
            .iter()
            .filter(|((log, _), flight)| {
                log.conversation == conversation && flight.round.saturating_add(2) <= self.round
            })
            .map(|(at, _)| *at)
            .collect();
        // They were read, taken or not.
        if !old.is_empty() {
            self.frames = 0;
        }
        for (log, seq) in old {
            self.land(log, seq);
            self.untaken.entry(log).or_default().insert(seq);
        }
    }

    /// What of a conversation was sent and not taken is sent again: the other side has read it, and said why it did not take it.
    pub(crate) fn offer_again(&mut self, conversation: ConversationNo) {
        self.frames = 0;
        let of_it = |log: &LogKey| log.conversation == conversation;
        let flying: Vec<(LogKey, u64)> = self.in_flight.keys().filter(|(log, _)| of_it(log)).copied().collect();
        for (log, seq) in flying {
            self.land(log, seq);
        }
        self.untaken.retain(|log, _| !of_it(log));
        self.want(conversation);
    }

    /// What is in flight of a log.
    pub(crate) fn in_flight_of(&self, log: LogKey) -> Intervals {
        let mut seqs = Intervals::default();
        for ((_, seq), _) in self.in_flight.range((log, 0)..=(log, u64::MAX)) {
            seqs.insert(*seq);
        }
        seqs
    }
}

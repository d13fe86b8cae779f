//! Sync streams `/parlour/sync/1`: long-lived, ordered, framed, one task each.
//!
//! A stream's task reads frames and hands them to the engine's queue; while that is full it does not read, which stops
//! the peer and nobody else. It writes what the engine queued; a queue that overflows closes the stream, since the
//! engine's credit windows never let that happen with an honest peer that reads.

mod behaviour;
mod frame;
mod task;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use libp2p::{PeerId, Stream, StreamProtocol, swarm::ConnectionId};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub(crate) use behaviour::{Behaviour, Event};
pub use frame::MAX_FRAME_BYTES;

use crate::{config::NetLimits, event::NetEvent, refusals::Counter};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/parlour/sync/1");
/// Frames and bytes that wait to be written on one stream.
const QUEUE_FRAMES: usize = 64;
const QUEUE_BYTES: usize = 4 << 20;

#[derive(Debug)]
struct Open {
    peer: PeerId,
    connection: ConnectionId,
    inbound: bool,
    /// `None` once the engine has closed it.
    queue: Option<mpsc::Sender<Bytes>>,
    queued_bytes: Arc<AtomicUsize>,
    abort: CancellationToken,
    gone: CancellationToken,
}

/// A stream whose task waits at its gate: it sends nothing before the engine was told that the stream exists.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) stream: u64,
    pub(crate) gate: oneshot::Sender<()>,
}

/// The open streams and their tasks.
#[derive(Debug)]
pub(crate) struct Streams {
    max: usize,
    max_per_peer: usize,
    next: u64,
    open: HashMap<u64, Open>,
    tasks: JoinSet<u64>,
    lane: mpsc::Sender<NetEvent>,
    cancel: CancellationToken,
    refusals: Counter,
}

impl Streams {
    /// `lane` takes the frames of all streams.
    pub(crate) fn new(
        limits: &NetLimits,
        lane: mpsc::Sender<NetEvent>,
        cancel: CancellationToken,
        refusals: Counter,
    ) -> Self {
        Self {
            max: limits.streams,
            max_per_peer: limits.streams_per_peer,
            next: 1,
            open: HashMap::new(),
            tasks: JoinSet::new(),
            lane,
            cancel,
            refusals,
        }
    }

    /// Starts the task of a stream that the peer opened, if there is room; dropping `io` resets it. A protected peer does
    /// not wait for strangers to leave.
    pub(crate) fn accept(
        &mut self,
        peer: PeerId,
        protected: bool,
        connection: ConnectionId,
        io: Stream,
    ) -> Option<Opened> {
        let inbound = self.open.values().filter(|open| open.inbound);
        let (mut all, mut of_peer) = (0_usize, 0_usize);
        for open in inbound {
            all = all.saturating_add(1);
            of_peer = of_peer.saturating_add(usize::from(open.peer == peer));
        }
        if (all >= self.max && !protected) || of_peer >= self.max_per_peer {
            return None;
        }
        Some(self.spawn(peer, connection, io, true))
    }

    /// Starts the task of a stream that we opened.
    pub(crate) fn opened(&mut self, peer: PeerId, connection: ConnectionId, io: Stream) -> Opened {
        self.spawn(peer, connection, io, false)
    }

    fn spawn(&mut self, peer: PeerId, connection: ConnectionId, io: Stream, inbound: bool) -> Opened {
        let stream = self.next;
        self.next = self.next.wrapping_add(1);
        let (queue, frames) = mpsc::channel(QUEUE_FRAMES);
        let (gate, started) = oneshot::channel();
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let abort = self.cancel.child_token();
        let gone = CancellationToken::new();
        self.tasks.spawn(task::run(task::Task {
            stream,
            peer,
            inbound,
            io,
            started,
            frames,
            queued_bytes: queued_bytes.clone(),
            lane: self.lane.clone(),
            abort: abort.clone(),
            gone: gone.clone(),
            refusals: self.refusals.clone(),
        }));
        self.open.insert(
            stream,
            Open {
                peer,
                connection,
                inbound,
                queue: Some(queue),
                queued_bytes,
                abort,
                gone,
            },
        );
        Opened { stream, gate }
    }

    /// Queues one frame; a frame that does not fit ends the stream.
    pub(crate) fn send(&mut self, stream: u64, data: Bytes) {
        let Some(open) = self.open.get(&stream) else {
            return;
        };
        let Some(queue) = &open.queue else {
            return;
        };
        if queue.is_closed() {
            return;
        }
        let size = data.len();
        let waiting = open.queued_bytes.fetch_add(size, Ordering::AcqRel);
        let fits = size <= MAX_FRAME_BYTES && waiting.saturating_add(size) <= QUEUE_BYTES;
        if !fits || queue.try_send(data).is_err() {
            warn!(
                stream,
                frame.size_bytes = size,
                queue.size_bytes = waiting,
                "stream closed: its peer does not read, or the frame is too large"
            );
            open.abort.cancel();
        }
    }

    /// Lets the task write what is queued and end.
    pub(crate) fn close(&mut self, stream: u64) {
        if let Some(open) = self.open.get_mut(&stream) {
            open.queue = None;
        }
    }

    /// Ends the streams of a connection that is gone, once what had arrived is handed on. A muxer that was closed from
    /// this side does not wake the readers of its streams.
    pub(crate) fn connection_closed(&mut self, connection: ConnectionId) {
        let of_it = self.open.values().filter(|o| o.connection == connection);
        of_it.for_each(|open| open.gone.cancel());
    }

    /// Waits for a task to end, and forgets its stream; never ready without tasks.
    pub(crate) async fn ended(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(stream)) => {
                self.open.remove(&stream);
            }
            Some(Err(cause)) => warn!(error = %cause, "a stream task failed"),
            None => std::future::pending().await,
        }
    }
}

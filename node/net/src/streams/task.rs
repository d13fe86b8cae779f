//! The task of one stream: reading and writing side by side, and an orderly end.

use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt};
use libp2p::{PeerId, Stream};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::frame::{FrameReader, MAX_FRAME_BYTES, write_frames};
use crate::{
    event::NetEvent,
    refusals::{Counter, Kind},
};

/// A peer that opens a stream has something to say.
const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(10);
/// And it is short: nobody keeps more here before the engine knows who it is.
const FIRST_FRAME_BYTES: usize = 1024;
/// For the other direction, once one has ended.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Task {
    pub(super) stream: u64,
    pub(super) peer: PeerId,
    pub(super) inbound: bool,
    pub(super) io: Stream,
    pub(super) started: oneshot::Receiver<()>,
    pub(super) frames: mpsc::Receiver<Bytes>,
    pub(super) queued_bytes: Arc<AtomicUsize>,
    pub(super) lane: mpsc::Sender<NetEvent>,
    /// Ends the stream where it stands.
    pub(super) abort: CancellationToken,
    /// Nothing more will arrive.
    pub(super) gone: CancellationToken,
    pub(super) refusals: Counter,
}

/// Runs a stream to its end and says so; returns its number.
pub(super) async fn run(task: Task) -> u64 {
    let Task {
        stream,
        peer,
        inbound,
        io,
        started,
        mut frames,
        queued_bytes,
        lane,
        abort,
        gone,
        refusals,
    } = task;
    if started.await.is_err() {
        return stream;
    }
    let (reader, writer) = io.split();
    let deaf = AtomicBool::new(false);
    let finish = CancellationToken::new();
    let incoming = async {
        let mut reader = FrameReader::new(reader);
        let mut first = None;
        if inbound {
            let begun = begin(&mut reader, &gone).await;
            if begun.is_err() && !gone.is_cancelled() {
                refusals.count(Kind::Stream);
            }
            first = begun?;
            if first.is_none() {
                return Ok(());
            }
        }
        read_frames(reader, first, stream, &lane, &deaf, &gone).await
    };
    let outgoing = async {
        tokio::select! {
            end = write_frames(writer, &mut frames, &queued_bytes, &finish) => end,
            () = gone.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    };
    let work = async {
        let (mut incoming, mut outgoing) = (pin!(incoming), pin!(outgoing));
        tokio::select! {
            end = &mut incoming => match end {
                // The peer has said its last: what is queued still goes out.
                Ok(()) => {
                    finish.cancel();
                    let rest = timeout(CLOSE_WITHIN, &mut outgoing).await;
                    debug!(stream, ?rest, "stream ended by its peer");
                }
                // Dropped without closing, which resets it: a peer without credit would not notice a close.
                Err(cause) => debug!(stream, error = %cause, "stream reset"),
            },
            end = &mut outgoing => {
                // After our own close nothing more is delivered; after a broken write, all that has arrived is.
                deaf.store(end.is_ok(), Ordering::Relaxed);
                let rest = timeout(CLOSE_WITHIN, &mut incoming).await;
                debug!(stream, ?end, ?rest, "stream ended");
            }
        }
    };
    tokio::select! {
        () = abort.cancelled() => {}
        () = work => {}
    }
    // Fails only when the network stops.
    let _ = lane.send(NetEvent::StreamClosed { stream, peer }).await;
    stream
}

/// The first frame of a stream that the peer opened.
async fn begin(
    reader: &mut FrameReader<impl AsyncRead + Unpin>,
    gone: &CancellationToken,
) -> io::Result<Option<Bytes>> {
    reader.allow(FIRST_FRAME_BYTES);
    let first = timeout(FIRST_FRAME_WITHIN, next_frame(reader, gone)).await??;
    reader.allow(MAX_FRAME_BYTES);
    Ok(first)
}

/// Hands frames on until the peer ends the stream, beginning with the one that is here. While the lane is full nothing is
/// read. When the connection is gone, what had arrived is still handed on.
async fn read_frames(
    mut reader: FrameReader<impl AsyncRead + Unpin>,
    first: Option<Bytes>,
    stream: u64,
    lane: &mpsc::Sender<NetEvent>,
    deaf: &AtomicBool,
    gone: &CancellationToken,
) -> io::Result<()> {
    let mut next = match first {
        Some(first) => Some(first),
        None => next_frame(&mut reader, gone).await?,
    };
    while let Some(data) = next {
        if !deaf.load(Ordering::Relaxed) {
            let frame = NetEvent::Frame { stream, data };
            lane.send(frame).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        next = next_frame(&mut reader, gone).await?;
    }
    Ok(())
}

async fn next_frame(
    reader: &mut FrameReader<impl AsyncRead + Unpin>,
    gone: &CancellationToken,
) -> io::Result<Option<Bytes>> {
    tokio::select! {
        biased;
        frame = reader.next() => frame,
        () = gone.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

//! The knock protocol `/parlour/knock/1`: one request, one response, raw bytes, each ended by closing its direction.
//!
//! At most 64 KiB either way, 10 s for the whole exchange, 5 s for the engine to answer, a bounded number under way.

use std::{collections::HashMap, io, time::Duration};

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{
    PeerId, StreamProtocol,
    request_response::{self, OutboundFailure, OutboundRequestId, ProtocolSupport, ResponseChannel},
};
use tokio::time::Instant;

use crate::event::RequestFailed;

/// Longest request and longest response.
pub const MAX_KNOCK_BYTES: usize = 64 * 1024;
/// For the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For the engine.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Exchanges under way on one connection. Each may keep 64 KiB for the whole time.
const PER_CONNECTION: usize = 4;
/// Unanswered requests of one peer.
const PER_PEER: usize = 4;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/parlour/knock/1");

pub(crate) type Behaviour = request_response::Behaviour<Codec>;

pub(crate) fn behaviour() -> Behaviour {
    request_response::Behaviour::new(
        [(PROTOCOL, ProtocolSupport::Full)],
        request_response::Config::default()
            .with_request_timeout(TIMEOUT)
            .with_max_concurrent_streams(PER_CONNECTION),
    )
}

/// Raw bytes up to the end of the stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codec;

async fn read_all<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Bytes> {
    let mut data = Vec::new();
    let limit = MAX_KNOCK_BYTES as u64 + 1;
    io.take(limit).read_to_end(&mut data).await?;
    if data.len() > MAX_KNOCK_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "knock is over 64 KiB"));
    }
    Ok(data.into())
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Bytes;
    type Response = Bytes;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_all(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        // A response is never empty: an end without bytes means that the peer dropped the request.
        let data = read_all(io).await?;
        if data.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(data)
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, data: Bytes) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&data).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, data: Bytes) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&data).await
    }
}

/// Why the protocol failed, in our words.
pub(crate) fn failure(error: &OutboundFailure) -> RequestFailed {
    match error {
        OutboundFailure::DialFailure => RequestFailed::Unreachable,
        OutboundFailure::Timeout => RequestFailed::TimedOut,
        OutboundFailure::UnsupportedProtocols => RequestFailed::Unsupported,
        OutboundFailure::ConnectionClosed | OutboundFailure::Io(_) => RequestFailed::Closed,
    }
}

/// An inbound request that the engine has not answered yet.
#[derive(Debug)]
struct Waiting {
    peer: PeerId,
    since: Instant,
    channel: ResponseChannel<Bytes>,
}

/// The exchanges under way, both directions.
#[derive(Debug)]
pub(crate) struct Knocks {
    max: usize,
    next: u64,
    waiting: HashMap<u64, Waiting>,
    asked: HashMap<OutboundRequestId, u64>,
}

impl Knocks {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            next: 1,
            waiting: HashMap::new(),
            asked: HashMap::new(),
        }
    }

    /// Takes an inbound request in and numbers it; `None` when there are too many, of strangers or of this peer. The dropped
    /// channel tells the peer.
    pub(crate) fn admit(
        &mut self,
        peer: PeerId,
        protected: bool,
        channel: ResponseChannel<Bytes>,
        now: Instant,
    ) -> Option<u64> {
        let of_peer = self.waiting.values().filter(|w| w.peer == peer).count();
        let full = self.waiting.len() >= self.max && !protected;
        if full || of_peer >= PER_PEER {
            return None;
        }
        let request = self.next;
        self.next = self.next.wrapping_add(1);
        let since = now;
        self.waiting.insert(request, Waiting { peer, since, channel });
        Some(request)
    }

    /// The way back to the peer, once.
    pub(crate) fn answer(&mut self, request: u64) -> Option<ResponseChannel<Bytes>> {
        self.waiting.remove(&request).map(|w| w.channel)
    }

    /// Drops what the engine did not answer in time.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.waiting
            .retain(|_, w| w.channel.is_open() && now.duration_since(w.since) < ANSWER_WITHIN);
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(crate) fn may_ask(&self) -> bool {
        self.asked.len() < self.max
    }

    pub(crate) fn asked(&mut self, id: OutboundRequestId, token: u64) {
        self.asked.insert(id, token);
    }

    /// The token of a finished outbound request.
    pub(crate) fn finished(&mut self, id: OutboundRequestId) -> Option<u64> {
        self.asked.remove(&id)
    }
}

//! One TCP connection: reading a head, a rest between requests, and a client that takes nothing are each limited in time.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use super::limits::ApiLimits;

/// After a refusal, this much of a body is taken off the wire, so that the client gets to read why.
const LINGER_BYTES: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Between requests.
    Idle,
    /// A request's line and headers are coming.
    Head,
    /// A request is being answered.
    Request,
    /// An endless answer.
    Stream,
}

/// What request handlers know of, and tell, their connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The client's address.
    pub(crate) from: IpAddr,
    /// Where it came to, at a door that may be called by any address of this machine.
    pub(crate) to: Option<SocketAddr>,
    phase: AtomicU8,
    lingers: AtomicBool,
}

impl Connection {
    pub(crate) fn new(from: IpAddr, to: Option<SocketAddr>) -> Self {
        Self {
            from,
            to,
            phase: AtomicU8::new(Phase::Head as u8),
            lingers: AtomicBool::new(false),
        }
    }

    /// A request has come.
    pub(crate) fn begin(&self) {
        self.set(Phase::Request);
    }

    /// Its answer is made, or goes on without end.
    pub(crate) fn end(&self) {
        if !self.is(Phase::Stream) {
            self.set(Phase::Idle);
        }
    }

    /// The answer to the current request never ends.
    pub(crate) fn streams(&self) {
        self.set(Phase::Stream);
    }

    /// The request was refused with its body unread.
    pub(crate) fn linger(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }

    fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }
}

/// A socket with the time limits of its connection.
pub(crate) struct TimedStream<S> {
    socket: S,
    connection: Arc<Connection>,
    header_timeout: Duration,
    write_timeout: Duration,
    head: Option<Pin<Box<Sleep>>>,
    write: Option<Pin<Box<Sleep>>>,
    /// The client took nothing for too long. What speaks on the connection may not end because it cannot write: it hears of it
    /// where it reads, too.
    is_dead: bool,
    reader: Option<Waker>,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
    /// Held for as long as there is the connection, whatever is spoken on it.
    _place: Option<OwnedSemaphorePermit>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TimedStream<S> {
    pub(crate) fn new(
        socket: S,
        connection: Arc<Connection>,
        limits: &ApiLimits,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            _place: place,
            socket,
            connection,
            header_timeout: limits.header_timeout,
            write_timeout: limits.write_timeout,
            head: Some(Box::pin(sleep(limits.header_timeout))),
            write: None,
            is_dead: false,
            reader: None,
            linger: None,
        }
    }

    /// Starts the head's time with its first byte and ends it with its last.
    fn watch_head(&mut self, cx: &mut Context<'_>, came: bool) -> io::Result<()> {
        if came && self.connection.is(Phase::Idle) {
            self.connection.set(Phase::Head);
            let deadline = Instant::now() + self.header_timeout;
            match &mut self.head {
                Some(timer) => timer.as_mut().reset(deadline),
                None => self.head = Some(Box::pin(sleep(self.header_timeout))),
            }
        }
        if !came
            && self.connection.is(Phase::Head)
            && let Some(timer) = &mut self.head
            && timer.as_mut().poll(cx).is_ready()
        {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the request's head took too long",
            ));
        }
        Ok(())
    }

    fn watch_write<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.write = None;
            return outcome;
        }
        let timer = self.write.get_or_insert_with(|| Box::pin(sleep(self.write_timeout)));
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.is_dead = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Err(takes_nothing()))
    }

    /// Reads what a refused client is still sending, up to a limit.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (timer, taken) = self.linger.get_or_insert_with(|| (Box::pin(sleep(LINGER)), 0));
        let mut space = [0; 8 * 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.socket).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && *taken < LINGER_BYTES => {
                    *taken = taken.saturating_add(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return timer.as_mut().poll(cx),
            }
        }
    }
}

fn takes_nothing() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_dead {
            return Poll::Ready(Err(takes_nothing()));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.socket).poll_read(cx, buffer);
        let came = buffer.filled().len() > before;
        if came || outcome.is_pending() {
            self.watch_head(cx, came)?;
        }
        if outcome.is_pending() {
            self.reader = Some(cx.waker().clone());
        }
        outcome
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_dead {
            return Poll::Ready(Err(takes_nothing()));
        }
        let outcome = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.watch_write(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_dead {
            return Poll::Ready(Err(takes_nothing()));
        }
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.watch_write(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            std::task::ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        }
        if self.connection.lingers.load(Ordering::Relaxed) {
            std::task::ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

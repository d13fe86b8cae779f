//! Opening and closing sync streams: who opens, how both prove that they know each other, and which stream stays when two
//! were opened at once.

use bytes::Bytes;
use parlour_crypto::{REFUSE, SessionId, StreamOpen, accept_stream};
use parlour_net::{NetCommand, PeerId};
use parlour_store::{DeviceNo, StoreError, devices};

use super::Engine;
use super::effects::Turn;
use super::link::{Link, Phase, Stream};
use super::timers::{Backoff, Timer};

/// A stream whose opening takes longer is closed.
const OPENING_MS: u64 = 10_000;
/// A stream that ends may come back at once; after this, gossip takes over.
const DISTRIBUTE_MS: u64 = 500;
/// After a stream that stood for so long the next one is opened without delay. Two copies of one disk, who take the stream to a contact from
/// each other, come to have it long enough for all that is said on it.
const SETTLED_MS: u64 = 20_000;
/// Pause after a refused or failed opening, or a stream that did not stand for long, and the longest.
pub(crate) const REOPEN_MS: (u64, u64) = (500, 60_000);

impl Engine {
    /// Asks for a stream to a device, if there is a connection, a session and no stream yet.
    pub(crate) fn open_stream(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        if self.link_of.contains_key(&device) || self.opening.contains_key(&device) || self.is_blocked_device(device) {
            return Ok(());
        }
        let Some(row) = devices::get(turn.txn, device)? else {
            return Ok(());
        };
        let Ok(peer) = PeerId::from_bytes(&row.peer) else {
            return Ok(());
        };
        if !self.dialer.is_connected(&peer) || self.sessions.any(device).is_none() {
            return Ok(());
        }
        let token = self.token();
        self.opening.insert(device, token);
        turn.net(NetCommand::OpenStream { peer, token });
        Ok(())
    }

    pub(crate) fn on_stream_opened(&mut self, turn: &mut Turn<'_, '_>, stream: u64, peer: PeerId, token: Option<u64>) {
        let Some(token) = token else {
            self.streams.insert(
                stream,
                Stream {
                    peer,
                    phase: Phase::Expecting,
                },
            );
            self.timers
                .set(Timer::StreamOpening(stream), turn.now.saturating_add(OPENING_MS));
            return;
        };
        let device = self
            .opening
            .iter()
            .find(|(_, t)| **t == token)
            .map(|(device, _)| *device);
        let opened = device.and_then(|device| {
            let session = self.sessions.any(device)?;
            let (state, open) = StreamOpen::create(
                &mut self.rng,
                self.sessions.get(&session)?,
                &self.peer.to_bytes(),
                &peer.to_bytes(),
            );
            Some((
                Phase::Opening {
                    state: Box::new(state),
                    device,
                    session,
                },
                open,
            ))
        });
        match opened {
            Some((phase, open)) => {
                self.streams.insert(stream, Stream { peer, phase });
                self.timers
                    .set(Timer::StreamOpening(stream), turn.now.saturating_add(OPENING_MS));
                turn.net(NetCommand::SendFrame {
                    stream,
                    data: Bytes::from(open),
                });
            }
            None => {
                self.opening.retain(|_, asked| *asked != token);
                turn.net(NetCommand::CloseStream { stream });
            }
        }
    }

    pub(crate) fn on_stream_failed(&mut self, turn: &mut Turn<'_, '_>, token: u64) {
        let device = self
            .opening
            .iter()
            .find(|(_, t)| **t == token)
            .map(|(device, _)| *device);
        if let Some(device) = device {
            self.opening.remove(&device);
            self.reopen_later(turn, device);
        }
    }

    fn reopen_later(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) {
        let random = self.random();
        let backoff = self
            .reopen
            .entry(device)
            .or_insert(Backoff::new(REOPEN_MS.0, REOPEN_MS.1));
        let due = turn.now.saturating_add(backoff.next(random));
        self.timers.set(Timer::OpenStream(device), due);
    }

    pub(crate) fn on_frame(&mut self, turn: &mut Turn<'_, '_>, stream: u64, data: &[u8]) -> Result<(), StoreError> {
        let Some(Stream { peer, phase }) = self.streams.get_mut(&stream) else {
            return Ok(());
        };
        let peer = *peer;
        match phase {
            Phase::Ready(link) => match link.opener.open(data) {
                Ok(plain) => self.on_sync_frame(turn, stream, &plain),
                Err(error) => {
                    tracing::debug!(peer.id = %peer, %error, "a frame did not open");
                    self.close_stream(turn, stream);
                    Ok(())
                }
            },
            Phase::Expecting => self.accept(turn, stream, peer, data),
            Phase::Opening { .. } => self.finish_opening(turn, stream, data),
        }
    }

    /// Answers a peer's `open`: with `accept` if it proves a session, else with the one refusal.
    fn accept(&mut self, turn: &mut Turn<'_, '_>, stream: u64, peer: PeerId, data: &[u8]) -> Result<(), StoreError> {
        let (theirs, ours) = (peer.to_bytes(), self.peer.to_bytes());
        let there = self.devices_at(&peer);
        let mut accepted = accept_stream(&mut self.rng, data, self.sessions.with(&there), &theirs, &ours);
        // A contact's node may have a new peer id. To look for it costs a MAC for every session, so not for everybody.
        if accepted.is_err() && self.searches.take(turn.now) {
            accepted = accept_stream(&mut self.rng, data, self.sessions.iter(), &theirs, &ours);
        }
        let Ok((session, answer, sealer, opener)) = accepted else {
            return self.refuse(turn, stream);
        };
        let Some(device) = self
            .sessions
            .device(&session)
            .filter(|device| !self.is_blocked_device(*device))
        else {
            return self.refuse(turn, stream);
        };
        let Some(mut row) = devices::get(turn.txn, device)? else {
            return self.refuse(turn, stream);
        };
        if self.opening.contains_key(&device) && self.peer < peer {
            // Both opened at once: the one of the lower peer id stays, and that is ours.
            return self.refuse(turn, stream);
        }
        if row.peer != theirs {
            row.peer = theirs;
            devices::put(turn.txn, &row)?;
            self.learn_devices(turn)?;
        }
        turn.net(NetCommand::SendFrame {
            stream,
            data: Bytes::from(answer),
        });
        self.confirmed(turn, device, &session)?;
        self.ready(turn, stream, device, row.user, (sealer, opener))
    }

    fn refuse(&mut self, turn: &mut Turn<'_, '_>, stream: u64) -> Result<(), StoreError> {
        turn.net(NetCommand::SendFrame {
            stream,
            data: Bytes::from_static(&REFUSE),
        });
        self.close_stream(turn, stream);
        Ok(())
    }

    fn finish_opening(&mut self, turn: &mut Turn<'_, '_>, stream: u64, data: &[u8]) -> Result<(), StoreError> {
        let Some(Stream {
            phase: Phase::Opening { state, device, session },
            ..
        }) = self.streams.remove(&stream)
        else {
            return Ok(());
        };
        self.opening.remove(&device);
        let finished = state.finish(data);
        if self.is_blocked_device(device) {
            return self.refuse(turn, stream);
        }
        let row = devices::get(turn.txn, device)?;
        let (Ok(keys), Some(row)) = (finished, row) else {
            tracing::debug!(device = device.0, "the other side refused the stream");
            turn.net(NetCommand::CloseStream { stream });
            self.timers.clear(Timer::StreamOpening(stream));
            self.stream_refused(turn, device)?;
            self.reopen_later(turn, device);
            return Ok(());
        };
        self.confirmed(turn, device, &session)?;
        self.ready(turn, stream, device, row.user, keys)
    }

    /// The other device has shown that it holds a session: what was kept to repeat the handshake can go.
    pub(crate) fn confirmed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        session: &SessionId,
    ) -> Result<(), StoreError> {
        if self.sessions.confirm(turn, session) {
            self.forget_first_contact(turn, device)?;
            self.hand_over_again(turn, device)?;
            self.timers.set_earliest(Timer::Distribute(device), turn.now);
        }
        Ok(())
    }

    fn ready(
        &mut self,
        turn: &mut Turn<'_, '_>,
        stream: u64,
        device: DeviceNo,
        user: parlour_crypto::UserId,
        keys: (parlour_crypto::FrameSealer, parlour_crypto::FrameOpener),
    ) -> Result<(), StoreError> {
        self.timers.clear(Timer::StreamOpening(stream));
        self.timers.clear(Timer::OpenStream(device));
        if let Some(old) = self.link_of.remove(&device) {
            self.close_stream(turn, old);
        }
        self.opening.remove(&device);
        self.refusals.remove(&device);
        let Some(row) = devices::get(turn.txn, device)? else {
            return Ok(());
        };
        let Ok(peer) = PeerId::from_bytes(&row.peer) else {
            return Ok(());
        };
        let link = Link::new(device, user, keys, turn.now);
        self.streams.insert(
            stream,
            Stream {
                peer,
                phase: Phase::Ready(Box::new(link)),
            },
        );
        self.link_of.insert(device, stream);
        self.greet(turn, stream, device)
    }

    pub(crate) fn close_stream(&mut self, turn: &mut Turn<'_, '_>, stream: u64) {
        turn.net(NetCommand::CloseStream { stream });
        self.forget_stream(turn, stream);
    }

    /// The stream is over, whoever ended it.
    pub(crate) fn forget_stream(&mut self, turn: &mut Turn<'_, '_>, stream: u64) {
        for timer in [
            Timer::StreamOpening(stream),
            Timer::Acknowledge(stream),
            Timer::FullHave(stream),
            Timer::Want(stream),
            Timer::Rekey(stream),
        ] {
            self.timers.clear(timer);
        }
        let Some(Stream { phase, .. }) = self.streams.remove(&stream) else {
            return;
        };
        let device = match phase {
            Phase::Ready(link) => {
                if turn.now.saturating_sub(link.since) >= SETTLED_MS {
                    self.reopen.remove(&link.device);
                }
                // What was left to the stream has to find another way.
                self.timers
                    .set_earliest(Timer::Distribute(link.device), turn.now.saturating_add(DISTRIBUTE_MS));
                link.device
            }
            Phase::Opening { device, .. } => {
                self.opening.remove(&device);
                device
            }
            Phase::Expecting => return,
        };
        if self.link_of.get(&device) == Some(&stream) {
            self.link_of.remove(&device);
        }
        if !self.link_of.contains_key(&device) {
            self.reopen_later(turn, device);
        }
    }
}

//! Opening and accepting streams: one handler per connection, streams come out as events.
//!
//! Every stream is delivered or refused on purpose; nothing is dropped because a queue was full, nothing dials, and
//! nothing is remembered of a connection that is gone.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, transport::PortUse, upgrade::ReadyUpgrade},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
        behaviour::ConnectionEstablished,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};

use super::PROTOCOL;

/// What became of a stream.
#[derive(Debug)]
pub(crate) enum Event {
    Inbound {
        peer: PeerId,
        connection: ConnectionId,
        io: Stream,
    },
    Outbound {
        peer: PeerId,
        connection: ConnectionId,
        token: u64,
        io: Stream,
    },
    Failed {
        peer: PeerId,
        token: u64,
        reason: String,
    },
}

#[derive(Debug)]
struct Opening {
    peer: PeerId,
    connection: ConnectionId,
    token: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Behaviour {
    connections: HashMap<PeerId, Vec<ConnectionId>>,
    opening: HashMap<u64, Opening>,
    next: u64,
    queue: VecDeque<ToSwarm<Event, u64>>,
}

impl Behaviour {
    /// Opens a stream on the newest connection to `peer`.
    pub(crate) fn open(&mut self, peer: PeerId, token: u64) {
        let newest = self.connections.get(&peer).and_then(|all| all.last());
        let Some(&connection) = newest else {
            self.fail(peer, token, "the peer is not connected".to_owned());
            return;
        };
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.opening.insert(
            id,
            Opening {
                peer,
                connection,
                token,
            },
        );
        self.queue.push_back(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler: NotifyHandler::One(connection),
            event: id,
        });
    }

    /// Whether the connection still stands: a stream of one that is gone may never wake its reader.
    pub(crate) fn stands(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        let connections = self.connections.get(peer);
        connections.is_some_and(|all| all.contains(&connection))
    }

    fn fail(&mut self, peer: PeerId, token: u64, reason: String) {
        self.queue
            .push_back(ToSwarm::GenerateEvent(Event::Failed { peer, token, reason }));
    }

    fn closed(&mut self, peer: PeerId, connection: ConnectionId) {
        if let Some(all) = self.connections.get_mut(&peer) {
            all.retain(|other| *other != connection);
            if all.is_empty() {
                self.connections.remove(&peer);
            }
        }
        let mut lost: Vec<(u64, u64)> = self
            .opening
            .iter()
            .filter(|(_, opening)| opening.connection == connection)
            .map(|(id, opening)| (*id, opening.token))
            .collect();
        lost.sort_unstable();
        for (id, token) in lost {
            self.opening.remove(&id);
            self.fail(peer, token, "the connection closed".to_owned());
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id, connection_id, ..
            }) => self.connections.entry(peer_id).or_default().push(connection_id),
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id, connection_id, ..
            }) => self.closed(peer_id, connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            Outcome::Inbound(io) => {
                let event = Event::Inbound { peer, connection, io };
                self.queue.push_back(ToSwarm::GenerateEvent(event));
            }
            Outcome::Outbound { id, result } => {
                let Some(Opening { peer, token, .. }) = self.opening.remove(&id) else {
                    return;
                };
                match result {
                    Ok(io) => {
                        let event = Event::Outbound {
                            peer,
                            connection,
                            token,
                            io,
                        };
                        self.queue.push_back(ToSwarm::GenerateEvent(event));
                    }
                    Err(reason) => self.fail(peer, token, reason),
                }
            }
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.queue.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// What a handler tells the behaviour.
#[derive(Debug)]
pub(crate) enum Outcome {
    Inbound(Stream),
    Outbound { id: u64, result: Result<Stream, String> },
}

type Upgrade = ReadyUpgrade<StreamProtocol>;

/// The end of one connection.
#[derive(Debug, Default)]
pub(crate) struct Handler {
    wanted: VecDeque<u64>,
    done: VecDeque<Outcome>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = u64;
    type ToBehaviour = Outcome;
    type InboundProtocol = Upgrade;
    type OutboundProtocol = Upgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = u64;

    fn listen_protocol(&self) -> SubstreamProtocol<Upgrade> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn on_behaviour_event(&mut self, id: u64) {
        self.wanted.push_back(id);
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Upgrade, u64, Outcome>> {
        if let Some(outcome) = self.done.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(outcome));
        }
        if let Some(id) = self.wanted.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), id),
            });
        }
        Poll::Pending
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Upgrade, Upgrade, (), u64>) {
        let outcome = match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: io, .. }) => {
                Outcome::Inbound(io)
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: io, info: id }) => {
                Outcome::Outbound { id, result: Ok(io) }
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, info: id }) => Outcome::Outbound {
                id,
                result: Err(reason(error)),
            },
            _ => return,
        };
        self.done.push_back(outcome);
    }
}

fn reason(error: StreamUpgradeError<Infallible>) -> String {
    match error {
        StreamUpgradeError::Timeout => "the peer did not answer in time".to_owned(),
        StreamUpgradeError::NegotiationFailed => "the peer does not speak the sync protocol".to_owned(),
        StreamUpgradeError::Io(cause) => cause.to_string(),
        StreamUpgradeError::Apply(never) => match never {},
    }
}

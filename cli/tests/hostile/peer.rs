//! A peer that handshakes as it should and then does what it likes: streams of any protocol, with any bytes.

use futures::StreamExt as _;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, SwarmBuilder, identity, noise, tcp, yamux};
use libp2p_stream::{Control, IncomingStreams};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::PATIENCE;
use crate::node::Node;

type Dial = (DialOpts, oneshot::Sender<Result<(), String>>);

/// One name on the network. Dropping it ends its connections.
pub(crate) struct BadPeer {
    pub(crate) key: identity::PublicKey,
    control: Control,
    dials: mpsc::Sender<Dial>,
    /// Connections that stand.
    standing: watch::Receiver<usize>,
    listening: mpsc::Receiver<Multiaddr>,
}

impl BadPeer {
    pub(crate) fn new() -> Self {
        Self::listening_on(None)
    }

    /// With a place where others find it.
    pub(crate) fn listening_on(address: Option<Multiaddr>) -> Self {
        let pair = identity::Keypair::generate_ed25519();
        let key = pair.public();
        let mut swarm = SwarmBuilder::with_existing_identity(pair)
            .with_tokio()
            .with_tcp(
                tcp::Config::new().nodelay(true),
                noise::Config::new,
                yamux::Config::default,
            )
            .unwrap()
            .with_quic()
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(std::time::Duration::from_secs(600)))
            .build();
        if let Some(address) = address {
            swarm.listen_on(address).unwrap();
        }
        let control = swarm.behaviour().new_control();
        let (dials, mut wanted) = mpsc::channel::<Dial>(16);
        let (now_standing, standing) = watch::channel(0);
        let (listens, listening) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut asked: Vec<(ConnectionId, oneshot::Sender<Result<(), String>>)> = Vec::new();
            loop {
                tokio::select! {
                    dial = wanted.recv() => {
                        let Some((options, answer)) = dial else { return };
                        let id = options.connection_id();
                        match swarm.dial(options) {
                            Ok(()) => asked.push((id, answer)),
                            Err(error) => { let _ = answer.send(Err(error.to_string())); }
                        }
                    }
                    event = swarm.select_next_some() => {
                        let (id, result) = match event {
                            SwarmEvent::ConnectionEstablished { connection_id, .. } => {
                                now_standing.send_modify(|standing| *standing += 1);
                                (connection_id, Ok(()))
                            }
                            SwarmEvent::ConnectionClosed { .. } => {
                                now_standing.send_modify(|standing| *standing -= 1);
                                continue;
                            }
                            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                                (connection_id, Err(error.to_string()))
                            }
                            SwarmEvent::NewListenAddr { address, .. } => {
                                let _ = listens.try_send(address);
                                continue;
                            }
                            _ => continue,
                        };
                        if let Some(at) = asked.iter().position(|(wanted, _)| *wanted == id) {
                            let _ = asked.swap_remove(at).1.send(result);
                        }
                    }
                }
            }
        });
        Self {
            key,
            control,
            dials,
            standing,
            listening,
        }
    }

    /// Waits until it listens.
    pub(crate) async fn listens(&mut self) {
        timeout(PATIENCE, self.listening.recv()).await.unwrap().unwrap();
    }

    /// One more connection to `node`, whatever there is already.
    pub(crate) async fn connect(&self, node: &Node, address: Multiaddr) -> Result<(), String> {
        self.dial(node.peer, address).await
    }

    pub(crate) async fn dial(&self, to: PeerId, address: Multiaddr) -> Result<(), String> {
        let options = DialOpts::peer_id(to)
            .addresses(vec![address])
            .condition(PeerCondition::Always)
            .build();
        let (answer, answered) = oneshot::channel();
        self.dials.send((options, answer)).await.unwrap();
        timeout(PATIENCE, answered).await.unwrap().unwrap()
    }

    /// Waits until no connection stands any more, however long that takes: whoever calls it ends it with the attack.
    pub(crate) async fn left_alone(&mut self) {
        // An error says that the peer itself is gone.
        let _ = self.standing.wait_for(|standing| *standing == 0).await;
    }

    pub(crate) fn is_connected(&self) -> bool {
        *self.standing.borrow() > 0
    }

    pub(crate) async fn open(&self, node: &Node, protocol: &'static str) -> Result<Stream, String> {
        self.open_to(node.peer, protocol).await
    }

    pub(crate) async fn open_to(&self, node: PeerId, protocol: &'static str) -> Result<Stream, String> {
        let opened = self
            .control
            .clone()
            .open_stream(node, StreamProtocol::new(protocol))
            .await;
        opened.map_err(|error| error.to_string())
    }

    pub(crate) fn accept(&self, protocol: &'static str) -> IncomingStreams {
        self.control.clone().accept(StreamProtocol::new(protocol)).unwrap()
    }
}

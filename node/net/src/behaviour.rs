//! The behaviours of the swarm, put together. A further protocol is a field here, its set-up in `Behaviour::new`, its
//! events in `event_loop`.

use std::{io, time::Duration};

use libp2p::{
    identify, identity, mdns, ping,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};
use tracing::warn;

use crate::{
    config::NetConfig,
    gossip::{self, Topics},
    knock, limits,
    start::NetError,
    streams,
};

/// Two misses close a connection; the handler reports the second one only.
const PING_EVERY: Duration = Duration::from_secs(5);
const MDNS_TTL: Duration = Duration::from_secs(120);
const MDNS_QUERY_EVERY: Duration = Duration::from_secs(20);

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    /// First: what it refuses, the others never see.
    pub(crate) limits: limits::Behaviour,
    memory: libp2p_memory_connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    mdns: Toggle<mdns::tokio::Behaviour>,
    pub(crate) gossip: gossip::Behaviour,
    pub(crate) knock: knock::Behaviour,
    pub(crate) streams: streams::Behaviour,
}

impl Behaviour {
    pub(crate) fn new(key: &identity::Keypair, config: &NetConfig, topics: &Topics) -> Result<Self, NetError> {
        let identify = identify::Config::new("/parlour/1".to_owned(), key.public())
            .with_agent_version(config.agent_version.clone())
            .with_push_listen_addr_updates(true);
        let ping = ping::Config::new().with_interval(PING_EVERY).with_timeout(PING_EVERY);
        Ok(Self {
            limits: limits::Behaviour::new(config.limits.clone()),
            memory: libp2p_memory_connection_limits::Behaviour::with_max_bytes(config.limits.memory_bytes),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping),
            mdns: lan_discovery(key, config.mdns).into(),
            gossip: gossip::behaviour(topics).map_err(NetError::Gossip)?,
            knock: knock::behaviour(),
            streams: streams::Behaviour::default(),
        })
    }
}

/// A node without a usable network interface still runs.
fn lan_discovery(key: &identity::Keypair, wanted: bool) -> Option<mdns::tokio::Behaviour> {
    let open = || -> io::Result<_> {
        let config = mdns::Config {
            ttl: MDNS_TTL,
            query_interval: MDNS_QUERY_EVERY,
            enable_ipv6: false,
        };
        mdns::tokio::Behaviour::new(config, key.public().to_peer_id())
    };
    if !wanted {
        return None;
    }
    open()
        .inspect_err(|cause| warn!(error = %cause, "discovery on the LAN is off"))
        .ok()
}

//! The behaviours of the swarm, put together. A further protocol is a field here, its set-up in `Behaviour::new`, its
//! events in `event_loop`.

use std::time::Duration;

use libp2p::{
    identify, identity, ping,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};

use crate::{
    config::NetConfig,
    gossip::{self, Topics},
    knock, lan, limits,
    refusals::Counter,
    start::NetError,
    streams,
};

/// Two misses close a connection; the handler reports the second one only.
const PING_EVERY: Duration = Duration::from_secs(5);

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    /// First: what it refuses, the others never see.
    pub(crate) limits: limits::Behaviour,
    memory: libp2p_memory_connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    lan: Toggle<lan::Behaviour>,
    pub(crate) gossip: gossip::Behaviour,
    pub(crate) knock: knock::Behaviour,
    pub(crate) streams: streams::Behaviour,
}

impl Behaviour {
    pub(crate) fn new(
        key: &identity::Keypair,
        config: &NetConfig,
        topics: &Topics,
        refusals: &Counter,
    ) -> Result<Self, NetError> {
        // Without a cache: what peers tell of themselves goes through the event loop, which keeps little of it.
        let identify = identify::Config::new("/parlour/1".to_owned(), key.public())
            .with_agent_version(config.agent_version.clone())
            .with_push_listen_addr_updates(true)
            .with_cache_size(0);
        let lan = config
            .mdns
            .then(|| lan::Behaviour::new(key.public().to_peer_id(), refusals.clone()));
        let ping = ping::Config::new().with_interval(PING_EVERY).with_timeout(PING_EVERY);
        Ok(Self {
            limits: limits::Behaviour::new(config.limits.clone(), refusals.clone()),
            memory: libp2p_memory_connection_limits::Behaviour::with_max_bytes(config.limits.memory_bytes),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping),
            lan: lan.into(),
            gossip: gossip::behaviour(topics, &config.limits, refusals.clone()).map_err(NetError::Gossip)?,
            knock: knock::behaviour(),
            streams: streams::Behaviour::default(),
        })
    }
}

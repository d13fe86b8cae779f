//! Starting: transports, swarm, listeners, the task.
//!
//! QUIC, and TCP with Noise and Yamux; names are resolved with the system's DNS settings.

use std::{io, time::Duration};

use libp2p::{Swarm, SwarmBuilder, dns, noise, tcp, yamux};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    behaviour::Behaviour, config::NetConfig, event::NetEvent, event_loop::EventLoop, gossip::Topics, handle::NetHandle,
    refusals::Counter,
};

/// Commands that wait: a turn of the engine makes at most a few hundred.
const COMMANDS: usize = 1024;
/// Events that wait for the engine; bounds what frames can take to 64 MiB when the engine stands still.
const EVENTS: usize = 256;
/// Gossip keeps only mesh peers alive; all others need this.
const IDLE: Duration = Duration::from_secs(300);
const QUIC_IDLE_MS: u32 = 30_000;
const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(5);
const QUIC_STREAMS: u32 = 1024;
/// What one QUIC stream and one connection may send before it is read. The defaults (10 and 15 MB) let 512 strangers
/// take 7 GB.
const QUIC_STREAM_BYTES: u32 = 4 << 20;
const QUIC_CONNECTION_BYTES: u32 = 8 << 20;
/// Streams of one TCP connection. Each may send 256 KiB before it is read, and an honest peer has less than twenty.
const YAMUX_STREAMS: usize = 64;
/// Inbound streams of one connection that have not said their protocol yet.
const NEGOTIATING: usize = 32;

/// How long the address of a name is kept, and that there is none.
const NAME_KEPT: Duration = Duration::from_secs(30);
const NO_NAME_KEPT: Duration = Duration::from_secs(5);

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// No runtime to run on.
    #[error("the network needs a tokio runtime")]
    NoRuntime,
    /// More than 255 topics, or one of them twice.
    #[error("the gossip topics are too many or repeat")]
    Topics,
    /// Gossip refused its settings.
    #[error("gossip could not be set up: {0}")]
    Gossip(String),
    /// The encryption of TCP connections could not be set up.
    #[error("the encrypted transport could not be set up")]
    Noise(#[from] noise::Error),
    /// The system refused what a transport needs.
    #[error("the transports could not be set up")]
    Transport(#[from] io::Error),
}

/// Spawns the swarm task on the current tokio runtime. It ends when `cancel` is cancelled, when the last handle is
/// dropped or when the receiver is; [`NetHandle::closed`] waits for that.
///
/// Listeners that cannot be opened are events, not errors.
/// # Errors
/// See [`NetError`].
pub fn start(config: NetConfig, cancel: CancellationToken) -> Result<(NetHandle, mpsc::Receiver<NetEvent>), NetError> {
    // QUIC compiles in two providers, so rustls takes none by itself. An error means that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| NetError::NoRuntime)?;
    let topics = Topics::new(&config.topics).ok_or(NetError::Topics)?;
    let refusals = Counter::default();
    let swarm = build(&config, &topics, &refusals)?;
    let (commands, command_queue) = mpsc::channel(COMMANDS);
    let (events, event_queue) = mpsc::channel(EVENTS);
    let handle = NetHandle::new(commands, *swarm.local_peer_id(), refusals.clone());
    let event_loop = EventLoop::new(swarm, topics, &config, command_queue, &events, cancel, refusals);
    runtime.spawn(event_loop.run(events, config.listen, config.external, config.bootstrap));
    Ok((handle, event_queue))
}

fn build(config: &NetConfig, topics: &Topics, refusals: &Counter) -> Result<Swarm<Behaviour>, NetError> {
    let key = config.keypair.clone().into_keypair();
    let behaviour = Behaviour::new(&key, config, topics, refusals)?;
    let transports = || {
        SwarmBuilder::with_existing_identity(key.clone())
            .with_tokio()
            .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux_config)
            .map(|builder| builder.with_quic_config(quic_config))
    };
    let swarm_config = |config: libp2p::swarm::Config| {
        config
            .with_idle_connection_timeout(IDLE)
            .with_max_negotiating_inbound_streams(NEGOTIATING)
            .with_smart_dial()
    };
    let (servers, names) = name_resolution();
    Ok(transports()?
        .with_dns_config(servers, names)
        .with_behaviour(|_| behaviour)
        .unwrap_or_else(|never| match never {})
        .with_swarm_config(swarm_config)
        .build())
}

/// The system's servers for names, asked again soon: whoever moves keeps the name, and some servers give it for a day.
fn name_resolution() -> (dns::ResolverConfig, dns::ResolverOpts) {
    // Without /etc/resolv.conf (bare containers) names do not resolve and everything else works.
    let (servers, mut options) = hickory_resolver::system_conf::read_system_conf().unwrap_or_else(|cause| {
        tracing::warn!(error = %cause, "the system's DNS settings cannot be read");
        Default::default()
    });
    options.positive_max_ttl = Some(NAME_KEPT);
    options.negative_max_ttl = Some(NO_NAME_KEPT);
    (servers, options)
}

fn yamux_config() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(YAMUX_STREAMS);
    config
}

fn quic_config(mut config: libp2p::quic::Config) -> libp2p::quic::Config {
    config.max_idle_timeout = QUIC_IDLE_MS;
    config.keep_alive_interval = QUIC_KEEP_ALIVE;
    config.max_concurrent_stream_limit = QUIC_STREAMS;
    config.max_stream_data = QUIC_STREAM_BYTES;
    config.max_connection_data = QUIC_CONNECTION_BYTES;
    config
}

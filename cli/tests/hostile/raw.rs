//! A connection below the swarm: an encrypted muxer on which streams are opened without saying a protocol.

use std::task::Poll;

use futures::future::poll_fn;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::Version;
use libp2p::core::{Endpoint, Transport as _};
use libp2p::{Multiaddr, identity, noise, tcp, yamux};
use tokio::sync::{mpsc, oneshot};

/// Streams that are tried on one connection: more than any node allows.
pub(crate) const MANY: usize = 600;

/// Opens streams on one connection, which is driven until this is dropped.
pub(crate) struct Raw {
    wanted: mpsc::Sender<oneshot::Sender<SubstreamBox>>,
}

impl Raw {
    pub(crate) async fn connect(address: Multiaddr) -> Self {
        let key = identity::Keypair::generate_ed25519();
        let mut transport = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
            .upgrade(Version::V1)
            .authenticate(noise::Config::new(&key).unwrap())
            .multiplex(yamux::Config::default())
            .boxed();
        let options = DialOpts {
            role: Endpoint::Dialer,
            port_use: PortUse::New,
        };
        let (_, muxer) = transport.dial(address, options).unwrap().await.unwrap();
        let (wanted, requests) = mpsc::channel(1);
        tokio::spawn(drive(muxer, requests));
        Self { wanted }
    }

    pub(crate) async fn open(&self) -> Option<SubstreamBox> {
        let (answer, answered) = oneshot::channel();
        self.wanted.send(answer).await.ok()?;
        answered.await.ok()
    }
}

async fn drive(mut muxer: StreamMuxerBox, mut requests: mpsc::Receiver<oneshot::Sender<SubstreamBox>>) {
    let (mut waiting, mut theirs) = (None, Vec::new());
    poll_fn(|cx| {
        loop {
            if waiting.is_none() {
                match requests.poll_recv(cx) {
                    Poll::Ready(Some(answer)) => waiting = Some(answer),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            if waiting.is_some()
                && let Poll::Ready(opened) = muxer.poll_outbound_unpin(cx)
            {
                let (Ok(stream), Some(answer)) = (opened, waiting.take()) else {
                    return Poll::Ready(());
                };
                let _ = answer.send(stream);
                continue;
            }
            // What the node opens is kept and never answered.
            match muxer.poll_inbound_unpin(cx) {
                Poll::Ready(Ok(stream)) => {
                    theirs.push(stream);
                    continue;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            if let Poll::Ready(Err(_)) = muxer.poll_unpin(cx) {
                return Poll::Ready(());
            }
            return Poll::Pending;
        }
    })
    .await;
}

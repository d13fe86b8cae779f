//! Where peers may be besides what the engine knows: what contacts told of themselves, and what was announced on the LAN.
//!
//! Both are claims of others, and a dial is a packet to whoever lives there. Therefore few are kept, none that lead to nobody
//! or into this machine from outside, and what strangers tell of themselves is not kept at all.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use tokio::time::Instant;

use crate::address::{MAX_ADDRESS_BYTES, Scope, ip_of, scope};

/// Addresses of one peer from each source.
const PER_PEER: usize = 8;
/// Peers of which announcements are kept; the oldest go.
const PEERS: usize = 512;
/// How often the engine hears that one peer was seen near by: it dials at once.
const TELL_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Announced {
    addresses: VecDeque<Multiaddr>,
    /// When the engine heard of it last.
    said: Option<Instant>,
}

/// Addresses of peers, bounded.
#[derive(Debug, Default)]
pub(crate) struct Whereabouts {
    /// Of contacts only.
    told: HashMap<PeerId, Vec<Multiaddr>>,
    announced: HashMap<PeerId, Announced>,
    /// Announced peers in the order they were first heard of.
    order: VecDeque<PeerId>,
}

impl Whereabouts {
    /// What a connected contact says of itself replaces what it said before. `from` is its address now: only who is on this
    /// machine may name addresses of this machine.
    pub(crate) fn told(&mut self, peer: PeerId, from: Option<&Multiaddr>, addresses: &[Multiaddr]) {
        let near = from.is_some_and(|from| scope(from) == Scope::Machine);
        let mut told: Vec<Multiaddr> = Vec::new();
        for address in addresses.iter().filter_map(|address| of_peer(address, &peer)) {
            if is_somewhere(&address) && (near || scope(&address) != Scope::Machine) && !told.contains(&address) {
                told.push(address);
            }
        }
        told.truncate(PER_PEER);
        self.told.insert(peer, told);
    }

    /// The peer is no contact any more.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.told.remove(peer);
    }

    /// An announcement on the LAN; `true` if the engine should hear of it. The newest are kept.
    pub(crate) fn announced(&mut self, peer: PeerId, addresses: &[Multiaddr], now: Instant) -> bool {
        let known = self.entry(peer);
        for address in addresses.iter().filter_map(|address| of_peer(address, &peer)) {
            if is_somewhere(&address) && scope(&address) != Scope::Machine && !known.addresses.contains(&address) {
                known.addresses.truncate(PER_PEER.saturating_sub(1));
                known.addresses.push_front(address);
            }
        }
        let due = known.said.is_none_or(|said| now.duration_since(said) >= TELL_EVERY);
        if due {
            known.said = Some(now);
        }
        due && !known.addresses.is_empty()
    }

    /// All addresses of a peer, those from the LAN first.
    pub(crate) fn of(&self, peer: &PeerId) -> impl Iterator<Item = &Multiaddr> {
        let announced = self.announced.get(peer).into_iter();
        let announced = announced.flat_map(|announced| &announced.addresses);
        announced.chain(self.told.get(peer).into_iter().flatten())
    }

    fn entry(&mut self, peer: PeerId) -> &mut Announced {
        if !self.announced.contains_key(&peer) {
            if self.order.len() >= PEERS
                && let Some(oldest) = self.order.pop_front()
            {
                self.announced.remove(&oldest);
            }
            self.order.push_back(peer);
        }
        self.announced.entry(peer).or_default()
    }
}

/// The address without the name at its end, if that is the peer's.
fn of_peer(address: &Multiaddr, peer: &PeerId) -> Option<Multiaddr> {
    if address.len() > MAX_ADDRESS_BYTES {
        return None;
    }
    let mut address = address.clone();
    if let Some(Protocol::P2p(named)) = address.iter().last() {
        if named != *peer {
            return None;
        }
        address.pop();
    }
    Some(address)
}

/// Whether somebody can be there: one host and one port. Names are for addresses that a contact signs.
fn is_somewhere(address: &Multiaddr) -> bool {
    let host = match ip_of(address) {
        Some(IpAddr::V4(ip)) => {
            !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.octets().first() == Some(&0))
        }
        Some(IpAddr::V6(ip)) => !(ip.is_unspecified() || ip.is_multicast()),
        None => false,
    };
    let starts = matches!(address.iter().next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_)));
    let port = address.iter().nth(1);
    host && starts && matches!(port, Some(Protocol::Tcp(1..) | Protocol::Udp(1..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn of(all: &Whereabouts, peer: &PeerId) -> Vec<String> {
        all.of(peer).map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_that_lead_to_nobody_or_to_others_are_dropped() {
        let (mut all, peer) = (Whereabouts::default(), PeerId::random());
        let other = addr("/ip4/192.0.2.7/tcp/1").with(Protocol::P2p(PeerId::random()));
        let own = addr("/ip4/192.0.2.8/tcp/1").with(Protocol::P2p(peer));
        let mut claims: Vec<Multiaddr> = [
            "/ip4/0.0.0.0/tcp/1",
            "/ip4/0.1.2.3/tcp/1",
            "/ip4/255.255.255.255/udp/1/quic-v1",
            "/ip4/224.0.0.251/udp/5353/quic-v1",
            "/ip6/::/tcp/1",
            "/ip6/ff02::fb/udp/5353/quic-v1",
            "/ip4/192.0.2.1/tcp/0",
            "/dns4/victim.example/tcp/80",
            "/ip4/127.0.0.1/tcp/22",
            "/ip6/::1/tcp/22",
            "/memory/7",
        ]
        .map(addr)
        .to_vec();
        claims.extend([other, own]);
        let far = addr("/ip4/198.51.100.1/tcp/4100");
        all.told(peer, Some(&far), &claims);
        assert_eq!(of(&all, &peer), ["/ip4/192.0.2.8/tcp/1"]);
        let near = addr("/ip4/127.0.0.1/tcp/4100");
        all.told(peer, Some(&near), &claims);
        assert_eq!(
            of(&all, &peer),
            ["/ip4/127.0.0.1/tcp/22", "/ip6/::1/tcp/22", "/ip4/192.0.2.8/tcp/1"]
        );
        assert!(!all.announced(peer, &[addr("/ip4/127.0.0.1/tcp/22")], Instant::now()));
    }

    #[test]
    fn few_are_kept_and_few_are_told() {
        let (mut all, peer, start) = (Whereabouts::default(), PeerId::random(), Instant::now());
        let lan = |n: u16| addr(&format!("/ip4/192.168.1.2/tcp/{}", n + 1));
        let told = (0..1_000).filter(|n| all.announced(peer, &[lan(*n)], start));
        assert_eq!(told.count(), 1);
        assert_eq!(all.of(&peer).count(), PER_PEER);
        assert_eq!(of(&all, &peer)[0], "/ip4/192.168.1.2/tcp/1000");
        assert!(all.announced(peer, &[lan(7)], start + TELL_EVERY));
        let claims: Vec<Multiaddr> = (0..1_000).map(lan).collect();
        all.told(peer, None, &claims);
        assert_eq!(all.of(&peer).count(), 2 * PER_PEER);
        for _ in 0..10_000 {
            all.announced(PeerId::random(), &[lan(1)], start);
        }
        assert_eq!((all.announced.len(), all.order.len()), (PEERS, PEERS));
        assert_eq!(all.of(&peer).count(), PER_PEER, "what a contact told stays");
        all.forget(&peer);
        assert_eq!(all.of(&peer).count(), 0);
    }
}

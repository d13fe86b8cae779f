//! Peer ids and addresses as bytes and text, listen addresses as people write them, and how far an address reaches.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

/// Longest address in bytes that is read or written; the longest honest one (relayed, with a name) is under 200.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// How far an address reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// This machine only.
    Machine,
    /// The local network: private, link-local and carrier-shared addresses, `.local` names.
    Lan,
    /// Anywhere: public addresses, other names, relayed addresses.
    Internet,
}

/// Why bytes or text are no peer id or address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Over [`MAX_ADDRESS_BYTES`].
    #[error("address of {got} bytes is over the limit of {max}")]
    TooLong {
        /// Its length.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// Not an address.
    #[error("not a network address")]
    BadAddress,
    /// Not a peer id.
    #[error("not a peer id")]
    BadPeer,
}

/// Why a listen address was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot listen on {text:?}: expected IP:PORT such as 0.0.0.0:4100 or [::]:4100, or a multiaddr such as /ip4/0.0.0.0/udp/4100/quic-v1"
)]
pub struct ListenError {
    /// What was given.
    pub text: String,
}

/// A peer id as bytes (38 for Ed25519).
pub fn peer_to_bytes(peer: &PeerId) -> Vec<u8> {
    peer.to_bytes()
}

/// Reads what [`peer_to_bytes`] wrote.
/// # Errors
/// `BadPeer`.
pub fn peer_from_bytes(bytes: &[u8]) -> Result<PeerId, AddressError> {
    PeerId::from_bytes(bytes).map_err(|_| AddressError::BadPeer)
}

/// A peer id as base58 text.
pub fn peer_to_text(peer: &PeerId) -> String {
    peer.to_base58()
}

/// Reads what [`peer_to_text`] wrote.
/// # Errors
/// `BadPeer`.
pub fn peer_from_text(text: &str) -> Result<PeerId, AddressError> {
    text.parse().map_err(|_| AddressError::BadPeer)
}

/// An address as bytes.
pub fn address_to_bytes(address: &Multiaddr) -> Vec<u8> {
    address.to_vec()
}

/// Reads what [`address_to_bytes`] wrote.
/// # Errors
/// `TooLong`, `BadAddress` (also for an empty one).
pub fn address_from_bytes(bytes: &[u8]) -> Result<Multiaddr, AddressError> {
    if bytes.len() > MAX_ADDRESS_BYTES {
        return Err(AddressError::TooLong {
            got: bytes.len(),
            max: MAX_ADDRESS_BYTES,
        });
    }
    match Multiaddr::try_from(bytes.to_vec()) {
        Ok(address) if !address.is_empty() => Ok(address),
        _ => Err(AddressError::BadAddress),
    }
}

/// Reads a listen address: `IP:PORT` means QUIC and TCP on that port (0: any free one, not the same for both), a
/// multiaddr means itself.
/// # Errors
/// Names what is expected.
pub fn parse_listen(text: &str) -> Result<Vec<Multiaddr>, ListenError> {
    let bad = || ListenError { text: text.to_owned() };
    if text.starts_with('/') {
        let address: Multiaddr = text.parse().map_err(|_| bad())?;
        return Ok(vec![address]);
    }
    let socket: SocketAddr = text.parse().map_err(|_| bad())?;
    let ip = Multiaddr::from(socket.ip());
    Ok(vec![
        ip.clone().with(Protocol::Udp(socket.port())).with(Protocol::QuicV1),
        ip.with(Protocol::Tcp(socket.port())),
    ])
}

/// Why the address of somebody else was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} leads nowhere: expected HOST:PORT such as bo.example:4100 or 192.0.2.7:4100, or a multiaddr such as /dns/bo.example/udp/4100/quic-v1"
)]
pub struct PlaceError {
    /// What was given.
    pub text: String,
}

/// Reads where a node is reached from elsewhere: `HOST:PORT` means QUIC and TCP on that port of an IP address or a name, a
/// multiaddr (which may name the peer at its end) means itself.
/// # Errors
/// Names what is expected.
pub fn parse_place(text: &str) -> Result<Vec<Multiaddr>, PlaceError> {
    let bad = || PlaceError { text: text.to_owned() };
    if text.starts_with('/') {
        let address: Multiaddr = text.parse().map_err(|_| bad())?;
        let fits =
            address.len() <= MAX_ADDRESS_BYTES && address.iter().any(|part| port_of(&part).is_some_and(|p| p != 0));
        return if fits { Ok(vec![address]) } else { Err(bad()) };
    }
    let (host, port) = match text.parse::<SocketAddr>() {
        Ok(socket) if !socket.ip().is_unspecified() => (Protocol::from(socket.ip()), socket.port()),
        Ok(_) => return Err(bad()),
        Err(_) => {
            let (name, port) = text.rsplit_once(':').ok_or_else(bad)?;
            if !is_host_name(name) {
                return Err(bad());
            }
            (Protocol::Dns(name.into()), port.parse().map_err(|_| bad())?)
        }
    };
    if port == 0 {
        return Err(bad());
    }
    let host = Multiaddr::empty().with(host);
    Ok(vec![
        host.clone().with(Protocol::Udp(port)).with(Protocol::QuicV1),
        host.with(Protocol::Tcp(port)),
    ])
}

fn port_of(part: &Protocol<'_>) -> Option<u16> {
    match part {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(*port),
        _ => None,
    }
}

/// Letters, digits, `-` and `_` between dots, not all of them digits: those would be a malformed IP address.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !label.is_empty() && label.len() <= 63 && label.chars().all(known)
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(label) && last.chars().any(|c| !c.is_ascii_digit())
}

/// The same address with another port; 0 = any that is free.
pub fn with_port(address: &Multiaddr, port: u16) -> Multiaddr {
    address
        .iter()
        .map(|part| match part {
            Protocol::Tcp(_) => Protocol::Tcp(port),
            Protocol::Udp(_) => Protocol::Udp(port),
            other => other,
        })
        .collect()
}

/// How far `address` reaches.
pub fn scope(address: &Multiaddr) -> Scope {
    if address.iter().any(|part| part == Protocol::P2pCircuit) {
        return Scope::Internet;
    }
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip4_scope(ip),
        Some(Protocol::Ip6(ip)) => ip6_scope(ip),
        Some(Protocol::Ip6zone(_)) => Scope::Lan,
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) | Protocol::Dnsaddr(name)) => {
            name_scope(&name)
        }
        Some(Protocol::Memory(_) | Protocol::Unix(_)) => Scope::Machine,
        _ => Scope::Internet,
    }
}

/// The address of the other end, when it is an IP address.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_canonical()),
        _ => None,
    })
}

fn ip4_scope(ip: Ipv4Addr) -> Scope {
    let [a, b, ..] = ip.octets();
    if ip.is_loopback() {
        Scope::Machine
    } else if ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b)) {
        Scope::Lan
    } else {
        Scope::Internet
    }
}

fn ip6_scope(ip: Ipv6Addr) -> Scope {
    if let Some(mapped) = ip.to_ipv4_mapped() {
        ip4_scope(mapped)
    } else if ip.is_loopback() {
        Scope::Machine
    } else if ip.is_unique_local() || ip.is_unicast_link_local() {
        Scope::Lan
    } else {
        Scope::Internet
    }
}

fn name_scope(name: &str) -> Scope {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        Scope::Machine
    } else if name.ends_with(".local") || !name.contains('.') {
        Scope::Lan
    } else {
        Scope::Internet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_port_is_another() {
        let address: Multiaddr = "/ip4/127.0.0.1/udp/4001/quic-v1".parse().unwrap();
        assert_eq!(with_port(&address, 7).to_string(), "/ip4/127.0.0.1/udp/7/quic-v1");
        let address: Multiaddr = "/ip6/::1/tcp/4001".parse().unwrap();
        assert_eq!(with_port(&address, 0).to_string(), "/ip6/::1/tcp/0");
    }

    #[test]
    fn ip_and_port_mean_quic_and_tcp() {
        let got = parse_listen("0.0.0.0:4100").unwrap();
        assert_eq!(
            got,
            [addr("/ip4/0.0.0.0/udp/4100/quic-v1"), addr("/ip4/0.0.0.0/tcp/4100")]
        );
        let got = parse_listen("[::1]:0").unwrap();
        assert_eq!(got, [addr("/ip6/::1/udp/0/quic-v1"), addr("/ip6/::1/tcp/0")]);
        assert_eq!(
            parse_listen("/ip4/1.2.3.4/tcp/9").unwrap(),
            [addr("/ip4/1.2.3.4/tcp/9")]
        );
    }

    #[test]
    fn bad_listen_address_says_what_is_expected() {
        for text in ["", "4100", "localhost:4100", "1.2.3.4", "1.2.3.4:70000", "/ip4/x"] {
            let error = parse_listen(text).unwrap_err().to_string();
            assert!(error.contains("expected IP:PORT"), "{error}");
        }
    }

    #[test]
    fn a_place_is_a_host_with_a_port_or_a_multiaddr() {
        let got = parse_place("bo:4100").unwrap();
        assert_eq!(got, [addr("/dns/bo/udp/4100/quic-v1"), addr("/dns/bo/tcp/4100")]);
        let got = parse_place("[2001:db8::1]:9").unwrap();
        assert_eq!(
            got,
            [addr("/ip6/2001:db8::1/udp/9/quic-v1"), addr("/ip6/2001:db8::1/tcp/9")]
        );
        assert_eq!(
            parse_place("/dns4/bo.example/tcp/9").unwrap(),
            [addr("/dns4/bo.example/tcp/9")]
        );
    }

    #[test]
    fn what_leads_nowhere_says_what_is_expected() {
        let long = format!("{}:1", "a.".repeat(200));
        for text in [
            "",
            "bo",
            ":1",
            "bo:",
            "bo:0",
            "bo:65536",
            "0.0.0.0:1",
            "[::]:1",
            "1.2.3:1",
            "b o:1",
            "bo/x:1",
            "/dns4/bo",
            "/dns4/bo/tcp/0",
            "http://bo:1",
            &long,
        ] {
            let error = parse_place(text).unwrap_err().to_string();
            assert!(error.contains("expected HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn scope_tells_machine_lan_and_internet_apart() {
        for (text, expected) in [
            ("/ip4/127.0.0.1/tcp/1", Scope::Machine),
            ("/ip6/::1/udp/1/quic-v1", Scope::Machine),
            ("/dns4/localhost/tcp/1", Scope::Machine),
            ("/ip4/192.168.1.2/tcp/1", Scope::Lan),
            ("/ip4/172.17.0.2/tcp/1", Scope::Lan),
            ("/ip4/100.64.0.1/tcp/1", Scope::Lan),
            ("/ip4/169.254.0.1/tcp/1", Scope::Lan),
            ("/ip6/fd00::1/tcp/1", Scope::Lan),
            ("/ip6/fe80::1/tcp/1", Scope::Lan),
            ("/ip6/::ffff:10.0.0.1/tcp/1", Scope::Lan),
            ("/dns4/bob/tcp/1", Scope::Lan),
            ("/dns4/printer.local/tcp/1", Scope::Lan),
            ("/ip4/100.128.0.1/tcp/1", Scope::Internet),
            ("/ip4/8.8.8.8/tcp/1", Scope::Internet),
            ("/ip6/2001:db8::1/tcp/1", Scope::Internet),
            ("/dns4/example.org/tcp/1", Scope::Internet),
        ] {
            assert_eq!(scope(&addr(text)), expected, "{text}");
        }
    }

    #[test]
    fn peers_and_addresses_survive_bytes_and_text() {
        let peer = crate::NodeKey::from_bytes(&mut [7; 32]).peer();
        assert_eq!(peer_from_bytes(&peer_to_bytes(&peer)), Ok(peer));
        assert_eq!(peer_from_text(&peer_to_text(&peer)), Ok(peer));
        let address = addr("/ip4/1.2.3.4/udp/5/quic-v1");
        assert_eq!(address_from_bytes(&address_to_bytes(&address)), Ok(address));
    }

    #[test]
    fn bad_bytes_are_refused() {
        assert_eq!(peer_from_bytes(&[]), Err(AddressError::BadPeer));
        assert_eq!(peer_from_text("zzz0"), Err(AddressError::BadPeer));
        assert_eq!(address_from_bytes(&[]), Err(AddressError::BadAddress));
        assert_eq!(address_from_bytes(&[4, 1]), Err(AddressError::BadAddress));
        assert!(matches!(
            address_from_bytes(&[0; 257]),
            Err(AddressError::TooLong { got: 257, max: 256 })
        ));
    }
}

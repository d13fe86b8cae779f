//! Who is let in, and who keeps a place when all are taken.

use super::*;

fn behaviour(limits: NetLimits) -> Behaviour {
    Behaviour::new(limits, Counter::default())
}

fn now() -> Instant {
    Instant::now()
}

fn id(n: usize) -> ConnectionId {
    ConnectionId::new_unchecked(n)
}

#[test]
fn one_address_cannot_take_every_pending_place() {
    let mut limits = behaviour(NetLimits::default());
    let flood: Multiaddr = "/ip4/203.0.113.5/tcp/1".parse().unwrap();
    let other: Multiaddr = "/ip4/203.0.113.6/tcp/1".parse().unwrap();
    for n in 0..PENDING_PER_IP {
        assert_eq!(limits.admit_pending_inbound(id(n), &flood), Ok(()));
    }
    assert_eq!(
        limits.admit_pending_inbound(id(100), &flood),
        Err(Refused::Pending { max: PENDING_PER_IP })
    );
    assert_eq!(limits.admit_pending_inbound(id(101), &other), Ok(()));
}

#[test]
fn who_comes_again_ends_what_stood_and_two_dials_at_once_do_not() {
    let mut limits = behaviour(NetLimits::default());
    let (peer, start) = (PeerId::random(), now());
    limits.protect(peer);
    limits.opened(id(1), peer, false, start);
    assert_eq!(limits.admit(&peer, true, start + Duration::from_secs(1)), Ok(()));
    limits.opened(id(2), peer, true, start + Duration::from_secs(1));
    let later = start + Duration::from_secs(7);
    assert_eq!(limits.admit(&peer, true, later), Err(Refused::Again));
    let mut closed: Vec<_> = limits.stale.drain(..).collect();
    closed.sort_unstable();
    assert_eq!(closed, [(peer, id(1)), (peer, id(2))]);
    limits.closed(id(1), peer);
    limits.closed(id(2), peer);
    assert_eq!(limits.admit(&peer, true, later), Ok(()));
    assert!(limits.stale.is_empty());
}

#[test]
fn one_ipv6_network_is_one_host() {
    let mut limits = behaviour(NetLimits::default());
    let from = |n: usize| format!("/ip6/2001:db8:1:2::{n:x}/tcp/1").parse().unwrap();
    for n in 0..PENDING_PER_IP {
        assert_eq!(limits.admit_pending_inbound(id(n), &from(n)), Ok(()));
    }
    assert_eq!(
        limits.admit_pending_inbound(id(100), &from(100)),
        Err(Refused::Pending { max: PENDING_PER_IP })
    );
}

#[test]
fn where_a_contact_came_from_keeps_some_places_when_all_are_taken() {
    let mut limits = behaviour(NetLimits::default());
    let contact = PeerId::random();
    let (home, flood): (Multiaddr, Multiaddr) = (
        "/ip4/127.0.0.1/tcp/1".parse().unwrap(),
        "/ip4/127.0.0.2/tcp/1".parse().unwrap(),
    );
    limits.protect(contact);
    limits
        .handle_established_inbound_connection(id(1_000), contact, &home, &home)
        .unwrap();
    for n in 0..64 {
        assert_eq!(limits.admit_pending_inbound(id(n), &flood), Ok(()));
    }
    assert_eq!(
        limits.admit_pending_inbound(id(64), &flood),
        Err(Refused::Pending { max: 64 })
    );
    for n in 100..100 + PENDING_PER_IP {
        assert_eq!(limits.admit_pending_inbound(id(n), &home), Ok(()));
    }
    assert_eq!(
        limits.admit_pending_inbound(id(200), &home),
        Err(Refused::Pending { max: PENDING_PER_IP })
    );
    limits.unprotect(&contact);
    assert!(limits.homes.is_empty());
}

#[test]
fn strangers_who_come_by_the_hundred_are_refused_and_contacts_are_not() {
    let mut limits = behaviour(NetLimits::default());
    let start = now();
    let admitted = (0..500).filter(|_| limits.admit(&PeerId::random(), true, start).is_ok());
    assert_eq!(admitted.count(), 100);
    let contact = PeerId::random();
    limits.protect(contact);
    assert_eq!(limits.admit(&contact, true, start), Ok(()));
    let later = start + Duration::from_secs(1);
    let admitted = (0..500).filter(|_| limits.admit(&PeerId::random(), true, later).is_ok());
    assert_eq!(admitted.count(), 10);
}

#[test]
fn protected_peer_bypasses_limits_but_not_a_block() {
    let mut limits = behaviour(NetLimits {
        total: 1,
        ..NetLimits::default()
    });
    let (stranger, contact) = (PeerId::random(), PeerId::random());
    limits.opened(id(1), stranger, true, now());
    assert_eq!(limits.admit(&contact, true, now()), Err(Refused::Total { max: 1 }));
    limits.protect(contact);
    assert_eq!(limits.admit(&contact, true, now()), Ok(()));
    limits.block(contact);
    assert_eq!(limits.admit(&contact, true, now()), Err(Refused::Blocked));
    assert_eq!(
        limits.admit_pending_outbound(id(2), Some(contact)),
        Err(Refused::Blocked)
    );
}

#[test]
fn per_peer_limit_holds_and_nothing_is_left_behind() {
    let mut limits = behaviour(NetLimits::default());
    let peer = PeerId::random();
    for n in 0..4 {
        assert_eq!(limits.admit(&peer, true, now()), Ok(()));
        limits.opened(id(n), peer, true, now());
    }
    assert_eq!(limits.admit(&peer, true, now()), Err(Refused::PerPeer { max: 4 }));
    for n in 0..4 {
        limits.closed(id(n), peer);
        limits.closed(id(n), peer);
    }
    assert!(limits.established.is_empty() && limits.per_peer.is_empty());
    assert_eq!(limits.inbound, 0);
}

//! What is true only while the node runs: who is connected, how clocks differ, counts since the start. Readers of the API see
//! it beside what is stored.

use parlour_crypto::DeviceId;
use parlour_net::{Multiaddr, PeerId};

use super::Engine;

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events of others that were stored.
    pub events_received: u64,
    /// Own events acknowledged, counted per device.
    pub events_delivered: u64,
    /// Events that could not be read.
    pub malformed_events: u64,
    /// Events whose signature or conversation was wrong.
    pub forged_events: u64,
    /// Events of devices nobody introduced.
    pub unknown_authors: u64,
    /// Envelopes with a known tag that did not open.
    pub unopened_envelopes: u64,
    /// Votes and closings of polls that cannot count.
    pub void_votes: u64,
    /// Operations of others in rooms that do not count: without the right, out of their sequence, or against the word of somebody above.
    pub void_operations: u64,
    /// What others said in rooms without the right to it; it was not taken. What is offered again counts again.
    pub unruled_events: u64,
}

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePeer {
    /// Its id.
    pub peer: PeerId,
    /// Where it is.
    pub address: Multiaddr,
}

/// A peer that cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// Its id.
    pub peer: PeerId,
    /// Why the last dial failed.
    pub reason: String,
    /// Since when dials fail, ms.
    pub since: u64,
}

/// A node that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// As the configuration names it.
    pub place: String,
    /// Who answered there last.
    pub peer: Option<PeerId>,
    /// Why dials fail, and since when, ms; nothing once one did not.
    pub failure: Option<(String, u64)>,
}

impl Bootstrap {
    pub(crate) fn new(place: String) -> Self {
        Self {
            place,
            peer: None,
            failure: None,
        }
    }

    /// What became of a dial.
    pub(crate) fn note(&mut self, result: Result<PeerId, String>, now: u64) {
        match result {
            Ok(peer) => (self.peer, self.failure) = (Some(peer), None),
            Err(reason) => {
                let since = self.failure.as_ref().map_or(now, |(_, since)| *since);
                self.failure = Some((reason, since));
            }
        }
    }
}

/// A snapshot of the volatile state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Profile name.
    pub name: String,
    /// Our addresses.
    pub listening: Vec<Multiaddr>,
    /// Those that the configuration tells others.
    pub announced: Vec<Multiaddr>,
    /// The nodes that the configuration names.
    pub bootstraps: Vec<Bootstrap>,
    /// Connected peers.
    pub peers: Vec<LivePeer>,
    /// Devices with a ready stream: device, since (ms), how far their clock is ahead of ours (ms).
    pub linked: Vec<(DeviceId, u64, i64)>,
    /// Peers we want and cannot reach.
    pub unreachable: Vec<Unreachable>,
    /// Devices of others with which there is no session.
    pub sessionless: Vec<DeviceId>,
    /// How often the sessions with a device had a post-quantum refresh.
    pub refreshes: Vec<(DeviceId, u32)>,
    /// Counts since the start.
    pub counters: Counters,
}

impl Engine {
    /// The snapshot, if it may differ from the last one taken.
    pub(crate) fn take_live(&mut self) -> Option<Live> {
        let refreshed = self.sessions.take_refreshed();
        if !std::mem::take(&mut self.live_changed) && !refreshed {
            return None;
        }
        let linked = self
            .link_of
            .iter()
            .filter_map(|(device, stream)| {
                let super::link::Phase::Ready(link) = &self.streams.get(stream)?.phase else {
                    return None;
                };
                let skew = self.skews.get(device).copied().unwrap_or(0);
                Some((self.known.get(device)?.id, link.since, skew)).filter(|_| link.greeted)
            })
            .collect();
        let peers = self
            .dialer
            .connected()
            .iter()
            .map(|(peer, address)| LivePeer {
                peer: *peer,
                address: address.clone(),
            })
            .collect();
        let unreachable = self
            .dialer
            .failures()
            .filter(|(peer, _, _)| !self.dialer.is_connected(peer))
            .map(|(peer, reason, since)| Unreachable {
                peer: *peer,
                reason: reason.to_owned(),
                since,
            })
            .collect();
        let with_session = self.sessions.devices();
        let sessionless = self
            .known
            .iter()
            .filter(|(no, _)| **no != self.own.device && !with_session.contains(no))
            .map(|(_, known)| known.id)
            .collect();
        let refreshes = with_session
            .iter()
            .filter_map(|no| Some((self.known.get(no)?.id, self.sessions.refreshes(*no))))
            .collect();
        Some(Live {
            name: self.account.name.clone(),
            listening: self.listening.clone(),
            announced: self.announced.clone(),
            bootstraps: self.bootstraps.clone(),
            peers,
            linked,
            unreachable,
            sessionless,
            refreshes,
            counters: self.counters,
        })
    }
}

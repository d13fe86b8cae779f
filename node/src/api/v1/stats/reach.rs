//! How the node is reached, and whom it was told to stay connected to.

use serde::Serialize;

use crate::api::tls::LanDoor;
use crate::api::v1::dto::Time;
use crate::engine::{Bootstrap, Live};

/// Where other machines of the network find the API.
#[derive(Serialize)]
pub(super) struct LanStats {
    urls: Vec<String>,
    fingerprint: String,
    expires_at: Time,
    own_certificate: bool,
}

impl LanStats {
    pub(super) fn of(lan: &LanDoor) -> Self {
        let facts = lan.tls.facts();
        Self {
            urls: lan.urls(),
            fingerprint: facts.fingerprint,
            expires_at: Time(facts.ends),
            own_certificate: facts.own,
        }
    }
}

/// A node that the configuration names.
#[derive(Serialize)]
pub(super) struct BootstrapStats {
    address: String,
    /// Who answered there last.
    peer_id: Option<String>,
    connected: bool,
    /// Why dials fail, and since when.
    reason: Option<String>,
    since: Option<Time>,
}

impl BootstrapStats {
    pub(super) fn of(bootstrap: &Bootstrap, live: &Live) -> Self {
        let is_connected = |peer| live.peers.iter().any(|connected| connected.peer == peer);
        let connected = bootstrap.peer.is_some_and(is_connected);
        let failure = bootstrap.failure.as_ref().filter(|_| !connected);
        Self {
            address: bootstrap.place.clone(),
            peer_id: bootstrap.peer.as_ref().map(parlour_net::peer_to_text),
            connected,
            reason: failure.map(|(reason, _)| reason.clone()),
            since: failure.map(|(_, since)| Time(*since)),
        }
    }
}

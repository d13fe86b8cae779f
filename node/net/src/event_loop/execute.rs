//! Carrying out commands.

use bytes::Bytes;
use libp2p::{
    Multiaddr, PeerId,
    swarm::{
        DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};

use super::{EventLoop, translate};
use crate::{
    command::NetCommand,
    event::{NetEvent, PublishResult, RequestFailed},
    gossip::{self, MAX_GOSSIP_BYTES},
    knock::MAX_KNOCK_BYTES,
};

/// Addresses tried in one dial.
const DIAL_ADDRESSES: usize = 16;

impl EventLoop {
    pub(super) fn execute(&mut self, command: NetCommand) {
        match command {
            NetCommand::Publish { topic, data, token } => self.publish(topic, data, token),
            NetCommand::Dial { peer, addresses } => self.dial(peer, addresses),
            NetCommand::Disconnect { peer } => self.disconnect(peer),
            NetCommand::Protect { peer } => self.protect(peer, true),
            NetCommand::Unprotect { peer } => self.protect(peer, false),
            NetCommand::Block { peer } => {
                self.swarm.behaviour_mut().limits.block(peer);
                self.disconnect(peer);
            }
            NetCommand::Unblock { peer } => self.swarm.behaviour_mut().limits.unblock(&peer),
            NetCommand::Request {
                peer,
                addresses,
                token,
                data,
            } => self.request(peer, addresses, token, data),
            NetCommand::Respond { request, data } => self.respond(request, data),
            NetCommand::OpenStream { peer, token } => {
                self.swarm.behaviour_mut().streams.open(peer, token);
            }
            NetCommand::SendFrame { stream, data } => self.streams.send(stream, data),
            NetCommand::CloseStream { stream } => self.streams.close(stream),
        }
    }

    fn publish(&mut self, topic: u8, data: Bytes, token: u64) {
        let result = match self.topics.hash(topic) {
            None => PublishResult::UnknownTopic,
            Some(_) if data.len() > MAX_GOSSIP_BYTES => PublishResult::TooLarge,
            Some(hash) => match self.swarm.behaviour_mut().gossip.inner().publish(hash, data) {
                Ok(_) => PublishResult::Sent {
                    peers: self.topics.subscribers(topic),
                },
                Err(error) => error.into(),
            },
        };
        self.tell(NetEvent::Published { token, result });
    }

    /// What the engine knows, what was told, as many as one dial tries.
    fn where_to(&self, peer: &PeerId, mut addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
        addresses.truncate(DIAL_ADDRESSES);
        for known in self.whereabouts.of(peer) {
            if addresses.len() < DIAL_ADDRESSES && !addresses.contains(known) {
                addresses.push(known.clone());
            }
        }
        addresses
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let options = DialOpts::peer_id(peer)
            .addresses(self.where_to(&peer, addresses))
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .build();
        match self.swarm.dial(options) {
            // The swarm reports failures that it finds later by an event of its own.
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => {
                let reason = translate::dial_error(&error);
                self.tell(NetEvent::DialFailed { peer, reason });
            }
        }
    }

    pub(super) fn disconnect(&mut self, peer: PeerId) {
        // An error means that there is no connection.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    fn protect(&mut self, peer: PeerId, protected: bool) {
        if !protected {
            self.whereabouts.forget(&peer);
        }
        let behaviour = self.swarm.behaviour_mut();
        if protected {
            behaviour.limits.protect(peer);
        } else {
            behaviour.limits.unprotect(&peer);
        }
        gossip::set_protected(&mut behaviour.gossip, &peer, protected);
    }

    fn request(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, token: u64, data: Bytes) {
        let failed = if data.len() > MAX_KNOCK_BYTES || !self.knocks.may_ask() {
            Some(RequestFailed::Refused)
        } else if addresses.is_empty() && !self.swarm.is_connected(&peer) {
            Some(RequestFailed::NotConnected)
        } else {
            None
        };
        if let Some(failed) = failed {
            let result = Err(failed);
            self.tell(NetEvent::Response { token, result });
            return;
        }
        let addresses = self.where_to(&peer, addresses);
        let knock = &mut self.swarm.behaviour_mut().knock;
        let id = knock.send_request_with_addresses(&peer, data, addresses);
        self.knocks.asked(id, token);
    }

    fn respond(&mut self, request: u64, data: Bytes) {
        if data.len() > MAX_KNOCK_BYTES {
            return;
        }
        if let Some(channel) = self.knocks.answer(request) {
            // An error means that the peer has gone.
            let _ = self.swarm.behaviour_mut().knock.send_response(channel, data);
        }
    }
}

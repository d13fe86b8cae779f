//! Which part answers what comes in: a command, something from the network, a timer.

use parlour_net::NetEvent;
use parlour_store::StoreError;

use super::effects::Turn;
use super::input::Command;
use super::timers::Timer;
use super::{Engine, TIMERS_MAX};

impl Engine {
    pub(super) fn on_command(&mut self, turn: &mut Turn<'_, '_>, command: Command) -> Result<(), StoreError> {
        match command {
            Command::Send(send, reply) => {
                let answer = self.send_text(turn, &send)?;
                turn.effects.reply(reply, answer);
            }
            Command::Change(change, reply) => {
                let answer = self.change_message(turn, &change)?;
                turn.effects.reply(reply, answer);
            }
            Command::SetTimer(set, reply) => {
                let answer = self.set_timer(turn, &set)?;
                turn.effects.reply(reply, answer);
            }
            Command::Invite(new, reply) => {
                let answer = self.make_invite(turn, &new)?;
                turn.effects.reply(reply, answer);
            }
            Command::RevokeInvite(token, reply) => {
                let answer = self.revoke_invite(turn, &token)?;
                turn.effects.reply(reply, answer);
            }
            Command::Add(add, reply) => {
                let answer = self.add_contact(turn, &add)?;
                turn.effects.reply(reply, answer);
            }
            Command::Renewed(renewed) => {
                let (certificate, list) = *renewed;
                self.on_renewed(turn, certificate, list)?;
            }
            Command::MarkRead {
                conversation,
                up_to,
                reply,
            } => {
                let answer = self.mark_read(turn, &conversation, up_to)?;
                turn.effects.reply(reply, answer);
            }
            Command::MakeRoom(new, reply) => {
                let answer = self.make_room(turn, &new)?;
                turn.effects.reply(reply, answer);
            }
            Command::MakeRoomLink {
                room,
                kind,
                valid_ms,
                reply,
            } => {
                let answer = self.make_room_link(turn, &room, kind, valid_ms)?;
                turn.effects.reply(reply, answer);
            }
            Command::JoinByLink(link, reply) => {
                let answer = self.join_by_link(turn, &link)?;
                turn.effects.reply(reply, answer);
            }
            Command::PublicRooms(reply) => {
                let answer = self.public_rooms(turn)?;
                turn.effects.reply(reply, Ok(answer));
            }
            Command::OwnPublicRooms(reply) => {
                let answer = self.own_public_rooms(turn)?;
                turn.effects.reply(reply, Ok(answer));
            }
            Command::ActInRoom(room, act, reply) => {
                let answer = self.act_in_room(turn, &room, &act)?;
                turn.effects.reply(reply, answer);
            }
            Command::Decide(change, reply) => {
                let answer = self.decide(turn, change)?;
                turn.effects.reply(reply, answer);
            }
        }
        Ok(())
    }

    pub(super) fn on_net(&mut self, turn: &mut Turn<'_, '_>, event: NetEvent) -> Result<(), StoreError> {
        match event {
            NetEvent::Envelope { data, .. } => self.on_envelope(turn, data),
            NetEvent::Frame { stream, data } => self.on_frame(turn, stream, &data),
            NetEvent::Published { token, result } => {
                self.on_published(turn, token, result);
                Ok(())
            }
            NetEvent::StreamOpened { stream, peer, token } => {
                self.on_stream_opened(turn, stream, peer, token);
                Ok(())
            }
            NetEvent::StreamFailed { token, .. } => {
                self.on_stream_failed(turn, token);
                Ok(())
            }
            NetEvent::StreamClosed { stream, .. } => {
                self.live_changed = true;
                self.forget_stream(turn, stream);
                Ok(())
            }
            NetEvent::Request { peer, request, data } => self.on_knock(turn, &peer, request, &data),
            NetEvent::Response { token, result } => self.on_knock_answer(turn, token, result),
            NetEvent::Connected {
                peer,
                address,
                outbound,
            } => {
                self.live_changed = true;
                self.on_connected(turn, peer, &address, outbound)
            }
            NetEvent::Disconnected { peer } => {
                self.live_changed = true;
                self.on_disconnected(turn, peer)
            }
            NetEvent::DialFailed { peer, reason } => {
                self.live_changed = true;
                self.on_dial_failed(peer, reason, turn.now);
                Ok(())
            }
            NetEvent::Bootstrap { number, result } => {
                self.live_changed = true;
                if let Some(bootstrap) = self.bootstraps.get_mut(number) {
                    bootstrap.note(result, turn.now);
                }
                Ok(())
            }
            NetEvent::DiscoveredLan { peer, addresses } => {
                self.rooms.directory.is_near(peer, addresses, turn.now);
                self.dial_now(turn, peer);
                self.ask_for_rooms_of(turn, peer)?;
                self.ask_around_soon(turn)
            }
            NetEvent::Listening { address } => {
                self.live_changed = true;
                if !self.listening.contains(&address) {
                    self.listening.push(address);
                    self.card_changed(turn.now);
                }
                Ok(())
            }
            NetEvent::ListenerFailed { address, .. } => {
                self.live_changed = true;
                self.listening.retain(|known| *known != address);
                Ok(())
            }
            // Unproved claims of others about addresses: nothing to decide yet.
            NetEvent::ExternalAddress { .. } | NetEvent::PeerAddresses { .. } => Ok(()),
        }
    }

    pub(super) fn on_tick(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for _ in 0..TIMERS_MAX {
            let Some(timer) = self.timers.take_due(turn.now) else {
                break;
            };
            match timer {
                Timer::Dial(peer) => self.on_dial_timer(turn, peer)?,
                Timer::OpenStream(device) => self.open_stream(turn, device)?,
                Timer::Acknowledge(stream) => self.acknowledge(turn, stream, true)?,
                Timer::FullHave(stream) => self.tell_everything(turn, stream)?,
                Timer::Want(stream) => self.ask_for_missing(turn, stream)?,
                Timer::StreamOpening(stream) => self.close_stream(turn, stream),
                Timer::Rekey(stream) => self.rekey(turn, stream),
                Timer::Gossip(conversation, device) => self.on_gossip_timer(turn, conversation, device)?,
                Timer::GossipAcknowledge(device) => self.on_gossip_acknowledge(turn, device)?,
                Timer::Distribute(device) => self.distribute_again(turn, device)?,
                Timer::Invited(peer) => self.knock_invited(turn, peer)?,
                Timer::ReadMarks(device) => self.on_read_marks_timer(turn, device)?,
                Timer::Controls(device) => self.on_controls_timer(turn, device)?,
                Timer::Knock(device) => self.deliver_first_contact(turn, device)?,
                Timer::FlushSent => self.flush_sent(turn)?,
                Timer::Asking => self.on_asking_timer(turn)?,
                Timer::Presence => self.tell_presence(turn)?,
                Timer::Ephemera => self.on_ephemera_timer(turn.now),
                Timer::Offer => self.on_offer_timer(turn)?,
                Timer::Card => self.tell_card(turn)?,
                Timer::Erase => self.erase_due(turn)?,
                Timer::AskForRooms => self.on_ask_for_rooms(turn)?,
                Timer::TellOfRooms => self.on_tell_of_rooms(turn)?,
                Timer::Joining => self.on_joining_timer(turn)?,
                Timer::Housekeeping => self.housekeeping(turn)?,
            }
        }
        Ok(())
    }
}

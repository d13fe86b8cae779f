//! Starting again after a turn that failed: nothing of it happened, so everything volatile is made anew from the disk.

use parlour_crypto::{Session, day_of};
use parlour_net::{NetCommand, NetEvent, PeerId};
use parlour_store::meta::{self, CounterName};
use parlour_store::sessions::{self, SessionInfo};
use parlour_store::{Batch, Store, StoreError};

use super::Engine;
use super::effects::{Effects, Turn};
use super::envelopes::Envelopes;
use super::gossip::Gossip;
use super::rooms::Rooms;
use super::sessions::Sessions;
use super::timers::{Timer, Timers};

impl Engine {
    /// A turn failed: makes the engine again from what is on disk. Streams are closed, so that both sides compare anew; who is
    /// connected stays known.
    ///
    /// # Errors
    /// The store cannot be read; the engine is returned for another try.
    pub(crate) fn reload(
        self: Box<Self>,
        store: &Store,
        now: u64,
    ) -> (Box<Self>, Result<(Batch, Effects), StoreError>) {
        let mut txn = store.begin();
        let mut effects = Effects::default();
        let loaded = sessions::all(&txn);
        let mut engine = *self;
        let mut turn = Turn {
            txn: &mut txn,
            now,
            effects: &mut effects,
        };
        let result = loaded.and_then(|sessions| engine.start_again(&mut turn, sessions));
        let batch = txn.into_batch();
        (Box::new(engine), result.map(|()| (batch, effects)))
    }

    fn start_again(
        &mut self,
        turn: &mut Turn<'_, '_>,
        sessions: Vec<(SessionInfo, Session)>,
    ) -> Result<(), StoreError> {
        self.sessions = Sessions::new(sessions, day_of(turn.now));
        self.prekey = None;
        self.own_log = u32::try_from(meta::counter(turn.txn, CounterName::OwnLog)?.max(1)).unwrap_or(u32::MAX);
        self.link_of.clear();
        self.opening.clear();
        self.reopen.clear();
        self.knocks.clear();
        self.asking.clear();
        self.knock_backoff.clear();
        self.refusals.clear();
        self.begun_again.clear();
        self.control_tries.clear();
        self.members.clear();
        self.rooms = Rooms::default();
        self.gossip = Gossip::default();
        self.envelopes = Envelopes::default();
        self.sent_once_after = None;
        self.timers = Timers::default();
        self.forget_all_ephemera();
        self.timers.set(Timer::Presence, turn.now);
        self.dialer.restart();
        self.learn_devices(turn)?;
        self.learn_blocks(turn)?;
        self.learn_profile(turn)?;
        self.learn_trust(turn)?;
        self.learn_past_logs(turn)?;
        self.housekeeping(turn)?;
        self.want_contacts(turn)?;
        self.card_changed(turn.now);
        let connected: Vec<PeerId> = self.dialer.connected().keys().copied().collect();
        for peer in connected {
            self.greet_peer(turn, peer)?;
        }
        Ok(())
    }

    /// Gives up every stream, since what was decided about them did not happen: the other sides begin anew.
    pub(crate) fn abandon_streams(&mut self) -> Vec<NetCommand> {
        self.link_of.clear();
        self.opening.clear();
        self.live_changed = true;
        let streams = std::mem::take(&mut self.streams).into_keys();
        streams.map(|stream| NetCommand::CloseStream { stream }).collect()
    }

    /// What the network says while nothing can be decided: who comes and goes, and where we listen.
    pub(crate) fn observe(&mut self, event: &NetEvent) -> Option<NetCommand> {
        self.dialer.observe(event);
        match event {
            NetEvent::Listening { address } if !self.listening.contains(address) => {
                self.listening.push(address.clone());
                None
            }
            NetEvent::StreamOpened { stream, .. } => Some(NetCommand::CloseStream { stream: *stream }),
            _ => None,
        }
    }
}

//! Sender chains of others: taken from whoever may hand them over, and moved by nothing but what their owners have signed.

use std::collections::btree_map::Entry;

use parlour_crypto::{ChainCert, ChainSender, EnvelopePrefix, Pending, SharedChain, Taken};
use parlour_store::rooms::Standing;
use parlour_store::{ConversationNo, DeviceNo, StoreError, chains, events};

use super::is_operation;
use crate::engine::Engine;
use crate::engine::effects::Turn;

impl Engine {
    /// A device hands over chains. `false`: some are not taken yet, so not to be acknowledged.
    pub(crate) fn on_sender_chains(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        shared: &[SharedChain],
    ) -> Result<bool, StoreError> {
        let (mut all, mut new) = (true, false);
        for chain in shared {
            match self.take_chain(turn, device, chain)? {
                Some(taken) => new |= taken,
                None => all = false,
            }
        }
        if new {
            self.chains(turn)?.learn_tags();
            self.match_again(turn)?;
        }
        Ok(all)
    }

    /// Takes a chain: `true` if it is new. Nothing: whoever owns it may be on their way into the room.
    fn take_chain(
        &mut self,
        turn: &mut Turn<'_, '_>,
        from: DeviceNo,
        shared: &SharedChain,
    ) -> Result<Option<bool>, StoreError> {
        let Some((room, owner)) = ChainCert::claimed(&shared.cert) else {
            return Ok(Some(false));
        };
        let Some((no, row)) = self.room_number(turn, &room)? else {
            return Ok(Some(false));
        };
        let here = self.account.keys.id();
        let (Some(from), Some((owner, known))) = (self.known.get(&from), self.known_device(&owner)) else {
            return Ok(None);
        };
        let (from, owner_user) = (from.id, known.user);
        let both = self.are_both_in(turn, no, &known.user, &known.id)?;
        let gives = self.known_device(&from).map(|(_, known)| known.user);
        let gives = match gives {
            Some(user) => self.are_both_in(turn, no, &user, &from)?,
            None => false,
        };
        if !both || !gives {
            let gone = self.folded(turn, no)?.is_some_and(|folded| folded.knows(&owner_user));
            return Ok((row.standing != Standing::Member || gone).then_some(false));
        }
        if owner == self.own.device {
            return Ok(Some(false));
        }
        let certificate = self.certificate_of(turn, owner)?;
        let senders = &mut self.chains(turn)?.senders;
        if let Entry::Vacant(place) = senders.entry((no, owner))
            && let Some(sender) = certificate.and_then(|certificate| ChainSender::new(room, &certificate))
        {
            place.insert(sender);
        }
        let Some(sender) = senders.get_mut(&(no, owner)) else {
            return Ok(Some(false));
        };
        match sender.take(shared, &from, &here) {
            Ok(taken) => {
                chains::save(turn.txn, no, owner, sender);
                Ok(Some(taken == Taken::New))
            }
            Err(error) => {
                tracing::debug!(device = owner.0, %error, "a sender chain was not taken");
                Ok(Some(false))
            }
        }
    }

    /// Opens an envelope that no session knows. `false` if no chain does either.
    pub(crate) fn open_by_chain(
        &mut self,
        turn: &mut Turn<'_, '_>,
        prefix: &EnvelopePrefix,
        data: &[u8],
    ) -> Result<bool, StoreError> {
        let chains = self.chains(turn)?;
        let Some(places) = chains.tags.get(&prefix.tag) else {
            return Ok(false);
        };
        let opened = places.iter().find_map(|(no, device, chain)| {
            let sender = chains.senders.get(&(*no, *device))?;
            Some((*no, *device, sender.open(chain, data).ok()?))
        });
        match opened {
            Some((no, device, pending)) => {
                self.take_by_chain(turn, no, device, pending)?;
                self.ask_for_views(turn, device)?;
            }
            None => self.counters.unopened_envelopes += 1,
        }
        Ok(true)
    }

    /// Takes what a chain brought. The chain moves only with an event that its owner has signed and that is taken.
    fn take_by_chain(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        device: DeviceNo,
        pending: Pending,
    ) -> Result<(), StoreError> {
        if self.is_blocked_device(device) {
            return Ok(());
        }
        if let Some(key) = events::place(turn.txn, &pending.event_id())? {
            return match key.log.conversation == no {
                true => self.have_acknowledged(turn, key, device),
                false => Ok(()),
            };
        }
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(());
        };
        let Ok(proved) = pending.verify() else {
            self.counters.forged_events += 1;
            return Ok(());
        };
        let header = proved.header();
        if is_operation(header.kind) || !self.may_say(turn, no, header, &user)? {
            return Ok(());
        }
        let now = turn.now;
        let Some(sender) = self.chains(turn)?.senders.get_mut(&(no, device)) else {
            return Ok(());
        };
        if let Ok(event) = sender.commit(proved, now) {
            chains::save(turn.txn, no, device, sender);
            self.take_verified(turn, no, device, &event)?;
        }
        Ok(())
    }
}

//! Sender chains of others: taken from whoever may hand them over, and moved by nothing but what their owners have signed.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

use parlour_crypto::{ChainCert, ChainSender, EnvelopePrefix, Pending, RoomOpenError, SharedChain, Taken};
use parlour_store::rooms::Standing;
use parlour_store::{ConversationNo, DeviceNo, StoreError, chains, events};

use super::is_operation;
use crate::engine::Engine;
use crate::engine::effects::Turn;

/// What became of a chain that was handed over.
enum Handed {
    /// It opens envelopes from now on.
    New((ConversationNo, DeviceNo)),
    /// It was there, or is of no use.
    Nothing,
    /// It may be taken when it comes again.
    Later,
}

impl Engine {
    /// A device hands over chains. `false`: some are not taken yet, so not to be acknowledged.
    pub(crate) fn on_sender_chains(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        shared: &[SharedChain],
    ) -> Result<bool, StoreError> {
        let (mut all, mut new) = (true, BTreeSet::new());
        for chain in shared {
            match self.take_chain(turn, device, chain)? {
                Handed::New(at) => drop(new.insert(at)),
                Handed::Nothing => {}
                Handed::Later => all = false,
            }
        }
        let chains = self.chains(turn)?;
        for (no, owner) in &new {
            chains.learn_tags_of(*no, *owner);
        }
        if !new.is_empty() {
            self.match_again(turn)?;
        }
        Ok(all)
    }

    fn take_chain(
        &mut self,
        turn: &mut Turn<'_, '_>,
        from: DeviceNo,
        shared: &SharedChain,
    ) -> Result<Handed, StoreError> {
        let Some((room, owner, _)) = ChainCert::claimed(&shared.cert) else {
            return Ok(Handed::Nothing);
        };
        let Some((no, row)) = self.room_number(turn, &room)? else {
            return Ok(Handed::Nothing);
        };
        let here = self.account.keys.id();
        let (Some(from), Some((owner, known))) = (self.known.get(&from), self.known_device(&owner)) else {
            return Ok(Handed::Later);
        };
        let (from, giver, owner_user) = (from.id, from.user, known.user);
        for (user, device) in [(owner_user, known.id), (giver, from)] {
            if !self.are_both_in(turn, no, &user, &device)? {
                let state = self.folded(turn, no)?.map(|folded| folded.state());
                let kept_out =
                    state.is_some_and(|state| state.ends.contains_key(&user) || state.banned.contains(&user));
                // They may be on their way into the room, and what lets them in behind this. Whoever was removed is asked when they are back.
                return Ok(match row.standing != Standing::Member || kept_out {
                    true => Handed::Nothing,
                    false => Handed::Later,
                });
            }
        }
        if owner == self.own.device {
            return Ok(Handed::Nothing);
        }
        let certificate = self.certificate_of(turn, owner)?;
        let senders = &mut self.chains(turn)?.senders;
        if let Entry::Vacant(place) = senders.entry((no, owner))
            && let Some(sender) = certificate.and_then(|certificate| ChainSender::new(room, &certificate))
        {
            place.insert(sender);
        }
        let Some(sender) = senders.get_mut(&(no, owner)) else {
            return Ok(Handed::Nothing);
        };
        match sender.take(shared, &from, &here) {
            Ok(Taken::New) => {
                chains::save(turn.txn, no, owner, sender);
                Ok(Handed::New((no, owner)))
            }
            Ok(Taken::Known) => Ok(Handed::Nothing),
            Err(error) => {
                tracing::debug!(device = owner.0, %error, "a sender chain was not taken");
                Ok(Handed::Nothing)
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
        let now = turn.now;
        let chains = self.chains(turn)?;
        let Some(places) = chains.tags.get(&prefix.tag) else {
            return Ok(false);
        };
        let mut false_ones = Vec::new();
        let opened = places
            .iter()
            .filter(|(_, device, _)| chains.may_try(*device, now))
            .find_map(
                |(no, device, chain)| match chains.senders.get(&(*no, *device))?.open(chain, data) {
                    Ok(pending) => Some((*no, *device, pending)),
                    Err(RoomOpenError::NotAuthentic) => {
                        false_ones.push(*device);
                        None
                    }
                    Err(_) => None,
                },
            );
        for device in false_ones {
            chains.was_false(device, now);
        }
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
            let stub = events::brief(turn.txn, &key)?.is_some_and(|brief| brief.stub);
            if key.log.conversation != no {
                return Ok(());
            }
            if !stub {
                return self.have_acknowledged(turn, key, device);
            }
        }
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(());
        };
        let Ok(proved) = pending.verify() else {
            self.counters.forged_events += 1;
            return Ok(());
        };
        let header = proved.header();
        if is_operation(header.kind) || !self.takes_said(turn, no, header, (&user, &user))? {
            return Ok(());
        }
        let now = turn.now;
        let Some(sender) = self.chains(turn)?.senders.get_mut(&(no, device)) else {
            return Ok(());
        };
        if let Ok(event) = sender.commit(proved, now) {
            chains::save(turn.txn, no, device, sender);
            self.apply_rules(turn, no, (event.id(), event.header()), (&user, device))?;
            self.take_verified(turn, no, device, &event)?;
        }
        Ok(())
    }
}

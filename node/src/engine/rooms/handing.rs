//! Own sender chains on their way to those who may read: made, handed over, handed over again, and taken back.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{
    Audience, ChainCert, ChainId, Control, DeviceId, MAX_VIEW_HEADS, SendingChain, SharedChain, UserId,
};
use parlour_store::chains::{self, OwnChain, Which};
use parlour_store::rooms::{self, MemberRow};
use parlour_store::{ConversationNo, DeviceNo, StoreError, conversations, outbox};

use crate::engine::Engine;
use crate::engine::effects::Turn;

impl Engine {
    /// Sees that there is a chain that nobody else reads, and that every reader has been handed it, and the one after it in time. A new one
    /// takes the place of one that somebody has who is no reader any more, and the next one that of one that is at its end.
    pub(super) fn ready_chain(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        readers: &BTreeSet<DeviceNo>,
    ) -> Result<bool, StoreError> {
        let now = turn.now;
        let fits = |own: &OwnChain| !own.chain.is_ended(now) && own.given.iter().all(|to| readers.contains(to));
        let chains = self.chains(turn)?;
        let mut current = chains.take_own(turn, no, Which::Current)?.filter(fits);
        let mut next = chains.take_own(turn, no, Which::Next)?.filter(fits);
        if current.is_none() {
            current = next.take();
            chains::delete_own(turn.txn, no, Which::Next);
        }
        let current = match current {
            Some(own) => Some(own),
            None => self.new_chain(turn, no, readers)?,
        };
        let Some(mut current) = current else { return Ok(false) };
        self.hand_to_all(turn, no, readers, &mut current, next.as_ref().map(chain_id))?;
        let keep = chain_id(&current);
        let due = current.chain.is_due(now);
        self.chains(turn)?.keep_own(turn, no, Which::Current, current);
        let next = match next {
            None if due => self.new_chain(turn, no, readers)?,
            next => next,
        };
        if let Some(mut next) = next {
            self.hand_to_all(turn, no, readers, &mut next, Some(keep))?;
            self.chains(turn)?.keep_own(turn, no, Which::Next, next);
        }
        Ok(true)
    }

    /// Hands a chain to all readers who have not been handed it.
    fn hand_to_all(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        readers: &BTreeSet<DeviceNo>,
        own: &mut OwnChain,
        beside: Option<ChainId>,
    ) -> Result<(), StoreError> {
        for device in readers {
            if own.given.binary_search(device).is_err()
                && let Some(shared) = own.chain.share(own.heads.clone())
            {
                self.hand_over(turn, (no, *device), shared, beside)?;
                own.given.push(*device);
                own.given.sort_unstable();
            }
        }
        Ok(())
    }

    fn new_chain(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        readers: &BTreeSet<DeviceNo>,
    ) -> Result<Option<OwnChain>, StoreError> {
        let here = self.account.keys.id();
        let ids = readers
            .iter()
            .filter_map(|no| Some(self.known.get(no)?.id))
            .chain([here]);
        let (Some(room), Ok(audience)) = (conversations::id_of(turn.txn, no)?, Audience::new(ids)) else {
            return Ok(None);
        };
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(None);
        };
        let (view, mut heads) = (folded.view(), folded.heads());
        if heads.len() > MAX_VIEW_HEADS {
            heads.clear();
        }
        let chain = SendingChain::create(&mut self.rng, &self.account.keys, room, view, &audience, turn.now);
        Ok(Some(OwnChain {
            chain,
            given: Vec::new(),
            heads,
        }))
    }

    /// A device gets a chain of this one; an earlier one of the same room that has not arrived is of no use to it, but for the one that is
    /// in use beside.
    fn hand_over(
        &mut self,
        turn: &mut Turn<'_, '_>,
        (no, device): (ConversationNo, DeviceNo),
        shared: SharedChain,
        beside: Option<ChainId>,
    ) -> Result<(), StoreError> {
        self.take_back(turn, no, device, beside)?;
        let control = Control::SenderChain {
            chains: vec![shared],
            ext: Vec::new(),
        };
        self.post_control(turn, device, control)
    }

    /// Chains of this device that are still on their way to another one stay here, all but one.
    fn take_back(
        &self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        device: DeviceNo,
        but: Option<ChainId>,
    ) -> Result<(), StoreError> {
        let Some(room) = conversations::id_of(turn.txn, no)? else {
            return Ok(());
        };
        let here = self.account.keys.id();
        for row in outbox::of_device(turn.txn, device)? {
            let Control::SenderChain { chains, .. } = &row.control else {
                continue;
            };
            let of_it = |shared: &SharedChain| {
                let claimed = ChainCert::claimed(&shared.cert);
                claimed.is_some_and(|(of, by, chain)| (of, by) == (room, here) && Some(chain) != but)
            };
            if chains.iter().all(of_it) {
                outbox::remove(turn.txn, device, &row.id)?;
            }
        }
        Ok(())
    }

    /// Hands a device the own chains of a room, again or for the first time, if it is a reader there.
    pub(super) fn hand_own_chains(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        device: DeviceNo,
        only_if_given: bool,
    ) -> Result<(), StoreError> {
        let members = self.members(turn, no)?;
        let reads = members.is_some_and(|members| members.recipients.contains(&device)) && self.may_read(device);
        let chains = self.chains(turn)?;
        let current = chains.take_own(turn, no, Which::Current)?;
        let next = chains.take_own(turn, no, Which::Next)?;
        let ids = [current.as_ref().map(chain_id), next.as_ref().map(chain_id)];
        let both = [(Which::Current, current, ids[1]), (Which::Next, next, ids[0])];
        for (which, own, beside) in both {
            let Some(mut own) = own else { continue };
            let given = own.given.binary_search(&device);
            if reads
                && (given.is_ok() || !only_if_given)
                && let Some(shared) = own.chain.share(own.heads.clone())
            {
                self.hand_over(turn, (no, device), shared, beside)?;
                if let Err(at) = given {
                    own.given.insert(at, device);
                }
            }
            self.chains(turn)?.keep_own(turn, no, which, own);
        }
        Ok(())
    }

    /// A device has begun anew, and may have lost what it was handed.
    pub(crate) fn hand_over_again(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(());
        };
        for no in rooms::of_user(turn.txn, &user)? {
            self.hand_own_chains(turn, no, device, true)?;
        }
        Ok(())
    }

    /// Who takes part has changed: chains of those who do not are forgotten, and the own ones if they were handed them, even if they come
    /// back: `again` are those who have gone and come back.
    pub(super) fn prune_chains(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        members: &BTreeMap<UserId, MemberRow>,
        again: &BTreeSet<UserId>,
    ) -> Result<(), StoreError> {
        let here = self.account.keys.id();
        let member = members
            .get(&self.own.user)
            .is_some_and(|own| own.devices.contains(&here));
        let stayed = members.iter().filter(|(user, _)| !again.contains(user));
        let devices: BTreeSet<DeviceId> = stayed.flat_map(|(_, row)| row.devices.iter().copied()).collect();
        self.chains(turn)?;
        let Some(chains) = &mut self.rooms.chains else {
            return Ok(());
        };
        let gone: Vec<DeviceNo> = chains
            .senders
            .iter()
            .filter(|((room, _), sender)| *room == no && !(member && devices.contains(&sender.device())))
            .map(|((_, device), _)| *device)
            .collect();
        for device in &gone {
            chains.senders.remove(&(no, *device));
            chains.forget_tags_of(no, *device);
            chains::delete(turn.txn, no, *device)?;
        }
        for which in [Which::Current, Which::Next] {
            let reads = |to: &DeviceNo| self.known.get(to).is_some_and(|known| devices.contains(&known.id));
            let Some(chains) = &mut self.rooms.chains else {
                return Ok(());
            };
            match chains.take_own(turn, no, which)? {
                Some(own) if member && own.given.iter().all(reads) => drop(chains.own.insert((no, which), own)),
                Some(own) => {
                    chains::delete_own(turn.txn, no, which);
                    let gone: Vec<DeviceNo> = own.given.into_iter().filter(|to| !(member && reads(to))).collect();
                    for device in gone {
                        self.take_back(turn, no, device, None)?;
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn chain_id(own: &OwnChain) -> ChainId {
    own.chain.cert().chain()
}

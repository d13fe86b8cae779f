//! Asking for sender chains, and answering. Who misses one notices it by what comes without it: the owner hands over what is in use now.

use std::collections::BTreeSet;

use parlour_crypto::{ChainId, Control, ConversationId, DeviceId, UserId};
use parlour_store::{ConversationNo, DeviceNo, StoreError, conversations, outbox};

use crate::engine::Engine;
use crate::engine::effects::Turn;
use crate::engine::timers::Allowance;

/// In a `KeyRequest`: whichever chain its owner uses.
const IN_USE: ChainId = [0; 16];
/// Requests answered of one device: one per this time, and so many at once.
const ANSWER_EVERY_MS: u64 = 60_000;
const ANSWERS_AT_ONCE: u64 = 8;
/// A device is asked for its chain of one room again after this.
const ASK_EVERY_MS: u64 = 10 * 60_000;
/// Rooms and devices that are remembered as asked.
const MAX_ASKED: usize = 4_096;
/// What is older has been under way for other reasons than that a chain is missing.
const FRESH_MS: u64 = 2 * 60_000;
/// Fewer readers than these are served through their sessions.
const MIN_READERS: usize = 2;

impl Engine {
    /// A device asks for chains: it gets our own that are in use, if it may read.
    pub(crate) fn on_key_request(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        room: &ConversationId,
        wanted: &[(DeviceId, ChainId)],
    ) -> Result<(), StoreError> {
        let here = self.account.keys.id();
        let Some(no) = self.shared_number(turn, device, room)? else {
            return Ok(());
        };
        let often = self.rooms.key_requests.entry(device);
        let often = often.or_insert(Allowance::new(ANSWER_EVERY_MS, ANSWERS_AT_ONCE));
        if !wanted.iter().any(|(owner, _)| *owner == here) || !often.take(turn.now) {
            return Ok(());
        }
        self.hand_own_chains(turn, no, device, false)
    }

    /// Something that was said in a room has come by itself: a chain of its author's, if they use one, is not here.
    pub(crate) fn miss_chain(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        author: DeviceNo,
        clock: u64,
    ) -> Result<(), StoreError> {
        let fresh = clock.abs_diff(turn.now) <= FRESH_MS;
        if !fresh || author == self.own.device || self.chains(turn)?.senders.contains_key(&(no, author)) {
            return Ok(());
        }
        match self.members(turn, no)? {
            Some(members) if members.recipients.len() >= MIN_READERS => self.ask_for_chain(turn, no, author),
            _ => Ok(()),
        }
    }

    /// Those who were removed and are back are asked: what they handed over meanwhile may have been turned away.
    pub(super) fn ask_those_who_are_back(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        came: &BTreeSet<UserId>,
    ) -> Result<(), StoreError> {
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let ends = &folded.state().ends;
        let back: Vec<UserId> = came.iter().filter(|user| ends.contains_key(user)).copied().collect();
        for user in back {
            for device in self.devices_with_session(turn, &user)? {
                self.ask_for_chain(turn, no, device)?;
            }
        }
        Ok(())
    }

    fn ask_for_chain(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        device: DeviceNo,
    ) -> Result<(), StoreError> {
        let (now, at) = (turn.now, (no, device));
        let recent = |asked: &u64| now.saturating_sub(*asked) < ASK_EVERY_MS;
        let (Some(room), Some(id)) = (
            conversations::id_of(turn.txn, no)?,
            self.known.get(&device).map(|known| known.id),
        ) else {
            return Ok(());
        };
        let waits = |control: &Control| matches!(control, Control::KeyRequest { room: of, .. } if *of == room);
        if !self.may_read(device)
            || self.rooms.asked_chains.get(&at).is_some_and(recent)
            || outbox::of_device(turn.txn, device)?
                .iter()
                .any(|row| waits(&row.control))
        {
            return Ok(());
        }
        if self.rooms.asked_chains.len() >= MAX_ASKED {
            self.rooms.asked_chains.retain(|_, asked| recent(asked));
        }
        if self.rooms.asked_chains.len() >= MAX_ASKED {
            return Ok(());
        }
        self.rooms.asked_chains.insert(at, now);
        let request = Control::KeyRequest {
            room,
            chains: vec![(id, IN_USE)],
            ext: Vec::new(),
        };
        self.post_control(turn, device, request)
    }
}

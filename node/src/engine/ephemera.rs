//! Typing and presence (PROTOCOL.md section 9): said on open streams, kept in memory, gone by themselves. Presence is between contacts;
//! that somebody writes in a room is told its members.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{ConversationId, Frame, Presence, UserId};
use parlour_store::contacts;
use parlour_store::feed::{self, FeedRow};
use parlour_store::{ConversationNo, DeviceNo, StoreError, conversations, registers};

use super::Engine;
use super::decisions::DecisionError;
use super::effects::Turn;
use super::timers::{Allowance, Timer, jitter};

/// Typing is said again after this, and ends after that.
const TYPING_AGAIN_MS: u64 = 4_000;
const TYPING_MS: u64 = 6_000;
/// Presence is said again after this, and ends after that.
const PRESENCE_AGAIN_MS: u64 = 60_000;
const PRESENCE_MS: u64 = 150_000;
/// Ephemeral frames taken from one device: one per this time, and so many at once.
const FRAME_EVERY_MS: u64 = 1_000;
const FRAMES_AT_ONCE: u64 = 20;
/// A contact's wish whether to be seen is written down at most once in this time.
const NOTE_EVERY_MS: u64 = 3 * 60_000;
/// How long a user may say in advance that they are there.
const MAX_ONLINE_MS: u64 = 24 * 3_600_000;

/// Who does what just now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ephemera {
    /// Who writes something where.
    pub typing: BTreeSet<(ConversationId, UserId)>,
    /// Contacts that tell whether they are there, and whether they are.
    pub presence: BTreeMap<UserId, bool>,
    /// Until when this account's user is there, ms; 0 = away.
    pub online_until: u64,
}

/// What the engine remembers of it.
#[derive(Default)]
pub(crate) struct EphemeraState {
    typing: BTreeMap<DeviceNo, (ConversationId, u64)>,
    presence: BTreeMap<DeviceNo, (bool, u64)>,
    taken: BTreeMap<DeviceNo, Allowance>,
    /// When typing was last told, by conversation.
    told: BTreeMap<ConversationNo, u64>,
    /// When a contact's wish was last written down.
    noted: BTreeMap<UserId, u64>,
    online_until: u64,
    changed: bool,
}

impl EphemeraState {
    /// The clock was set back.
    pub(crate) fn set_back(&mut self, by: u64) {
        let typing = self.typing.values_mut().map(|(_, until)| until);
        let presence = self.presence.values_mut().map(|(_, until)| until);
        let said = self.told.values_mut().chain(self.noted.values_mut());
        for at in typing.chain(presence).chain(said).chain([&mut self.online_until]) {
            *at = at.saturating_sub(by);
        }
        self.taken.values_mut().for_each(|allowance| allowance.set_back(by));
    }
}

impl Engine {
    /// The snapshot, if it may differ from the last one taken.
    pub(crate) fn take_ephemera(&mut self) -> Option<Ephemera> {
        if !std::mem::take(&mut self.ephemera.changed) {
            return None;
        }
        let user_of = |device: &DeviceNo| self.known.get(device).map(|known| known.user);
        let mut presence: BTreeMap<UserId, bool> = BTreeMap::new();
        for (device, (online, _)) in &self.ephemera.presence {
            if let Some(user) = user_of(device) {
                *presence.entry(user).or_default() |= *online;
            }
        }
        let typing = self.ephemera.typing.iter();
        Some(Ephemera {
            typing: typing
                .filter_map(|(device, (id, _))| Some((*id, user_of(device)?)))
                .collect(),
            presence,
            online_until: self.ephemera.online_until,
        })
    }

    /// The user writes something, or has stopped. Told at most every 4 s.
    pub(crate) fn set_typing(
        &mut self,
        turn: &mut Turn<'_, '_>,
        conversation: &ConversationId,
        typing: bool,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        let Some(no) = conversations::number(turn.txn, conversation)? else {
            return Ok(Err(DecisionError::UnknownConversation));
        };
        // A time that is still to come was written by a clock that was put back since.
        let last = self.ephemera.told.get(&no).copied().filter(|last| *last <= turn.now);
        let last = last.unwrap_or(0);
        let said = turn.now.saturating_sub(last);
        let worth_saying = if typing {
            said >= TYPING_AGAIN_MS
        } else {
            said < TYPING_MS
        };
        if !worth_saying || !registers::settings(turn.txn)?.presence {
            return Ok(Ok(()));
        }
        if typing {
            self.ephemera.told.insert(no, turn.now);
        } else {
            self.ephemera.told.remove(&no);
        }
        for stream in self.links_sharing(turn, no)? {
            if self.may_tell_typing(turn, stream, no)? {
                let conversation = *conversation;
                self.send_frame(turn, stream, &Frame::Typing { conversation, typing });
            }
        }
        Ok(Ok(()))
    }

    /// The user is there for a time, or away (0).
    pub(crate) fn set_online(&mut self, turn: &mut Turn<'_, '_>, for_ms: u64) -> Result<(), StoreError> {
        let until = match for_ms {
            0 => 0,
            ms => turn.now.saturating_add(ms.min(MAX_ONLINE_MS)),
        };
        let before = self.is_online(turn.now);
        self.ephemera.online_until = until;
        self.ephemera.changed = true;
        if before != self.is_online(turn.now) {
            self.tell_presence(turn)?;
        }
        if until > 0 {
            self.timers.set_earliest(Timer::Presence, until);
        }
        Ok(())
    }

    fn is_online(&self, now: u64) -> bool {
        self.ephemera.online_until > now
    }

    fn own_presence(&self, turn: &Turn<'_, '_>) -> Result<Presence, StoreError> {
        Ok(match registers::settings(turn.txn)?.presence {
            false => Presence::Hidden,
            true if self.is_online(turn.now) => Presence::Online,
            true => Presence::Away,
        })
    }

    /// Says on every stream to a contact how things are, and again in a minute.
    pub(crate) fn tell_presence(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        if self.ephemera.online_until > 0 && !self.is_online(turn.now) {
            self.ephemera.online_until = 0;
            self.ephemera.changed = true;
        }
        let streams: Vec<u64> = self.link_of.values().copied().collect();
        for stream in streams {
            self.tell_presence_to(turn, stream)?;
        }
        let random = self.random();
        let mut due = turn.now.saturating_add(jitter(PRESENCE_AGAIN_MS, random));
        if self.is_online(turn.now) {
            due = due.min(self.ephemera.online_until);
        }
        self.timers.set(Timer::Presence, due);
        Ok(())
    }

    pub(crate) fn tell_presence_to(&mut self, turn: &mut Turn<'_, '_>, stream: u64) -> Result<(), StoreError> {
        if self.may_tell(turn, stream)? {
            let presence = self.own_presence(turn)?;
            self.send_frame(turn, stream, &Frame::Presence(presence));
        }
        Ok(())
    }

    /// Whether a stream is ready and leads to an accepted contact.
    fn links_a_contact(&mut self, turn: &Turn<'_, '_>, stream: u64) -> Result<bool, StoreError> {
        let Some(user) = self.link(stream).filter(|link| link.greeted).map(|link| link.user) else {
            return Ok(false);
        };
        self.is_accepted(turn, &user)
    }

    /// Whether a stream is ready and leads to somebody who is told who writes in a conversation that they share with us: a contact, or
    /// in a room whoever is in it.
    fn shares_typing(&mut self, turn: &Turn<'_, '_>, stream: u64, no: ConversationNo) -> Result<bool, StoreError> {
        if !self.is_room(turn, no)? {
            return self.links_a_contact(turn, stream);
        }
        let greeted = self.link(stream).is_some_and(|link| link.greeted);
        Ok(greeted && self.members(turn, no)?.is_some_and(|members| members.tell_each_other()))
    }

    /// Whether nothing has to be decided about whoever a stream leads to.
    fn is_decided(&mut self, stream: u64) -> bool {
        let user = self.link(stream).map(|link| link.user);
        user.is_some_and(|user| !self.is_undecided(&user))
    }

    /// Whether the user's presence may be told on a stream.
    fn may_tell(&mut self, turn: &Turn<'_, '_>, stream: u64) -> Result<bool, StoreError> {
        Ok(self.is_decided(stream) && self.links_a_contact(turn, stream)?)
    }

    /// Whether it may be told on a stream that the user writes in a conversation shared with whoever is there.
    fn may_tell_typing(&mut self, turn: &Turn<'_, '_>, stream: u64, no: ConversationNo) -> Result<bool, StoreError> {
        Ok(self.is_decided(stream) && self.shares_typing(turn, stream, no)?)
    }

    /// Whose frame came, if one more of theirs may be looked at.
    fn take_frame(&mut self, now: u64, stream: u64) -> Option<(DeviceNo, UserId)> {
        let (device, user) = self.link(stream).map(|link| (link.device, link.user))?;
        let often = self.ephemera.taken.entry(device);
        let often = often.or_insert(Allowance::new(FRAME_EVERY_MS, FRAMES_AT_ONCE));
        often.take(now).then_some((device, user))
    }

    pub(crate) fn on_typing(
        &mut self,
        turn: &mut Turn<'_, '_>,
        stream: u64,
        conversation: &ConversationId,
        typing: bool,
    ) -> Result<(), StoreError> {
        let Some((device, _)) = self.take_frame(turn.now, stream) else {
            return Ok(());
        };
        let Some(no) = self.shared_number(turn, device, conversation)? else {
            return Ok(());
        };
        if !self.shares_typing(turn, stream, no)? {
            return Ok(());
        }
        if typing {
            let until = turn.now.saturating_add(TYPING_MS);
            let before = self.ephemera.typing.insert(device, (*conversation, until));
            self.ephemera.changed |= before.is_none_or(|(id, _)| id != *conversation);
            self.timers.set_earliest(Timer::Ephemera, until);
        } else {
            self.ends_typing(device);
        }
        Ok(())
    }

    /// Whoever has sent something does not write it any more.
    pub(crate) fn ends_typing(&mut self, device: DeviceNo) {
        self.ephemera.changed |= self.ephemera.typing.remove(&device).is_some();
    }

    /// Nothing is known of the device any more.
    pub(crate) fn forget_ephemera(&mut self, device: DeviceNo) {
        self.ends_typing(device);
        self.ephemera.changed |= self.ephemera.presence.remove(&device).is_some();
    }

    /// Whether a wish of a contact may be written down: what they say each second is not worth a row each. They say it again.
    fn may_note(&mut self, user: &UserId, now: u64) -> bool {
        let noted = self.ephemera.noted.get(user).copied();
        let rest = noted.is_none_or(|at| at > now || now.saturating_sub(at) >= NOTE_EVERY_MS);
        if rest {
            self.ephemera.noted.insert(*user, now);
        }
        rest
    }

    /// Nothing is known of anybody any more; that the own user is there stays known.
    pub(crate) fn forget_all_ephemera(&mut self) {
        let online_until = self.ephemera.online_until;
        self.ephemera = EphemeraState {
            online_until,
            changed: true,
            ..EphemeraState::default()
        };
    }

    pub(crate) fn on_presence(
        &mut self,
        turn: &mut Turn<'_, '_>,
        stream: u64,
        presence: Presence,
    ) -> Result<(), StoreError> {
        let Some((device, user)) = self.take_frame(turn.now, stream) else {
            return Ok(());
        };
        if !self.links_a_contact(turn, stream)? {
            return Ok(());
        }
        let shares = presence != Presence::Hidden;
        if contacts::shares_presence(turn.txn, &user)? != shares && self.may_note(&user, turn.now) {
            contacts::set_shares_presence(turn.txn, &user, shares);
            feed::append(turn.txn, &FeedRow::Contact { user })?;
        }
        if !shares {
            self.ephemera.changed |= self.ephemera.presence.remove(&device).is_some();
            return Ok(());
        }
        let online = presence == Presence::Online;
        let until = turn.now.saturating_add(PRESENCE_MS);
        let before = self.ephemera.presence.insert(device, (online, until));
        self.ephemera.changed |= before.is_none_or(|(was, _)| was != online);
        self.timers.set_earliest(Timer::Ephemera, until);
        Ok(())
    }

    /// Forgets what was not said again.
    pub(crate) fn on_ephemera_timer(&mut self, now: u64) {
        let state = &mut self.ephemera;
        let before = state.typing.len().saturating_add(state.presence.len());
        state.typing.retain(|_, (_, until)| *until > now);
        state.presence.retain(|_, (_, until)| *until > now);
        state.changed |= before != state.typing.len().saturating_add(state.presence.len());
        let typing = state.typing.values().map(|(_, until)| *until);
        let next = typing.chain(state.presence.values().map(|(_, until)| *until)).min();
        if let Some(next) = next {
            self.timers.set_earliest(Timer::Ephemera, next);
        }
    }
}

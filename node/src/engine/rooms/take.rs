//! What others write in a room: operations, which make the room, and what is said in it by those who may.

use std::collections::BTreeSet;

use parlour_crypto::{
    Act, Applied, ConversationId, DeviceCert, DeviceId, DeviceList, EventHeader, EventId, KIND_TIMER, Operation,
    RoomOperation, Said, SignedEvent, SignerKey, UserId, VerifiedEvent, membership_view,
};
use parlour_store::devices::{self, DeviceRow};
use parlour_store::{ConversationNo, DeviceNo, EventKey, StoreError, conversations, events};

use super::bounds::has_no_room;
use super::fellows::told;
use super::is_operation;
use super::serve::least_rank;
use crate::engine::Engine;
use crate::engine::append::{Appended, MAX_AHEAD_MS, Origin, append};
use crate::engine::effects::Turn;

/// What became of an operation that others gave us.
pub(crate) enum Taken {
    /// It is here.
    Stored(EventKey),
    /// It may be taken when it comes again.
    Later,
    /// It is none, or not by who it says.
    Never,
}

/// An operation whose signature and device list hold.
pub(super) struct Checked {
    event: VerifiedEvent,
    operation: RoomOperation,
    certificate: DeviceCert,
}

impl Checked {
    /// The user who did it.
    pub(super) fn author(&self) -> UserId {
        self.operation.user()
    }

    /// Whether it makes this room.
    pub(super) fn begins(&self, room: &ConversationId) -> bool {
        self.operation.begins() && self.event.header().conversation == *room
    }
}

/// What operations of a room have changed, and is neither written down nor told yet.
pub(super) struct Unsettled {
    /// Whether this account took part before.
    was_in: bool,
    /// Something that was there before has been judged again.
    anew: bool,
    /// The operations that were added.
    added: Vec<EventId>,
    /// Who came with them.
    came: BTreeSet<UserId>,
}

impl Unsettled {
    fn new(was_in: bool) -> Self {
        Self {
            was_in,
            anew: false,
            added: Vec::new(),
            came: BTreeSet::new(),
        }
    }

    fn add(&mut self, id: EventId, applied: Applied, came: Vec<UserId>) {
        self.anew |= applied != Applied::Last;
        self.added.push(id);
        self.came.extend(came);
    }

    fn applied(&self) -> Applied {
        if self.anew { Applied::Anew } else { Applied::Last }
    }

    /// The operations that were added, if nothing else was judged.
    fn alone(&self) -> Option<&[EventId]> {
        (!self.anew).then_some(self.added.as_slice())
    }
}

impl Engine {
    /// Takes an operation that others give us.
    pub(crate) fn take_operation(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        event: SignedEvent,
    ) -> Result<Taken, StoreError> {
        if let Some(key) = events::place(turn.txn, &event.id())? {
            return Ok(match key.log.conversation == no {
                true => Taken::Stored(key),
                false => Taken::Never,
            });
        }
        // What builds on a time to come would carry everybody there.
        if event.header().clock > turn.now.saturating_add(MAX_AHEAD_MS) {
            return Ok(Taken::Later);
        }
        let Some(checked) = self.check_operation(turn, event)? else {
            self.counters.forged_events += 1;
            return Ok(Taken::Never);
        };
        let id = checked.operation.id();
        let known_to_others = self.rooms.wanted.contains(&(no, id));
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(Taken::Never);
        };
        let wanted = known_to_others || folded.is_wanted(&id);
        if has_no_room(folded, &checked.operation, wanted) {
            return Ok(Taken::Later);
        }
        if self.rooms.wanted.remove(&(no, id)) {
            self.rooms.asked_views.retain(|(_, room, _)| *room != no);
        }
        Ok(match self.store_checked(turn, no, checked, wanted)? {
            Some(key) => Taken::Stored(key),
            None => Taken::Later,
        })
    }

    /// Stores an operation, one that is `wanted` for others wherever it stands, and adds it to what is folded.
    pub(super) fn store_checked(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        checked: Checked,
        wanted: bool,
    ) -> Result<Option<EventKey>, StoreError> {
        let Checked {
            event,
            operation,
            certificate,
        } = checked;
        let author = self.learn_device(turn, &certificate)?;
        // What blocked users do in a room holds for all, and so for us.
        let origin = match self.origin_of(author) {
            Origin::Blocked | Origin::Elsewhere if wanted => Origin::Wanted,
            Origin::Blocked => Origin::Elsewhere,
            origin => origin,
        };
        let key = match append(turn, no, author, &event, origin)? {
            Appended::New(key) => key,
            Appended::Known(key) | Appended::Completed(key) => return Ok(Some(key)),
            Appended::Refused => return Ok(None),
        };
        self.counters.events_received += 1;
        if author == self.own.device {
            let clock = event.header().clock;
            self.on_own_event_returned(turn, &key, clock)?;
        }
        self.fold_in(turn, no, operation)?;
        self.let_rest(turn, &key)?;
        Ok(Some(key))
    }

    /// Adds an operation that has been stored to what is folded.
    pub(super) fn fold_in(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        operation: RoomOperation,
    ) -> Result<(), StoreError> {
        let (id, own) = (operation.id(), operation.user() == self.own.user);
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let waited: Vec<EventId> = folded.waiting_ids().collect();
        let applied = match folded.apply(operation) {
            // It counts when what it builds on has come.
            Ok(Applied::Waiting) => return self.want_soon(turn, no),
            Err(_) => return Ok(()),
            Ok(applied) => applied,
        };
        let mut taken_up: Vec<EventId> = waited.into_iter().filter(|id| !folded.waits(id)).collect();
        taken_up.push(id);
        let members: BTreeSet<UserId> = folded.state().members.keys().copied().collect();
        let void = taken_up.iter().filter(|id| folded.state().dropped.contains_key(id));
        let void = u64::try_from(void.count()).unwrap_or(u64::MAX);
        if !own {
            self.counters.void_operations = self.counters.void_operations.saturating_add(void);
        }
        // Nothing else has come to what is here: the other views need not be computed again.
        if applied == Applied::Last
            && let Some(room) = conversations::id_of(turn.txn, no)?
            && let Some(single) = self.rooms.single.get_mut(&no)
        {
            single.insert(membership_view(&room, [&id]), id);
        }
        let mut came = Vec::new();
        for id in taken_up {
            came.extend(self.learn_from(turn, &id, &members)?);
        }
        // What members are read from has not changed yet.
        let was_in = self.takes_part(turn, no)?;
        let new = || Unsettled::new(was_in);
        let unsettled = self.rooms.unsettled.entry(no).or_insert_with(new);
        unsettled.add(id, applied, came);
        match self.rooms.gathers {
            true => Ok(()),
            false => self.settle_room(turn, no),
        }
    }

    /// Operations that follow belong together: what they come to is written down and told once, when they are
    /// [settled](Self::settle_operations). Whoever comes into a large room is given hundreds of them at once.
    pub(crate) fn gather_operations(&mut self) {
        self.rooms.gathers = true;
    }

    /// The end of what was [gathered](Self::gather_operations) of a room.
    pub(crate) fn settle_operations(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo) -> Result<(), StoreError> {
        self.rooms.gathers = false;
        if std::mem::take(&mut self.rooms.stale) {
            self.members.clear();
        }
        self.settle_room(turn, no)
    }

    /// Writes down and tells what operations that were folded in have changed.
    pub(crate) fn settle_room(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo) -> Result<(), StoreError> {
        let Some(unsettled) = self.rooms.unsettled.remove(&no) else {
            return Ok(());
        };
        self.room_changed(turn, no, unsettled.applied())?;
        self.show_operations(turn, no, unsettled.alone())?;
        self.knocks_changed(turn, no)?;
        if !unsettled.was_in && self.takes_part(turn, no)? {
            return self.want_fellows(turn);
        }
        for user in unsettled.came {
            self.want_fellow(turn, no, &user)?;
        }
        Ok(())
    }

    /// Whether this account takes part in a room.
    fn takes_part(&mut self, turn: &Turn<'_, '_>, no: ConversationNo) -> Result<bool, StoreError> {
        let own = self.own.user;
        Ok(self.members(turn, no)?.is_some_and(|members| members.has(&own)))
    }

    /// Notes the devices that an operation which counts names, and where its author is; of members only, since what outsiders sign is to
    /// cost one row each. Says who came with it.
    fn learn_from(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: &EventId,
        members: &BTreeSet<UserId>,
    ) -> Result<Option<UserId>, StoreError> {
        let Some(key) = events::place(turn.txn, id)? else {
            return Ok(None);
        };
        let author = key.log.device;
        let user = self.known.get(&author).map(|known| known.user);
        let (Some(user), Some(event)) = (user.filter(|user| *user != self.own.user), events::get(turn.txn, &key)?)
        else {
            return Ok(None);
        };
        let body = event.body().and_then(|(_, body)| Operation::decode(body).ok());
        let Some(operation) = body.filter(|_| members.contains(&user)) else {
            return Ok(None);
        };
        let (brings, list) = match &operation.act {
            Act::Create { device_list, .. } | Act::Join { device_list, .. } => (true, device_list),
            Act::Devices { device_list, .. } => (false, device_list),
            _ => return Ok(None),
        };
        let known = |device: &DeviceId| self.proof_of(device);
        let list = DeviceList::verify_unless_known(list, known).ok();
        for certificate in list
            .iter()
            .flat_map(DeviceList::certs)
            .filter(|cert| cert.user() == user)
        {
            self.learn_device(turn, certificate)?;
        }
        if brings {
            self.note_told(turn, &user, author, event.header().clock, told(&operation.ext))?;
        }
        Ok(brings.then_some(user))
    }

    /// Checks an operation by the certificate we know of its device, or by the one it brings along.
    pub(super) fn check_operation(
        &self,
        turn: &Turn<'_, '_>,
        event: SignedEvent,
    ) -> Result<Option<Checked>, StoreError> {
        let header = event.header();
        if !is_operation(header.kind) || header.log & super::OPERATIONS == 0 || !header.parents.is_empty() {
            return Ok(None);
        }
        let device = header.device;
        let certificate = match devices::number(turn.txn, &device)? {
            Some(no) => devices::get(turn.txn, no)?
                .and_then(|row| DeviceCert::verify_unless_known(&row.certificate, |d| self.proof_of(d)).ok()),
            None => RoomOperation::carried_list(&event)
                .and_then(|list| list.certs().iter().find(|cert| cert.device() == device).cloned()),
        };
        let Some(certificate) = certificate else {
            return Ok(None);
        };
        let signer = SignerKey::read(certificate.signing_key());
        let Some(Ok(event)) = signer.map(|signer| event.verify_by(&signer)) else {
            return Ok(None);
        };
        let Ok(operation) = RoomOperation::read(&event, &certificate) else {
            return Ok(None);
        };
        Ok(Some(Checked {
            event,
            operation,
            certificate,
        }))
    }

    /// The number of the device of a certificate, which is noted if it is new.
    pub(super) fn learn_device(
        &mut self,
        turn: &mut Turn<'_, '_>,
        certificate: &DeviceCert,
    ) -> Result<DeviceNo, StoreError> {
        if let Some(no) = devices::number(turn.txn, &certificate.device())? {
            return Ok(no);
        }
        let row = DeviceRow {
            id: certificate.device(),
            user: certificate.user(),
            certificate: certificate.as_bytes().to_vec(),
            bundle: Vec::new(),
            peer: Vec::new(),
            addresses: Vec::new(),
            good_addresses: Vec::new(),
            last_seen: 0,
        };
        let no = devices::put(turn.txn, &row)?;
        self.know_device(no, row, certificate);
        Ok(no)
    }

    /// What stands of what a device says in a room: its user may say it by what they knew, and the device was theirs then. Nothing can be
    /// said of it, and it is asked for again, while the operations that its author knew are not here.
    pub(crate) fn judge_said(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        header: &EventHeader,
        user: &UserId,
    ) -> Result<Option<Said>, StoreError> {
        // What the rules say of disappearing nobody says beside them: they go to everybody, whatever is given of what was said before.
        let is_content = header.log & super::OPERATIONS == 0 && header.kind != KIND_TIMER;
        let Some(view) = header.view.filter(|_| is_content) else {
            return Ok(Some(Said::Void));
        };
        let Some(then) = self.state_of_view(turn, no, &view)? else {
            self.miss_view(no, view);
            return Ok(None);
        };
        let there = then
            .members
            .get(user)
            .is_some_and(|member| member.devices.contains(&header.device));
        if !there || then.rank(user).number() < least_rank(&then.policy, header.kind) {
            return Ok(Some(Said::Void));
        }
        let folded = self.folded(turn, no)?;
        Ok(folded.map(|folded| folded.state().stands(&then, user, header)))
    }

    /// Whether something said in a room is taken from whoever gave it. Who was removed, and is not back, does not go on by giving it
    /// themselves: what they said around that comes from those who had it.
    pub(crate) fn takes_said(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        header: &EventHeader,
        (by, giver): (&UserId, &UserId),
    ) -> Result<bool, StoreError> {
        Ok(match self.judge_said(turn, no, header, by)? {
            Some(Said::Stands) => true,
            Some(Said::AroundRemoval) => by != giver || *by == self.own.user || self.is_in(turn, no, by)?,
            Some(Said::Void) => {
                self.counters.unruled_events = self.counters.unruled_events.saturating_add(1);
                false
            }
            None => false,
        })
    }

    fn is_in(&mut self, turn: &Turn<'_, '_>, no: ConversationNo, user: &UserId) -> Result<bool, StoreError> {
        let folded = self.folded(turn, no)?;
        Ok(folded.is_some_and(|folded| folded.state().members.contains_key(user)))
    }
}

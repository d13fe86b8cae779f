//! Whether contacts are who they seem: safety numbers compared, and devices that came or were replaced. Where the user has to decide
//! about the latter, nothing of ours goes to the devices until that is done.

use parlour_crypto::{DeviceList, UserId, safety_number};
use parlour_store::feed::{self, FeedRow};
use parlour_store::registers::{self, Register, Trust};
use parlour_store::{DeviceNo, StoreError, contacts, devices, outbox};

use super::Engine;
use super::decisions::DecisionError;
use super::effects::Turn;
use super::timers::Timer;

impl Engine {
    /// Reads about whom there is something to decide.
    pub(crate) fn learn_trust(&mut self, turn: &Turn<'_, '_>) -> Result<(), StoreError> {
        self.undecided = registers::all_changed(turn.txn)?.into_iter().collect();
        Ok(())
    }

    /// Whether the devices of a user have changed so that nothing goes to them, and our user has not decided yet.
    pub(crate) fn is_undecided(&self, user: &UserId) -> bool {
        self.undecided.contains(user)
    }

    pub(crate) fn is_undecided_device(&self, device: DeviceNo) -> bool {
        self.known
            .get(&device)
            .is_some_and(|known| self.is_undecided(&known.user))
    }

    /// A device list takes the place of another. Any new device is told. If it came with the words alone, in place of all others, to
    /// somebody verified, or with lists between that we have not seen, the user has to decide.
    pub(crate) fn compare_lists(
        &mut self,
        turn: &mut Turn<'_, '_>,
        before: &[u8],
        list: &DeviceList,
    ) -> Result<(), StoreError> {
        if before.is_empty() || before == list.as_bytes() {
            return Ok(());
        }
        let user = list.user();
        let trust = registers::trust(turn.txn, &user)?;
        let stop = match DeviceList::verify(before) {
            Ok(before) if before.hash() == list.hash() => return Ok(()),
            Ok(before) => {
                let kept = before.certs().iter().any(|cert| list.cert(&cert.device()).is_some());
                let new = list.certs().iter().any(|cert| before.cert(&cert.device()).is_none());
                let gap = before.version().checked_add(1) != Some(list.version());
                let verified = matches!(trust, Trust::Verified { .. });
                if new {
                    self.tell_new_device(turn, &user)?;
                }
                list.is_recovered() || (!kept && !before.certs().is_empty()) || (new && (verified || gap))
            }
            // What was there cannot be compared with any more.
            Err(_) => true,
        };
        if !stop {
            return Ok(());
        }
        let verified_before = match trust {
            Trust::Unverified => false,
            Trust::Verified { .. } => true,
            Trust::Changed { verified_before, .. } => verified_before,
        };
        let at = turn.now;
        tracing::warn!(user = %user.short(), "the devices of a contact have changed; nothing is sent to them until that is accepted");
        self.undecided.insert(user);
        self.set_trust(turn, &user, &Trust::Changed { at, verified_before })
    }

    fn tell_new_device(&mut self, turn: &mut Turn<'_, '_>, user: &UserId) -> Result<(), StoreError> {
        tracing::warn!(user = %user.short(), "a contact has a new device");
        let device = self.account.keys.id();
        registers::set(turn.txn, Register::NewDevice(*user), &turn.now, device, turn.now)?;
        feed::append(turn.txn, &FeedRow::Contact { user: *user })?;
        Ok(())
    }

    fn set_trust(&mut self, turn: &mut Turn<'_, '_>, user: &UserId, trust: &Trust) -> Result<(), StoreError> {
        let device = self.account.keys.id();
        registers::set(turn.txn, Register::Trust(*user), trust, device, turn.now)?;
        feed::append(turn.txn, &FeedRow::Contact { user: *user })?;
        Ok(())
    }

    /// Whether a decision is about exactly the devices that the contact has now. The safety number says nothing about them: whoever has
    /// the words shows the same.
    fn refuse_decision(
        &self,
        turn: &Turn<'_, '_>,
        user: &UserId,
        devices: Option<ListCode>,
    ) -> Result<Option<DecisionError>, StoreError> {
        let Some(row) = contacts::get(turn.txn, user)? else {
            return Ok(Some(DecisionError::UnknownContact));
        };
        Ok(match devices {
            Some(given) if list_code(&row.device_list) != Some(given) => Some(DecisionError::OtherDevices),
            None if self.is_undecided(user) => Some(DecisionError::DevicesUndecided),
            Some(_) | None => None,
        })
    }

    /// Compares what the other side showed with the safety number; white space and dashes do not matter.
    pub(crate) fn verify(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
        code: &str,
        devices: Option<ListCode>,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        if contacts::get(turn.txn, user)?.is_none() {
            return Ok(Err(DecisionError::UnknownContact));
        }
        let digits = |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect() };
        let given = digits(code);
        if given.len() != 60 || !given.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Err(DecisionError::NoSafetyNumber));
        }
        if given != digits(&safety_number(&self.account.user(), user)) {
            return Ok(Err(DecisionError::WrongSafetyNumber));
        }
        if let Some(error) = self.refuse_decision(turn, user, devices)? {
            return Ok(Err(error));
        }
        self.settle(turn, user, &Trust::Verified { at: turn.now })
    }

    /// Takes somebody as they are, without having compared anything.
    pub(crate) fn accept_as_is(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
        devices: Option<ListCode>,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        if let Some(error) = self.refuse_decision(turn, user, devices)? {
            return Ok(Err(error));
        }
        self.settle(turn, user, &Trust::Unverified)
    }

    /// The user has decided: what waits may go.
    fn settle(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
        trust: &Trust,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        self.set_trust(turn, user, trust)?;
        if registers::get(turn.txn, Register::NewDevice(*user))?.unwrap_or(0u64) > 0 {
            let device = self.account.keys.id();
            registers::set(turn.txn, Register::NewDevice(*user), &0u64, device, turn.now)?;
        }
        if self.undecided.remove(user) {
            for device in devices::of_user(turn.txn, user)? {
                self.tell_what_waited(turn, device)?;
            }
        }
        Ok(Ok(()))
    }

    /// Nothing is held back from a device any more.
    fn tell_what_waited(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        self.control_tries.remove(&device);
        self.timers.set_earliest(Timer::Distribute(device), turn.now);
        self.timers.set_earliest(Timer::Controls(device), turn.now);
        self.timers.set_earliest(Timer::GossipAcknowledge(device), turn.now);
        let Some((stream, link)) = self.link_to(device) else {
            return Ok(());
        };
        link.all_told.clear();
        self.tell_everything(turn, stream)?;
        self.tell_presence_to(turn, stream)?;
        for row in outbox::of_device(turn.txn, device)? {
            self.send_control_frame(turn, stream, &row);
        }
        for (conversation, _) in self.shared(turn, device)? {
            if let Some((_, link)) = self.link_to(device) {
                link.want(conversation);
            }
        }
        Ok(())
    }
}

/// The beginning of a device list's hash: what a decision about devices names, so that it is about these and no others.
pub type ListCode = [u8; 8];

/// The code of a device list in its signed form; `None` if there is none.
pub(crate) fn list_code(list: &[u8]) -> Option<ListCode> {
    DeviceList::verify(list).ok().map(|list| list.reference().hash)
}

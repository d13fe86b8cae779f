//! Whether contacts are who they seem: safety numbers compared, and devices that were all replaced at once. Until the user has
//! decided about the latter, nothing that was written is sent to the new devices.

use parlour_crypto::{DeviceList, UserId, safety_number};
use parlour_store::feed::{self, FeedRow};
use parlour_store::registers::{self, Register, Trust};
use parlour_store::{StoreError, contacts, devices};

use super::Engine;
use super::decisions::DecisionError;
use super::effects::Turn;
use super::timers::Timer;

impl Engine {
    /// Reads about whom there is something to decide.
    pub(crate) fn learn_trust(&mut self, turn: &Turn<'_, '_>) -> Result<(), StoreError> {
        self.undecided.clear();
        for contact in contacts::all(turn.txn)? {
            if matches!(registers::trust(turn.txn, &contact.user)?, Trust::Changed { .. }) {
                self.undecided.insert(contact.user);
            }
        }
        Ok(())
    }

    /// Whether all devices of a user were replaced, and our user has not decided yet.
    pub(crate) fn is_undecided(&self, user: &UserId) -> bool {
        self.undecided.contains(user)
    }

    /// A device list takes the place of another: if none of the devices is left, or they were made anew from the words, the user
    /// has to decide.
    pub(crate) fn compare_lists(
        &mut self,
        turn: &mut Turn<'_, '_>,
        before: &[u8],
        list: &DeviceList,
    ) -> Result<(), StoreError> {
        let Ok(before) = DeviceList::verify(before) else {
            return Ok(());
        };
        let kept = before.certs().iter().any(|cert| list.cert(&cert.device()).is_some());
        let replaced = list.is_recovered() || (!kept && !before.certs().is_empty());
        if before.hash() == list.hash() || !replaced {
            return Ok(());
        }
        let user = list.user();
        let verified_before = match registers::trust(turn.txn, &user)? {
            Trust::Unverified => false,
            Trust::Verified { .. } => true,
            Trust::Changed { verified_before, .. } => verified_before,
        };
        let at = turn.now;
        tracing::warn!(user = %user.short(), "all devices of a contact were replaced; nothing is sent to them until that is accepted");
        self.undecided.insert(user);
        self.set_trust(turn, &user, &Trust::Changed { at, verified_before })
    }

    fn set_trust(&mut self, turn: &mut Turn<'_, '_>, user: &UserId, trust: &Trust) -> Result<(), StoreError> {
        let device = self.account.keys.id();
        registers::set(turn.txn, Register::Trust(*user), trust, device, turn.now)?;
        feed::append(turn.txn, &FeedRow::Contact { user: *user })?;
        Ok(())
    }

    /// Compares what the other side showed with the safety number; white space and dashes do not matter.
    pub(crate) fn verify(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
        code: &str,
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
        self.settle(turn, user, &Trust::Verified { at: turn.now })
    }

    /// Takes somebody as they are, without having compared anything.
    pub(crate) fn accept_as_is(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        if contacts::get(turn.txn, user)?.is_none() {
            return Ok(Err(DecisionError::UnknownContact));
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
        if self.undecided.remove(user) {
            for device in devices::of_user(turn.txn, user)? {
                if let Some((stream, _)) = self.link_to(device) {
                    self.tell_everything(turn, stream)?;
                }
                for (conversation, _) in self.shared(turn, user)? {
                    if let Some((_, link)) = self.link_to(device) {
                        link.wanting.insert(conversation);
                    }
                }
                self.timers.set_earliest(Timer::Distribute(device), turn.now);
            }
        }
        Ok(Ok(()))
    }
}

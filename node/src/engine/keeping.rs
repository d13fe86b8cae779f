//! How contacts and conversations are kept here: petnames, mutes, what is put away, drafts. Nobody else learns of it.

use parlour_crypto::{ConversationId, KIND_MESSAGE, UserId, VerifiedEvent};
use parlour_store::feed::{self, FeedRow};
use parlour_store::registers::{self, Register};
use parlour_store::{ConversationNo, StoreError, contacts, conversations};

use super::Engine;
use super::decisions::{ContactChange, ConversationChange, DecisionError};
use super::effects::Turn;
use super::input::AddError;
use super::invites::check_petname;

/// Bytes of a draft.
const MAX_DRAFT: usize = 16_384;

impl Engine {
    pub(crate) fn change_contact(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
        change: ContactChange,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        let Some(mut row) = contacts::get(turn.txn, user)? else {
            return match change.blocked {
                Some(true) => self.block_fellow(turn, user),
                Some(false) | None => Ok(Err(DecisionError::UnknownContact)),
            };
        };
        if let Some(petname) = change.petname {
            let petname = petname.map(|name| name.trim().to_owned());
            let wrong = petname.as_deref().map(|name| check_petname(turn, user, name));
            match wrong.transpose()?.flatten() {
                Some(AddError::NameTaken(name)) => return Ok(Err(DecisionError::NameTaken(name))),
                Some(AddError::NameReserved(name)) => return Ok(Err(DecisionError::NameReserved(name))),
                Some(AddError::BadName { max }) => return Ok(Err(DecisionError::BadName { max })),
                Some(_) | None => {}
            }
            if row.petname != petname {
                let device = self.account.keys.id();
                registers::set(turn.txn, Register::Petname(*user), &petname, device, turn.now)?;
                row.petname = petname;
                contacts::put(turn.txn, &row);
                feed::append(turn.txn, &FeedRow::Contact { user: *user })?;
            }
        }
        match change.blocked {
            Some(block) => self.set_blocked(turn, user, block),
            None => Ok(Ok(())),
        }
    }

    pub(crate) fn change_conversation(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: &ConversationId,
        change: ConversationChange,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        let Some(conversation) = conversations::number(turn.txn, id)? else {
            return Ok(Err(DecisionError::UnknownConversation));
        };
        if change.muted_until.is_some_and(|until| until > 0 && until <= turn.now) {
            return Ok(Err(DecisionError::Past));
        }
        if let Some(got) = change.draft.as_ref().map(String::len).filter(|got| *got > MAX_DRAFT) {
            let max = MAX_DRAFT;
            return Ok(Err(DecisionError::TooLong {
                what: "draft",
                got,
                max,
            }));
        }
        let (device, now) = (self.account.keys.id(), turn.now);
        if let Some(until) = change.muted_until {
            registers::set(turn.txn, Register::Muted(*id), &until, device, now)?;
        }
        if let Some(archived) = change.archived {
            registers::set(turn.txn, Register::Archived(*id), &archived, device, now)?;
        }
        if let Some(draft) = change.draft {
            registers::set(turn.txn, Register::Draft(*id), &draft, device, now)?;
        }
        feed::append(turn.txn, &FeedRow::Conversation { conversation })?;
        Ok(Ok(()))
    }

    /// A message brings a conversation back that was put away, unless it is muted.
    pub(crate) fn wake_conversation(
        &mut self,
        turn: &mut Turn<'_, '_>,
        conversation: ConversationNo,
        event: &VerifiedEvent,
    ) -> Result<(), StoreError> {
        let id = event.header().conversation;
        if event.header().kind != KIND_MESSAGE
            || !registers::get(turn.txn, Register::Archived(id))?.unwrap_or(false)
            || registers::get(turn.txn, Register::Muted(id))?.unwrap_or(0) > turn.now
        {
            return Ok(());
        }
        let device = self.account.keys.id();
        registers::set(turn.txn, Register::Archived(id), &false, device, turn.now)?;
        feed::append(turn.txn, &FeedRow::Conversation { conversation })?;
        Ok(())
    }
}

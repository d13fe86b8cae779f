//! What a user decides about themselves, contacts and conversations, and what nobody else has to agree to.

use parlour_crypto::ConversationId;
use parlour_store::StoreError;
use parlour_store::registers::{self, Register};

use super::Engine;
use super::effects::{StorageFailed, Turn};

/// One decision.
#[derive(Debug, Clone)]
pub enum Change {
    /// How this account behaves towards others; what is not given stays.
    Settings {
        /// Whether contacts are told how far we have read.
        read_receipts: Option<bool>,
        /// Whether contacts are told when we are there.
        presence: Option<bool>,
    },
    /// The user writes something in a conversation, or has stopped.
    Typing {
        /// Where.
        conversation: ConversationId,
        /// Whether they do.
        typing: bool,
    },
    /// The user is there for so many ms; 0 = away.
    Online(u64),
}

/// Why a decision was not carried out. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No such conversation.
    #[error("there is no such conversation")]
    UnknownConversation,
    /// Not written.
    #[error(transparent)]
    Storage(#[from] StorageFailed),
}

impl Engine {
    pub(crate) fn change(
        &mut self,
        turn: &mut Turn<'_, '_>,
        change: Change,
    ) -> Result<Result<(), ChangeError>, StoreError> {
        match change {
            Change::Settings {
                read_receipts,
                presence,
            } => self.change_settings(turn, read_receipts, presence),
            Change::Typing { conversation, typing } => self.set_typing(turn, &conversation, typing),
            Change::Online(ms) => self.set_online(turn, ms).map(Ok),
        }
    }

    fn change_settings(
        &mut self,
        turn: &mut Turn<'_, '_>,
        read_receipts: Option<bool>,
        presence: Option<bool>,
    ) -> Result<Result<(), ChangeError>, StoreError> {
        let mut settings = registers::settings(turn.txn)?;
        settings.read_receipts = read_receipts.unwrap_or(settings.read_receipts);
        settings.presence = presence.unwrap_or(settings.presence);
        if !settings.read_receipts {
            self.drop_read_marks(turn)?;
        }
        let device = self.account.keys.id();
        registers::set(turn.txn, Register::Settings, &settings, device, turn.now)?;
        self.tell_presence(turn)?;
        Ok(Ok(()))
    }
}

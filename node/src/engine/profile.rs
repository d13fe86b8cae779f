//! What this account's user says about themselves: kept in a register, told contacts on the card.

use parlour_crypto::{CardDetails, CardError, MAX_NAME, is_emoji, plain_image};
use parlour_store::StoreError;
use parlour_store::feed::{self, FeedRow};
use parlour_store::registers::{self, OwnProfile, Register};
use serde_bytes::ByteBuf;

use crate::text::acts;

use super::Engine;
use super::decisions::{DecisionError, ProfileChange};
use super::effects::Turn;

impl Engine {
    /// Reads the profile; the name in the keystore is the one the account was made with.
    pub(crate) fn learn_profile(&mut self, turn: &Turn<'_, '_>) -> Result<(), StoreError> {
        let profile: OwnProfile = registers::get(turn.txn, Register::Profile)?.unwrap_or_default();
        self.account.name = match profile.name.is_empty() {
            true => self.first_name.clone(),
            false => profile.name,
        };
        self.details = profile.details;
        self.live_changed = true;
        Ok(())
    }

    pub(crate) fn change_profile(
        &mut self,
        turn: &mut Turn<'_, '_>,
        change: ProfileChange,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        let name = change.name.map(|name| name.trim().to_owned());
        if let Some(error) = name.as_deref().and_then(check_name) {
            return Ok(Err(error));
        }
        let mut details = self.details.clone();
        let gives_emoji = change.emoji.is_some();
        let gives_status = change.status.is_some() || gives_emoji;
        let texts = [
            ("about", change.about, &mut details.about),
            ("pronouns", change.pronouns, &mut details.pronouns),
            ("status", change.status, &mut details.status),
            ("status_emoji", change.emoji, &mut details.emoji),
        ];
        for (what, text, place) in texts {
            let Some(text) = text else { continue };
            if text.chars().any(|c| acts(c) && (what != "about" || c != '\n')) {
                return Ok(Err(DecisionError::BadText { what }));
            }
            text.trim().clone_into(place);
        }
        if gives_emoji && !details.emoji.is_empty() && !is_emoji(&details.emoji) {
            return Ok(Err(DecisionError::NotEmoji));
        }
        match change.status_expires {
            Some(at) if at > 0 && at <= turn.now => return Ok(Err(DecisionError::StatusOver)),
            Some(at) => details.status_expires = at,
            // A new status does not end when an old one did.
            None if gives_status && details.status_expires <= turn.now => details.status_expires = 0,
            None => {}
        }
        if details.status.is_empty() && details.emoji.is_empty() {
            details.status_expires = 0;
        }
        if let Some(avatar) = change.avatar {
            // Contacts see the picture, and not where and with what it was made.
            match avatar.map(|bytes| plain_image(&bytes)).transpose() {
                Ok(plain) => details.avatar = ByteBuf::from(plain.unwrap_or_default()),
                Err(error) => return Ok(Err(DecisionError::Card(error.into()))),
            }
        }
        self.set_profile(turn, name, details)
    }

    fn set_profile(
        &mut self,
        turn: &mut Turn<'_, '_>,
        name: Option<String>,
        details: CardDetails,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        if let Err(error) = details.validate() {
            return Ok(Err(DecisionError::Card(error)));
        }
        self.account.name = name.unwrap_or_else(|| std::mem::take(&mut self.account.name));
        self.details = details;
        let profile = OwnProfile {
            name: self.account.name.clone(),
            details: self.details.clone(),
        };
        let device = self.account.keys.id();
        registers::set(turn.txn, Register::Profile, &profile, device, turn.now)?;
        feed::append(turn.txn, &FeedRow::Own)?;
        self.live_changed = true;
        self.card_changed(turn.now);
        Ok(Ok(()))
    }
}

fn check_name(name: &str) -> Option<DecisionError> {
    if name.len() > MAX_NAME {
        let (got, max) = (name.len(), MAX_NAME);
        return Some(DecisionError::Card(CardError::OverLimit {
            field: "name",
            got,
            max,
        }));
    }
    (name.is_empty() || name.chars().any(acts)).then_some(DecisionError::BadText { what: "name" })
}

//! Users who ask to become contacts: what they say is kept for the user to decide, and nothing goes back.

use parlour_crypto::{
    AskingWork, Control, Invite, KnockResponse, Link, Payload, PrekeyBundle, UserId, first_contact_tag,
    parse as parse_envelope,
};
use parlour_store::contacts::{self, ContactState};
use parlour_store::feed::{self, FeedRow};
use parlour_store::requests::{self, RequestRow};
use parlour_store::{StoreError, prekeys};

use super::Engine;
use super::asking::REQUEST_MS;
use super::contacts::known_tag_key;
use super::decisions::DecisionError;
use super::effects::Turn;
use super::invites::invited;

/// Requests that wait, and declined ones that are remembered.
const MAX_REQUESTS: usize = 200;
/// Whoever was declined can ask again after this.
const DECLINED_MS: u64 = 30 * 24 * 3_600_000;
/// The clocks of others may be off by this.
const CLOCK_MS: u64 = 24 * 3_600_000;

impl Engine {
    /// The newest bundle, for somebody who knows who we are.
    pub(crate) fn bundle_to_ask(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
    ) -> Result<KnockResponse, StoreError> {
        if *user == self.account.user() {
            self.give_bundle(turn)
        } else {
            Ok(KnockResponse::Nothing)
        }
    }

    /// Somebody asks. What is `Received` need not come again.
    pub(crate) fn on_ask(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
        nonce: u64,
        envelope: &[u8],
    ) -> Result<KnockResponse, StoreError> {
        if *user != self.account.user() || !AskingWork::new(user, envelope).is_done_by(nonce) {
            return Ok(KnockResponse::Nothing);
        }
        let waiting = requests::all(turn.txn)?;
        if waiting.iter().filter(|row| is_open(row, turn.now)).count() >= MAX_REQUESTS || !self.asks.take(turn.now) {
            return Ok(KnockResponse::Nothing);
        }
        if let Some((invite, note)) = self.open_request(turn, envelope)? {
            self.take_request(turn, &invite, note)?;
        }
        Ok(KnockResponse::Received)
    }

    /// The invite of whoever asks, and what they say.
    fn open_request(
        &mut self,
        turn: &mut Turn<'_, '_>,
        envelope: &[u8],
    ) -> Result<Option<(Invite, String)>, StoreError> {
        let Ok((prefix, body)) = parse_envelope(envelope) else {
            return Ok(None);
        };
        let named = |hash: &[u8; 32]| first_contact_tag(&known_tag_key(hash), prefix.day) == prefix.tag;
        let bundles = prekeys::all(turn.txn)?;
        if !bundles.iter().any(|row| named(&PrekeyBundle::hash_of(&row.bundle))) {
            return Ok(None);
        }
        let Some(opened) = self.open_flight(turn, &prefix, body)? else {
            return Ok(None);
        };
        opened.settle(turn);
        let Ok(Payload::Control {
            control: Control::ContactRequest { link, note, .. },
            ..
        }) = Payload::decode(&opened.accepted.payload)
        else {
            return Ok(None);
        };
        let user = opened.accepted.peer_cert.user();
        let Ok(Link::Invite(invite)) = Link::parse(&link) else {
            return Ok(None);
        };
        let longest = turn.now.saturating_add(REQUEST_MS).saturating_add(CLOCK_MS);
        let good = invite.user == user && user != self.account.user() && (turn.now..longest).contains(&invite.expires);
        Ok(good.then_some((invite, note)))
    }

    fn take_request(&mut self, turn: &mut Turn<'_, '_>, invite: &Invite, note: String) -> Result<(), StoreError> {
        let user = invite.user;
        let before = requests::get(turn.txn, &user)?;
        let declined = before.and_then(|row| row.declined);
        if self.is_blocked(&user) || declined.is_some_and(|at| turn.now.saturating_sub(at) < DECLINED_MS) {
            return Ok(());
        }
        if let Some(known) = contacts::get(turn.txn, &user)?
            && known.state != ContactState::Accepted
        {
            // Both want it.
            return self.approach(turn, &invited(invite, known.petname, turn.now));
        }
        let row = RequestRow {
            user,
            link: invite.to_link(),
            name: invite.name.clone().unwrap_or_default(),
            note,
            received: turn.now,
            expires: invite.expires,
            declined: None,
        };
        requests::put(turn.txn, &row);
        feed::append(turn.txn, &FeedRow::Request { user })?;
        Ok(())
    }

    /// Declines a request without a word.
    pub(crate) fn decline_request(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
    ) -> Result<Result<(), DecisionError>, StoreError> {
        let Some(mut row) = requests::get(turn.txn, user)?.filter(|row| is_open(row, turn.now)) else {
            return Ok(Err(DecisionError::UnknownRequest));
        };
        row.declined = Some(turn.now);
        row.note = String::new();
        row.link = String::new();
        requests::put(turn.txn, &row);
        feed::append(turn.txn, &FeedRow::Request { user: *user })?;
        let mut declined = requests::all(turn.txn)?;
        declined.retain(|row| row.declined.is_some());
        declined.sort_by_key(|row| std::cmp::Reverse(row.declined));
        for forgotten in declined.into_iter().skip(MAX_REQUESTS) {
            requests::delete(turn.txn, &forgotten.user);
        }
        Ok(Ok(()))
    }

    /// Forgets requests whose time is over.
    pub(crate) fn drop_old_requests(&self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for row in requests::all(turn.txn)? {
            let over = match row.declined {
                Some(at) => turn.now.saturating_sub(at) >= DECLINED_MS,
                None => row.expires <= turn.now,
            };
            if over {
                requests::delete(turn.txn, &row.user);
                feed::append(turn.txn, &FeedRow::Request { user: row.user })?;
            }
        }
        Ok(())
    }
}

/// Whether the user can still decide about it.
pub(crate) fn is_open(row: &RequestRow, now: u64) -> bool {
    row.declined.is_none() && row.expires > now
}

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
use super::decisions::DecisionError;
use super::effects::Turn;
use super::flights::known_tag_key;
use super::invites::{invited, is_waiting};
use super::welcome::OpenedFlight;

/// Requests that wait, and declined ones that are remembered.
const MAX_REQUESTS: usize = 200;
/// Whoever was declined can ask again after this.
const DECLINED_MS: u64 = 30 * 24 * 3_600_000;
/// The clocks of others may be off by this.
const CLOCK_MS: u64 = DAY_MS;
const DAY_MS: u64 = 24 * 3_600_000;

impl Engine {
    /// The newest bundle, for somebody who knows who we are.
    pub(crate) fn bundle_to_ask(&self, user: &UserId) -> KnockResponse {
        if *user == self.account.user() {
            // Without a one-time key: the session of a request is used for nothing, and strangers are to cost nothing.
            KnockResponse::Bundle {
                device_list: self.account.list.as_bytes().to_vec(),
                bundle: self.bundle.clone(),
                one_time: None,
            }
        } else {
            KnockResponse::Nothing
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
        let Ok((prefix, body)) = parse_envelope(envelope) else {
            return Ok(KnockResponse::Received);
        };
        let named = |hash: &[u8; 32]| first_contact_tag(&known_tag_key(hash), prefix.day) == prefix.tag;
        let bundles = prekeys::all(turn.txn)?;
        if !bundles.iter().any(|row| named(&PrekeyBundle::hash_of(&row.bundle))) {
            return Ok(KnockResponse::Received);
        }
        // What came before costs nobody's allowance: whoever repeats it keeps nobody else out.
        if self.is_answered(turn, body)? {
            return Ok(KnockResponse::Received);
        }
        let open = |row: &RequestRow| is_open(row, turn.now);
        if !self.asks.take(turn.now) || requests::all(turn.txn)?.iter().filter(|row| open(row)).count() >= MAX_REQUESTS
        {
            return Ok(KnockResponse::Nothing);
        }
        let Some(opened) = self.open_flight(turn, &prefix, body)? else {
            return Ok(KnockResponse::Nothing);
        };
        match self.request_in(&opened, turn.now) {
            Ok((invite, note)) => self.take_request(turn, &opened, &invite, note)?,
            Err(answer) => return Ok(answer),
        }
        Ok(KnockResponse::Received)
    }

    /// The invite of whoever asks, and what they say; or else the answer to something that is no request.
    fn request_in(&self, opened: &OpenedFlight, now: u64) -> Result<(Invite, String), KnockResponse> {
        let Ok(Payload::Control {
            control: Control::ContactRequest { link, note, .. },
            ..
        }) = Payload::decode(&opened.accepted.payload)
        else {
            return Err(KnockResponse::Received);
        };
        let user = opened.accepted.peer_cert.user();
        let invite = match Link::parse(&link) {
            Ok(Link::Invite(invite)) if invite.user == user && user != self.account.user() => invite,
            _ => return Err(KnockResponse::Received),
        };
        let longest = now.saturating_add(REQUEST_MS).saturating_add(CLOCK_MS);
        if !(now..longest).contains(&invite.expires) {
            // One of the clocks is wrong, and may be put right.
            return Err(KnockResponse::Nothing);
        }
        Ok((invite, note))
    }

    fn take_request(
        &mut self,
        turn: &mut Turn<'_, '_>,
        opened: &OpenedFlight,
        invite: &Invite,
        note: String,
    ) -> Result<(), StoreError> {
        let user = invite.user;
        let before = requests::get(turn.txn, &user)?;
        let declined = before.as_ref().and_then(|row| row.declined);
        // Nobody changes under the reader's eyes what they say.
        let recent =
            before.is_some_and(|row| is_open(&row, turn.now) && turn.now.saturating_sub(row.received) < DAY_MS);
        if self.is_blocked(&user) || recent || declined.is_some_and(|at| turn.now.saturating_sub(at) < DECLINED_MS) {
            return Ok(());
        }
        if let Some(known) = contacts::get(turn.txn, &user)? {
            match known.state {
                // They had parted from us, or have lost us.
                ContactState::Accepted => {
                    opened.settle(turn);
                    return self.begin_by_invite(turn, invite);
                }
                // An invite of theirs that may still work is as good as this one.
                ContactState::Invited { .. } if is_waiting(&known, turn.now) => return Ok(()),
                // Both want it.
                ContactState::Asked { .. } if is_waiting(&known, turn.now) => {
                    opened.settle(turn);
                    return self.approach(turn, &invited(invite, known.petname, turn.now));
                }
                ContactState::Invited { .. } | ContactState::Asked { .. } | ContactState::Former => {}
            }
        }
        opened.settle(turn);
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

    /// They are a contact now, or about to become one.
    pub(crate) fn forget_request(&self, turn: &mut Turn<'_, '_>, user: &UserId) -> Result<(), StoreError> {
        if requests::get(turn.txn, user)?.is_some() {
            requests::delete(turn.txn, user);
            feed::append(turn.txn, &FeedRow::Request { user: *user })?;
        }
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
        for row in requests::all_asking(turn.txn)? {
            if row.expires <= turn.now {
                requests::delete_asking(turn.txn, &row.token);
            }
        }
        Ok(())
    }
}

/// Whether the user can still decide about it.
pub(crate) fn is_open(row: &RequestRow, now: u64) -> bool {
    row.declined.is_none() && row.expires > now
}

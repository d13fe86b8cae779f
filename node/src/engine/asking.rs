//! Asking users, of whom we know nothing but where they are, to become contacts. The request carries an invite of ours, so that
//! accepting it is opening that invite, and nothing has to come back before.

use parlour_crypto::{AskingWork, ContactAddress, Control, KnockRequest, OneTimeKey, UserId};
use parlour_net::PeerId;
use parlour_store::StoreError;
use parlour_store::contacts::{self, ContactRow, ContactState};
use parlour_store::feed::{self, FeedRow};
use parlour_store::requests::{self, AskingRow};

use super::Engine;
use super::contacts::{Knock, check_bundle};
use super::effects::Turn;
use super::flights::known_tag_key;
use super::invites::AGAIN_MS;
use super::timers::Timer;

/// A request can be accepted this long.
pub(crate) const REQUEST_MS: u64 = 30 * 24 * 3_600_000;
/// Whoever does not take the request now is asked again after this.
const LATER_MS: u64 = 600_000;
/// Nonces tried in one turn: a few milliseconds, so that nothing else waits.
const TRIES: u64 = 20_000;

/// A request that is sealed, and the work for it.
pub(crate) struct Asking {
    peer: PeerId,
    envelope: Vec<u8>,
    work: AskingWork,
    next: u64,
}

impl Engine {
    /// The contact that asking is to lead to.
    pub(crate) fn asked(
        &mut self,
        turn: &mut Turn<'_, '_>,
        address: ContactAddress,
        petname: Option<String>,
        note: &str,
    ) -> Result<ContactRow, StoreError> {
        let user = address.user;
        // One that was taken back may still lie there, and is not replaced by another one so soon: it counts again.
        let lies_there = |row: &AskingRow| row.user == user && row.expires > turn.now.saturating_add(AGAIN_MS);
        let before = requests::all_asking(turn.txn)?.into_iter().find(lies_there);
        let (token, expires) = match before {
            Some(row) => (row.token, row.expires),
            None => (self.random_id(), turn.now.saturating_add(REQUEST_MS)),
        };
        requests::put_asking(
            turn.txn,
            &AskingRow {
                token,
                user,
                expires,
                revoked: false,
            },
        );
        Ok(ContactRow {
            user,
            petname,
            name: address.name.unwrap_or_default(),
            device_list: Vec::new(),
            state: ContactState::Asked {
                token,
                expires,
                note: note.to_owned(),
                told: None,
            },
            peer: address.peer,
            addresses: address.addresses,
            created: turn.now,
        })
    }

    /// The bundle of whoever is asked is here: seals the request and begins the work.
    pub(crate) fn begin_asking(
        &mut self,
        turn: &mut Turn<'_, '_>,
        user: &UserId,
        list: &[u8],
        bundle: &[u8],
        one_time: Option<(u32, [u8; 32])>,
    ) -> Result<(), StoreError> {
        let Some(contact) = contacts::get(turn.txn, user)? else {
            return Ok(());
        };
        let ContactState::Asked {
            token,
            expires,
            ref note,
            told: None,
        } = contact.state
        else {
            return Ok(());
        };
        let Ok(peer) = PeerId::from_bytes(&contact.peer) else {
            return Ok(());
        };
        if self.listening.is_empty() {
            // Nobody could use the invite in it.
            return self.ask_later(turn, user);
        }
        let Some((certificate, bundle)) = check_bundle(user, list, bundle, None) else {
            tracing::warn!(user = %user.short(), "whoever is at the contact's address gave a prekey bundle that is not theirs");
            return self.ask_later(turn, user);
        };
        let control = Control::ContactRequest {
            link: self.invite(token, expires).to_link(),
            note: note.clone(),
            ext: Vec::new(),
        };
        let one_time = one_time.map(|(id, key)| OneTimeKey { id, key });
        let (id, key) = (self.random_id(), known_tag_key(&bundle.hash()));
        let to = (&certificate, &bundle, one_time.as_ref());
        // The session is used for nothing else.
        match self.seal_flight(turn.now, to, &key, id, control) {
            Some((_, envelope)) => {
                let (work, next) = (AskingWork::new(user, &envelope), self.random());
                let asking = Asking {
                    peer,
                    envelope,
                    work,
                    next,
                };
                self.asking.insert(*user, asking);
                self.timers.set(Timer::Asking, turn.now);
                Ok(())
            }
            None => self.ask_later(turn, user),
        }
    }

    /// Goes on with the work for a request; done, it is sent.
    pub(crate) fn on_asking_timer(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let Some((user, asking)) = self.asking.iter_mut().next() else {
            return Ok(());
        };
        let user = *user;
        match asking.work.search(asking.next, TRIES) {
            Some(nonce) => {
                let contact = contacts::get(turn.txn, &user)?;
                let wanted = contact.is_some_and(|row| matches!(row.state, ContactState::Asked { told: None, .. }));
                if let Some(asking) = self.asking.remove(&user)
                    && wanted
                    && self.dialer.is_connected(&asking.peer)
                {
                    let envelope = asking.envelope;
                    let request = KnockRequest::Ask { user, nonce, envelope };
                    self.knock(turn, asking.peer, Knock::Ask(user), &request);
                }
            }
            None => asking.next = asking.next.wrapping_add(TRIES),
        }
        if !self.asking.is_empty() {
            // Not in this tick any more: others wait.
            self.timers.set(Timer::Asking, turn.now.saturating_add(1));
        }
        Ok(())
    }

    /// The request is where it belongs.
    pub(crate) fn request_arrived(&mut self, turn: &mut Turn<'_, '_>, user: &UserId) -> Result<(), StoreError> {
        let Some(mut contact) = contacts::get(turn.txn, user)? else {
            return Ok(());
        };
        if let ContactState::Asked { told, .. } = &mut contact.state {
            *told = Some(turn.now);
            contacts::put(turn.txn, &contact);
            feed::append(turn.txn, &FeedRow::Contact { user: *user })?;
        }
        Ok(())
    }

    pub(crate) fn ask_later(&mut self, turn: &mut Turn<'_, '_>, user: &UserId) -> Result<(), StoreError> {
        if let Some(contact) = contacts::get(turn.txn, user)?
            && let Ok(peer) = PeerId::from_bytes(&contact.peer)
        {
            let due = turn.now.saturating_add(LATER_MS);
            self.timers.set_earliest(Timer::Invited(peer), due);
        }
        Ok(())
    }
}

//! Invites: made for others, opened from others. What happens between the two nodes then is in [`super::contacts`].

use parlour_crypto::{ContactAddress, Invite, Link, MAX_INVITE_ADDRESSES, MAX_INVITE_NAME, MAX_REQUEST_NOTE, UserId};
use parlour_net::PeerId;
use parlour_store::StoreError;
use parlour_store::contacts::{self, ContactRow, ContactState};
use parlour_store::feed::{self, FeedRow};
use parlour_store::invites::{self, InviteRow};
use parlour_store::requests;

use crate::resolve::NOTES;
use crate::text;

use super::Engine;
use super::effects::Turn;
use super::input::{AddContact, AddError, Added, MadeInvite, MakeInviteError, NewInvite, RevokeError};
use super::requests::is_open;

/// Open invites of one account.
const MAX_INVITES: usize = 256;
/// A request that was told may be told again after this.
pub(crate) const AGAIN_MS: u64 = 24 * 3_600_000;
/// Bytes of a petname.
const MAX_NAME: usize = 64;

impl Engine {
    pub(crate) fn make_invite(
        &mut self,
        turn: &mut Turn<'_, '_>,
        new: &NewInvite,
    ) -> Result<Result<MadeInvite, MakeInviteError>, StoreError> {
        let open = invites::all(turn.txn)?;
        if open.iter().filter(|row| !row.revoked && row.expires > turn.now).count() >= MAX_INVITES {
            return Ok(Err(MakeInviteError::TooMany { max: MAX_INVITES }));
        }
        let addresses = self.best_addresses(MAX_INVITE_ADDRESSES);
        if addresses.is_empty() {
            return Ok(Err(MakeInviteError::NoAddress));
        }
        let expires = turn.now.saturating_add(new.valid_ms);
        let token = self.random_id();
        let invite = self.invite(token, expires);
        invites::put(
            turn.txn,
            &InviteRow {
                token,
                created: turn.now,
                expires,
                max_uses: new.max_uses,
                used_by: Vec::new(),
                revoked: false,
            },
        );
        Ok(Ok(MadeInvite {
            link: invite.to_link(),
            token,
            expires,
            addresses,
        }))
    }

    /// An invite to this device.
    pub(crate) fn invite(&self, token: [u8; 16], expires: u64) -> Invite {
        let mut name = self.account.name.clone();
        name.truncate(name.floor_char_boundary(MAX_INVITE_NAME));
        let addresses = self.best_addresses(MAX_INVITE_ADDRESSES);
        Invite {
            user: self.account.user(),
            peer: self.peer.to_bytes(),
            addresses: addresses.iter().map(|a| a.to_vec()).collect(),
            bundle_hash: self.bundle_hash,
            token,
            expires,
            name: (!name.is_empty()).then_some(name),
        }
    }

    pub(crate) fn revoke_invite(
        &mut self,
        turn: &mut Turn<'_, '_>,
        token: &[u8; 16],
    ) -> Result<Result<(), RevokeError>, StoreError> {
        let Some(mut row) = invites::get(turn.txn, token)? else {
            return Ok(Err(RevokeError::Unknown));
        };
        row.revoked = true;
        invites::put(turn.txn, &row);
        Ok(Ok(()))
    }

    pub(crate) fn add_contact(
        &mut self,
        turn: &mut Turn<'_, '_>,
        add: &AddContact,
    ) -> Result<Result<Added, AddError>, StoreError> {
        let link = match Link::parse(&add.link) {
            Ok(link) => link,
            Err(error) => return Ok(Err(AddError::Link(error))),
        };
        let (user, me) = (*link.user(), self.account.user());
        if user == me {
            return Ok(Err(AddError::Own));
        }
        let petname = add.petname.as_deref().map(str::trim);
        if let Some(error) = petname
            .and_then(|name| check_petname(turn, &user, name).transpose())
            .transpose()?
        {
            return Ok(Err(error));
        }
        let note = add.note.as_deref().unwrap_or_default().trim();
        if note.len() > MAX_REQUEST_NOTE {
            return Ok(Err(AddError::NoteTooLong {
                got: note.len(),
                max: MAX_REQUEST_NOTE,
            }));
        }
        let petname = petname.map(str::to_owned);
        let known = contacts::get(turn.txn, &user)?;
        if let Some(mut row) = known.clone().filter(|row| row.state == ContactState::Accepted) {
            if !self.has_device_at(turn, &user, link.peer())? {
                return Ok(Err(AddError::OtherDevice(row.petname.unwrap_or(row.name))));
            }
            row.petname = petname.or(row.petname);
            contacts::put(turn.txn, &row);
            if let Link::Invite(invite) = &link {
                self.begin_by_invite(turn, invite)?;
            }
            self.forget_request(turn, &user)?;
            feed::append(turn.txn, &FeedRow::Contact { user })?;
            return Ok(Ok(Added { user, already: true }));
        }
        let already = known.as_ref().is_some_and(|row| row.state != ContactState::Former);
        let petname = petname.or(known.as_ref().and_then(|row| row.petname.clone()));
        // Whoever asks us has sent an invite along.
        let asked = requests::get(turn.txn, &user)?.filter(|row| is_open(row, turn.now));
        let row = match (link, asked) {
            (Link::Invite(invite), _) => invited(&invite, petname, turn.now),
            (Link::Address(_), Some(asked)) => match Invite::parse(&asked.link) {
                Ok(invite) => invited(&invite, petname, turn.now),
                Err(error) => return Ok(Err(AddError::Link(error))),
            },
            (Link::Address(address), None) => match known.filter(|row| is_waiting(row, turn.now)) {
                Some(row) => asked_again(row, address, petname, note, turn.now),
                None => self.asked(turn, address, petname, note)?,
            },
        };
        if matches!(row.state, ContactState::Invited { expires, .. } if expires <= turn.now) {
            return Ok(Err(AddError::Expired));
        }
        self.approach(turn, &row)?;
        Ok(Ok(Added { user, already }))
    }

    /// Keeps a contact that is to be won, and begins to.
    pub(crate) fn approach(&mut self, turn: &mut Turn<'_, '_>, row: &ContactRow) -> Result<(), StoreError> {
        let user = row.user;
        let before = contacts::get(turn.txn, &user)?;
        contacts::put(
            turn.txn,
            &ContactRow {
                // What was known of them once, and which devices they revoked, still holds.
                device_list: before.map_or_else(Vec::new, |row| row.device_list),
                ..row.clone()
            },
        );
        self.asking.remove(&user);
        self.members.clear();
        self.ensure_direct(turn, user)?;
        feed::append(turn.txn, &FeedRow::Contact { user })?;
        self.forget_request(turn, &user)?;
        if let Ok(peer) = PeerId::from_bytes(&row.peer) {
            self.want_peer(turn, peer);
            self.dial_now(turn, peer);
            self.knock_invited(turn, peer)?;
        }
        Ok(())
    }
}

/// The contact that an invite of theirs is to lead to.
pub(crate) fn invited(invite: &Invite, petname: Option<String>, now: u64) -> ContactRow {
    ContactRow {
        user: invite.user,
        petname,
        name: invite.name.clone().unwrap_or_default(),
        device_list: Vec::new(),
        state: ContactState::Invited {
            token: invite.token,
            bundle_hash: invite.bundle_hash,
            expires: invite.expires,
            refused: None,
        },
        peer: invite.peer.clone(),
        addresses: invite.addresses.clone(),
        created: now,
    }
}

/// A request that is under way, with what a newer link or note says of it; told again when it says something new, or after a day.
fn asked_again(row: ContactRow, address: ContactAddress, petname: Option<String>, said: &str, now: u64) -> ContactRow {
    let mut row = ContactRow { petname, ..row };
    let moved = row.peer != address.peer;
    if let ContactState::Asked { note, told, .. } = &mut row.state {
        let says_more = !said.is_empty() && *note != said;
        if says_more {
            said.clone_into(note);
        }
        if moved || says_more || told.is_some_and(|at| now.saturating_sub(at) >= AGAIN_MS) {
            *told = None;
        }
        (row.peer, row.addresses) = (address.peer, address.addresses);
    }
    row
}

/// Whether what was begun with a contact may still lead to something.
pub(crate) fn is_waiting(row: &ContactRow, now: u64) -> bool {
    match row.state {
        ContactState::Invited { refused, expires, .. } => refused.is_none() && expires > now,
        ContactState::Asked { expires, .. } => expires > now,
        ContactState::Accepted | ContactState::Former => false,
    }
}

pub(crate) fn check_petname(turn: &Turn<'_, '_>, user: &UserId, name: &str) -> Result<Option<AddError>, StoreError> {
    if name.is_empty() || name.len() > MAX_NAME || text::name(name) != name.trim() {
        return Ok(Some(AddError::BadName { max: MAX_NAME }));
    }
    if name.eq_ignore_ascii_case(NOTES) {
        return Ok(Some(AddError::NameReserved(name.to_owned())));
    }
    let taken = contacts::all(turn.txn)?
        .iter()
        .any(|row| row.user != *user && row.state != ContactState::Former && row.petname.as_deref() == Some(name));
    Ok(taken.then(|| AddError::NameTaken(name.to_owned())))
}

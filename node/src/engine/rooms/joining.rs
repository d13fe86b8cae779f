//! Coming into a room by somebody's link: it is shown to whoever made it, while they are away to other members (`around`), and once one of
//! them lets us in, we join.

use parlour_crypto::{
    Control, ConversationId, DeviceCert, JoinRule, KnockRequest, OneTimeKey, PrekeyBundle, RoomAsk, RoomLink,
};
use parlour_net::PeerId;
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::devices::DeviceRow;
use parlour_store::feed::{self, FeedRow};
use parlour_store::outbox;
use parlour_store::rooms::{self, JoiningRow, RoomRow, Standing};
use parlour_store::{ConversationNo, DeviceNo, StoreError, contacts, devices};

use super::acts::{RoomAct, RoomError};
use crate::engine::Engine;
use crate::engine::contacts::{Knock, check_bundle};
use crate::engine::effects::Turn;
use crate::engine::flights::Shown;

/// Rooms that are waited for at once.
const MAX_JOINING: usize = 64;

/// Why a room cannot be joined, as `RoomRefused` says it.
pub(super) mod refused {
    pub(in crate::engine::rooms) const NO: u8 = 0;
    pub(in crate::engine::rooms) const ENDED: u8 = 1;
    pub(in crate::engine::rooms) const REVOKED: u8 = 2;
    pub(in crate::engine::rooms) const USED_UP: u8 = 3;
    pub(in crate::engine::rooms) const ASK_MAKER: u8 = 4;
    pub(in crate::engine::rooms) const BANNED: u8 = 5;
}

impl Engine {
    /// Shows somebody's link, to be let into the room it leads to.
    pub(crate) fn join_by_link(
        &mut self,
        turn: &mut Turn<'_, '_>,
        link: &str,
    ) -> Result<Result<ConversationId, RoomError>, StoreError> {
        let RoomLink { invite, room } = match RoomLink::parse(link) {
            Ok(link) => link,
            Err(error) => return Ok(Err(RoomError::Link(error))),
        };
        if invite.user == self.own.user {
            return Ok(Err(RoomError::OwnLink));
        }
        if invite.expires <= turn.now {
            return Ok(Err(RoomError::LinkEnded));
        }
        if rooms::all_joining(turn.txn)?.len() >= MAX_JOINING {
            return Ok(Err(RoomError::TooManyLinks { max: MAX_JOINING }));
        }
        let (no, _) = conversations::ensure(turn.txn, &room, ConversationKind::Room, turn.now)?;
        if !self.is_room(turn, no)? {
            return Ok(Err(RoomError::NotARoom));
        }
        let before = rooms::get(turn.txn, no)?;
        if before.as_ref().is_some_and(|row| row.standing == Standing::Member) {
            return Ok(Err(RoomError::AlreadyMember));
        }
        let name = invite.name.clone().unwrap_or_default();
        let before = before.unwrap_or_default();
        let slug = match before.slug.is_empty() {
            true => rooms::free_slug(turn.txn, &name, no)?,
            false => before.slug.clone(),
        };
        let row = RoomRow {
            standing: Standing::Asked {
                user: invite.user,
                at: turn.now,
                refused: None,
            },
            name: if before.name.is_empty() {
                name
            } else {
                before.name.clone()
            },
            slug,
            ..before
        };
        rooms::put(turn.txn, no, &row);
        feed::append(turn.txn, &FeedRow::Conversation { conversation: no })?;
        let joining = JoiningRow {
            room: no,
            user: invite.user,
            peer: invite.peer,
            addresses: invite.addresses,
            bundle_hash: invite.bundle_hash,
            token: invite.token,
            expires: invite.expires,
        };
        rooms::put_joining(turn.txn, &joining);
        if let Ok(peer) = PeerId::from_bytes(&joining.peer) {
            self.want_peer(turn, peer);
            self.dial_now(turn, peer);
            self.knock_to_join(turn, peer)?;
        }
        self.ask_around_soon(turn)?;
        Ok(Ok(room))
    }

    /// A peer is there: shows it the links that name it.
    pub(crate) fn knock_to_join(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId) -> Result<(), StoreError> {
        if !self.dialer.is_connected(&peer) {
            return Ok(());
        }
        self.ask_around_soon(turn)?;
        for row in rooms::all_joining(turn.txn)? {
            if row.peer != peer.to_bytes() {
                continue;
            }
            if row.expires <= turn.now {
                self.join_refused(turn, row.room, refused::ENDED)?;
                continue;
            }
            let known = self.devices_with_session(turn, &row.user)?;
            match known.first() {
                Some(device) => self.ask_to_join(turn, *device, &row)?,
                None => {
                    let request = KnockRequest::Bundle { hash: row.bundle_hash };
                    self.knock(turn, peer, Knock::BundleToJoin(row.room), &request);
                }
            }
        }
        Ok(())
    }

    /// The keys that a link names are here: begins a session, and asks.
    pub(crate) fn begin_to_join(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        list: &[u8],
        bundle: &[u8],
        one_time: Option<(u32, [u8; 32])>,
    ) -> Result<(), StoreError> {
        let Some(row) = rooms::joining(turn.txn, no)? else {
            return Ok(());
        };
        let Some((certificate, bundle)) = check_bundle(&row.user, list, bundle, Some(&row.bundle_hash)) else {
            tracing::warn!(user = %row.user.short(), "the link's node gave a prekey bundle that is not the link's");
            return Ok(());
        };
        let host = host_row(
            &certificate,
            bundle.as_bytes(),
            (row.peer.clone(), row.addresses.clone()),
        );
        let one_time = one_time.map(|(id, key)| OneTimeKey { id, key });
        self.show_link(turn, &row, (&certificate, &bundle, host), one_time.as_ref())
    }

    /// Shows a link to a device of its maker, or of another member.
    pub(super) fn show_link(
        &mut self,
        turn: &mut Turn<'_, '_>,
        row: &JoiningRow,
        (certificate, bundle, host): (&DeviceCert, &PrekeyBundle, DeviceRow),
        one_time: Option<&OneTimeKey>,
    ) -> Result<(), StoreError> {
        let user = certificate.user();
        let device = match devices::number(turn.txn, &certificate.device())? {
            Some(device) if self.sessions.any(device).is_some() => {
                return self.ask_to_join(turn, device, row);
            }
            // A link says nothing about a contact: they are found as contacts.
            Some(device) if contacts::get(turn.txn, &user)?.is_some() => return self.begin_again(turn, device),
            _ => devices::put(turn.txn, &host)?,
        };
        self.learn_devices(turn)?;
        let shown = match user == row.user {
            true => Shown::Token(row.token),
            false => Shown::TokenOfAnother(row.token),
        };
        self.begin_session(turn, device, certificate, bundle, one_time, shown)?;
        self.ask_to_join(turn, device, row)
    }

    fn ask_to_join(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo, row: &JoiningRow) -> Result<(), StoreError> {
        let Some(room) = conversations::id_of(turn.txn, row.room)? else {
            return Ok(());
        };
        let asks = |control: &Control| matches!(control, Control::RoomAsk(ask) if ask.room == room);
        if outbox::of_device(turn.txn, device)?
            .iter()
            .any(|waiting| asks(&waiting.control))
        {
            return Ok(());
        }
        let ask = RoomAsk {
            room,
            token: Some(row.token),
            name: self.account.name.clone(),
            device_list: self.account.list.as_bytes().to_vec(),
            note: String::new(),
            ext: Vec::new(),
        };
        self.post_control(turn, device, Control::RoomAsk(ask))
    }

    /// Whoever we asked does not let us in.
    pub(crate) fn on_room_refused(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        room: &ConversationId,
        reason: u8,
    ) -> Result<(), StoreError> {
        let user = self.known.get(&device).map(|known| known.user);
        let Some((no, _)) = self.room_number(turn, room)? else {
            return Ok(());
        };
        let (Some(row), Some(user)) = (rooms::joining(turn.txn, no)?, user) else {
            return Ok(());
        };
        if !self.may_let_us_in(&row, &user) {
            return Ok(());
        }
        // What still asks has its answer.
        for waiting in outbox::of_device(turn.txn, device)? {
            if matches!(&waiting.control, Control::RoomAsk(ask) if ask.room == *room) {
                outbox::remove(turn.txn, device, &waiting.id)?;
            }
        }
        match user == row.user {
            true => self.join_refused(turn, no, reason),
            // That another member does not let us in is not the last word.
            false => Ok(()),
        }
    }

    pub(super) fn join_refused(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        reason: u8,
    ) -> Result<(), StoreError> {
        rooms::delete_joining(turn.txn, no);
        if let Some(mut row) = rooms::get(turn.txn, no)?
            && let Standing::Asked { refused, .. } = &mut row.standing
        {
            *refused = Some(reason);
            rooms::put(turn.txn, no, &row);
            feed::append(turn.txn, &FeedRow::Conversation { conversation: no })?;
        }
        Ok(())
    }

    /// Whoever asked to be let in, and was, joins.
    pub(super) fn join_if_asked(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo) -> Result<(), StoreError> {
        if rooms::joining(turn.txn, no)?.is_none() {
            return Ok(());
        }
        let own = self.own.user;
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let state = folded.state();
        let public = state.policy.join_rule() == JoinRule::Public && !state.banned.contains(&own);
        if !public && !state.invited.contains_key(&own) && !state.members.contains_key(&own) {
            return Ok(());
        }
        rooms::delete_joining(turn.txn, no);
        let Some(room) = conversations::id_of(turn.txn, no)? else {
            return Ok(());
        };
        if let Err(error) = self.act_in_room(turn, &room, &RoomAct::Join)? {
            tracing::warn!(%error, "a room that let us in could not be joined");
        }
        Ok(())
    }
}

/// What is known of a device that may let us in, and of the peer and the addresses where it is.
pub(super) fn host_row(
    certificate: &DeviceCert,
    bundle: &[u8],
    (peer, addresses): (Vec<u8>, Vec<Vec<u8>>),
) -> DeviceRow {
    DeviceRow {
        id: certificate.device(),
        user: certificate.user(),
        certificate: certificate.as_bytes().to_vec(),
        bundle: bundle.to_vec(),
        peer,
        addresses,
        good_addresses: Vec::new(),
        last_seen: 0,
    }
}

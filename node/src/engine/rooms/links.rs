//! Links into rooms: made by members, shown by whoever wants to come in. Showing one makes a session and no contact; then the asker is
//! let in by an operation that names the link, and joins by itself.

use parlour_crypto::{
    Act, Control, ConversationId, DeviceCert, InviteError as LinkError, KnockRequest, LinkUse, Profile, Rank, RoomAsk,
    RoomLink, RoomState, Session, UserId, link_token_hash,
};
use parlour_net::PeerId;
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::feed::{self, FeedRow};
use parlour_store::outbox;
use parlour_store::rooms::{self, JoiningRow, RoomRow, Standing, TokenRow};
use parlour_store::{ConversationNo, DeviceNo, StoreError, contacts, devices};

use super::act::{RoomAct, RoomError};
use crate::engine::Engine;
use crate::engine::contacts::{Knock, check_bundle};
use crate::engine::effects::Turn;
use crate::engine::sessions::Which;
use crate::engine::timers::Allowance;

/// Asks taken from one device: one per this time, and so many at once.
const ASK_EVERY_MS: u64 = 10_000;
const ASKS_AT_ONCE: u64 = 5;
/// Open links of one device.
const MAX_LINKS: usize = 256;
/// Rooms that are waited for at once.
const MAX_JOINING: usize = 64;
/// Sessions with users who are neither contacts nor fellow members end after this.
const VISIT_MS: u64 = 24 * 3_600_000;
/// Bytes of a room's name in a link.
const MAX_LINK_NAME: usize = 32;

/// Why a room cannot be joined, as `RoomRefused` says it.
mod refused {
    pub(super) const NO: u8 = 0;
    pub(super) const ENDED: u8 = 1;
    pub(super) const REVOKED: u8 = 2;
    pub(super) const USED_UP: u8 = 3;
    pub(super) const ASK_MAKER: u8 = 4;
    pub(super) const BANNED: u8 = 5;
}

/// A link into a room.
#[derive(Debug, Clone)]
pub struct MadeLink {
    /// Its text.
    pub link: String,
    /// When it ends, ms.
    pub expires: u64,
}

impl Engine {
    /// Makes a link into a room, for so many uses or without a limit.
    pub(crate) fn make_room_link(
        &mut self,
        turn: &mut Turn<'_, '_>,
        room: &ConversationId,
        uses: Option<u32>,
        valid_ms: u64,
    ) -> Result<Result<MadeLink, RoomError>, StoreError> {
        let Some((no, row)) = self.room_number(turn, room)? else {
            return Ok(Err(RoomError::UnknownRoom));
        };
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(Err(RoomError::UnknownRoom));
        };
        let state = folded.state().clone();
        if let Err(error) = may_make_link(&state, &self.own.user) {
            return Ok(Err(error));
        }
        let open = rooms::tokens(turn.txn)?;
        if open.iter().filter(|row| row.expires > turn.now).count() >= MAX_LINKS {
            return Ok(Err(RoomError::TooManyLinks { max: MAX_LINKS }));
        }
        let token = self.random_id();
        let expires = turn.now.saturating_add(valid_ms);
        let act = Act::Link {
            token: link_token_hash(&token),
            role: Rank::Member.number(),
            uses,
            expires: Some(expires),
        };
        if let Err(error) = self.operate(turn, no, act)? {
            return Ok(Err(error));
        }
        rooms::put_token(
            turn.txn,
            &TokenRow {
                token,
                room: no,
                expires,
            },
        );
        self.distribute(turn, no)?;
        let mut invite = self.invite(token, expires);
        let mut name = row.name;
        name.truncate(name.floor_char_boundary(MAX_LINK_NAME));
        invite.name = Some(name).filter(|name| !name.is_empty());
        let link = RoomLink { invite, room: *room };
        Ok(Ok(MadeLink {
            link: link.to_link(),
            expires,
        }))
    }

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
        Ok(Ok(room))
    }

    /// A peer is there: shows it the links that name it.
    pub(crate) fn knock_to_join(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId) -> Result<(), StoreError> {
        if !self.dialer.is_connected(&peer) {
            return Ok(());
        }
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
        let device = match devices::number(turn.txn, &certificate.device())? {
            Some(device) if self.sessions.any(device).is_some() => {
                return self.ask_to_join(turn, device, &row);
            }
            // A link says nothing about a contact: they are found as contacts.
            Some(device) if contacts::get(turn.txn, &row.user)?.is_some() => return self.begin_again(turn, device),
            _ => devices::put(turn.txn, &host_row(&certificate, bundle.as_bytes(), &row))?,
        };
        self.learn_devices(turn)?;
        let one_time = one_time.map(|(id, key)| parlour_crypto::OneTimeKey { id, key });
        self.begin_session(turn, device, &certificate, &bundle, one_time.as_ref(), Some(row.token))?;
        self.ask_to_join(turn, device, &row)
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

    /// Whoever shows a link has begun a session: nothing more is theirs yet.
    pub(crate) fn admit_visitor(
        &mut self,
        turn: &mut Turn<'_, '_>,
        profile: &Profile,
        certificate: &DeviceCert,
        session: Session,
    ) -> Result<(), StoreError> {
        self.learn_device(turn, certificate)?;
        self.admit_fellow(turn, profile, certificate, session)
    }

    /// Forgets the sessions of those who showed a link and were not let in, or have gone since, and links that have ended.
    pub(crate) fn drop_visitors(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for row in rooms::tokens(turn.txn)? {
            if row.expires <= turn.now {
                rooms::delete_token(turn.txn, &row.token);
            }
        }
        let joining: Vec<UserId> = rooms::all_joining(turn.txn)?.into_iter().map(|row| row.user).collect();
        for (device, created) in self.sessions.newest() {
            let Some((id, user)) = self.known.get(&device).map(|known| (known.id, known.user)) else {
                continue;
            };
            if turn.now.saturating_sub(created) < VISIT_MS
                || joining.contains(&user)
                || contacts::get(turn.txn, &user)?.is_some()
                || user == self.own.user
                || self.is_fellow(turn, &user, &id)?
            {
                continue;
            }
            self.sessions.forget(turn, device, Which::All)?;
            self.forget_first_contact(turn, device)?;
            for waiting in outbox::of_device(turn.txn, device)? {
                outbox::remove(turn.txn, device, &waiting.id)?;
            }
            if let Some(mut row) = devices::get(turn.txn, device)? {
                let peer = PeerId::from_bytes(&row.peer);
                row.retire();
                devices::put(turn.txn, &row)?;
                self.learn_devices(turn)?;
                if let Ok(peer) = peer {
                    self.forget_peer(turn, peer)?;
                }
            }
        }
        Ok(())
    }

    /// Somebody asks to be let into a room. `false`: too often, so that it is not acknowledged and comes again.
    pub(crate) fn on_room_ask(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        ask: &RoomAsk,
    ) -> Result<bool, StoreError> {
        let often = self.rooms.asks.entry(device);
        let often = often.or_insert(Allowance::new(ASK_EVERY_MS, ASKS_AT_ONCE));
        if !often.take(turn.now) || self.answer_waits(turn, device, &ask.room)? {
            return Ok(false);
        }
        self.answer_ask(turn, device, ask)?;
        Ok(true)
    }

    /// Whether what we said to an earlier ask has not arrived yet.
    fn answer_waits(&self, turn: &Turn<'_, '_>, device: DeviceNo, room: &ConversationId) -> Result<bool, StoreError> {
        let answers = |control: &Control| matches!(control, Control::RoomWelcome { room: of, .. } | Control::RoomRefused { room: of, .. } if of == room);
        Ok(outbox::of_device(turn.txn, device)?
            .iter()
            .any(|row| answers(&row.control)))
    }

    fn answer_ask(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo, ask: &RoomAsk) -> Result<(), StoreError> {
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(());
        };
        let Some((no, row)) = self.room_number(turn, &ask.room)? else {
            return self.refuse_to_join(turn, device, &ask.room, refused::NO);
        };
        if row.standing != Standing::Member || self.is_blocked(&user) {
            return self.refuse_to_join(turn, device, &ask.room, refused::NO);
        }
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let state = folded.state().clone();
        if state.members.contains_key(&user) || state.invited.contains_key(&user) {
            return self.welcome_to_room(turn, no, &user);
        }
        let letter = letter_in(&state, &self.own.user, &self.account.keys.id(), &user, ask, turn.now);
        match letter {
            Ok((rank, link)) => {
                let act = Act::Invite {
                    user,
                    role: rank.number(),
                    link: Some(link),
                };
                if self.operate(turn, no, act)?.is_err() {
                    return self.refuse_to_join(turn, device, &ask.room, refused::NO);
                }
                self.welcome_to_room(turn, no, &user)?;
                self.distribute(turn, no)
            }
            Err(reason) => self.refuse_to_join(turn, device, &ask.room, reason),
        }
    }

    fn refuse_to_join(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        room: &ConversationId,
        reason: u8,
    ) -> Result<(), StoreError> {
        let refusal = Control::RoomRefused {
            room: *room,
            reason,
            ext: Vec::new(),
        };
        self.post_control(turn, device, refusal)
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
        match rooms::joining(turn.txn, no)? {
            Some(row) if Some(row.user) == user => self.join_refused(turn, no, reason),
            _ => Ok(()),
        }
    }

    fn join_refused(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo, reason: u8) -> Result<(), StoreError> {
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
        if !state.invited.contains_key(&own) && !state.members.contains_key(&own) {
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

/// With what a user is let in who shows a link; or the reason why not.
fn letter_in(
    state: &RoomState,
    own: &UserId,
    device: &parlour_crypto::DeviceId,
    user: &UserId,
    ask: &RoomAsk,
    now: u64,
) -> Result<(Rank, LinkUse), u8> {
    let Some(token) = ask.token else {
        return Err(refused::NO);
    };
    if state.banned.contains(user) {
        return Err(refused::BANNED);
    }
    let hash = link_token_hash(&token);
    let Some((id, link)) = state.links.iter().find(|(_, link)| link.token == hash) else {
        return Err(refused::REVOKED);
    };
    if link.expires.is_some_and(|expires| expires <= now) {
        return Err(refused::ENDED);
    }
    let rank = state.rank(own);
    if rank.number() < state.policy.invite || rank < link.rank || state.policy.join == 0 {
        return Err(refused::NO);
    }
    let number = match link.uses {
        None => 0,
        Some(_) if link.maker != *device => return Err(refused::ASK_MAKER),
        Some(uses) => (1..=uses).find(|n| !link.used.contains(n)).ok_or(refused::USED_UP)?,
    };
    Ok((link.rank, LinkUse { link: *id, number }))
}

fn may_make_link(state: &RoomState, own: &UserId) -> Result<(), RoomError> {
    let have = state.rank(own);
    let needs = Rank::from_number(state.policy.invite).unwrap_or(Rank::Owner);
    if have == Rank::Nobody {
        Err(RoomError::NotMember)
    } else if have < needs && have != Rank::Owner {
        Err(RoomError::Rank { needs, have })
    } else if state.policy.join == 0 {
        Err(RoomError::NoLinks)
    } else {
        Ok(())
    }
}

fn host_row(certificate: &DeviceCert, bundle: &[u8], row: &JoiningRow) -> devices::DeviceRow {
    devices::DeviceRow {
        id: certificate.device(),
        user: certificate.user(),
        certificate: certificate.as_bytes().to_vec(),
        bundle: bundle.to_vec(),
        peer: row.peer.clone(),
        addresses: row.addresses.clone(),
        good_addresses: Vec::new(),
        last_seen: 0,
    }
}

/// What is wrong with a link's text.
pub(super) type BadLink = LinkError;

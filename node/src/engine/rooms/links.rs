//! Links into rooms: made by members, and what is answered to whoever shows one. Showing one makes a session and no contact; then the
//! asker is let in by an operation that names the link.

use parlour_crypto::{
    Act, Control, ConversationId, DeviceCert, DeviceId, JoinRule, LinkState, LinkUse, Profile, Rank, RoomAsk, RoomLink,
    RoomState, Session, UserId, link_token_hash,
};
use parlour_net::PeerId;
use parlour_store::outbox::{self, OutboxRow};
use parlour_store::rooms::{self, Standing, TokenRow};
use parlour_store::{DeviceNo, StoreError, contacts, devices, logs};

use super::acts::RoomError;
use super::joining::refused;
use crate::engine::Engine;
use crate::engine::effects::Turn;
use crate::engine::sessions::Which;
use crate::engine::timers::Allowance;

/// Asks taken from one device: one per this time, and so many at once.
const ASK_EVERY_MS: u64 = 10_000;
const ASKS_AT_ONCE: u64 = 5;
/// Open links of one device.
pub(super) const MAX_LINKS: usize = 256;
/// Sessions with users who are neither contacts nor fellow members end after this.
const VISIT_MS: u64 = 24 * 3_600_000;
/// Those who were let in by links or invited, and have not come: with more, links let in nobody.
const MAX_OPEN_INVITES: usize = 256;
/// The same of one link.
const MAX_OPEN_OF_LINK: usize = 64;
/// Whoever is no fellow member any more is to be told why: so long they are let in for that, and what tells it waits.
const TELL_MS: u64 = 30 * 24 * 3_600_000;
/// Bytes of a room's name in a link.
const MAX_LINK_NAME: usize = 32;

/// Whom a link lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// Whoever shows it, so many of them where there is a number.
    Joins(Option<u32>),
    /// Whoever shows it asks, and a person decides.
    Knocks,
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
    /// Makes a link into a room.
    pub(crate) fn make_room_link(
        &mut self,
        turn: &mut Turn<'_, '_>,
        room: &ConversationId,
        kind: LinkKind,
        valid_ms: u64,
    ) -> Result<Result<MadeLink, RoomError>, StoreError> {
        let Some((no, row)) = self.room_number(turn, room)? else {
            return Ok(Err(RoomError::UnknownRoom));
        };
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(Err(RoomError::UnknownRoom));
        };
        let state = folded.state().clone();
        if let Err(error) = may_make_link(&state, &self.own.user, kind) {
            return Ok(Err(error));
        }
        let open = rooms::tokens(turn.txn)?;
        if open.iter().filter(|row| row.expires > turn.now).count() >= MAX_LINKS {
            return Ok(Err(RoomError::TooManyLinks { max: MAX_LINKS }));
        }
        let token = self.random_id();
        let expires = turn.now.saturating_add(valid_ms);
        if let LinkKind::Joins(uses) = kind {
            let act = Act::Link {
                token: link_token_hash(&token),
                role: Rank::Member.number(),
                uses,
                expires: Some(expires),
            };
            if let Err(error) = self.operate(turn, no, act)? {
                return Ok(Err(error));
            }
        }
        rooms::put_token(
            turn.txn,
            &TokenRow {
                token,
                room: no,
                expires,
                knock: kind == LinkKind::Knocks,
            },
        );
        self.distribute(turn, no)?;
        let link = self.link_into(*room, row.name, token, expires);
        Ok(Ok(MadeLink { link, expires }))
    }

    /// The link into a room with a token of ours.
    pub(super) fn link_into(&self, room: ConversationId, mut name: String, token: [u8; 16], expires: u64) -> String {
        name.truncate(name.floor_char_boundary(MAX_LINK_NAME));
        let mut invite = self.invite(token, expires);
        invite.name = Some(name).filter(|name| !name.is_empty());
        RoomLink { invite, room }.to_link()
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
        let knocking = self.knocking(turn)?;
        let (mut visitors, mut left) = (0_usize, Vec::new());
        for (device, created) in self.sessions.newest() {
            let Some((id, user)) = self.known.get(&device).map(|known| (known.id, known.user)) else {
                continue;
            };
            if joining.contains(&user)
                || contacts::get(turn.txn, &user)?.is_some()
                || user == self.own.user
                || self.is_fellow(turn, &user, &id)?
                || self.was_fellow(turn, &user)?
                || knocking.contains(&user)
            {
                continue;
            }
            let tells = |row: &OutboxRow| {
                let age = turn.now.saturating_sub(row.created);
                match row.control {
                    Control::RoomOperations { .. } => age < TELL_MS,
                    // Who has waited for an answer gets it.
                    Control::RoomRefused { .. } => age < VISIT_MS,
                    _ => false,
                }
            };
            let waiting = outbox::of_device(turn.txn, device)?;
            if turn.now.saturating_sub(created) < VISIT_MS || waiting.iter().any(tells) {
                visitors = visitors.saturating_add(1);
                continue;
            }
            self.sessions.forget(turn, device, Which::All)?;
            self.forget_first_contact(turn, device)?;
            for waiting in waiting {
                outbox::remove(turn.txn, device, &waiting.id)?;
            }
            if let Some((stream, _)) = self.link_to(device) {
                self.close_stream(turn, stream);
            }
            self.rooms.asks.remove(&device);
            left.extend(forget_device(turn, device)?);
        }
        rooms::forget_parted(turn.txn, turn.now.saturating_sub(TELL_MS))?;
        self.rooms.visitors = visitors;
        if !left.is_empty() {
            self.learn_devices(turn)?;
        }
        for peer in left.iter().flatten() {
            self.forget_peer(turn, *peer)?;
        }
        Ok(())
    }

    /// Whether a user, who is no contact, was in a room with us not long ago.
    pub(crate) fn was_fellow(&self, turn: &Turn<'_, '_>, user: &UserId) -> Result<bool, StoreError> {
        let parted = rooms::parted(turn.txn, user)?;
        Ok(parted.is_some_and(|at| turn.now.saturating_sub(at) < TELL_MS))
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
        let answers = |control: &Control| matches!(control, Control::RoomWelcome { room: of, .. } | Control::RoomRefused { room: of, .. } | Control::RoomOperations { room: of, .. } if of == room);
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
        if self.is_knock(turn, no, ask)? {
            return self.let_wait(turn, no, device, &state, ask);
        }
        if state.invited.len() >= MAX_OPEN_INVITES {
            return self.refuse_to_join(turn, device, &ask.room, refused::NO);
        }
        let letter = letter_in(&state, &self.own.user, &self.account.keys.id(), &user, ask, turn.now);
        let open_of = |link: &LinkUse| {
            let open = state.invited.values().filter(|open| open.link == Some(link.link));
            open.count()
        };
        match letter {
            Ok((_, link)) if open_of(&link) >= MAX_OPEN_OF_LINK => {
                self.refuse_to_join(turn, device, &ask.room, refused::NO)
            }
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

    pub(super) fn refuse_to_join(
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
}

/// Forgets a device that wrote nothing; of one that did, what it wrote stays. Where it was.
fn forget_device(turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<Option<Option<PeerId>>, StoreError> {
    let Some(mut row) = devices::get(turn.txn, device)? else {
        return Ok(None);
    };
    let peer = PeerId::from_bytes(&row.peer).ok();
    let mut wrote = false;
    for (no, _) in rooms::all(turn.txn)? {
        wrote |= logs::has_any(turn.txn, no, device)?;
    }
    if wrote {
        row.retire();
        devices::put(turn.txn, &row)?;
    } else {
        devices::delete(turn.txn, device, &row);
    }
    Ok(Some(peer))
}

/// With what a user is let in who shows a link; or the reason why not.
fn letter_in(
    state: &RoomState,
    own: &UserId,
    device: &DeviceId,
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
    let number = can_let_in(state, own, device, link, now)?;
    Ok((link.rank, LinkUse { link: *id, number }))
}

/// The number of the use with which this account lets somebody in by a link; or the reason why not.
pub(super) fn can_let_in(
    state: &RoomState,
    own: &UserId,
    device: &DeviceId,
    link: &LinkState,
    now: u64,
) -> Result<u32, u8> {
    if link.expires.is_some_and(|expires| expires <= now) {
        return Err(refused::ENDED);
    }
    let rank = state.rank(own);
    if rank.number() < state.policy.invite || rank < link.rank || state.policy.join == 0 {
        return Err(refused::NO);
    }
    match link.uses {
        None => Ok(0),
        Some(_) if link.maker != *device => Err(refused::ASK_MAKER),
        Some(uses) => (1..=uses).find(|n| !link.used.contains(n)).ok_or(refused::USED_UP),
    }
}

fn may_make_link(state: &RoomState, own: &UserId, kind: LinkKind) -> Result<(), RoomError> {
    let have = state.rank(own);
    let needs = Rank::from_number(state.policy.invite).unwrap_or(Rank::Owner);
    if have == Rank::Nobody {
        Err(RoomError::NotMember)
    } else if have < needs && have != Rank::Owner {
        Err(RoomError::Rank { needs, have })
    } else if state.policy.join == 0 {
        Err(RoomError::NoLinks)
    } else if kind == LinkKind::Knocks && state.policy.join_rule() < JoinRule::Knock {
        Err(RoomError::NoKnocking)
    } else {
        Ok(())
    }
}

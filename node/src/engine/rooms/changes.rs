//! What operations come to is written down for readers, and told to those who come and go.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{Applied, EventId, Membership, RoomState, UserId};
use parlour_store::feed::{self, FeedRow};
use parlour_store::rooms::{self, MemberRow, RoomRow, Standing};
use parlour_store::{ConversationNo, LogKey, StoreError, contacts, conversations};

use crate::engine::Engine;
use crate::engine::effects::Turn;

impl Engine {
    /// Operations have been added: what they change is written down, and told.
    pub(super) fn room_changed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        applied: Applied,
    ) -> Result<(), StoreError> {
        let (own, device) = (self.own.user, self.account.keys.id());
        let before = rooms::members(turn.txn, no)?;
        // What we write from now on has a clock above all that is here.
        let heads = conversations::get(turn.txn, no)?
            .map(|row| row.heads)
            .unwrap_or_default();
        let above = heads.iter().map(|(clock, _)| clock.saturating_add(1)).max();
        let since = turn.now.max(above.unwrap_or(0));
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(());
        };
        let old = rooms::get(turn.txn, no)?;
        let lost = has_lost(folded, old.as_ref(), &before, &own);
        let members = members_after(folded, &before, since, lost);
        let again = came_again(&before, &members);
        let (heads, view) = (folded.heads(), folded.view());
        let banned = folded.state().banned.clone();
        let picture = folded.state().info.avatar.clone().unwrap_or_default();
        let made = folded.last_of(&device).map_or(0, |(op_seq, _)| op_seq);
        let row = row_after(turn, no, folded.state(), old.as_ref(), (own, &members))?;
        rooms::put_view(turn.txn, no, &view, &heads);
        let heads = match &old {
            Some(old) if lost => old.heads.clone(),
            _ => heads,
        };
        let own_operations = old.as_ref().map_or(0, |row| row.own_operations).max(made);
        let row = RoomRow {
            heads,
            own_operations,
            ..row
        };
        if old.as_ref() != Some(&row) {
            rooms::put(turn.txn, no, &row);
        }
        rooms::set_picture(turn.txn, no, &picture)?;
        rooms::set_members(turn.txn, no, &members)?;
        if !lost {
            rooms::set_banned(turn.txn, no, &banned)?;
        }
        self.note_parted(turn, &before, &members)?;
        if row.standing == Standing::Member
            && let Some(Standing::Invited { by, .. } | Standing::Asked { user: by, .. }) = old.map(|row| row.standing)
        {
            rooms::delete_let_in(turn.txn, &by, no);
        }
        self.prune_chains(turn, no, &members, &again)?;
        feed::append(turn.txn, &FeedRow::Conversation { conversation: no })?;
        let changed = |user: &UserId| before.get(user) != members.get(user);
        if applied != Applied::Last {
            self.rooms.views.forget(no);
        }
        self.judge_anew(turn, no)?;
        self.purge_logs(turn, no)?;
        let keep = |log: &LogKey, user: &UserId| applied == Applied::Last && !changed(user) && log.conversation == no;
        self.rooms
            .denied
            .retain(|(log, user), _| log.conversation != no || keep(log, user));
        self.members.remove(&no);
        let came = members
            .into_keys()
            .filter(|user| (!before.contains_key(user) || again.contains(user)) && *user != own);
        let came: BTreeSet<UserId> = came.collect();
        self.ask_those_who_are_back(turn, no, &came)?;
        self.tell_room_to(turn, no, &came)
    }

    /// Remembers who, of those who are no contacts, ceased to be in a room with us: how that came may have to be told.
    fn note_parted(
        &self,
        turn: &mut Turn<'_, '_>,
        before: &BTreeMap<UserId, MemberRow>,
        members: &BTreeMap<UserId, MemberRow>,
    ) -> Result<(), StoreError> {
        let went = before.contains_key(&self.own.user) && !members.contains_key(&self.own.user);
        let gone = before.keys().filter(|user| went || !members.contains_key(user));
        for user in gone.filter(|user| **user != self.own.user) {
            if contacts::get(turn.txn, user)?.is_none() {
                rooms::put_parted(turn.txn, user, turn.now);
            }
        }
        Ok(())
    }

    /// Those who have come are told what we hold, and are given what they lack.
    pub(super) fn tell_room_to(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        users: &BTreeSet<UserId>,
    ) -> Result<(), StoreError> {
        let Some(id) = conversations::id_of(turn.txn, no)? else {
            return Ok(());
        };
        for stream in self.links_sharing(turn, no)? {
            let Some(link) = self.link(stream).filter(|link| users.contains(&link.user)) else {
                continue;
            };
            link.want(no);
            self.tell_conversation(turn, stream, no, &id)?;
        }
        Ok(())
    }
}

/// Whether operations are missing that were here, and others are there to give them back.
pub(super) fn has_lost(
    folded: &Membership,
    old: Option<&RoomRow>,
    before: &BTreeMap<UserId, MemberRow>,
    own: &UserId,
) -> bool {
    let others = before.keys().any(|user| user != own);
    others && old.is_some_and(|old| old.heads.iter().any(|head| !folded.contains(head)))
}

/// Who takes part. After a loss, what made somebody a member may not have come back yet, and it comes from them: nobody takes part or is
/// removed without an operation of their own. What removed somebody may not have come back either: until then nobody is added.
fn members_after(
    folded: &Membership,
    before: &BTreeMap<UserId, MemberRow>,
    since: u64,
    lost_some: bool,
) -> BTreeMap<UserId, MemberRow> {
    let state = folded.state();
    let lost = before.iter().filter(|(user, _)| !folded.knows(user));
    let mut members: BTreeMap<UserId, MemberRow> = lost.map(|(user, row)| (*user, row.clone())).collect();
    let there = state.members.iter();
    let there = there.filter(|(user, _)| !lost_some || before.contains_key(user));
    members.extend(there.map(|(user, member)| {
        // Whoever went and came back comes anew, also if both is learned at once.
        let known = before
            .get(user)
            .filter(|row| lost_some || is_same_stay(row, member.came));
        let row = MemberRow {
            rank: member.rank.number(),
            since: known.map_or(since, |row| row.since),
            history: member.history,
            devices: member.devices.clone(),
            came: known.and_then(|row| row.came).or(member.came),
        };
        (*user, row)
    }));
    members
}

/// Rows from before the operation with which somebody came was written down say nothing of it.
fn is_same_stay(row: &MemberRow, came: Option<EventId>) -> bool {
    row.came.is_none() || row.came == came
}

/// Those who are there, as before, and have gone and come back in between.
fn came_again(before: &BTreeMap<UserId, MemberRow>, members: &BTreeMap<UserId, MemberRow>) -> BTreeSet<UserId> {
    let again = members.iter().filter(|(user, member)| {
        let known = before.get(user);
        known.is_some_and(|row| !is_same_stay(row, member.came))
    });
    again.map(|(user, _)| *user).collect()
}

/// What readers see of a room.
fn row_after(
    turn: &Turn<'_, '_>,
    no: ConversationNo,
    state: &RoomState,
    old: Option<&RoomRow>,
    (own, members): (UserId, &BTreeMap<UserId, MemberRow>),
) -> Result<RoomRow, StoreError> {
    let name = state.info.name.clone().unwrap_or_default();
    let slug = match old {
        // Scripts go on when a room is renamed.
        Some(row) if !row.slug.is_empty() => row.slug.clone(),
        _ => rooms::free_slug(turn.txn, &name, no)?,
    };
    let invited = state.invited.contains_key(&own);
    let standing = match old.map(|row| row.standing.clone()) {
        _ if members.contains_key(&own) => Standing::Member,
        // The operation that lets us in may still be on its way; once here, it has to go on counting.
        Some(Standing::Invited { by, at, open }) if invited || !open => Standing::Invited { by, at, open: invited },
        Some(standing @ Standing::Asked { .. }) => standing,
        _ => Standing::Gone,
    };
    Ok(RoomRow {
        standing,
        name,
        topic: state.info.topic.clone().unwrap_or_default(),
        slug,
        heads: Vec::new(),
        members: u32::try_from(members.len()).unwrap_or(u32::MAX),
        policy: state.policy.clone(),
        own_operations: 0,
    })
}

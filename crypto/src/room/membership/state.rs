//! What a set of operations comes to (PROTOCOL.md section 11, "The fold", step 8).
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::dag::{At, Bits, contains};
use super::judge::{Dropped, Judge};
use super::said::Ending;
use crate::ids::{DeviceId, EventId, UserId};
use crate::room::operation::{Act, Info, LastSeq, RoomOperation};
use crate::room::rules::{Policy, Rank};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Who belongs to a room, and what its rules are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomState {
    /// Those with a rank.
    pub members: BTreeMap<UserId, Member>,
    /// Those who are kept out.
    pub banned: BTreeSet<UserId>,
    /// Those who may join now.
    pub invited: BTreeMap<UserId, OpenInvite>,
    /// Links that have not been revoked, by the operations that made them.
    pub links: BTreeMap<EventId, LinkState>,
    /// The rules.
    pub policy: Policy,
    /// Name, topic and picture.
    pub info: Info,
    /// Operations that do not count, and why.
    pub dropped: BTreeMap<EventId, Dropped>,
    /// Devices that made two operations of one number.
    pub forked: BTreeSet<DeviceId>,
    /// Of users who were removed, back again or not, the removals.
    pub ends: BTreeMap<UserId, BTreeMap<EventId, Ending>>,
    /// What is to be deleted of the logs of their devices, and who asked for it: those who removed them and all that they had said; by operation.
    pub purged: BTreeMap<(DeviceId, u32), Vec<Purge>>,
    /// Of devices that were removed or revoked, by their users, all that ended them in one.
    pub device_ends: BTreeMap<(UserId, DeviceId), Ending>,
}

/// A removal that takes with it what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge {
    /// The removal. Who said something knowing of it was let in again, and means it anew.
    pub operation: EventId,
    /// The last place in the log that is deleted.
    pub last: u64,
    /// Whose removal it is.
    pub by: UserId,
}

/// A user in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What they may.
    pub rank: Rank,
    /// Their devices, ascending.
    pub devices: Vec<DeviceId>,
    /// The operation with which they came: the last `Join` that counts, or the `Create`.
    pub came: Option<EventId>,
    /// The history rule when they came: a [`History`](crate::History).
    pub history: u8,
}

/// An invite that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenInvite {
    /// The operation.
    pub invite: EventId,
    /// What it makes of the user.
    pub rank: Rank,
    /// The link that was shown.
    pub link: Option<EventId>,
}

/// A link that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Who made it.
    pub maker: DeviceId,
    /// HASH("room link token", token).
    pub token: [u8; 32],
    /// What it makes of those who come.
    pub rank: Rank,
    /// How often it can be used; nothing: without limit.
    pub uses: Option<u32>,
    /// The numbers that were used, where they are limited.
    pub used: BTreeSet<u32>,
    /// Until when, ms.
    pub expires: Option<u64>,
}

impl RoomState {
    /// A user's rank.
    #[must_use]
    pub fn rank(&self, user: &UserId) -> Rank {
        self.members.get(user).map_or(Rank::Nobody, |member| member.rank)
    }

    /// Who owns the room; nobody after it was given to several at once.
    #[must_use]
    pub fn owner(&self) -> Option<&UserId> {
        let mut members = self.members.iter();
        members
            .find(|(_, member)| member.rank == Rank::Owner)
            .map(|(user, _)| user)
    }

    /// Every device that may read, ascending.
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceId> {
        let devices: BTreeSet<_> = self.members.values().flat_map(|member| &member.devices).collect();
        devices.into_iter().copied().collect()
    }

    pub(super) fn of(judge: &Judge, set: &Bits) -> Self {
        let at = View {
            judge,
            set: set.as_slice(),
        };
        Self {
            members: at.members(),
            banned: judge
                .index
                .bans
                .keys()
                .filter(|user| judge.is_banned(user, at.set))
                .copied()
                .collect(),
            invited: at.invited(),
            links: at.links(),
            policy: judge.policy_in(at.set).unwrap_or_default(),
            info: at.info(),
            dropped: at.dropped(),
            forked: at.forked(),
            ends: at.ends(),
            device_ends: at.device_ends(),
            purged: at.purged(),
        }
    }
}

/// The operations of a set.
struct View<'a> {
    judge: &'a Judge,
    set: &'a [u64],
}

impl View<'_> {
    fn counted(&self, at: At) -> bool {
        contains(self.set, at) && self.judge.verdict(at).counts()
    }

    fn get(&self, at: At) -> Option<&RoomOperation> {
        self.judge.dag.get(at)
    }

    fn members(&self) -> BTreeMap<UserId, Member> {
        let index = &self.judge.index;
        let heirs = index.ownership.iter().filter_map(|&at| match self.get(at)?.act() {
            Some(Act::Transfer { user }) => Some(*user),
            _ => None,
        });
        let users: BTreeSet<UserId> = index.about.keys().copied().chain(heirs).collect();
        let ranked = users
            .into_iter()
            .map(|user| (user, self.judge.rank_in(&user, self.set)));
        ranked
            .filter_map(|(user, rank)| Some((user, Rank::from_number(rank).filter(|rank| *rank > Rank::Nobody)?)))
            .map(|(user, rank)| {
                let came = self.came(&user);
                let member = Member {
                    rank,
                    devices: self.devices(&user),
                    came: came.and_then(|at| Some(self.get(at)?.id)),
                    history: came.and_then(|at| self.judge.policy_at(at)).unwrap_or_default().history,
                };
                (user, member)
            })
            .collect()
    }

    /// With which operation a user came last. Of several that do not know of each other, the one with the smallest id; who was given the
    /// room by a join that does not count came by that.
    fn came(&self, user: &UserId) -> Option<At> {
        let about = self.judge.index.about(user);
        let is_coming = |at| self.judge.is_coming(at, user);
        let mut tops = self
            .judge
            .dag
            .tops(about, self.set, |at| is_coming(at) && self.judge.verdict(at).counts());
        if tops.is_empty() {
            tops = self.judge.dag.tops(about, self.set, is_coming);
        }
        tops.into_iter()
            .min_by_key(|&at| self.get(at).map(|operation| operation.id))
    }

    fn devices(&self, user: &UserId) -> Vec<DeviceId> {
        let carriers = self.judge.index.lists.get(user).into_iter().flatten();
        let lists: Vec<_> = carriers
            .filter(|&&at| contains(self.set, at) && self.judge.verdict(at).dropped != Some(Dropped::NoRoot))
            .filter_map(|&at| self.get(at)?.list.as_ref())
            .collect();
        let newest = lists.iter().map(|list| list.version).max();
        let mut newest = lists.iter().filter(|list| Some(list.version) == newest);
        let mut devices: BTreeSet<DeviceId> = newest
            .next()
            .map(|list| list.certified.iter().copied().collect())
            .unwrap_or_default();
        for list in newest {
            devices.retain(|device| list.certified.contains(device));
        }
        devices.retain(|device| {
            let mut ends = self.judge.index.ended.get(&(*user, *device)).into_iter().flatten();
            let mut removals = self.judge.index.removed.get(&(*user, *device)).into_iter().flatten();
            !ends.any(|&end| contains(self.set, end)) && !removals.any(|&removal| self.counted(removal))
        });
        devices.into_iter().collect()
    }

    fn ends(&self) -> BTreeMap<UserId, BTreeMap<EventId, Ending>> {
        let mut ends = BTreeMap::new();
        for (user, statements) in &self.judge.index.about {
            let removals = statements.iter().filter(|&&at| self.counted(at)).filter_map(|&at| {
                let removal = self.get(at)?;
                let Some(Act::Remove { logs, purge, .. }) = removal.act() else {
                    return None;
                };
                let (logs, purges) = (greatest(logs), *purge);
                Some((removal.id, Ending { logs, purges }))
            });
            let removals: BTreeMap<EventId, Ending> = removals.collect();
            if !removals.is_empty() {
                ends.insert(*user, removals);
            }
        }
        ends
    }

    fn purged(&self) -> BTreeMap<(DeviceId, u32), Vec<Purge>> {
        let mut purged: BTreeMap<_, Vec<Purge>> = BTreeMap::new();
        for (user, statements) in &self.judge.index.about {
            let theirs = self.judge.index.devices.get(user);
            for operation in statements
                .iter()
                .filter(|&&at| self.counted(at))
                .filter_map(|&at| self.get(at))
            {
                let Some(Act::Remove { purge: true, logs, .. }) = operation.act() else {
                    continue;
                };
                for end in logs
                    .iter()
                    .filter(|end| theirs.is_some_and(|devices| devices.contains(&end.device)))
                {
                    purged.entry((end.device, end.log)).or_default().push(Purge {
                        operation: operation.id,
                        last: end.seq,
                        by: operation.user,
                    });
                }
            }
        }
        for purges in purged.values_mut() {
            purges.sort_unstable_by_key(|purge| (purge.operation, purge.last));
        }
        purged
    }

    fn device_ends(&self) -> BTreeMap<(UserId, DeviceId), Ending> {
        let index = &self.judge.index;
        let removed = index.removed.iter().map(|(of, places)| (of, places, false));
        let ended = index.ended.iter().map(|(of, places)| (of, places, true));
        let mut ends: BTreeMap<_, Vec<&LastSeq>> = BTreeMap::new();
        for (of, places, by_list) in removed.chain(ended) {
            for &at in places {
                // A list speaks for itself, whether what carries it counts or not.
                if contains(self.set, at) && (by_list || self.counted(at)) {
                    let logs = self.get(at).and_then(RoomOperation::act).map(said_last);
                    let logs = logs.into_iter().flatten().filter(|end| end.device == of.1);
                    ends.entry(*of).or_default().extend(logs);
                }
            }
        }
        let ending = |logs| Ending {
            logs: greatest(logs),
            purges: false,
        };
        ends.into_iter().map(|(of, logs)| (of, ending(logs))).collect()
    }

    fn invited(&self) -> BTreeMap<UserId, OpenInvite> {
        let mut open = BTreeMap::new();
        for (user, invites) in &self.judge.index.invites {
            if self.judge.rank_in(user, self.set) > 0 || self.judge.is_banned(user, self.set) {
                continue;
            }
            let usable = invites
                .iter()
                .filter(|&&at| self.counted(at) && self.judge.is_fresh(at, user, self.set));
            let found = usable.filter_map(|&at| match (self.get(at)?.id, self.get(at)?.act()) {
                (id, Some(Act::Invite { role, link, .. })) => Some((*role, Reverse(id), link.map(|used| used.link))),
                _ => None,
            });
            if let Some((role, Reverse(invite), link)) = found.max()
                && let Some(rank) = Rank::from_number(role)
            {
                open.insert(*user, OpenInvite { invite, rank, link });
            }
        }
        open
    }

    fn links(&self) -> BTreeMap<EventId, LinkState> {
        let index = &self.judge.index;
        let mut links = BTreeMap::new();
        for &at in index.links.iter().filter(|&&at| self.counted(at)) {
            let Some(operation) = self.get(at) else { continue };
            let Some(Act::Link {
                token,
                role,
                uses,
                expires,
            }) = operation.act()
            else {
                continue;
            };
            let mut revocations = index.revocations.get(&operation.id).into_iter().flatten();
            if revocations.any(|&at| self.counted(at)) {
                continue;
            }
            let invites = index
                .uses
                .get(&operation.id)
                .into_iter()
                .flatten()
                .filter(|&&at| self.counted(at));
            let used = invites.filter_map(|&at| match self.get(at)?.act() {
                Some(Act::Invite { link: Some(used), .. }) => Some(used.number),
                _ => None,
            });
            let used = if uses.is_some() {
                used.collect()
            } else {
                BTreeSet::new()
            };
            if let Some(rank) = Rank::from_number(*role) {
                let link = LinkState {
                    maker: operation.device,
                    token: *token,
                    rank,
                    uses: *uses,
                    used,
                    expires: *expires,
                };
                links.insert(operation.id, link);
            }
        }
        links
    }

    fn info(&self) -> Info {
        Info {
            name: self.latest(|info| info.name.clone()),
            topic: self.latest(|info| info.topic.clone()),
            avatar: self.latest(|info| info.avatar.clone()),
        }
    }

    /// What the operations that set a field say of it, of those that do not know of each other the highest author's.
    fn latest<T>(&self, field: impl Fn(&Info) -> Option<T>) -> Option<T> {
        let said = |at: At| match self.get(at)?.act() {
            Some(Act::Create { info, .. } | Act::Info(info)) => field(info),
            _ => None,
        };
        let wanted = |at| self.judge.verdict(at).counts() && said(at).is_some();
        let tops = self.judge.dag.tops(&self.judge.index.infos, self.set, wanted);
        let first = tops.into_iter().min_by_key(|&at| {
            let author = self
                .get(at)
                .map(|operation| (operation.user, operation.device, operation.id));
            (Reverse(self.judge.verdict(at).rank), author)
        });
        first.and_then(said)
    }

    fn dropped(&self) -> BTreeMap<EventId, Dropped> {
        let operations = self.judge.dag.iter().filter(|(at, _)| contains(self.set, *at));
        operations
            .filter_map(|(at, operation)| Some((operation.id, self.judge.verdict(at).dropped?)))
            .collect()
    }

    fn forked(&self) -> BTreeSet<DeviceId> {
        let in_sequence = |&&at: &&At| {
            let dropped = self.judge.verdict(at).dropped;
            contains(self.set, at) && !matches!(dropped, Some(Dropped::OutOfSequence | Dropped::NoRoot))
        };
        let forks = |places: &Vec<At>| places.iter().filter(in_sequence).count() > 1;
        let sequences = self.judge.index.sequences.iter();
        sequences
            .filter(|(_, numbers)| numbers.values().any(forks))
            .map(|(device, _)| *device)
            .collect()
    }
}

/// The last content that an act says somebody held.
fn said_last(act: &Act) -> &[LastSeq] {
    match act {
        Act::Remove { logs, .. } | Act::Devices { logs, .. } => logs,
        _ => &[],
    }
}

/// Of each log the greatest seq.
fn greatest<'a>(ends: impl IntoIterator<Item = &'a LastSeq>) -> Vec<LastSeq> {
    let mut last: BTreeMap<(DeviceId, u32), u64> = BTreeMap::new();
    for end in ends {
        let seq = last.entry((end.device, end.log)).or_default();
        *seq = (*seq).max(end.seq);
    }
    let logs = last.into_iter();
    logs.map(|((device, log), seq)| LastSeq { device, log, seq }).collect()
}

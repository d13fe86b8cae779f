//! Where in an order of operations to look for what: by user, by device, by what they are about.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::dag::{At, Dag};
use crate::ids::{DeviceId, EventId, UserId};
use crate::room::operation::{Act, RoomOperation};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Places, each list ascending.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Create operations.
    pub(super) roots: Vec<At>,
    /// Operations that say what a user is: create, join, leave, removals, roles.
    pub(super) about: BTreeMap<UserId, Vec<At>>,
    /// Who owns the room: create and transfers.
    pub(super) ownership: Vec<At>,
    /// Create and policies.
    pub(super) policies: Vec<At>,
    /// Create and changes of name, topic, picture.
    pub(super) infos: Vec<At>,
    /// Bans and what lifts them.
    pub(super) bans: BTreeMap<UserId, Vec<At>>,
    pub(super) invites: BTreeMap<UserId, Vec<At>>,
    pub(super) links: Vec<At>,
    pub(super) revocations: HashMap<EventId, Vec<At>>,
    /// Invites through a link.
    pub(super) uses: HashMap<EventId, Vec<At>>,
    /// Operations that carry a list of the user's devices.
    pub(super) lists: BTreeMap<UserId, Vec<At>>,
    /// The user's devices that have written or are on a list.
    pub(super) devices: BTreeMap<UserId, BTreeSet<DeviceId>>,
    /// What ends a device: lists of the same user, which may name anybody's.
    pub(super) ended: HashMap<(UserId, DeviceId), Vec<At>>,
    /// Removals of one device of a user.
    pub(super) removed: HashMap<(UserId, DeviceId), Vec<At>>,
    /// A device's operations by number.
    pub(super) sequences: HashMap<DeviceId, BTreeMap<u32, Vec<At>>>,
    /// Of each operation the greatest number of its device's operations in its past.
    last_seqs: Vec<u32>,
    pub(super) recovered: bool,
}

impl Index {
    /// Adds the next operation of `dag`.
    pub(super) fn add(&mut self, dag: &Dag, at: At, operation: &RoomOperation) {
        let sequence = self.sequences.entry(operation.device).or_default();
        // Here are only those before it in the order, so that the greatest number is mostly found at once.
        let is_past = |places: &Vec<At>| places.iter().any(|&place| dag.is_before(place, at));
        let last = sequence.iter().rev().find(|(_, places)| is_past(places));
        self.last_seqs.push(last.map_or(0, |(number, _)| *number));
        sequence.entry(operation.op_seq).or_default().push(at);
        let devices = self.devices.entry(operation.user).or_default();
        devices.insert(operation.device);
        if let Some(list) = &operation.list {
            devices.extend(&list.certified);
            self.recovered |= list.recovered;
            self.lists.entry(operation.user).or_default().push(at);
        }
        match &operation.act {
            Some(Act::Create { .. }) => {
                self.roots.push(at);
                self.about.entry(operation.user).or_default().push(at);
                self.ownership.push(at);
                self.policies.push(at);
                self.infos.push(at);
            }
            Some(Act::Info(_)) => self.infos.push(at),
            Some(Act::Policy(_)) => self.policies.push(at),
            Some(Act::Invite { user, link, .. }) => {
                self.invites.entry(*user).or_default().push(at);
                if let Some(link) = link {
                    self.uses.entry(link.link).or_default().push(at);
                }
            }
            Some(Act::Join { .. } | Act::Leave) => self.about.entry(operation.user).or_default().push(at),
            Some(Act::Remove {
                user,
                device: Some(device),
                ..
            }) => self.removed.entry((*user, *device)).or_default().push(at),
            Some(Act::Remove { user, ban, .. }) => {
                self.about.entry(*user).or_default().push(at);
                if *ban {
                    self.bans.entry(*user).or_default().push(at);
                }
            }
            Some(Act::Unban { user }) => self.bans.entry(*user).or_default().push(at),
            Some(Act::Role { user, .. }) => self.about.entry(*user).or_default().push(at),
            Some(Act::Transfer { .. }) => self.ownership.push(at),
            Some(Act::Link { .. }) => self.links.push(at),
            Some(Act::RevokeLink { link }) => self.revocations.entry(*link).or_default().push(at),
            Some(Act::Devices { .. }) | None => {}
        }
    }

    /// The greatest number of its device's operations in an operation's past.
    pub(super) fn last_seq(&self, at: At) -> u32 {
        self.last_seqs.get(at).copied().unwrap_or_default()
    }

    /// Whether it is a create operation or has one in its past.
    pub(super) fn is_rooted(&self, dag: &Dag, at: At) -> bool {
        self.roots.iter().any(|&root| root == at || dag.is_before(root, at))
    }

    /// Finds out what ends which device.
    pub(super) fn end_devices(&mut self, dag: &Dag) {
        let mut ended: HashMap<(UserId, DeviceId), Vec<At>> = HashMap::new();
        for (user, carriers) in &self.lists {
            let lists: Vec<_> = carriers
                .iter()
                .filter(|&&at| self.is_rooted(dag, at))
                .filter_map(|&at| Some((at, dag.get(at)?.list.as_ref()?)))
                .collect();
            // The greatest version that certifies a device: only a recovered list below it leaves the device alone.
            let mut certified: HashMap<DeviceId, u32> = HashMap::new();
            for (_, list) in &lists {
                for device in &list.certified {
                    let version = certified.entry(*device).or_default();
                    *version = list.version.max(*version);
                }
            }
            for (at, list) in lists {
                for device in &list.revoked {
                    ended.entry((*user, *device)).or_default().push(at);
                }
                if !list.recovered {
                    continue;
                }
                for device in self.devices.get(user).into_iter().flatten() {
                    let later = certified.get(device).is_some_and(|version| *version > list.version);
                    if !later && !list.certified.contains(device) && !list.revoked.contains(device) {
                        ended.entry((*user, *device)).or_default().push(at);
                    }
                }
            }
        }
        self.ended = ended;
    }

    pub(super) fn about(&self, user: &UserId) -> &[At] {
        self.about.get(user).map(Vec::as_slice).unwrap_or_default()
    }
}

//! What stands of what somebody said who was removed (PROTOCOL.md section 11, "What was said around a removal").
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::state::RoomState;
use crate::event::EventHeader;
use crate::ids::{DeviceId, UserId};
use crate::room::operation::LastSeq;

/// How many events of a log, behind the last one that whoever removed its author had seen, are kept.
pub const MAX_AROUND_REMOVAL: u64 = 1_000;

/// What comes of an event by somebody who had the right to say it, as far as they knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// It stands.
    Stands,
    /// Its author was removed by somebody who had not seen it: kept, and marked.
    AroundRemoval,
    /// It is too far behind what whoever removed its author had seen, or was to be deleted with all they had said.
    Void,
}

/// The removal of a user, or the end of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Of each log the last event that whoever did it had seen; of logs that are not named, none.
    pub logs: Vec<LastSeq>,
    /// Whether everything was to be deleted.
    pub purges: bool,
}

impl Ending {
    /// The last event of a log that whoever did it had seen; 0: none.
    #[must_use]
    pub fn last(&self, device: &DeviceId, log: u32) -> u64 {
        let of_log = self.logs.iter().filter(|end| end.device == *device && end.log == log);
        of_log.map(|end| end.seq).max().unwrap_or(0)
    }

    /// What it leaves of an event that was said without knowing of it.
    fn leaves(&self, header: &EventHeader) -> Said {
        let last = self.last(&header.device, header.log);
        if header.seq <= last {
            return Said::Stands;
        }
        // A device takes the next log, and no other, when it has lost what stood in one.
        let logs = self.logs.iter().filter(|end| end.device == header.device);
        let newest = logs.map(|end| end.log).max().unwrap_or(0);
        let is_next = header.log <= newest.saturating_add(1);
        match is_next && !self.purges && header.seq.saturating_sub(last) <= MAX_AROUND_REMOVAL {
            true => Said::AroundRemoval,
            false => Said::Void,
        }
    }
}

impl RoomState {
    /// What stands of an event whose author had the right to say it under the state `then`, now that this one is known. Of what somebody
    /// said not knowing of their removal that is what whoever removed them had seen, and a little more, marked; of several removals the
    /// one that leaves most, unless one was to delete everything.
    #[must_use]
    pub fn stands(&self, then: &Self, user: &UserId, header: &EventHeader) -> Said {
        let known = then.ends.get(user);
        let endings = self.ends.get(user).into_iter().flatten();
        let unknown = endings.filter(|(removal, _)| known.is_none_or(|known| !known.contains_key(removal)));
        let unknown: Vec<&Ending> = unknown.map(|(_, ending)| ending).collect();
        let purges = unknown.iter().any(|ending| ending.purges);
        let of_user = match unknown.iter().map(|ending| ending.leaves(header)).min() {
            Some(Said::AroundRemoval) if purges => Said::Void,
            left => left.unwrap_or(Said::Stands),
        };
        let has_device = self
            .members
            .get(user)
            .is_some_and(|member| member.devices.contains(&header.device));
        let ended = self.device_ends.get(&(*user, header.device)).filter(|_| !has_device);
        of_user.max(ended.map_or(Said::Stands, |ending| ending.leaves(header)))
    }
}

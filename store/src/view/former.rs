//! Devices that a message was meant for and that are no recipients any more: what they have acknowledged they have, and the rest does
//! not come to them.

use std::collections::BTreeMap;

use super::delivery::{DeliveryState, DeliveryView, DeviceDelivery, Progress, state};
use crate::db::Read;
use crate::keyspace::{DeviceNo, LogKey};
use crate::logs::{self, DeliveryRow};
use crate::record::StoreError;
use crate::{devices, read_marks, registers};

impl<R: Read> DeliveryView<'_, R> {
    /// What became of a message on devices that left their user's list, and on those of users who left the room.
    pub(super) fn former(&self, log: &LogKey, seq: u64, clock: u64) -> Result<Vec<DeviceDelivery>, StoreError> {
        let mut found = Vec::new();
        for (no, delivery) in self.candidates(log)? {
            let Some(row) = devices::get(self.read, no)? else {
                continue;
            };
            let progress = Progress {
                delivery,
                read: read_marks::of_log(self.read, log, no)?.seqs,
            };
            let reached = state(&progress, seq);
            let left = devices::left(self.read, no)?;
            // One that was never sent it and had left before, or never took part, has nothing to do with it.
            let meant = reached > DeliveryState::Queued || left.is_some_and(|at| at >= clock);
            // Nothing is meant for who is blocked in a room; they may be let in again.
            let blocked = self.with.is_none() && registers::blocked(self.read, &row.user)?.is_some();
            if !meant {
                continue;
            }
            found.push(DeviceDelivery {
                user: row.user,
                device: row.id,
                state: match reached {
                    DeliveryState::Delivered | DeliveryState::Read => reached,
                    _ if blocked => reached,
                    _ => DeliveryState::Failed,
                },
            });
        }
        Ok(found)
    }

    /// Devices that are no recipients, and have told or been sent something of this log, or are retired ones of both sides.
    fn candidates(&self, log: &LogKey) -> Result<BTreeMap<DeviceNo, DeliveryRow>, StoreError> {
        let mut all: BTreeMap<DeviceNo, DeliveryRow> = logs::deliveries(self.read, log)?.into_iter().collect();
        for user in self.with.iter().chain(self.with.is_some().then_some(&self.own.user)) {
            for no in devices::of_user(self.read, user)? {
                all.entry(no).or_default();
            }
        }
        all.retain(|no, _| *no != self.own.device && self.recipients.iter().all(|to| to.no != *no));
        Ok(all)
    }
}

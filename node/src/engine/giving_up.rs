//! Own messages that will not come to a device any more, and those that were tried for as long as makes sense: told on the feed once, so
//! that whoever shows them need not ask again and again.

use std::collections::BTreeMap;

use parlour_crypto::{EventId, Intervals};
use parlour_store::feed::{self, FeedRow};
use parlour_store::meta::{self, CounterName};
use parlour_store::timeline::{self, Position, TimelineEntry};
use parlour_store::view::{DeliveryState, DeliveryView, TRIED_MS};
use parlour_store::{ConversationNo, DeviceNo, LogKey, StoreError, conversations, devices, logs};

use super::Engine;
use super::effects::Turn;

/// How often it is looked for what is tried no more, and how much of the past at once: a node that was off for long has much to tell.
const LOOK_MS: (u64, u64) = (3_600_000, 24 * 3_600_000);
/// Messages read at once.
const PAGE: usize = 1_000;

impl Engine {
    /// Nothing more goes to a device in any conversation: what it has not acknowledged will not come to it.
    pub(super) fn give_up_device(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        for (conversation, _) in self.shared(turn, device)? {
            self.give_up(turn, device, conversation)?;
        }
        Ok(())
    }

    /// Nothing more goes to a device in a conversation.
    pub(super) fn give_up(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        conversation: ConversationNo,
    ) -> Result<(), StoreError> {
        let room = self.is_room(turn, conversation)?;
        for (log, row) in logs::of_conversation(turn.txn, conversation)? {
            if log.device != self.own.device {
                continue;
            }
            let delivery = logs::delivery(turn.txn, &log, device)?;
            // Who came late into a room was not meant by what was said before.
            let meant = if room { delivery.sent } else { row.have };
            let seqs = meant.difference(&delivery.acked);
            if !seqs.is_empty() {
                let LogKey { conversation, log, .. } = log;
                let row = FeedRow::Failed {
                    conversation,
                    log,
                    device,
                    seqs,
                };
                feed::append(turn.txn, &row)?;
            }
        }
        Ok(())
    }

    /// Tells which messages are published no more since they are too old.
    pub(super) fn tell_expired(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let old = turn.now.saturating_sub(TRIED_MS);
        let from = meta::counter(turn.txn, CounterName::Expired)?;
        if from == 0 {
            meta::set_counter(turn.txn, CounterName::Expired, old);
            return Ok(());
        }
        let until = old.min(from.saturating_add(LOOK_MS.1));
        if until < from.saturating_add(LOOK_MS.0) {
            return Ok(());
        }
        meta::set_counter(turn.txn, CounterName::Expired, until);
        for (no, _) in conversations::all(turn.txn)? {
            for ((log, device), seqs) in self.expired(turn, no, (from, until))? {
                let row = FeedRow::Expired {
                    conversation: no,
                    log: log.log,
                    device,
                    seqs,
                };
                feed::append(turn.txn, &row)?;
            }
        }
        Ok(())
    }

    /// Own messages of a conversation with clocks from one to before another, and the devices that have not acknowledged them.
    fn expired(
        &self,
        turn: &Turn<'_, '_>,
        conversation: ConversationNo,
        (from, until): (u64, u64),
    ) -> Result<BTreeMap<(LogKey, DeviceNo), Intervals>, StoreError> {
        let mut found: BTreeMap<(LogKey, DeviceNo), Intervals> = BTreeMap::new();
        let mut delivery = None;
        for entry in between(turn, conversation, (from, until))? {
            let key = entry.event;
            if key.log.device != self.own.device {
                continue;
            }
            let delivery = match &mut delivery {
                Some(known) => known,
                empty => empty.insert(DeliveryView::new(&*turn.txn, self.own, conversation)?),
            };
            for to in delivery.devices(&key.log, key.seq, entry.at.clock, turn.now)? {
                if to.state == DeliveryState::Expired
                    && let Some(no) = devices::number(turn.txn, &to.device)?
                {
                    found.entry((key.log, no)).or_default().insert(key.seq);
                }
            }
        }
        Ok(found)
    }
}

/// What is shown of a conversation with clocks from one to before another.
fn between(
    turn: &Turn<'_, '_>,
    conversation: ConversationNo,
    (from, until): (u64, u64),
) -> Result<Vec<TimelineEntry>, StoreError> {
    let mut after = Position {
        clock: from.saturating_sub(1),
        id: EventId::from_bytes([u8::MAX; 32]),
    };
    let mut all = Vec::new();
    loop {
        let page = timeline::after(turn.txn, conversation, Some(&after), PAGE)?;
        let full = page.len() == PAGE;
        let last = page.last().map(|entry| entry.at);
        all.extend(page.into_iter().filter(|entry| entry.at.clock < until));
        match last {
            Some(last) if full && last.clock < until => after = last,
            _ => return Ok(all),
        }
    }
}

//! Delivery of own messages, read off the intervals that recipients acknowledged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parlour_crypto::{DeviceId, Intervals, UserId};

use crate::contacts::{self, ContactState};
use crate::conversations::{self, ConversationKind};
use crate::db::Read;
use crate::devices::DeviceRow;
use crate::keyspace::{ConversationNo, DeviceNo, LogKey};
use crate::logs::{self, DeliveryRow};
use crate::meta::{self, CounterName};
use crate::record::StoreError;
use crate::rooms::MemberRow;
use crate::view::Own;
use crate::{devices, read_marks, registers, rooms};

/// For so long a message is published again and again, ms. Streams go on: what is tried no more still arrives by them.
pub const TRIED_MS: u64 = 30 * 24 * 3_600_000;

/// How far a message has come on its way to one device. Later is further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryState {
    /// It will not come there: the device has left its user's list, or its user is no contact or member any more.
    Failed,
    /// It was tried for [`TRIED_MS`]; only a stream can bring it there now.
    Expired,
    /// On this disk, not handed to the network yet.
    Queued,
    /// Handed to the network at least once.
    Sent,
    /// Acknowledged by that device after its own fsync.
    Delivered,
    /// Its user has read it there.
    Read,
}

/// The state of a message: the weakest over its recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageStatus {
    /// Some device has not been sent it.
    Sending,
    /// Handed to the network for every device.
    Sent,
    /// On the disk of every device.
    Delivered,
    /// On the disk of every device, and read by everybody it is meant for, on some device.
    Read,
    /// From somebody else.
    Received,
}

/// One recipient device of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceDelivery {
    /// Its owner.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// How far.
    pub state: DeliveryState,
}

/// How far a device has come with a log.
pub(super) struct Progress {
    pub(super) delivery: DeliveryRow,
    /// The seqs its user has read.
    pub(super) read: Intervals,
}

pub(super) struct Recipient {
    pub(super) no: DeviceNo,
    user: UserId,
    device: DeviceId,
    /// The clock since when messages are meant for it.
    since: u64,
}

/// Delivery of this account's own messages in one conversation; rows are read once per log.
pub struct DeliveryView<'a, R> {
    pub(super) read: &'a R,
    pub(super) own: Own,
    /// Maybe nobody else takes part, so that a message may be where it belongs from the start.
    alone: bool,
    /// Of a direct conversation: with whom.
    pub(super) with: Option<UserId>,
    /// They are no contact any more.
    parted: bool,
    pub(super) recipients: Vec<Recipient>,
    rows: BTreeMap<LogKey, Vec<Progress>>,
    /// Who wrote with which device, as far as it was asked for.
    authors: HashMap<DeviceNo, (UserId, DeviceId)>,
}

impl<R> std::fmt::Debug for DeliveryView<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeliveryView")
            .field("recipients", &self.recipients.len())
            .finish_non_exhaustive()
    }
}

impl<'a, R: Read> DeliveryView<'a, R> {
    /// Prepares for one conversation.
    ///
    /// # Errors
    /// The database cannot be read, or a row is malformed.
    pub fn new(read: &'a R, own: Own, conversation: ConversationNo) -> Result<Self, StoreError> {
        let kind = conversations::get(read, conversation)?.map(|row| row.kind);
        let members = match kind {
            Some(ConversationKind::Room) => rooms::members(read, conversation)?,
            _ => BTreeMap::new(),
        };
        let meant = kind.as_ref().map(|kind| meant_for(read, own, kind, &members));
        let alone = match kind {
            Some(ConversationKind::Notes) => true,
            Some(ConversationKind::Room) => members.keys().all(|user| *user == own.user) && !members.is_empty(),
            _ => false,
        };
        let with = match kind {
            Some(ConversationKind::Direct { with }) => Some(with),
            Some(ConversationKind::Notes | ConversationKind::Room) | None => None,
        };
        let contact = with.map(|with| contacts::get(read, &with)).transpose()?.flatten();
        let recipients = meant.transpose()?.unwrap_or_default().into_iter();
        let recipients = recipients.map(|(no, row)| Recipient {
            no,
            user: row.user,
            device: row.id,
            since: members.get(&row.user).map_or(0, |member| member.since),
        });
        let recipients: Vec<Recipient> = recipients.collect();
        let authors = recipients.iter().map(|to| (to.no, (to.user, to.device)));
        Ok(Self {
            authors: authors.collect(),
            read,
            own,
            alone,
            with,
            parted: contact.is_some_and(|row| row.state == ContactState::Former),
            recipients,
            rows: BTreeMap::new(),
        })
    }

    /// The user and the id of a device, if it is known.
    pub(super) fn author(&mut self, no: DeviceNo) -> Result<Option<(UserId, DeviceId)>, StoreError> {
        if let Some(author) = self.authors.get(&no) {
            return Ok(Some(*author));
        }
        let author = devices::get(self.read, no)?.map(|row| (row.user, row.id));
        self.authors.extend(author.map(|author| (no, author)));
        Ok(author)
    }

    /// Every device that the message with `seq` in `log`, written at `clock`, is meant for, or was and is no more.
    ///
    /// # Errors
    /// As [`DeliveryView::new`].
    pub fn devices(&mut self, log: &LogKey, seq: u64, clock: u64, now: u64) -> Result<Vec<DeviceDelivery>, StoreError> {
        let states: Vec<_> = self.rows(log)?.iter().map(|row| state(row, seq)).collect();
        let meant = self.recipients.iter().zip(states).filter(|(to, _)| to.since <= clock);
        let mut all: Vec<_> = meant
            .map(|(to, state)| DeviceDelivery {
                user: to.user,
                device: to.device,
                state: match state {
                    DeliveryState::Delivered | DeliveryState::Read => state,
                    _ if self.parted && self.with == Some(to.user) => DeliveryState::Failed,
                    _ if now.saturating_sub(clock) > TRIED_MS => DeliveryState::Expired,
                    state => state,
                },
            })
            .collect();
        all.extend(self.former(log, seq, clock)?);
        Ok(all)
    }

    /// The status of the message with `seq` in `log`, written at `clock`.
    ///
    /// # Errors
    /// As [`DeliveryView::new`].
    pub fn status(&mut self, log: &LogKey, seq: u64, clock: u64) -> Result<MessageStatus, StoreError> {
        if log.device != self.own.device {
            return Ok(MessageStatus::Received);
        }
        let states: Vec<_> = self.rows(log)?.iter().map(|row| state(row, seq)).collect();
        let meant = || self.recipients.iter().zip(&states).filter(|(to, _)| to.since <= clock);
        Ok(match meant().map(|(_, state)| state).min() {
            // Whoever it was meant for has gone.
            None if self.alone || !self.recipients.is_empty() => MessageStatus::Delivered,
            // Whatever becomes of the trying, it may still come.
            None | Some(DeliveryState::Queued | DeliveryState::Expired | DeliveryState::Failed) => {
                MessageStatus::Sending
            }
            Some(DeliveryState::Sent) => MessageStatus::Sent,
            Some(DeliveryState::Read) => MessageStatus::Read,
            Some(DeliveryState::Delivered) if self.is_read(meant()) => MessageStatus::Read,
            Some(DeliveryState::Delivered) => MessageStatus::Delivered,
        })
    }

    /// Whether every other user has read it on one of their devices.
    fn is_read<'b>(&self, states: impl Iterator<Item = (&'b Recipient, &'b DeliveryState)>) -> bool {
        let mut users: BTreeMap<UserId, bool> = BTreeMap::new();
        for (to, state) in states.filter(|(to, _)| to.user != self.own.user) {
            *users.entry(to.user).or_default() |= *state == DeliveryState::Read;
        }
        !users.is_empty() && users.values().all(|read| *read)
    }

    fn rows(&mut self, log: &LogKey) -> Result<&[Progress], StoreError> {
        if !self.rows.contains_key(log) {
            let rows = match self.recipients.len() {
                ..=FEW => self.rows_of_few(log)?,
                _ => self.rows_of_many(log)?,
            };
            self.rows.insert(*log, rows);
        }
        Ok(self.rows.get(log).map_or(&[], Vec::as_slice))
    }

    fn rows_of_few(&self, log: &LogKey) -> Result<Vec<Progress>, StoreError> {
        let recipients = self.recipients.iter();
        recipients
            .map(|to| {
                Ok(Progress {
                    delivery: logs::delivery(self.read, log, to.no)?,
                    read: read_marks::of_log(self.read, log, to.no)?.seqs,
                })
            })
            .collect()
    }

    /// The same with one look for all rows that lie beside each other.
    fn rows_of_many(&self, log: &LogKey) -> Result<Vec<Progress>, StoreError> {
        let mut delivered: HashMap<_, _> = logs::deliveries(self.read, log)?.into_iter().collect();
        let mut read: HashMap<_, _> = read_marks::all_of_log(self.read, log)?.into_iter().collect();
        let recipients = self.recipients.iter();
        let rows = recipients.map(|to| Progress {
            delivery: delivered.remove(&to.no).unwrap_or_default(),
            read: read.remove(&to.no).unwrap_or_default().seqs,
        });
        Ok(rows.collect())
    }
}

/// Up to so many recipients' rows are looked for one by one.
const FEW: usize = 8;

pub(super) fn state(row: &Progress, seq: u64) -> DeliveryState {
    if row.delivery.acked.contains(seq) {
        if row.read.contains(seq) {
            DeliveryState::Read
        } else {
            DeliveryState::Delivered
        }
    } else if row.delivery.sent.contains(seq) {
        DeliveryState::Sent
    } else {
        DeliveryState::Queued
    }
}

/// The devices that every own message of a conversation is meant for now: all of those who take part in it with the account, and the
/// account's other ones, without those that are retired.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn recipients(read: &impl Read, own: Own, conversation: ConversationNo) -> Result<Vec<DeviceNo>, StoreError> {
    let Some(row) = conversations::get(read, conversation)? else {
        return Ok(Vec::new());
    };
    let members = match row.kind {
        ConversationKind::Room => rooms::members(read, conversation)?,
        ConversationKind::Direct { .. } | ConversationKind::Notes => BTreeMap::new(),
    };
    let meant = meant_for(read, own, &row.kind, &members)?;
    Ok(meant.into_iter().map(|(no, _)| no).collect())
}

fn meant_for(
    read: &impl Read,
    own: Own,
    kind: &ConversationKind,
    members: &BTreeMap<UserId, MemberRow>,
) -> Result<Vec<(DeviceNo, DeviceRow)>, StoreError> {
    let users = match kind {
        ConversationKind::Direct { with } => vec![*with, own.user],
        ConversationKind::Notes => vec![own.user],
        ConversationKind::Room => return members_devices(read, own, members),
    };
    let mut all = Vec::new();
    for user in users {
        for no in devices::of_user(read, &user)? {
            let row = devices::get(read, no)?;
            all.extend(
                row.filter(|row| no != own.device && !row.is_retired())
                    .map(|row| (no, row)),
            );
        }
    }
    Ok(all)
}

/// The devices of a room's members that the operations name. Nothing is meant for who is blocked.
fn members_devices(
    read: &impl Read,
    own: Own,
    members: &BTreeMap<UserId, MemberRow>,
) -> Result<Vec<(DeviceNo, DeviceRow)>, StoreError> {
    let blocked: BTreeSet<UserId> = registers::all_blocked(read)?.into_iter().collect();
    let meant = members.iter().filter(|(user, _)| !blocked.contains(user));
    let devices: Vec<(UserId, DeviceId)> = meant
        .flat_map(|(user, member)| member.devices.iter().map(|id| (*user, *id)))
        .collect();
    let mut rows = rows_of(read, devices.iter().map(|(_, id)| *id))?;
    let named = devices.into_iter().filter_map(|(user, id)| {
        let (no, row) = rows.remove(&id)?;
        (no != own.device && row.user == user && !row.is_retired()).then_some((no, row))
    });
    Ok(named.collect())
}

/// The rows of devices that are known: one look for all that there are, where most of them are asked for.
fn rows_of(
    read: &impl Read,
    ids: impl ExactSizeIterator<Item = DeviceId>,
) -> Result<HashMap<DeviceId, (DeviceNo, DeviceRow)>, StoreError> {
    let known = meta::counter(read, CounterName::Device)?;
    let asked = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    if ids.len() > FEW && known <= asked.saturating_mul(SPARSE) {
        let all = devices::all(read)?.into_iter();
        return Ok(all.map(|(no, row)| (row.id, (no, row))).collect());
    }
    let mut rows = HashMap::new();
    for id in ids {
        if let Some(no) = devices::number(read, &id)?
            && let Some(row) = devices::get(read, no)?
        {
            rows.insert(id, (no, row));
        }
    }
    Ok(rows)
}

/// Reading a row among others takes a quarter of the time of looking for it.
const SPARSE: u64 = 4;

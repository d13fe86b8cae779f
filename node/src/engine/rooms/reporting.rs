//! Members tell those who keep order in a room of a message. What they tell goes to these alone, and what one member can have kept by it is
//! little.

use parlour_crypto::{Control, ConversationId, DeviceId, EventId, KIND_MESSAGE, MAX_REPORT_REASON, RoomState, UserId};
use parlour_store::feed::{self, FeedRow};
use parlour_store::rooms::{self, ReportRow, Standing};
use parlour_store::{ConversationNo, DeviceNo, StoreError, events};

use super::acts::RoomError;
use super::content::may_delete_for_all;
use crate::engine::Engine;
use crate::engine::effects::Turn;

/// Reports of one member that are kept of a room, and of all members together; dismissed ones make room for others.
const MAX_OF_ONE: usize = 32;
const MAX_OF_ALL: usize = 1_024;
/// So many messages this account reports in an hour.
const MAX_OWN: usize = 10;
const HOUR_MS: u64 = 3_600_000;

impl Engine {
    /// Tells those who keep order of a message.
    pub(super) fn report(
        &mut self,
        turn: &mut Turn<'_, '_>,
        (no, room): (ConversationNo, &ConversationId),
        target: &EventId,
        reason: &str,
    ) -> Result<Result<(), RoomError>, StoreError> {
        if reason.len() > MAX_REPORT_REASON {
            return Ok(Err(RoomError::TooLong {
                field: "reason",
                got: reason.len(),
                max: MAX_REPORT_REASON,
            }));
        }
        let own = self.own.user;
        let Some(author) = self.author_of(turn, no, target)? else {
            return Ok(Err(RoomError::NoSuchMessage));
        };
        if author == own {
            return Ok(Err(RoomError::OwnMessage));
        }
        let Some(state) = self.folded(turn, no)?.map(|folded| folded.state().clone()) else {
            return Ok(Err(RoomError::UnknownRoom));
        };
        if !state.members.contains_key(&own) {
            return Ok(Err(RoomError::NotMember));
        }
        if rooms::report(turn.txn, no, target, &own)?.is_some() {
            return Ok(Ok(()));
        }
        let keepers = keepers(&state, &[own, author]);
        if keepers.is_empty() && !may_delete_for_all(&state, &own) {
            return Ok(Err(RoomError::NobodyToTell));
        }
        let mine = rooms::reports(turn.txn, no)?
            .into_iter()
            .filter(|(_, by, _)| *by == own);
        let lately = mine.filter(|(_, _, row)| turn.now.saturating_sub(row.at) < HOUR_MS);
        if lately.count() >= MAX_OWN || !self.keep_report(turn, no, target, &own, reason)? {
            return Ok(Err(RoomError::TooManyReports));
        }
        for device in keepers {
            let Some((device, known)) = self.known_device(&device) else {
                continue;
            };
            let user = known.user;
            if !self.is_blocked(&user) {
                let report = Control::RoomReport {
                    room: *room,
                    target: *target,
                    reason: reason.to_owned(),
                    ext: Vec::new(),
                };
                self.post_control(turn, device, report)?;
            }
        }
        Ok(Ok(()))
    }

    /// A member tells us of a message.
    pub(crate) fn on_room_report(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        (room, target): (&ConversationId, &EventId),
        reason: &str,
    ) -> Result<(), StoreError> {
        let Some((user, id)) = self.known.get(&device).map(|known| (known.user, known.id)) else {
            return Ok(());
        };
        let Some((no, row)) = self.room_number(turn, room)? else {
            return Ok(());
        };
        let own = self.own.user;
        let keeps = |state: &RoomState| may_delete_for_all(state, &own);
        let keeps = self.folded(turn, no)?.is_some_and(|folded| keeps(folded.state()));
        if row.standing != Standing::Member || !keeps || !self.are_both_in(turn, no, &user, &id)? {
            return Ok(());
        }
        // What somebody says of their own words, or of what is no message, is nothing to look at.
        let there = events::place(turn.txn, target)?.is_some();
        match self.author_of(turn, no, target)? {
            None if there => return Ok(()),
            Some(author) if author == user => return Ok(()),
            _ => {}
        }
        if rooms::report(turn.txn, no, target, &user)?.is_none() {
            self.keep_report(turn, no, target, &user, reason)?;
        }
        Ok(())
    }

    /// Nobody is to be bothered with what was said of a message any more.
    pub(super) fn dismiss_reports(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        target: &EventId,
    ) -> Result<Result<(), RoomError>, StoreError> {
        let mut open = rooms::reports(turn.txn, no)?;
        open.retain(|(of, _, row)| of == target && !row.dismissed);
        if open.is_empty() {
            return Ok(Err(RoomError::NoSuchReport));
        }
        for (target, by, row) in open {
            let row = ReportRow { dismissed: true, ..row };
            rooms::put_report(turn.txn, no, &target, &by, &row);
            tell_readers(turn, no, target, by)?;
        }
        Ok(Ok(()))
    }

    /// Keeps a report. `false`: there are too many.
    fn keep_report(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        target: &EventId,
        by: &UserId,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let all = rooms::reports(turn.txn, no)?;
        let of_one = all.iter().filter(|(_, other, _)| other == by).count();
        if of_one >= MAX_OF_ONE || all.len() >= MAX_OF_ALL {
            let spent = all.iter().filter(|(_, other, row)| {
                // Who has too many gives up their own.
                row.dismissed && (of_one < MAX_OF_ONE || other == by)
            });
            let Some((target, other, _)) = spent.min_by_key(|(_, _, row)| row.at) else {
                return Ok(false);
            };
            rooms::delete_report(turn.txn, no, target, other);
        }
        let row = ReportRow {
            reason: reason.to_owned(),
            at: turn.now,
            dismissed: false,
        };
        rooms::put_report(turn.txn, no, target, by, &row);
        tell_readers(turn, no, *target, *by)?;
        Ok(true)
    }

    /// Who wrote a message of a room, if it is here.
    fn author_of(
        &self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        target: &EventId,
    ) -> Result<Option<UserId>, StoreError> {
        let Some(at) = events::place(turn.txn, target)?.filter(|at| at.log.conversation == no) else {
            return Ok(None);
        };
        let brief = events::brief(turn.txn, &at)?.filter(|brief| brief.kind == KIND_MESSAGE);
        let author = self.known.get(&at.log.device).map(|known| known.user);
        Ok(brief.and(author))
    }
}

/// The devices of those who keep order, but for some.
fn keepers(state: &RoomState, but: &[UserId]) -> Vec<DeviceId> {
    let keepers = state
        .members
        .iter()
        .filter(|(user, _)| !but.contains(user) && may_delete_for_all(state, user));
    keepers.flat_map(|(_, member)| member.devices.iter().copied()).collect()
}

fn tell_readers(turn: &mut Turn<'_, '_>, no: ConversationNo, target: EventId, by: UserId) -> Result<(), StoreError> {
    let row = FeedRow::Report {
        conversation: no,
        target,
        by,
    };
    feed::append(turn.txn, &row).map(drop)
}

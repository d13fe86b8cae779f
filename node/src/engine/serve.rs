//! Serving a link: exactly what the other side lacks, within its window, conversation by conversation.

use std::collections::VecDeque;

use parlour_crypto::{ConversationId, EventId, Frame, Intervals, MAX_RECEIVED, UserId};
use parlour_store::annotations::bodiless;
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError, events, logs, timeline};

use super::Engine;
use super::effects::Turn;
use super::link::{WINDOW_BYTES, WINDOW_EVENTS, Wanting};
use super::people::With;
use super::sync::WANT_MS;
use super::timers::Timer;

/// Bytes of events in one frame.
const FRAME_EVENT_BYTES: usize = 192 * 1024;
/// Events in one frame.
const FRAME_EVENTS: usize = 256;
/// Events given with one that was asked for, from the same branch of its log.
const BRANCH_EVENTS: usize = 64;
/// How often a log is looked through anew when nothing of what was chosen is for the other side.
const DENIED_ROUNDS: usize = 8;

/// An event to give.
struct Given {
    wire: Vec<u8>,
    /// The one before it, if that is to be given as well.
    behind: Option<EventId>,
}

impl Engine {
    /// Sends what the other side lacks, conversation by conversation, while its window is open.
    pub(crate) fn pump(&mut self, turn: &mut Turn<'_, '_>, stream: u64) -> Result<(), StoreError> {
        loop {
            let Some(link) = self.link(stream) else { return Ok(()) };
            if !link.greeted || !link.window_is_open() {
                return Ok(());
            }
            let (user, device) = (link.user, link.device);
            if self.is_undecided(&user) {
                return Ok(());
            }
            let Some(link) = self.link(stream) else { return Ok(()) };
            let served = link.served;
            let next = link
                .wanting
                .keys()
                .find(|c| served.is_none_or(|s| **c > s))
                .or_else(|| link.wanting.keys().next())
                .copied();
            let Some(conversation) = next else { return Ok(()) };
            link.served = Some(conversation);
            let done = !link.told.contains_key(&conversation)
                || !self.is_shared(turn, device, conversation)?
                || !self.send_batch(turn, stream, conversation)?;
            if done && let Some(link) = self.link(stream) {
                link.wanting.remove(&conversation);
            }
        }
    }

    /// Whether a link may be given anything of a conversation. Who was removed from a room may be in the middle of something.
    fn is_shared(&mut self, turn: &Turn<'_, '_>, device: DeviceNo, no: ConversationNo) -> Result<bool, StoreError> {
        match self.members(turn, no)? {
            Some(members) if matches!(members.with, With::Room(_)) => {
                Ok(self.shared_number(turn, device, &members.id)?.is_some())
            }
            members => Ok(members.is_some()),
        }
    }

    /// Sends one frame of what the other side lacks of a conversation; `false` if it lacks nothing.
    fn send_batch(
        &mut self,
        turn: &mut Turn<'_, '_>,
        stream: u64,
        conversation: ConversationNo,
    ) -> Result<bool, StoreError> {
        let Some(members) = self.members(turn, conversation)? else {
            return Ok(false);
        };
        let mut rounds = DENIED_ROUNDS;
        while let Some(log) = self.next_wanted(turn, stream, conversation)? {
            let held = logs::get(turn.txn, &log)?;
            let chosen = self.lacking(turn.now, stream, &log, &held.have);
            let looked_at = !chosen.is_empty();
            let Some(link) = self.link(stream) else {
                return Ok(false);
            };
            let (device, user) = (link.device, link.user);
            let budget = WINDOW_BYTES.saturating_sub(link.in_flight_bytes).min(FRAME_EVENT_BYTES);
            let mut batch = Vec::new();
            let mut size = 0;
            for seq in chosen {
                for branch in 0..=u8::MAX {
                    let Some(event) = events::get(turn.txn, &EventKey { log, seq, branch })? else {
                        break;
                    };
                    if !self.may_give(turn, &log, &event, &user)? {
                        break;
                    }
                    let wire = event.to_wire();
                    if size + wire.len() > FRAME_EVENT_BYTES && !batch.is_empty() {
                        size = budget;
                        break;
                    }
                    size += wire.len();
                    batch.push((seq, wire));
                    if !held.forked {
                        break;
                    }
                }
                if size >= budget {
                    break;
                }
            }
            if batch.is_empty() {
                // Nothing of that is for them; what comes after it may be.
                rounds = rounds.saturating_sub(usize::from(looked_at));
                if !looked_at || rounds == 0 {
                    self.want_no_more(stream, &log);
                }
                continue;
            }
            batch.sort_by_key(|(seq, _)| *seq);
            let mut sent = Intervals::default();
            let mut wire = Vec::with_capacity(batch.len());
            if let Some(link) = self.link(stream) {
                link.frames = link.frames.saturating_add(1);
                for (seq, bytes) in batch {
                    link.sent(log, seq, bytes.len());
                    sent.insert(seq);
                    wire.push(bytes);
                }
            }
            self.send_frame(
                turn,
                stream,
                &Frame::Events {
                    conversation: members.id,
                    events: wire,
                },
            );
            if log.device == self.own.device {
                self.mark_sent(turn, log, device, &sent);
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// The next log of a conversation to look at for a link: what a room is comes before what is said in it.
    fn next_wanted(
        &mut self,
        turn: &Turn<'_, '_>,
        stream: u64,
        conversation: ConversationNo,
    ) -> Result<Option<LogKey>, StoreError> {
        let Some(link) = self.link(stream) else { return Ok(None) };
        if let Some(Wanting::All) = link.wanting.get(&conversation) {
            link.wanting.remove(&conversation);
            for (log, row) in logs::of_conversation(turn.txn, conversation)? {
                let lacks = !self.lacking(turn.now, stream, &log, &row.have).is_empty();
                if let Some(link) = self.link(stream).filter(|_| lacks) {
                    link.want_log(log);
                }
            }
        }
        let link = self.link(stream);
        Ok(link.and_then(|link| match link.wanting.get(&conversation)? {
            Wanting::All => None,
            Wanting::Logs(logs) => logs.first().map(|(_, log)| *log),
        }))
    }

    fn want_no_more(&mut self, stream: u64, log: &LogKey) {
        if let Some(link) = self.link(stream) {
            link.want_no_more(log);
        }
    }

    /// The seqs to send next: what was written since the link stands in order, what was missed before newest first.
    fn lacking(&mut self, now: u64, stream: u64, log: &LogKey, held: &Intervals) -> Vec<u64> {
        let Some(link) = self.link(stream) else {
            return Vec::new();
        };
        let (device, user) = (link.device, link.user);
        let told = link.told.get(&log.conversation).copied().unwrap_or_default();
        let room = WINDOW_EVENTS.saturating_sub(link.in_flight.len()).min(FRAME_EVENTS);
        let live_from = *link.live_from.entry(*log).or_insert_with(|| held.max().unwrap_or(0));
        let mut missing = match link.peer_has.get(log) {
            Some(theirs) => held.difference(theirs),
            None => held.clone(),
        };
        // Of most logs nothing is missing.
        if missing.is_empty() {
            return Vec::new();
        }
        missing = missing.difference(&link.in_flight_of(*log));
        if let Some(untaken) = link.untaken.get(log) {
            missing = missing.difference(untaken);
        }
        if log.device == self.own.device
            && let Some(flying) = self.gossip.in_flight(log, device)
        {
            missing = missing.difference(&flying);
        }
        if let Some(denied) = self.denied(log, &user) {
            missing = missing.difference(denied);
        }
        missing = missing.difference(&self.offering.held_back(log, now, told));
        let live: Vec<u64> = missing
            .difference(&Intervals::range(1, live_from))
            .values()
            .take(room)
            .collect();
        if live.is_empty() {
            missing.values().rev().take(room).collect()
        } else {
            live
        }
    }

    /// Something that others name is missing, and will be asked for unless it comes by itself.
    pub(crate) fn want_soon(&mut self, turn: &Turn<'_, '_>, no: ConversationNo) -> Result<(), StoreError> {
        for stream in self.links_sharing(turn, no)? {
            self.timers
                .set_earliest(Timer::Want(stream), turn.now.saturating_add(WANT_MS));
        }
        Ok(())
    }

    /// Asks for what others name and we lack: gaps behind a fork do not show in intervals.
    pub(crate) fn ask_for_missing(&mut self, turn: &mut Turn<'_, '_>, stream: u64) -> Result<(), StoreError> {
        let Some(device) = self.link(stream).map(|link| link.device) else {
            return Ok(());
        };
        for (no, conversation) in self.shared(turn, device)? {
            let mut ids = self.missing_operations(turn, no)?;
            // What never comes is not always asked for first, and leaves room.
            let (events_after, bodies_after) = match self.link(stream) {
                Some(link) => link.asked.remove(&no).unwrap_or_default(),
                None => return Ok(()),
            };
            let room = MAX_RECEIVED.saturating_sub(ids.len());
            let bodies = bodiless::to_ask(turn.txn, no, device, (bodies_after.as_ref(), room), turn.now)?;
            let room = room.saturating_sub(bodies.len().min(room / 2));
            let missing = timeline::missing(turn.txn, no, (events_after.as_ref(), room))?;
            let last = (missing.last().copied(), bodies.last().copied());
            ids.extend(missing);
            // Some are here, and wait for their time.
            ids.retain(|id| !matches!(events::place(turn.txn, id), Ok(Some(key)) if key.log.conversation == no));
            ids.extend(bodies);
            ids.truncate(MAX_RECEIVED);
            ids.retain(|id| !self.is_refused(no, id));
            if let Some(link) = self.link(stream).filter(|_| last != (None, None)) {
                link.asked.insert(no, last);
            }
            if !ids.is_empty() {
                self.send_frame(turn, stream, &Frame::Want { conversation, ids });
            }
        }
        Ok(())
    }

    /// Gives the events asked for, as far as we hold them in that conversation.
    pub(crate) fn on_want(
        &mut self,
        turn: &mut Turn<'_, '_>,
        stream: u64,
        conversation: &ConversationId,
        ids: &[EventId],
    ) -> Result<(), StoreError> {
        let Some((device, user)) = self
            .link(stream)
            .map(|link| (link.device, link.user))
            .filter(|(_, user)| !self.is_undecided(user))
        else {
            return Ok(());
        };
        let Some(no) = self.shared_number(turn, device, conversation)? else {
            return Ok(());
        };
        let mut asked = ids.iter().copied();
        let mut next = asked.next();
        let mut batch = VecDeque::new();
        let (mut size, mut walked) = (0, 0);
        while let Some(id) = next.take() {
            let found = self.event_to_give(turn, stream, no, &user, &id)?;
            if let Some(Given { wire, behind }) = found {
                size += wire.len();
                if size > FRAME_EVENT_BYTES {
                    break;
                }
                // What was before it comes before it.
                batch.push_front(wire);
                next = behind.filter(|_| walked < BRANCH_EVENTS);
                walked += 1;
            }
            if next.is_none() {
                next = asked.next();
                walked = 0;
            }
        }
        if !batch.is_empty() {
            self.send_frame(
                turn,
                stream,
                &Frame::Events {
                    conversation: *conversation,
                    events: batch.into(),
                },
            );
        }
        Ok(())
    }

    /// An event that a link asks for, if it may have it, and the one before it if that is to be given, too: whoever asks for an event and
    /// says that they hold its number holds another one there. Their branch and ours part somewhere before it, and nothing but the names
    /// of events says where.
    fn event_to_give(
        &mut self,
        turn: &Turn<'_, '_>,
        stream: u64,
        no: ConversationNo,
        user: &UserId,
        id: &EventId,
    ) -> Result<Option<Given>, StoreError> {
        let Some(key) = events::place(turn.txn, id)?.filter(|key| key.log.conversation == no) else {
            return Ok(None);
        };
        let Some(event) = events::get(turn.txn, &key)? else {
            return Ok(None);
        };
        if !self.may_give(turn, &key.log, &event, user)? {
            return Ok(None);
        }
        // To give it without its body would say that there is none.
        if event.body().is_none() && bodiless::is_sought(turn.txn, no, id, turn.now)? {
            return Ok(None);
        }
        let link = self.link(stream);
        let holds_another = link
            .and_then(|link| link.peer_has.get(&key.log))
            .is_some_and(|theirs| theirs.contains(key.seq));
        Ok(Some(Given {
            wire: event.to_wire(),
            behind: event.header().prev.filter(|_| holds_another),
        }))
    }
}

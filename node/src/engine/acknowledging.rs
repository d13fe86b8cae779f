//! Acknowledgements: what we hold, said to every link that shares it, soon and with others (PROTOCOL.md section 9).

use std::collections::BTreeSet;

use parlour_crypto::LogHave;
use parlour_store::{ConversationNo, DeviceNo, EventKey, StoreError, logs};

use super::Engine;
use super::effects::Turn;
use super::link::Phase;
use super::rooms::holds_operations;
use super::timers::Timer;

/// Acknowledgements wait at most this long for company.
const ACKNOWLEDGE_MS: u64 = 50;
/// … and not at all once this many events wait for one.
const ACKNOWLEDGE_EVENTS: usize = 128;

impl Engine {
    /// Tells every link that shares the conversation, in time, that we hold more of a log.
    pub(crate) fn have_acknowledged(
        &mut self,
        turn: &mut Turn<'_, '_>,
        key: EventKey,
        author: DeviceNo,
    ) -> Result<(), StoreError> {
        let EventKey { log, seq, .. } = key;
        let mut author_is_linked = author == self.own.device;
        let members = self.members(turn, log.conversation)?;
        // In a large room third devices are told with everything else that is held, to keep what is said of a message in bounds.
        let quietly = !holds_operations(&log) && members.is_some_and(|members| members.is_large());
        for stream in self.links_sharing(turn, log.conversation)? {
            let Some(link) = self.link(stream) else { continue };
            author_is_linked |= link.device == author;
            if link.device == author {
                link.peer_has.entry(log).or_default().insert(seq);
            }
            if quietly && link.device != author {
                link.quiet.insert(log);
                continue;
            }
            link.unacknowledged.insert(log);
            link.unacknowledged_events = link.unacknowledged_events.saturating_add(1);
            link.want_log(log);
        }
        if !author_is_linked {
            self.acknowledge_by_envelope(turn, log, author);
        }
        Ok(())
    }

    /// Greeted links to devices that take part in a conversation.
    pub(crate) fn links_sharing(
        &mut self,
        turn: &Turn<'_, '_>,
        conversation: ConversationNo,
    ) -> Result<Vec<u64>, StoreError> {
        let Some(members) = self.members(turn, conversation)? else {
            return Ok(Vec::new());
        };
        let (me, here) = (self.own.user, self.account.keys.id());
        if !members.has_device(&me, &here, &me) {
            return Ok(Vec::new());
        }
        Ok(self
            .streams
            .iter()
            .filter_map(|(stream, s)| match &s.phase {
                Phase::Ready(link) if link.greeted => {
                    let known = self.known.get(&link.device)?;
                    members.has_device(&link.user, &known.id, &me).then_some(*stream)
                }
                _ => None,
            })
            .collect())
    }

    /// The end of a turn: acknowledgements that are due and whatever fits into the windows.
    pub(crate) fn flush_links(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for stream in std::mem::take(&mut self.touched) {
            let Some(Phase::Ready(link)) = self.streams.get(&stream).map(|stream| &stream.phase) else {
                continue;
            };
            if !link.unacknowledged.is_empty() {
                self.acknowledge(turn, stream, false)?;
            }
            self.pump(turn, stream)?;
        }
        let sending = |stream: &u64| match self.streams.get(stream).map(|stream| &stream.phase) {
            // What is not acknowledged yet has a timer.
            Some(Phase::Ready(link)) => !link.wanting.is_empty(),
            _ => false,
        };
        self.touched.retain(sending);
        Ok(())
    }

    /// Acknowledges on a link what waits for it, or sets the timer for it.
    pub(crate) fn acknowledge(&mut self, turn: &mut Turn<'_, '_>, stream: u64, due: bool) -> Result<(), StoreError> {
        let Some(user) = self.link(stream).map(|link| link.user) else {
            return Ok(());
        };
        let undecided = self.is_undecided(&user);
        let Some(link) = self.link(stream) else { return Ok(()) };
        if undecided {
            link.unacknowledged.clear();
            link.unacknowledged_events = 0;
        }
        if link.unacknowledged.is_empty() {
            return Ok(());
        }
        let at = link.acknowledged_at.saturating_add(ACKNOWLEDGE_MS);
        if !due && at > turn.now && link.unacknowledged_events < ACKNOWLEDGE_EVENTS {
            self.timers.set_earliest(Timer::Acknowledge(stream), at);
            return Ok(());
        }
        link.acknowledged_at = turn.now;
        link.unacknowledged_events = 0;
        let mut logs = std::mem::take(&mut link.unacknowledged);
        // Whatever is told of a conversation is all that is new of it, so that its time says something.
        let conversations: BTreeSet<ConversationNo> = logs.iter().map(|log| log.conversation).collect();
        logs.extend(
            link.quiet
                .extract_if(.., |log| conversations.contains(&log.conversation)),
        );
        let mut by_conversation: Vec<(ConversationNo, Vec<LogHave>)> = Vec::new();
        for log in logs {
            let Some(have) = self.log_have(&log, &logs::get(turn.txn, &log)?.have) else {
                continue;
            };
            match by_conversation.last_mut() {
                Some((conversation, list)) if *conversation == log.conversation => list.push(have),
                _ => by_conversation.push((log.conversation, vec![have])),
            }
        }
        for (conversation, logs) in by_conversation {
            let Some(members) = self.members(turn, conversation)? else {
                continue;
            };
            self.tell_logs(turn, stream, &members.id, (false, logs));
        }
        Ok(())
    }
}

//! What the account itself writes: messages.

use parlour_crypto::{
    Content, Draft, EventId, KIND_MESSAGE, MAX_MENTIONS, MAX_TEXT, MAX_TIMER_MS, MIN_TIMER_MS, Message, UserId,
    VISIBLE_TWICE, VerifiedEvent,
};
use parlour_store::client_ids::{self, ClientIdRow};
use parlour_store::timeline::{self, Position};
use parlour_store::view::{self, Shown, State};
use parlour_store::{ConversationNo, EventKey, LogKey, StoreError, annotations, conversations, events, logs};

use super::Engine;
use super::append::{Appended, MAX_AHEAD_MS, Origin, append, parents_and_clock};
use super::effects::Turn;
use super::input::{Expiry, Refusal, SendError, SendText, Sent};
use super::timers::Allowance;

/// Bytes of a client id.
const MAX_CLIENT_ID: usize = 64;

/// Each event takes at least a millisecond of its conversation's clock, so over a thousand in a second drive it ahead of the time, and what
/// is [`MAX_AHEAD_MS`] ahead others do not show yet. From half of that on this device writes on slowly; half is left for clocks that are wrong.
const HURRIED_MS: u64 = MAX_AHEAD_MS / 2;

/// People never come near that, though a clock is ahead for another reason; of ten such writers in a room the clock does not run away.
pub(super) const fn hurry() -> Allowance {
    Allowance::new(10, 1_000)
}

impl Engine {
    pub(crate) fn send_text(
        &mut self,
        turn: &mut Turn<'_, '_>,
        send: &SendText,
    ) -> Result<Result<Sent, SendError>, StoreError> {
        let Some(conversation) = conversations::number(turn.txn, &send.conversation)? else {
            return Ok(Err(SendError::UnknownConversation));
        };
        if let Some(sent) = sent_before(turn, conversation, send)? {
            return Ok(Ok(sent));
        }
        if let Some(error) = refuse_text(turn, conversation, send)? {
            return Ok(Err(error));
        }
        if let Some(error) = self.refuse_recipient(turn, conversation, KIND_MESSAGE)? {
            return Ok(Err(SendError::Refused(error)));
        }
        let members = self.members(turn, conversation)?;
        let takes_part = |user: &UserId| members.as_ref().is_some_and(|members| members.has(user));
        if send
            .mentions
            .iter()
            .any(|user| *user != self.own.user && !takes_part(user))
        {
            return Ok(Err(SendError::MentionsStranger));
        }
        let message = Message {
            content: Content::clone(&send.content),
            reply_to: send.reply_to,
            thread: send.thread,
            mentions: send.mentions.clone(),
            visibility: send.visibility,
            expires_after_ms: match send.expires {
                Expiry::Never => None,
                Expiry::After(ms) => Some(ms),
                Expiry::Default => view::timer(turn.txn, conversation)?,
            },
            ext: Vec::new(),
        };
        let plain = matches!(message.content, Content::Text(_)) && message == Message::new(message.content.clone());
        let body = match message.encode() {
            Ok(body) => body,
            Err(error) => return Ok(Err(SendError::Content(error))),
        };
        let (key, event) = self.write_event(turn, conversation, KIND_MESSAGE, &body)?;
        self.wake_conversation(turn, conversation, &event)?;
        if let Some(id) = &send.client_id {
            client_ids::put(
                turn.txn,
                conversation,
                id,
                &ClientIdRow {
                    event: key,
                    created: turn.now,
                },
            );
        }
        self.distribute(turn, conversation)?;
        let room_seq = conversations::get(turn.txn, conversation)?.map_or(0, |row| row.last_seq);
        Ok(Ok(Sent {
            event: key,
            at: position(&event),
            room_seq,
            fresh: true,
            plain,
        }))
    }

    /// Why nothing of a kind may be sent to whoever the conversation is with.
    pub(crate) fn refuse_recipient(
        &mut self,
        turn: &Turn<'_, '_>,
        conversation: ConversationNo,
        kind: u16,
    ) -> Result<Option<Refusal>, StoreError> {
        if let Some(refusal) = self.refuse_in_room(turn, conversation, kind)? {
            return Ok(Some(refusal));
        }
        let members = self.members(turn, conversation)?;
        Ok(
            match members.and_then(|members| Some((members.other_side()?, members.parted))) {
                Some((user, _)) if self.is_blocked(&user) => Some(Refusal::Blocked),
                Some((_, true)) => Some(Refusal::NoContact),
                Some((user, _)) if self.is_undecided(&user) => Some(Refusal::DevicesChanged),
                Some(_) | None if self.is_hurried(turn, conversation)? => Some(Refusal::TooFast),
                Some(_) | None => None,
            },
        )
    }

    /// Whether the conversation's clock is far ahead of the time and this device wrote much lately.
    fn is_hurried(&mut self, turn: &Turn<'_, '_>, conversation: ConversationNo) -> Result<bool, StoreError> {
        let Some(row) = conversations::get(turn.txn, conversation)? else {
            return Ok(false);
        };
        let (_, clock) = parents_and_clock(&row, turn.now);
        Ok(clock.saturating_sub(turn.now) > HURRIED_MS && !self.hurry.take(turn.now))
    }

    /// Signs a new event of this device and stores it.
    pub(crate) fn write_event(
        &mut self,
        turn: &mut Turn<'_, '_>,
        conversation: ConversationNo,
        kind: u16,
        body: &[u8],
    ) -> Result<(EventKey, VerifiedEvent), StoreError> {
        let missing = || StoreError::Malformed { noun: "conversation" };
        let row = conversations::get(turn.txn, conversation)?.ok_or_else(missing)?;
        let (parents, clock) = parents_and_clock(&row, turn.now);
        let log = LogKey {
            conversation,
            device: self.own.device,
            log: self.own_log,
        };
        let held = logs::get(turn.txn, &log)?;
        let draft = Draft {
            kind,
            conversation: row.id,
            device: self.account.keys.id(),
            log: self.own_log,
            seq: held.have.max().unwrap_or(0).saturating_add(1),
            prev: held.top,
            parents,
            clock,
            view: self.own_view(turn, conversation)?,
        };
        let salt = self.random_id();
        let event = VerifiedEvent::sign(&self.account.keys, draft, salt, body).map_err(|_| missing())?;
        let own = self.own;
        self.apply_rules(
            turn,
            conversation,
            (event.id(), event.header()),
            (&own.user, own.device),
        )?;
        match append(turn, conversation, self.own.device, &event, Origin::Here)? {
            Appended::New(key) => Ok((key, event)),
            Appended::Known(_) | Appended::Completed(_) | Appended::Refused => {
                Err(StoreError::Malformed { noun: "own log" })
            }
        }
    }
}

/// What the client id of a send led to, if it was used before; whatever may be wrong with the send by now.
fn sent_before(turn: &Turn<'_, '_>, conversation: ConversationNo, send: &SendText) -> Result<Option<Sent>, StoreError> {
    let Some(id) = send.client_id.as_ref().filter(|id| id.len() <= MAX_CLIENT_ID) else {
        return Ok(None);
    };
    let Some(row) = client_ids::get(turn.txn, conversation, id)? else {
        return Ok(None);
    };
    let Some(event) = events::get(turn.txn, &row.event)? else {
        return Err(StoreError::Malformed { noun: "client id" });
    };
    let at = position(&event);
    let room_seq = timeline::get(turn.txn, conversation, &at)?.map_or(0, |entry| entry.room_seq);
    Ok(Some(Sent {
        event: row.event,
        at,
        room_seq,
        fresh: false,
        plain: false,
    }))
}

fn refuse_text(
    turn: &Turn<'_, '_>,
    conversation: ConversationNo,
    send: &SendText,
) -> Result<Option<SendError>, StoreError> {
    if let Some(error) = refuse_content(&send.content, turn.now) {
        return Ok(Some(error));
    }
    if send.client_id.as_ref().is_some_and(|id| id.len() > MAX_CLIENT_ID) {
        return Ok(Some(SendError::ClientIdTooLong { max: MAX_CLIENT_ID }));
    }
    if send.mentions.len() > MAX_MENTIONS {
        return Ok(Some(SendError::TooManyMentions {
            got: send.mentions.len(),
            max: MAX_MENTIONS,
        }));
    }
    if matches!(send.expires, Expiry::After(ms) if !(MIN_TIMER_MS..=MAX_TIMER_MS).contains(&ms)) {
        return Ok(Some(SendError::ExpiryOutOfBounds));
    }
    if send.visibility > VISIBLE_TWICE {
        return Ok(Some(SendError::BadVisibility));
    }
    if let Some(id) = &send.thread {
        let error = match standing(turn, conversation, id)? {
            None => Some(SendError::UnknownThread),
            Some(state) if matches!(state.shown, Shown::Absent(_)) => Some(SendError::ThreadGone),
            Some(state) => state.thread.map(SendError::InThread),
        };
        if error.is_some() {
            return Ok(error);
        }
    }
    let Some(id) = &send.reply_to else { return Ok(None) };
    Ok(match standing(turn, conversation, id)? {
        None => Some(SendError::UnknownReply),
        Some(state) => matches!(state.shown, Shown::Absent(_)).then_some(SendError::ReplyGone),
    })
}

fn refuse_content(content: &Content, now: u64) -> Option<SendError> {
    match content {
        Content::Text(text) if text.trim().is_empty() => Some(SendError::Empty),
        Content::Text(text) if text.len() > MAX_TEXT => Some(SendError::TooLong {
            got: text.len(),
            max: MAX_TEXT,
        }),
        Content::Poll(poll) if poll.closes_at.is_some_and(|closes| closes <= now) => Some(SendError::PollOver),
        _ => None,
    }
}

/// How a message of this conversation stands that is shown here.
fn standing(turn: &Turn<'_, '_>, conversation: ConversationNo, id: &EventId) -> Result<Option<State>, StoreError> {
    let Some((at, event)) = shown_message(turn, id)?.filter(|(at, _)| at.log.conversation == conversation) else {
        return Ok(None);
    };
    let author = annotations::author(turn.txn, &at)?;
    Ok(Some(view::state(turn.txn, &at, &event, &author)?.at(turn.now)))
}

/// A message that is shown here, with what is left of its event.
pub(crate) fn shown_message(
    turn: &Turn<'_, '_>,
    id: &EventId,
) -> Result<Option<(EventKey, VerifiedEvent)>, StoreError> {
    let Some(at) = events::place(turn.txn, id)? else {
        return Ok(None);
    };
    let Some(event) = events::get(turn.txn, &at)?.filter(|event| event.header().kind == KIND_MESSAGE) else {
        return Ok(None);
    };
    let shown = timeline::get(turn.txn, at.log.conversation, &position(&event))?.is_some();
    Ok(shown.then_some((at, event)))
}

pub(crate) fn position(event: &VerifiedEvent) -> Position {
    let id: EventId = event.id();
    Position {
        clock: event.header().clock,
        id,
    }
}

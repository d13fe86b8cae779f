//! What the account does with messages that are there: edits, deletions, reactions, pins, views. Polls have a file of their own.

use parlour_crypto::{Body, Content, Delete, Edit, EventId, MAX_TEXT, Message, Pin, Reaction, VerifiedEvent, is_emoji};
use parlour_store::annotations;
use parlour_store::view::{self, Absent, MAX_OWN_EMOJI, Shown, State};
use parlour_store::{ConversationNo, EventKey, StoreError, conversations, events, feed, timeline};

use super::Engine;
use super::append::tell;
use super::effects::{StorageFailed, Turn};
use super::input::Refusal;
use super::write::{position, shown_message};

/// Something to do with one message.
#[derive(Debug, Clone)]
pub struct ChangeMessage {
    /// The message.
    pub id: EventId,
    /// What to do.
    pub what: Change,
}

/// What can be done with a message.
#[derive(Debug, Clone)]
pub enum Change {
    /// Say it anew. Own messages only.
    Edit(String),
    /// Erase it for everybody. Own messages only.
    Delete,
    /// Take it out of this account's sight.
    Hide,
    /// Put an emoji to it, or take it away.
    React {
        /// Exactly one emoji.
        emoji: String,
        /// Put or take away.
        on: bool,
    },
    /// Pin it, or take the pin away.
    Pin(bool),
    /// Answer the poll that it is with these options, numbered from 0; none: take the vote back.
    Vote(Vec<u8>),
    /// Close the poll that it is. Own polls only.
    ClosePoll,
    /// See what can be seen on demand only; each time counts.
    View,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Where the message is.
    pub event: EventKey,
    /// What a view has shown.
    pub viewed: Option<Content>,
}

/// Why nothing was done with a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No such message is shown.
    #[error("there is no such message")]
    Unknown,
    /// Only its author may.
    #[error("only the author of a message can edit it or delete it for everybody")]
    NotYours,
    /// It was deleted.
    #[error("the message was deleted")]
    Deleted,
    /// Its time is over, or it was viewed, or it came without its body.
    #[error("the message is gone")]
    Gone,
    /// Not a text.
    #[error("only a text can be edited, and none that is viewed on demand")]
    NotEditable,
    /// Nothing to say.
    #[error("the text is empty")]
    Empty,
    /// Too long for one message.
    #[error("the text is {got} bytes long; a message holds at most {max}")]
    TooLong {
        /// Bytes given.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// Not one emoji.
    #[error("a reaction is exactly one emoji")]
    NotEmoji,
    /// Too many emoji of one user.
    #[error("you have put {max} emoji on this message already; take one away first")]
    TooManyReactions {
        /// The limit.
        max: usize,
    },
    /// It can be seen without that.
    #[error("this message is shown as it is: only one that was sent to be viewed once or twice needs a view")]
    NotOnDemand,
    /// The sender does not see it again.
    #[error("you sent this message to be viewed by others only")]
    OwnOnDemand,
    /// No views are left.
    #[error("this message was viewed already, and is erased")]
    UsedUp,
    /// Too many pins of one user.
    #[error("you have pinned {max} messages in this conversation already; take a pin away first")]
    TooManyPins {
        /// The limit.
        max: usize,
    },
    /// Not a poll.
    #[error("this message is no poll")]
    NotPoll,
    /// No votes are taken any more.
    #[error("the poll is closed")]
    PollClosed,
    /// Only whoever asked may.
    #[error("only the author of a poll can close it")]
    NotYourPoll,
    /// An option that is not there.
    #[error("the poll has no such option: it has {count}")]
    NoSuchOption {
        /// How many there are.
        count: usize,
    },
    /// The same option more than once.
    #[error("an option is named more than once")]
    OptionTwice,
    /// Several options where one can be chosen.
    #[error("only one option of this poll can be chosen")]
    OneOption,
    /// More votes than a closing can name.
    #[error("a poll with more than {max} votes cannot be closed by hand")]
    TooManyVotes {
        /// The limit.
        max: usize,
    },
    /// Nothing may be sent to whoever the conversation is with.
    #[error(transparent)]
    Refused(Refusal),
    /// Not written.
    #[error(transparent)]
    Storage(#[from] StorageFailed),
}

/// A message something is done with.
pub(super) struct Subject {
    pub(super) at: EventKey,
    pub(super) id: EventId,
    event: VerifiedEvent,
    pub(super) state: State,
    pub(super) own: bool,
}

impl Engine {
    pub(crate) fn change_message(
        &mut self,
        turn: &mut Turn<'_, '_>,
        change: &ChangeMessage,
    ) -> Result<Result<Changed, ChangeError>, StoreError> {
        let Some((at, event)) = shown_message(turn, &change.id)? else {
            let hidden = matches!(change.what, Change::Hide) && annotations::is_hidden(turn.txn, &change.id)?;
            let at = events::place(turn.txn, &change.id)?.filter(|_| hidden);
            let done = at.map(|event| Changed { event, viewed: None });
            return Ok(done.ok_or(ChangeError::Unknown));
        };
        let author = annotations::author(turn.txn, &at)?;
        let subject = Subject {
            at,
            id: change.id,
            state: view::state(turn.txn, &at, &event, &author)?.at(turn.now),
            event,
            own: author == self.own.user,
        };
        let said = match &change.what {
            Change::Edit(text) => edit(&subject, text),
            Change::Delete => delete(&subject),
            Change::React { emoji, on } => self.react(turn, &subject, emoji, *on)?,
            Change::Pin(on) => self.pin(turn, &subject, *on)?,
            Change::Vote(options) => self.vote(turn, &subject, options)?,
            Change::ClosePoll => self.close_poll(turn, &subject)?,
            Change::Hide => {
                self.hide(turn, &subject)?;
                Ok(None)
            }
            Change::View => return self.view(turn, &subject),
        };
        match said {
            Err(error) => return Ok(Err(error)),
            Ok(None) => {}
            Ok(Some(body)) => match self.refuse_recipient(turn, at.log.conversation, body.kind())? {
                Some(refusal) => return Ok(Err(ChangeError::Refused(refusal))),
                None => self.say(turn, at.log.conversation, &body)?,
            },
        }
        Ok(Ok(Changed {
            event: at,
            viewed: None,
        }))
    }

    /// Writes an event that its caller has checked.
    pub(super) fn say(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo, body: &Body) -> Result<(), StoreError> {
        let bytes = body.encode().map_err(|_| StoreError::Malformed { noun: "own event" })?;
        self.write_event(turn, no, body.kind(), &bytes)?;
        self.distribute(turn, no)
    }

    fn react(
        &self,
        turn: &Turn<'_, '_>,
        subject: &Subject,
        emoji: &str,
        on: bool,
    ) -> Result<Result<Option<Body>, ChangeError>, StoreError> {
        if !is_emoji(emoji) {
            return Ok(Err(ChangeError::NotEmoji));
        }
        if let Err(error) = there(&subject.state) {
            return Ok(Err(error));
        }
        let said = annotations::said(turn.txn, subject.at.log.conversation, &subject.id)?;
        let own = said
            .reactions
            .iter()
            .filter(|known| known.on && known.user == self.own.user);
        let (mut count, mut known) = (0usize, false);
        for reaction in own {
            count = count.saturating_add(1);
            known |= reaction.emoji == emoji;
        }
        if known == on {
            return Ok(Ok(None));
        }
        if on && count >= MAX_OWN_EMOJI {
            return Ok(Err(ChangeError::TooManyReactions { max: MAX_OWN_EMOJI }));
        }
        Ok(Ok(Some(Body::Reaction(Reaction {
            target: subject.id,
            emoji: emoji.to_owned(),
            on,
            ext: Vec::new(),
        }))))
    }

    fn pin(
        &self,
        turn: &Turn<'_, '_>,
        subject: &Subject,
        on: bool,
    ) -> Result<Result<Option<Body>, ChangeError>, StoreError> {
        if let Err(error) = there(&subject.state) {
            return Ok(Err(error));
        }
        if subject.state.pinned == on {
            return Ok(Ok(None));
        }
        let max = annotations::MAX_PINS;
        if on && annotations::pins_of(turn.txn, subject.at.log.conversation, &self.own.user)? >= max {
            return Ok(Err(ChangeError::TooManyPins { max }));
        }
        Ok(Ok(Some(Body::Pin(Pin {
            target: subject.id,
            on,
            ext: Vec::new(),
        }))))
    }

    /// Takes a message out of the timeline, the count of unread ones and the search of this account.
    fn hide(&self, turn: &mut Turn<'_, '_>, subject: &Subject) -> Result<(), StoreError> {
        let no = subject.at.log.conversation;
        annotations::hide(turn.txn, &subject.id, turn.now)?;
        let root = annotations::leave(turn.txn, &subject.at, &subject.event)?;
        if let Some((root, _)) = root.map(|root| shown_message(turn, &root)).transpose()?.flatten() {
            feed::append(turn.txn, &feed::FeedRow::Changed { event: root })?;
        }
        let Some(entry) = timeline::remove(turn.txn, no, &position(&subject.event))? else {
            return Ok(());
        };
        let Some(mut row) = conversations::get(turn.txn, no)? else {
            return Err(StoreError::Malformed { noun: "conversation" });
        };
        if self.is_unread(turn, &row, &entry)? {
            row.unread = row.unread.saturating_sub(1);
        }
        let newest = timeline::before(turn.txn, no, None, 1)?.pop();
        row.last = newest.map(|entry| (entry.at.clock, entry.at.id, entry.event));
        conversations::put(turn.txn, no, &row);
        feed::append(turn.txn, &feed::FeedRow::Changed { event: subject.at })?;
        feed::append(turn.txn, &feed::FeedRow::Conversation { conversation: no })?;
        Ok(())
    }

    fn view(&mut self, turn: &mut Turn<'_, '_>, subject: &Subject) -> Result<Result<Changed, ChangeError>, StoreError> {
        let allowed = match &subject.state.shown {
            Shown::OnDemand { .. } if subject.own => return Ok(Err(ChangeError::OwnOnDemand)),
            Shown::OnDemand { views_left: 0 } => return Ok(Err(ChangeError::UsedUp)),
            Shown::OnDemand { .. } => subject.event.body().map(|(_, body)| Message::decode(body)),
            Shown::Absent(Absent::Viewed) => return Ok(Err(ChangeError::UsedUp)),
            _ => {
                let gone = there(&subject.state).err();
                return Ok(Err(gone.unwrap_or(ChangeError::NotOnDemand)));
            }
        };
        let Some(Ok(message)) = allowed else {
            return Ok(Err(ChangeError::Gone));
        };
        let (_, folded) = annotations::use_view(turn.txn, &subject.at, &subject.id, message.visibility, turn.now)?;
        tell(turn, &folded)?;
        Ok(Ok(Changed {
            event: subject.at,
            viewed: Some(message.content),
        }))
    }
}

/// Whether there is something to speak of.
pub(super) fn there(state: &State) -> Result<(), ChangeError> {
    match state.shown {
        Shown::Absent(Absent::Deleted) => Err(ChangeError::Deleted),
        Shown::Absent(_) => Err(ChangeError::Gone),
        _ => Ok(()),
    }
}

fn edit(subject: &Subject, text: &str) -> Result<Option<Body>, ChangeError> {
    if !subject.own {
        return Err(ChangeError::NotYours);
    }
    there(&subject.state)?;
    let Shown::Text(before) = &subject.state.shown else {
        return Err(ChangeError::NotEditable);
    };
    if text.trim().is_empty() {
        return Err(ChangeError::Empty);
    }
    if text.len() > MAX_TEXT {
        return Err(ChangeError::TooLong {
            got: text.len(),
            max: MAX_TEXT,
        });
    }
    Ok((text != before).then(|| {
        Body::Edit(Edit {
            target: subject.id,
            content: Content::Text(text.to_owned()),
            mentions: subject.state.mentions.clone(),
            ext: Vec::new(),
        })
    }))
}

fn delete(subject: &Subject) -> Result<Option<Body>, ChangeError> {
    if !subject.own {
        return Err(ChangeError::NotYours);
    }
    let done = subject.state.shown == Shown::Absent(Absent::Deleted);
    Ok((!done).then(|| {
        Body::Delete(Delete {
            targets: vec![subject.id],
            ext: Vec::new(),
        })
    }))
}

//! What the account does with polls: voting, and closing its own ones.

use parlour_crypto::{Body, ClosePoll, EventId, MAX_COUNTED, Vote};
use parlour_store::view::{self, PollView, Shown};
use parlour_store::{StoreError, annotations, conversations};

use super::Engine;
use super::append::parents_and_clock;
use super::change::{ChangeError, Subject, there};
use super::effects::Turn;

impl Engine {
    /// A vote for these options, unless it is the one that counts already; for none: takes it back.
    pub(super) fn vote(
        &self,
        turn: &Turn<'_, '_>,
        subject: &Subject,
        options: &[u8],
    ) -> Result<Result<Option<Body>, ChangeError>, StoreError> {
        let poll = match open_poll(subject) {
            Ok(poll) => poll,
            Err(error) => return Ok(Err(error)),
        };
        let row = conversations::get(turn.txn, subject.at.log.conversation)?;
        let row = row.ok_or(StoreError::Malformed { noun: "conversation" })?;
        // By its own clock it would come too late for others.
        let (_, clock) = parents_and_clock(&row, turn.now);
        if poll.poll.closes_at.is_some_and(|closes| closes < clock) {
            return Ok(Err(ChangeError::PollClosed));
        }
        Ok(choice(poll, options).map(|options| {
            (poll.choice_of(&self.own.user) != options).then(|| {
                Body::Vote(Vote {
                    poll: subject.id,
                    options,
                    ext: Vec::new(),
                })
            })
        }))
    }

    /// Closes an own poll with the votes that count here now.
    pub(super) fn close_poll(
        &self,
        turn: &Turn<'_, '_>,
        subject: &Subject,
    ) -> Result<Result<Option<Body>, ChangeError>, StoreError> {
        let poll = match open_poll(subject) {
            Ok(poll) => poll,
            Err(ChangeError::PollClosed) if subject.own => return Ok(Ok(None)),
            Err(error) => return Ok(Err(error)),
        };
        if !subject.own {
            return Ok(Err(ChangeError::NotYourPoll));
        }
        let votes = annotations::votes(turn.txn, subject.at.log.conversation, &subject.id)?;
        let mut counted: Vec<EventId> = view::counting(&poll.poll, votes)
            .iter()
            .map(|vote| vote.at.id)
            .collect();
        counted.sort_unstable();
        if counted.len() > MAX_COUNTED {
            return Ok(Err(ChangeError::TooManyVotes { max: MAX_COUNTED }));
        }
        Ok(Ok(Some(Body::ClosePoll(ClosePoll {
            poll: subject.id,
            counted,
            ext: Vec::new(),
        }))))
    }
}

fn open_poll(subject: &Subject) -> Result<&PollView, ChangeError> {
    there(&subject.state)?;
    match &subject.state.shown {
        Shown::Poll(poll) if poll.closed => Err(ChangeError::PollClosed),
        Shown::Poll(poll) => Ok(poll),
        _ => Err(ChangeError::NotPoll),
    }
}

/// The options in their order, if they can be chosen together.
fn choice(poll: &PollView, options: &[u8]) -> Result<Vec<u8>, ChangeError> {
    let count = poll.poll.options.len();
    let mut chosen = options.to_vec();
    chosen.sort_unstable();
    if chosen.last().is_some_and(|last| usize::from(*last) >= count) {
        return Err(ChangeError::NoSuchOption { count });
    }
    if !chosen.is_sorted_by(|a, b| a < b) {
        return Err(ChangeError::OptionTwice);
    }
    if !poll.poll.allows(&chosen) {
        return Err(ChangeError::OneOption);
    }
    Ok(chosen)
}

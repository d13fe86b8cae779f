//! What the votes in a poll come to. A pure function of the poll, the votes and its closing.

use std::collections::BTreeMap;

use parlour_crypto::{EventId, Poll, UserId};

use crate::annotations::{self, Vote};
use crate::db::Read;
use crate::keyspace::ConversationNo;
use crate::record::StoreError;

/// A poll as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollView {
    /// What was asked.
    pub poll: Poll,
    /// Who chose each option, the earliest first.
    pub voters: Vec<Vec<UserId>>,
    /// How many users have voted.
    pub total: usize,
    /// Whether its author has closed it, or its time is over.
    pub closed: bool,
}

/// The vote of each user that counts, of those given: the newest one that the poll allows and that came in time. A vote for nothing
/// takes back those before it.
#[must_use]
pub fn counting(poll: &Poll, votes: Vec<Vote>) -> Vec<Vote> {
    let mut newest: BTreeMap<UserId, Vote> = BTreeMap::new();
    for vote in votes {
        let in_time = poll.closes_at.is_none_or(|closes| vote.at.clock <= closes);
        if !in_time || !poll.allows(&chosen(vote.choice)) {
            continue;
        }
        let known = newest.entry(vote.user).or_insert(vote);
        if known.at < vote.at {
            *known = vote;
        }
    }
    newest.into_values().filter(|vote| vote.choice != 0).collect()
}

/// What counts of the votes, by option.
#[must_use]
pub fn tally(poll: Poll, votes: Vec<Vote>, closed: bool) -> PollView {
    let mut counting = counting(&poll, votes);
    counting.sort_by_key(|vote| vote.at);
    let mut voters = vec![Vec::new(); poll.options.len()];
    for vote in &counting {
        for option in chosen(vote.choice) {
            if let Some(voters) = voters.get_mut(usize::from(option)) {
                voters.push(vote.user);
            }
        }
    }
    PollView {
        total: counting.len(),
        poll,
        voters,
        closed,
    }
}

/// The numbers of the chosen options, ascending.
#[must_use]
pub fn chosen(choice: u32) -> Vec<u8> {
    (0..32).filter(|option| choice >> option & 1 == 1).collect()
}

/// The poll in the message `id` of `author`, as it stands.
pub(super) fn poll(
    read: &impl Read,
    conversation: ConversationNo,
    id: &EventId,
    author: &UserId,
    poll: Poll,
) -> Result<PollView, StoreError> {
    Ok(match annotations::counted(read, conversation, id, author)? {
        Some(counted) => tally(poll, counted, true),
        None => tally(poll, annotations::votes(read, conversation, id)?, false),
    })
}

impl PollView {
    /// What a user has chosen.
    #[must_use]
    pub fn choice_of(&self, user: &UserId) -> Vec<u8> {
        let chose = |(n, voters): (usize, &Vec<UserId>)| voters.contains(user).then(|| u8::try_from(n).ok()).flatten();
        self.voters.iter().enumerate().filter_map(chose).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Position;

    fn poll(multiple: bool, closes_at: Option<u64>) -> Poll {
        Poll {
            question: "tea?".to_owned(),
            options: ["yes", "no", "later"].map(str::to_owned).to_vec(),
            multiple,
            anonymous: false,
            closes_at,
        }
    }

    fn vote(user: u8, clock: u64, choice: u32) -> Vote {
        let id = EventId::from_bytes([u8::try_from(clock % 251).unwrap(); 32]);
        Vote {
            user: UserId::from_bytes([user; 32]),
            at: Position { clock, id },
            choice,
        }
    }

    fn counts(view: &PollView) -> Vec<usize> {
        view.voters.iter().map(Vec::len).collect()
    }

    #[test]
    fn the_newest_vote_of_each_that_the_poll_allows_counts() {
        let votes = vec![
            vote(1, 10, 0b001),
            vote(1, 30, 0b010),
            // Older than what they said before; two, of one; an option that is not there; back to nothing.
            vote(1, 20, 0b100),
            vote(2, 10, 0b100),
            vote(2, 20, 0b011),
            vote(3, 10, 0b1000),
            vote(4, 10, 0b001),
            vote(4, 20, 0),
        ];
        let mut backwards = votes.clone();
        backwards.reverse();
        let view = tally(poll(false, None), votes, false);
        assert_eq!((counts(&view), view.total), (vec![0, 1, 1], 2));
        assert_eq!(tally(poll(false, None), backwards, false), view);
        assert_eq!(view.choice_of(&UserId::from_bytes([1; 32])), [1]);
    }

    #[test]
    fn several_can_be_chosen_where_that_is_asked_and_the_total_is_of_users() {
        let view = tally(poll(true, None), vec![vote(1, 10, 0b101), vote(2, 5, 0b001)], false);
        assert_eq!((counts(&view), view.total), (vec![2, 0, 1], 2));
        let [first, second] = [2, 1].map(|user| UserId::from_bytes([user; 32]));
        assert_eq!(view.voters[0], [first, second], "the earliest first");
    }

    #[test]
    fn what_comes_after_its_time_takes_nothing_back() {
        let votes = vec![vote(1, 10, 0b001), vote(1, 11, 0b010), vote(1, 12, 0)];
        let view = tally(poll(false, Some(11)), votes, false);
        assert_eq!(counts(&view), [0, 1, 0]);
    }
}

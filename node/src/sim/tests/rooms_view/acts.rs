//! What they do and say, drawn at random: mostly what makes sense to whoever does it, sometimes what does not.
//!
//! All do all of it to each other, at the same time, and so often without the right or by one that somebody takes away meanwhile. In half
//! of the histories the owner alone rules and ranks those who write, so that more of it has a right. In most histories somebody tells two of themselves:
//! events and operations of the same numbers, and, once they are removed, more that looks older.

use parlour_crypto::{
    Act, Body, ClosePoll, Content, Delete, Edit, EventId, Info, LastSeq, Message, Pin, Policy, Poll, Rank, Reaction,
    RoomState, Timer, Vote,
};

use super::history::{AUTHORS, History, PEOPLE, list, user};

const EMOJI: [&str; 4] = ["👍", "❤️", "🎉", "🌱"];
const HOUR: u64 = 3_600_000;

/// Messages, polls and votes, as places in the history.
#[derive(Default)]
struct Said {
    messages: Vec<usize>,
    polls: Vec<usize>,
    votes: Vec<(usize, usize)>,
}

pub(super) struct Acts {
    said: Said,
    /// Whether the owner sets rules of what may be said; otherwise all admins set others.
    owner_rules: bool,
    /// Who hears whom: those of one side.
    side: [bool; PEOPLE],
    /// How often somebody hears of others before they do something, in 100.
    talkative: usize,
    /// Who tells two histories of themselves, which an admin can also do of the time after their removal.
    two_faced: Option<usize>,
    /// Who writes as if they did not know what they know, which somebody removed can do with old operations of others.
    forgetful: Option<usize>,
}

impl Acts {
    pub(super) fn new(history: &mut History) -> Self {
        let two_faced = [None, Some(1), Some(4)][history.below(3)];
        let forgetful = [None, Some(3), Some(1)][history.below(3)].filter(|_| two_faced.is_none());
        let acts = Self {
            said: Said::default(),
            owner_rules: history.chance(50),
            side: [false; PEOPLE],
            talkative: 5 + history.below(60),
            two_faced,
            forgetful,
        };
        for who in 1..PEOPLE {
            acts.let_in(history, 0, who);
        }
        for (who, rank) in [(1, Rank::Admin), (2, Rank::Admin), (3, Rank::Moderator)] {
            let user = user(who);
            let role = rank.number();
            history.operate(0, Act::Role { user, role });
        }
        for who in 1..PEOPLE {
            history.tell(0, who);
        }
        acts
    }

    fn let_in(&self, history: &mut History, by: usize, who: usize) {
        let invite = Act::Invite {
            user: user(who),
            role: Rank::Member.number(),
            link: None,
        };
        let invite = history.operate(by, invite);
        let invite = Some(history.made[invite].id());
        history.tell(by, who);
        let device_list = list(who);
        history.operate(who, Act::Join { invite, device_list });
        history.tell(who, by);
    }

    /// One of the authors does something; what.
    pub(super) fn step(&mut self, history: &mut History, who: usize) -> &'static str {
        // Coarse, so that some things happen at the same time.
        history.now += 100 * history.below(8) as u64;
        if history.chance(3) {
            for side in &mut self.side {
                *side = history.chance(50);
            }
        }
        if history.chance(3) {
            self.side = [false; PEOPLE];
        }
        if history.chance(self.talkative) {
            let other = history.below(PEOPLE);
            if self.side[other] == self.side[who] {
                history.tell(other, who);
            }
        }
        if self.two_faced == Some(who) && history.chance(12) {
            history.change_self(who);
        }
        if history.chance(14) {
            self.meet(history, who);
        }
        // Of what does not count a room takes no more than 64 of one.
        let outside = history.folded(who).state().rank(&user(who)) == Rank::Nobody;
        if history.chance(if outside { 8 } else { 20 }) {
            return self.operate(history, who);
        }
        let known = (self.forgetful == Some(who) && history.chance(20)).then(|| history.forget(who));
        let what = match self.say(history, who) {
            Some(what) => what,
            None => self.message(history, who),
        };
        if let Some(known) = known {
            history.remember(who, known);
        }
        what
    }

    /// One of those who come and go comes, let in by somebody who may have no right to it any more, or is removed by somebody who has heard
    /// nothing of it, says something, and may go.
    fn meet(&mut self, history: &mut History, who: usize) {
        let one = AUTHORS + history.below(PEOPLE - AUTHORS);
        let state = history.folded(who).state();
        if state.rank(&user(who)).number() >= state.policy.invite {
            let (user, link, role) = (user(one), None, Rank::Member.number());
            history.operate(who, Act::Invite { user, role, link });
        }
        history.tell(who, one);
        self.come_or_go(history, one, 30);
        for _ in 0..history.below(5) {
            if self.say(history, one).is_none() {
                self.message(history, one);
            }
        }
        history.tell(one, who);
        let other = history.below(AUTHORS);
        if other != who && history.chance(40) {
            self.remove(history, other, who);
        }
    }

    /// Somebody who is out comes in if they are let in; somebody who is in goes, so often in 100.
    fn come_or_go(&self, history: &mut History, who: usize, leaves: usize) -> Option<&'static str> {
        let state = history.folded(who).state();
        let (rank, invite) = (
            state.rank(&user(who)),
            state.invited.get(&user(who)).map(|open| open.invite),
        );
        let public = state.policy.join == 3;
        let act = match (rank, invite) {
            (Rank::Nobody, None) if !public => return None,
            (Rank::Nobody, invite) => Act::Join {
                invite,
                device_list: list(who),
            },
            _ if history.chance(leaves) => Act::Leave,
            _ => return None,
        };
        let what = if act == Act::Leave { "left" } else { "joined" };
        history.operate(who, act);
        Some(what)
    }

    fn operate(&self, history: &mut History, who: usize) -> &'static str {
        if let Some(what) = self.come_or_go(history, who, 6) {
            return what;
        }
        let state = history.folded(who).state().clone();
        let is_owner = state.owner() == Some(&user(who));
        let unheard = (1..AUTHORS).filter(|whom| history.said_to(*whom, who) < history.said_to(*whom, *whom));
        let unheard: Vec<usize> = unheard.collect();
        if is_owner && !unheard.is_empty() && history.chance(15) {
            let whom = unheard[history.below(unheard.len())];
            return self.remove(history, who, whom);
        }
        let whom = match is_owner || !self.owner_rules {
            true => history.below(PEOPLE),
            false => AUTHORS + history.below(PEOPLE - AUTHORS),
        };
        let target = user(whom);
        let (what, act) = match history.below(14) {
            0..=2 => {
                let text = format!("garden {}", history.below(1_000));
                let (name, topic) = match history.chance(60) {
                    true => (Some(text), None),
                    false => (None, Some(text)),
                };
                let avatar = None;
                ("renamed", Act::Info(Info { name, topic, avatar }))
            }
            3..=5 => {
                let role = 1 + u8::try_from(history.below(4)).expect("few");
                ("ranked", Act::Role { user: target, role })
            }
            6 | 7 => return self.remove(history, who, whom),
            8..=10 => {
                let role = 1 + u8::try_from(history.below(2)).expect("few");
                let (user, link) = (target, None);
                ("invited", Act::Invite { user, role, link })
            }
            11 => ("unbanned", Act::Unban { user: target }),
            12 if is_owner && whom < AUTHORS && history.chance(50) => ("given", Act::Transfer { user: target }),
            _ if is_owner || !self.owner_rules => ("ruled", Act::Policy(self.rules(history, &state))),
            _ => return self.message_or(history, who),
        };
        history.operate(who, act);
        what
    }

    fn message_or(&self, history: &mut History, who: usize) -> &'static str {
        let topic = Some(format!("by {who} at {}", history.now));
        history.operate(
            who,
            Act::Info(Info {
                topic,
                ..Info::default()
            }),
        );
        "renamed"
    }

    fn rules(&self, history: &mut History, state: &RoomState) -> Policy {
        let rank = |history: &mut History, from: u8, to: u8| {
            from + u8::try_from(history.below(usize::from(to - from) + 1)).expect("few")
        };
        let mut policy = state.policy.clone();
        if self.owner_rules || history.chance(50) {
            policy.post = if history.chance(80) { 2 } else { 3 };
            policy.pin = rank(history, 2, 4);
            policy.remove = rank(history, 3, 4);
            policy.slow_mode_ms = if history.chance(60) { 0 } else { 2_000 };
            policy.join = if history.chance(70) { 1 } else { 3 };
        }
        policy.invite = rank(history, 2, 4);
        policy.info = rank(history, 2, 4);
        policy.roles = rank(history, 3, 5);
        policy.history = rank(history, 0, 3);
        policy
    }

    /// At times whoever removes somebody has heard all they said, and they hear of it at once.
    fn remove(&self, history: &mut History, who: usize, whom: usize) -> &'static str {
        let purge = history.chance(30);
        let knowing = history.chance(30);
        if knowing {
            history.tell(whom, who);
        }
        let seen = LastSeq {
            device: History::device(whom),
            log: 1,
            seq: history.said_to(whom, who),
        };
        let act = Act::Remove {
            user: user(whom),
            device: None,
            ban: history.chance(30),
            purge,
            logs: if seen.seq > 0 { vec![seen] } else { Vec::new() },
            reason: String::new(),
        };
        history.operate(who, act);
        if knowing {
            history.tell(who, whom);
            return "removed";
        }
        "removed unawares"
    }

    fn message(&mut self, history: &mut History, who: usize) -> &'static str {
        let mut message = Message::text(format!("{} by {who}", history.made.len()));
        if history.chance(15) {
            message.reply_to = self.any(history, who);
        }
        if history.chance(20) {
            message.thread = self.any(history, who);
        }
        if history.chance(10) {
            message.mentions = vec![user(history.below(PEOPLE))];
        }
        if history.chance(8) {
            message.expires_after_ms = Some(if history.chance(50) { 5_000 } else { 500 * HOUR });
        }
        let poll = history.chance(8);
        if poll {
            message.content = Content::Poll(Poll {
                question: "what to sow?".to_owned(),
                options: ["beans", "peas", "corn"].map(str::to_owned).to_vec(),
                multiple: history.chance(50),
                anonymous: history.chance(30),
                closes_at: history.chance(20).then_some(history.now + 20_000),
            });
        }
        let at = history.say(who, &Body::Message(message));
        self.said.messages.push(at);
        if poll {
            self.said.polls.push(at);
            return "asked";
        }
        "said"
    }

    /// A message that somebody knows, mostly a late one.
    fn any(&self, history: &mut History, who: usize) -> Option<EventId> {
        let known = known(history, who, &self.said.messages);
        let at = match history.chance(50) {
            true => known.len().saturating_sub(1 + history.below(12)),
            false => history.below(known.len()),
        };
        known.get(at).map(|at| history.made[*at].id())
    }

    fn own(&self, history: &mut History, who: usize) -> Option<EventId> {
        let mut known = known(history, who, &self.said.messages);
        known.retain(|at| history.made[*at].by == who);
        let at = history.below(known.len());
        known.get(at).map(|at| history.made[*at].id())
    }

    /// Something that is said about what was said.
    fn say(&mut self, history: &mut History, who: usize) -> Option<&'static str> {
        let (any, ext) = (self.any(history, who), Vec::new());
        let mine = if history.chance(85) {
            self.own(history, who)
        } else {
            any
        };
        let polls = known(history, who, &self.said.polls);
        let poll = polls.get(history.below(polls.len())).copied();
        let on = history.chance(70);
        let (what, body) = match history.below(100) {
            0..=15 => (
                "edited",
                Body::Edit(Edit {
                    target: mine?,
                    content: Content::Text(format!("anew {}", history.made.len())),
                    mentions: Vec::new(),
                    ext,
                }),
            ),
            16..=21 => {
                let of_others = history.chance(40);
                let targets = vec![if of_others { any? } else { self.own(history, who)? }];
                ("deleted", Body::Delete(Delete { targets, ext }))
            }
            22..=39 => {
                let emoji = EMOJI[history.below(EMOJI.len())].to_owned();
                (
                    "reacted",
                    Body::Reaction(Reaction {
                        target: any?,
                        emoji,
                        on,
                        ext,
                    }),
                )
            }
            40..=45 => ("pinned", Body::Pin(Pin { target: any?, on, ext })),
            46..=61 => {
                let options = match history.below(5) {
                    0 => Vec::new(),
                    1 => vec![0, 2],
                    option => vec![u8::try_from(option - 1).expect("few")],
                };
                let at = poll?;
                let poll = history.made[at].id();
                let vote = history.say(who, &Body::Vote(Vote { poll, options, ext }));
                self.said.votes.push((at, vote));
                return Some("voted");
            }
            62 | 63 => {
                let at = poll?;
                let votes = self.said.votes.iter().filter(|(of, _)| *of == at);
                let mut counted: Vec<usize> = votes.map(|(_, vote)| *vote).collect();
                counted.retain(|vote| history.knows(who, *vote) && history.made.len() % 7 > vote % 7);
                let mut counted: Vec<EventId> = counted.iter().map(|vote| history.made[*vote].id()).collect();
                counted.sort_unstable();
                let poll = history.made[at].id();
                ("closed", Body::ClosePoll(ClosePoll { poll, counted, ext }))
            }
            64 => {
                let expires_after_ms = on.then_some(HOUR);
                ("timed", Body::Timer(Timer { expires_after_ms, ext }))
            }
            _ => return None,
        };
        history.say(who, &body);
        Some(what)
    }
}

fn known(history: &History, who: usize, events: &[usize]) -> Vec<usize> {
    events.iter().copied().filter(|at| history.knows(who, *at)).collect()
}

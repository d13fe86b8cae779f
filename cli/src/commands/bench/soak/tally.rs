//! What was taken, what was shown on each node's stream, and what is on the disks at the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use super::NAMES;
use super::plan::{NODES, Plan, Planned};
use crate::commands::bench::http::Message;

/// Counts of every message.
pub(super) struct Tally {
    taken: Vec<AtomicU8>,
    shown: [Vec<AtomicU8>; NODES],
    strangers: AtomicUsize,
    disorder: [AtomicUsize; NODES],
}

impl Tally {
    pub(super) fn new(messages: usize) -> Self {
        let none = || (0..messages).map(|_| AtomicU8::new(0)).collect();
        Self {
            taken: none(),
            shown: std::array::from_fn(|_| none()),
            strangers: AtomicUsize::new(0),
            disorder: std::array::from_fn(|_| AtomicUsize::new(0)),
        }
    }

    /// A node has said yes to message `n`.
    pub(super) fn taken(&self, n: usize) {
        count(self.taken.get(n));
    }

    /// Message `n` was on the stream of a node.
    pub(super) fn shown(&self, node: usize, n: usize) {
        let shown = self.shown.get(node).and_then(|shown| shown.get(n));
        if shown.is_none() {
            self.strangers.fetch_add(1, Ordering::Relaxed);
        }
        count(shown);
    }

    /// A stream went back, or said the same again.
    pub(super) fn disorder(&self, node: usize) {
        if let Some(disorder) = self.disorder.get(node) {
            disorder.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether everything was taken and shown.
    pub(super) fn is_complete(&self, plan: &Plan) -> bool {
        let nodes = |planned: Planned| [planned.from, planned.to];
        plan.all().all(|(n, planned)| {
            value(self.taken.get(n)) > 0 && nodes(planned).into_iter().all(|node| self.times(node, n) > 0)
        })
    }

    fn times(&self, node: usize, n: usize) -> u8 {
        value(self.shown.get(node).and_then(|shown| shown.get(n)))
    }

    /// What is wrong with what was taken and shown.
    pub(super) fn problems(&self, plan: &Plan) -> Vec<String> {
        let mut problems = Vec::new();
        let refused = plan.all().filter(|(n, _)| value(self.taken.get(*n)) == 0).count();
        say(&mut problems, refused, "messages were never taken");
        say(
            &mut problems,
            self.strangers.load(Ordering::Relaxed),
            "messages of nobody were shown",
        );
        for (node, name) in NAMES.iter().enumerate() {
            let (mut missing, mut doubled, mut misled) = (0, 0, 0);
            for (n, planned) in plan.all() {
                let wanted = planned.from == node || planned.to == node;
                match self.times(node, n) {
                    0 => missing += usize::from(wanted),
                    1 => misled += usize::from(!wanted),
                    _ => doubled += 1,
                }
            }
            say(
                &mut problems,
                missing,
                &format!("messages were not on the stream of {name}"),
            );
            say(
                &mut problems,
                doubled,
                &format!("messages were on the stream of {name} again"),
            );
            say(
                &mut problems,
                misled,
                &format!("messages were on the stream of {name}, who should not have them"),
            );
            let disorder = self.disorder.get(node).map_or(0, |count| count.load(Ordering::Relaxed));
            say(
                &mut problems,
                disorder,
                &format!("changes on the stream of {name} did not go on"),
            );
        }
        problems
    }
}

/// What two histories of one conversation have less or more than was planned.
pub(super) fn differences(
    name: &str,
    [here, there]: [&[Message]; 2],
    plan: &Plan,
    pair: (usize, usize),
) -> Vec<String> {
    let mut problems = Vec::new();
    let among = |planned: &Planned| [(planned.from, planned.to), (planned.to, planned.from)].contains(&pair);
    let wanted: Vec<usize> = plan
        .all()
        .filter(|(_, planned)| among(planned))
        .map(|(n, _)| n)
        .collect();
    for history in [here, there] {
        let mut times: BTreeMap<usize, usize> = wanted.iter().map(|n| (*n, 0)).collect();
        let (mut strangers, mut unconfirmed) = (0, 0);
        for message in history {
            let n = message.text.as_deref().and_then(Plan::number);
            match n.and_then(|n| times.get_mut(&n)) {
                Some(times) => *times += 1,
                None => strangers += 1,
            }
            let status = if message.own { "delivered" } else { "received" };
            unconfirmed += usize::from(message.status != status);
        }
        let count = |wrong: fn(usize) -> bool| times.values().filter(|times| wrong(**times)).count();
        say(
            &mut problems,
            count(|times| times == 0),
            &format!("messages of {name} were lost"),
        );
        say(
            &mut problems,
            count(|times| times > 1),
            &format!("messages of {name} are doubled"),
        );
        say(
            &mut problems,
            strangers,
            &format!("messages between {name} are of nobody"),
        );
        say(
            &mut problems,
            unconfirmed,
            &format!("messages of {name} are not confirmed"),
        );
    }
    let ids = |history: &[Message]| history.iter().map(|message| message.id.clone()).collect::<Vec<_>>();
    if ids(here) != ids(there) {
        problems.push(format!("{name} have different histories"));
    }
    problems
}

fn say(problems: &mut Vec<String>, count: usize, what: &str) {
    if count > 0 {
        problems.push(format!("{count} {what}"));
    }
}

fn count(cell: Option<&AtomicU8>) {
    if let Some(cell) = cell {
        // Often enough is often enough.
        let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |times| times.checked_add(1));
    }
}

fn value(cell: Option<&AtomicU8>) -> u8 {
    cell.map_or(0, |cell| cell.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::plan::Random;
    use super::*;

    fn plan() -> Plan {
        Plan::new(Duration::from_secs(2), 20, &mut Random::new(3))
    }

    fn all_is_well(plan: &Plan) -> Tally {
        let tally = Tally::new(plan.len());
        for (n, planned) in plan.all() {
            tally.taken(n);
            tally.shown(planned.from, n);
            tally.shown(planned.to, n);
        }
        tally
    }

    #[test]
    fn what_was_not_shown_or_shown_twice_is_a_problem() {
        let plan = plan();
        let tally = all_is_well(&plan);
        assert!(tally.is_complete(&plan));
        assert_eq!(tally.problems(&plan), Vec::<String>::new());
        let (n, first) = plan.all().next().unwrap();
        tally.shown(first.to, n);
        tally.disorder(first.to);
        let other = 3 - first.from - first.to;
        tally.shown(other, n);
        let problems = tally.problems(&plan).join("; ");
        for part in [
            "1 messages were on the stream of",
            "again",
            "who should not have them",
            "did not go on",
        ] {
            assert!(problems.contains(part), "{problems}");
        }
        let empty = Tally::new(plan.len());
        assert!(!empty.is_complete(&plan));
        assert!(empty.problems(&plan).join(";").contains("40 messages were never taken"));
    }

    #[test]
    fn histories_are_compared_with_the_plan_and_with_each_other() {
        let plan = plan();
        let pair = (0, 1);
        let history: Vec<Message> = plan
            .all()
            .filter(|(_, planned)| planned.from + planned.to == 1)
            .map(|(n, planned)| Message {
                id: format!("msg_{n}"),
                text: Some(plan.text(n)),
                own: planned.from == 0,
                status: if planned.from == 0 { "delivered" } else { "received" }.to_owned(),
            })
            .collect();
        assert!(history.len() > 4);
        let (here, mut there) = (history.as_slice(), history.clone());
        assert_eq!(
            differences("a and b", [here, &there], &plan, pair),
            Vec::<String>::new()
        );
        there.swap(0, 1);
        there[2].status = "sent".to_owned();
        let last = there.pop().unwrap();
        there.push(Message {
            text: Some("who is this?".to_owned()),
            ..last
        });
        let problems = differences("a and b", [here, &there], &plan, pair);
        assert_eq!(
            problems,
            [
                "1 messages of a and b were lost",
                "1 messages between a and b are of nobody",
                "1 messages of a and b are not confirmed",
                "a and b have different histories"
            ]
        );
    }
}

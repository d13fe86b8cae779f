//! `parlour bench room`: members of one room, each a process of its own, who write at random. What they write has to be on every member's
//! stream and disk once, and in one order on all disks.

mod report;
mod talk;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

pub(super) use self::report::Report;
use self::report::Said;
use self::talk::{Talk, differences};
use super::machine::{Machine, Sampler};
use super::node::{Ports, Process};
use super::soak::Random;
use super::stage::history;
use crate::output::Output;

const NAMES: [&str; 12] = [
    "ada", "bo", "cy", "di", "ed", "fay", "gus", "hal", "ida", "jon", "kim", "lou",
];
/// Messages of each member before anything is measured: all have met when they have arrived.
const WARM_UP: usize = 3;
/// Nodes finish what the beginning left them to do in this time.
const SETTLE: Duration = Duration::from_secs(4);
/// Everybody is let in after this time, also where the maker of the link lets in one after the other.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

const HELP: &str = "\
Examples:
  parlour bench room
  parlour bench room --members 10 --messages 1000 --rate 20
  parlour bench room --members 10 --messages 12000 --rate 20   (ten minutes, and whether memory is flat)

Exit status 1 means that a message was lost, doubled or not confirmed, or that members have different histories; a missed goal is shown and is no failure.";

/// Let the members of one room, each a node of its own, write at random; check that everything is everywhere once and in one order
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct RoomBench {
    /// Members of the room
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=12))]
    members: u32,
    /// Messages of each of the two parts, the paced one and the fast one
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    messages: u32,
    /// Messages a second of the paced part, over all members
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    rate: u32,
    /// Choose who writes what as another run did
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

/// The members, and their room.
struct Garden {
    members: Vec<Process>,
    room: String,
    // Removed last, when no process uses it any more.
    _home: TempDir,
}

impl RoomBench {
    pub(super) async fn run(&self, out: &Output) -> Result<Report> {
        let before = Machine::now();
        let seed = self.seed.unwrap_or_else(|| u64::from(std::process::id()));
        let mut random = Random::new(seed);
        let count = usize::try_from(self.members).unwrap_or(2);
        let messages = usize::try_from(self.messages).unwrap_or(1);
        out.note(&format!("{count} nodes meet in a room"));
        let mut garden = Garden::new(count).await?;
        let mut talk = |name, messages, pause| Talk::new(name, count, messages, pause, &mut random);
        let warm_up = talk("warm-up", count * WARM_UP, None);
        let paced = talk("paced", messages, Some(Duration::from_secs(1) / self.rate.max(1)));
        let fast = talk("fast", messages, None);

        let mut problems = Vec::new();
        let (_, wrong) = garden.hold(&warm_up).await?;
        problems.extend(wrong);
        sleep(SETTLE).await;
        out.note(&format!("{messages} messages, {} a second", self.rate));
        let half = Instant::now() + Duration::from_secs(u64::from(self.messages) / u64::from(self.rate.max(1)) / 2);
        let samplers = garden.sample(half);
        let (paced_said, wrong) = garden.hold(&paced).await?;
        problems.extend(wrong);
        let paced_memory = samplers.into_iter().map(Sampler::finish).collect();
        out.note(&format!("{messages} messages, as fast as they go"));
        let samplers = garden.sample(Instant::now());
        let (fast_said, wrong) = garden.hold(&fast).await?;
        problems.extend(wrong);
        sleep(SETTLE).await;
        let fast_memory = samplers.into_iter().map(Sampler::finish).collect();

        out.note("checking every message on all disks");
        let checked = garden.check(&[&warm_up, &paced, &fast], &mut problems).await?;
        garden.leave().await?;
        Ok(Report {
            version: env!("CARGO_PKG_VERSION"),
            build: super::BUILD,
            before,
            after: Machine::now(),
            seed,
            members: count,
            rate: self.rate,
            paced: paced_said,
            fast: fast_said,
            paced_memory,
            fast_memory,
            checked,
            problems,
        })
    }
}

impl Garden {
    /// Begins to look at the memory of all of them.
    fn sample(&self, half: Instant) -> Vec<Sampler> {
        let samplers = self.members.iter();
        let samplers = samplers.map(|member| Sampler::start(member.pid(), move || Instant::now() >= half));
        samplers.collect()
    }

    /// So many nodes, all in a room that the first of them made.
    async fn new(count: usize) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("parlour-room-").tempdir();
        let home = home.context("cannot make a temporary directory")?;
        let mut ports = Ports::new();
        let mut members = Vec::new();
        for name in NAMES.into_iter().take(count) {
            let mut member = Process::make(name, home.path(), &mut ports).await?;
            member.start().await?;
            members.push(member);
        }
        let first = members.first().context("a room has members")?;
        let room = first.call("POST", "rooms", &json!({ "name": "garden" })).await?;
        let room = room["id"].as_str().context("a room without an id")?.to_owned();
        let link = first.call("POST", &format!("rooms/{room}/links"), &json!({})).await?;
        for member in members.iter().skip(1) {
            let link = json!({ "link": link["link"] });
            member.call("POST", "room-links", &link).await?;
            until(member, &room, |room| room["standing"] == "member").await?;
        }
        for member in &members {
            until(member, &room, |room| room["members"] == count).await?;
        }
        Ok(Self {
            members,
            room,
            _home: home,
        })
    }

    /// Has all messages of a talk written, and waits until they are everywhere and confirmed: the figures, and what is wrong.
    async fn hold(&self, talk: &Talk) -> Result<(Said, Vec<String>)> {
        let mut watchers: JoinSet<Result<()>> = JoinSet::new();
        for (at, member) in self.members.iter().enumerate() {
            let changes = member.changes(member.feed().await?).await?;
            watchers.spawn(talk.clone().watch(at, changes));
        }
        let used = self.cpu();
        let began = Instant::now();
        talk.begin();
        let mut writers: JoinSet<Result<()>> = JoinSet::new();
        for (at, member) in self.members.iter().enumerate() {
            let connection = member.connect().await?;
            writers.spawn(talk.clone().write(at, connection, self.room.clone()));
        }
        while let Some(writer) = writers.join_next().await {
            writer.context("a writer was lost")??;
        }
        while let Some(watcher) = watchers.join_next().await {
            watcher.context("a watcher was lost")??;
        }
        let took = began.elapsed();
        let busy = self.cpu().zip(used).map(|(busy, used)| busy.saturating_sub(used));
        let mut problems = talk.problems(&NAMES);
        for member in &self.members {
            // On a busy machine it takes the patience of two.
            if member.quiet().await.is_err()
                && let Err(error) = member.quiet().await
            {
                problems.push(format!("{error:#}"));
            }
        }
        Ok((Said::of(talk, took, busy), problems))
    }

    /// Reads everything back from all disks: how many messages there are.
    async fn check(&self, talks: &[&Talk], problems: &mut Vec<String>) -> Result<usize> {
        let mut first: Option<Vec<String>> = None;
        for (member, name) in self.members.iter().zip(NAMES) {
            let mut said = history(member, &self.room).await?;
            // What happened is there, too: who came.
            said.retain(|message| message.text.is_some());
            problems.extend(differences(name, &said, talks));
            let ids: Vec<String> = said.into_iter().map(|message| message.id).collect();
            match &first {
                Some(first) if *first != ids => problems.push(format!("{name} has another history")),
                Some(_) => {}
                None => first = Some(ids),
            }
        }
        Ok(first.map_or(0, |ids| ids.len()))
    }

    async fn leave(&mut self) -> Result<()> {
        for member in &mut self.members {
            member.stop().await?;
        }
        Ok(())
    }

    /// Processor time of all members.
    fn cpu(&self) -> Option<Duration> {
        self.members.iter().map(|member| member.usage().cpu).sum()
    }
}

/// Waits until the room is as wanted at a member.
async fn until(member: &Process, room: &str, wanted: impl Fn(&Value) -> bool) -> Result<()> {
    let mut connection = member.connect().await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shown = connection.json("GET", &format!("rooms/{room}"), &Value::Null).await?;
        if wanted(&shown) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{} is not in the room: {shown}", member.name);
        }
        sleep(LOOK).await;
    }
}

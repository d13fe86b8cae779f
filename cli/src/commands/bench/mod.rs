//! `parlour bench`: the figures of the whole program, from outside. It starts nodes as processes of their own in a temporary
//! directory and talks to them over HTTP as any client does; every message that it counts is read back from all disks.

mod history;
mod http;
mod load;
mod machine;
mod node;
mod parts;
mod report;
mod room;
mod soak;
mod socket;
mod sockets;
mod stage;
mod table;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};

use self::machine::Machine;
use self::parts::Size;
use self::report::Report;
use self::room::RoomBench;
use self::soak::Soak;
use self::stage::Stage;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  parlour bench
  parlour bench --quick --only sustained
  parlour bench --messages 100000 --json > figures.json
  parlour bench --only catch-up --missed 100000
  parlour bench --only history --history 1000000
  parlour bench --only sockets --sockets 5000
  parlour bench soak --minutes 10 --rate 20
  parlour bench room --members 10 --messages 1000

The nodes, and the client that measures, share this machine: it should have nothing else to do. Exit status 1 means that a
message was lost, doubled or not confirmed, or in a soak that memory or open files grew. The other goals are those of a machine
with nothing else to do: one that is missed is shown as missed, and is no failure.";

/// Measure two nodes on this machine: start, one message, many messages, catching up, a long history, many sockets, and doing nothing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    other: Option<Other>,
    /// Measure only this; repeatable
    #[arg(long, value_name = "NAME")]
    only: Vec<Part>,
    /// Measure little, to see that all works
    #[arg(long)]
    quick: bool,
    /// Messages of the sustained part [default: 20000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    messages: Option<u32>,
    /// Messages that wait for the node that was away [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    missed: Option<u32>,
    /// Messages that are there when pages and searches are measured [default: 100000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    history: Option<u32>,
    /// WebSockets that are held at once [default: 2000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8_000))]
    sockets: Option<u32>,
    /// Connections that write at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    connections: u32,
}

#[derive(Debug, Subcommand)]
enum Other {
    Soak(Soak),
    Room(RoomBench),
}

/// In the order in which they are measured: nodes that do nothing first, since they have nothing yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Start,
    Idle,
    Message,
    Sustained,
    CatchUp,
    History,
    Sockets,
}

/// Figures of a debug build say nothing.
const BUILD: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

impl Bench {
    pub(crate) async fn run(self, out: &Output) -> Result<ExitCode> {
        tokio::select! {
            done = Box::pin(self.measure_and_tell(out)) => done,
            stop = tokio::signal::ctrl_c() => {
                stop?;
                out.note("stopped; everything is removed again");
                Ok(ExitCode::FAILURE)
            }
        }
    }

    async fn measure_and_tell(&self, out: &Output) -> Result<ExitCode> {
        if cfg!(debug_assertions) {
            out.note("this is a debug build: its figures say nothing about a release build");
        }
        let problems = match &self.other {
            Some(Other::Soak(soak)) => {
                let report = soak.run(out).await?;
                out.data(&serde_json::to_value(&report)?, || report.table())?;
                report.problems
            }
            Some(Other::Room(room)) => {
                let report = Box::pin(room.run(out)).await?;
                out.data(&serde_json::to_value(&report)?, || report.table())?;
                report.problems
            }
            None => {
                let report = self.measure(out).await?;
                out.data(&serde_json::to_value(&report)?, || report.table())?;
                report.problems
            }
        };
        Ok(match problems.as_slice() {
            [] => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }

    async fn measure(&self, out: &Output) -> Result<Report> {
        let size = self.size();
        let before = Machine::now();
        let mut stage = Stage::set().await?;
        let (mut start, mut message, mut sustained, mut catch_up, mut history, mut sockets, mut idle) =
            (None, None, None, None, None, None, None);
        for part in Part::value_variants().iter().filter(|part| self.wants(**part)) {
            out.note(part.remark());
            match part {
                Part::Start => start = Some(stage.start(size).await?),
                Part::Message => message = Some(stage.message(size).await?),
                Part::Sustained => sustained = Some(Box::pin(stage.sustained(size)).await?),
                Part::CatchUp => catch_up = Some(Box::pin(stage.catch_up(size)).await?),
                Part::History => history = Some(Box::pin(stage.history(size)).await?),
                Part::Sockets => sockets = Some(Box::pin(stage.sockets(size)).await?),
                Part::Idle => idle = Some(stage.idle(size).await?),
            }
        }
        out.note("checking every message on both disks");
        let checked = stage.check_all().await?;
        let problems = std::mem::take(&mut stage.problems);
        stage.leave().await?;
        Ok(Report {
            version: env!("CARGO_PKG_VERSION"),
            build: BUILD,
            before,
            after: Machine::now(),
            start,
            message,
            sustained,
            catch_up,
            history,
            sockets,
            idle,
            checked,
            problems,
        })
    }

    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn size(&self) -> Size {
        let of = |full, quick| if self.quick { quick } else { full };
        let given = |number: Option<u32>| number.and_then(|number| usize::try_from(number).ok());
        Size {
            starts: of(10, 3),
            singles: of(500, 100),
            warm_up: of(50, 10),
            sustained: given(self.messages).unwrap_or(of(20_000, 2_000)),
            connections: usize::try_from(self.connections).unwrap_or(1),
            queued: given(self.missed).unwrap_or(of(10_000, 1_000)),
            history: given(self.history).unwrap_or(of(100_000, 1_000)),
            held: given(self.sockets).unwrap_or(of(2_000, 200)),
            fan_out: of(20_000, 500),
            // Presence and what each side holds are told once a minute.
            idle: Duration::from_secs(if self.quick { 2 } else { 60 }),
        }
    }
}

impl Part {
    fn remark(self) -> &'static str {
        match self {
            Self::Start => "starting nodes",
            Self::Message => "one message after the other",
            Self::Sustained => "as many messages as go through",
            Self::CatchUp => "messages for a node that is away",
            Self::History => "pages and searches in a long history",
            Self::Sockets => "many WebSockets",
            Self::Idle => "doing nothing",
        }
    }
}

//! `parlour bench`: the figures of the whole program, from outside. It starts two nodes as processes of their own in a temporary
//! directory and talks to them over HTTP as any client does; every message that it counts is read back from both disks.

mod http;
mod load;
mod machine;
mod node;
mod parts;
mod report;
mod stage;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::machine::Machine;
use self::parts::Size;
use self::report::Report;
use self::stage::Stage;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  parlour bench
  parlour bench --quick --only sustained
  parlour bench --messages 100000 --json > figures.json

The nodes, and the client that measures, share this machine: it should have nothing else to do. Exit status 1 means that a
message was lost, doubled or not confirmed; a missed goal is no failure.";

/// Measure two nodes on this machine: start, one message, many messages, catching up, and doing nothing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Bench {
    /// Measure only this; repeatable
    #[arg(long, value_name = "NAME")]
    only: Vec<Part>,
    /// Measure little, to see that all works
    #[arg(long)]
    quick: bool,
    /// Messages of the sustained part [default: 20000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    messages: Option<u32>,
    /// Connections that write at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    connections: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Start,
    Message,
    Sustained,
    CatchUp,
    Idle,
}

impl Bench {
    pub(crate) async fn run(self, out: &Output) -> Result<ExitCode> {
        let report = tokio::select! {
            report = Box::pin(self.measure(out)) => report?,
            stop = tokio::signal::ctrl_c() => {
                stop?;
                out.note("stopped; everything is removed again");
                return Ok(ExitCode::FAILURE);
            }
        };
        out.data(&serde_json::to_value(&report)?, || report.table())?;
        Ok(if report.problems.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    async fn measure(&self, out: &Output) -> Result<Report> {
        let size = self.size();
        let before = Machine::now();
        let debug = cfg!(debug_assertions);
        if debug {
            out.note("this is a debug build: its figures say nothing about a release build");
        }
        let mut stage = Stage::set().await?;
        let (mut start, mut message, mut sustained, mut catch_up, mut idle) = (None, None, None, None, None);
        for part in Part::value_variants().iter().filter(|part| self.wants(**part)) {
            out.note(part.remark());
            match part {
                Part::Start => start = Some(stage.start(size).await?),
                Part::Message => message = Some(stage.message(size).await?),
                Part::Sustained => sustained = Some(Box::pin(stage.sustained(size)).await?),
                Part::CatchUp => catch_up = Some(Box::pin(stage.catch_up(size)).await?),
                Part::Idle => idle = Some(stage.idle(size).await?),
            }
        }
        out.note("checking every message on both disks");
        let checked = stage.check_all().await?;
        let problems = std::mem::take(&mut stage.problems);
        stage.leave().await?;
        Ok(Report {
            version: env!("CARGO_PKG_VERSION"),
            build: if debug { "debug" } else { "release" },
            before,
            after: Machine::now(),
            start,
            message,
            sustained,
            catch_up,
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
        let messages = self.messages.and_then(|messages| usize::try_from(messages).ok());
        Size {
            starts: of(10, 3),
            singles: of(500, 100),
            warm_up: of(50, 10),
            sustained: messages.unwrap_or(of(20_000, 2_000)),
            connections: usize::try_from(self.connections).unwrap_or(1),
            queued: of(10_000, 1_000),
            idle: Duration::from_secs(if self.quick { 2 } else { 10 }),
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
            Self::Idle => "doing nothing",
        }
    }
}

//! The process that the storage proofs run: it writes messages into a store and says on stdout what was acknowledged, or opens
//! directories and says what is in them. See `.ci/storage-faults` and `.ci/write-prefixes`.
//!
//! ```text
//! durable write DIR COUNT     opens DIR and writes COUNT more messages; "ack N" after each commit
//! durable check               reads lines "DIR ACKED" from stdin; for each "ok DIR ..." or "BAD DIR ..."
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test program stops at the first failure and prints"
)]

#[path = "../tests/support/world.rs"]
mod world;

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use world::World;

const SEED: u64 = 11;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["write", dir, count] => write(Path::new(dir), count.parse().unwrap()),
        ["check"] => check_all(),
        _ => {
            eprintln!("usage: durable write DIR COUNT | durable check");
            ExitCode::from(2)
        }
    }
}

fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}").unwrap();
    out.flush().unwrap();
}

/// Writes messages after those there are, with checkpoints when they are due and the search index kept up.
fn write(dir: &Path, count: u64) -> ExitCode {
    let world = World::new(SEED);
    let store = match world.open(dir) {
        Ok((store, _)) => store,
        Err(error) => return refused("open", &error),
    };
    say("open");
    if parlour_store::contacts::all(&store).unwrap().is_empty() {
        if let Err(error) = world.try_begin(&store) {
            return refused("begin", &error);
        }
        say("ack 0");
    }
    let last = world.shown(&store).last().copied().unwrap_or(0);
    for n in last + 1..=last + count {
        if let Err(error) = store.commit(world.message(&store, n)) {
            return refused("commit", &error);
        }
        say(&format!("ack {n}"));
        if store.db().needs_checkpoint(0)
            && let Err(error) = store.db().checkpoint()
        {
            return refused("checkpoint", &error);
        }
        if n % 40 == 0
            && let Err(error) = store.finder().catch_up(&store)
        {
            return refused("index", &error);
        }
    }
    if let Err(error) = store.db().clone().close() {
        return refused("close", &error);
    }
    say("closed");
    ExitCode::SUCCESS
}

/// Says why, with all causes.
fn refused(doing: &str, error: &dyn std::error::Error) -> ExitCode {
    let mut text = format!("refused {doing}: {error}");
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    say(&text);
    ExitCode::FAILURE
}

fn check_all() -> ExitCode {
    let world = World::new(SEED);
    let mut bad = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (dir, acked) = line.split_once(' ').unwrap();
        let acked: i64 = acked.parse().unwrap();
        match catch_unwind(AssertUnwindSafe(|| check(&world, Path::new(dir), acked))) {
            Ok(Ok(told)) => say(&format!("ok {dir} {told}")),
            Ok(Err(told)) => {
                bad += 1;
                say(&format!("BAD {dir} {told}"));
            }
            Err(_) => {
                bad += 1;
                say(&format!("BAD {dir} panic"));
            }
        }
    }
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was acknowledged (up to message `acked`; -1 for nothing at all) is there, once, and the store goes on.
fn check(world: &World, dir: &Path, acked: i64) -> Result<String, String> {
    let (store, report) = world.open(dir).map_err(|error| format!("does not open: {error:?}"))?;
    if !report.damage.is_empty() {
        return Err(format!("damage: {:?}", report.damage));
    }
    let there = !parlour_store::contacts::all(&store)
        .map_err(|e| e.to_string())?
        .is_empty();
    if acked >= 0 && !there {
        return Err("the first commit is gone".to_owned());
    }
    let shown = world.shown(&store);
    let last = shown.last().copied().unwrap_or(0);
    if shown != (1..=last).collect::<Vec<_>>() {
        return Err(format!("holes before {last}: {} shown", shown.len()));
    }
    if (last as i64) < acked {
        return Err(format!("{acked} was acknowledged, {last} is there"));
    }
    if there {
        while store.finder().catch_up(&store).map_err(|e| format!("index: {e:?}"))? {}
        for n in [1, last / 2, last] {
            if (1..=last).contains(&n) && !world.finds(&store, n) {
                return Err(format!("search does not find {n}"));
            }
        }
        world
            .talk(&store, last + 1, last + 1)
            .map_err(|e| format!("it does not go on: {e}"))?;
    }
    Ok(format!(
        "last {last} replayed {} torn {}",
        report.replayed_records, report.torn_tail_bytes
    ))
}

//! Whoever means well is answered soon while every door is tried in every way at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::support::{Program, Raw};
use super::{Case, Doors, everything};

/// What nearly every answer has to stay below.
const SOON: Duration = Duration::from_millis(100);
/// Measurements, of which one has to be clean: what else runs on a machine makes any single one slow, and attackers all of them.
const ROUNDS: usize = 8;
/// Attackers at each door at once.
const ATTACKERS: usize = 4;
/// Requests of each door that are timed in a round.
const TIMED: usize = 50;

/// What those who ask as well have got.
#[derive(Default)]
struct Heard {
    answers: AtomicUsize,
    wrong: Mutex<BTreeSet<String>>,
}

/// Who else asks while honest requests are timed.
#[derive(Clone, Copy)]
enum Crowd {
    /// As many as attackers, who ask for what honest ones do.
    Honest,
    Hostile,
}

#[tokio::test(flavor = "multi_thread")]
async fn who_means_well_is_answered_soon_while_every_door_is_attacked() {
    let doors = Doors::open().await;
    let before = doors.api.feed();
    let mut slow = Vec::new();
    loop {
        let heard = Arc::new(Heard::default());
        let took = round(&doors, Crowd::Hostile, &heard).await;
        let answers = heard.answers.load(Ordering::Relaxed);
        assert!(
            answers > doors.all.len() * TIMED,
            "{answers} hostile requests are no attack"
        );
        let wrong = std::mem::take(&mut *heard.wrong.lock().unwrap());
        assert!(wrong.is_empty(), "{wrong:?}");
        if took < SOON {
            break;
        }
        // Where an honest crowd has everybody wait as long, the machine is what is slow, and an attack is no worse than a crowd.
        let usual = round(&doors, Crowd::Honest, &Arc::default()).await;
        if usual >= SOON && took < 2 * usual {
            break;
        }
        slow.push((took, usual));
        assert!(
            slow.len() < ROUNDS,
            "99 of 100 answers, in an attack and in a crowd, took {slow:?}"
        );
    }
    assert_eq!(doors.api.feed(), before, "an attack changed something");
}

/// Within which time 99 of 100 honest requests were answered while a crowd asked as well.
async fn round(doors: &Doors, crowd: Crowd, heard: &Arc<Heard>) -> Duration {
    let mut others = JoinSet::new();
    for door in &doors.all {
        let cases = Arc::new(match crowd {
            Crowd::Honest => vec![("an honest request", 200, door.read.clone())],
            Crowd::Hostile => everything(door),
        });
        for n in 0..ATTACKERS {
            let from = n * cases.len() / ATTACKERS;
            others.spawn(ask_on(
                door.name,
                copy(&door.program),
                cases.clone(),
                from,
                heard.clone(),
            ));
        }
    }
    let mut honest = JoinSet::new();
    for door in &doors.all {
        honest.spawn(ask(copy(&door.program), door.read.clone()));
    }
    let mut times = honest.join_all().await.concat();
    times.sort_unstable();
    times[times.len() * 99 / 100 - 1]
}

async fn ask(program: Program, read: Raw) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..TIMED {
        let asked = Instant::now();
        let reply = program.send(&read).await;
        times.push(asked.elapsed());
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    times
}

/// Asks one thing after the other, from a place in the list on, until nobody measures any more.
async fn ask_on(door: &'static str, program: Program, cases: Arc<Vec<Case>>, from: usize, heard: Arc<Heard>) {
    for (name, expected, raw) in cases.iter().cycle().skip(from) {
        let status = program.send(raw).await.status;
        heard.answers.fetch_add(1, Ordering::Relaxed);
        // Whoever shows so many wrong tokens, or several at once, is told to wait.
        if status != *expected && !matches!((status, *expected), (429, 400 | 401)) {
            let wrong = format!("{door}: {name}: {status} for {expected}");
            heard.wrong.lock().unwrap().insert(wrong);
        }
    }
}

fn copy(program: &Program) -> Program {
    Program {
        address: program.address,
        token: program.token.clone(),
    }
}

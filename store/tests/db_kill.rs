//! A process that is killed (SIGKILL) again and again while it commits, checkpoints and starts: whatever it
//! acknowledged is there, and no batch is there in part.

#![expect(clippy::unwrap_used, reason = "a test and its child process")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use parlour_store::{Batch, Db, DbOptions};

const DIR: &str = "PARLOUR_KILL_TEST_DIR";
const KEY: [u8; 32] = [3; 32];
const ROUNDS: u64 = 36;
const ROWS: u64 = 6;
/// Batch `n` deletes what batch `n - KEPT` wrote.
const KEPT: u64 = 50;

#[test]
fn acknowledged_batches_survive_kill_9() {
    if let Ok(dir) = std::env::var(DIR) {
        write_until_killed(Path::new(&dir));
    }
    let dir = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut last = 0;
    let mut most_replayed = 0;
    for round in 0..ROUNDS {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Every fourth child is killed as it starts, while it may be replaying.
        let lines = if round % 4 == 3 { 1 } else { 2 + (seed >> 33) % 150 };
        let acknowledged = run_and_kill(dir.path(), lines).max(last);
        if round % 4 == 2 {
            // The next one, killed early, finds the journal unread.
            last = acknowledged;
            continue;
        }
        let (db, report) = Db::open(dir.path(), &KEY, options()).unwrap();
        assert_eq!(report.damage, [], "round {round}");
        most_replayed = most_replayed.max(report.replayed_records);
        last = check(&db);
        let expected = acknowledged..=acknowledged + 1;
        assert!(expected.contains(&last), "{last} is not in {expected:?}, round {round}");
    }
    assert!(last > ROUNDS && most_replayed > 0);
}

fn options() -> DbOptions {
    DbOptions {
        cache_bytes: 1024 * 1024,
        checkpoint_bytes: 16 * 1024,
        reserve_bytes: 1024 * 1024,
        ..DbOptions::default()
    }
}

/// Kills a child after it has written `lines` lines; returns the last number it acknowledged.
fn run_and_kill(dir: &Path, lines: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["acknowledged_batches_survive_kill_9", "--exact", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = 0;
    let mut seen = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(word) = line.strip_prefix("store: ") else {
            continue;
        };
        if let Ok(number) = word.parse() {
            acknowledged = number;
        }
        seen += 1;
        if seen == lines {
            // On Unix this is SIGKILL. What was written before it can still be read.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(seen >= lines, "the child ended by itself");
    acknowledged
}

fn write_until_killed(dir: &Path) -> ! {
    say("opening");
    let (db, _) = Db::open(dir, &KEY, options()).unwrap();
    let mut number = check(&db);
    let checkpoints = db.clone();
    let (due, wait) = std::sync::mpsc::sync_channel::<()>(1);
    std::thread::spawn(move || {
        for () in wait {
            checkpoints.checkpoint().unwrap();
        }
    });
    loop {
        number += 1;
        db.commit(numbered(number)).unwrap();
        say(&number.to_string());
        if db.needs_checkpoint(0) {
            let _busy = due.try_send(());
        }
    }
}

fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    // At the start of a line, whatever the test harness wrote before.
    write!(out, "\nstore: {word}\n").unwrap();
    out.flush().unwrap();
}

fn numbered(number: u64) -> Batch {
    let mut batch = Batch::new();
    for row in 0..ROWS {
        batch.put(key(number, row), value(number, row));
        if let Some(old) = number.checked_sub(KEPT) {
            batch.delete(key(old, row));
        }
    }
    batch.put(b"last".to_vec(), number.to_le_bytes().to_vec());
    batch.mark(b"last".to_vec(), number);
    batch
}

fn key(number: u64, row: u64) -> Vec<u8> {
    let mut key = b"row/".to_vec();
    key.extend(number.to_be_bytes());
    key.extend(row.to_be_bytes());
    key
}

fn value(number: u64, row: u64) -> Vec<u8> {
    let mut value = number.to_le_bytes().to_vec();
    value.resize(200 + row as usize, row as u8);
    value
}

/// Checks that the rows are exactly those of some number of whole batches; returns that number.
fn check(db: &Db) -> u64 {
    let last = db.get(b"last").unwrap();
    let last = last.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    let first = if last > KEPT { last - KEPT + 1 } else { 1 };
    let mut rows = db.scan(b"row/", b"row0");
    for number in first..=last {
        for row in 0..ROWS {
            let found = rows.next().unwrap().unwrap();
            assert_eq!(found, (key(number, row), value(number, row)));
        }
    }
    assert!(rows.next().is_none());
    let marked = db.marks().get(b"last".as_slice()).copied();
    assert_eq!(marked.unwrap_or_default(), last);
    last
}

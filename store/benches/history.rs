//! A history of many messages of 200 bytes, with every row that a node writes for them: how fast it grows, what it takes on the
//! disk and in memory, how long it takes to open, to read and to search; then one room with as many messages, how long it takes to open.
//!
//! `PARLOUR_BENCH_MESSAGES` is their number, 100 000 by default; `PARLOUR_BENCH_DIR` where the files go. `-- --json` prints JSON, `-- --room` leaves all but the room away.
//! What writes and what reads are processes of their own with the node's own memory settings, so that the memory of each is that of its work alone.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a bench stops at the first failure, prints, and reads the clock"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use account::{Account, Arriving, CONTACTS};
use figures::{Figures, memory, spread};
use parlour_store::view::{self, DeliveryView};
use parlour_store::{ConversationNo, DbOptions, Filter, Order, Query, Store, timeline};
use words::{CLASSES, WORDS, question};

mod account;
mod figures;
mod opening;
mod words;

/// As many as a node takes in one turn.
const BATCH: usize = 256;
const PAGE: usize = 50;
const PAGES: usize = 400;
const QUERIES: usize = 300;
/// Hits of one query.
const HITS: usize = 20;
/// Messages that are looked for as soon as they are there, while the index is so many behind.
const FRESH: usize = 200;
const BEHIND: usize = 2_048;
/// The allocator's settings of a node, as in the program's `memory.rs`.
const SETTINGS: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
    ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=2"),
];
/// Comes before a part and its directory where one part is done alone.
const APART: &str = "--apart";
const WRITE: &str = "write";
const READ: &str = "read";
const WRITE_ROOM: &str = "write-room";
const READ_ROOM: &str = "read-room";

fn main() {
    // Its cost is that of nobody.
    assert!(WORDS.len() > 1_000);
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == APART) {
        let mut figures = Figures::default();
        let dir = Path::new(&arguments[at + 2]);
        match arguments[at + 1].as_str() {
            WRITE => write(dir, &mut figures),
            READ => read(dir, &mut figures),
            WRITE_ROOM => opening::write(dir, &mut figures),
            READ_ROOM => opening::read(dir, &mut figures),
            other => unreachable!("no part is called {other}"),
        }
        print!("{}", figures.lines());
        return;
    }
    let root = std::env::var_os("PARLOUR_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("parlour-history-").tempdir_in(&root).unwrap()
    };
    let mut figures = Figures::default();
    figures.load("load");
    figures.number("messages", messages() as f64);
    // One after the other, so that there is room on the disk for one.
    if arguments.iter().all(|argument| argument != "--room") {
        let dir = folder();
        apart(WRITE, dir.path(), &mut figures);
        apart(READ, dir.path(), &mut figures);
        compact(dir.path(), &mut figures);
    }
    let dir = folder();
    apart(WRITE_ROOM, dir.path(), &mut figures);
    apart(READ_ROOM, dir.path(), &mut figures);
    figures.load("load_after");
    if arguments.iter().any(|argument| argument == "--json") {
        println!("{}", figures.json());
    } else {
        print!("{}", figures.table());
    }
}

fn messages() -> usize {
    let set = std::env::var("PARLOUR_BENCH_MESSAGES").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

/// Takes everything in, batch by batch, as the node does: checkpoints beside it, the index behind it.
fn write(dir: &Path, figures: &mut Figures) {
    let mut account = Account::new();
    let store = account.open(dir);
    account.begin(&store);
    let all = messages();
    let (mut took, mut commits, mut last_tenth) = (Duration::ZERO, Vec::new(), Duration::ZERO);
    let mut checkpoint: Option<std::thread::JoinHandle<()>> = None;
    let mut done = 0;
    while done < all {
        let arriving: Vec<Arriving> = (0..BATCH.min(all - done)).map(|_| account.next()).collect();
        let began = Instant::now();
        take_in(&mut account, &store, &arriving);
        let time = began.elapsed();
        took += time;
        commits.push(time);
        done += arriving.len();
        if done > all - all / 10 {
            last_tenth += time;
        }
        if store.db().needs_checkpoint(0) && checkpoint.as_ref().is_none_or(std::thread::JoinHandle::is_finished) {
            let store = store.clone();
            checkpoint = Some(std::thread::spawn(move || store.db().checkpoint().unwrap()));
        }
    }
    figures.goal("append_per_second", all as f64 / took.as_secs_f64(), ">= 20000");
    figures.number(
        "append_per_second_in_the_last_tenth",
        (all / 10) as f64 / last_tenth.as_secs_f64(),
    );
    figures.spread("commit_of_256", &spread(commits));
    if let Some(running) = checkpoint {
        running.join().unwrap();
    }
    figures.goal("rss_mib_after_append", memory(), "<= 120");
    let began = Instant::now();
    catch_up(&store);
    figures.number("index_per_second", all as f64 / began.elapsed().as_secs_f64());
    figures.goal("rss_mib_after_index", memory(), "<= 120");
    fresh(&mut account, &store, figures);
    store.finder().rest();
    store.db().clone().close().unwrap();
    drop(store);
    sizes(dir, "", figures, 1_150.0);
}

fn sizes(dir: &Path, when: &str, figures: &mut Figures, most: f64) {
    let each = |bytes: u64| bytes as f64 / (messages() + BEHIND + FRESH) as f64;
    let (db, search) = (bytes_below(&dir.join("db")), bytes_below(&dir.join("search")));
    figures.number(&format!("bytes_a_message_without_index{when}"), each(db));
    figures.goal(
        &format!("bytes_a_message{when}"),
        each(db + search),
        &format!("<= {most}"),
    );
}

fn bytes_below(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

fn compact(dir: &Path, figures: &mut Figures) {
    let account = Account::new();
    let began = Instant::now();
    Store::compact(dir, account.key(), DbOptions::default(), |_| {}).unwrap();
    figures.number("compact_seconds", began.elapsed().as_secs_f64());
    sizes(dir, "_after_compact", figures, 600.0);
}

/// Does one part in a process of its own.
fn apart(part: &str, dir: &Path, figures: &mut Figures) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([APART, part]).arg(dir).envs(SETTINGS);
    let done = child.stderr(Stdio::inherit()).output().unwrap();
    assert!(done.status.success(), "{part} failed");
    figures.extend(std::str::from_utf8(&done.stdout).unwrap());
}

fn read(dir: &Path, figures: &mut Figures) {
    let account = Account::new();
    let before = memory();
    let began = Instant::now();
    let store = account.open(dir);
    figures.goal("open_ms", began.elapsed().as_secs_f64() * 1e3, "< 500");
    figures.number("rss_mib_before_open", before);
    figures.number("rss_mib_after_open", memory());
    let began = Instant::now();
    page(&account, &store, ConversationNo(1), false);
    figures.number("first_page_ms", began.elapsed().as_secs_f64() * 1e3);
    for (name, deep, goal) in [("last_page", false, Some("<= 1")), ("page_at_any_depth", true, None)] {
        let mut times = Vec::new();
        for turn in 0..PAGES {
            let no = ConversationNo(1 + u32::try_from(turn * 7 % CONTACTS).unwrap());
            let began = Instant::now();
            assert!(page(&account, &store, no, deep) > 0);
            times.push(began.elapsed());
        }
        let times = spread(times);
        figures.spread(name, &times);
        if let Some(goal) = goal {
            figures.goal("last_page_p50_ms", times.p50, goal);
        }
    }
    for (order, name) in [(Order::Newest, "newest"), (Order::Ranked, "ranked")] {
        search(&store, order, name, figures);
    }
    figures.goal("rss_mib_after_reading", memory(), "<= 120");
}

/// One page as the API reads it; answers how many messages are on it.
fn page(account: &Account, store: &Store, no: ConversationNo, deep: bool) -> usize {
    let mut before = None;
    if deep {
        let middle = timeline::by_room_seq(store, no, (messages() / CONTACTS / 3).max(2) as u64).unwrap();
        before = middle;
    }
    let entries = timeline::before(store, no, before.as_ref(), PAGE).unwrap();
    let mut delivery = DeliveryView::new(store, account.own(), no).unwrap();
    entries
        .iter()
        .map(|entry| view::message(store, entry, &mut delivery).unwrap())
        .filter(|message| message.state.text().is_some())
        .count()
}

fn search(store: &Store, order: Order, name: &str, figures: &mut Figures) {
    for class in CLASSES {
        let queries: Vec<Query> = (0..7)
            .map(|turn| Query::parse(&question(class, turn)).unwrap())
            .collect();
        let mut times = Vec::new();
        for turn in 0..QUERIES {
            let began = Instant::now();
            let found = store
                .finder()
                .find(store, &queries[turn % 7], &Filter::default(), order, HITS);
            times.push(began.elapsed());
            found.unwrap();
        }
        let times = spread(times);
        figures.spread(&format!("search_{name}_{class}"), &times);
        let goal = format!("search_{name}_{class}_");
        figures.goal(&format!("{goal}p50_ms"), times.p50, "<= 1.5");
        figures.goal(&format!("{goal}p99_ms"), times.p99, "<= 10");
    }
}

/// From the commit of a message until a search finds it, while the index is behind.
fn fresh(account: &mut Account, store: &Store, figures: &mut Figures) {
    for _ in 0..BEHIND / BATCH {
        let arriving: Vec<Arriving> = (0..BATCH).map(|_| account.next()).collect();
        take_in(account, store, &arriving);
    }
    let mut times = Vec::new();
    for n in 0..FRESH {
        let arriving = account.say(&format!("a message with the word fresh{n}word in it, not indexed yet"));
        let query = Query::parse(&format!("fresh{n}word")).unwrap();
        take_in(account, store, &[arriving]);
        let began = Instant::now();
        let found = store
            .finder()
            .find(store, &query, &Filter::default(), Order::Newest, HITS);
        times.push(began.elapsed());
        assert_eq!(found.unwrap().len(), 1);
    }
    let times = spread(times);
    figures.spread("found_after_commit", &times);
    figures.goal("found_after_commit_max_ms", times.max, "<= 100");
    catch_up(store);
}

fn take_in(account: &mut Account, store: &Store, arriving: &[Arriving]) {
    let mut txn = store.begin();
    account.take_in(&mut txn, arriving);
    store.commit(txn.into_batch()).unwrap();
}

fn catch_up(store: &Store) {
    while store.finder().catch_up(store).unwrap() {}
}

//! The index gives what a linear scan with [`Query::matches`] gives.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::{DocRef, Filter, Hit, KEY, Message, Order, Query, SearchIndex, SearchOptions, address};

const WORDS: &[&str] = &[
    "hello",
    "hallo",
    "help",
    "world",
    "word",
    "sword",
    "telephone",
    "telefone",
    "a",
    "to",
    "x2024",
    "Zoë",
    "zoe",
    "東京",
    "東京都",
    "京",
    "สวัสดี",
    "한국어",
    "👍🏽",
    "🇩🇪",
    "مُحَمَّد",
    "محمد",
    "foo-bar",
    "don't",
    "Straße",
    "strasse",
    "naïve",
];

#[derive(Clone, Debug)]
enum Step {
    Add(u64, u8, Vec<usize>),
    Remove(u64),
    Commit,
    Reopen,
    Release,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let add = (0_u64..40, 0_u8..6, vec(0..WORDS.len(), 0..7)).prop_map(|(n, kind, words)| Step::Add(n, kind, words));
    vec(
        prop_oneof![
            30 => add,
            4 => (0_u64..40).prop_map(Step::Remove),
            4 => Just(Step::Commit),
            1 => Just(Step::Reopen),
            1 => Just(Step::Release),
        ],
        1..70,
    )
}

fn query() -> impl Strategy<Value = String> {
    let word = || (0..WORDS.len()).prop_map(|at| WORDS[at].to_owned());
    let part = prop_oneof![
        4 => word(),
        2 => (word(), 1_usize..4).prop_map(|(word, len)| word.chars().take(len).chain(['*']).collect()),
        2 => vec(word(), 1..4).prop_map(|words| format!("\"{}\"", words.join(" "))),
        1 => (word(), word()).prop_map(|(first, last)| {
            format!("\"{first} {}*\"", last.chars().take(2).collect::<String>())
        }),
        1 => word().prop_map(|word| format!("-{word}")),
        1 => (word(), any::<prop::sample::Index>(), 0_u8..3).prop_map(|(word, at, edit)| misspell(&word, at, edit)),
        1 => (word(), word()).prop_map(|(first, last)| format!("{first}{last}")),
    ];
    vec(part, 1..4).prop_map(|parts| parts.join(" "))
}

fn misspell(word: &str, at: prop::sample::Index, edit: u8) -> String {
    let mut chars: Vec<char> = word.chars().collect();
    let at = at.index(chars.len());
    match edit {
        0 => chars.insert(at, 'q'),
        1 => {
            chars.remove(at);
        }
        _ => chars.swap(at, at.saturating_sub(1)),
    }
    chars.into_iter().collect()
}

fn filter() -> impl Strategy<Value = Filter> {
    let few = || prop::option::weighted(0.2, vec(0_u32..4, 0..3));
    let time = || prop::option::weighted(0.2, 990_u64..1050);
    (few(), few(), few(), time(), time()).prop_map(|(conversations, authors, kinds, after_ms, before_ms)| Filter {
        conversations,
        authors,
        kinds: kinds.map(|kinds| kinds.into_iter().map(|kind| kind as u8).collect()),
        after_ms,
        before_ms,
    })
}

struct Scan {
    exact: BTreeSet<DocRef>,
    close: BTreeSet<DocRef>,
}

fn scan(messages: &BTreeMap<DocRef, Message>, query: &Query, filter: &Filter) -> Scan {
    let all = |test: &dyn Fn(&str) -> bool| -> BTreeSet<DocRef> {
        messages
            .iter()
            .filter(|(doc, message)| filter.accepts(&message.at(**doc)) && test(&message.text))
            .map(|(doc, _)| *doc)
            .collect()
    };
    let exact = all(&|text| query.matches(text));
    let close = all(&|text| query.matches_with_typos(text))
        .difference(&exact)
        .copied()
        .collect();
    Scan { exact, close }
}

fn pages(index: &SearchIndex, query: &Query, filter: &Filter, order: Order) -> Vec<Hit> {
    let mut all = Vec::new();
    loop {
        let page = index.search(query, filter, order, all.len(), 3).unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

fn check(
    index: &SearchIndex,
    messages: &BTreeMap<DocRef, Message>,
    text: &str,
    filter: &Filter,
) -> Result<(), TestCaseError> {
    let Ok(query) = Query::parse(text) else {
        return Ok(());
    };
    let scan = scan(messages, &query, filter);

    let newest = pages(index, &query, filter, Order::Newest);
    let expected = if scan.exact.is_empty() {
        &scan.close
    } else {
        &scan.exact
    };
    let mut by_time: Vec<_> = expected.iter().map(|doc| (messages[doc].clock_ms, *doc)).collect();
    by_time.sort_unstable_by(|left, right| right.cmp(left));
    let got: Vec<_> = newest.iter().map(|hit| (hit.clock_ms, hit.doc)).collect();
    prop_assert_eq!(got, by_time, "newest of {}", text);

    let ranked = pages(index, &query, filter, Order::Ranked);
    let tier = |exact: bool| {
        ranked
            .iter()
            .filter(|hit| hit.exact == exact)
            .map(|hit| hit.doc)
            .collect::<BTreeSet<_>>()
    };
    prop_assert_eq!(tier(true), scan.exact, "ranked of {}", text);
    prop_assert_eq!(tier(false), scan.close, "ranked typos of {}", text);
    prop_assert_eq!(
        ranked.len(),
        tier(true).len() + tier(false).len(),
        "a message is found once"
    );
    prop_assert!(
        ranked.is_sorted_by(|left, right| { (left.exact, left.score) >= (right.exact, right.score) }),
        "best first of {}",
        text
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn index_and_linear_scan_agree(steps in steps(), queries in vec((query(), filter()), 12)) {
        let dir = tempfile::tempdir().unwrap();
        let open = || SearchIndex::open(dir.path(), &KEY, SearchOptions { cache_bytes: 64 * 1024, ..SearchOptions::default() }).unwrap();
        let mut index = open();
        let mut now = BTreeMap::new();
        let mut committed = BTreeMap::new();
        let mut position = 0;
        for step in steps {
            match step {
                Step::Add(number, kind, words) => {
                    let text = words.iter().map(|at| WORDS[*at]).collect::<Vec<_>>().join(" ");
                    // Some messages share a clock.
                    let message = Message { kind, clock_ms: 1_000 + number / 2, ..Message::new(number, &text) };
                    index.add(&message.at(address(number))).unwrap();
                    now.insert(address(number), message);
                }
                Step::Remove(number) => {
                    index.remove(&address(number)).unwrap();
                    now.remove(&address(number));
                }
                Step::Commit => {
                    position += 1;
                    index.commit(position).unwrap();
                    committed = now.clone();
                }
                Step::Reopen => {
                    drop(index);
                    index = open();
                    prop_assert!(!index.rebuilt());
                    prop_assert_eq!(index.position(), position);
                    now = committed.clone();
                }
                Step::Release => index.release_writer().unwrap(),
            }
        }
        index.commit(position + 1).unwrap();
        prop_assert_eq!(index.document_count(), now.len() as u64);
        for (query, filter) in &queries {
            check(&index, &now, query, filter)?;
        }
    }

    #[test]
    fn no_query_panics_and_limits_hold(text in "\\PC{0,200}") {
        if let Ok(query) = Query::parse(&text) {
            let message = "hello 東京 👍";
            let _ = (query.matches(message), query.matches_with_typos(message));
            prop_assert!(query.snippet(message, 10).text.chars().count() <= 10);
        }
    }
}

#[test]
fn garbage_queries_get_an_answer() {
    use rand_chacha::rand_core::{Rng, SeedableRng};
    const PIECES: &[&str] = &[
        "\"", "*", "-", " ", "a", "京", "é", "\u{301}", "hello", "\0", "👍", "“", "(", "\\", "AND", ":", "^", "~", "[",
        "สว",
    ];
    let dir = tempfile::tempdir().unwrap();
    let index = super::open(dir.path());
    super::fill(&index, &["hello a 京都 é 👍", "a hello สวัสดี"]);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    for _ in 0..1_500 {
        let pieces = 1 + rng.next_u32() as usize % 60;
        let text: String = (0..pieces)
            .map(|_| PIECES[rng.next_u32() as usize % PIECES.len()])
            .collect();
        let text: String = text.chars().take(200).collect();
        let Ok(query) = Query::parse(&text) else { continue };
        for order in [Order::Newest, Order::Ranked] {
            index.search(&query, &Filter::default(), order, 0, 10).unwrap();
        }
    }
}

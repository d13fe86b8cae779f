//! Versions that must not be undercut, since older ones have known holes: the lock file is read, whatever a database says.

#![expect(clippy::expect_used, reason = "helpers of tests are tests")]

use std::path::Path;

/// Crate and the lowest version allowed.
const FLOORS: &[(&str, [u64; 3])] = &[
    ("libp2p-gossipsub", [0, 50, 1]),
    ("yamux", [0, 13, 10]),
    ("libp2p-quic", [0, 13, 1]),
    ("quinn-proto", [0, 11, 15]),
    ("snow", [0, 9, 5]),
    ("curve25519-dalek", [4, 1, 3]),
    ("ed25519-dalek", [3, 0, 0]),
    ("socketioxide", [0, 18, 9]),
    ("engineioxide", [0, 17, 9]),
    ("h2", [0, 4, 16]),
    ("tungstenite", [0, 20, 1]),
    ("rustls-webpki", [0, 103, 13]),
    ("tokio", [1, 44, 2]),
    ("bytes", [1, 11, 1]),
    ("time", [0, 3, 47]),
    ("lru", [0, 16, 3]),
    ("crossbeam-channel", [0, 5, 15]),
];
const BANNED: &[&str] = &["bincode", "serde_cbor"];

fn packages() -> Vec<(String, [u64; 3], Option<String>)> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let text = std::fs::read_to_string(lock).expect("Cargo.lock is there");
    let field = |block: &str, name: &str| {
        let start = format!("{name} = \"");
        block
            .lines()
            .find_map(|line| Some(line.strip_prefix(&start)?.trim_end_matches('"').to_owned()))
    };
    text.split("[[package]]")
        .skip(1)
        .map(|block| {
            let version = field(block, "version").expect("a version");
            let core = version.split(['-', '+']).next().unwrap_or_default().to_owned();
            let mut numbers = core.split('.').map(|n| n.parse().expect("a number"));
            let mut next = || numbers.next().unwrap_or(0);
            (
                field(block, "name").expect("a name"),
                [next(), next(), next()],
                field(block, "source"),
            )
        })
        .collect()
}

#[test]
fn no_dependency_is_older_than_its_floor() {
    let packages = packages();
    assert!(packages.len() > 300, "the lock file was read whole");
    for (name, version, _) in &packages {
        for (floor_name, floor) in FLOORS {
            assert!(
                name != floor_name || version >= floor,
                "{name} {version:?} is older than {floor:?}"
            );
        }
    }
}

#[test]
fn nothing_abandoned_and_nothing_from_git_comes_in() {
    for (name, _, source) in packages() {
        assert!(!BANNED.contains(&name.as_str()), "{name} is abandoned");
        assert!(
            source.is_none_or(|source| source.starts_with("registry+")),
            "{name} does not come from a registry"
        );
    }
}

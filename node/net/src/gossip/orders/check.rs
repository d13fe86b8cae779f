//! What holds of every order, however it is printed.

use super::is_forbidden;

// The same shape as gossipsub's own.
#[derive(Debug)]
#[expect(dead_code, reason = "only printed")]
enum Action<'a> {
    Prune(Prune<'a>),
}

#[derive(Debug)]
#[expect(dead_code, reason = "only printed")]
struct Prune<'a> {
    topic_hash: &'a str,
    peers: &'a [u8],
    backoff: Option<u64>,
}

/// Whether a PRUNE is forbidden: always if it names peers, or asks for longer than two minutes; never if it is like ours.
pub(super) fn order(topic: &str, peers: usize, backoff: Option<u64>) -> bool {
    let named = [1; 8];
    let prune = Action::Prune(Prune {
        topic_hash: topic,
        peers: &named[..peers.min(named.len())],
        backoff,
    });
    let forbidden = is_forbidden(&prune);
    let bad = peers > 0 || backoff.is_some_and(|seconds| seconds > 120);
    assert!(forbidden || !bad, "{prune:?} passed");
    let plain = topic.len() <= 64 && topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'/');
    assert!(bad || !plain || !forbidden, "{prune:?} was forbidden");
    forbidden
}

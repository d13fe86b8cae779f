//! Orders of neighbours as they are printed: gossipsub's own types for them are not public.

use std::fmt::{self, Debug, Write as _};

/// Longest time an honest neighbour asks to be left alone, in seconds; ours ask for 60. Gossipsub would remember an hour.
const MAX_BACK_OFF: u64 = 120;
/// Enough of a printed order to see what it is. A topic of ours is much shorter.
const HEAD: usize = 192;

/// Orders that no honest neighbour gives: IDONTWANT, which our version of gossipsub does not have, and PRUNE for longer than
/// anybody asks for, or with peers to go to instead. Their types are not public; what they print is.
pub(super) fn is_forbidden(action: &impl Debug) -> bool {
    let mut head = Head::default();
    // An error means that the head is full: what stands there may be the beginning of a number.
    let is_cut = write!(head, "{action:?}").is_err();
    let text = head.text();
    if text.starts_with("IDontWant(") {
        return true;
    }
    if !text.starts_with("Prune(") {
        return false;
    }
    if is_cut {
        return true;
    }
    let Some((_, back_off)) = text.split_once("peers: [], backoff: ") else {
        return true;
    };
    let asked = back_off.trim_end_matches([' ', '}', ')']);
    let seconds = asked.strip_prefix("Some(").map(str::parse::<u64>);
    !(asked == "None" || matches!(seconds, Some(Ok(0..=MAX_BACK_OFF))))
}

/// The first bytes of what is written.
struct Head {
    bytes: [u8; HEAD],
    len: usize,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            bytes: [0; HEAD],
            len: 0,
        }
    }
}

impl Head {
    fn text(&self) -> &str {
        let written = self.bytes.get(..self.len).unwrap_or_default();
        match std::str::from_utf8(written) {
            Ok(text) => text,
            // Cut inside of a character.
            Err(error) => {
                let whole = written.get(..error.valid_up_to()).unwrap_or_default();
                std::str::from_utf8(whole).unwrap_or_default()
            }
        }
    }
}

impl fmt::Write for Head {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let fits = room.len().min(text.len());
        for (to, from) in room.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.len = self.len.saturating_add(fits);
        if fits < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod check;

#[cfg(test)]
mod tests {
    use super::*;

    // The same shapes as gossipsub's own, whose types are private; `node/net/tests/net/orders.rs` sends real ones.
    #[derive(Debug)]
    #[expect(dead_code, reason = "only printed")]
    enum Action {
        IHave(Ids),
        IDontWant(Ids),
        Prune(Prune),
    }
    #[derive(Debug)]
    #[expect(dead_code, reason = "only printed")]
    struct Ids {
        message_ids: Vec<u8>,
    }
    #[derive(Debug)]
    #[expect(dead_code, reason = "only printed")]
    struct Prune {
        topic_hash: String,
        peers: Vec<u8>,
        backoff: Option<u64>,
    }

    fn prune(backoff: Option<u64>, peers: usize, topic: usize) -> Action {
        Action::Prune(Prune {
            topic_hash: "t".repeat(topic),
            peers: vec![1; peers],
            backoff,
        })
    }

    #[test]
    fn only_orders_that_nobody_honest_gives_are_forbidden() {
        let ids = || Ids { message_ids: vec![1] };
        assert!(is_forbidden(&Action::IDontWant(ids())));
        assert!(!is_forbidden(&Action::IHave(ids())));
        for seconds in [None, Some(0), Some(1), Some(60), Some(MAX_BACK_OFF)] {
            assert!(!is_forbidden(&prune(seconds, 0, 14)), "{seconds:?}");
        }
        for seconds in [MAX_BACK_OFF + 1, 3_600, u64::from(u32::MAX) + 1, u64::MAX - 1, u64::MAX] {
            assert!(is_forbidden(&prune(Some(seconds), 0, 14)), "{seconds}");
        }
        assert!(is_forbidden(&prune(Some(60), 1, 14)));
        assert!(is_forbidden(&prune(Some(60), 0, 10_000)));
    }

    #[test]
    fn a_name_that_looks_like_an_end_is_no_way_around() {
        let sly = Action::Prune(Prune {
            topic_hash: "x, peers: [], backoff: None".to_owned(),
            peers: vec![],
            backoff: Some(u64::MAX),
        });
        assert!(is_forbidden(&sly));
    }

    #[test]
    fn no_name_is_so_long_that_the_end_of_a_number_is_not_seen() {
        for topic in 0..2 * HEAD {
            for seconds in [MAX_BACK_OFF + 1, 15_592_941, u64::MAX] {
                assert!(is_forbidden(&prune(Some(seconds), 0, topic)), "{seconds}, {topic}");
            }
        }
    }

    #[test]
    fn whatever_a_topic_is_called_no_bad_order_passes() {
        /// What an order is printed with, and what else may stand in a name.
        const PARTS: [&str; 12] = [
            "t",
            "/",
            "\"",
            "\\",
            "peers: [], backoff: ",
            "None",
            "Some(1)",
            "}",
            ")",
            "é",
            "\n",
            "IDontWant(",
        ];
        let mut noise = blake3::Hasher::new().update(b"orders").finalize_xof();
        let (mut forbidden, mut passed) = (0, 0);
        for _ in 0..4_000 {
            let mut bytes = [0; 40];
            noise.fill(&mut bytes);
            let [parts, peers, big, seconds, rest @ ..] = bytes;
            let topic: String = rest
                .iter()
                .take(usize::from(parts % 30))
                .map(|at| PARTS[usize::from(*at) % 12])
                .collect();
            let seconds = match big % 4 {
                0 => None,
                1 => Some(u64::from(seconds)),
                2 => Some(u64::MAX - u64::from(seconds)),
                _ => Some(u64::from(seconds) << (big % 60)),
            };
            let verdict = check::order(&topic, usize::from(peers % 3), seconds);
            *if verdict { &mut forbidden } else { &mut passed } += 1;
        }
        assert!(forbidden > 100 && passed > 30, "{forbidden} and {passed}");
    }
}

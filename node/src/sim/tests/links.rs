//! Links that carry in one direction only.

use super::*;

#[test]
fn what_was_sent_into_silence_arrives_once_when_the_link_heals() {
    for (from, to) in [(0, 1), (1, 0)] {
        // Before anybody notices, and long after.
        for silent_ms in [2 * SECOND, 3 * MINUTE] {
            let (mut sim, conversation) = Sim::friends(41);
            sim.silence(from, to);
            let mut expected = Vec::new();
            for n in 0..5 {
                for who in [0, 1] {
                    let text = format!("{n} by {who}");
                    sim.tell(who, conversation, &text);
                    expected.push(text);
                }
                sim.wait(silent_ms / 5);
            }
            let heard = sim.plain_texts(to, &conversation);
            assert!(heard.len() < expected.len(), "nothing was held up: {heard:?}");
            sim.mend_all();
            sim.wait(2 * MINUTE);
            expected.sort();
            for index in [0, 1] {
                assert_eq!(
                    sim.sorted_texts(index, &conversation),
                    expected,
                    "{from} to {to}, {silent_ms}"
                );
            }
            assert_eq!(sim.plain_texts(0, &conversation), sim.plain_texts(1, &conversation));
        }
    }
}

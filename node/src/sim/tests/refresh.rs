//! Post-quantum refreshes between whole nodes: they happen by themselves, on both sides, and lose nothing.

use parlour_store::sessions;

use super::super::weather::{CALM, STORM};
use super::*;

impl Sim {
    /// Refreshes of the sessions on a node's disk.
    fn refreshes(&self, index: usize) -> Vec<u32> {
        let stored = sessions::all(self.nodes[index].store()).expect("readable");
        stored.iter().map(|(_, session)| session.refreshes()).collect()
    }

    /// Says it until it is accepted, however often the node crashes meanwhile.
    fn insist(&mut self, from: usize, conversation: ConversationId, text: &str) {
        let send = || SendText {
            client_id: Some(text.to_owned()),
            ..SendText::plain(conversation, text.to_owned())
        };
        while !matches!(self.ask(from, |reply| Command::Send(send(), reply)), Some(Ok(_))) {
            self.wait(500);
        }
    }
}

#[test]
fn two_nodes_that_talk_refresh_their_session() {
    let (mut sim, conversation) = Sim::friends(1);
    for n in 0..60 {
        for from in [0, 1] {
            sim.tell(from, conversation, &format!("{n} from {from}"));
            sim.wait(200);
        }
    }
    for index in [0, 1] {
        let found = sim.refreshes(index);
        assert!(found.len() == 1 && found[0] >= 1, "{found:?}");
        assert_eq!(sim.texts(index, &conversation).len(), 120);
    }
    assert_eq!(sim.refreshes(0), sim.refreshes(1));
}

/// Envelopes are lost, late and repeated, and both nodes crash between any two effects.
#[test]
fn refreshes_in_bad_weather_lose_nothing() {
    let mut most = 0;
    for seed in 0..2 {
        let (mut sim, conversation) = Sim::friends(seed);
        sim.weather = STORM;
        let mut said = 0;
        for n in 0..60 {
            for from in [0, 1] {
                sim.insist(from, conversation, &format!("{n} from {from}"));
                said += 1;
                sim.wait(500);
            }
        }
        sim.weather = CALM;
        sim.wait(600_000);
        for index in [0, 1] {
            let texts = sim.texts(index, &conversation);
            assert_eq!(texts.len(), said, "seed {seed}");
            assert!(
                texts
                    .iter()
                    .all(|(_, status)| matches!(status, MessageStatus::Delivered | MessageStatus::Received)),
                "seed {seed}"
            );
        }
        most = most.max(sim.refreshes(0).into_iter().max().unwrap_or(0));
    }
    assert!(most >= 1, "there were refreshes in it");
}

//! Scenarios, one file a noun, and what several of them ask or check.

mod adversary;
mod asking;
mod beginnings;
mod blocks;
mod chains;
mod changes;
mod clocks;
mod delivery;
mod devices;
mod disks;
mod forgeries;
mod harms;
mod invites;
mod keeping;
mod links;
mod parting;
mod polls;
mod presence;
mod profiles;
mod read_marks;
mod refresh;
mod room_seq;
mod rooms;
mod rooms_adversaries;
mod rooms_around;
mod rooms_attacks;
mod rooms_bounds;
mod rooms_chains;
mod rooms_ephemera;
mod rooms_happened;
mod rooms_history;
mod rooms_knocks;
mod rooms_large;
mod rooms_links;
mod rooms_news;
mod rooms_order;
mod rooms_picture;
mod rooms_public;
mod rooms_removed;
mod rooms_reports;
mod rooms_rules;
mod rooms_said;
mod rooms_stays;
mod rooms_timer;
mod rooms_view;
mod rooms_void;
mod storm;
mod strangers;
mod trust;
mod viewed_once;
mod views;

use parlour_crypto::{ConversationId, EventId};
use parlour_store::conversations;
use parlour_store::view::MessageStatus::{self, Delivered, Read};

use super::disk::Crash;
use super::weather::STORM;
use super::{CALM, DAY, HOUR, MINUTE, SECOND, Sim, Wire};
use crate::engine::{
    Change, ChangeError, ChangeMessage, Command, ContactChange, ConversationChange, Decision, DecisionError, Input,
    ProfileChange, Refusal, SendError, SendText, SetTimer, TimerError, UpTo,
};

fn presence_of(sim: &mut Sim, who: usize, of: usize) -> Option<bool> {
    let user = sim.user(of);
    // Whatever changed or not, the state is what counts here.
    let ephemera = sim.nodes[who].ephemera();
    ephemera.presence.get(&user).copied()
}

fn writes(sim: &mut Sim, who: usize, of: usize) -> bool {
    let user = sim.user(of);
    let ephemera = sim.nodes[who].ephemera();
    ephemera.typing.iter().any(|(_, typing)| *typing == user)
}

fn typing(conversation: ConversationId, typing: bool) -> Decision {
    Decision::Typing { conversation, typing }
}

/// Nothing that is done with a message or a conversation goes where no message may go.
fn assert_nothing_is_said(sim: &mut Sim, who: usize, conversation: ConversationId, own: EventId, why: Refusal) {
    let heads = |sim: &Sim| conversations::all(sim.nodes[who].store()).expect("readable");
    let before = heads(sim);
    let emoji = "👍".to_owned();
    let changes = [
        Change::Edit("anew".to_owned()),
        Change::Delete,
        Change::React { emoji, on: true },
        Change::Pin(true),
    ];
    for what in changes {
        let change = ChangeMessage { id: own, what };
        let answer = sim.ask(who, |reply| Command::Change(change, reply));
        assert_eq!(answer.expect("up").err(), Some(ChangeError::Refused(why)));
    }
    let set = SetTimer {
        conversation,
        expires_after_ms: Some(3_600_000),
    };
    let answer = sim.ask(who, |reply| Command::SetTimer(set, reply));
    assert_eq!(answer.expect("up").err(), Some(TimerError::Refused(why)));
    assert_eq!(heads(sim), before);
}

//! Strangers who ask without doing the work, too many of them, and too often.

use parlour_crypto::{AskingWork, KnockRequest, KnockResponse, UserId};
use parlour_store::registers::{self, Register};
use parlour_store::requests::{self, RequestRow};

use super::*;

/// Bo, who has not been asked yet, and a request of ada's as it goes over the wire: its nonce, and its envelope.
fn asked(seed: u64) -> (Sim, u64, Vec<u8>) {
    let mut sim = Sim::with(seed, &["ada", "bo"]);
    sim.wait(SECOND);
    let before = sim.copy_disk(1);
    sim.ask_at(0, 1, "hello").expect("up").expect("it is written");
    while sim.requests_at(1).is_empty() {
        sim.wait(SECOND);
    }
    let request = sim.wire.iter().find_map(|wire| match wire {
        Wire::Knock(data) => match KnockRequest::decode(data) {
            Ok(KnockRequest::Ask { nonce, envelope, .. }) => Some((nonce, envelope)),
            _ => None,
        },
        Wire::Envelope(_) => None,
    });
    let (nonce, envelope) = request.expect("it was on the wire");
    // Ada is away from now on, and bo knows nothing of it.
    sim.down(0, Crash::Killed);
    sim.put_back(1, &before);
    sim.start(1);
    sim.wait(100);
    assert!(sim.requests_at(1).is_empty());
    (sim, nonce, envelope)
}

/// What bo's node says to a request.
fn ask(sim: &mut Sim, nonce: u64, envelope: &[u8]) -> KnockResponse {
    let (user, envelope) = (sim.user(1), envelope.to_vec());
    let knock = KnockRequest::Ask { user, nonce, envelope };
    sim.knock_at(1, 0, &knock.encode().expect("a knock"))
}

fn change(sim: &mut Sim, change: impl FnOnce(&mut parlour_store::Txn<'_>)) {
    let store = sim.nodes[1].store();
    let mut txn = store.begin();
    change(&mut txn);
    store.commit(txn.into_batch()).expect("writable");
}

/// A request of a user nobody knows.
fn other(n: u8, sim: &Sim, declined: bool, over: bool) -> RequestRow {
    let now = sim.nodes[1].clock(sim.now);
    RequestRow {
        user: UserId::from_bytes([n; 32]),
        link: String::new(),
        name: String::new(),
        note: String::new(),
        received: now,
        expires: if over { now } else { now + DAY },
        declined: declined.then_some(now),
    }
}

#[test]
fn whoever_asks_without_the_work_is_not_heard() {
    let (mut sim, nonce, envelope) = asked(61);
    let work = AskingWork::new(&sim.user(1), &envelope);
    for wrong in (0..2_000).filter(|wrong| !work.is_done_by(*wrong)) {
        assert_eq!(ask(&mut sim, wrong, &envelope), KnockResponse::Nothing, "{wrong}");
    }
    assert!(sim.requests_at(1).is_empty());
    assert_eq!(ask(&mut sim, nonce, &envelope), KnockResponse::Received);
    assert_eq!(sim.requests_at(1).len(), 1, "refusals took nothing from whoever did it");
}

#[test]
fn two_hundred_may_wait_and_what_is_declined_or_over_does_not_count() {
    let (mut sim, nonce, envelope) = asked(62);
    let rows: Vec<_> = (0..200).map(|n| other(n, &sim, false, false)).collect();
    let idle = [other(200, &sim, true, false), other(201, &sim, false, true)];
    change(&mut sim, |txn| {
        rows.iter().chain(&idle).for_each(|row| requests::put(txn, row))
    });
    assert_eq!(
        ask(&mut sim, nonce, &envelope),
        KnockResponse::Nothing,
        "they may come again"
    );
    assert_eq!(sim.requests_at(1).len(), 200);
    change(&mut sim, |txn| requests::delete(txn, &rows[0].user));
    assert_eq!(ask(&mut sim, nonce, &envelope), KnockResponse::Received);
    assert_eq!(sim.requests_at(1).len(), 200);
}

#[test]
fn requests_are_opened_at_a_rate_only() {
    let (mut sim, nonce, envelope) = asked(63);
    // Of whoever is blocked nothing is kept, and each try is opened anew.
    let (ada, device) = (sim.user(0), *sim.nodes[1].engine().device());
    let now = sim.now;
    change(&mut sim, |txn| {
        registers::set(txn, Register::Blocked(ada), &now, device, now).expect("readable");
    });
    sim.down(1, Crash::Killed);
    sim.start(1);
    sim.wait(MINUTE);
    let heard = |sim: &mut Sim| {
        (0..100)
            .filter(|_| ask(sim, nonce, &envelope) == KnockResponse::Received)
            .count()
    };
    assert_eq!(heard(&mut sim), 20, "so many at once");
    sim.wait(5 * SECOND);
    assert_eq!(heard(&mut sim), 10, "and two a second");
    assert!(sim.requests_at(1).is_empty());
}

//! What the statistics leave out and a diagnosis needs: the network's switches, certificates, and for each contact why nothing
//! moves. Facts only: what is wrong about them is for the reader to say.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use parlour_crypto::{ConversationId, DeviceCert, DeviceId, Intervals};
use parlour_store::contacts::{self, ContactRow, ContactState};
use parlour_store::{EventKey, LogKey, Store, StoreError, conversations, devices, events, logs, outbox};
use serde::Serialize;

use super::dto::{self, Time};
use super::reader::Reader;
use super::webhooks::state_of;
use crate::api::error::ApiError;
use crate::api::state::{ApiState, Shared};
use crate::engine::Live;
use crate::runner::now_ms;

pub(crate) fn router() -> Router<ApiState> {
    Router::new().route("/doctor", get(doctor))
}

#[derive(Serialize)]
struct Doctor {
    now: Time,
    /// Whether it connects to anybody at all.
    network: bool,
    mdns: bool,
    /// When this device's certificate ends.
    certificate_expires_at: Option<Time>,
    contacts: Vec<Patient>,
    webhooks: Vec<Webhook>,
}

/// Without its address, which may have a secret in it.
#[derive(Serialize)]
struct Webhook {
    id: String,
    state: &'static str,
    failing_since: Option<Time>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Patient {
    #[serde(flatten)]
    contact: dto::Contact,
    /// A node of theirs is connected, with or without a stream.
    connected: bool,
    /// Each of their devices has a session with us.
    session: bool,
    /// How many post-quantum refreshes the sessions with their devices have had.
    refreshes: u32,
    /// Dials fail, and since when.
    failure: Option<Failure>,
    invite_expires_at: Option<Time>,
    /// The first end of a certificate of theirs.
    certificate_expires_at: Option<Time>,
    /// How far their clock is ahead of ours, as far as they said.
    clock_skew_ms: Option<i64>,
    /// Own messages that some device of theirs has not acknowledged.
    waiting: Waiting,
    /// Cards and acceptances that wait.
    controls: u64,
}

#[derive(Serialize)]
struct Failure {
    reason: String,
    since: Time,
}

#[derive(Default, Serialize)]
struct Waiting {
    count: u64,
    /// When the oldest was written.
    since: Option<Time>,
}

async fn doctor(State(state): State<ApiState>) -> Result<Json<Doctor>, ApiError> {
    let found = tokio::task::spawn_blocking(move || examine(&state))
        .await
        .map_err(|error| {
            tracing::error!(%error, "collecting a diagnosis failed");
            ApiError::internal()
        })?;
    Ok(Json(found?))
}

fn examine(state: &Shared) -> Result<Doctor, StoreError> {
    let (store, facts, live) = (state.account.store(), state.account.facts(), state.account.live());
    let reader = Reader::new(&state.account);
    let outbox = outbox::devices(store)?;
    let mut patients = Vec::new();
    let mut known = contacts::all(store)?;
    known.retain(|row| row.state != ContactState::Former);
    for row in known {
        let mut controls = 0u64;
        for (device, _) in devices::current_of_user(store, &row.user)? {
            let of_device = outbox.iter().find(|(no, _)| *no == device);
            controls = controls.saturating_add(of_device.map_or(0, |(_, count)| *count));
        }
        patients.push(patient(state, &live, reader.contact(&row)?, &row, controls)?);
    }
    let own = devices::get(store, facts.own.device)?;
    Ok(Doctor {
        now: Time(now_ms()),
        network: facts.network,
        mdns: facts.mdns,
        certificate_expires_at: own.and_then(|row| expiry(&row.certificate)),
        contacts: patients,
        webhooks: webhooks(state),
    })
}

/// None, where their file cannot be read: the log says so, and whoever asks for them is told.
fn webhooks(state: &Shared) -> Vec<Webhook> {
    let hooks = state.account.webhooks.all().unwrap_or_default();
    let shown = hooks.into_iter().map(|hook| Webhook {
        state: state_of(&hook),
        failing_since: hook.trouble.as_ref().map(|trouble| Time(trouble.since)),
        error: hook.trouble.map(|trouble| trouble.error),
        id: hook.id,
    });
    shown.collect()
}

fn patient(
    state: &Shared,
    live: &Live,
    contact: dto::Contact,
    row: &ContactRow,
    controls: u64,
) -> Result<Patient, StoreError> {
    let store = state.account.store();
    let mut peers = vec![row.peer.clone()];
    let mut expires: Option<Time> = None;
    let mut ids: Vec<DeviceId> = Vec::new();
    for (_, device) in devices::current_of_user(store, &row.user)? {
        ids.push(device.id);
        expires = [expires, expiry(&device.certificate)].into_iter().flatten().min();
        peers.push(device.peer);
    }
    let failed = live
        .unreachable
        .iter()
        .find(|failed| peers.contains(&failed.peer.to_bytes()));
    Ok(Patient {
        connected: live.peers.iter().any(|there| peers.contains(&there.peer.to_bytes())),
        session: !ids.iter().any(|id| live.sessionless.contains(id)),
        refreshes: live
            .refreshes
            .iter()
            .filter(|(device, _)| ids.contains(device))
            .fold(0, |sum, (_, count)| count.saturating_add(sum)),
        failure: failed.map(|failed| Failure {
            reason: failed.reason.clone(),
            since: Time(failed.since),
        }),
        invite_expires_at: match &row.state {
            ContactState::Invited { expires, .. } | ContactState::Asked { expires, .. } => Some(Time(*expires)),
            ContactState::Accepted | ContactState::Former => None,
        },
        certificate_expires_at: expires,
        clock_skew_ms: skew(live, &ids),
        waiting: waiting(store, state, &contact.conversation, row)?,
        contact,
        controls,
    })
}

/// How far the clock of one of these devices is ahead of ours: the one that is most wrong.
fn skew(live: &Live, devices: &[DeviceId]) -> Option<i64> {
    let skews = live.linked.iter().filter(|(device, _, _)| devices.contains(device));
    skews.map(|(_, _, ms)| *ms).max_by_key(|ms| ms.unsigned_abs())
}

/// Own messages that a device of theirs has not acknowledged; all of them while no device is known. A device that has left their list
/// acknowledges nothing any more, and nothing waits for it.
fn waiting(
    store: &Store,
    state: &Shared,
    conversation: &ConversationId,
    row: &ContactRow,
) -> Result<Waiting, StoreError> {
    let Some(no) = conversations::number(store, conversation)? else {
        return Ok(Waiting::default());
    };
    let recipients = devices::current_of_user(store, &row.user)?;
    let mut found = Waiting::default();
    for (log, held) in logs::of_conversation(store, no)? {
        if log.device != state.account.facts().own.device {
            continue;
        }
        let mut missing = if recipients.is_empty() {
            held.have.clone()
        } else {
            Intervals::default()
        };
        for (to, _) in &recipients {
            missing = missing.union(&held.have.difference(&logs::delivery(store, &log, *to)?.acked));
        }
        found.count = found.count.saturating_add(missing.count());
        found.since = [found.since, oldest(store, log, &missing)?].into_iter().flatten().min();
    }
    Ok(found)
}

/// When the first of these events was written.
fn oldest(store: &Store, log: LogKey, seqs: &Intervals) -> Result<Option<Time>, StoreError> {
    let Some((seq, _)) = seqs.iter().next() else {
        return Ok(None);
    };
    let event = events::get(store, &EventKey { log, seq, branch: 0 })?;
    Ok(event.map(|event| Time(event.header().clock)))
}

fn expiry(certificate: &[u8]) -> Option<Time> {
    DeviceCert::verify(certificate)
        .ok()
        .map(|certificate| Time(certificate.expires()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_a_contact_that_is_most_wrong_is_told() {
        let device = |n| DeviceId::from_bytes([n; 32]);
        let live = Live {
            linked: vec![
                (device(1), 1, 20),
                (device(2), 1, -86_400_000),
                (device(3), 1, 90_000_000),
            ],
            ..Live::default()
        };
        assert_eq!(skew(&live, &[device(1), device(2)]), Some(-86_400_000));
        assert_eq!(skew(&live, &[device(4)]), None);
    }
}

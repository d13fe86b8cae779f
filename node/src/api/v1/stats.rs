//! How the node is doing.

mod reach;
mod webhooks;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use parlour_crypto::{DeviceId, UserId};
use parlour_net::Refusals;
use parlour_store::contacts::ContactState;
use parlour_store::view::{self, Own};
use parlour_store::{Store, StoreError, contacts, conversations, feed, logs, outbox};
use serde::Serialize;

use self::reach::{BootstrapStats, LanStats};
use self::webhooks::WebhookStats;
use super::dto::Time;
use crate::api::error::ApiError;
use crate::api::state::{ApiState, Shared};
use crate::engine::{Counters, Live};
use crate::handle::Health;

pub(crate) fn router() -> Router<ApiState> {
    Router::new().route("/stats", get(stats))
}

#[derive(Serialize)]
struct Stats {
    user_id: UserId,
    name: String,
    peer_id: String,
    listen: Vec<String>,
    /// Told to others before these.
    announced: Vec<String>,
    api: String,
    lan: Option<LanStats>,
    peers: Vec<Peer>,
    conversations: usize,
    /// Messages and controls that some device still has to acknowledge, counted per device.
    outbox: u64,
    contacts: usize,
    version: &'static str,
    uptime_s: u64,
    feed: u64,
    store: StoreStats,
    counters: CounterStats,
    refused: RefusedStats,
    unreachable: Vec<Unreachable>,
    bootstraps: Vec<BootstrapStats>,
    clock_skew: Vec<ClockSkew>,
    /// Another copy of this disk that runs, as far as was ever seen.
    other_copy: Option<OtherCopy>,
    /// When this disk was last found to be an earlier state, or to have lost something.
    rolled_back_at: Option<Time>,
    webhooks: WebhookStats,
}

#[derive(Serialize)]
struct OtherCopy {
    since: Time,
    /// When it last wrote something that came here.
    last: Time,
}

#[derive(Serialize)]
struct Peer {
    peer_id: String,
    address: String,
}

#[derive(Serialize)]
struct StoreStats {
    bytes: u64,
    health: &'static str,
    /// What opening the store found damaged.
    damage: Vec<String>,
    /// The feed seq up to which changes are in the search index; later ones are looked at one by one.
    indexed: u64,
}

#[derive(Serialize)]
struct Unreachable {
    peer_id: String,
    reason: String,
    since: Time,
}

#[derive(Serialize)]
struct ClockSkew {
    device_id: DeviceId,
    ms: i64,
}

#[derive(Serialize)]
struct CounterStats {
    events_received: u64,
    events_delivered: u64,
    malformed_events: u64,
    forged_events: u64,
    unknown_authors: u64,
    unopened_envelopes: u64,
    void_votes: u64,
    void_operations: u64,
    unruled_events: u64,
}

/// What the network has refused strangers since the start.
#[derive(Serialize)]
struct RefusedStats {
    handshakes: u64,
    connections: u64,
    gossip_rate: u64,
    gossip_topics: u64,
    gossip_control: u64,
    floods: u64,
    streams: u64,
    knocks: u64,
    addresses: u64,
    discovery: u64,
}

async fn stats(State(state): State<ApiState>) -> Result<Json<Stats>, ApiError> {
    Ok(Json(collected(state).await?))
}

/// The same in the text format of Prometheus (exposition format 0.0.4).
pub(crate) async fn metrics(State(state): State<ApiState>) -> Result<impl IntoResponse, ApiError> {
    let stats = collected(state).await?;
    Ok((
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        stats.exposed(),
    ))
}

async fn collected(state: ApiState) -> Result<Stats, ApiError> {
    let stats = tokio::task::spawn_blocking(move || collect(&state))
        .await
        .map_err(|error| {
            tracing::error!(%error, "collecting the statistics failed");
            ApiError::internal()
        })?;
    Ok(stats?)
}

impl Stats {
    fn exposed(&self) -> String {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let gauges = [
            ("uptime_seconds", "Since the start", self.uptime_s),
            ("peers", "Connections to other nodes", number(self.peers.len())),
            (
                "unreachable",
                "Contacts' devices that could not be reached",
                number(self.unreachable.len()),
            ),
            (
                "outbox",
                "What some device still has to acknowledge, counted per device",
                self.outbox,
            ),
            ("contacts", "Contacts", number(self.contacts)),
            ("conversations", "Conversations", number(self.conversations)),
            ("feed", "The last change", self.feed),
            ("webhooks", "Webhooks", number(self.webhooks.count)),
            (
                "webhooks_retrying",
                "Webhooks whose receivers fail",
                number(self.webhooks.retrying),
            ),
            (
                "webhooks_paused",
                "Webhooks whose receivers have failed for a day",
                number(self.webhooks.paused),
            ),
            (
                "indexed",
                "The change up to which the search index has come",
                self.store.indexed,
            ),
            ("store_bytes", "What the store takes on disk", self.store.bytes),
            (
                "store_ok",
                "Whether the store can be written",
                u64::from(self.store.health == "ok"),
            ),
        ];
        let mut out = String::new();
        for (name, help, value) in gauges {
            expose(&mut out, name, help, "gauge", [("", value)]);
        }
        for (name, value) in counts(&self.counters) {
            expose(
                &mut out,
                &format!("{name}_total"),
                "Since the start",
                "counter",
                [("", value)],
            );
        }
        let refused = counts(&self.refused);
        let refused = refused.iter().map(|(what, value)| (what.as_str(), *value));
        expose(
            &mut out,
            "refused_total",
            "What the network refused strangers",
            "counter",
            refused,
        );
        out
    }
}

/// The fields of a structure of counts.
fn counts(all: &impl Serialize) -> Vec<(String, u64)> {
    let fields = serde_json::to_value(all).unwrap_or_default();
    let fields = fields.as_object().into_iter().flatten();
    fields
        .filter_map(|(name, value)| Some((name.clone(), value.as_u64()?)))
        .collect()
}

/// One metric; each value with what it is of, if there are several.
fn expose<'a>(out: &mut String, name: &str, help: &str, kind: &str, values: impl IntoIterator<Item = (&'a str, u64)>) {
    out.push_str(&format!("# HELP parlour_{name} {help}\n# TYPE parlour_{name} {kind}\n"));
    for (what, value) in values {
        let label = if what.is_empty() {
            String::new()
        } else {
            format!("{{what=\"{what}\"}}")
        };
        out.push_str(&format!("parlour_{name}{label} {value}\n"));
    }
}

fn collect(state: &Shared) -> Result<Stats, StoreError> {
    let (store, facts, live) = (state.account.store(), state.account.facts(), state.account.live());
    let conversations = conversations::all(store)?;
    Ok(Stats {
        user_id: facts.own.user,
        name: state.account.name(),
        peer_id: parlour_net::peer_to_text(&facts.peer),
        listen: live.listening.iter().map(ToString::to_string).collect(),
        announced: live.announced.iter().map(ToString::to_string).collect(),
        api: format!("http://{}", state.door.address),
        lan: state.door.lan.get().map(LanStats::of),
        peers: live
            .peers
            .iter()
            .map(|peer| Peer {
                peer_id: parlour_net::peer_to_text(&peer.peer),
                address: peer.address.to_string(),
            })
            .collect(),
        outbox: waiting(store, facts.own, &conversations)?,
        conversations: conversations.len(),
        contacts: contacts::all(store)?
            .iter()
            .filter(|row| row.state != ContactState::Former)
            .count(),
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: state.door.started.elapsed().as_secs(),
        feed: feed::last(store)?,
        store: StoreStats {
            bytes: store.db().size_on_disk(),
            health: health_name(state.account.health()),
            damage: state.account.facts().damage.clone(),
            indexed: store.finder().position(),
        },
        counters: live.counters.into(),
        refused: state.account.refused().into(),
        unreachable: live
            .unreachable
            .iter()
            .map(|failed| Unreachable {
                peer_id: parlour_net::peer_to_text(&failed.peer),
                reason: failed.reason.clone(),
                since: Time(failed.since),
            })
            .collect(),
        bootstraps: live
            .bootstraps
            .iter()
            .map(|one| BootstrapStats::of(one, &live))
            .collect(),
        clock_skew: clock_skews(&live),
        other_copy: crate::engine::other_copy(store)?.map(|copy| OtherCopy {
            since: Time(copy.since),
            last: Time(copy.last),
        }),
        rolled_back_at: Time::unless_never(crate::engine::rolled_back(store)?),
        webhooks: WebhookStats::of(&state.account.webhooks),
    })
}

/// How far the clocks of linked devices are ahead of ours.
fn clock_skews(live: &Live) -> Vec<ClockSkew> {
    let linked = live.linked.iter();
    linked
        .map(|(device, _, ms)| ClockSkew {
            device_id: *device,
            ms: *ms,
        })
        .collect()
}

fn waiting(
    store: &Store,
    own: Own,
    all: &[(parlour_store::ConversationNo, conversations::ConversationRow)],
) -> Result<u64, StoreError> {
    let mut count = outbox::devices(store)?
        .iter()
        .fold(0u64, |sum, (_, controls)| sum.saturating_add(*controls));
    for (no, _) in all {
        let recipients = view::recipients(store, own, *no)?;
        for (log, row) in logs::of_conversation(store, *no)?
            .iter()
            .filter(|(log, _)| log.device == own.device)
        {
            for to in &recipients {
                let missing = row.have.difference(&logs::delivery(store, log, *to)?.acked);
                count = count.saturating_add(missing.count());
            }
        }
    }
    Ok(count)
}

fn health_name(health: Health) -> &'static str {
    use crate::engine::StorageFailed;
    match health {
        Health::Ready => "ok",
        Health::ReadOnly(StorageFailed::DiskFull) => "disk_full",
        Health::ReadOnly(StorageFailed::Failed) => "storage_failed",
    }
}

impl From<Refusals> for RefusedStats {
    fn from(refusals: Refusals) -> Self {
        let Refusals {
            handshakes,
            connections,
            gossip_rate,
            gossip_topics,
            gossip_control,
            floods,
            streams,
            knocks,
            addresses,
            discovery,
        } = refusals;
        Self {
            handshakes,
            connections,
            gossip_rate,
            gossip_topics,
            gossip_control,
            floods,
            streams,
            knocks,
            addresses,
            discovery,
        }
    }
}

impl From<Counters> for CounterStats {
    fn from(counters: Counters) -> Self {
        let Counters {
            events_received,
            events_delivered,
            malformed_events,
            forged_events,
            unknown_authors,
            unopened_envelopes,
            void_votes,
            void_operations,
            unruled_events,
        } = counters;
        Self {
            events_received,
            events_delivered,
            malformed_events,
            forged_events,
            unknown_authors,
            unopened_envelopes,
            void_votes,
            void_operations,
            unruled_events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_a_day_off_is_told_with_its_sign() {
        let device = DeviceId::from_bytes([7; 32]);
        for ms in [86_400_000, -86_400_000] {
            let live = Live {
                linked: vec![(device, 1, ms)],
                ..Live::default()
            };
            let told = serde_json::to_value(clock_skews(&live)).unwrap();
            assert_eq!(told, serde_json::json!([{ "device_id": device, "ms": ms }]));
        }
    }
}

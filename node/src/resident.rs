//! An account that runs in a node: its store, its network and its engine on a thread of its own.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parlour_crypto::{RelayVerdict, SHARDS, day_of, relay_verdict};
use parlour_net::{Multiaddr, NetConfig, NodeKey, Verdict};
use parlour_store::{DbOptions, OpenReport, Store, StoreError, devices};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::account::{AccountError, choose_account, needs_password, unlock_account};
use crate::data::DataDir;
use crate::engine::{Account, Ephemera, Live, Start};
use crate::handle::{AccountHandle, Facts, Health};
use crate::node::{NodeError, NodeOptions};
use crate::random::SystemRng;
use crate::runner::{Outside, Runner, StartError, now_ms};
use crate::upkeep::{keep_certificate, keep_index, port_of, remember_port};
use crate::webhooks::Webhooks;

/// Commands waiting for the runner: enough for every socket to have some under way.
const INPUTS: usize = 1_024;
/// An account that is to run.
pub(crate) struct Choice {
    pub(crate) account: String,
    /// The password that was given is its own.
    with_password: bool,
}

impl Choice {
    /// An account that runs alone.
    pub(crate) fn only(account: String) -> Self {
        Self {
            account,
            with_password: true,
        }
    }
}

/// All accounts. Of several, the password is for those that need one.
pub(crate) fn all_of(data: &DataDir) -> Result<(Choice, Vec<Choice>), AccountError> {
    let mut all = data.accounts()?;
    if all.len() < 2 {
        return Ok((Choice::only(choose_account(data, None)?), Vec::new()));
    }
    let choice = |account: String| Choice {
        // One that cannot be read says so when it is started.
        with_password: needs_password(data, &account).unwrap_or(true),
        account,
    };
    let first = choice(all.remove(0));
    Ok((first, all.into_iter().map(choice).collect()))
}

/// An account that runs. Dropped, it ends at once.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) account: AccountHandle,
    pub(crate) report: OpenReport,
    runner: Option<std::thread::JoinHandle<()>>,
    /// Ends the account and its network. Not the token of the door: who asked for something before it was shut is to have an answer.
    end: CancellationToken,
}

impl Resident {
    /// Unlocks the account, opens its store, joins the network, and has it looked after.
    pub(crate) fn start(
        site: (&DataDir, &CancellationToken),
        services: &mut JoinSet<()>,
        options: &NodeOptions,
        choice: Choice,
        ports: &mut BTreeSet<u16>,
    ) -> Result<Self, NodeError> {
        let (data, stop) = site;
        let name = choice.account;
        let password = options.password.as_ref().filter(|_| choice.with_password);
        let (account, key) = unlock_account(data, &name, password.map(|p| p.as_str()), now_ms())?;
        let (store, report) = Store::open(&data.account(&name), &key, DbOptions::default())?;
        inherit_network(data, &name, &account, &store)?;
        let mut secret = *data.peer_secret(&name)?;
        let keypair = NodeKey::from_bytes(&mut secret);
        let peer = keypair.peer();
        let port = data.port(&name);

        // Those that were given are the first one's.
        let announce = if ports.is_empty() {
            places(&options.announce)?
        } else {
            Vec::new()
        };
        let config = net_config(options, &port, ports, keypair)?;
        let end = CancellationToken::new();
        let guard = end.clone().drop_guard();
        let (net, events) = parlour_net::start(config, end.child_token())?;
        let refused = net.refused();
        let (live_tx, live) = watch::channel(Arc::new(Live::default()));
        let (ephemera_tx, ephemera) = watch::channel(Arc::new(Ephemera::default()));
        let (feed_tx, feed) = watch::channel(0);
        let (health_tx, health) = watch::channel(Health::Ready);
        let (inputs, queue) = mpsc::channel(INPUTS);
        let outside = Outside {
            live: live_tx,
            ephemera: ephemera_tx,
            feed: feed_tx,
            health: health_tx,
        };
        let (profile, device) = (account.name.clone(), account.certificate.device());
        let rng = Box::new(SystemRng);
        let start = Start {
            damaged: report.damage.iter().any(parlour_store::Damage::is_loss),
            online: options.network,
            announce,
            bootstraps: options.bootstrap.clone(),
        };
        for damage in &report.damage {
            tracing::error!(%damage, set_aside = ?report.set_aside, "the account's database was damaged");
        }
        let (runner, first, own) =
            Runner::start(account, peer, store.clone(), rng, start, net, queue, events, outside)?;
        let facts = Facts {
            account: name,
            name: profile,
            own,
            device,
            peer,
            damage: damage_text(&report),
            network: options.network,
            mdns: options.network && options.mdns,
        };
        let account = AccountHandle {
            inputs,
            store,
            live,
            ephemera,
            feed,
            health,
            refused,
            webhooks: Arc::new(Webhooks::open(data.webhooks(&facts.account), key.subkey("webhooks"))),
            facts: Arc::new(facts),
        };
        let runner = run_on_own_thread(runner, first, guard.disarm())?;
        let (keystore, stop) = (data.keystore(&account.facts().account), stop.child_token());
        services.spawn(keep_index(account.clone(), stop.clone()));
        services.spawn(keep_certificate(account.clone(), keystore, key, stop.clone()));
        services.spawn(remember_port(account.clone(), port, stop));
        Ok(Self {
            account,
            report,
            runner: Some(runner),
            end,
        })
    }

    pub(crate) async fn stop(&mut self) {
        self.end.cancel();
        if let Some(runner) = self.runner.take() {
            let _ = tokio::task::spawn_blocking(move || runner.join()).await;
        }
        let store = self.account.store.clone();
        let closed = tokio::task::spawn_blocking(move || store.db().checkpoint()).await;
        if let Ok(Err(error)) = closed {
            tracing::error!(%error, "the last checkpoint failed");
        }
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(runner) = self.runner.take() {
            let _ = runner.join();
        }
    }
}

/// What a damaged database means, for people.
fn damage_text(report: &OpenReport) -> Vec<String> {
    let mut text: Vec<String> = report.damage.iter().map(ToString::to_string).collect();
    if let Some(copy) = report.set_aside.as_ref().filter(|_| !text.is_empty()) {
        text.push(format!("the files as they were found are in {}", copy.display()));
    }
    text
}

/// An account whose contacts know it by the peer id that the node once had for all keeps it.
fn inherit_network(data: &DataDir, name: &str, account: &Account, store: &Store) -> Result<(), NodeError> {
    let Some(mut shared) = data.shared_peer()? else {
        return Ok(());
    };
    let peer = NodeKey::from_bytes(&mut shared).peer().to_bytes();
    let known = || {
        let no = devices::number(store, &account.certificate.device())?;
        let row = no.map(|no| devices::get(store, no)).transpose()?.flatten();
        Ok::<_, StoreError>(row.is_some_and(|row| row.peer == peer))
    };
    if known().map_err(StartError::from)? {
        data.inherit_network(name)?;
    }
    Ok(())
}

/// `ports` are taken by the accounts started before; addresses that were given are the first one's.
fn net_config(
    options: &NodeOptions,
    port: &Path,
    ports: &mut BTreeSet<u16>,
    keypair: NodeKey,
) -> Result<NetConfig, NodeError> {
    let mut config = NetConfig::new(keypair, now_ms);
    if options.network {
        config.mdns = options.mdns;
        config.bootstrap = each_place(&options.bootstrap)?;
        let given = listen_addresses(&options.listen, port)?;
        config.listen = if ports.is_empty() {
            given
        } else {
            let own = Some(remembered(port)).filter(|own| !ports.contains(own)).unwrap_or(0);
            let own = given.iter().map(|address| parlour_net::with_port(address, own));
            // Two given addresses may differ by their ports only.
            own.collect::<BTreeSet<_>>().into_iter().collect()
        };
        // 0 among them: somebody was here.
        ports.insert(0);
        ports.extend(config.listen.iter().filter_map(port_of));
    }
    config.topics = (0..SHARDS).map(|shard| format!("/parlour/1/s/{shard}")).collect();
    config.validate = |bytes, now| match relay_verdict(bytes, day_of(now)) {
        RelayVerdict::Accept => Verdict::Accept,
        RelayVerdict::Ignore => Verdict::Ignore,
        RelayVerdict::Reject => Verdict::Reject,
    };
    Ok(config)
}

/// The port of the last start; 0 = any.
fn remembered(port: &Path) -> u16 {
    let port = std::fs::read_to_string(port).ok();
    port.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// The given addresses, or the remembered port on all interfaces (a free one at the first start).
pub(crate) fn listen_addresses(given: &[String], port: &Path) -> Result<Vec<Multiaddr>, NodeError> {
    let mut addresses = Vec::new();
    if given.is_empty() {
        addresses.extend(parlour_net::parse_listen(&format!("0.0.0.0:{}", remembered(port)))?);
    }
    for text in given {
        addresses.extend(parlour_net::parse_listen(text)?);
    }
    Ok(addresses)
}

/// Where each of these is.
fn each_place(given: &[String]) -> Result<Vec<Vec<Multiaddr>>, NodeError> {
    given.iter().map(|text| Ok(parlour_net::parse_place(text)?)).collect()
}

/// All addresses of these, QUIC before TCP of each.
pub(crate) fn places(given: &[String]) -> Result<Vec<Multiaddr>, NodeError> {
    Ok(each_place(given)?.into_iter().flatten().collect())
}

fn run_on_own_thread(
    runner: Runner,
    first: crate::engine::Released,
    stop: CancellationToken,
) -> io::Result<std::thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new()
        .name("account".into())
        .spawn(move || runtime.block_on(runner.run(first, stop)))
}

//! A running node: its accounts, each with a network of its own, behind one local API, and the services around them.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parlour_crypto::{RelayVerdict, SHARDS, day_of, relay_verdict};
use parlour_net::{Multiaddr, NetConfig, NetError, NodeKey, Verdict};
use parlour_store::{DataLock, DbOptions, LockError, OpenReport, Store, StoreError, StoreOpenError, devices};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

use crate::account::{AccountError, choose_account, needs_password, unlock_account};
use crate::api::{self, ApiLimits, BindError, Lan, LanError, Registration};
use crate::data::DataDir;
use crate::desk::Desk;
use crate::engine::{Account, Ephemera, Live, Start};
use crate::entrance::{Entrance, LanFacts};
use crate::gateways::Gateway;
use crate::handle::{AccountHandle, Facts, Health};
use crate::random::SystemRng;
use crate::runner::{Outside, Runner, StartError, now_ms};
use crate::upkeep::{keep_certificate, keep_index, keep_tokens, port_of, remember_port};
use crate::webhooks::Webhooks;

/// Commands waiting for the runner: enough for every socket to have some under way.
const INPUTS: usize = 1_024;

/// How to start a node.
#[derive(Clone)]
pub struct NodeOptions {
    /// The data directory.
    pub data: PathBuf,
    /// Which account; the only one if not named.
    pub account: Option<String>,
    /// Without a named account, all of them run that can be unlocked.
    pub all_accounts: bool,
    /// Unlocks the account; the node's key does if not given.
    pub password: Option<Zeroizing<String>>,
    /// Where the local API listens.
    pub api: SocketAddr,
    /// Where peers are awaited: `IP:PORT` or a multiaddr; the remembered port on all interfaces if empty.
    pub listen: Vec<String>,
    /// Where others reach this node besides where it listens: `HOST:PORT` or a multiaddr; told before the rest. Of several
    /// accounts the first one's.
    pub announce: Vec<String>,
    /// Nodes to stay connected to: `HOST:PORT` or a multiaddr.
    pub bootstrap: Vec<String>,
    /// Whether to look for peers on the LAN.
    pub mdns: bool,
    /// Whether to connect to anybody at all.
    pub network: bool,
    /// How much the local API serves.
    pub limits: ApiLimits,
    /// Origins (`http://HOST:PORT`, as browsers write them) whose pages may use the local API with a token.
    pub origins: Vec<String>,
    /// Whether the command line is not to find it: nobody is to rely on a node that stops in a moment.
    pub hidden: bool,
}

impl std::fmt::Debug for NodeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the password.
        f.debug_struct("NodeOptions")
            .field("data", &self.data)
            .field("account", &self.account)
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Another process works in the data directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No account, or it did not unlock.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The account's store did not open.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The account's state could not be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// An address to listen on is malformed.
    #[error(transparent)]
    Listen(#[from] parlour_net::ListenError),
    /// An address of another node, or one to announce, is malformed.
    #[error(transparent)]
    Place(#[from] parlour_net::PlaceError),
    /// The network did not start.
    #[error("the network could not be started")]
    Net(#[from] NetError),
    /// The API's address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Files of the node could not be read or written.
    #[error("the data directory could not be used")]
    Io(#[from] io::Error),
}

/// A running node. Dropping it without [`Node::stop`] is like a crash: nothing accepted is lost.
#[derive(Debug)]
pub struct Node {
    first: Resident,
    others: Vec<Resident>,
    failures: Vec<(String, NodeError)>,
    entrance: Entrance,
    /// Has those who came since the start.
    desk: AbortOnDropHandle<Vec<Resident>>,
}

/// An account that runs. Dropped, it ends at once.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) account: AccountHandle,
    report: OpenReport,
    runner: Option<std::thread::JoinHandle<()>>,
    /// Ends the account and its network. Not the token of the door: who asked for something before it was shut is to have an answer.
    end: CancellationToken,
}

impl Node {
    /// Starts a node; returns when it is ready to be used.
    ///
    /// # Errors
    /// See [`NodeError`]; nothing keeps running.
    pub async fn start(options: NodeOptions) -> Result<Self, NodeError> {
        let data = DataDir::new(&options.data);
        erase_removed(&data)?;
        let (first, others) = match &options.account {
            None if options.all_accounts => all_of(&data)?,
            name => (Choice::only(choose_account(&data, name.as_deref())?), Vec::new()),
        };
        let entrance = Entrance::open(&options).await?;
        Self::enter(entrance, options, first, others).await
    }

    /// Starts accounts behind a door that is ours.
    pub(crate) async fn enter(
        mut entrance: Entrance,
        options: NodeOptions,
        first: Choice,
        others: Vec<Choice>,
    ) -> Result<Self, NodeError> {
        let mut ports = BTreeSet::new();
        let (mut residents, mut failures) = (Vec::new(), Vec::new());
        for choice in [first].into_iter().chain(others) {
            let account = choice.account.clone();
            let site = (&entrance.data.clone(), &entrance.stop.clone());
            match Resident::start(site, &mut entrance.services, &options, choice, &mut ports) {
                Ok(resident) => residents.push(resident),
                Err(error) => failures.push((account, error)),
            }
        }
        let names: Vec<String> = residents
            .iter()
            .map(|one| one.account.facts().account.clone())
            .collect();
        entrance.admit(&names);
        let told = if options.hidden { Ok(()) } else { entrance.tell_where() };
        if let Err(error) = told {
            failures.insert(0, (String::new(), error.into()));
            entrance.stop.cancel();
            for resident in &mut residents {
                resident.stop().await;
            }
            residents.clear();
        }
        if residents.is_empty() {
            entrance.close().await;
            entrance.forget_where();
            let first = failures.into_iter().next();
            return Err(first.map_or_else(|| io::Error::other("no account was chosen").into(), |(_, error)| error));
        }
        let keeping = keep_tokens(entrance.door.guard.clone(), entrance.stop.child_token());
        entrance.services.spawn(keeping);
        let accounts = residents.iter().map(|resident| resident.account.clone()).collect();
        let queue = entrance.door.newcomers.open_desk();
        let rooms = api::account_rooms(&entrance.door, accounts);
        let desk = Desk::new((*entrance).clone(), options, ports, residents.len());
        let desk = AbortOnDropHandle::new(tokio::spawn(desk.serve(queue)));
        entrance.serve(rooms);
        let first = residents.remove(0);
        Ok(Self {
            first,
            others: residents,
            failures,
            entrance,
            desk,
        })
    }

    /// Accounts of this node that could not be started beside the others, and why.
    #[must_use]
    pub fn failures(&self) -> &[(String, NodeError)] {
        &self.failures
    }

    /// The first account.
    #[must_use]
    pub fn account(&self) -> &AccountHandle {
        &self.first.account
    }

    /// All accounts that run, the first one first.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountHandle> {
        self.residents().map(|resident| &resident.account)
    }

    fn residents(&self) -> impl Iterator<Item = &Resident> {
        [&self.first].into_iter().chain(&self.others)
    }

    /// Who runs here first.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        self.first.account.facts()
    }

    /// What opening the first account's store found.
    #[must_use]
    pub fn report(&self) -> &OpenReport {
        &self.first.report
    }

    /// Where the API is: `http://IP:PORT`.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.entrance.url()
    }

    /// The command line's token for the first account.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.entrance.token
    }

    /// The command line's token for an account that runs.
    #[must_use]
    pub fn token_of(&self, account: &str) -> Option<Zeroizing<String>> {
        self.entrance.token_of(account)
    }

    /// Says who may make an account through the API and the gateways, from now on; nobody may before.
    pub fn set_registration(&self, rule: Registration) {
        self.entrance.door.newcomers.set_rule(rule);
        self.entrance.door.introduce();
    }

    /// Says whether the people of this node become contacts of each other by themselves and find each other's public rooms; if
    /// nothing is said, they do where newcomers are taken.
    pub fn set_local_contacts(&self, local: Option<bool>) {
        self.entrance.door.newcomers.set_local(local);
        self.entrance.door.introduce();
    }

    /// Opens a gateway for UIs of another backend's family; returns where it listens.
    ///
    /// # Errors
    /// The address cannot be had; the node goes on without it.
    pub async fn open_gateway(&mut self, gateway: Gateway) -> Result<SocketAddr, BindError> {
        self.entrance.open_gateway(gateway).await
    }

    /// Lets other machines of the network in to the API, over TLS; says where they find it.
    ///
    /// # Errors
    /// The address cannot be had, or there is no certificate; the node goes on without it.
    pub async fn open_lan(&mut self, lan: Lan) -> Result<LanFacts, LanError> {
        self.entrance.open_lan(lan).await
    }

    /// Stops: sockets are drained, what was accepted is on disk, the stores are closed cleanly.
    pub async fn stop(mut self) {
        self.entrance.close().await;
        let mut late = (&mut self.desk).await.unwrap_or_default();
        for resident in [&mut self.first].into_iter().chain(&mut self.others).chain(&mut late) {
            resident.stop().await;
        }
        self.entrance.forget_where();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.entrance.stop.cancel();
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

/// An account that is to run.
pub(crate) struct Choice {
    account: String,
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

/// Erases the accounts that were removed while the node ran. Nothing is done where another process has the directory.
fn erase_removed(data: &DataDir) -> io::Result<()> {
    let file = data.node("roles");
    if !file.exists() {
        return Ok(());
    }
    let Ok(_lock) = DataLock::acquire(data.root()) else {
        return Ok(());
    };
    let roles = api::Roles::open(file);
    let there = data.accounts()?;
    for account in roles.removed() {
        if !there.contains(&account) {
            roles.forget(&account)?;
            continue;
        }
        match std::fs::remove_dir_all(data.account(&account)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => roles.forget(&account)?,
        }
        tracing::info!("an account that was removed is erased");
    }
    Ok(())
}

/// All accounts. Of several, the password is for those that need one.
fn all_of(data: &DataDir) -> Result<(Choice, Vec<Choice>), AccountError> {
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

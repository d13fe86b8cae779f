//! A running node: its accounts, each with a network of its own, behind one local API, and the services around them.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use parlour_net::NetError;
use parlour_store::{DataLock, LockError, OpenReport, StoreOpenError};
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

use crate::account::{AccountError, choose_account};
use crate::api::{self, ApiLimits, BindError, Lan, LanError, Registration};
use crate::data::DataDir;
use crate::desk::Desk;
use crate::entrance::{Entrance, LanFacts};
use crate::gateways::Gateway;
use crate::handle::{AccountHandle, Facts};
use crate::resident::{Choice, Resident, all_of};
use crate::runner::StartError;
use crate::upkeep::keep_tokens;

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

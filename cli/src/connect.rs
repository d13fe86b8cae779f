//! Finds the node of a data directory: the one that runs there, or else one started inside this process and stopped after the
//! command. Either way the commands talk to it over HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use parlour_node::{ApiLimits, DataDir, Node, NodeOptions};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use crate::args::Global;
use crate::client::{CallError, Client};
use crate::failure::{is_data_in_use, needs_password};
use crate::password;

/// A node that runs answers this fast; one that does not is taken for dead.
const PROBE: Duration = Duration::from_secs(5);
/// The data directory may be held for a moment by a node that starts or stops, or by another short command.
pub(crate) const HELD: Duration = Duration::from_secs(5);
pub(crate) const HELD_STEP: Duration = Duration::from_millis(50);
/// A node goes on with a new account in a fraction of this.
const COMPLETION: Duration = Duration::from_secs(20);

/// What a command needs of a node that is started for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only what is on disk.
    Disk,
    /// Other nodes too.
    Network,
}

/// A node to talk to.
#[derive(Debug)]
pub(crate) struct Session {
    pub client: Client,
    node: Option<Node>,
}

impl Session {
    /// # Errors
    /// There is no account, it cannot be opened, or the node does not answer.
    pub(crate) async fn open(global: &Global, reach: Reach) -> Result<Self> {
        let data = data_dir(global)?;
        if let Some(client) = running(&data, global.account.as_deref()).await? {
            return Ok(Self { client, node: None });
        }
        let options = unlocked(global, embedded_options(&data, reach))?;
        let deadline = Instant::now() + HELD;
        loop {
            match start(options.clone()).await {
                Ok(node) => return Self::embedded(node),
                Err(error) if is_data_in_use(&error) && Instant::now() < deadline => sleep(HELD_STEP).await,
                Err(error) => return Err(error),
            }
            if let Some(client) = running(&data, global.account.as_deref()).await? {
                return Ok(Self { client, node: None });
            }
        }
    }

    fn embedded(node: Node) -> Result<Self> {
        Ok(Self {
            client: client_of(&node, true)?,
            node: Some(node),
        })
    }

    /// Stops the node if it was started for this command.
    pub(crate) async fn close(self) {
        if let Some(node) = self.node {
            node.stop().await;
        }
    }
}

/// A client for a node in this process.
///
/// # Errors
/// Never, for a node that has started.
pub(crate) fn client_of(node: &Node, embedded: bool) -> Result<Client> {
    Ok(Client::new(&node.api_url(), node.token(), embedded)?)
}

/// As [`client_of`], for each account that runs there.
///
/// # Errors
/// Never, for a node that has started.
pub(crate) fn clients_of(node: &Node) -> Result<Vec<Client>> {
    let tokens = node
        .accounts()
        .filter_map(|account| node.token_of(&account.facts().account));
    tokens
        .map(|token| Ok(Client::new(&node.api_url(), &token, false)?))
        .collect()
}

/// Fills in which account is meant, and its password if one was given.
///
/// # Errors
/// The password cannot be read.
pub(crate) fn unlocked(global: &Global, mut options: NodeOptions) -> Result<NodeOptions> {
    options.account.clone_from(&global.account);
    options.password = password::given(global)?;
    Ok(options)
}

/// Starts a node, asking for the password if it needs one that was not given.
///
/// # Errors
/// The node cannot start.
pub(crate) async fn start(mut options: NodeOptions) -> Result<Node> {
    let given = options.password.is_some();
    match Node::start(options.clone()).await {
        Err(error) if !given && needs_password(&error) => {
            options.password = Some(password::ask_once()?);
            Ok(Node::start(options).await?)
        }
        result => Ok(result?),
    }
}

fn embedded_options(data: &Path, reach: Reach) -> NodeOptions {
    NodeOptions {
        data: data.to_owned(),
        account: None,
        all_accounts: false,
        password: None,
        api: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        listen: Vec::new(),
        announce: Vec::new(),
        bootstrap: Vec::new(),
        mdns: reach == Reach::Network,
        network: reach == Reach::Network,
        limits: ApiLimits::default(),
        origins: Vec::new(),
        // It only reads and writes the disk for a moment.
        hidden: reach == Reach::Disk,
    }
}

/// Where the account is, by option, environment or platform.
///
/// # Errors
/// The platform names no home directory.
pub(crate) fn data_dir(global: &Global) -> Result<PathBuf> {
    if let Some(data) = &global.data {
        return Ok(data.clone());
    }
    let dirs = directories::ProjectDirs::from("", "", "parlour");
    let dirs = dirs.context("this system names no home directory: say --data DIR or set PARLOUR_DATA")?;
    Ok(dirs.data_dir().to_owned())
}

/// The node that runs on a data directory, if one does.
///
/// # Errors
/// One runs, for another account or without one.
pub(crate) async fn running(data: &Path, account: Option<&str>) -> Result<Option<Client>> {
    let (client, there) = match probe(data, account).await {
        None => return Ok(None),
        Some(Found::Waiting(_)) => bail!(
            "the node that runs on {} has no account yet: make one with `parlour init --name NAME`, or in a browser with \
             the link that `parlour open` prints",
            data.display()
        ),
        Some(Found::Accounts(client, there)) => (client, there),
    };
    match account {
        Some(wanted) if !there.iter().any(|name| name == wanted) => {
            let (path, there) = (data.display(), there.join(", "));
            bail!("the account {wanted:?} does not run on the node of {path}; these do: {there}")
        }
        // However many of them run: who is meant depends on nothing that changes by itself.
        None => {
            only_one(&DataDir::new(data))?;
            Ok(Some(client))
        }
        Some(_) => Ok(Some(client)),
    }
}

/// # Errors
/// There are several accounts, so that one has to be named.
pub(crate) fn only_one(data: &DataDir) -> Result<()> {
    let all = data.accounts()?;
    if all.len() > 1 {
        let all = all.join(", ");
        bail!("there are several accounts here: choose one with --account ({all})");
    }
    Ok(())
}

/// The node that runs on a data directory and waits for an account, if one does.
pub(crate) async fn waiting(data: &Path) -> Option<Client> {
    match probe(data, None).await? {
        Found::Waiting(client) => Some(client),
        Found::Accounts(..) => None,
    }
}

/// The node that runs on a data directory, whether it has accounts or waits for one.
pub(crate) async fn answering(data: &Path) -> Option<Client> {
    match probe(data, None).await? {
        Found::Waiting(client) | Found::Accounts(client, _) => Some(client),
    }
}

/// Whether a node with an account answers on a data directory.
pub(crate) async fn is_complete(data: &Path) -> bool {
    matches!(probe(data, None).await, Some(Found::Accounts(..)))
}

/// Waits until the node that was given an account has gone on with it; answers whether it has.
pub(crate) async fn completed(data: &Path) -> bool {
    let deadline = Instant::now() + COMPLETION;
    while !is_complete(data).await {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(HELD_STEP).await;
    }
    true
}

/// Whoever answers on a data directory.
enum Found {
    /// A node that runs these accounts, by the token of the one that was named, or of the first one.
    Accounts(Client, Vec<String>),
    /// A node without an account.
    Waiting(Client),
}

#[derive(Deserialize)]
struct Address {
    url: String,
    #[serde(default)]
    accounts: Vec<String>,
}

/// A node that has died leaves its files behind, and its port may be another's by now: only an answer to its own token counts.
async fn probe(data: &Path, account: Option<&str>) -> Option<Found> {
    let data = DataDir::new(data);
    let Address { url, accounts } = serde_json::from_slice(&std::fs::read(data.address()).ok()?).ok()?;
    let known = account.filter(|wanted| accounts.iter().any(|name| name == wanted));
    let cookie = known.or(accounts.first().map(String::as_str));
    let cookie = cookie.map_or_else(|| data.cookie(), |name| data.cookie_of(name));
    let token = std::fs::read_to_string(cookie).ok()?;
    let client = Client::new(&url, &token, false).ok()?;
    match timeout(PROBE, client.get(&["me"], &[])).await.ok()? {
        Ok(_) => Some(Found::Accounts(client, accounts)),
        Err(CallError::Refused(problem)) if problem.code == "no_account" => Some(Found::Waiting(client)),
        Err(_) => None,
    }
}

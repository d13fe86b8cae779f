//! `parlour up`

use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use parlour_node::{DataDir, Family, NewAccount, Node, NodeOptions, Registration, Ui, WaitingNode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::args::Global;
use crate::client::Client;
use crate::commands::init;
use crate::config::{Config, Named, Told, of_gateway};
use crate::connect::{HELD, HELD_STEP, clients_of, data_dir, is_complete, running, start, unlocked, waiting};
use crate::doors::Doors;
use crate::failure::{PortInUse, holder_of_port, is_data_in_use, taken_port};
use crate::lan::{LanOptions, own_address};
use crate::output::Output;
use crate::stop::Stop;
use crate::text;

/// How long addresses may take to be there, and how often we look.
const LISTENING: Duration = Duration::from_secs(2);
const LISTENING_STEP: Duration = Duration::from_millis(10);

const EXAMPLES: &str = "\
Examples:
  parlour up
  parlour up --listen 0.0.0.0:4001 --listen '[::]:4001'
  parlour up --listen 0.0.0.0:4001 --announce ada.example:4001 --bootstrap bo.example:4001
  parlour up --lan --lan-host box.example
  parlour up --gateway echoroom --gateway-ui echoroom=http://127.0.0.1:5173
  parlour --data /srv/ada up --api 127.0.0.1:7701 --no-mdns --log-json";

/// Run the node until Ctrl-C, with all accounts of the data directory or the one that --account names
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Up {
    /// Where programs of this machine talk to the node
    #[arg(long, value_name = "IP:PORT", env = "PARLOUR_API", default_value = "127.0.0.1:7700", value_parser = own_address)]
    api: SocketAddr,
    #[command(flatten)]
    lan: LanOptions,
    /// Where other nodes reach this one: IP:PORT (for QUIC and TCP) or a multiaddr; repeatable [default: the port of the
    /// first start, on all interfaces]
    #[arg(long, value_name = "ADDR", env = "PARLOUR_LISTEN", value_delimiter = ',')]
    listen: Vec<String>,
    /// Where others reach this node besides, such as a name or a forwarded port: HOST:PORT or a multiaddr; repeatable. Told
    /// before the rest, and not checked
    #[arg(long, value_name = "ADDR", env = "PARLOUR_ANNOUNCE", value_delimiter = ',')]
    announce: Vec<String>,
    /// A node to stay connected to, whoever it is: HOST:PORT or a multiaddr; repeatable. Contacts who have one in common
    /// find each other through it
    #[arg(long, value_name = "ADDR", env = "PARLOUR_BOOTSTRAP", value_delimiter = ',')]
    bootstrap: Vec<String>,
    /// Also speak for another chat backend, to web UIs that were written for it: NAME or NAME=IP:PORT; repeatable. There are
    /// echoroom (port 3000), socketchat (5000) and chatterbox (9002)
    #[arg(
        long = "gateway",
        value_name = "NAME",
        env = "PARLOUR_GATEWAY",
        value_delimiter = ','
    )]
    gateways: Vec<Named>,
    /// Also serve that gateway's web UI: NAME=DIR (files), or NAME=http://127.0.0.1:PORT (a server to pass requests on to)
    #[arg(
        long = "gateway-ui",
        value_name = "NAME=UI",
        env = "PARLOUR_GATEWAY_UI",
        value_delimiter = ',',
        value_parser = of_gateway::<Ui>
    )]
    uis: Vec<(Family, Ui)>,
    /// Let pages of one more origin use that gateway, such as NAME=http://localhost:5173
    #[arg(
        long = "gateway-origin",
        value_name = "NAME=ORIGIN",
        env = "PARLOUR_GATEWAY_ORIGIN",
        value_delimiter = ',',
        value_parser = of_gateway::<String>
    )]
    origins: Vec<(Family, String)>,
    /// Who may make an account through the API and the gateways: closed (nobody), first (whoever comes first to a node that has
    /// none), invite (with a code of `parlour accounts invite`), open (whoever can reach them) [default: closed]
    #[arg(long, value_name = "RULE", env = "PARLOUR_REGISTRATION")]
    registration: Option<Registration>,
    /// Whether the accounts of this node become contacts of each other by themselves, and find each other's public rooms
    /// [default: true where the rule of registration is invite or open]
    #[arg(long, value_name = "BOOL", env = "PARLOUR_LOCAL_CONTACTS")]
    local_contacts: Option<bool>,
    /// Let pages of an origin use the API with a token, such as http://localhost:5173
    #[arg(
        long = "allow-origin",
        value_name = "ORIGIN",
        env = "PARLOUR_ALLOW_ORIGIN",
        value_delimiter = ','
    )]
    pages: Vec<String>,
    /// Do not look for contacts on the local network
    #[arg(long)]
    no_mdns: bool,
    /// Log JSON lines
    #[arg(long)]
    pub log_json: bool,
}

impl Up {
    pub(crate) async fn run(self, global: &Global, out: &Output) -> Result<ExitCode> {
        let data = data_dir(global)?;
        let mut has_account = !DataDir::new(&data).accounts()?.is_empty();
        if !has_account && std::io::stdin().is_terminal() {
            first_account(&data, global, out).await?;
            has_account = true;
        }
        let told = Told {
            gateways: self.gateways,
            uis: self.uis,
            origins: self.origins,
        };
        let mut config = Config::read(&data)?;
        let lan = config.lan(self.lan)?;
        let rule = self.registration.or(config.registration()?).unwrap_or_default();
        let pages = config.pages(self.pages)?;
        let local = self.local_contacts.or(config.local_contacts());
        let announce = config.announce(self.announce);
        let bootstrap = config.bootstrap(self.bootstrap);
        let limits = config.limits()?;
        let doors = Doors {
            gateways: config.gateways(told)?,
            lan,
        };
        // Before anything else, so that a signal at any time stops cleanly.
        let mut stop = Stop::new()?;
        let options = NodeOptions {
            data: data.clone(),
            account: None,
            all_accounts: true,
            password: None,
            api: self.api,
            listen: self.listen,
            announce,
            bootstrap,
            mdns: !self.no_mdns,
            network: true,
            limits: doors.within(limits, out),
            origins: pages,
            hidden: false,
        };
        let options = unlocked(global, options)?;
        let started = if has_account {
            Box::pin(patiently(&data, async || start(options.clone()).await))
                .await
                .map(Some)
        } else {
            Box::pin(start_and_wait(options, (rule, local), &doors, &mut stop, out)).await
        };
        let mut node = match started {
            Ok(Some(node)) => node,
            Ok(None) => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(explained(error, &data).await),
        };
        if has_account {
            node.set_local_contacts(local);
            node.set_registration(rule);
            if let Err(error) = doors.open(&mut node, out).await {
                node.stop().await;
                return Err(error);
            }
        }
        greet(&node, &data, out).await?;
        stop.asked().await;
        out.note("stopping");
        tokio::select! {
            () = node.stop() => Ok(ExitCode::SUCCESS),
            () = stop.asked() => bail!("stopped before all was in order; nothing accepted is lost"),
        }
    }
}

async fn first_account(data: &Path, global: &Global, out: &Output) -> Result<()> {
    out.note(&format!(
        "There is no account in {} yet; let us make one.",
        data.display()
    ));
    let name = init::ask_name(out, "")?;
    let password = init::new_password(global)?;
    let new = NewAccount {
        name,
        account: None,
        password,
        require_password: false,
        words: None,
    };
    init::show(&init::make(data, new).await?, data, out)
}

/// Starts without an account, and goes on as soon as somebody has made one. `None` if asked to stop before.
async fn start_and_wait(
    options: NodeOptions,
    (rule, local): (Registration, Option<bool>),
    doors: &Doors,
    stop: &mut Stop,
    out: &Output,
) -> Result<Option<Node>> {
    let path = options.data.display().to_string();
    let mut waiting = patiently(&options.data, async || Ok(WaitingNode::start(options.clone()).await?)).await?;
    waiting.set_local_contacts(local);
    waiting.set_registration(rule);
    if let Err(error) = doors.open(&mut waiting, out).await {
        waiting.stop().await;
        return Err(error);
    }
    let link = waiting.link();
    out.note(&format!(
        "There is no account in {path} yet. Make or restore one in a browser on this machine; this link works once, for \
         five minutes:\n\n  {}\n\nor in another terminal: `parlour init --name NAME`. A new link: `parlour open`.",
        link.as_str(),
    ));
    if out.is_json() {
        let state = json!({
            "state": "no_account",
            "link": link.as_str(),
            "api": waiting.api_url(),
            "data": path,
        });
        out.item(&state, String::new)?;
    }
    out.note("waiting for an account");
    tokio::select! {
        () = waiting.account() => {}
        () = stop.asked() => {
            out.note("stopping");
            waiting.stop().await;
            return Ok(None);
        }
    }
    out.note("The account is made.");
    Ok(Some(waiting.complete().await?))
}

/// Starts; waits a moment if a short command holds the directory.
async fn patiently<T>(data: &Path, start: impl AsyncFn() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + HELD;
    loop {
        match Box::pin(start()).await {
            Err(error) if is_data_in_use(&error) && Instant::now() < deadline => {
                // A node that answers will not go away.
                if waiting(data).await.is_some() || is_complete(data).await {
                    return Err(error);
                }
                sleep(HELD_STEP).await;
            }
            result => return result,
        }
    }
}

/// Says who runs here, where, and what can be done now. The last line is `ready`, for programs that wait for it.
async fn greet(node: &Node, data: &Path, out: &Output) -> Result<()> {
    let clients = clients_of(node)?;
    let mut accounts = Vec::new();
    for client in &clients {
        let me = listening(client).await?;
        introduce(&me, clients.len() > 1, out);
        accounts.push(me);
    }
    for (account, error) in node.failures() {
        out.note(&format!("The account {account} does not run: {error}"));
    }
    let directory = DataDir::new(data);
    let cookie = match (directory.accounts()?.len(), clients.len()) {
        (0 | 1, _) => directory.cookie(),
        (_, 1) => directory.cookie_of(&node.facts().account),
        _ => directory.cookie_of("ACCOUNT"),
    };
    out.note(&format!(
        "  API         {} (token: {})",
        node.api_url(),
        cookie.display()
    ));
    // A link opens the account: where nobody looks, it would only stay in a log.
    if let [client] = clients.as_slice()
        && std::io::stderr().is_terminal()
    {
        let link = client.post(&["session", "link"], &json!({})).await?;
        out.note(&format!(
            "  page        {} (once, for five minutes; `parlour open` prints a new link)",
            text::one_line(link["link"].as_str().unwrap_or_default())
        ));
    }
    out.note(next(&clients).await?);
    out.note("Ctrl-C stops the node.");
    if out.is_json()
        && let Some(first) = accounts.first()
    {
        let mut ready = first.clone();
        ready["api"] = json!(node.api_url());
        ready["data"] = json!(data.display().to_string());
        ready["accounts"] = accounts.iter().map(|me| me["account"].clone()).collect();
        out.item(&ready, String::new)?;
    }
    out.note("ready");
    Ok(())
}

/// Says who an account is and where it is reached.
fn introduce(me: &Value, of_several: bool, out: &Output) {
    let field = |name: &str| text::one_line(me[name].as_str().unwrap_or_default());
    out.note(&format!("{} ({})", field("name"), field("user_id")));
    if of_several {
        out.note(&format!("  account     {}", field("account")));
    }
    let addresses: Vec<&str> = me["listen"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for address in &addresses {
        out.note(&format!("  listens on  {}", text::one_line(address)));
    }
    if addresses.is_empty() {
        out.note("  listens nowhere yet: others cannot reach this node");
    }
}

/// What can be done now.
async fn next(clients: &[Client]) -> Result<&'static str> {
    let [client] = clients else {
        return Ok(
            "Next, in another terminal: `parlour accounts`, `parlour open --account NAME` for a page, any command with --account NAME.",
        );
    };
    Ok(if client.get(&["stats"], &[]).await?["contacts"] == json!(0) {
        "Next, in another terminal: `parlour open` for the page in a browser, `parlour invite` for a link to give, `parlour add LINK` to open one."
    } else {
        "Next, in another terminal: `parlour open` for the page in a browser, `parlour contacts`, `parlour send WHO \"text\"`, `parlour tail -f`."
    })
}

/// Who we are, once we listen somewhere or it takes too long.
async fn listening(client: &Client) -> Result<Value> {
    let deadline = Instant::now() + LISTENING;
    loop {
        let me = client.get(&["me"], &[]).await?;
        let listens = me["listen"].as_array().is_some_and(|addresses| !addresses.is_empty());
        if listens || Instant::now() >= deadline {
            return Ok(me);
        }
        sleep(LISTENING_STEP).await;
    }
}

/// Adds what helps to what went wrong.
async fn explained(error: anyhow::Error, data: &Path) -> anyhow::Error {
    if is_data_in_use(&error) && waiting(data).await.is_some() {
        return error.context("a node runs here already and waits for its account; `parlour status` says what to do");
    }
    if is_data_in_use(&error) {
        return match running(data, None).await {
            Ok(Some(_)) => error.context("a node is running already; `parlour status` shows how it is"),
            _ => error,
        };
    }
    let Some(address) = taken_port(&error) else {
        return error;
    };
    let holder = holder_of_port(address).unwrap_or_else(|| "another program".to_owned());
    let free = free_port(address)
        .map(|free| format!(": try `parlour up --api {free}`"))
        .unwrap_or_default();
    PortInUse { address, holder, free }.into()
}

/// A port near the wanted one that is free now.
fn free_port(wanted: SocketAddr) -> Option<SocketAddr> {
    const NEAR: u16 = 50;
    (1..=NEAR)
        .filter_map(|step| Some(SocketAddr::new(wanted.ip(), wanted.port().checked_add(step)?)))
        .find(|address| TcpListener::bind(address).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_suggested_is_free() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().unwrap();
        if let Some(free) = free_port(taken) {
            assert_ne!(free, taken);
            assert!(TcpListener::bind(free).is_ok());
        }
    }
}

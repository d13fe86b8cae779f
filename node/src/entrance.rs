//! What a node has before it has accounts: the data directory's lock, the API's address, and the files that tell the
//! command line of both. What is served there can change; nothing else does.

use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parlour_store::DataLock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::api::{self, ApiConfig, BindError, CertificateError, Door, Keeper, Lan, LanDoor, LanError, Roles, Rooms};
use crate::data::{DataDir, write_private};
use crate::gateways::{Gateway, Open};
use crate::node::{NodeError, NodeOptions};
use crate::runner::now_ms;

/// Where other machines of the network find the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanFacts {
    /// `https://HOST:PORT`, the best first.
    pub urls: Vec<String>,
    /// SHA-256 of the certificate, as browsers show it.
    pub fingerprint: String,
}

impl LanFacts {
    fn of(lan: &LanDoor) -> Self {
        Self {
            urls: lan.urls(),
            fingerprint: lan.tls.facts().fingerprint,
        }
    }
}

/// A data directory and an address that are ours.
pub(crate) struct Entrance {
    hall: Hall,
    pub(crate) services: JoinSet<()>,
    /// Until it is served.
    listener: Option<TcpListener>,
}

impl Deref for Entrance {
    type Target = Hall;

    fn deref(&self) -> &Hall {
        &self.hall
    }
}

/// Names of accounts with the command line's tokens for them.
type Tokens = Vec<(String, Zeroizing<String>)>;

/// Who has come in, and what is behind the door. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hall {
    pub(crate) data: DataDir,
    pub(crate) door: Door,
    /// The command line's token for the first account.
    pub(crate) token: Zeroizing<String>,
    /// Those for each account, by number.
    tokens: Arc<Mutex<Tokens>>,
    pub(crate) stop: CancellationToken,
    pub(crate) rooms: Arc<watch::Sender<Rooms>>,
    pub(crate) lock: Arc<DataLock>,
}

impl Entrance {
    /// Takes the directory and the address; nothing is served yet.
    ///
    /// # Errors
    /// One of them is somebody else's.
    pub(crate) async fn open(options: &NodeOptions) -> Result<Self, NodeError> {
        let data = DataDir::new(&options.data);
        data.create()?;
        let lock = DataLock::acquire(data.root())?;
        // What a node that died left behind must not lead anybody to whoever has its port now.
        for left in left_behind(&data)? {
            std::fs::remove_file(left)?;
        }
        let listener = api::bind(options.api).await?;
        let token = api::random_token();
        let mut config = ApiConfig::new(options.api, token.clone());
        config.limits = options.limits.clone();
        config.allowed_origins = options.origins.clone();
        let stop = CancellationToken::new();
        let door = Door::new(listener.local_addr()?, config, stop.child_token());
        door.newcomers.keep_in(data.node("invitations"));
        door.guard.auth().keep_roles(Roles::open(data.node("roles")));
        Ok(Self {
            hall: Hall {
                data,
                door,
                token,
                tokens: Arc::default(),
                stop,
                rooms: Arc::new(watch::channel(Rooms::from([])).0),
                lock: Arc::new(lock),
            },
            services: JoinSet::new(),
            listener: Some(listener),
        })
    }

    /// Serves this from now on.
    pub(crate) fn serve(&mut self, rooms: Rooms) {
        self.rooms.send_modify(|behind| *behind = rooms);
        if let Some(listener) = self.listener.take() {
            let served = api::run(listener, self.door.clone(), self.rooms.subscribe());
            self.services.spawn(served);
        }
    }

    /// Opens a gateway beside the API; returns where it listens.
    pub(crate) async fn open_gateway(&mut self, gateway: Gateway) -> Result<SocketAddr, BindError> {
        let open = Open::bind(gateway, &self.door).await?;
        let address = open.address;
        let served = open.run(self.door.clone(), self.rooms.subscribe());
        self.services.spawn(served);
        Ok(address)
    }

    /// Opens the door to the network beside the API: the same rooms, over TLS. Once.
    pub(crate) async fn open_lan(&mut self, lan: Lan) -> Result<LanFacts, LanError> {
        let listener = api::bind(lan.listen).await?;
        let address = listener.local_addr().unwrap_or(lan.listen);
        let folder = self.data.root().join("tls");
        let open = tokio::task::spawn_blocking(move || lan.door(address, &folder)).await;
        let lan = open.map_err(|error| CertificateError::Write(io::Error::other(error)))??;
        let door = self.door.lan(&lan);
        self.services.spawn(lan.tls.clone().keep(self.stop.child_token()));
        self.services.spawn(api::run(listener, door, self.rooms.subscribe()));
        let facts = LanFacts::of(&lan);
        let _ = self.door.lan.set(lan);
        Ok(facts)
    }

    /// Ends the services; requests under way are answered.
    pub(crate) async fn close(&mut self) {
        self.stop.cancel();
        while self.services.join_next().await.is_some() {}
    }
}

impl Hall {
    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a token for each of these accounts, in this order. The first one keeps the token there was before.
    pub(crate) fn admit(&self, accounts: &[String]) {
        let mut tokens = self.tokens();
        for name in accounts {
            let token = if tokens.is_empty() {
                self.token.clone()
            } else {
                let token = api::random_token();
                self.door.guard.auth().add_cookie(&token);
                token
            };
            let keeper = Keeper::open(name, self.data.access(name));
            self.door.guard.auth().admit_kept(tokens.len(), keeper, now_ms());
            tokens.push((name.clone(), token));
        }
        let names: Vec<&str> = tokens.iter().map(|(name, _)| name.as_str()).collect();
        self.door.guard.auth().know(&names);
    }

    /// The command line's token for an account.
    pub(crate) fn token_of(&self, account: &str) -> Option<Zeroizing<String>> {
        let tokens = self.tokens();
        let (_, token) = tokens.iter().find(|(name, _)| name == account)?;
        Some(token.clone())
    }

    /// Tells the command line where the API is, for whom, and how to use it.
    pub(crate) fn tell_where(&self) -> io::Result<()> {
        let cookie = |file: PathBuf, token: &str| write_private(&file, format!("{token}\n").as_bytes());
        // Of several accounts none is meant by itself.
        if self.data.accounts()?.len() < 2 {
            cookie(self.data.cookie(), &self.token)?;
        }
        let tokens = self.tokens();
        for (account, token) in &*tokens {
            cookie(self.data.cookie_of(account), token)?;
        }
        let accounts: Vec<&str> = tokens.iter().map(|(account, _)| account.as_str()).collect();
        let address = serde_json::json!({ "url": self.url(), "pid": std::process::id(), "accounts": accounts });
        write_private(&self.data.address(), address.to_string().as_bytes())
    }

    /// Where the API is: `http://IP:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.door.address)
    }

    /// Says no more where the door is.
    pub(crate) fn forget_where(&self) {
        for file in left_behind(&self.data).unwrap_or_default() {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// The files that tell of a node.
fn left_behind(data: &DataDir) -> io::Result<Vec<PathBuf>> {
    let Some(folder) = data.cookie().parent().map(ToOwned::to_owned) else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path == data.address() || path == data.cookie() || path.extension().is_some_and(|end| end == "cookie") {
            files.push(path);
        }
    }
    Ok(files)
}

impl std::fmt::Debug for Entrance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entrance")
            .field("data", &self.data)
            .field("address", &self.door.address)
            .finish_non_exhaustive()
    }
}

//! What a node has before it has an account: the data directory's lock, the API's address, and the files that tell the
//! command line of both. What is served there can change; nothing else does.

use std::io;
use std::sync::Arc;

use axum::Router;
use parlour_store::DataLock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::api::{self, ApiConfig, Door};
use crate::data::{DataDir, write_private};
use crate::node::{NodeError, NodeOptions};

/// A data directory and an address that are ours.
pub(crate) struct Entrance {
    pub(crate) data: DataDir,
    pub(crate) door: Door,
    pub(crate) token: Zeroizing<String>,
    pub(crate) stop: CancellationToken,
    pub(crate) services: JoinSet<()>,
    rooms: watch::Sender<Router>,
    /// Until it is served.
    listener: Option<TcpListener>,
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
        for left in [data.address(), data.cookie()] {
            match std::fs::remove_file(left) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        let listener = api::bind(options.api).await?;
        let token = api::random_token();
        let mut config = ApiConfig::new(options.api, token.clone());
        config.limits = options.limits.clone();
        let stop = CancellationToken::new();
        Ok(Self {
            data,
            door: Door::new(listener.local_addr()?, config, stop.child_token()),
            token,
            stop,
            services: JoinSet::new(),
            rooms: watch::channel(Router::new()).0,
            listener: Some(listener),
            lock: Arc::new(lock),
        })
    }

    /// Serves this from now on.
    pub(crate) fn serve(&mut self, rooms: Router) {
        self.rooms.send_modify(|behind| *behind = rooms);
        if let Some(listener) = self.listener.take() {
            self.services
                .spawn(api::run(listener, self.door.clone(), self.rooms.subscribe()));
        }
    }

    /// Tells the command line where the API is and how to use it.
    pub(crate) fn tell_where(&self) -> io::Result<()> {
        write_private(&self.data.cookie(), format!("{}\n", self.token.as_str()).as_bytes())?;
        let address = serde_json::json!({ "url": self.url(), "pid": std::process::id() });
        write_private(&self.data.address(), address.to_string().as_bytes())
    }

    /// Where the API is: `http://IP:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.door.address)
    }

    /// Ends the services; requests under way are answered.
    pub(crate) async fn close(&mut self) {
        self.stop.cancel();
        while self.services.join_next().await.is_some() {}
    }

    /// Takes back what [`Entrance::tell_where`] said.
    pub(crate) fn forget_where(&self) {
        for file in [self.data.address(), self.data.cookie()] {
            let _ = std::fs::remove_file(file);
        }
    }
}

impl std::fmt::Debug for Entrance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entrance")
            .field("data", &self.data)
            .field("address", &self.door.address)
            .finish_non_exhaustive()
    }
}

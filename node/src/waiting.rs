//! A node without an account: it holds its place and serves its API, takes an account through it, and goes on with that.

use std::net::SocketAddr;
use std::path::Path;

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::api::{self, BindError, Lan, LanError, Made, Registration, Setup};
use crate::entrance::{Entrance, LanFacts};
use crate::gateways::Gateway;
use crate::node::{Node, NodeError, NodeOptions};
use crate::resident::{Choice, listen_addresses, places};

/// A node that waits for its account. Dropping it without [`WaitingNode::stop`] is like a crash.
#[derive(Debug)]
pub struct WaitingNode {
    entrance: Entrance,
    options: NodeOptions,
    account: Account,
}

/// The account: to come, or made.
#[derive(Debug)]
enum Account {
    Awaited(oneshot::Receiver<Made>),
    Here(Made),
}

impl WaitingNode {
    /// Takes the data directory and the API's address, and serves the page and the API that take an account. If there is an
    /// account by now, it is found at once by [`WaitingNode::account`].
    ///
    /// # Errors
    /// As [`Node::start`], as far as it can be known without an account.
    pub async fn start(options: NodeOptions) -> Result<Self, NodeError> {
        let mut entrance = Entrance::open(&options).await?;
        listen_addresses(&options.listen, Path::new(""))?;
        places(&options.announce)?;
        places(&options.bootstrap)?;
        let (setup, made) = Setup::new(entrance.door.clone(), entrance.data.clone(), entrance.lock.clone());
        if let Some(account) = entrance.data.accounts()?.into_iter().next() {
            setup.found(account, options.password.clone()).await;
        }
        let queue = entrance.door.newcomers.open_desk();
        let desk = api::serve_first(setup.clone(), queue, entrance.rooms.subscribe());
        entrance.services.spawn(desk);
        entrance.serve(api::setup_rooms(setup));
        entrance.tell_where()?;
        Ok(Self {
            entrance,
            options,
            account: Account::Awaited(made),
        })
    }

    /// Where the API is: `http://IP:PORT`.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.entrance.url()
    }

    /// The token of the command line; the complete node has the same.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.entrance.token
    }

    /// A new link to the page: good once, for some minutes. It makes the one before useless.
    #[must_use]
    pub fn link(&self) -> Zeroizing<String> {
        self.entrance.door.link(0).secret
    }

    /// Says who may make an account through the API and the gateways, from now on; nobody may before.
    pub fn set_registration(&self, rule: Registration) {
        self.entrance.door.newcomers.set_rule(rule);
    }

    /// Says whether the people of this node become contacts of each other by themselves, as [`Node::set_local_contacts`].
    pub fn set_local_contacts(&self, local: Option<bool>) {
        self.entrance.door.newcomers.set_local(local);
    }

    /// Opens a gateway for UIs of another backend's family; returns where it listens. The complete node has it, too.
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

    /// Waits until there is an account. The wait may be given up and begun again.
    pub async fn account(&mut self) {
        self.made().await;
    }

    async fn made(&mut self) -> &mut Made {
        if let Account::Awaited(made) = &mut self.account {
            match made.await {
                Ok(made) => self.account = Account::Here(made),
                // The sender lives as long as what is served.
                Err(_) => std::future::pending().await,
            }
        }
        match &mut self.account {
            Account::Here(made) => made,
            Account::Awaited(_) => std::future::pending().await,
        }
    }

    /// Goes on as a complete node, at the same address and with the same tokens, as soon as there is an account.
    ///
    /// # Errors
    /// See [`NodeError`]; nothing keeps running, and the account is there for the next start.
    pub async fn complete(mut self) -> Result<Node, NodeError> {
        let made = self.made().await;
        let (account, password) = (made.account.clone(), made.password.take());
        let Self {
            entrance, mut options, ..
        } = self;
        options.password = password;
        Box::pin(Node::enter(entrance, options, Choice::only(account), Vec::new())).await
    }

    /// Stops waiting.
    pub async fn stop(mut self) {
        self.entrance.close().await;
        self.entrance.forget_where();
    }
}

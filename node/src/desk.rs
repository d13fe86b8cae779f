//! Where people get accounts who come to a node that has some: one after the other is made, started, and put behind the
//! door, while everything else goes on.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::account::{CreateError, Created, NewAccount, create_account_beside};
use crate::api::{Newcomer, RegisterError, Welcome, account_room};
use crate::entrance::Hall;
use crate::node::NodeOptions;
use crate::resident::{Choice, Resident};
use crate::runner::now_ms;

/// Accounts of a node that takes newcomers. Each has a store, a network and a thread of its own.
const MAX_ACCOUNTS: usize = 32;

/// The accounts that were made here since the node's start.
pub(crate) struct Desk {
    hall: Hall,
    options: NodeOptions,
    /// Ports that accounts before have taken.
    ports: BTreeSet<u16>,
    residents: Vec<Resident>,
    services: JoinSet<()>,
    /// Accounts that ran before.
    before: usize,
}

impl Desk {
    pub(crate) fn new(hall: Hall, mut options: NodeOptions, ports: BTreeSet<u16>, before: usize) -> Self {
        // It is somebody else's.
        options.password = None;
        Self {
            hall,
            options,
            ports,
            residents: Vec::new(),
            services: JoinSet::new(),
            before,
        }
    }

    /// Serves until the node stops; answers with the accounts that were made, which run on.
    pub(crate) async fn serve(mut self, mut queue: mpsc::Receiver<Newcomer>) -> Vec<Resident> {
        let stop = self.hall.stop.clone();
        loop {
            let newcomer = tokio::select! {
                () = stop.cancelled() => break,
                newcomer = queue.recv() => newcomer,
            };
            let Some(Newcomer {
                new,
                email,
                password,
                reply,
            }) = newcomer
            else {
                break;
            };
            // Whoever went away can log in.
            let _ = reply.send(self.welcome(new, email, password).await);
        }
        stop.cancelled().await;
        while self.services.join_next().await.is_some() {}
        self.residents
    }

    async fn welcome(
        &mut self,
        new: NewAccount,
        email: Option<String>,
        password: Zeroizing<String>,
    ) -> Result<Welcome, RegisterError> {
        let number = self.before.saturating_add(self.residents.len());
        let (hall, auth) = (self.hall.clone(), self.hall.door.guard.auth().clone());
        if !hall.door.newcomers.may_serve(number) {
            return Err(RegisterError::Closed);
        }
        if hall.data.accounts()?.len() >= MAX_ACCOUNTS {
            return Err(RegisterError::Full);
        }
        let email = auth.check_login(None, email.as_deref(), &password)?;
        let created = self.make(new).await?;
        if let Err(error) = self.start(&created) {
            // Nobody has seen it, and nobody could log in to it.
            let _ = std::fs::remove_dir_all(hall.data.account(&created.account));
            return Err(error);
        }
        let set = move || auth.set_password(number, email.as_deref(), &password, now_ms());
        tokio::task::spawn_blocking(set)
            .await
            .map_err(std::io::Error::other)??;
        Ok(Welcome { created })
    }

    async fn make(&self, new: NewAccount) -> Result<Created, RegisterError> {
        let (data, lock) = (self.hall.data.clone(), self.hall.lock.clone());
        let make = move || create_account_beside(&data, &lock, &new, now_ms());
        let made = tokio::task::spawn_blocking(make).await;
        Ok(made.map_err(|error| CreateError::Io(std::io::Error::other(error)))??)
    }

    /// Starts an account and puts it behind the door, with the next number.
    fn start(&mut self, created: &Created) -> Result<(), RegisterError> {
        let hall = &self.hall;
        let choice = Choice::only(created.account.clone());
        let site = (&hall.data, &hall.stop);
        let started = Resident::start(site, &mut self.services, &self.options, choice, &mut self.ports);
        let resident = started.map_err(|error| RegisterError::Start(error.to_string()))?;
        hall.admit(std::slice::from_ref(&created.account));
        let room = account_room(&hall.door, resident.account.clone());
        hall.rooms.send_modify(|rooms| {
            *rooms = rooms.iter().cloned().chain([room]).collect();
        });
        if let Err(error) = hall.tell_where() {
            tracing::warn!(%error, "the command line could not be told of a new account");
        }
        self.residents.push(resident);
        hall.door.introduce();
        Ok(())
    }
}

//! One file a command. A command's `run` gets a node to talk to and a place for its results; this file only dispatches.

pub(crate) mod add;
pub(crate) mod completions;
pub(crate) mod contacts;
pub(crate) mod demo;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod invite;
pub(crate) mod message;
pub(crate) mod next;
pub(crate) mod search;
pub(crate) mod send;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod up;
pub(crate) mod whoami;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::{Cli, Command, Global};
use crate::client::Client;
use crate::connect::{Reach, Session};
use crate::output::Output;

/// Does what was typed.
///
/// # Errors
/// Whatever the command failed of, to be shown to the user.
pub(crate) async fn dispatch(cli: Cli, out: &Output) -> Result<ExitCode> {
    let global = &cli.global;
    let Some(command) = cli.command else {
        return next::run(global, out).await;
    };
    match command {
        Command::Up(up) => Box::pin(up.run(global, out)).await,
        Command::Init(init) => init.run(global, out).await,
        Command::Demo(demo) => Box::pin(demo.run(out)).await,
        Command::Completions(completions) => completions.run(out),
        Command::Send(send) => {
            let message = send.read(global)?;
            with_node(global, Reach::Network, async |client| message.run(client, out).await).await
        }
        Command::Add(add) => with_node(global, Reach::Network, async |client| add.run(client, out).await).await,
        Command::Invite(invite) => {
            with_node(global, invite.reach(), async |client| invite.run(client, out).await).await
        }
        Command::Tail(tail) => with_node(global, tail.reach(), async |client| tail.run(client, out).await).await,
        Command::Whoami(whoami) => with_node(global, Reach::Disk, async |client| whoami.run(client, out).await).await,
        Command::Contacts(contacts) => {
            with_node(global, Reach::Disk, async |client| contacts.run(client, out).await).await
        }
        Command::History(history) => {
            with_node(global, Reach::Disk, async |client| history.run(client, out).await).await
        }
        Command::Search(search) => with_node(global, Reach::Disk, async |client| search.run(client, out).await).await,
        Command::Status(status) => with_node(global, Reach::Disk, async |client| status.run(client, out).await).await,
        Command::Message(message) => {
            with_node(global, Reach::Disk, async |client| message.run(client, out).await).await
        }
    }
}

async fn with_node(
    global: &Global,
    reach: Reach,
    command: impl AsyncFnOnce(&Client) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let session = Box::pin(Session::open(global, reach)).await?;
    let result = command(&session.client).await;
    session.close().await;
    result
}

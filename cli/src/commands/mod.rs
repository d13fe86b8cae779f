//! One file a command. A command's `run` gets a node to talk to and a place for its results; this file only dispatches.

pub(crate) mod account;
pub(crate) mod accounts;
pub(crate) mod add;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod contacts;
pub(crate) mod conversation;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod draft;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod invite;
pub(crate) mod message;
pub(crate) mod next;
pub(crate) mod notes;
pub(crate) mod open;
pub(crate) mod pins;
pub(crate) mod poll;
pub(crate) mod presence;
pub(crate) mod profile;
pub(crate) mod read;
pub(crate) mod requests;
pub(crate) mod room;
pub(crate) mod search;
pub(crate) mod send;
pub(crate) mod settings;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod tail;
pub(crate) mod thread;
pub(crate) mod timer;
pub(crate) mod token;
pub(crate) mod up;
pub(crate) mod webhook;
pub(crate) mod whoami;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::{Cli, Command, Global};
use crate::client::{CallError, Client};
use crate::connect::{Reach, Session};
use crate::output::Output;

/// How often a command begins again because its node stopped.
const REPEATS: u32 = 5;

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
        Command::Bench(bench) => Box::pin(bench.run(out)).await,
        Command::Account(account) => {
            let (wish, global) = account.read(global)?;
            with_node(&global, Reach::Disk, async |client| wish.run(client, out).await).await
        }
        Command::Accounts(accounts) => accounts.run(global, out).await,
        Command::Open(open) => open.run(global, out).await,
        Command::Completions(completions) => completions.run(out),
        Command::Send(send) => {
            let message = send.read(global)?;
            with_node(global, Reach::Network, async |client| message.run(client, out).await).await
        }
        Command::Add(add) => {
            let add = Box::pin(add.read(global)).await?;
            with_node(global, Reach::Network, async |client| add.run(client, out).await).await
        }
        Command::Invite(invite) => {
            with_node(global, invite.reach(), async |client| invite.run(client, out).await).await
        }
        Command::Tail(tail) => with_node(global, tail.reach(), async |client| tail.run(client, out).await).await,
        Command::Whoami(whoami) => with_node(global, Reach::Disk, async |client| whoami.run(client, out).await).await,
        Command::Contacts(contacts) => {
            with_node(global, contacts.reach(), async |client| contacts.run(client, out).await).await
        }
        Command::Conversation(conversation) => {
            let reach = conversation.reach();
            with_node(global, reach, async |client| conversation.run(client, out).await).await
        }
        Command::Requests(requests) => {
            with_node(global, requests.reach(), async |client| requests.run(client, out).await).await
        }
        Command::Room(room) => with_node(global, room.reach(), async |client| room.run(client, out).await).await,
        Command::Draft(draft) => with_node(global, Reach::Disk, async |client| draft.run(client, out).await).await,
        Command::Typing(typing) => with_node(global, Reach::Disk, async |client| typing.run(client, out).await).await,
        Command::History(history) => {
            with_node(global, Reach::Disk, async |client| history.run(client, out).await).await
        }
        Command::Notes(notes) => with_node(global, Reach::Disk, async |client| notes.run(client, out).await).await,
        Command::Read(read) => with_node(global, Reach::Network, async |client| read.run(client, out).await).await,
        Command::Profile(profile) => {
            with_node(global, Reach::Network, async |client| profile.run(client, out).await).await
        }
        Command::Avatar(avatar) => {
            with_node(global, Reach::Network, async |client| avatar.run(client, out).await).await
        }
        Command::Presence(presence) => {
            with_node(global, Reach::Disk, async |client| presence.run(client, out).await).await
        }
        Command::Settings(settings) => {
            with_node(global, Reach::Disk, async |client| settings.run(client, out).await).await
        }
        Command::Search(search) => with_node(global, Reach::Disk, async |client| search.run(client, out).await).await,
        Command::Status(status) => match status::of_waiting(global, out).await? {
            Some(code) => Ok(code),
            None => with_node(global, Reach::Disk, async |client| status.run(client, out).await).await,
        },
        Command::Health(health) => health.run(global, out).await,
        Command::Store(store) => tokio::task::block_in_place(|| store.run(global, out)),
        Command::Doctor(doctor) => Box::pin(doctor.run(global, out)).await,
        Command::Message(message) => {
            let message = message.read(global)?;
            with_node(global, Reach::Disk, async |client| message.run(client, out).await).await
        }
        Command::Poll(poll) => with_node(global, poll.reach(), async |client| poll.run(client, out).await).await,
        Command::Thread(thread) => with_node(global, Reach::Disk, async |client| thread.run(client, out).await).await,
        Command::Pins(pins) => with_node(global, Reach::Disk, async |client| pins.run(client, out).await).await,
        Command::Token(token) => with_node(global, Reach::Disk, async |client| token.run(client, out).await).await,
        Command::Webhook(webhook) => {
            with_node(global, Reach::Disk, async |client| webhook.run(client, out).await).await
        }
        Command::Timer(timer) => with_node(global, Reach::Disk, async |client| timer.run(client, out).await).await,
    }
}

/// Runs a command on a node. The node may belong to another short command and stop with it: then the command begins again,
/// on a node of its own if need be. Every command may be repeated until it has printed.
async fn with_node(
    global: &Global,
    reach: Reach,
    command: impl AsyncFn(&Client) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let mut repeats = 0;
    loop {
        let session = Box::pin(Session::open(global, reach)).await?;
        let cut_off = !session.client.is_embedded() && repeats < REPEATS;
        let result = command(&session.client).await;
        session.close().await;
        match result {
            Err(error) if cut_off && is_cut_off(&error) => repeats += 1,
            result => return result,
        }
    }
}

fn is_cut_off(error: &anyhow::Error) -> bool {
    let mut calls = error.chain().filter_map(|cause| cause.downcast_ref::<CallError>());
    calls.any(|call| matches!(call, CallError::Unreachable(_) | CallError::Ended))
}

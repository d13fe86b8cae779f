//! `parlour` with no words: says where things stand and what to do next.

use std::process::ExitCode;

use anyhow::Result;
use parlour_node::DataDir;
use serde_json::{Value, json};

use crate::args::Global;
use crate::client::Client;
use crate::connect::{data_dir, running, waiting};
use crate::output::Output;

/// How things stand, and what can be done about it.
struct Next {
    now: String,
    steps: Vec<(&'static str, &'static str)>,
}

pub(crate) async fn run(global: &Global, out: &Output) -> Result<ExitCode> {
    let data = data_dir(global)?;
    let found = match waiting(&data).await {
        Some(_) => return tell(&waits(&data), out),
        None => running(&data, global.account.as_deref()).await?,
    };
    let next = match found {
        Some(client) => of_running(&client).await?,
        None if DataDir::new(&data).accounts().unwrap_or_default().is_empty() => no_account(&data),
        None => stopped(&data),
    };
    tell(&next, out)
}

fn tell(next: &Next, out: &Output) -> Result<ExitCode> {
    let steps: Vec<Value> = next
        .steps
        .iter()
        .map(|(command, why)| json!({ "command": out.command(command), "why": why }))
        .collect();
    out.data(&json!({ "now": next.now, "next": steps }), || {
        let mut text = format!("{}\n\n", next.now);
        let commands = next.steps.iter().map(|(command, why)| (out.command(command), why));
        let commands: Vec<(String, &&str)> = commands.collect();
        let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
        for (command, why) in commands {
            text.push_str(&format!("  {command:width$}   {why}\n"));
        }
        text.push_str("\n`parlour --help` lists all commands.\n");
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

fn no_account(data: &std::path::Path) -> Next {
    Next {
        now: format!("There is no account in {} yet.", data.display()),
        steps: vec![
            (
                "parlour init --name NAME",
                "make one; it takes a second and needs no server",
            ),
            ("parlour demo", "watch three throw-away nodes talk first"),
        ],
    }
}

fn waits(data: &std::path::Path) -> Next {
    Next {
        now: format!("A node runs on {} and waits for its account.", data.display()),
        steps: vec![
            ("parlour init --name NAME", "make one here"),
            ("parlour open", "or in a browser, with the link this prints"),
        ],
    }
}

fn stopped(data: &std::path::Path) -> Next {
    Next {
        now: format!(
            "There is an account in {}, and its node is not running.",
            data.display()
        ),
        steps: vec![
            ("parlour up", "run the node, so that messages come and go"),
            ("parlour history WHO", "read what is here; works without a running node"),
            ("parlour search \"words\"", "find something in it"),
        ],
    }
}

async fn of_running(client: &Client) -> Result<Next> {
    let stats = client.get(&["stats"], &[]).await?;
    let name = crate::text::one_line(stats["name"].as_str().unwrap_or_default());
    let contacts = stats["contacts"].as_u64().unwrap_or(0);
    if contacts == 0 {
        return Ok(Next {
            now: format!("The node of {name} is running, and nobody to talk to is known yet."),
            steps: vec![
                ("parlour invite", "make a link and give it to somebody"),
                ("parlour add LINK --petname NAME", "open a link somebody gave you"),
            ],
        });
    }
    Ok(Next {
        now: format!("The node of {name} is running; contacts: {contacts}."),
        steps: vec![
            ("parlour contacts", "who they are, and who can be reached"),
            ("parlour send WHO \"text\"", "say something"),
            ("parlour tail -f", "read along"),
            ("parlour search \"words\"", "find something said before"),
        ],
    })
}

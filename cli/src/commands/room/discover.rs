//! Public rooms: listed, and joined by what they are called.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{field, join_by_link};
use crate::client::{CallError, Client, items};
use crate::output::Output;
use crate::view::short;

/// What others list comes within this time, or soon after.
const ANSWERS: Duration = Duration::from_secs(3);
/// Between two looks at what has come.
const AGAIN: Duration = Duration::from_millis(200);

/// Lists what there is.
pub(super) async fn discover(client: &Client, out: &Output, timeout: Duration) -> Result<()> {
    let rooms = Value::Array(found(client, timeout, |_| false).await?);
    if rooms.as_array().is_some_and(Vec::is_empty) {
        out.note(
            "Nobody who is there lists a public room. `parlour room policy ROOM --join public` lists one of yours.",
        );
    }
    out.data(&rooms, || rooms.as_array().into_iter().flatten().map(line).collect())?;
    Ok(())
}

/// Joins the one public room that is called so, if it is one.
pub(super) async fn join(
    client: &Client,
    out: &Output,
    wanted: &str,
    unknown: CallError,
    deadline: Instant,
) -> Result<ExitCode> {
    let means = |room: &Value| {
        let id = field(room, "id");
        field(room, "slug") == wanted
            || field(room, "name") == wanted
            || (wanted.len() > "conv_".len() && id.starts_with(wanted))
    };
    let mut rooms = found(client, ANSWERS, |rooms| rooms.iter().any(means)).await?;
    rooms.retain(means);
    match rooms.as_slice() {
        [] => Err(unknown.into()),
        [room] => join_by_link(client, out, &field(room, "link"), deadline).await,
        several => {
            let lines: String = several.iter().map(line).collect();
            bail!("several public rooms are called so; join one by its id:\n{lines}")
        }
    }
}

/// What is listed, as soon as it is enough, or when the time is over.
async fn found(client: &Client, timeout: Duration, enough: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>, CallError> {
    let deadline = Instant::now() + timeout;
    loop {
        let listed = items(client.post(&["public-rooms"], &json!({})).await?);
        if enough(&listed) || Instant::now() >= deadline {
            return Ok(listed);
        }
        sleep(AGAIN).await;
    }
}

fn line(room: &Value) -> String {
    let members = match room["members"].as_u64().unwrap_or_default() {
        1 => "1 member".to_owned(),
        members => format!("{members} members"),
    };
    let topic = field(room, "topic");
    let topic = if topic.is_empty() { topic } else { format!(": {topic}") };
    let maker = format!(
        "made by {} ({})",
        field(room, "made_by_name"),
        short(&field(room, "made_by"))
    );
    let joined = if room["joined"] == true { ", joined" } else { "" };
    let slug = match room["ambiguous"] == true {
        true => format!("{} [{}]", field(room, "slug"), short(&field(room, "made_by"))),
        false => field(room, "slug"),
    };
    format!(
        "{slug}  {}  {members}, {maker}{joined}{topic}\n",
        short(&field(room, "id"))
    )
}

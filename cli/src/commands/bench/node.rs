//! A node as a process of its own, started and stopped as a service manager would.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use parlour_node::{DataDir, NewAccount};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::http::{Changes, Connection, Door};
use super::machine::Usage;
use crate::commands::init;

/// No start and no stop takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often we look whether a process listens; the error of a measured start is no larger.
const LOOK: Duration = Duration::from_micros(200);
/// How often we look at what changes slowly.
const LOOK_SLOWLY: Duration = Duration::from_millis(2);
/// Ports that systems do not give out on their own, so that a stopped node finds its ports free again.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A data directory and the process that works in it, if any.
pub(super) struct Process {
    pub name: &'static str,
    data: PathBuf,
    api: SocketAddr,
    listen: SocketAddr,
    child: Option<Child>,
    began: Instant,
    door: Option<Door>,
}

#[derive(Deserialize)]
struct Announced {
    pid: u32,
}

impl Process {
    /// Makes an account; nothing runs yet.
    pub(super) async fn make(name: &'static str, home: &Path, ports: &mut Ports) -> Result<Self> {
        let data = home.join(name);
        init::make(&data, NewAccount::named(name)).await?;
        Ok(Self {
            name,
            data,
            api: ports.next()?,
            listen: ports.next()?,
            child: None,
            began: Instant::now(),
            door: None,
        })
    }

    /// Starts the program.
    pub(super) fn spawn(&mut self) -> Result<()> {
        let mut command = Command::new(std::env::current_exe().context("this program cannot find itself")?);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PARLOUR_") {
                command.env_remove(name);
            }
        }
        let log = File::options().create(true).append(true).open(self.log())?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.arg("--data").arg(&self.data).arg("up").arg("--no-mdns");
        command
            .arg("--api")
            .arg(self.api.to_string())
            .arg("--listen")
            .arg(self.listen.to_string());
        self.began = Instant::now();
        self.child = Some(command.spawn().context("cannot start a node")?);
        Ok(())
    }

    /// Waits until it says that it is ready; answers how long that took.
    pub(super) async fn ready(&mut self) -> Result<Duration> {
        let mut stream = loop {
            match TcpStream::connect(self.api).await {
                Ok(stream) => break stream,
                Err(error) if self.began.elapsed() > PATIENCE => return Err(error).context("a node does not start"),
                Err(_) => self.check_alive()?,
            }
            sleep(LOOK).await;
        };
        let request = format!("GET /health/ready HTTP/1.0\r\nhost: {}\r\n\r\n", self.api);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        let took = self.began.elapsed();
        if !answer.ends_with(b" 200") {
            bail!("{} is not ready: {}", self.name, String::from_utf8_lossy(&answer));
        }
        self.door = Some(self.find_door().await?);
        Ok(took)
    }

    pub(super) async fn start(&mut self) -> Result<Duration> {
        self.spawn()?;
        self.ready().await
    }

    /// Stops it cleanly.
    pub(super) async fn stop(&mut self) -> Result<()> {
        self.door = None;
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            child.kill()?;
        }
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("{} does not stop", self.name);
            }
            sleep(LOOK_SLOWLY).await;
        }
        self.child = None;
        Ok(())
    }

    /// Ends it as a crash would.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.door = None;
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    pub(super) fn door(&self) -> Result<&Door> {
        self.door
            .as_ref()
            .with_context(|| format!("{} does not run", self.name))
    }

    pub(super) async fn connect(&self) -> Result<Connection> {
        Connection::open(self.door()?).await
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        self.connect().await?.json(method, path, body).await
    }

    /// The last feed seq.
    pub(super) async fn feed(&self) -> Result<u64> {
        let stats = self.call("GET", "stats", &Value::Null).await?;
        stats["feed"]
            .as_u64()
            .context("the node does not say how long its feed is")
    }

    /// Waits until all that it has written is confirmed.
    pub(super) async fn quiet(&self) -> Result<()> {
        let mut connection = self.connect().await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stats = connection.json("GET", "stats", &Value::Null).await?;
            if stats["outbox"] == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{}: messages are not confirmed: {stats}", self.name);
            }
            sleep(LOOK_SLOWLY).await;
        }
    }

    pub(super) async fn changes(&self, after: u64) -> Result<Changes> {
        self.connect().await?.changes(after).await
    }

    /// Waits until the contact of this name is as wanted.
    pub(super) async fn contact(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut connection = self.connect().await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let contacts = connection.json("GET", "contacts", &Value::Null).await?;
            let mut items = contacts["items"].as_array().into_iter().flatten();
            if let Some(contact) = items.find(|contact| contact["name"] == name && wanted(contact)) {
                return Ok(contact.clone());
            }
            if Instant::now() > deadline {
                bail!("{}: {name} cannot be reached: {contacts}", self.name);
            }
            sleep(LOOK_SLOWLY).await;
        }
    }

    /// What it has used since it was started.
    pub(super) fn usage(&self) -> Usage {
        self.child
            .as_ref()
            .map(|child| Usage::of(child.id()))
            .unwrap_or_default()
    }

    /// The process, as long as it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    fn check_alive(&mut self) -> Result<()> {
        if let Some(child) = &mut self.child
            && let Some(status) = child.try_wait()?
        {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            bail!("{} ended by itself ({status}): {log}", self.name);
        }
        Ok(())
    }

    /// Its address file says whose token it is.
    async fn find_door(&mut self) -> Result<Door> {
        let data = DataDir::new(&self.data);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let announced = std::fs::read(data.address()).ok();
            let announced = announced.and_then(|json| serde_json::from_slice::<Announced>(&json).ok());
            if announced.is_some_and(|announced| Some(announced.pid) == self.pid()) {
                let token = std::fs::read_to_string(data.cookie())?.trim().to_owned();
                return Ok(Door { api: self.api, token });
            }
            self.check_alive()?;
            if Instant::now() > deadline {
                bail!("{} does not say where its API is", self.name);
            }
            sleep(LOOK_SLOWLY).await;
        }
    }

    fn log(&self) -> PathBuf {
        self.data.with_extension("log")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Makes the two contacts of each other; answers their conversation.
pub(super) async fn introduce(one: &Process, other: &Process) -> Result<String> {
    let invite = one.call("POST", "invites", &json!({})).await?;
    other
        .call("POST", "contacts", &json!({ "link": invite["link"] }))
        .await?;
    let met = |contact: &Value| contact["state"] == "accepted" && contact["reachable"] == true;
    other.contact(one.name, met).await?;
    let contact = one.contact(other.name, met).await?;
    let conversation = contact["conversation"].as_str();
    conversation
        .map(str::to_owned)
        .context("a contact without a conversation")
}

/// Gives out ports of this machine.
pub(super) struct Ports(std::ops::Range<u16>);

impl Ports {
    pub(super) fn new() -> Self {
        // Elsewhere than others that are started in the same moment.
        let spread = u16::try_from(std::process::id() % 10_000).unwrap_or_default();
        Self(PORTS.start + spread..PORTS.end)
    }

    fn next(&mut self) -> Result<SocketAddr> {
        let mut places = self
            .0
            .by_ref()
            .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let free = |place: &SocketAddr| TcpListener::bind(place).is_ok() && UdpSocket::bind(place).is_ok();
        places.find(free).context("no port is free")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_given_out_once() {
        let mut ports = Ports::new();
        let (one, other) = (ports.next().unwrap(), ports.next().unwrap());
        assert_ne!(one, other);
        assert!(TcpListener::bind(one).is_ok());
    }
}

//! Data directories, commands and running nodes, all of the real program.
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Nothing on one machine takes nearly as long, even if the machine is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program, with nothing of the environment that could change what it does.
pub(crate) fn parlour() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlour"));
    for name in [
        "DATA",
        "ACCOUNT",
        "PASSWORD_FILE",
        "API",
        "LISTEN",
        "ANNOUNCE",
        "BOOTSTRAP",
        "LAN",
        "LOG",
    ] {
        command.env_remove(format!("PARLOUR_{name}"));
    }
    command.stdin(Stdio::null());
    command
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The result of a command that must have worked.
    pub(crate) fn json(&self) -> Value {
        self.done().parsed()
    }

    /// A command that must have worked.
    pub(crate) fn done(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    pub(crate) fn parsed(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A command that must have failed with this code, saying this on stderr and nothing on stdout.
    pub(crate) fn failed(&self, code: i32, saying: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(saying), "{saying:?} is not in {self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
    }
}

pub(crate) fn run(command: &mut Command, stdin: Option<&[u8]>) -> Ran {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if stdin.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().unwrap();
    if let (Some(bytes), Some(mut pipe)) = (stdin, child.stdin.take()) {
        // The program may have seen enough before the end.
        let _ = pipe.write_all(bytes);
    }
    let ran = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: ran.status.code(),
        stdout: text(ran.stdout),
        stderr: text(ran.stderr),
    }
}

/// A data directory of its own.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    /// With no account.
    pub(crate) fn empty() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
        }
    }

    /// With an account and no password.
    pub(crate) fn of(name: &str) -> Self {
        let home = Self::empty();
        let made = home.run(&["init", "--name", name, "--no-password", "--json"]).json();
        assert_eq!(made["words"].as_array().unwrap().len(), 24);
        home
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = parlour();
        command.arg("--data").arg(self.data()).args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        run(&mut self.command(args), None)
    }

    pub(crate) fn run_with(&self, args: &[&str], stdin: &[u8]) -> Ran {
        run(&mut self.command(args), Some(stdin))
    }

    /// The JSON of a command that must work.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut args = args.to_vec();
        args.push("--json");
        self.run(&args).json()
    }

    /// Starts the node on loopback and waits until it is ready.
    pub(crate) fn up(&self) -> Running {
        self.up_with(&["--api", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--no-mdns"])
    }

    pub(crate) fn up_with(&self, args: &[&str]) -> Running {
        let mut all = vec!["up"];
        all.extend(args);
        Running::start(&mut self.command(&all)).ready()
    }
}

/// A program that runs until it is stopped.
pub(crate) struct Running {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

/// Lines as they come.
struct Lines {
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    fn of(source: impl std::io::Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            lines,
            seen: Vec::new(),
        }
    }

    fn next(&mut self) -> Result<String, RecvTimeoutError> {
        let line = self.lines.recv_timeout(PATIENCE)?;
        self.seen.push(line.clone());
        Ok(line)
    }
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (
            Lines::of(child.stdout.take().unwrap()),
            Lines::of(child.stderr.take().unwrap()),
        );
        Self { child, stdout, stderr }
    }

    /// With a pipe to say something into.
    pub(crate) fn with_stdin(command: &mut Command) -> (Self, ChildStdin) {
        let mut running = Self::start(command.stdin(Stdio::piped()));
        let stdin = running.child.stdin.take().unwrap();
        (running, stdin)
    }

    fn ready(mut self) -> Self {
        self.note(|line| line == "ready");
        self
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line on stdout.
    pub(crate) fn line(&mut self) -> String {
        self.stdout
            .next()
            .unwrap_or_else(|error| panic!("{error} after {:?}, {:?}", self.stdout.seen, self.stderr.seen))
    }

    /// Waits for a line on stderr.
    pub(crate) fn note(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            match self.stderr.next() {
                Ok(line) if wanted(&line) => return line,
                Ok(_) => {}
                Err(error) => panic!("{error} after {:?}", self.stderr.seen),
            }
        }
    }

    /// All that was said on stderr so far, up to what was waited for.
    pub(crate) fn notes(&self) -> String {
        self.stderr.seen.join("\n")
    }

    /// Asks it to stop as a service manager or Ctrl-C does, and waits until it has.
    pub(crate) fn stop(mut self, signal: &str) -> ExitStatus {
        let asked = Command::new("kill")
            .args([signal, &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(asked.success());
        // Its pipes end with it, which can be waited for with a deadline.
        while self.stderr.next().is_ok() {}
        self.child.wait().unwrap()
    }

    /// Lets it hang: its connections stand, and nothing is answered.
    #[cfg(unix)]
    pub(crate) fn hang(&self) {
        let asked = Command::new("kill").args(["-STOP", &self.pid().to_string()]).status();
        assert!(asked.unwrap().success());
    }

    /// Lets it go on.
    #[cfg(unix)]
    pub(crate) fn go_on(&self) {
        let asked = Command::new("kill").args(["-CONT", &self.pid().to_string()]).status();
        assert!(asked.unwrap().success());
    }

    /// As a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Repeats a command until it shows what is wanted. Running the program again is all the pause there is.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) if tokio::time::Instant::now() >= deadline => panic!("{what} did not happen; last seen: {last}"),
            Err(_) => {}
        }
    }
}

/// A loopback port that was free a moment ago.
pub(crate) fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Two homes whose accounts are contacts of each other, and their running nodes.
pub(crate) struct Pair {
    pub alice: Home,
    pub bob: Home,
    pub alice_up: Running,
    pub bob_up: Running,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let (alice, bob) = (Home::of("alice"), Home::of("bob"));
        let (alice_up, bob_up) = (alice.up(), bob.up());
        let link = alice.json(&["invite"])["link"].as_str().unwrap().to_owned();
        let added = bob.json(&["add", &link, "--petname", "al", "--timeout", "30s"]);
        assert_eq!(added["state"], "accepted", "{added}");
        eventually("alice knows bob", || {
            let contacts = alice.json(&["contacts"]);
            if contacts[0]["reachable"] == true {
                Ok(())
            } else {
                Err(contacts.to_string())
            }
        });
        Self {
            alice,
            bob,
            alice_up,
            bob_up,
        }
    }
}

/// Where a path is as a command line argument.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

//! Clients that do not give up, and how they find a node that starts again and again.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::json;

use crate::connection::Connection;
use crate::node::PATIENCE;
use crate::world::Ack;

/// A client that has something to say.
pub(crate) struct Writer {
    pub(crate) name: String,
    pub(crate) at: usize,
    pub(crate) path: String,
    pub(crate) door: Arc<Door>,
    pub(crate) tickets: Arc<Mutex<Receiver<()>>>,
    pub(crate) acks: SyncSender<Result<Ack, String>>,
}

impl Writer {
    pub(crate) fn run(self) {
        let mut connection = None;
        for n in 1.. {
            let ticket = self.tickets.lock().unwrap().recv();
            if ticket.is_err() {
                return;
            }
            let text = format!("{} {n}", self.name);
            let ack = self.write(&text, &mut connection);
            let over = ack.is_err();
            if self.acks.send(ack).is_err() || over {
                return;
            }
        }
    }

    /// Tries until the node has acknowledged it, whichever start of the node that is.
    fn write(&self, text: &str, connection: &mut Option<(u64, Connection)>) -> Result<Ack, String> {
        let body = json!({ "text": text, "client_id": text });
        let mut failed = 0;
        loop {
            let Some((start, at)) = self.door.after(failed) else {
                return Err(format!("{}: the node is gone", self.name));
            };
            if connection.as_ref().is_none_or(|(opened, _)| *opened != start) {
                *connection = Connection::open(&at).ok().map(|opened| (start, opened));
            }
            let Some((_, open)) = connection else {
                failed = start;
                continue;
            };
            match open.call("POST", &self.path, Some(&body)) {
                Ok((200 | 201, message)) => {
                    let id = message["id"].as_str().unwrap_or_default().to_owned();
                    return Ok(Ack {
                        at: self.at,
                        text: text.to_owned(),
                        id,
                    });
                }
                Ok((status, problem)) => return Err(format!("{text:?} was refused with {status}: {problem}")),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(format!("{text:?} was not answered in {PATIENCE:?}"));
                }
                Err(_) => {
                    *connection = None;
                    failed = start;
                }
            }
        }
    }
}

/// Where a node can be asked, for those who outlive its starts.
#[derive(Default)]
pub(crate) struct Door {
    pub(crate) open: Mutex<(u64, Option<Address>, bool)>,
    changed: Condvar,
}

#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) api: SocketAddr,
    pub(crate) token: String,
}

impl Door {
    pub(crate) fn set(&self, address: Option<Address>) {
        let mut open = self.open.lock().unwrap();
        if address.is_some() {
            open.0 += 1;
        }
        open.1 = address;
        self.changed.notify_all();
    }

    /// There will be no further start.
    pub(crate) fn close(&self) {
        self.open.lock().unwrap().2 = true;
        self.changed.notify_all();
    }

    /// Waits for a start after the one that failed.
    pub(crate) fn after(&self, failed: u64) -> Option<(u64, Address)> {
        let mut open = self.open.lock().unwrap();
        loop {
            match &*open {
                (_, _, true) => return None,
                (start, Some(address), _) if *start > failed => return Some((*start, address.clone())),
                _ => open = self.changed.wait(open).unwrap(),
            }
        }
    }
}

//! Causes that need more than their message: a port somebody else has, a data directory another process holds, a closed pipe.

use std::io;
use std::net::SocketAddr;

use parlour_crypto::UnlockError;
use parlour_node::{AccountError, BindError, NodeError};
use parlour_store::LockError;

use crate::client::CallError;

/// Whether stdout was closed by its reader, as `head` does: no failure worth a word.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// The API's address is another program's.
#[derive(Debug, thiserror::Error)]
#[error("the API address {address} is in use by {holder}{free}")]
pub(crate) struct PortInUse {
    pub address: SocketAddr,
    /// Who listens there.
    pub holder: String,
    /// Which port is free, as the end of the sentence.
    pub free: String,
}

/// What programs decide by: the node's own word where it refused.
pub(crate) fn code(error: &anyhow::Error) -> &str {
    match error.downcast_ref() {
        Some(CallError::Refused(problem)) => return &problem.code,
        Some(CallError::NoName(_) | CallError::TooLong) => return "usage",
        Some(CallError::Unreachable(_) | CallError::Ended | CallError::Unreadable(_)) => return "unreachable",
        None => {}
    }
    if is_data_in_use(error) {
        "in_use"
    } else if error.is::<PortInUse>() {
        "port_in_use"
    } else {
        "failed"
    }
}

/// Whether another process works in the data directory.
pub(crate) fn is_data_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(NodeError::Lock(LockError::InUse { .. })))
}

/// The API's address, if somebody else listens there.
pub(crate) fn taken_port(error: &anyhow::Error) -> Option<SocketAddr> {
    match error.downcast_ref() {
        Some(NodeError::Bind(BindError::InUse { address })) => Some(*address),
        _ => None,
    }
}

/// Whether the node's own key does not open the account, so that its password is needed.
pub(crate) fn needs_password(error: &NodeError) -> bool {
    let NodeError::Account(AccountError::Unlock { cause, .. }) = error else {
        return false;
    };
    matches!(cause, UnlockError::NoSuchSlot | UnlockError::WrongNodeKey)
}

/// Who listens on a port, as `name (pid N)`, as far as the system tells us.
#[cfg(target_os = "linux")]
pub(crate) fn holder_of_port(address: SocketAddr) -> Option<String> {
    let inodes = listening(address.port());
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    for process in processes {
        let name = process.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|b| b.is_ascii_digit())) else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        for file in files.flatten() {
            let Ok(target) = std::fs::read_link(file.path()) else {
                continue;
            };
            if inodes.iter().any(|inode| target.to_str() == Some(inode)) {
                let command = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some(format!("{} (pid {pid})", command.trim_end()));
            }
        }
    }
    None
}

/// What cannot be known here is not said.
#[cfg(not(target_os = "linux"))]
pub(crate) fn holder_of_port(_address: SocketAddr) -> Option<String> {
    None
}

/// The sockets that listen on a port, as they appear among the files of their process.
#[cfg(target_os = "linux")]
fn listening(port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(table) = std::fs::read_to_string(table) else {
            continue;
        };
        for row in table.lines().skip(1) {
            let fields: Vec<&str> = row.split_whitespace().collect();
            let (Some(local), Some(state), Some(inode)) = (fields.get(1), fields.get(3), fields.get(9)) else {
                continue;
            };
            let local = local
                .rsplit_once(':')
                .and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
            if *state == LISTEN && local == Some(port) {
                sockets.push(format!("socket:[{inode}]"));
            }
        }
    }
    sockets
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = holder_of_port(listener.local_addr().unwrap()).unwrap();
        assert!(holder.ends_with(&format!("(pid {})", std::process::id())), "{holder}");
    }

    #[test]
    fn a_free_port_has_no_holder() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(holder_of_port(address), None);
    }
}

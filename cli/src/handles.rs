//! How many files and connections the process may have open. Systems begin with a low number that a program may raise by itself.

/// More than a node needs.
#[cfg(unix)]
const ENOUGH: u64 = 65_536;

/// Raises the number as far as it goes; returns it, if there is one.
#[cfg(unix)]
pub(crate) fn raise() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let now = getrlimit(Resource::Nofile);
    let current = now.current?;
    let wanted = now.maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
    if current >= wanted {
        return Some(current);
    }
    let raised = Rlimit {
        current: Some(wanted),
        ..now
    };
    Some(setrlimit(Resource::Nofile, raised).map_or(current, |()| wanted))
}

#[cfg(not(unix))]
pub(crate) fn raise() -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_allows_is_used() {
        let raised = raise().unwrap();
        let now = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        assert_eq!(now.current, Some(raised));
        assert!(raised >= now.maximum.unwrap_or(u64::MAX).min(ENOUGH));
    }
}

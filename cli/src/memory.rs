//! The allocator's settings. They can only be given in the environment, before the process starts: one that runs a node
//! starts itself again with them, in place.
//!
//! As it comes, the GNU allocator keeps up to eight heaps for each core and lets them grow without giving back, which is
//! made for programs that live short. Ours lives long and hands data between many threads.

use crate::args::{Cli, Command};

/// What is set, unless somebody has set it already.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SETTINGS: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
    // What each thread keeps of each size for itself.
    ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=2"),
];

/// Starts this program again if it is to run a node and has not got its settings. It is called before anything was read,
/// opened or printed. If that is not possible, the program runs on as it is: it needs more memory then, no more.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn settle(cli: &Cli) {
    use std::os::unix::process::CommandExt;

    let missing = || SETTINGS.iter().filter(|(name, _)| std::env::var_os(name).is_none());
    if !matches!(cli.command, Some(Command::Up(_) | Command::Demo(_))) || missing().next().is_none() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut again = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // Comes back only with an error.
    let _ = again
        .args(arguments)
        .envs(missing().map(|&(name, value)| (name, value)))
        .exec();
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn settle(_: &Cli) {}

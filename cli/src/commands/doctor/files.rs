//! What the files say without a node: permissions, space, accounts, keys, format, what was left behind. Changes nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use parlour_node::{DataDir, needs_password};
use parlour_store::DbOptions;

use super::check::{Check, Report};

/// Free space that is worth a word: below this many bytes, or this share of the disk.
const SPACE: u64 = 1_000_000_000;
const SPACE_PERCENT: u64 = 5;
/// A node's secret has this many bytes.
const NODE_KEY: usize = 32;
/// How many files with wrong permissions are named.
const NAMED: usize = 3;

/// Looks at the files; answers whether there is an account to go on with.
pub(crate) fn examine(data: &DataDir, report: &mut Report) -> bool {
    let root = data.root();
    if !root.is_dir() {
        let detail = format!("there is none at {}", root.display());
        let none = Check::bad("data", "directory", detail);
        report.add(none.help("`parlour init --name NAME` makes it, or say where it is with --data DIR"));
        return false;
    }
    report.add(Check::ok("data", "directory", root.display().to_string()));
    report.extend(permissions(root));
    report.extend(space(root));
    let accounts = match data.accounts() {
        Ok(accounts) => accounts,
        Err(error) => {
            report.add(Check::bad(
                "data",
                "account",
                format!("the accounts cannot be listed: {error}"),
            ));
            return false;
        }
    };
    report.extend(leftovers(data, &accounts));
    for account in &accounts {
        report.add(keystore(data, account));
        report.extend(database(&data.account(account).join("db"), account));
    }
    if accounts.is_empty() {
        let none = Check::bad("data", "account", "there is no account yet");
        report.add(none.help("`parlour init --name NAME`"));
    }
    // A node that waits for its account says so itself.
    !accounts.is_empty() || data.address().is_file()
}

/// An address that a node would have taken back when it stopped. Only wrong if none runs.
pub(crate) fn left_address(data: &DataDir) -> Option<Check> {
    let file = data.address();
    let since = modified(&file)?;
    let detail = format!("{} is of a node that was killed", file.display());
    let check = Check::warn("data", "leftovers", detail).since(Some(&since));
    Some(check.help("nothing to do: the next start replaces it"))
}

#[cfg(unix)]
fn permissions(root: &Path) -> Option<Check> {
    let mut wrong = Vec::new();
    let mut checked = 0;
    if let Err(error) = walk(root, &mut checked, &mut wrong) {
        let detail = format!("{} cannot be read: {error}", root.display());
        return Some(Check::bad("data", "permissions", detail).help("does the directory belong to this user?"));
    }
    if wrong.is_empty() {
        let detail = format!("{checked} files and folders are for this user only");
        return Some(Check::ok("data", "permissions", detail));
    }
    let named: Vec<&str> = wrong.iter().take(NAMED).map(String::as_str).collect();
    let more = match wrong.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let check = Check::bad("data", "permissions", format!("{}{more}", named.join(", ")));
    Some(check.help(format!("chmod -R u+rwX,go= {}", root.display())))
}

#[cfg(not(unix))]
fn permissions(_root: &Path) -> Option<Check> {
    None
}

#[cfg(unix)]
fn walk(path: &Path, checked: &mut usize, wrong: &mut Vec<String>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let found = match fs::symlink_metadata(path) {
        // A node that runs makes and removes files while this looks.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let wanted = match (found.is_dir(), found.is_file()) {
        (true, _) => 0o700,
        (_, true) => 0o600,
        _ => return Ok(()),
    };
    *checked = checked.saturating_add(1);
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 || mode & wanted != wanted {
        wrong.push(format!(
            "{} has mode {mode:04o} instead of {wanted:04o}",
            path.display()
        ));
    }
    // The storage engine makes files as the umask says, and they are closed at the next checkpoint; nobody comes past a closed
    // folder to them.
    if found.is_dir() && !(path.ends_with("db/state") && mode == wanted) {
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // Its mode says so already.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && mode & wanted != wanted => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            walk(&entry?.path(), checked, wrong)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn space(root: &Path) -> Option<Check> {
    let disk = rustix::fs::statvfs(root).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Some(judge_space(bytes(disk.f_bavail), bytes(disk.f_blocks)))
}

#[cfg(not(unix))]
fn space(_root: &Path) -> Option<Check> {
    None
}

fn judge_space(free: u64, all: u64) -> Check {
    let reserve = DbOptions::default().reserve_bytes;
    let percent = free.saturating_mul(100).checked_div(all).unwrap_or(100);
    let detail = format!("{:.1} GB free, {percent} % of the disk", free as f64 / 1e9);
    if free < reserve {
        let detail = format!("{detail}: below {} MB nothing is written any more", reserve / 1_000_000);
        return Check::bad("disk", "space", detail).help("free some space; the node goes on by itself");
    }
    if free < SPACE || percent < SPACE_PERCENT {
        return Check::warn("disk", "space", detail).help("free some space before it is full");
    }
    Check::ok("disk", "space", detail)
}

fn keystore(data: &DataDir, account: &str) -> Check {
    let name = format!("keystore {account}");
    match needs_password(data, account) {
        Err(error) => {
            let words = "restore it from a copy, or the identity from its 24 words: `parlour init --recover`";
            Check::bad("data", name, format!("{error:#}")).help(words)
        }
        Ok(true) => Check::ok("data", name, "readable; opens with its password"),
        Ok(false) => {
            let key = data.root().join("node").join("key");
            match fs::metadata(&key) {
                Ok(found) if usize::try_from(found.len()) == Ok(NODE_KEY) => {
                    Check::ok("data", name, "readable; opens with this node's key")
                }
                Ok(_) => Check::bad(
                    "data",
                    name,
                    format!("{} does not hold {NODE_KEY} bytes", key.display()),
                )
                .help("restore the file from a copy; a password, if the account has one, still opens it"),
                Err(error) => Check::bad("data", name, format!("{}: {error}", key.display()))
                    .help("restore the file from a copy; a password, if the account has one, still opens it"),
            }
        }
    }
}

/// The format's version, and copies of damage that was found earlier.
fn database(db: &Path, account: &str) -> Vec<Check> {
    let mut checks = Vec::new();
    if !db.is_dir() {
        return checks;
    }
    let name = format!("format {account}");
    checks.push(match fs::read_to_string(db.join("VERSION")) {
        Ok(version) => {
            let (format, reader) = version
                .trim()
                .split_once(' ')
                .unwrap_or((version.trim(), "this version"));
            Check::ok(
                "store",
                name,
                format!("version {format}, for parlour {reader} and later"),
            )
        }
        Err(error) => Check::warn(
            "store",
            name,
            format!("{} cannot be read: {error}", db.join("VERSION").display()),
        )
        .help("`parlour up` writes it again"),
    });
    for copy in entries(db, |name| name.starts_with("damaged-")) {
        let found = fs::read_to_string(copy.join("damage.txt")).unwrap_or_default();
        let detail = format!(
            "damage was found earlier: {}; a copy is in {}",
            found.trim().replace('\n', "; "),
            copy.display()
        );
        let check = Check::warn("store", "copies", detail).since(modified(&copy).as_deref());
        checks.push(check.help("remove that folder once nothing is missed"));
    }
    checks
}

/// Files that were being written when a process ended.
fn leftovers(data: &DataDir, accounts: &[String]) -> Vec<Check> {
    let mut folders = vec![data.root().join("node"), data.root().join("api")];
    folders.extend(accounts.iter().map(|account| data.account(account)));
    let found = folders
        .iter()
        .flat_map(|folder| entries(folder, |name| name.ends_with(".new")));
    let checks = found.map(|file| {
        let detail = format!("{} was being written when its process ended", file.display());
        let check = Check::warn("data", "leftovers", detail).since(modified(&file).as_deref());
        check.help("nothing is lost: it may be removed while no node runs")
    });
    checks.collect()
}

fn entries(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(&wanted))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

/// When a file was last written, as the API says times.
fn modified(path: &Path) -> Option<String> {
    let time = Timestamp::try_from(fs::metadata(path).ok()?.modified().ok()?).ok()?;
    Some(format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::super::check::Level;
    use super::*;

    #[test]
    fn space_is_judged_by_bytes_and_by_share() {
        let reserve = DbOptions::default().reserve_bytes;
        assert_eq!(judge_space(500 << 30, 1 << 40).level, Level::Ok);
        assert_eq!(judge_space(20 << 30, 1 << 40).level, Level::Warn);
        assert_eq!(judge_space(SPACE - 1, SPACE).level, Level::Warn);
        assert_eq!(judge_space(reserve - 1, SPACE).level, Level::Bad);
    }

    #[test]
    fn copies_of_damage_are_named_with_what_was_found() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::create_dir(dir.path().join("damaged-1")).unwrap();
        fs::write(
            dir.path().join("damaged-1/damage.txt"),
            "the state directory is missing\n",
        )
        .unwrap();
        fs::write(dir.path().join("VERSION"), "1 0.1.0\n").unwrap();
        let checks = database(dir.path(), "ada");
        assert_eq!(
            (checks[0].level, checks[0].detail.as_str()),
            (Level::Ok, "version 1, for parlour 0.1.0 and later")
        );
        assert!(checks[1].level == Level::Warn && checks[1].detail.contains("the state directory is missing"));
        assert!(checks[1].detail.contains("damaged-1") && checks[1].since.is_some());
    }
}

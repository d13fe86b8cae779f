//! Directories and files that only their owner may read, whatever the umask is.
//!
//! On systems without Unix modes the functions only create; access control is then the folder's own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// Creates `path` and its missing parents, each of them durably, and gives `path` itself mode 0700.
///
/// # Errors
/// When the directory cannot be created or its mode cannot be set.
pub fn private_dir(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        create_durably(path)?;
    }
    restrict(path, 0o700)
}

/// A folder whose name is not on the disk takes all that is synced in it along when the power goes.
fn create_durably(path: &Path) -> io::Result<()> {
    let here = Path::new(".");
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(here);
    if !parent.exists() {
        create_durably(parent)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_dir(parent),
    }
}

/// Opens `path` for reading and writing, creating it if it is missing, with mode 0600.
/// What the file holds is kept.
///
/// # Errors
/// When the file cannot be opened or its mode cannot be set.
pub fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = options.open(path)?;
    restrict(path, 0o600)?;
    Ok(file)
}

/// Gives every file below `dir` mode 0600 and every directory 0700, `dir` included.
pub(super) fn restrict_tree(dir: &Path) -> io::Result<()> {
    restrict(dir, 0o700)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let outcome = match entry.file_type() {
            Ok(kind) if kind.is_dir() => restrict_tree(&entry.path()),
            Ok(kind) if kind.is_file() => restrict(&entry.path(), 0o600),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        // The storage engine removes its own files while this walks.
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// Makes the entries of `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let found = fs::metadata(path)?.permissions();
    if found.mode() & 0o777 != mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

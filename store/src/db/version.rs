//! The format's version file: refuse what is newer, know what is missing.

use std::fs;
use std::io;
use std::path::Path;

use super::head;
use super::open::{OpenError, failed};

/// 1 has every row as a record of the storage engine; 2 has rows in pages.
const VERSION: u32 = 2;
/// The first version that reads this format.
const FIRST_READER: &str = "0.1.0";
const VERSION_FILE: &str = "VERSION";

/// What the version file says, if it is there and readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Older,
    Current,
}

/// Reads the version file.
///
/// # Errors
/// `NewerFormat`, or the file cannot be read.
pub(super) fn read_version(dir: &Path) -> Result<Found, OpenError> {
    let text = match fs::read(dir.join(VERSION_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(failed("reading the format version")(error)),
    };
    let text = String::from_utf8(text).unwrap_or_default();
    let mut words = text.split_whitespace();
    let found = words.next().unwrap_or_default().parse::<u32>();
    // Whoever writes a newer format names the first version that reads it; only what looks like one is repeated.
    let reader = words
        .next()
        .filter(|w| w.len() < 32 && w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-'));
    match found {
        Ok(found) if found > VERSION => Err(OpenError::NewerFormat {
            found,
            supported: VERSION,
            needs: reader.map_or_else(
                || "a newer parlour".to_owned(),
                |version| format!("parlour ≥ {version}"),
            ),
        }),
        Ok(VERSION) => Ok(Found::Current),
        Ok(1..VERSION) => Ok(Found::Older),
        _ => Ok(Found::Nothing),
    }
}

/// Writes the version of what this build writes, unless it is there.
///
/// # Errors
/// The file cannot be written.
pub(super) fn replace_version(dir: &Path, found: Found) -> Result<(), OpenError> {
    if found == Found::Current {
        return Ok(());
    }
    let text = format!("{VERSION} {FIRST_READER}\n");
    head::replace(dir, VERSION_FILE, text.as_bytes()).map_err(failed("writing the format version"))
}

//! The format's version file: refuse what is newer, know what is missing.

use std::fs;
use std::io;
use std::path::Path;

use super::head;
use super::open::{OpenError, failed};

const VERSION: u32 = 1;
/// The first version that reads this format.
const FIRST_READER: &str = "0.1.0";
const VERSION_FILE: &str = "VERSION";

/// Whether the version file is there and readable.
pub(super) fn read_version(dir: &Path) -> Result<bool, OpenError> {
    let text = match fs::read(dir.join(VERSION_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
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
        Ok(found) => Ok(found == VERSION),
        Err(_) => Ok(false),
    }
}

pub(super) fn replace_version(dir: &Path, known: bool) -> Result<(), OpenError> {
    if known {
        return Ok(());
    }
    let text = format!("{VERSION} {FIRST_READER}\n");
    head::replace(dir, VERSION_FILE, text.as_bytes()).map_err(failed("writing the format version"))
}

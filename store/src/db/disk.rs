//! The file operations of the journal, with a seam where tests make the disk fail.

use std::fs::File;
use std::io;

/// A file written at given places.
pub(super) struct Disk {
    file: File,
    #[cfg(test)]
    faults: std::sync::Arc<super::faults::Faults>,
}

impl Disk {
    #[cfg(not(test))]
    pub(super) fn new(file: File) -> Self {
        Self { file }
    }

    #[cfg(test)]
    pub(super) fn new(file: File, faults: std::sync::Arc<super::faults::Faults>) -> Self {
        Self { file, faults }
    }

    pub(super) fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        #[cfg(test)]
        if let Some((part, error)) = self.faults.write(bytes) {
            write_all_at(&self.file, part, at)?;
            return Err(error);
        }
        write_all_at(&self.file, bytes, at)
    }

    /// Writes zeros from `from` up to `to`.
    pub(super) fn zero(&self, from: u64, to: u64) -> io::Result<()> {
        const ZEROS: &[u8] = &[0; 64 * 1024];
        let mut at = from;
        while at < to {
            let left = usize::try_from(to.saturating_sub(at)).unwrap_or(usize::MAX);
            let part = ZEROS.get(..left).unwrap_or(ZEROS);
            self.write_at(part, at)?;
            at = at.saturating_add(part.len() as u64);
        }
        Ok(())
    }

    pub(super) fn cut(&self, len: u64) -> io::Result<()> {
        #[cfg(test)]
        self.faults.cut()?;
        self.file.set_len(len)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        self.faults.sync()?;
        self.file.sync_data()
    }
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_all_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use std::io::{Seek as _, SeekFrom, Write as _};
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

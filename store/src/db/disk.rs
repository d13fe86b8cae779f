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

    /// A disk that fails only where the system's does.
    pub(super) fn without_faults(file: File) -> Self {
        Self {
            file,
            #[cfg(test)]
            faults: std::sync::Arc::default(),
        }
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub(super) fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        read_exact_at(&self.file, bytes, at)
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
fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

// A handle has one place for all who use it there; each call says where it reads or writes.
#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                bytes = bytes.get_mut(read..).unwrap_or_default();
                at = at.saturating_add(read as u64);
            }
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, at)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = bytes.get(written..).unwrap_or_default();
                at = at.saturating_add(written as u64);
            }
        }
    }
    Ok(())
}

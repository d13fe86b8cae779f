//! The folder of the index as tantivy sees it: names stay, contents are sealed.
//!
//! Files are 0600, the folder 0700. Nothing is fsynced: what a power cut tears is found by its
//! seal, and the index, a cache, is rebuilt. One process owns the folder: the data directory's
//! lock sees to that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{fmt, io::BufWriter};

use tantivy::HasLen;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, OwnedBytes, TerminatingWrite, WatchCallback,
    WatchCallbackList, WatchHandle, WritePtr,
};
use zeroize::Zeroizing;

use crate::wiped::Wiped;

use super::cache::{Chunk, ChunkCache};
use super::gate::Gate;
use super::locks::Locks;
use super::seal::{CHUNK, Damaged, FileCipher, HEADER, Layout, SealingWriter};

/// Suffix of a file that is about to replace another.
const TEMPORARY: &str = ".tmp";
/// Bytes of opened chunks that are kept for a writer. Its merges read everything once, in order, from some files at a time: with more they
/// would take memory, and the place of what searches look at.
const WRITER_CACHE: usize = 512 * 1024;

/// A folder of sealed files. Clones share one gate.
#[derive(Clone)]
pub(super) struct SealedDirectory {
    shared: Arc<Shared>,
    gate: Arc<Gate>,
    cache: Arc<ChunkCache>,
}

struct Shared {
    root: PathBuf,
    master: Zeroizing<[u8; 32]>,
    next_file: AtomicU64,
    damaged: AtomicBool,
    watchers: WatchCallbackList,
    locks: Arc<Locks>,
    #[cfg(test)]
    on_create: std::sync::Mutex<Option<super::tests::OnCreate>>,
}

impl SealedDirectory {
    /// Opens the folder at `root`, made if it is missing.
    pub(super) fn open(root: &Path, master: &[u8; 32], cache_bytes: usize) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        fs::set_permissions(root, fs::Permissions::from_mode(0o700))?;
        Ok(Self {
            shared: Arc::new(Shared {
                root: root.to_path_buf(),
                master: Zeroizing::new(*master),
                next_file: AtomicU64::new(0),
                damaged: AtomicBool::new(false),
                watchers: WatchCallbackList::default(),
                locks: Arc::default(),
                #[cfg(test)]
                on_create: std::sync::Mutex::default(),
            }),
            gate: Arc::default(),
            cache: Arc::new(ChunkCache::new(cache_bytes)),
        })
    }

    /// The same folder through a gate of its own and with opened chunks of its own, for one writer.
    pub(super) fn for_writer(&self) -> Self {
        let gate = Gate::default();
        #[cfg(test)]
        let gate = gate.asking(self.shared.on_create.lock().unwrap().clone());
        Self {
            shared: Arc::clone(&self.shared),
            gate: Arc::new(gate),
            cache: Arc::new(ChunkCache::new(self.cache.budget().min(WRITER_CACHE))),
        }
    }

    /// Shuts the gate: nothing is written, replaced or deleted through it any more.
    pub(super) fn shut(&self) {
        self.gate.shut();
    }

    /// What the next writer asks before it makes a file.
    #[cfg(test)]
    pub(super) fn on_create(&self, ask: Option<super::tests::OnCreate>) {
        *self.shared.on_create.lock().unwrap() = ask;
    }

    fn begin_file(&self, name: &Path) -> io::Result<SealingWriter<File>> {
        #[cfg(test)]
        self.gate.ask(name)?;
        let _pass = self.gate.pass()?;
        let file = self.shared.create(&self.shared.root.join(name))?;
        SealingWriter::new(&self.shared.master, &sealed_name(name), file)
    }

    /// Whether any file failed to open since this folder was opened.
    pub(super) fn is_damaged(&self) -> bool {
        self.shared.damaged.load(Ordering::Acquire)
    }

    /// Opens every chunk of every file.
    pub(super) fn verify(&self, names: impl IntoIterator<Item = PathBuf>) -> io::Result<()> {
        for name in names {
            let file = match self.open_file(&name) {
                Ok(file) => file,
                // Removed by a merge since the names were listed.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
                Err(cause) => return Err(cause),
            };
            for number in 0..file.layout.chunks {
                file.read_chunk(number)?;
            }
        }
        Ok(())
    }

    /// Bytes of all files in the folder.
    pub(super) fn size_on_disk(&self) -> io::Result<u64> {
        let mut total = 0_u64;
        for entry in fs::read_dir(&self.shared.root)? {
            match entry?.metadata() {
                Ok(meta) => total = total.saturating_add(meta.len()),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(total)
    }
}

/// Deletes everything in the folder at `root`; a missing folder is an empty one.
pub(super) fn clear(root: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(cause),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

impl SealedDirectory {
    fn open_file(&self, name: &Path) -> io::Result<SealedFile> {
        let shared = &self.shared;
        let mut file = File::open(shared.root.join(name))?;
        let mut header = [0; HEADER];
        let read = file.read_exact(&mut header);
        let layout = file.metadata().map(|meta| Layout::of(meta.len()))?;
        let (Ok(()), Ok(layout)) = (read, layout) else {
            return Err(shared.damage());
        };
        let cipher =
            FileCipher::from_header(&shared.master, &sealed_name(name), &header).map_err(|_| shared.damage())?;
        Ok(SealedFile {
            shared: Arc::clone(shared),
            cache: Arc::clone(&self.cache),
            id: shared.next_file.fetch_add(1, Ordering::Relaxed),
            file,
            cipher,
            layout,
        })
    }
}

impl Shared {
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    fn damage(&self) -> io::Error {
        self.damaged.store(true, Ordering::Release);
        Damaged.into()
    }
}

/// The name that goes into the key of a file.
fn sealed_name(name: &Path) -> String {
    name.to_string_lossy().into_owned()
}

impl fmt::Debug for SealedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedDirectory")
    }
}

impl Directory for SealedDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let file = self.open_file(path).map_err(|cause| read_error(path, cause))?;
        // A cut file shows at once: its last chunk does not carry the last flag.
        let last = file.layout.chunks.saturating_sub(1);
        file.chunk(last, true).map_err(|cause| read_error(path, cause))?;
        Ok(Arc::new(file))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        let deleted = self
            .gate
            .pass()
            .and_then(|_pass| fs::remove_file(self.shared.root.join(path)));
        deleted.map_err(|cause| {
            if cause.kind() == io::ErrorKind::NotFound {
                DeleteError::FileDoesNotExist(path.to_path_buf())
            } else {
                DeleteError::IoError {
                    io_error: Arc::new(cause),
                    filepath: path.to_path_buf(),
                }
            }
        })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.shared
            .root
            .join(path)
            .try_exists()
            .map_err(|cause| OpenReadError::wrap_io_error(cause, path.to_path_buf()))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let writer = self.begin_file(path).map_err(|cause| {
            if cause.kind() == io::ErrorKind::AlreadyExists {
                OpenWriteError::FileAlreadyExists(path.to_path_buf())
            } else {
                OpenWriteError::wrap_io_error(cause, path.to_path_buf())
            }
        })?;
        let gate = Arc::clone(&self.gate);
        Ok(BufWriter::new(Box::new(FileWriter { writer, gate })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let read = || {
            let file = self.open_file(path)?;
            let len = file.len();
            file.copy(0..len)
        };
        read().map_err(|cause| read_error(path, cause))
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let _pass = self.gate.pass()?;
        let target = self.shared.root.join(path);
        let mut temporary = target.clone().into_os_string();
        temporary.push(TEMPORARY);
        match fs::remove_file(&temporary) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
        let file = self.shared.create(temporary.as_ref())?;
        let mut writer = SealingWriter::new(&self.shared.master, &sealed_name(path), file)?;
        writer.write_all(data)?;
        writer.finish()?;
        fs::rename(&temporary, &target)
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.shared.locks.acquire(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(self.shared.watchers.subscribe(callback))
    }
}

fn read_error(path: &Path, cause: io::Error) -> OpenReadError {
    if cause.kind() == io::ErrorKind::NotFound {
        OpenReadError::FileDoesNotExist(path.to_path_buf())
    } else {
        OpenReadError::wrap_io_error(cause, path.to_path_buf())
    }
}

struct FileWriter {
    writer: SealingWriter<File>,
    gate: Arc<Gate>,
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _pass = self.gate.pass()?;
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl TerminatingWrite for FileWriter {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        let _pass = self.gate.pass()?;
        self.writer.finish().map(|_| ())
    }
}

/// One open file; reads are checked chunk by chunk.
struct SealedFile {
    shared: Arc<Shared>,
    cache: Arc<ChunkCache>,
    id: u64,
    file: File,
    cipher: FileCipher,
    layout: Layout,
}

impl SealedFile {
    fn read_chunk(&self, number: u64) -> io::Result<Chunk> {
        let (offset, len) = self.layout.locate(number);
        let mut bytes = Wiped::zeroed(len);
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => {}
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.shared.damage());
            }
            Err(cause) => {
                self.shared.damaged.store(true, Ordering::Release);
                return Err(cause);
            }
        }
        self.cipher
            .open(number, self.layout.is_last(number), &mut bytes)
            .map_err(|_| self.shared.damage())?;
        Ok(Arc::new(bytes))
    }

    fn chunk(&self, number: u64, keep: bool) -> io::Result<Chunk> {
        if let Some(chunk) = self.cache.get((self.id, number)) {
            return Ok(chunk);
        }
        let chunk = self.read_chunk(number)?;
        if keep {
            self.cache.insert((self.id, number), &chunk);
        }
        Ok(chunk)
    }

    fn copy(&self, range: Range<usize>) -> io::Result<Vec<u8>> {
        let wanted = range.end.saturating_sub(range.start);
        if range.end > self.len() {
            return Err(self.shared.damage());
        }
        // One read that would push out most of the cache goes past it.
        let keep = wanted <= self.cache.budget() / 4;
        let mut bytes = Vec::with_capacity(wanted);
        let mut at = range.start;
        while at < range.end {
            let chunk = self.chunk((at / CHUNK) as u64, keep)?;
            let from = at % CHUNK;
            let to = chunk.len().min(from.saturating_add(range.end - at));
            let part = chunk.get(from..to).filter(|part| !part.is_empty());
            let part = part.ok_or_else(|| self.shared.damage())?;
            bytes.extend_from_slice(part);
            at += part.len();
        }
        Ok(bytes)
    }
}

impl Drop for SealedFile {
    fn drop(&mut self) {
        self.cache.forget(self.id, self.layout.chunks);
    }
}

impl fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedFile")
    }
}

impl HasLen for SealedFile {
    fn len(&self) -> usize {
        usize::try_from(self.layout.plain).unwrap_or(usize::MAX)
    }
}

impl FileHandle for SealedFile {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        self.copy(range).map(OwnedBytes::new)
    }
}

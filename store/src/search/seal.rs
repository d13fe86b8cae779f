//! The sealed form of one index file.
//!
//! ```text
//! file   = header || chunk 0 || chunk 1 || … || last chunk
//! header = "PLSX" || version (1) || 0 0 0 || salt (24)                       32 bytes
//! chunk  = ChaCha20-Poly1305(key, nonce, up to 16384 bytes) || tag (16)
//! key    = BLAKE3 keyed with the master key over "parlour search file v1" || salt || name
//! nonce  = last flag (1) || 0 0 0 || chunk number (u64, little endian)       12 bytes
//! ```
//! Every chunk but the last is full; an empty file has one empty last chunk. A file under another
//! name, a missing tail and a moved chunk all fail to open. It does not hide file names or sizes.

use std::io::{self, Write};

use blake3::Hasher;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use zeroize::{Zeroize, Zeroizing};

/// Plain bytes in a full chunk.
pub(super) const CHUNK: usize = 16 * 1024;
/// Bytes of the authentication tag of one chunk.
const TAG: usize = 16;
/// Bytes before the first chunk.
pub(super) const HEADER: usize = 32;
const SALT: usize = 24;
const MAGIC: [u8; 8] = *b"PLSX\x01\0\0\0";
const CONTEXT: &[u8] = b"parlour search file v1";

/// The cipher of one file; its key is wiped when dropped.
pub(super) struct FileCipher {
    aead: ChaCha20Poly1305,
}

/// How the plain bytes of a sealed file are laid out, worked out from its length alone.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Plain bytes in the file.
    pub(super) plain: u64,
    /// Number of chunks, at least one.
    pub(super) chunks: u64,
}

/// A sealed file that does not open: changed, cut short, moved or written with another key.
#[derive(Debug, thiserror::Error)]
#[error("a search index file is damaged")]
pub(super) struct Damaged;

impl From<Damaged> for io::Error {
    fn from(damaged: Damaged) -> Self {
        Self::new(io::ErrorKind::InvalidData, damaged)
    }
}

impl FileCipher {
    fn new(master: &[u8; 32], salt: &[u8], name: &str) -> Self {
        let mut hasher = Hasher::new_keyed(master);
        hasher.update(CONTEXT).update(salt).update(name.as_bytes());
        let key = Zeroizing::new(*hasher.finalize().as_bytes());
        hasher.zeroize();
        Self {
            aead: ChaCha20Poly1305::new((&*key).into()),
        }
    }

    /// Makes the header and the cipher of a new file called `name`.
    pub(super) fn create(master: &[u8; 32], name: &str) -> io::Result<([u8; HEADER], Self)> {
        let mut header = [0; HEADER];
        let (magic, salt) = header.split_at_mut(MAGIC.len());
        magic.copy_from_slice(&MAGIC);
        getrandom::fill(salt).map_err(|_| io::Error::other("no randomness for a file salt"))?;
        let cipher = Self::new(master, salt, name);
        Ok((header, cipher))
    }

    /// Reads the header of the file called `name`.
    pub(super) fn from_header(master: &[u8; 32], name: &str, header: &[u8; HEADER]) -> Result<Self, Damaged> {
        let (magic, salt) = header.split_at(HEADER - SALT);
        if magic != MAGIC {
            return Err(Damaged);
        }
        Ok(Self::new(master, salt, name))
    }

    /// Seals `chunk` in place and appends its tag.
    pub(super) fn seal(&self, number: u64, last: bool, chunk: &mut Vec<u8>) -> io::Result<()> {
        self.aead
            .encrypt_in_place(&nonce(number, last), &[], chunk)
            .map_err(|_| io::Error::other("a search index chunk could not be sealed"))
    }

    /// Opens `chunk` in place and cuts off its tag.
    pub(super) fn open(&self, number: u64, last: bool, chunk: &mut Vec<u8>) -> Result<(), Damaged> {
        self.aead
            .decrypt_in_place(&nonce(number, last), &[], chunk)
            .map_err(|_| Damaged)
    }
}

impl Layout {
    /// The layout of a sealed file of `len` bytes.
    pub(super) fn of(len: u64) -> Result<Self, Damaged> {
        let body = len.checked_sub(HEADER as u64).ok_or(Damaged)?;
        let sealed = (CHUNK + TAG) as u64;
        let chunks = body.div_ceil(sealed);
        let tail = body.checked_sub(chunks.saturating_sub(1).saturating_mul(sealed));
        match tail {
            Some(tail) if tail > TAG as u64 || (tail == TAG as u64 && chunks == 1) => Ok(Self {
                plain: body.saturating_sub(chunks.saturating_mul(TAG as u64)),
                chunks,
            }),
            _ => Err(Damaged),
        }
    }

    /// Whether `number` is the last chunk.
    pub(super) fn is_last(self, number: u64) -> bool {
        number.saturating_add(1) == self.chunks
    }

    /// Where chunk `number` begins in the file, and its sealed length.
    pub(super) fn locate(self, number: u64) -> (u64, usize) {
        let start = number.saturating_mul(CHUNK as u64);
        let plain = self.plain.saturating_sub(start).min(CHUNK as u64) as usize;
        let offset = (HEADER as u64).saturating_add(number.saturating_mul((CHUNK + TAG) as u64));
        (offset, plain.saturating_add(TAG))
    }
}

fn nonce(number: u64, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    let (flags, counter) = bytes.split_at_mut(4);
    flags[0] = u8::from(last);
    counter.copy_from_slice(&number.to_le_bytes());
    bytes.into()
}

/// Seals what is written to it; nothing but sealed bytes reaches the file below.
pub(super) struct SealingWriter<W: Write> {
    out: W,
    cipher: FileCipher,
    number: u64,
    buffer: Vec<u8>,
}

impl<W: Write> SealingWriter<W> {
    /// Writes the header of the file called `name` to `out`.
    pub(super) fn new(master: &[u8; 32], name: &str, mut out: W) -> io::Result<Self> {
        let (header, cipher) = FileCipher::create(master, name)?;
        out.write_all(&header)?;
        Ok(Self {
            out,
            cipher,
            number: 0,
            buffer: Vec::with_capacity(CHUNK + TAG),
        })
    }

    fn seal_buffer(&mut self, last: bool) -> io::Result<()> {
        self.cipher.seal(self.number, last, &mut self.buffer)?;
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.number += 1;
        Ok(())
    }

    /// Seals the last chunk. A file without it does not open.
    pub(super) fn finish(&mut self) -> io::Result<&mut W> {
        self.seal_buffer(true)?;
        self.out.flush()?;
        Ok(&mut self.out)
    }
}

impl<W: Write> Write for SealingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full buffer waits: it may turn out to be the last chunk.
        if self.buffer.len() == CHUNK && !bytes.is_empty() {
            self.seal_buffer(false)?;
        }
        let room = CHUNK.saturating_sub(self.buffer.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.buffer.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for SealingWriter<W> {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = SealingWriter::new(&KEY, "a.idx", &mut out).unwrap();
        writer.write_all(plain).unwrap();
        writer.finish().unwrap();
        drop(writer);
        out
    }

    fn opened(name: &str, file: &[u8]) -> Result<Vec<u8>, Damaged> {
        let layout = Layout::of(file.len() as u64)?;
        let header = file[..HEADER].try_into().unwrap();
        let cipher = FileCipher::from_header(&KEY, name, header)?;
        let mut plain = Vec::new();
        for number in 0..layout.chunks {
            let (start, len) = layout.locate(number);
            let mut chunk = file[start as usize..start as usize + len].to_vec();
            cipher.open(number, layout.is_last(number), &mut chunk)?;
            plain.extend_from_slice(&chunk);
        }
        assert_eq!(plain.len() as u64, layout.plain);
        Ok(plain)
    }

    #[test]
    fn every_length_around_a_chunk_comes_back() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
            let plain: Vec<u8> = (0..len).map(|i| i as u8).collect();
            assert_eq!(opened("a.idx", &sealed(&plain)).unwrap(), plain, "length {len}");
        }
    }

    #[test]
    fn every_cut_and_another_name_are_damage() {
        let file = sealed(&vec![3; 2 * CHUNK + 9]);
        assert!(opened("b.idx", &file).is_err());
        for cut in (0..file.len())
            .step_by(97)
            .chain([file.len() - 1, HEADER + CHUNK + TAG])
        {
            assert!(opened("a.idx", &file[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn chunks_in_another_order_are_damage() {
        let mut file = sealed(&vec![3; 3 * CHUNK]);
        let size = CHUNK + TAG;
        let first = file[HEADER..HEADER + size].to_vec();
        file.copy_within(HEADER + size..HEADER + 2 * size, HEADER);
        file[HEADER + size..HEADER + 2 * size].copy_from_slice(&first);
        assert!(opened("a.idx", &file).is_err());
    }

    #[test]
    fn any_flipped_bit_is_damage() {
        let file = sealed(b"a short file");
        for at in 0..file.len() {
            let mut flipped = file.clone();
            flipped[at] ^= 1;
            assert!(opened("a.idx", &flipped).is_err(), "byte {at}");
        }
    }
}

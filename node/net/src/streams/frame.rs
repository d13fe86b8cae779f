//! Frames on a stream: length u32 big-endian, then that many bytes.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::{Buf, Bytes, BytesMut};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Longest frame: 256 KiB of content and 64 bytes for its seal.
pub const MAX_FRAME_BYTES: usize = 256 * 1024 + 64;

const HEADER: usize = 4;
/// Read sizes: small while a stream is quiet (memory), large while it is busy (system calls).
const READ_MIN: usize = 4 * 1024;
const READ_MAX: usize = 64 * 1024;
/// Frames are put together up to this size before they are written.
const WRITE_BATCH: usize = 64 * 1024;

/// Reads frames. Room is made as bytes arrive, not as the header promises.
#[derive(Debug)]
pub(super) struct FrameReader<R> {
    io: R,
    buffer: BytesMut,
    read_size: usize,
    max: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(io: R) -> Self {
        Self {
            io,
            buffer: BytesMut::new(),
            read_size: READ_MIN,
            max: MAX_FRAME_BYTES,
        }
    }

    /// Frames may have at most `max` bytes from now on.
    pub(super) fn allow(&mut self, max: usize) {
        self.max = max.min(MAX_FRAME_BYTES);
    }

    /// The next frame; `None` at a clean end. Not to be called again after its future was dropped.
    /// # Errors
    /// `InvalidData`: over what is allowed, at most [`MAX_FRAME_BYTES`]. `UnexpectedEof`: the end came inside a frame.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            let filled = self.buffer.len();
            self.buffer.resize(filled.saturating_add(self.read_size), 0);
            let (_, room) = self.buffer.split_at_mut(filled);
            let got = self.io.read(room).await?;
            self.buffer.truncate(filled.saturating_add(got));
            if got == 0 {
                return if filled == 0 {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
            self.read_size = if got == self.read_size {
                self.read_size.saturating_mul(2).min(READ_MAX)
            } else {
                READ_MIN
            };
        }
    }

    fn take(&mut self) -> io::Result<Option<Bytes>> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let size = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
        if size > self.max {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "frame is over the limit"));
        }
        if self.buffer.len() < HEADER.saturating_add(size) {
            return Ok(None);
        }
        self.buffer.advance(HEADER);
        Ok(Some(self.buffer.split_to(size).freeze()))
    }
}

/// Writes what `frames` yields until it is closed, or `finish` is cancelled, and nothing waits; then closes `io`.
/// Flushes whenever nothing waits.
pub(super) async fn write_frames<W: AsyncWrite + Unpin>(
    mut io: W,
    frames: &mut mpsc::Receiver<Bytes>,
    queued_bytes: &AtomicUsize,
    finish: &CancellationToken,
) -> io::Result<()> {
    let mut batch = Vec::new();
    let append = |batch: &mut Vec<u8>, frame: Bytes| {
        queued_bytes.fetch_sub(frame.len(), Ordering::AcqRel);
        let size = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        batch.extend_from_slice(&size.to_be_bytes());
        batch.extend_from_slice(&frame);
    };
    loop {
        let next = tokio::select! {
            biased;
            frame = frames.recv() => frame,
            () = finish.cancelled() => {
                frames.close();
                frames.recv().await
            }
        };
        let Some(frame) = next else {
            return io.close().await;
        };
        append(&mut batch, frame);
        while batch.len() < WRITE_BATCH
            && let Ok(frame) = frames.try_recv()
        {
            append(&mut batch, frame);
        }
        io.write_all(&batch).await?;
        if frames.is_empty() {
            io.flush().await?;
            batch = Vec::new();
        } else {
            batch.clear();
        }
    }
}

#[cfg(test)]
mod check;

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};

    use super::*;

    fn read(bytes: Vec<u8>) -> (Vec<Bytes>, io::Result<Option<Bytes>>) {
        let mut reader = FrameReader::new(Cursor::new(bytes));
        let mut frames = Vec::new();
        loop {
            match block_on(reader.next()) {
                Ok(Some(frame)) => frames.push(frame),
                end => return (frames, end),
            }
        }
    }

    #[test]
    fn written_frames_are_read_back_in_order() {
        let sent: Vec<Bytes> = [0, 1, 5, 70_000, MAX_FRAME_BYTES, 3]
            .map(|size| Bytes::from(vec![u8::try_from(size % 251).unwrap(); size]))
            .to_vec();
        let (queue, mut frames) = mpsc::channel(8);
        let queued = AtomicUsize::new(sent.iter().map(Bytes::len).sum());
        for frame in &sent {
            queue.try_send(frame.clone()).unwrap();
        }
        drop(queue);
        let mut wire = Vec::new();
        let finish = CancellationToken::new();
        block_on(write_frames(&mut wire, &mut frames, &queued, &finish)).unwrap();
        assert_eq!(queued.into_inner(), 0);
        let (got, end) = read(wire);
        assert_eq!(got, sent);
        assert!(matches!(end, Ok(None)));
    }

    #[test]
    fn oversized_and_cut_frames_are_errors() {
        let over = u32::try_from(MAX_FRAME_BYTES + 1).unwrap();
        let (_, end) = read(over.to_be_bytes().to_vec());
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::InvalidData);
        for cut in [vec![0], vec![0, 0, 0, 2, 9], vec![0, 0, 0, 1]] {
            let (frames, end) = read(cut);
            assert!(frames.is_empty());
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn however_bytes_come_in_the_same_frames_come_out() {
        let mut noise = blake3::Hasher::new().update(b"frames").finalize_xof();
        let mut byte = move || {
            let mut byte = [0];
            noise.fill(&mut byte);
            byte[0]
        };
        let (mut frames, mut ends) = (0, [0; 3]);
        for _ in 0..600 {
            // How long they may be, and how large the pieces are.
            let mut data = vec![byte() | 16, byte()];
            for _ in 0..byte() % 8 {
                let (length, bad) = (byte() % 40, byte());
                let header = [u8::from(bad == 1), u8::from(bad == 2), u8::from(bad == 3), length];
                data.extend(header);
                data.extend((0..length).map(|_| byte()));
            }
            if byte() % 2 == 0 {
                data.truncate(data.len() - usize::from(byte() % 8).min(data.len()));
            }
            let (count, end) = check::frames(&data);
            frames += count;
            ends[end] += 1;
        }
        assert!(
            frames > 300 && ends.iter().all(|count| *count > 10),
            "{frames} frames, {ends:?}"
        );
    }
}

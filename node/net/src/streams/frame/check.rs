//! What holds of every stream of bytes, however it comes in.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::{io, iter};

use futures::{AsyncRead, executor::block_on};

use super::FrameReader;

/// Bytes that come in pieces.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: &'a mut dyn Iterator<Item = usize>,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let size = self.sizes.next().unwrap_or(usize::MAX).max(1);
        let size = size.min(self.bytes.len()).min(room.len());
        let (piece, rest) = self.bytes.split_at(size);
        room[..size].copy_from_slice(piece);
        self.bytes = rest;
        Poll::Ready(Ok(size))
    }
}

/// Reads the frames in the bytes behind the first two, which say how long a frame may be and how large the pieces are. How many there
/// were, and how it ended: 0 at a frame's end, 1 inside of one, 2 over the limit.
pub(super) fn frames(data: &[u8]) -> (usize, usize) {
    let [max, pieces, bytes @ ..] = data else { return (0, 0) };
    let max = usize::from(*max);
    let mut sizes = iter::successors(Some(usize::from(*pieces % 16)), |size| Some((size * 7 + 3) % 11));
    let mut reader = FrameReader::new(Pieces {
        bytes,
        sizes: &mut sizes,
    });
    reader.allow(max);
    let (mut rest, mut count) = (bytes, 0);
    loop {
        let read = block_on(reader.next());
        let length = rest.first_chunk().map(|header| u32::from_be_bytes(*header) as usize);
        match (length, read) {
            (Some(length), Err(error)) if length > max => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                return (count, 2);
            }
            (Some(length), Ok(Some(frame))) if length <= max => {
                assert_eq!(rest.get(4..4 + length), Some(&frame[..]));
                rest = &rest[4 + length..];
                count += 1;
            }
            (None, Ok(None)) if rest.is_empty() => return (count, 0),
            (length, Err(error)) if !rest.is_empty() => {
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                assert!(length.is_none_or(|length| rest.len() < 4 + length));
                return (count, 1);
            }
            (length, read) => unreachable!("{length:?} of {} bytes, and {read:?}", rest.len()),
        }
    }
}

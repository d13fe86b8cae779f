//! What small pictures are, told by their first bytes: nothing is decoded here (PROTOCOL.md section 8, avatars).
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod plain;

use crate::codec::ByteReader;
use thiserror::Error;

pub use plain::plain_image;

/// Most pixels on a side.
pub const MAX_IMAGE_SIDE: u32 = 512;

/// A kind of picture that browsers show and that cannot hold a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// Portable network graphics.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
}

impl ImageKind {
    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }
}

/// Why bytes are no picture that is taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ImageError {
    /// Of no known kind, or cut short.
    #[error("this is no PNG, JPEG, GIF or WebP image")]
    Unknown,
    /// Too many pixels, or none.
    #[error("the image is {width} × {height} pixels large; at most 512 × 512 are taken")]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
}

/// What kind of picture these bytes are, if its header says that it is at most 512 × 512 pixels large.
///
/// # Errors
/// See [`ImageError`].
pub fn image_kind(bytes: &[u8]) -> Result<ImageKind, ImageError> {
    let known = png(bytes)
        .or_else(|| gif(bytes))
        .or_else(|| webp(bytes))
        .or_else(|| jpeg(bytes));
    let (kind, width, height) = known.ok_or(ImageError::Unknown)?;
    let sides = 1..=MAX_IMAGE_SIDE;
    if sides.contains(&width) && sides.contains(&height) {
        Ok(kind)
    } else {
        Err(ImageError::Size { width, height })
    }
}

type Found = Option<(ImageKind, u32, u32)>;

fn png(bytes: &[u8]) -> Found {
    let mut rest = ByteReader::new(bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?);
    let (width, height) = (u32::from_be_bytes(rest.array()?), u32::from_be_bytes(rest.array()?));
    Some((ImageKind::Png, width, height))
}

fn gif(bytes: &[u8]) -> Found {
    let rest = bytes
        .strip_prefix(b"GIF87a")
        .or_else(|| bytes.strip_prefix(b"GIF89a"))?;
    let mut rest = ByteReader::new(rest);
    let (width, height) = (u16::from_le_bytes(rest.array()?), u16::from_le_bytes(rest.array()?));
    Some((ImageKind::Gif, u32::from(width), u32::from(height)))
}

fn webp(bytes: &[u8]) -> Found {
    let mut rest = ByteReader::new(bytes.strip_prefix(b"RIFF")?);
    let _size: [u8; 4] = rest.array()?;
    let (mark, chunk): ([u8; 4], [u8; 4]) = (rest.array()?, rest.array()?);
    let _size: [u8; 4] = rest.array()?;
    if &mark != b"WEBP" {
        return None;
    }
    let (width, height) = match &chunk {
        b"VP8 " => {
            let [_, _, _, 0x9d, 0x01, 0x2a] = rest.array::<6>()? else {
                return None;
            };
            let side = |pair: [u8; 2]| u32::from(u16::from_le_bytes(pair) & 0x3fff);
            (side(rest.array()?), side(rest.array()?))
        }
        b"VP8L" => {
            let [0x2f, b0, b1, b2, b3] = rest.array::<5>()? else {
                return None;
            };
            let bits = u32::from_le_bytes([b0, b1, b2, b3]);
            (
                (bits & 0x3fff).saturating_add(1),
                ((bits >> 14) & 0x3fff).saturating_add(1),
            )
        }
        b"VP8X" => {
            let _flags: [u8; 4] = rest.array()?;
            let [w0, w1, w2, h0, h1, h2] = rest.array::<6>()?;
            let side = |a, b, c| u32::from_le_bytes([a, b, c, 0]).saturating_add(1);
            (side(w0, w1, w2), side(h0, h1, h2))
        }
        _ => return None,
    };
    Some((ImageKind::Webp, width, height))
}

fn jpeg(bytes: &[u8]) -> Found {
    let mut rest = ByteReader::new(bytes.strip_prefix(b"\xff\xd8")?);
    loop {
        let [0xff, marker] = rest.array::<2>()? else {
            return None;
        };
        let length = u16::from_be_bytes(rest.array()?);
        let mut segment = ByteReader::new(rest.take(usize::from(length).checked_sub(2)?)?);
        // A start of frame; C4, C8 and CC are others.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let _precision = segment.u8()?;
            let (height, width) = (
                u16::from_be_bytes(segment.array()?),
                u16::from_be_bytes(segment.array()?),
            );
            return Some((ImageKind::Jpeg, u32::from(width), u32::from(height)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(width: u16, height: u16) -> Vec<(ImageKind, Vec<u8>)> {
        let (w, h) = (width.to_be_bytes(), height.to_be_bytes());
        let less = |side: u16| u32::from(side.saturating_sub(1));
        let lossless = (less(width) | less(height) << 14).to_le_bytes();
        let (w24, h24) = (less(width).to_le_bytes(), less(height).to_le_bytes());
        let riff = |chunk: &[u8], rest: &[u8]| [b"RIFF\0\0\0\0WEBP", chunk, &[0; 4], rest].concat();
        vec![
            (
                ImageKind::Png,
                [&b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0"[..], &w, &[0, 0], &h].concat(),
            ),
            (
                ImageKind::Gif,
                [&b"GIF89a"[..], &width.to_le_bytes(), &height.to_le_bytes()].concat(),
            ),
            (
                ImageKind::Jpeg,
                [
                    &b"\xff\xd8\xff\xe0\0\x04ab\xff\xc4\0\x02\xff\xc2\0\x11\x08"[..],
                    &h,
                    &w,
                    &[0; 20],
                ]
                .concat(),
            ),
            (
                ImageKind::Webp,
                riff(
                    b"VP8 ",
                    &[
                        &[0, 0, 0, 0x9d, 1, 0x2a][..],
                        &width.to_le_bytes(),
                        &height.to_le_bytes(),
                    ]
                    .concat(),
                ),
            ),
            (ImageKind::Webp, riff(b"VP8L", &[&[0x2f][..], &lossless].concat())),
            (
                ImageKind::Webp,
                riff(b"VP8X", &[&[0; 4][..], &w24[..3], &h24[..3]].concat()),
            ),
        ]
    }

    #[test]
    fn kinds_and_sizes_are_told_by_the_header() {
        for (kind, bytes) in samples(512, 1) {
            assert_eq!(image_kind(&bytes), Ok(kind));
        }
        for (kind, bytes) in samples(513, 7) {
            assert_eq!(
                image_kind(&bytes),
                Err(ImageError::Size { width: 513, height: 7 }),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_refused() {
        for (_, bytes) in samples(9, 9) {
            for end in 0..bytes.len().min(20) {
                assert!(image_kind(&bytes[..end]).is_err());
            }
        }
        for other in [
            &b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..],
            b"%PDF-1.7",
            b"",
            b"BM",
            b"\xff\xd8\xff\xff",
        ] {
            assert_eq!(image_kind(other), Err(ImageError::Unknown));
        }
    }
}

//! Pictures without what their maker or camera wrote into them: places, times, names, thumbnails, programs. Pixels are not
//! touched. Which way up a photograph is stays.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::{ImageError, ImageKind, image_kind};
use crate::codec::ByteReader;

/// The picture without its metadata.
///
/// # Errors
/// As [`image_kind`]; `Unknown` also when the picture is not whole.
pub fn plain_image(bytes: &[u8]) -> Result<Vec<u8>, ImageError> {
    let plain = match image_kind(bytes)? {
        ImageKind::Png => png(bytes),
        ImageKind::Jpeg => jpeg(bytes),
        ImageKind::Gif => gif(bytes),
        ImageKind::Webp => webp(bytes),
    };
    plain.ok_or(ImageError::Unknown)
}

/// Chunks are `length u32 || type 4 || data || crc 4`. What draws is kept, and what is behind the end is not.
fn png(bytes: &[u8]) -> Option<Vec<u8>> {
    const DRAWS: [&[u8; 4]; 11] = [
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"acTL", b"fcTL", b"fdAT",
    ];
    let (signature, rest) = bytes.split_at_checked(8)?;
    let mut out = signature.to_vec();
    let mut rest = ByteReader::new(rest);
    loop {
        let length: [u8; 4] = rest.array()?;
        let kind: [u8; 4] = rest.array()?;
        let data = rest.take(usize::try_from(u32::from_be_bytes(length)).ok()?)?;
        let crc: [u8; 4] = rest.array()?;
        if DRAWS.contains(&&kind) {
            for part in [&length[..], &kind, data, &crc] {
                out.extend_from_slice(part);
            }
        }
        if &kind == b"IEND" {
            return Some(out);
        }
    }
}

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP13: u8 = 0xed;
const APP15: u8 = 0xef;
const COM: u8 = 0xfe;

/// Segments are `ff || marker || length u16 || data`; behind the start of a scan comes data up to the next marker.
fn jpeg(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = ByteReader::new(bytes.strip_prefix(&[0xff, SOI])?);
    let mut out = vec![0xff, SOI];
    loop {
        let 0xff = rest.u8()? else { return None };
        let mut marker = rest.u8()?;
        while marker == 0xff {
            marker = rest.u8()?;
        }
        if marker == EOI {
            out.extend_from_slice(&[0xff, EOI]);
            return Some(out);
        }
        let length: [u8; 2] = rest.array()?;
        let data = rest.take(usize::from(u16::from_be_bytes(length)).checked_sub(2)?)?;
        match marker {
            APP0 => out.extend(jfif(data).unwrap_or_default()),
            APP1 => out.extend(orientation(data).map(upright).unwrap_or_default()),
            APP2..=APP13 | APP15 | COM => {}
            _ => {
                out.extend_from_slice(&[0xff, marker]);
                out.extend_from_slice(&length);
                out.extend_from_slice(data);
            }
        }
        if marker == SOS {
            let scan = scan_length(rest.clone().rest())?;
            out.extend_from_slice(rest.take(scan)?);
        }
    }
}

/// How far the data of a scan goes: to a marker that neither stands for the byte ff nor begins the data anew.
fn scan_length(rest: &[u8]) -> Option<usize> {
    rest.windows(2)
        .position(|pair| matches!(pair, [0xff, marker] if !matches!(marker, 0 | 0xd0..=0xd7 | 0xff)))
}

/// The JFIF segment without its thumbnail.
fn jfif(data: &[u8]) -> Option<Vec<u8>> {
    let head = data.get(..12).filter(|head| head.starts_with(b"JFIF\0"))?;
    Some([&[0xff, APP0, 0, 16][..], head, &[0, 0]].concat())
}

/// Which way up the picture is, of a segment of Exif data: the tag 0x0112 of its first directory.
fn orientation(data: &[u8]) -> Option<u16> {
    let tiff = data.strip_prefix(b"Exif\0\0")?;
    let little = match tiff.get(..4)? {
        b"II\x2a\0" => true,
        b"MM\0\x2a" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let pair = tiff.get(at..at.checked_add(2)?)?.first_chunk().copied()?;
        Some(if little {
            u16::from_le_bytes(pair)
        } else {
            u16::from_be_bytes(pair)
        })
    };
    let quad: [u8; 4] = tiff.get(4..8)?.first_chunk().copied()?;
    let directory = if little {
        u32::from_le_bytes(quad)
    } else {
        u32::from_be_bytes(quad)
    };
    let directory = usize::try_from(directory).ok()?;
    let entries = u16_at(directory)?;
    let first = directory.checked_add(2)?;
    (0..usize::from(entries))
        .map_while(|entry| first.checked_add(entry.checked_mul(12)?))
        .find(|at| u16_at(*at) == Some(0x0112))
        .and_then(|at| u16_at(at.checked_add(8)?))
        .filter(|value| (2..=8).contains(value))
}

/// A segment of Exif data that says nothing but which way up the picture is.
fn upright(orientation: u16) -> Vec<u8> {
    let [high, low] = orientation.to_be_bytes();
    [
        &[0xff, APP1, 0, 34][..],
        b"Exif\0\0MM\0\x2a\0\0\0\x08",
        b"\0\x01\x01\x12\0\x03\0\0\0\x01",
        &[high, low, 0, 0],
        &[0; 4],
    ]
    .concat()
}

/// Blocks: a picture, an extension (`21 || label || sub-blocks`), or the end.
fn gif(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = ByteReader::new(bytes);
    let mut out = Vec::new();
    let head = rest.take(13)?;
    out.extend_from_slice(head);
    out.extend_from_slice(rest.take(colours(*head.get(10)?))?);
    loop {
        let kind = rest.u8()?;
        let block = rest.clone().rest();
        match kind {
            0x21 => {
                let label = rest.u8()?;
                let first = rest.clone().rest().get(1..).unwrap_or_default();
                let draws = label == 0xf9
                    || label == 0xff && (first.starts_with(b"NETSCAPE2.0") || first.starts_with(b"ANIMEXTS1.0"));
                skip_sub_blocks(&mut rest)?;
                if draws {
                    out.push(kind);
                    out.extend_from_slice(block.get(..block.len().checked_sub(rest.clone().rest().len())?)?);
                }
            }
            0x2c => {
                let flags = *rest.take(9)?.get(8)?;
                rest.take(colours(flags))?;
                let _code_size = rest.u8()?;
                skip_sub_blocks(&mut rest)?;
                out.push(kind);
                out.extend_from_slice(block.get(..block.len().checked_sub(rest.clone().rest().len())?)?);
            }
            0x3b => {
                out.push(kind);
                return Some(out);
            }
            _ => return None,
        }
    }
}

/// Bytes of a table of colours, by the flags that announce it.
fn colours(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 6 << (flags & 7) }
}

fn skip_sub_blocks(rest: &mut ByteReader<'_>) -> Option<()> {
    loop {
        match rest.u8()? {
            0 => return Some(()),
            length => rest.take(usize::from(length))?,
        };
    }
}

/// Chunks are `type 4 || length u32 || data`, padded to an even length.
fn webp(bytes: &[u8]) -> Option<Vec<u8>> {
    /// In VP8X: profile of colours, Exif, XMP.
    const METADATA: u8 = 0x20 | 0x08 | 0x04;
    let mut rest = ByteReader::new(bytes.get(12..)?);
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let kind: [u8; 4] = rest.array()?;
        let length: [u8; 4] = rest.array()?;
        let bytes = usize::try_from(u32::from_le_bytes(length)).ok()?;
        let mut data = rest.take(bytes)?.to_vec();
        if !bytes.is_multiple_of(2) {
            // Some programs leave out the last padding.
            let _padding = rest.u8();
            data.push(0);
        }
        match &kind {
            b"VP8X" => *data.first_mut()? &= !METADATA,
            b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ANMF" => {}
            _ => continue,
        }
        chunks.extend_from_slice(&kind);
        chunks.extend_from_slice(&length);
        chunks.extend_from_slice(&data);
    }
    let size = u32::try_from(chunks.len().checked_add(4)?).ok()?;
    Some([&b"RIFF"[..], &size.to_le_bytes(), b"WEBP", &chunks].concat())
}

#[cfg(test)]
mod tests;

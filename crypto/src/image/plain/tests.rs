#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test knows its numbers"
)]

use super::*;

const SECRET: &[u8] = b"52.5200 13.4050";

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    [
        &u32::try_from(data.len()).unwrap().to_be_bytes()[..],
        kind,
        data,
        b"crc!",
    ]
    .concat()
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    [
        &[0xff, marker][..],
        &u16::try_from(data.len() + 2).unwrap().to_be_bytes(),
        data,
    ]
    .concat()
}

fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut all = Vec::new();
    for (kind, data) in chunks {
        all.extend_from_slice(*kind);
        all.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
        all.extend_from_slice(data);
        all.extend(std::iter::repeat_n(0, data.len() % 2));
    }
    [
        &b"RIFF"[..],
        &u32::try_from(all.len() + 4).unwrap().to_le_bytes(),
        b"WEBP",
        &all,
    ]
    .concat()
}

fn png(extra: &[Vec<u8>]) -> Vec<u8> {
    let header = [0, 0, 0, 9, 0, 0, 0, 9, 8, 2, 0, 0, 0];
    let mut out = [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header)].concat();
    out.extend(extra.concat());
    out.extend(chunk(b"IDAT", b"pixels"));
    out.extend(chunk(b"IEND", b""));
    out
}

fn jpeg(extra: &[Vec<u8>]) -> Vec<u8> {
    let frame = segment(0xc2, &[8, 0, 9, 0, 9, 1, 1, 0x11, 0]);
    let scan = [&segment(SOS, &[1, 1, 0, 0, 63, 0])[..], b"\x12\xff\0\x34\xff\xd0\x56"].concat();
    let jfif = segment(APP0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    [
        &[0xff, SOI][..],
        &jfif,
        &extra.concat(),
        &frame,
        &scan,
        &scan,
        &[0xff, EOI],
    ]
    .concat()
}

fn exif(little: bool, orientation: u8) -> Vec<u8> {
    let tiff: &[u8] = if little {
        &[
            b'I', b'I', 42, 0, 8, 0, 0, 0, 2, 0, 0x0f, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 1, 3, 0, 1, 0, 0, 0,
        ]
    } else {
        &[
            b'M', b'M', 0, 42, 0, 0, 0, 8, 0, 2, 1, 0x0f, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x12, 0, 3, 0, 0, 0, 1,
        ]
    };
    let value = if little { [orientation, 0] } else { [0, orientation] };
    segment(APP1, &[b"Exif\0\0", tiff, &value, &[0; 6], SECRET].concat())
}

fn gif(extra: &[u8]) -> Vec<u8> {
    let head = b"GIF89a\x09\0\x09\0\x80\0\0rgbRGB";
    let control = b"\x21\xf9\x04\0\0\0\0\0";
    let picture = b"\x2c\0\0\0\0\x09\0\x09\0\0\x02\x02ab\x01c\0";
    [&head[..], extra, control, picture, b"\x3b"].concat()
}

fn is_free_of_secrets(kind: ImageKind, with: &[u8], without: &[u8]) {
    let plain = plain_image(with).unwrap();
    assert_eq!(plain, without, "{kind:?}");
    assert_eq!(plain_image(&plain).as_deref(), Ok(without), "{kind:?} once more");
    assert_eq!(image_kind(&plain), Ok(kind));
    assert!(!plain.windows(SECRET.len()).any(|window| window == SECRET));
}

#[test]
fn what_the_maker_wrote_is_gone_and_what_draws_is_there() {
    let text = [chunk(b"tEXt", SECRET), chunk(b"eXIf", SECRET), chunk(b"iCCP", SECRET)].concat();
    let gamma = chunk(b"gAMA", &[0, 0, 177, 143]);
    let with = [png(&[gamma.clone(), text]), SECRET.to_vec()].concat();
    is_free_of_secrets(ImageKind::Png, &with, &png(&[gamma]));

    let adobe = segment(0xee, b"Adobe\0\x64\0\0\0\0\x01");
    let kept = jpeg(std::slice::from_ref(&adobe));
    let rest = [
        segment(0xed, SECRET),
        segment(COM, SECRET),
        segment(APP0, b"JFXX\0"),
        adobe,
    ];
    let with = [jpeg(&rest), SECRET.to_vec()].concat();
    is_free_of_secrets(ImageKind::Jpeg, &with, &kept);

    let comment = [&b"\x21\xfe\x0f"[..], SECRET, b"\0"].concat();
    let xmp = [&b"\x21\xff\x0bXMP DataXMP\x0f"[..], SECRET, b"\0"].concat();
    let loops = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0";
    let with = [&gif(&[&comment[..], &xmp, loops].concat())[..], SECRET].concat();
    is_free_of_secrets(ImageKind::Gif, &with, &gif(loops));

    let extended = |flags| [flags, 0, 0, 0, 8, 0, 0, 8, 0, 0];
    let pixels: &[u8] = &[0x2f, 8, 0, 2, 0];
    let with = riff(&[
        (b"VP8X", &extended(0x3c)),
        (b"ICCP", SECRET),
        (b"VP8L", pixels),
        (b"EXIF", SECRET),
        (b"XMP ", SECRET),
    ]);
    let without = riff(&[(b"VP8X", &extended(0x10)), (b"VP8L", pixels)]);
    is_free_of_secrets(ImageKind::Webp, &with, &without);
}

#[test]
fn which_way_up_a_photograph_is_stays() {
    for little in [true, false] {
        let plain = plain_image(&jpeg(&[exif(little, 6)])).unwrap();
        assert_eq!(plain, jpeg(&[upright(6)]));
        assert_eq!(plain_image(&plain), Ok(plain.clone()));
        for nothing in [0, 1, 9] {
            assert_eq!(plain_image(&jpeg(&[exif(little, nothing)])), Ok(jpeg(&[])));
        }
    }
    let thumbnail = [&segment(APP0, &[&b"JFIF\0\x01\x01\0\0\x01\0\x01\x01\x01"[..], SECRET].concat())[..]].concat();
    let plain = plain_image(&[&[0xff, SOI][..], &thumbnail, &jpeg(&[])[20..]].concat());
    assert_eq!(plain, Ok(jpeg(&[])));
}

#[test]
fn pictures_that_are_not_whole_are_refused() {
    let webp = riff(&[(b"VP8L", &[0x2f, 8, 0, 2, 0])]);
    for (whole, end) in [(png(&[]), 0), (jpeg(&[exif(true, 3)]), 0), (gif(b""), 0), (webp, 1)] {
        // The last padding of WebP may be missing.
        for length in 0..whole.len() - end {
            assert_eq!(
                plain_image(&whole[..length]),
                Err(ImageError::Unknown),
                "{length} bytes"
            );
        }
    }
}

use super::*;

fn sample() -> Vec<u8> {
    let mut writer = TlvWriter::new();
    writer.field(1, &[1]).field(3, &[0, 2]).field(4, b"");
    writer.finish()
}

fn read(bytes: &[u8]) -> Result<(u8, Option<u8>, u16, usize), TlvError> {
    let mut reader = TlvReader::new(bytes);
    let one = reader.u8(1)?;
    let two = reader.optional(2)?.map(<[u8]>::len).map(|len| len as u8);
    let three = reader.u16(3)?;
    let four = reader.required(4)?.len();
    reader.finish()?;
    Ok((one, two, three, four))
}

#[test]
fn a_structure_reads_back() {
    assert_eq!(sample(), [1, 0, 1, 1, 3, 0, 2, 0, 2, 4, 0, 0]);
    assert_eq!(read(&sample()), Ok((1, None, 2, 0)));
    assert_eq!(
        read(&[1, 0, 1, 1, 2, 0, 0, 3, 0, 2, 0, 2, 4, 0, 0]),
        Ok((1, Some(0), 2, 0))
    );
}

#[test]
fn whatever_is_out_of_place_is_refused() {
    let cases: [(&[u8], TlvError); 7] = [
        (&[], TlvError::Missing { tag: 1 }),
        (&[3, 0, 2, 0, 2, 1, 0, 1, 1, 4, 0, 0], TlvError::Missing { tag: 1 }),
        (
            &[1, 0, 1, 1, 1, 0, 1, 1, 3, 0, 2, 0, 2, 4, 0, 0],
            TlvError::Missing { tag: 3 },
        ),
        (
            &[1, 0, 2, 1, 1, 3, 0, 2, 0, 2, 4, 0, 0],
            TlvError::Width { tag: 1, got: 2 },
        ),
        (
            &[1, 0, 1, 1, 3, 0, 2, 0, 2, 4, 0, 0, 5, 0, 0],
            TlvError::Trailing { bytes: 3 },
        ),
        (&[1, 0, 1, 1, 3, 0, 2, 0, 2, 4, 0, 1], TlvError::Truncated),
        (&[1, 0, 1, 1, 3, 0, 2, 0, 2, 4, 0], TlvError::Truncated),
    ];
    for (bytes, error) in cases {
        assert_eq!(read(bytes), Err(error), "{bytes:?}");
    }
    let bytes = sample();
    for len in 0..bytes.len() {
        assert!(read(&bytes[..len]).is_err());
    }
}

#[test]
#[should_panic(expected = "tags must ascend")]
fn writing_out_of_order_is_a_mistake() {
    TlvWriter::new().field(2, b"").field(2, b"");
}

#[test]
fn postcard_has_one_encoding_per_value() {
    assert_eq!(decode_strict::<(u32, Vec<u8>)>(&[5, 1, 9], 3), Ok((5, vec![9])));
    assert_eq!(
        decode_strict::<u32>(&[0x85, 0x00], 8),
        Err(DecodeError::NotCanonical),
        "overlong varint"
    );
    assert_eq!(
        decode_strict::<u32>(&[5, 0], 8),
        Err(DecodeError::Trailing { bytes: 1 })
    );
    assert_eq!(decode_strict::<u32>(&[0x80], 8), Err(DecodeError::Malformed));
    assert_eq!(decode_strict::<Option<u8>>(&[2, 0], 8), Err(DecodeError::Malformed));
    assert_eq!(decode_strict::<bool>(&[2], 8), Err(DecodeError::Malformed));
    assert_eq!(
        decode_strict::<String>(&[1, 0xff], 8),
        Err(DecodeError::Malformed),
        "not UTF-8"
    );
    assert_eq!(
        decode_strict::<u32>(&[1, 2, 3, 4], 3),
        Err(DecodeError::TooLong { got: 4, max: 3 })
    );
}

#[test]
fn a_huge_length_prefix_allocates_nothing_large() {
    // 2^60 elements announced, none there.
    let bytes = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    assert_eq!(decode_strict::<Vec<[u8; 32]>>(&bytes, 64), Err(DecodeError::Malformed));
    assert_eq!(decode_strict::<String>(&bytes, 64), Err(DecodeError::Malformed));
}

#[test]
fn the_byte_reader_stops_at_the_end() {
    let mut reader = ByteReader::new(&[1, 0, 2, 0, 0, 0, 3, 9]);
    assert_eq!((reader.u8(), reader.u16(), reader.u32()), (Some(1), Some(2), Some(3)));
    assert_eq!(reader.u64(), None);
    assert_eq!(reader.len(), 1);
    assert_eq!(reader.rest(), [9]);
}

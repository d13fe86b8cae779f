use super::*;

#[test]
fn an_envelope_splits_into_prefix_and_body() {
    let prefix = EnvelopePrefix {
        day: 0x0102,
        tag: [3, 4, 5, 6, 7, 8, 9, 10],
    };
    assert_eq!(prefix.encode(), [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for size in ENVELOPE_SIZES {
        let mut envelope = prefix.encode().to_vec();
        envelope.resize(size, 9);
        let (read, body) = parse(&envelope).unwrap();
        assert_eq!((read, body.len()), (prefix, size - PREFIX_LEN));
    }
}

#[test]
fn other_sizes_and_versions_are_refused() {
    for len in (0..600)
        .chain([1023, 1025, 49_151, 49_153, 65_536])
        .filter(|len| !ENVELOPE_SIZES.contains(len))
    {
        assert_eq!(parse(&vec![1; len]), Err(EnvelopeError::Size { got: len }));
    }
    for got in (0..=255).filter(|version| *version != 1) {
        assert_eq!(parse(&[got; 512]), Err(EnvelopeError::Version { got }));
    }
}

#[test]
fn the_smallest_size_that_fits_is_chosen() {
    assert_eq!(size_for(0), Some(512));
    assert_eq!(size_for(501), Some(512));
    assert_eq!(size_for(502), Some(1024));
    assert_eq!(size_for(MAX_ENVELOPE - PREFIX_LEN), Some(MAX_ENVELOPE));
    assert_eq!(size_for(MAX_ENVELOPE - PREFIX_LEN + 1), None);
    assert_eq!(size_for(usize::MAX), None);
}

#[test]
fn a_relay_judges_version_size_and_day_only() {
    let envelope = |day: u16| {
        let mut out = EnvelopePrefix { day, tag: [7; 8] }.encode().to_vec();
        out.resize(512, 0);
        out
    };
    for (day, verdict) in [
        (99, RelayVerdict::Accept),
        (100, RelayVerdict::Accept),
        (101, RelayVerdict::Accept),
        (98, RelayVerdict::Ignore),
        (102, RelayVerdict::Ignore),
        (0, RelayVerdict::Ignore),
        (u16::MAX, RelayVerdict::Ignore),
    ] {
        assert_eq!(relay_verdict(&envelope(day), 100), verdict, "day {day}");
    }
    assert_eq!(relay_verdict(&envelope(100)[1..], 100), RelayVerdict::Reject);
    assert_eq!(relay_verdict(&[2; 512], 100), RelayVerdict::Reject);
    assert_eq!(relay_verdict(&envelope(0), 0), RelayVerdict::Accept);
}

#[test]
fn padding_comes_off_and_must_be_zeros() {
    for (len, size) in [(0, 4), (0, 100), (96, 100), (5, 100)] {
        let padded = pad(&vec![7; len], size).unwrap();
        assert_eq!(padded.len(), size);
        assert_eq!(unpad(&padded), Ok(vec![7; len].as_slice()));
    }
    assert_eq!(pad(&[7; 97], 100), Err(PadError::TooLong { got: 97, max: 96 }));
    assert_eq!(pad(&[], 3), Err(PadError::TooLong { got: 0, max: 0 }));
    let padded = pad(b"text", 20).unwrap();
    for at in 8..20 {
        let mut bad = padded.to_vec();
        bad[at] = 1;
        assert_eq!(unpad(&bad), Err(PadError::NotZero));
    }
    assert_eq!(unpad(&[0, 0, 0]), Err(PadError::Length));
    assert_eq!(unpad(&[0, 0, 0, 1]), Err(PadError::Length));
    assert_eq!(unpad(&[0xFF; 64]), Err(PadError::Length));
}

#[test]
fn tags_differ_by_day_token_and_use() {
    let tag = first_contact_tag(&[1; 16], 5);
    assert_eq!(tag, first_contact_tag(&[1; 16], 5));
    assert_ne!(tag, first_contact_tag(&[1; 16], 6));
    assert_ne!(tag, first_contact_tag(&[2; 16], 5));
    assert_ne!(session_tag(&[1; 32], 5), session_tag(&[1; 32], 6));
}

#[test]
fn months_follow_the_calendar() {
    // Days of 1970-01-31, 1970-02-01, 1972-02-29, 1972-03-01, 2000-02-29, 2026-01-01, 2100-02-28, 2100-03-01.
    for (day, month) in [
        (0, 0),
        (30, 0),
        (31, 1),
        (789, 25),
        (790, 26),
        (11_016, 361),
        (20_454, 672),
        (47_540, 1561),
        (47_541, 1562),
    ] {
        assert_eq!(month_of(day), month, "day {day}");
    }
    assert_eq!(day_of(1_767_225_600_000), 20_454);
    assert_eq!(day_of(1_767_225_599_999), 20_453);
    assert_eq!(day_of(u64::MAX), u16::MAX);
}

#[test]
fn a_shard_is_stable_within_a_month_and_spread_over_users() {
    let user = UserId::from_bytes([5; 32]);
    assert!((20_454..20_485).all(|day| shard(&user, day) == shard(&user, 20_454)));
    let mut seen = [0; SHARDS as usize];
    for byte in 0..=255 {
        seen[usize::from(shard(&UserId::from_bytes([byte; 32]), 20_454))] += 1;
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    assert!(
        (0..24)
            .map(|month| shard(&user, month * 31))
            .any(|topic| topic != shard(&user, 0))
    );
}

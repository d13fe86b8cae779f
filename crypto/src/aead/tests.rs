use super::*;
use data_encoding::HEXLOWER as HEX;

fn hex<const N: usize>(text: &str) -> [u8; N] {
    HEX.decode(text.as_bytes()).unwrap().try_into().unwrap()
}

const SUNSCREEN: &[u8] =
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
sunscreen would be it.";

/// RFC 8439 section 2.8.2.
#[test]
fn chacha20poly1305_known_answer() {
    let key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    let nonce = hex("070000004041424344454647");
    let ad: [u8; 12] = hex("50515253c0c1c2c3c4c5c6c7");
    let mut sealed = b"prefix".to_vec();
    seal_into(&mut sealed, &key, &nonce, &ad, SUNSCREEN);
    let expected = "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b\
1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d265\
86cec64b61161ae10b594f09e26a7e902ecbd0600691";
    assert_eq!(&sealed[..6], b"prefix");
    assert_eq!(HEX.encode(&sealed[6..]), expected);
    assert_eq!(open(&key, &nonce, &ad, &sealed[6..]).unwrap().as_slice(), SUNSCREEN);
}

/// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
#[test]
fn xchacha20poly1305_known_answer() {
    let key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    let nonce = hex("404142434445464748494a4b4c4d4e4f5051525354555657");
    let ad: [u8; 12] = hex("50515253c0c1c2c3c4c5c6c7");
    let mut sealed = Vec::new();
    xseal_into(&mut sealed, &key, &nonce, &ad, SUNSCREEN);
    let expected = "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39\
ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f6\
15c68b13b52ec0875924c1c7987947deafd8780acf49";
    assert_eq!(HEX.encode(&sealed), expected);
    assert_eq!(xopen(&key, &nonce, &ad, &sealed).unwrap().as_slice(), SUNSCREEN);
}

#[test]
fn every_flipped_bit_and_every_truncation_is_refused() {
    let (key, nonce) = ([1; 32], [2; 12]);
    let mut sealed = Vec::new();
    seal_into(&mut sealed, &key, &nonce, b"ad", b"text");
    for at in 0..sealed.len() * 8 {
        let mut bad = sealed.clone();
        bad[at / 8] ^= 1 << (at % 8);
        assert_eq!(open(&key, &nonce, b"ad", &bad), Err(AeadError));
    }
    for len in 0..sealed.len() {
        assert_eq!(open(&key, &nonce, b"ad", &sealed[..len]), Err(AeadError));
    }
    assert_eq!(open(&key, &nonce, b"aD", &sealed), Err(AeadError));
    assert_eq!(open(&key, &[3; 12], b"ad", &sealed), Err(AeadError));
    assert_eq!(open(&[0; 32], &nonce, b"ad", &sealed), Err(AeadError));
}

#[test]
fn a_tag_of_any_other_length_is_refused() {
    let (key, nonce, xnonce, text) = ([1; 32], [2; 12], [3; 24], [4; 100]);
    let (mut sealed, mut xsealed) = (Vec::new(), Vec::new());
    seal_into(&mut sealed, &key, &nonce, b"ad", &text);
    xseal_into(&mut xsealed, &key, &xnonce, b"ad", &text);
    for kept in 0..TAG_LEN {
        let len = text.len() + kept;
        assert_eq!(
            open(&key, &nonce, b"ad", &sealed[..len]),
            Err(AeadError),
            "{kept} bytes"
        );
        assert_eq!(
            xopen(&key, &xnonce, b"ad", &xsealed[..len]),
            Err(AeadError),
            "{kept} bytes"
        );
    }
    for more in 1..=2 * TAG_LEN {
        for byte in [0, 0xff] {
            let tail = vec![byte; more];
            let (long, xlong) = ([&sealed[..], &tail].concat(), [&xsealed[..], &tail].concat());
            assert_eq!(open(&key, &nonce, b"ad", &long), Err(AeadError), "{more} bytes more");
            assert_eq!(xopen(&key, &xnonce, b"ad", &xlong), Err(AeadError), "{more} bytes more");
        }
    }
    // Nor does a tag that is said twice, or the end of the text taken for one.
    let twice = [&sealed[..], &sealed[text.len()..]].concat();
    assert_eq!(open(&key, &nonce, b"ad", &twice), Err(AeadError));
    assert_eq!(open(&key, &nonce, b"ad", &sealed[..text.len()]), Err(AeadError));
    assert_eq!(open(&key, &nonce, b"ad", &sealed).unwrap().as_slice(), text);
}

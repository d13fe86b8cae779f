use super::*;
use data_encoding::HEXLOWER as HEX;

/// The 24-word vectors of the BIP 39 reference implementation.
const VECTORS: [(&str, &str); 8] = [
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
         abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
    ),
    (
        "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
        "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal \
         winner thank year wave sausage worth title",
    ),
    (
        "8080808080808080808080808080808080808080808080808080808080808080",
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid \
         letter advice cage absurd amount doctor acoustic bless",
    ),
    (
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote",
    ),
    (
        "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
        "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis maple \
         dilemma loan word shrug inflict delay length",
    ),
    (
        "9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863",
        "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich alcohol speed nation flash \
         devote level hobby quick inner drive ghost inside",
    ),
    (
        "066dca1a2bb7e8a1db2832148ce9933eea0f3ac9548d793112d9a95c9407efad",
        "all hour make first leader extend hole alien behind guard gospel lava path output census museum junior mass \
         reopen famous sing advance salt reform",
    ),
    (
        "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
        "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen patrol group \
         space point ten exist slush involve unfold",
    ),
];

#[test]
fn official_vectors_hold_in_both_directions() {
    for (entropy, phrase) in VECTORS {
        let bytes: [u8; 32] = HEX.decode(entropy.as_bytes()).unwrap().try_into().unwrap();
        assert_eq!(phrase_from_entropy(&bytes).as_str(), phrase);
        assert_eq!(*entropy_from_phrase(phrase).unwrap(), bytes);
    }
}

#[test]
fn case_and_white_space_do_not_matter() {
    let (entropy, phrase) = VECTORS[4];
    let shouted = format!("\n {} ", phrase.to_uppercase().replace(' ', " \t\n"));
    assert_eq!(HEX.encode(entropy_from_phrase(&shouted).unwrap().as_slice()), entropy);
}

#[test]
fn errors_say_what_is_wrong() {
    let words: Vec<&str> = VECTORS[4].1.split(' ').collect();
    assert_eq!(entropy_from_phrase("").unwrap_err(), PhraseError::WordCount { got: 0 });
    assert_eq!(
        entropy_from_phrase(&words[..12].join(" ")).unwrap_err(),
        PhraseError::WordCount { got: 12 }
    );
    assert_eq!(
        entropy_from_phrase(&"zoo ".repeat(25)).unwrap_err(),
        PhraseError::WordCount { got: 25 }
    );
    for position in 1..=24 {
        let mut wrong = words.clone();
        wrong[position - 1] = "hamsters";
        assert_eq!(
            entropy_from_phrase(&wrong.join(" ")).unwrap_err(),
            PhraseError::UnknownWord { position }
        );
    }
    let mut swapped = words.clone();
    swapped.swap(0, 1);
    assert_eq!(
        entropy_from_phrase(&swapped.join(" ")).unwrap_err(),
        PhraseError::Checksum
    );
}

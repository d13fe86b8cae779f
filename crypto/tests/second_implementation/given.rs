//! Cases in JSON, as `crypto/tests/vectors/make.py` describes them, and random values that are written down beforehand.

use std::convert::Infallible;
use std::path::Path;

use data_encoding::HEXLOWER;
use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;

/// The inputs of a case, by name.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a>(pub(crate) &'a Value);

impl<'a> Given<'a> {
    pub(crate) fn value(&self, name: &str) -> &'a Value {
        self.0.get(name).unwrap_or_else(|| panic!("{name} is missing"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    pub(crate) fn part(&self, name: &str) -> Given<'a> {
        Given(self.value(name))
    }

    pub(crate) fn parts(&self, name: &str) -> impl Iterator<Item = Given<'a>> {
        self.value(name).as_array().expect(name).iter().map(Given)
    }

    pub(crate) fn text(&self, name: &str) -> &'a str {
        self.value(name)
            .as_str()
            .unwrap_or_else(|| panic!("{name} is not text"))
    }

    pub(crate) fn int<N: TryFrom<u64>>(&self, name: &str) -> N {
        let number = self
            .value(name)
            .as_u64()
            .unwrap_or_else(|| panic!("{name} is not a number"));
        N::try_from(number).unwrap_or_else(|_| panic!("{name} is too large"))
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        unhex(self.value(name))
    }

    pub(crate) fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name)
            .try_into()
            .unwrap_or_else(|_| panic!("{name} has another width"))
    }

    pub(crate) fn optional<const N: usize>(&self, name: &str) -> Option<[u8; N]> {
        self.has(name).then(|| self.array(name))
    }

    pub(crate) fn list(&self, name: &str) -> Vec<Vec<u8>> {
        self.value(name).as_array().expect(name).iter().map(unhex).collect()
    }

    pub(crate) fn ids(&self, name: &str) -> Vec<[u8; 32]> {
        self.list(name)
            .into_iter()
            .map(|id| id.try_into().expect(name))
            .collect()
    }
}

pub(crate) fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is not text"));
    HEXLOWER
        .decode(text.as_bytes())
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> Value {
    HEXLOWER.encode(bytes.as_ref()).into()
}

pub(crate) fn hexes<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Value {
    items.into_iter().map(hex).collect()
}

/// `data` with every edit made; their offsets are those of `data` as it was.
pub(crate) fn edited(data: &[u8], edits: &Value) -> Vec<u8> {
    let (mut out, mut last) = (Vec::new(), 0);
    let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).unwrap();
    for edit in edits.as_array().expect("edits") {
        let (at, cut, put, times) = (number(&edit[0]), number(&edit[1]), unhex(&edit[2]), number(&edit[3]));
        out.extend_from_slice(&data[last..at]);
        out.extend(put.repeat(times));
        last = at + cut;
    }
    out.extend_from_slice(&data[last..]);
    out
}

/// The cases of one file.
pub(crate) fn cases(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut content: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let topic = path.file_stem().and_then(|stem| stem.to_str());
    assert_eq!(content["topic"].as_str(), topic, "{}", path.display());
    match content["cases"].take() {
        Value::Array(cases) => cases,
        _ => panic!("{} has no cases", path.display()),
    }
}

/// A generator that gives what was put into it, in that order, in pieces of whatever width is asked for.
pub(crate) struct Script {
    bytes: Vec<u8>,
    at: usize,
}

impl Script {
    pub(crate) fn new<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self {
            bytes: parts.into_iter().collect::<Vec<_>>().concat(),
            at: 0,
        }
    }

    /// Ends the script, all of which must have been used.
    pub(crate) fn end(self) {
        assert_eq!(self.at, self.bytes.len(), "random values are left over");
    }
}

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("only bytes are asked for");
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("only bytes are asked for");
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let end = self.at + out.len();
        out.copy_from_slice(self.bytes.get(self.at..end).expect("a random value that no case gives"));
        self.at = end;
        Ok(())
    }
}

impl TryCryptoRng for Script {}

/// A generator for a step that seals: which of the values given are needed shows by the widths that are asked for.
pub(crate) struct Chosen {
    pub(crate) ratchet_secret: Option<[u8; 32]>,
    pub(crate) kem_seed: Option<[u8; 64]>,
    pub(crate) kem_random: Option<[u8; 32]>,
    /// Of the header; as often as it is asked for.
    pub(crate) nonce: [u8; 24],
}

impl Chosen {
    /// What a chain begins with must have been used.
    pub(crate) fn end(self) {
        assert_eq!(self.ratchet_secret, None, "the ratchet secret is left over");
    }
}

impl TryRng for Chosen {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("only bytes are asked for");
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("only bytes are asked for");
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let missing = "a random value that no case gives";
        match out.len() {
            24 => out.copy_from_slice(&self.nonce),
            32 => {
                let value = self.ratchet_secret.take().or_else(|| self.kem_random.take());
                out.copy_from_slice(&value.expect(missing));
            }
            64 => out.copy_from_slice(&self.kem_seed.take().expect(missing)),
            width => panic!("nothing has {width} bytes"),
        }
        Ok(())
    }
}

impl TryCryptoRng for Chosen {}

//! Files and rows that somebody else may have written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_crypto::{ByteReader, Keystore, OneTimeSecret, PrekeySecret, SendingChain, Session, Unlock};

fuzz_target!(|data: &[u8]| {
    let _ = Keystore::unlock(data, Unlock::NodeKey(&[1; 32]));
    let _ = Keystore::has_password_slot(data);
    let _ = PrekeySecret::from_bytes(data);
    let _ = OneTimeSecret::from_bytes(data);
    let _ = Keystore::has_node_key_slot(data);
    let _ = Session::load(data, std::iter::empty());
    if let Ok(chain) = SendingChain::from_bytes(data) {
        assert_eq!(chain.to_bytes().as_slice(), data, "one encoding of a chain");
    }
    load(data);
});

/// A session: length u16 and core, then records, each 13 bytes of name, length u16 and value.
fn load(data: &[u8]) -> Option<()> {
    let mut input = ByteReader::new(data);
    let len = input.u16()?;
    let core = input.take(len.into())?;
    let mut records = Vec::new();
    while let Some(name) = input.array() {
        let len = input.u16()?;
        records.push((name, input.take(len.into())?.to_vec().into()));
    }
    let session = Session::load(core, records).ok()?;
    assert!(
        session.core().len() >= core.len(),
        "a version may add, and loses nothing"
    );
    Some(())
}

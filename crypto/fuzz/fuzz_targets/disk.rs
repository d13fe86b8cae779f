//! Files and rows that somebody else may have written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_crypto::{Keystore, OneTimeSecret, PrekeySecret, Session, Unlock};

fuzz_target!(|data: &[u8]| {
    let _ = Keystore::unlock(data, Unlock::NodeKey(&[1; 32]));
    let _ = Keystore::has_password_slot(data);
    let _ = PrekeySecret::from_bytes(data);
    let _ = OneTimeSecret::from_bytes(data);
    let _ = Session::load(data, std::iter::empty());
});

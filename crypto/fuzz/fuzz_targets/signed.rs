//! What peers sign: certificates, device lists, bundles, events.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_crypto::{ChainCert, DeviceCert, DeviceList, EventHeader, SignedEvent};

fuzz_target!(|data: &[u8]| {
    if let Ok(cert) = DeviceCert::verify(data) {
        assert_eq!(cert.as_bytes(), data);
    }
    if let Ok(list) = DeviceList::verify(data) {
        assert_eq!(list.as_bytes(), data);
    }
    let _ = ChainCert::claimed(data);
    if let Ok(header) = EventHeader::decode(data) {
        assert_eq!(header.encode(), data, "one encoding of a header");
    }
    if let Ok(event) = SignedEvent::decode(data) {
        let _ = event.verify(&[7; 32]);
    }
});

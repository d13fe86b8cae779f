//! What anybody can put on the wire: envelopes, first flights, knocks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_crypto::{FirstFlight, KnockRequest, KnockResponse, parse, relay_verdict};

fuzz_target!(|data: &[u8]| {
    let _ = relay_verdict(data, 20_454);
    if let Ok((_, body)) = parse(data) {
        let _ = FirstFlight::parse(body);
    }
    let _ = FirstFlight::parse(data);
    if let Ok(request) = KnockRequest::decode(data) {
        assert_eq!(request.encode().unwrap(), data, "one encoding of a request");
    }
    if let Ok(response) = KnockResponse::decode(data) {
        assert_eq!(response.encode().unwrap(), data, "one encoding of a response");
    }
});

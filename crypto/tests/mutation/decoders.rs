//! Every decoder there is.

use std::hint::black_box;

use parlour_crypto::*;

/// Offers `bytes` to every decoder; each must answer. The signature checks cost most, so the certificate is shared.
pub(crate) fn offer(bytes: &[u8], cert: &DeviceCert) {
    black_box(DeviceCert::verify(bytes).is_ok());
    black_box(DeviceList::verify(bytes).is_ok());
    black_box(PrekeyBundle::verify(bytes, cert).is_ok());
    black_box(PrekeySecret::from_bytes(bytes).is_ok());
    black_box(OneTimeSecret::from_bytes(bytes).is_ok());
    black_box(SignedEvent::decode(bytes).is_ok_and(|event| event.verify(cert.signing_key()).is_ok()));
    black_box(EventHeader::decode(bytes).is_ok());
    for kind in BODY_KINDS {
        black_box(Body::read(*kind, bytes).is_ok());
    }
    black_box(Payload::decode(bytes).is_ok());
    if let Ok(Control::Contact { profile, .. } | Control::ContactHello { profile, .. }) = Control::decode(bytes) {
        CardDetails::from_ext(&profile.ext).validate().unwrap();
    }
    room(bytes, cert);
    black_box(plain_image(bytes).is_ok());
    black_box(Session::load(bytes, []).is_ok());
    black_box(Frame::decode(bytes).is_ok());
    black_box(KnockRequest::decode(bytes).is_ok());
    black_box(KnockResponse::decode(bytes).is_ok());
    black_box(parse(bytes).is_ok());
    black_box(unpad(bytes).is_ok());
    black_box(relay_verdict(bytes, 1));
    black_box(Keystore::unlock(bytes, Unlock::NodeKey(&[1; 32])).is_ok());
    let text = String::from_utf8_lossy(bytes);
    black_box(Invite::parse(&text).is_ok());
    black_box(RoomLink::parse(&text).is_ok());
    black_box(text.parse::<UserId>().is_ok());
    black_box(entropy_from_phrase(&text).is_ok());
    black_box(is_emoji(&text));
}

/// The decoders of rooms.
fn room(bytes: &[u8], cert: &DeviceCert) {
    black_box(Operation::decode(bytes).is_ok());
    black_box(ChainCert::claimed(bytes));
    black_box(SendingChain::from_bytes(bytes).is_ok());
    let room = ConversationId::from_bytes([5; 32]);
    if let Ok(event) = SignedEvent::decode(bytes).map(|event| event.verify(cert.signing_key()))
        && let Ok(event) = event
    {
        black_box(RoomOperation::read(&event, cert).is_ok());
    }
    if let Ok(Control::SenderChain { chains, .. }) = Control::decode(bytes) {
        let mut sender = ChainSender::new(room, cert).unwrap();
        for chain in chains {
            black_box(sender.take(&chain, &cert.device(), &cert.device()).is_ok());
        }
    }
    for kind in 1..=3 {
        let mut key = [0; 13];
        key[0] = kind;
        black_box(ChainSender::load(room, cert, [(key, bytes.to_vec().into())]).is_ok());
    }
}

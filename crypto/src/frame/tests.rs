use super::*;
use crate::ids::DeviceId;
use crate::{Intervals, LogHave};

fn hello() -> Hello {
    Hello {
        version: 1,
        wall_time_ms: 300,
        list_version: 2,
        list_hash: [3; 8],
        bundle_serial: 4,
        ext: vec![],
    }
}

fn all() -> [Frame; 7] {
    let log = LogHave {
        device: DeviceId::from_bytes([8; 32]),
        log: 0,
        have: Intervals::range(1, 9),
    };
    let conversation = ConversationId::from_bytes([7; 32]);
    [
        Frame::Hello(hello()),
        Frame::Have(Have {
            conversation,
            full: false,
            logs: vec![log],
        }),
        Frame::Events {
            conversation,
            events: vec![vec![1, 2], vec![]],
        },
        Frame::Control {
            id: [5; 16],
            control: Control::Received { ids: vec![] },
        },
        Frame::Received { ids: vec![[6; 16]] },
        Frame::Rekey,
        Frame::Want {
            conversation,
            ids: vec![EventId::from_bytes([8; 32])],
        },
    ]
}

#[test]
fn the_bytes_are_those_of_the_page() {
    let [hello, _, events, control, received, rekey, want] = all().map(|frame| frame.encode().unwrap());
    assert_eq!(hello, [0, 1, 0xAC, 0x02, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 0]);
    assert_eq!(events, [&[2][..], &[7; 32], &[2, 2, 1, 2, 0]].concat());
    assert_eq!(control, [&[3][..], &[5; 16], &[4, 0]].concat());
    assert_eq!(received, [&[4, 1][..], &[6; 16]].concat());
    assert_eq!(rekey, [5]);
    assert_eq!(want, [&[6][..], &[7; 32], &[1], &[8; 32]].concat());
}

#[test]
fn frames_read_back_and_every_cut_or_longer_form_is_refused() {
    for frame in all() {
        let bytes = frame.encode().unwrap();
        assert_eq!(Frame::decode(&bytes), Ok(frame.clone()));
        for len in 0..bytes.len() {
            assert!(Frame::decode(&bytes[..len]).is_err(), "{frame:?} cut to {len}");
        }
        assert!(
            Frame::decode(&[bytes.as_slice(), &[0]].concat()).is_err(),
            "{frame:?} with a byte more"
        );
    }
    assert_eq!(Frame::decode(&[9]), Err(ControlError::NeedsNewerVersion));
    assert_eq!(
        Frame::decode(&[4, 0x80, 0]),
        Err(ControlError::Malformed(DecodeError::NotCanonical)),
        "an overlong count"
    );
}

#[test]
fn limits_hold_in_both_directions() {
    let conversation = ConversationId::from_bytes([7; 32]);
    let events = |lengths: &[usize]| Frame::Events {
        conversation,
        events: lengths.iter().map(|len| vec![0; *len]).collect(),
    };
    assert!(matches!(
        events(&[MAX_WIRE_EVENT + 1]).encode(),
        Err(ControlError::OverLimit { field: "event", .. })
    ));
    let long = [
        &[2][..],
        &encode(&(conversation, vec![ByteBuf::from(vec![0; MAX_WIRE_EVENT + 1])])),
    ]
    .concat();
    assert!(matches!(
        Frame::decode(&long),
        Err(ControlError::OverLimit { field: "event", .. })
    ));
    let full = events(&[45_000, 45_000, 45_000, 45_000, 45_000, 262_144 - 225_052]);
    let bytes = full.encode().unwrap();
    assert_eq!(bytes.len(), MAX_FRAME);
    assert_eq!(Frame::decode(&bytes), Ok(full));
    assert!(matches!(
        events(&[45_000; 6]).encode(),
        Err(ControlError::OverLimit { field: "frame", .. })
    ));
    assert!(matches!(
        Frame::decode(&vec![5; MAX_FRAME + 1]),
        Err(ControlError::OverLimit { field: "frame", .. })
    ));
    let ext = Frame::Hello(Hello {
        ext: vec![(0, vec![]); 17],
        ..hello()
    });
    assert!(matches!(
        ext.encode(),
        Err(ControlError::OverLimit { field: "ext", .. })
    ));
    assert!(matches!(
        Frame::Received {
            ids: vec![[0; 16]; 257]
        }
        .encode(),
        Err(ControlError::OverLimit { field: "ids", .. })
    ));
}

#[test]
fn ephemeral_frames_are_their_bytes_and_nothing_else() {
    let typing = Frame::Typing {
        conversation: ConversationId::from_bytes([3; 32]),
        typing: true,
    };
    let bytes = typing.encode().unwrap();
    assert_eq!(bytes, [&[7][..], &[3; 32], &[1]].concat());
    assert_eq!(Frame::decode(&bytes), Ok(typing));
    for (state, presence) in [(0, Presence::Away), (1, Presence::Online), (2, Presence::Hidden)] {
        assert_eq!(Frame::Presence(presence).encode().unwrap(), [8, state]);
        assert_eq!(Frame::decode(&[8, state]), Ok(Frame::Presence(presence)));
    }
    assert_eq!(Frame::decode(&[8, 3]), Err(ControlError::NeedsNewerVersion));
    for malformed in [&[7][..], &[8], &[8, 0, 0], &[7, 3, 1]] {
        assert!(
            matches!(Frame::decode(malformed), Err(ControlError::Malformed(_))),
            "{malformed:?}"
        );
    }
}

//! What messages say, in JSON.

use parlour_crypto::{Audio, Call, CallOutcome, Content, Location, Picture, Poll, SharedFile, Sticker, Video, Voice};
use serde_json::Value;

use super::given::Given;
use super::values::variant;

pub(crate) fn content(value: &Value) -> Content {
    let (name, v) = variant(value);
    match name {
        "Text" => Content::Text(v.0.as_str().expect("text").to_owned()),
        "Poll" => Content::Poll(Poll {
            question: v.text("question").to_owned(),
            options: texts(&v, "options"),
            multiple: yes(&v, "multiple"),
            anonymous: yes(&v, "anonymous"),
            closes_at: v.has("closes_at").then(|| v.int("closes_at")),
        }),
        "Location" => Content::Location(Location {
            latitude: v.int("latitude"),
            longitude: v.int("longitude"),
            accuracy_m: v.has("accuracy_m").then(|| v.int("accuracy_m")),
            name: v.text("name").to_owned(),
        }),
        "File" => Content::File(file(v)),
        "Image" => Content::Image(picture(v)),
        "Video" => Content::Video(Video {
            picture: picture(v),
            duration_ms: v.int("duration_ms"),
        }),
        "Audio" => Content::Audio(Audio {
            file: file(v.part("file")),
            duration_ms: v.int("duration_ms"),
        }),
        "Voice" => Content::Voice(Voice {
            file: file(v.part("file")),
            duration_ms: v.int("duration_ms"),
            wave: v.bytes("wave"),
        }),
        "Sticker" => Content::Sticker(Sticker {
            emoji: v.text("emoji").to_owned(),
            name: v.text("name").to_owned(),
            file: v.has("file").then(|| file(v.part("file"))),
        }),
        "Call" => Content::Call(Call {
            video: yes(&v, "video"),
            outcome: match v.int("outcome") {
                0u8 => CallOutcome::Ended,
                1 => CallOutcome::Missed,
                2 => CallOutcome::Declined,
                _ => CallOutcome::Failed,
            },
            duration_ms: v.int("duration_ms"),
        }),
        other => panic!("unknown content {other}"),
    }
}

fn file(v: Given<'_>) -> SharedFile {
    SharedFile {
        id: v.array("id"),
        key: v.array("key"),
        size: v.int("size"),
        name: v.text("name").to_owned(),
        media_type: v.text("media_type").to_owned(),
        thumbnail: v.bytes("thumbnail"),
        caption: v.text("caption").to_owned(),
    }
}

fn picture(v: Given<'_>) -> Picture {
    Picture {
        file: file(v.part("file")),
        width: v.int("width"),
        height: v.int("height"),
    }
}

fn yes(v: &Given<'_>, name: &str) -> bool {
    v.value(name).as_bool().expect("a bool")
}

fn texts(v: &Given<'_>, name: &str) -> Vec<String> {
    let items = v.value(name).as_array().expect(name).iter();
    items.map(|item| item.as_str().expect(name).to_owned()).collect()
}

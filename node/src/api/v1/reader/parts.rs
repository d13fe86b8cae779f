//! Contents beside text, as JSON.

use parlour_crypto::{CallOutcome, Content, EQUATOR, MERIDIAN, SharedFile, UserId};
use parlour_store::view::PollView;

use super::super::dto::{self, Time};
use crate::text::one_line;

/// Parts of a degree that coordinates are counted in.
const PARTS_OF_A_DEGREE: f64 = 10_000_000.0;

/// What of a content is read as text.
pub(crate) fn text(content: &Content) -> Option<String> {
    let text = match content {
        Content::Text(text) => text.clone(),
        Content::Sticker(_) | Content::Poll(_) => String::new(),
        other => other.file().map(|file| file.caption.clone()).unwrap_or_default(),
    };
    Some(text).filter(|text| !text.is_empty())
}

/// What it is beside text.
pub(crate) fn parts(content: &Content) -> dto::Parts {
    let mut parts = dto::Parts::default();
    match content {
        Content::Text(_) | Content::Poll(_) => {}
        Content::Location(place) => {
            parts.location = Some(dto::Place {
                latitude: degrees(place.latitude, EQUATOR),
                longitude: degrees(place.longitude, MERIDIAN),
                accuracy_m: place.accuracy_m,
                name: Some(one_line(&place.name)).filter(|name| !name.is_empty()),
            });
        }
        Content::File(shared) => parts.file = Some(file("file", shared)),
        Content::Image(picture) => {
            parts.file = Some(dto::File {
                width: Some(picture.width),
                height: Some(picture.height),
                ..file("image", &picture.file)
            });
        }
        Content::Video(video) => {
            parts.file = Some(dto::File {
                width: Some(video.picture.width),
                height: Some(video.picture.height),
                duration_ms: Some(video.duration_ms),
                ..file("video", &video.picture.file)
            });
        }
        Content::Audio(audio) => {
            parts.file = Some(dto::File {
                duration_ms: Some(audio.duration_ms),
                ..file("audio", &audio.file)
            });
        }
        Content::Voice(voice) => {
            parts.file = Some(dto::File {
                duration_ms: Some(voice.duration_ms),
                ..file("voice", &voice.file)
            });
        }
        Content::Sticker(sticker) => {
            parts.sticker = Some(dto::Sticker {
                emoji: sticker.emoji.clone(),
                name: Some(one_line(&sticker.name)).filter(|name| !name.is_empty()),
                file: sticker.file.as_ref().map(|shared| file("image", shared)),
            });
        }
        Content::Call(call) => {
            parts.call = Some(dto::Call {
                video: call.video,
                outcome: match call.outcome {
                    CallOutcome::Ended => "ended",
                    CallOutcome::Missed => "missed",
                    CallOutcome::Declined => "declined",
                    CallOutcome::Failed => "failed",
                },
                duration_ms: call.duration_ms,
            });
        }
    }
    parts
}

fn file(kind: &'static str, file: &SharedFile) -> dto::File {
    dto::File {
        kind,
        name: one_line(&file.name),
        media_type: file.media_type.clone(),
        size: file.size,
        width: None,
        height: None,
        duration_ms: None,
    }
}

fn degrees(parts: u32, zero: u32) -> f64 {
    (f64::from(parts) - f64::from(zero)) / PARTS_OF_A_DEGREE
}

/// Degrees as they are sent; `None` where there is no such place.
pub(crate) fn from_degrees(degrees: f64, zero: u32) -> Option<u32> {
    let parts = (degrees * PARTS_OF_A_DEGREE).round() + f64::from(zero);
    if !(0.0..=2.0 * f64::from(zero)).contains(&parts) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a whole number in bounds"
    )]
    Some(parts as u32)
}

/// A poll as `own` may see it.
pub(crate) fn poll(view: &PollView, own: &UserId) -> dto::Poll {
    let asked = &view.poll;
    let options = asked
        .options
        .iter()
        .zip(&view.voters)
        .map(|(text, voters)| dto::PollOption {
            text: text.clone(),
            votes: voters.len(),
            mine: voters.contains(own),
            voters: (!asked.anonymous).then(|| voters.clone()),
        });
    dto::Poll {
        question: asked.question.clone(),
        options: options.collect(),
        multiple: asked.multiple,
        anonymous: asked.anonymous,
        closes_at: asked.closes_at.map(Time),
        total: view.total,
        closed: view.closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_come_back_as_they_were_and_places_beyond_the_earth_do_not() {
        for (value, zero) in [
            (52.520_008_1, EQUATOR),
            (-90.0, EQUATOR),
            (180.0, MERIDIAN),
            (-0.000_000_1, MERIDIAN),
        ] {
            assert_eq!(degrees(from_degrees(value, zero).unwrap(), zero), value);
        }
        for beyond in [90.000_000_1, -91.0, f64::NAN, f64::INFINITY] {
            assert_eq!(from_degrees(beyond, EQUATOR), None, "{beyond}");
        }
    }
}

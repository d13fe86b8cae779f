//! `Retry-After`: when whoever answers wants to be asked again (RFC 9110, section 10.2.3), in seconds or as a date.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use jiff::civil::DateTime;

/// What is waited at most, whatever is asked for.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// The three forms of a date (RFC 9110, section 5.6.7), of which two are not made any more.
const DATES: [&str; 3] = [
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
];

/// How long an answer asks to wait at `now` (ms since 1970), a day at most. Only of answers that say "too many" or "not now" it is
/// asked.
pub(super) fn asked_for(status: StatusCode, headers: &HeaderMap, now: u64) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than there is a number for are more than a day.
        true => text.parse().map_or(LONGEST, Duration::from_secs),
        false => Duration::from_millis(date(text)?.saturating_sub(now)),
    };
    Some(wait.min(LONGEST))
}

/// A date as ms since 1970.
fn date(text: &str) -> Option<u64> {
    let mut read = DATES.iter().filter_map(|form| DateTime::strptime(form, text).ok());
    let time = read.next()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(u64::try_from(time.timestamp().as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
    const EXAMPLE: u64 = 784_111_777_000;

    fn asked(status: u16, text: &str, now: u64) -> Option<u64> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        let wait = asked_for(StatusCode::from_u16(status).unwrap(), &headers, now)?;
        Some(wait.as_secs())
    }

    #[test]
    fn seconds_and_every_form_of_a_date_are_read() {
        assert_eq!(asked(429, "0", 7), Some(0));
        assert_eq!(asked(503, " 120 ", 7), Some(120));
        for form in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(asked(429, form, EXAMPLE - 90_000), Some(90), "{form}");
            assert_eq!(asked(429, form, EXAMPLE + 1), Some(0), "{form} is over");
        }
    }

    #[test]
    fn nobody_is_waited_for_longer_than_a_day() {
        for long in ["86401", "99999999999999999999999999", "Sat, 06 Nov 2094 08:49:37 GMT"] {
            assert_eq!(asked(503, long, EXAMPLE), Some(86_400), "{long}");
        }
    }

    #[test]
    fn what_is_neither_and_what_other_answers_say_is_not_heeded() {
        for nonsense in [
            "",
            "soon",
            "-5",
            "+5",
            "1.5",
            "0x10",
            "1e3",
            "12 s",
            "Sun, 06 Nov 1994",
            "1994-11-06T08:49:37Z",
        ] {
            assert_eq!(asked(429, nonsense, 0), None, "{nonsense}");
        }
        for status in [200, 301, 404, 500, 502] {
            assert_eq!(asked(status, "60", 0), None, "{status}");
        }
        assert_eq!(asked_for(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), 0), None);
    }
}

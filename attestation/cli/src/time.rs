//! Times on the command line: RFC 3339, or Unix milliseconds.

use core::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use sealsum_protocol::UnixMillis;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time that somebody wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) UnixMillis);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let millis = if digits {
            text.parse().ok()
        } else {
            OffsetDateTime::parse(text, &Rfc3339)
                .ok()
                .and_then(|time| u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok())
        };
        millis
            .map(|millis| Self(UnixMillis(millis)))
            .ok_or_else(|| {
                "expected a time like 2026-01-03T20:41:07Z (RFC 3339), or milliseconds since 1970"
                    .to_owned()
            })
    }
}

/// This machine's clock.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The time as RFC 3339, to the millisecond if it has any.
pub(crate) fn shown(at: UnixMillis) -> String {
    i128::from(at.0)
        .checked_mul(1_000_000)
        .and_then(|nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_mean_the_same_time() {
        for (text, millis) in [
            ("2026-01-03T20:41:07Z", 1_767_472_867_000),
            ("2026-01-03T20:41:07.402Z", 1_767_472_867_402),
            ("2026-01-03T21:41:07.402+01:00", 1_767_472_867_402),
            ("1767472867402", 1_767_472_867_402),
            ("1970-01-01T00:00:00Z", 0),
        ] {
            assert_eq!(text.parse(), Ok(Time(UnixMillis(millis))), "{text}");
        }
        assert_eq!(
            shown(UnixMillis(1_767_472_867_402)),
            "2026-01-03T20:41:07.402Z"
        );
        assert_eq!(shown(UnixMillis(0)), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn anything_else_is_no_time() {
        for bad in [
            "",
            "now",
            "2026-01-03",
            "2026-01-03T20:41:07",
            "-1",
            "1e3",
            "1969-12-31T23:59:59Z",
            "99999999999999999999",
        ] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
    }
}

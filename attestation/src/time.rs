//! Times as a person reads them and types them in again (RFC 3339), for messages only: no decision
//! is made here.

use core::fmt;

use sealsum_protocol::UnixMillis;
use x509_parser::time::ASN1Time;

/// A time that prints as a date and the time of day in UTC.
pub(crate) struct Instant {
    seconds: i64,
}

impl Instant {
    pub(crate) fn from_seconds(seconds: i64) -> Self {
        Self { seconds }
    }

    pub(crate) fn from_millis(time: UnixMillis) -> Self {
        let seconds = time.0.checked_div(1000).unwrap_or(0);
        Self {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ASN1Time::from_timestamp(self.seconds) {
            Ok(time) => {
                let time = time.to_datetime();
                let (year, month, day) = time.to_calendar_date();
                let (hour, minute, second) = time.to_hms();
                let month = u8::from(month);
                write!(
                    f,
                    "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
                )
            }
            Err(_) => write!(f, "{} s since 1970", self.seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_to_the_second_and_one_beyond_the_calendar_as_a_number() {
        let shown = |millis| Instant::from_millis(UnixMillis(millis)).to_string();
        assert_eq!(shown(0), "1970-01-01T00:00:00Z");
        assert_eq!(shown(1_767_472_867_999), "2026-01-03T20:41:07Z");
        assert_eq!(shown(u64::MAX), "18446744073709551 s since 1970");
        assert_eq!(
            Instant::from_seconds(-1).to_string(),
            "1969-12-31T23:59:59Z"
        );
    }
}

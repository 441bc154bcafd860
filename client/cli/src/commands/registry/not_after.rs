//! The end of a grant, as people write it: a number of days, or a time in UTC (RFC 3339, with Z).

use core::str::FromStr;

use sealsum_protocol::UnixMillis;

use crate::rfc3339;

/// When a grant ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAfter {
    /// So many days from now.
    Days(u32),
    /// Then.
    Time(UnixMillis),
}

impl NotAfter {
    /// The time that is meant now.
    pub(super) fn from(self, now: UnixMillis) -> UnixMillis {
        match self {
            Self::Days(days) => now.plus(u64::from(days) * DAY),
            Self::Time(time) => time,
        }
    }
}

impl FromStr for NotAfter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self::Days)
            .ok()
            .or_else(|| rfc3339::parse(text).map(Self::Time))
            .ok_or_else(|| {
                "a number of days, or a time in UTC like 2027-01-31T00:00:00Z".to_owned()
            })
    }
}

const DAY: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_from_now() {
        let days: NotAfter = "90".parse().unwrap();
        assert_eq!(days.from(UnixMillis(5)), UnixMillis(90 * DAY + 5));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "",
            "-1",
            "2027-01-31",
            "2027-01-31T00:00:00",
            "2027-01-31T00:00:00+01:00",
            "2027-02-29T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-00-01T00:00:00Z",
            "2027-01-01T24:00:00Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert!(bad.parse::<NotAfter>().is_err(), "{bad}");
        }
    }
}

//! The end of a grant, as people write it: a number of days, or a time in UTC (RFC 3339, with Z).

use core::str::FromStr;

use sealsum_protocol::UnixMillis;

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
            .or_else(|| time(text).map(Self::Time))
            .ok_or_else(|| {
                "a number of days, or a time in UTC like 2027-01-31T00:00:00Z".to_owned()
            })
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ`, from 1970 on.
fn time(text: &str) -> Option<UnixMillis> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *months.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    let exists = (1..=length).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if year < 1970 || !exists {
        return None;
    }
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400 - LEAP_DAYS_BEFORE_1970;
    let in_year: u64 = months.iter().take(usize::try_from(month).ok()? - 1).sum();
    let days = (year - 1970) * 365 + leap_days + in_year + day - 1;
    let seconds = hour * 3600 + minute * 60 + second;
    Some(UnixMillis(days * DAY + seconds * 1000))
}

/// Three numbers of exactly so many digits.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, length) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != length || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

const DAY: u64 = 86_400_000;
const LEAP_DAYS_BEFORE_1970: u64 = 1969 / 4 - 1969 / 100 + 1969 / 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_second() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-01-03T20:41:07Z", 1_767_472_867),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ];
        for (text, seconds) in cases {
            let time = NotAfter::Time(UnixMillis(seconds * 1000));
            assert_eq!(text.parse(), Ok(time), "{text}");
        }
    }

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

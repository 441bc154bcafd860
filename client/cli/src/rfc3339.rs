//! Times as people write and read them: RFC 3339 in UTC, with Z.

use sealsum_protocol::UnixMillis;

/// `YYYY-MM-DDTHH:MM:SSZ`, from 1970 on.
pub(crate) fn parse(text: &str) -> Option<UnixMillis> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let months = months(year);
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

/// `YYYY-MM-DDTHH:MM:SSZ`; what is below a second is cut off.
pub(crate) fn format(time: UnixMillis) -> String {
    let seconds = time.0 / 1000;
    let (mut days, in_day) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    while days >= length_of(year) {
        days -= length_of(year);
        year += 1;
    }
    let mut month = 1;
    for length in months(year) {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
    let day = days + 1;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn length_of(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn months(year: u64) -> [u64; 12] {
    let february = if is_leap(year) { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

const DAY: u64 = 86_400_000;
const LEAP_DAYS_BEFORE_1970: u64 = 1969 / 4 - 1969 / 100 + 1969 / 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_second_both_ways() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("1999-12-31T23:59:59Z", 946_684_799),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-01-03T20:41:07Z", 1_767_472_867),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ];
        for (text, seconds) in cases {
            let time = UnixMillis(seconds * 1000);
            assert_eq!(parse(text), Some(time), "{text}");
            assert_eq!(format(time.plus(999)), text);
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_read_as_it_is_written() {
        for day in 0..146_097 {
            let time = UnixMillis(day * DAY);
            assert_eq!(parse(&format(time)), Some(time));
        }
    }
}

//! Versions of releases: three numbers, compared as numbers.

use core::fmt;
use core::str::FromStr;

/// `MAJOR.MINOR.PATCH`. Nothing else has an order that everybody agrees on, so pre-releases are
/// not endorsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseVersion([u32; 3]);

impl FromStr for ReleaseVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let mut parts = text.split('.');
        let mut numbers = [0; 3];
        for number in &mut numbers {
            let part = parts.next().ok_or(BadVersion)?;
            let plain = part.bytes().all(|byte| byte.is_ascii_digit());
            // One spelling of each number.
            if !plain || (part.starts_with('0') && part != "0") {
                return Err(BadVersion);
            }
            *number = part.parse().map_err(|_| BadVersion)?;
        }
        match parts.next() {
            None => Ok(Self(numbers)),
            Some(_) => Err(BadVersion),
        }
    }
}

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// Not three numbers with dots between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is three numbers, as in 0.1.0")]
pub struct BadVersion;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |text: &str| text.parse::<ReleaseVersion>().unwrap();
        assert!(version("0.10.0") > version("0.9.9"));
        assert!(version("1.0.0") > version("0.99.99"));
        assert_eq!(version("0.1.20").to_string(), "0.1.20");
    }

    #[test]
    fn what_is_not_three_plain_numbers_is_refused() {
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1.2.x",
            "1.2.-3",
            "1.2.+3",
            "01.2.3",
            "1.2.3-rc1",
            "1..3",
            "1.2.4294967296",
            " 1.2.3",
        ] {
            assert!(bad.parse::<ReleaseVersion>().is_err(), "{bad:?}");
        }
    }
}

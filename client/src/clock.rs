//! The clock: a seam, so that time is an argument wherever it decides something.

use std::time::{SystemTime, UNIX_EPOCH};

use sealsum_protocol::UnixMillis;

/// Tells the time.
pub type Clock = fn() -> UnixMillis;

/// This machine's time. A clock before 1970 reads as 0, which no evidence is fresh at.
#[must_use]
pub fn system_clock() -> UnixMillis {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixMillis(since_1970.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
}

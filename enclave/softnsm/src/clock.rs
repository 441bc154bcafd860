//! Where the NSM's time comes from: a seam, so that tests can move it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch, whenever asked.
pub type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// This machine's own clock; 0 if it stands before 1970, which every issuer
/// here refuses.
pub fn system_clock() -> Clock {
    Box::new(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| u64::try_from(since.as_millis()).ok())
            .unwrap_or(0)
    })
}

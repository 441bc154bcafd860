//! How long a client lives on each kind of wire, so that kills spread over all of it.

use std::sync::Mutex;
use std::time::Duration;

use super::wire::Pace;
use crate::demo::random::Random;

/// Measured lives, from a process' start to its end, of those that begin and those that resume.
#[derive(Default)]
pub(crate) struct Lives(Mutex<[[Option<Duration>; 2]; Pace::ALL.len()]>);

impl Lives {
    /// A process ended by itself after so long.
    pub(crate) fn measured(&self, pace: Pace, resuming: bool, life: Duration) {
        if let Ok(mut lives) = self.0.lock() {
            let known = &mut lives[pace as usize][usize::from(resuming)];
            // The machine's load changes: newer lives count for more.
            *known = Some(known.map_or(life, |known| (known * 3 + life) / 4));
        }
    }

    /// A moment of a life: any, and every fourth time one of its last sixth, where the answer comes
    /// back and is kept. None was measured: any within a second.
    pub(crate) fn moment(&self, pace: Pace, resuming: bool, random: &mut Random) -> Duration {
        let lives = self.0.lock().map(|lives| lives[pace as usize]);
        let [begins, resumes] = lives.unwrap_or_default();
        let measured = if resuming { resumes.or(begins) } else { begins };
        let life = measured.unwrap_or(Duration::from_secs(1));
        let part = random.below(PARTS) as f64 / PARTS as f64;
        let is_late = random.below(4) == 0;
        life.mul_f64(if is_late { (5.0 + part) / 6.0 } else { part })
    }
}

/// Finer than any timer here.
const PARTS: usize = 1_000_000;

//! The one kill that is due, and those who pass the point that it is aimed at.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::aim::{Aim, Point};
use super::host::{Host, hold};

/// Kills the parent where the armed aim says.
#[derive(Default)]
pub(crate) struct Killer {
    armed: Mutex<Option<Aim>>,
    done: Condvar,
}

impl Killer {
    /// Waits for somebody to pass the point, and for the kill there. False if nobody came in time:
    /// then the aim is off again, and nobody was killed.
    pub(crate) fn wait_for(&self, aim: Aim, patience: Duration) -> bool {
        let mut armed = hold(&self.armed);
        *armed = Some(aim);
        loop {
            let waited = self
                .done
                .wait_timeout_while(armed, patience, |armed| armed.is_some());
            (armed, _) = waited.unwrap_or_else(PoisonError::into_inner);
            match *armed {
                None => return true,
                // Somebody is at the point, about to kill.
                Some(aim) if aim.point.is_none() => {}
                Some(_) => {
                    *armed = None;
                    return false;
                }
            }
        }
    }

    /// Somebody passes a point. True if the parent was killed there.
    pub(crate) fn pass(&self, point: Point, host: &Host) -> bool {
        let delay = {
            let mut armed = hold(&self.armed);
            match armed.as_mut() {
                Some(aim) if aim.point == Some(point) && aim.skip > 0 => {
                    aim.skip -= 1;
                    return false;
                }
                Some(aim) if aim.point == Some(point) => {
                    let delay = aim.delay;
                    // Nobody else passes it; whoever waits goes on waiting.
                    aim.point = None;
                    delay
                }
                _ => return false,
            }
        };
        std::thread::sleep(delay);
        host.kill_parent();
        *hold(&self.armed) = None;
        self.done.notify_all();
        true
    }
}

//! How long a client puts up with a parent that does not answer: decides when a call is made again,
//! and when to give up.
//!
//! Only what may pass by itself is tried again, and only with bytes that are spent already or that
//! reveal nothing (I11); a parent that asks for long pauses can't stretch the limit.

use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use getrandom::rand_core::Rng as _;

use crate::parent::ParentError;
use crate::random;

/// A limit on waiting, and whom to tell about each wait.
#[derive(Clone)]
pub struct Patience {
    limit: Duration,
    on_wait: Arc<OnWait>,
}

type OnWait = dyn Fn(&ParentError, Duration) + Send + Sync;

impl Patience {
    /// Tries again until `limit` has passed since the first try began; zero is one try. An upload
    /// that is under way then is not cut off.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            on_wait: Arc::new(|_, _| {}),
        }
    }

    /// Calls `on_wait` before each wait with its reason and its length.
    #[must_use]
    pub fn telling(self, on_wait: impl Fn(&ParentError, Duration) + Send + Sync + 'static) -> Self {
        let on_wait = Arc::new(on_wait);
        Self { on_wait, ..self }
    }

    /// Calls until there is an answer, an error that does not pass by itself, or no time left.
    pub(crate) async fn insist<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, ParentError>
    where
        F: Future<Output = Result<T, ParentError>>,
    {
        let mut attempts = self.begin();
        loop {
            match call().await {
                Err(error) => attempts.wait(error).await?,
                Ok(answer) => return Ok(answer),
            }
        }
    }

    fn begin(&self) -> Attempts<'_> {
        Attempts {
            patience: self,
            begun: Instant::now(),
            failures: 0,
        }
    }
}

impl Default for Patience {
    /// A minute, in silence.
    fn default() -> Self {
        Self::new(DEFAULT_LIMIT)
    }
}

/// The tries of one call.
struct Attempts<'a> {
    patience: &'a Patience,
    begun: Instant,
    failures: u32,
}

impl Attempts<'_> {
    /// Waits before another try; the error again if there is to be none.
    async fn wait(&mut self, error: ParentError) -> Result<(), ParentError> {
        let left = self.patience.limit.saturating_sub(self.begun.elapsed());
        if !error.is_temporary() || left.is_zero() {
            return Err(error);
        }
        let pause = pause(
            self.failures,
            asked_for(&error),
            random::system().next_u64(),
        )
        .min(left);
        self.failures = self.failures.saturating_add(1);
        (self.patience.on_wait)(&error, pause);
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Between half and all of a step that doubles with each failure, so that clients which failed
/// together do not come back together. What the parent asked for is the least, within its limit.
fn pause(failures: u32, asked_for: Duration, random: u64) -> Duration {
    let step = FIRST_STEP
        .saturating_mul(1 << failures.min(DOUBLINGS))
        .min(LONGEST_STEP)
        .max(asked_for.min(LONGEST_STEP));
    let half = step / 2;
    let jitter = u64::try_from(half.as_millis()).map_or(0, |span| random % (span + 1));
    let least = if asked_for.is_zero() { half } else { step };
    least + Duration::from_millis(jitter)
}

fn asked_for(error: &ParentError) -> Duration {
    match error {
        ParentError::Problem { retry_after, .. } => {
            Duration::from_secs(retry_after.unwrap_or_default())
        }
        _ => Duration::ZERO,
    }
}

/// What the command line waits unless told otherwise.
const DEFAULT_LIMIT: Duration = Duration::from_secs(60);
const FIRST_STEP: Duration = Duration::from_millis(250);
/// A parent that comes back is found within seconds.
const LONGEST_STEP: Duration = Duration::from_secs(10);
/// 250 ms doubled six times is past the longest step.
const DOUBLINGS: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_vary() {
        let ms = |failures, random| pause(failures, Duration::ZERO, random).as_millis();
        assert_eq!((ms(0, 0), ms(0, 125)), (125, 250));
        assert_eq!((ms(3, 0), ms(3, 1000)), (1000, 2000));
        assert_eq!((ms(40, 0), ms(u32::MAX, 5000)), (5000, 10_000));
        assert!((0..1000).all(|random| (125..=250).contains(&ms(0, random))));
    }

    #[test]
    fn the_parent_may_ask_for_more_but_not_for_an_hour() {
        let asked = |seconds| pause(0, Duration::from_secs(seconds), 0).as_secs();
        assert_eq!((asked(2), asked(3600)), (2, 10));
    }

    #[tokio::test]
    async fn the_limit_holds_whatever_the_parent_asks_for() {
        let limit = Duration::from_millis(50);
        let patience = Patience::new(limit);
        let mut attempts = patience.begin();
        let busy = || ParentError::Problem {
            status: 503,
            code: "busy".to_owned(),
            detail: String::new(),
            retry_after: Some(u64::MAX),
        };
        attempts.wait(busy()).await.unwrap();
        assert!(attempts.begun.elapsed() < Duration::from_secs(5));
        assert!(attempts.wait(busy()).await.is_err());
    }

    #[tokio::test]
    async fn what_does_not_pass_by_itself_is_not_waited_for() {
        let form = ParentError::Form { expected: "it" };
        assert!(Patience::default().begin().wait(form).await.is_err());
        let once = Patience::new(Duration::ZERO);
        let broken = ParentError::BrokeOff {
            cause: String::new(),
        };
        assert!(once.begin().wait(broken).await.is_err());
    }
}

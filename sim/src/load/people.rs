//! The simulated clients of one round: sealed before the clock runs, each with its manner.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sealsum_protocol::{ClientId, RoundBinding, RoundTerms, upload};
use sealsum_testkit::{SeededRng, UncheckedClient};

/// One client.
pub(crate) struct Person {
    pub(crate) client: ClientId,
    /// What it sends, the same each time; of a garbage sender, spoiled.
    pub(crate) bytes: Vec<u8>,
    pub(crate) manner: Manner,
    /// Names its values.
    pub(crate) number: u64,
    /// Between the offer and the upload.
    pub(crate) latency: Duration,
}

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Honest,
    /// A little at a time.
    Slow,
    /// Everything twice, at once.
    Duplicate,
    /// Breaks off in the middle, comes back on another connection, and sends the same bytes.
    Churn,
    /// Another body than its commitment's.
    Garbage,
}

/// Of a hundred clients, how many have each manner.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mix {
    pub(crate) slow: u64,
    pub(crate) duplicate: u64,
    pub(crate) churn: u64,
    pub(crate) garbage: u64,
}

impl std::str::FromStr for Mix {
    type Err = String;

    /// `slow=5,duplicate=5,churn=5,garbage=10`
    fn from_str(text: &str) -> Result<Self, String> {
        let mut mix = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, percent) = part
                .split_once('=')
                .ok_or_else(|| format!("{part}: NAME=PERCENT"))?;
            let percent = percent
                .parse()
                .map_err(|_| format!("{percent}: a number of percent"))?;
            match name {
                "slow" => mix.slow = percent,
                "duplicate" => mix.duplicate = percent,
                "churn" => mix.churn = percent,
                "garbage" => mix.garbage = percent,
                other => return Err(format!("{other}: slow, duplicate, churn or garbage")),
            }
        }
        if mix.slow + mix.duplicate + mix.churn + mix.garbage > 100 {
            return Err("more than a hundred percent".to_owned());
        }
        Ok(mix)
    }
}

impl Mix {
    fn draw(&self, rng: &mut SeededRng) -> Manner {
        let drawn = rng.below(100);
        let bounds = [self.slow, self.duplicate, self.churn, self.garbage];
        let manners = [
            Manner::Slow,
            Manner::Duplicate,
            Manner::Churn,
            Manner::Garbage,
        ];
        let mut below = 0;
        for (percent, manner) in bounds.into_iter().zip(manners) {
            below += percent;
            if drawn < below {
                return manner;
            }
        }
        Manner::Honest
    }
}

/// Seals `count` clients for a round, on all processors, from number `first` on. Gives them with
/// the time of one thread that each took.
pub(crate) fn seal(
    binding: &RoundBinding,
    first: u64,
    count: u64,
    mix: Mix,
    latency: Duration,
) -> (Vec<Person>, Duration) {
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let begun = Instant::now();
    let mut people = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut sealed = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= first + count {
                            return sealed;
                        }
                        sealed.push(Person::seal(binding, number, mix, latency));
                    }
                })
            })
            .collect();
        for thread in threads {
            people.extend(thread.join().unwrap_or_default());
        }
    });
    let each = begun.elapsed() * u32::try_from(threads).unwrap_or(1);
    (
        people,
        each / u32::try_from(count.max(1)).unwrap_or(u32::MAX),
    )
}

impl Person {
    fn seal(binding: &RoundBinding, number: u64, mix: Mix, latency: Duration) -> Self {
        let mut rng = SeededRng::new(number ^ 0x10ad);
        let manner = mix.draw(&mut rng);
        let values = values(binding.params.params.terms(), number);
        let contribution = UncheckedClient::new(number).contribute(binding, &values);
        let mut bytes = upload::prefix(&contribution.header);
        let body = bytes.len();
        bytes.extend_from_slice(&contribution.body);
        if manner == Manner::Garbage {
            bytes[body] ^= 1;
        }
        Self {
            client: contribution.header.client,
            bytes,
            manner,
            number,
            latency: latency.mul_f64(rng.below(1000) as f64 / 1000.0),
        }
    }
}

/// The values of a number: whole steps, so that sums of them are exact.
pub(crate) fn values(terms: &RoundTerms, number: u64) -> Vec<f64> {
    let steps = 2_f64.powi(terms.fractional_bits.into());
    let step = |element: u64| ((element * (number % 97 + 3)) % 101) as f64 - 50.0;
    (0..terms.dimension).map(|i| step(i) / steps).collect()
}

/// What clients of a round share while the clock runs.
pub(crate) struct Crowd {
    pub(crate) people: Vec<Person>,
    next: AtomicU64,
}

impl Crowd {
    pub(crate) fn new(people: Vec<Person>) -> Arc<Self> {
        Arc::new(Self {
            people,
            next: AtomicU64::new(0),
        })
    }

    /// Whose turn it is; none once everybody had it.
    pub(crate) fn next(&self) -> Option<&Person> {
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        self.people.get(usize::try_from(place).ok()?)
    }
}

//! Requests a second, of all and of each address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter as Governor,
};

use super::neighbourhood;

/// How many requests a second are answered; more get 429. `None` is any number. Twice as many
/// may come at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rates {
    /// Of all clients together.
    pub all: Option<u32>,
    /// Of one address (IPv6: one /64).
    pub each_address: Option<u32>,
}

/// Counts requests against [`Rates`].
pub(crate) struct RateLimiter {
    all: Option<DefaultDirectRateLimiter>,
    each_address: Option<DefaultKeyedRateLimiter<IpAddr>>,
    clock: DefaultClock,
}

impl RateLimiter {
    pub(crate) fn new(rates: Rates) -> Self {
        Self {
            all: quota(rates.all).map(Governor::direct),
            each_address: quota(rates.each_address).map(Governor::keyed),
            clock: DefaultClock::default(),
        }
    }

    /// Counts one request. Errs with how long to wait before the next.
    ///
    /// The address goes first: who has used up its own share takes nothing of the others'.
    pub(crate) fn admit(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        if let (Some(limiter), Some(address)) = (&self.each_address, address) {
            if limiter.len() > ADDRESSES {
                // Whoever has been quiet long enough is as one who never came.
                limiter.retain_recent();
            }
            let key = if limiter.len() > ADDRESSES {
                EVERYONE_ELSE
            } else {
                neighbourhood(address)
            };
            limiter.check_key(&key).map_err(|later| self.wait(&later))?;
        }
        match &self.all {
            Some(limiter) => limiter.check().map_err(|later| self.wait(&later)),
            None => Ok(()),
        }
    }

    fn wait(
        &self,
        later: &NotUntil<<DefaultClock as governor::clock::Clock>::Instant>,
    ) -> Duration {
        later.wait_time_from(self.clock.now())
    }
}

fn quota(rate: Option<u32>) -> Option<Quota> {
    let rate = NonZeroU32::new(rate?)?;
    let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
    Some(Quota::per_second(rate).allow_burst(burst))
}

/// Addresses that are remembered; what it takes stays below 10 MB.
const ADDRESSES: usize = 100_000;
/// Beyond that they share one rate: memory is bounded, whoever comes.
const EVERYONE_ELSE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn admitted(limiter: &RateLimiter, address: IpAddr, of: usize) -> usize {
        (0..of)
            .filter(|_| limiter.admit(Some(address)).is_ok())
            .count()
    }

    #[test]
    fn an_address_that_has_used_up_its_share_takes_nothing_of_anothers() {
        let limiter = RateLimiter::new(Rates {
            all: None,
            each_address: Some(1),
        });
        assert_eq!(
            admitted(&limiter, ONE, 50),
            2,
            "twice the rate after a pause"
        );
        assert_eq!(admitted(&limiter, OTHER, 50), 2);
        let wait = limiter.admit(Some(ONE)).unwrap_err();
        assert!(
            wait > Duration::ZERO && wait <= Duration::from_secs(1),
            "{wait:?}"
        );
    }

    #[test]
    fn all_together_have_a_limit_that_no_single_address_uses_up() {
        let limiter = RateLimiter::new(Rates {
            all: Some(10),
            each_address: Some(2),
        });
        assert_eq!(admitted(&limiter, ONE, 1000), 4);
        assert_eq!(admitted(&limiter, OTHER, 1000), 4);
        // 20 in all: 12 are left for the rest.
        let rest = (0..50_u8).map(|host| IpAddr::from([198, 51, 100, host]));
        let rest: usize = rest.map(|address| admitted(&limiter, address, 1)).sum();
        assert_eq!(rest, 12);
    }

    #[test]
    fn any_number_of_addresses_takes_a_bounded_memory() {
        let limiter = RateLimiter::new(Rates {
            all: None,
            each_address: Some(1),
        });
        for host in 0..2 * ADDRESSES as u32 {
            let _ = limiter.admit(Some(IpAddr::from(host.to_be_bytes())));
        }
        let kept = limiter.each_address.as_ref().unwrap().len();
        assert!(kept <= ADDRESSES + 2, "{kept}");
    }

    #[test]
    fn without_limits_everything_is_admitted() {
        let limiter = RateLimiter::new(Rates::default());
        assert_eq!(admitted(&limiter, ONE, 10_000), 10_000);
    }
}

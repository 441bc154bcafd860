//! Who is let in, and how often: bearer tokens, and rates by address. All of it is decided
//! before a body is read.

mod guard;
mod rates;
mod tokens;

pub(crate) use guard::{Guard, keep_pattern};
pub(crate) use rates::RateLimiter;
pub use rates::Rates;
pub(crate) use tokens::{Role, Tokens};
pub use tokens::{Token, TokenError};

use std::net::{IpAddr, Ipv6Addr};

/// Whose limits an address counts towards: an IPv6 host has a whole /64 to choose from.
pub(crate) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> IpAddr {
        neighbourhood(address.parse().unwrap())
    }

    #[test]
    fn a_host_can_not_leave_its_limits_by_another_address_of_its_network() {
        assert_eq!(
            of("2001:db8:1:2::1"),
            of("2001:db8:1:2:ffff:ffff:ffff:ffff")
        );
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
    }
}

//! Which listeners take what comes to an address: its own, and those of all addresses.

use std::iter::once;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address in the one form that addresses are compared in: an IPv4 address that is written as IPv6 becomes IPv4.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The listeners that take what comes to an address, the nearest first: its own, for IPv4 `0.0.0.0`, and `[::]`, which takes
/// both (RFC 3493, section 5.3).
pub fn listeners_of(address: SocketAddr) -> impl Iterator<Item = SocketAddr> {
    let own = canonical(address).ip();
    let four = own.is_ipv4().then_some(IpAddr::from(Ipv4Addr::UNSPECIFIED));
    let wider = four.into_iter().chain(once(IpAddr::from(Ipv6Addr::UNSPECIFIED)));
    let ips = once(own).chain(wider.filter(move |ip| *ip != own));
    ips.map(move |ip| SocketAddr::new(ip, address.port()))
}

/// Whether something can come in on both addresses: they are one, or one is among all that the other takes.
#[must_use]
pub fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let within = |inner, outer| listeners_of(inner).any(|listener| listener == canonical(outer));
    within(one, other) || within(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_take_what_comes_to_one() {
        let listeners = |address: &str| {
            let all: Vec<String> =
                listeners_of(address.parse().unwrap()).map(|one| one.to_string()).collect();
            all.join(" ")
        };
        assert_eq!(listeners("127.0.0.1:80"), "127.0.0.1:80 0.0.0.0:80 [::]:80");
        assert_eq!(listeners("[::ffff:10.0.0.1]:80"), "10.0.0.1:80 0.0.0.0:80 [::]:80");
        assert_eq!(listeners("0.0.0.0:80"), "0.0.0.0:80 [::]:80");
        assert_eq!(listeners("[::1]:80"), "[::1]:80 [::]:80");
        assert_eq!(listeners("[::]:80"), "[::]:80");
    }

    #[test]
    fn addresses_overlap_where_something_comes_in_on_both() {
        for (one, other, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "10.0.0.1:80", false),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("127.0.0.1:80", "0.0.0.0:81", false),
            ("127.0.0.1:80", "[::]:80", true),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true),
            ("0.0.0.0:80", "[::]:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("[::1]:80", "[::]:80", true),
            ("[::1]:80", "127.0.0.1:80", false),
        ] {
            let (first, second) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!([overlap(first, second), overlap(second, first)], [expected; 2], "{one} and {other}");
        }
    }
}

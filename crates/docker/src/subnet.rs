//! Which addresses a network gets: pure, but for reading the host's routes.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Subnets are taken from `10.213.0.0/16`, away from what engines (172.17 to 172.31, 192.168) and offices (10.0, 10.1) use.
const POOL: u32 = u32::from_be_bytes([10, 213, 0, 0]);

/// Each is a `/24`: 126 addresses to be given for good, and 127 that the engine gives out.
const BITS: u8 = 24;

/// How many fit into the pool.
const SUBNETS: u32 = 256;

/// Where the kernel lists the host's routes.
const ROUTES: &str = "/proc/net/route";

/// A range of IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    first: u32,
    bits: u8,
}

impl Subnet {
    /// The host's address in it: the first that can be given.
    #[must_use]
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first.saturating_add(1))
    }

    /// The addresses that containers can have, upwards: without the subnet's own, the gateway and the broadcast.
    pub fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        (self.first.saturating_add(2)..self.last()).map(Ipv4Addr::from_bits)
    }

    /// Whether the address is in it.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last()).contains(&address.to_bits())
    }

    /// Its upper half, from which an engine takes the address of whoever asks for none; one address is its own half.
    #[must_use]
    pub fn upper_half(self) -> Self {
        let bits = (self.bits + 1).min(32);
        let half = 1_u32.checked_shl(32 - u32::from(bits)).unwrap_or(0);
        if self.bits == 32 { self } else { Self { first: self.first | half, bits } }
    }

    fn last(self) -> u32 {
        self.first | u32::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0)
    }

    fn overlaps(self, other: Self) -> bool {
        self.first <= other.last() && other.first <= self.last()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.first), self.bits)
    }
}

/// The text is no IPv4 subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSubnet;

impl FromStr for Subnet {
    type Err = NoSubnet;

    fn from_str(text: &str) -> Result<Self, NoSubnet> {
        let (address, bits) = text.split_once('/').ok_or(NoSubnet)?;
        let address: Ipv4Addr = address.parse().map_err(|_| NoSubnet)?;
        let bits: u8 = bits.parse().ok().filter(|bits| *bits <= 32).ok_or(NoSubnet)?;
        let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
        Ok(Self { first: address.to_bits() & mask, bits })
    }
}

/// The subnets of the pool that overlap with none that is `taken`, beginning at a place that comes from `name`: a
/// network that is made again gets the same addresses where it can.
pub(crate) fn free(name: &str, taken: &[Subnet]) -> impl Iterator<Item = Subnet> {
    // FNV-1a: any spread over the pool will do.
    let start =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (0..SUBNETS)
        .map(move |step| (start % SUBNETS + step) % SUBNETS)
        .map(|number| Subnet { first: POOL + number * 256, bits: BITS })
        .filter(|subnet| !taken.iter().any(|other| other.overlaps(*subnet)))
}

/// The subnets that the host has routes to, the default route left out; none where the kernel does not tell.
pub(crate) fn routes() -> Vec<Subnet> {
    std::fs::read_to_string(ROUTES).map(|text| parse_routes(&text)).unwrap_or_default()
}

/// Reads the kernel's table: destination and mask are hexadecimal, in the machine's byte order.
fn parse_routes(text: &str) -> Vec<Subnet> {
    let number =
        |text: &str| u32::from_str_radix(text, 16).ok().map(|raw| u32::from_be_bytes(raw.to_ne_bytes()));
    let lines = text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (first, mask) = (number(fields.get(1)?)?, number(fields.get(7)?)?);
        (mask != 0).then(|| Subnet { first, bits: u8::try_from(mask.leading_ones()).unwrap_or(32) })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_that_is_taken_is_not_given() {
        let first = free("landfall-a-dev", &[]).next().unwrap();
        assert_eq!(free("landfall-a-dev", &[]).next(), Some(first));
        let wide: Subnet = format!("{}/23", first.gateway()).parse().unwrap();
        let next = free("landfall-a-dev", &[wide]).next().unwrap();
        assert!(!wide.overlaps(next));
        assert_eq!(free("x", &["10.0.0.0/8".parse().unwrap()]).next(), None);
        assert_eq!(free("x", &[]).count(), 256);
    }

    #[test]
    fn addresses_leave_out_the_gateway_and_the_ends() {
        let subnet: Subnet = "10.1.2.9/29".parse().unwrap();
        assert_eq!(subnet.to_string(), "10.1.2.8/29");
        let hosts: Vec<String> = subnet.hosts().map(|host| host.to_string()).collect();
        assert_eq!(hosts, ["10.1.2.10", "10.1.2.11", "10.1.2.12", "10.1.2.13", "10.1.2.14"]);
        assert!(
            subnet.contains("10.1.2.15".parse().unwrap()) && !subnet.contains("10.1.2.16".parse().unwrap())
        );
    }

    #[test]
    fn the_upper_half_is_the_engines() {
        let half = |text: &str| text.parse::<Subnet>().unwrap().upper_half().to_string();
        assert_eq!(half("10.1.2.0/24"), "10.1.2.128/25");
        assert_eq!(half("10.1.2.8/31"), "10.1.2.9/32");
        assert_eq!(half("10.1.2.8/32"), "10.1.2.8/32");
    }

    #[test]
    fn the_kernels_routes_are_read() {
        let text = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                    eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                    docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let shown: Vec<String> = parse_routes(text).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["172.17.0.0/16"]);
    }
}

//! Where may a fetch go?
//!
//! Public addresses, and what the operator allows on top. Names are judged
//! before they are resolved, addresses after: neither alone is enough.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::bail;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// What is allowed beyond the public internet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    nets: Vec<IpNet>,
    hosts: BTreeSet<String>,
}

/// Why a URL is not fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is no http or https URL.
    NotHttp,
    /// It carries a user name or a password.
    UserInfo,
    /// It leads where we do not go.
    Address,
}

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Anyone's.
    Public,
    /// This host's, cluster's or company's: reached by hosts that are listed.
    Internal,
    /// Nobody's, or the platform's (metadata services): reached only through
    /// a listed network.
    Special,
}

impl Reach {
    /// Reads a comma-separated list of networks (`10.1.0.0/16`), addresses and
    /// host names.
    ///
    /// A listed network admits its addresses under any name that is not
    /// refused itself; a listed host may have an internal address.
    pub fn parse(list: &str) -> anyhow::Result<Self> {
        let mut reach = Self::default();
        for entry in list
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let net = entry.parse::<IpNet>();
            if let Ok(net) = net.or_else(|_| entry.parse::<IpAddr>().map(IpNet::from)) {
                reach.nets.push(net);
                continue;
            }
            match Host::parse(entry) {
                Ok(Host::Ipv4(ip)) => reach.nets.push(IpNet::from(IpAddr::V4(ip))),
                Ok(Host::Domain(name)) if !name.contains('*') => {
                    reach.hosts.insert(bare(&name).to_owned());
                }
                _ => bail!(
                    "{entry:?} is neither a network such as 10.1.0.0/16, nor an address, nor a \
                     host name without port or wildcard"
                ),
            }
        }
        Ok(reach)
    }

    /// Judges everything about a URL that can be judged without resolving it.
    pub(super) fn check(&self, url: &Url) -> Result<(), Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::NotHttp);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo);
        }
        let admitted = match url.host() {
            None => return Err(Refusal::NotHttp),
            Some(Host::Ipv4(ip)) => self.admits_address(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => self.admits_address(IpAddr::V6(ip)),
            Some(Host::Domain(name)) => self.admits_name(name),
        };
        if admitted {
            Ok(())
        } else {
            Err(Refusal::Address)
        }
    }

    /// Whether the operator named this host.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.hosts.contains(&bare(name).to_ascii_lowercase())
    }

    /// Whether a name may be resolved at all.
    pub(super) fn admits_name(&self, name: &str) -> bool {
        self.lists(name) || is_public_name(bare(name))
    }

    /// Whether a connection may go to an address that `name` resolved to.
    pub(super) fn admits(&self, name: &str, ip: IpAddr) -> bool {
        self.admits_address(ip) || (self.lists(name) && place(ip) == Place::Internal)
    }

    fn admits_address(&self, ip: IpAddr) -> bool {
        let canonical = ip.to_canonical();
        place(ip) == Place::Public || self.nets.iter().any(|net| net.contains(&canonical))
    }
}

/// A name without the dot that marks it as absolute.
fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Cluster DNS, this host, the local network and cloud-internal zones are not
/// public, and neither is a name that only a search domain completes.
fn is_public_name(name: &str) -> bool {
    let last = name
        .rsplit_once('.')
        .map(|(_, last)| last.to_ascii_lowercase());
    last.is_some_and(|last| {
        !matches!(
            last.as_str(),
            "" | "svc" | "local" | "localhost" | "localdomain" | "internal"
        )
    })
}

fn place(ip: IpAddr) -> Place {
    match ip {
        IpAddr::V4(ip) => place_v4(ip),
        IpAddr::V6(ip) => find_embedded_v4(ip).map_or_else(|| place_v6(ip), place_v4),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

/// Loopback, RFC 1918 and carrier-grade NAT.
pub(super) const INTERNAL_V4: [Ipv4Net; 5] = [
    v4(127, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    v4(100, 64, 0, 0, 10),
];

/// IANA's special-purpose registry, and one platform address outside it.
pub(super) const SPECIAL_V4: [Ipv4Net; 11] = [
    v4(0, 0, 0, 0, 8),        // this network
    v4(169, 254, 0, 0, 16),   // link-local, with the metadata services
    v4(192, 0, 0, 0, 24),     // protocol assignments
    v4(192, 0, 2, 0, 24),     // documentation
    v4(192, 88, 99, 0, 24),   // 6to4 relays
    v4(198, 18, 0, 0, 15),    // benchmarks
    v4(198, 51, 100, 0, 24),  // documentation
    v4(203, 0, 113, 0, 24),   // documentation
    v4(224, 0, 0, 0, 4),      // multicast
    v4(240, 0, 0, 0, 4),      // reserved, with broadcast
    v4(168, 63, 129, 16, 32), // Azure's platform service, in a public range
];

fn place_v4(ip: Ipv4Addr) -> Place {
    if INTERNAL_V4.iter().any(|net| net.contains(&ip)) {
        Place::Internal
    } else if SPECIAL_V4.iter().any(|net| net.contains(&ip)) {
        Place::Special
    } else {
        Place::Public
    }
}

/// All that is handed out as global unicast.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);
const UNIQUE_LOCAL_V6: Ipv6Net = v6(0xfc00, 0, 7);
/// Protocol assignments (with Teredo and benchmarks) and documentation.
const SPECIAL_V6: [Ipv6Net; 3] = [v6(0x2001, 0, 23), v6(0x2001, 0x0db8, 32), v6(0x3fff, 0, 20)];
/// RFC 6052's well-known prefix.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

fn place_v6(ip: Ipv6Addr) -> Place {
    if ip.is_loopback() || UNIQUE_LOCAL_V6.contains(&ip) {
        Place::Internal
    } else if GLOBAL_V6.contains(&ip) && !SPECIAL_V6.iter().any(|net| net.contains(&ip)) {
        Place::Public
    } else {
        // Everything unlisted too: link-local, multicast, IPv4-compatible,
        // the local NAT64 prefix, what will be assigned one day.
        Place::Special
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, NAT64 or 6to4.
fn find_embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.octets() {
        [0x20, 0x02, a, b, c, d, ..] => Some(Ipv4Addr::new(a, b, c, d)),
        [.., a, b, c, d] if NAT64.contains(&ip) => Some(Ipv4Addr::new(a, b, c, d)),
        _ => ip.to_ipv4_mapped(),
    }
}

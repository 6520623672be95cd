//! Which IP addresses a stranger's name may lead to: only those the IANA special-purpose registries leave to the public
//! internet. Used for literals in agent URLs and by the resolver for every address a name resolves to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `ip` is an ordinary public unicast address.
///
/// Refuses loopback, private, link-local, shared (CGNAT), documentation, benchmarking, multicast, unspecified and reserved
/// ranges, unique-local and site-local IPv6, and every IPv6 range that carries an IPv4 address inside.
#[must_use]
pub fn is_public_address(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    !matches!(
        ip.octets(),
        [0 | 10 | 127, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [224..=255, ..]
    )
}

/// Global unicast is 2000::/3; what lies outside (mapped, NAT64, unique-local, link-local, ...) is never public.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let global = segments[0] & 0xe000 == 0x2000;
    let special = match segments {
        // Protocol assignments: Teredo, benchmarking, ORCHID.
        [0x2001, second, ..] if second < 0x0200 => true,
        // Documentation.
        [0x2001, 0x0db8, ..] => true,
        [0x3fff, second, ..] if second < 0x1000 => true,
        // 6to4 carries an IPv4 address.
        [0x2002, ..] => true,
        _ => false,
    };
    global && !special
}

//! Which addresses are public: what the registries of special addresses (IANA, RFC 6890 and after) do not keep for other purposes.
//!
//! Of IPv6 only 2000::/3 is given out at all, so everything else is refused without being named. Addresses that carry an IPv4 address are as
//! public as that one is, since a gateway on the way may unpack it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::net::Net;

/// Of IPv4, what is not public.
const RESERVED: [Net; 16] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10), // behind a provider's NAT; clouds put their metadata here, too
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16), // link-local, with the metadata of most clouds
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24), // relays of 6to4
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
    v4([168, 63, 129, 16], 32), // public by its number, and the inside of a cloud by its use
];

/// What is given out of IPv6.
const GLOBAL: Net = v6([0x2000, 0, 0, 0], 3);
/// Of that, what is not public. Teredo, the first of 2001::/23, is unpacked before.
const RESERVED_GLOBAL: [Net; 3] = [v6([0x2001, 0, 0, 0], 23), v6([0x2001, 0xdb8, 0, 0], 32), v6([0x3fff, 0, 0, 0], 20)];

const NAT64: Net = v6([0x64, 0xff9b, 0, 0], 96);
const SIX_TO_FOUR: Net = v6([0x2002, 0, 0, 0], 16);
const TEREDO: Net = v6([0x2001, 0, 0, 0], 32);

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Net {
    Net::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix)
}

const fn v6([a, b, c, d]: [u16; 4], prefix: u8) -> Net {
    Net::new(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), prefix)
}

/// Whether anybody may be called there.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => !RESERVED.iter().any(|net| net.contains(address)),
        IpAddr::V6(six) => match carried(six).as_slice() {
            [] => GLOBAL.contains(address) && !RESERVED_GLOBAL.iter().any(|net| net.contains(address)),
            carried => carried.iter().all(|four| is_public(IpAddr::V4(*four))),
        },
    }
}

/// The address as a kernel dials it: an IPv4 address in the clothes of IPv6 is one of IPv4.
pub(super) fn as_dialled(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The IPv4 addresses that it carries.
fn carried(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bits = address.to_bits();
    // The cut is meant: 32 of the bits.
    let at = |behind: u32| Ipv4Addr::from_bits((bits >> behind & u128::from(u32::MAX)) as u32);
    let whole = IpAddr::V6(address);
    if let Some(mapped) = address.to_ipv4_mapped() {
        vec![mapped]
    } else if NAT64.contains(whole) {
        vec![at(0)]
    } else if SIX_TO_FOUR.contains(whole) {
        vec![at(80)]
    } else if TEREDO.contains(whole) {
        // Its server, and its client with all bits turned round.
        vec![at(64), Ipv4Addr::from_bits(!at(0).to_bits())]
    } else if GLOBAL.contains(whole) && matches!(address.segments()[4..6], [0 | 0x200, 0x5efe]) {
        // ISATAP: below any prefix. The prefix counts as well, so it is added as what nobody may call where it is reserved.
        let prefix_is_public = !RESERVED_GLOBAL.iter().any(|net| net.contains(whole));
        vec![at(0), if prefix_is_public { at(0) } else { Ipv4Addr::UNSPECIFIED }]
    } else {
        Vec::new()
    }
}

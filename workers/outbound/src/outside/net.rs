//! Networks, as `10.20.0.0/16` or `fd00::/8`.

use std::net::IpAddr;
use std::str::FromStr;

/// A network of either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    address: IpAddr,
    prefix: u8,
}

/// What a network must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("networks as 10.20.0.0/16 or fd00::/8, without bits set behind the prefix")]
pub struct NetError;

impl Net {
    /// A network of constants, as the tables of this module are.
    pub(super) const fn new(address: IpAddr, prefix: u8) -> Self {
        Self { address, prefix }
    }

    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |own: u128, other: u128, width: u8| {
            let behind = width.saturating_sub(self.prefix);
            own.checked_shr(behind.into()).unwrap_or(0) == other.checked_shr(behind.into()).unwrap_or(0)
        };
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

impl FromStr for Net {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let (address, prefix) = text.split_once('/').ok_or(NetError)?;
        let address: IpAddr = address.parse().map_err(|_| NetError)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= width).ok_or(NetError)?;
        let bits = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let behind = 1_u128.checked_shl(u32::from(width - prefix)).unwrap_or(0).wrapping_sub(1);
        if bits & behind != 0 { Err(NetError) } else { Ok(Self { address, prefix }) }
    }
}

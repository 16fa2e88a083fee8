//! An address that may be called, as far as its text shows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use super::{Rules, address};

/// Bytes of an address.
const LONGEST: usize = 2048;

/// A checked address. Only [`super::Door::target`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(Url);

/// Why an address is not called, in words that follow the name of its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// More than fits.
    #[error("must have at most {LONGEST} bytes")]
    TooLong,
    /// No address at all.
    #[error("must be a URL, as https://example.com/hooks")]
    NoUrl,
    /// `ftp://`, `file://`, …
    #[error("must begin with https://")]
    Scheme,
    /// `http://`, which the settings do not allow.
    #[error("must begin with https://; CLIENTY_HOOKS_ALLOW_HTTP=on allows http://, which anybody on the way can read")]
    NotEncrypted,
    /// `https://user:password@…`: it would stand in logs and lists.
    #[error("must hold no user and no password; a hook is known by its signature")]
    Login,
    /// `#…`, which is never sent.
    #[error("must hold no fragment (#)")]
    Fragment,
    /// A port of mail, databases and the like.
    #[error("must have port 443, port 80, or one from 1024 on")]
    Port,
    /// An IP address that is not public.
    #[error("must not be an address of a private network; CLIENTY_OUTSIDE_ALLOW_NETS allows networks")]
    NotPublic,
}

impl Target {
    pub(super) fn check(text: &str, rules: &Rules) -> Result<Self, Refused> {
        if text.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        // It reads 0x7f.1, 2130706433 and 127.1 as what the system would dial.
        let url = Url::parse(text).map_err(|_| Refused::NoUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if rules.allow_http => {}
            "http" => return Err(Refused::NotEncrypted),
            _ => return Err(Refused::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Login);
        }
        if url.fragment().is_some() {
            return Err(Refused::Fragment);
        }
        if !matches!(url.port_or_known_default(), Some(80 | 443 | 1024..)) {
            return Err(Refused::Port);
        }
        if url.as_str().len() > LONGEST {
            return Err(Refused::TooLong);
        }
        let host = url.host_str().ok_or(Refused::NoUrl)?;
        match literal(host) {
            Some(address) if !may_be_called(address, rules) => Err(Refused::NotPublic),
            _ => Ok(Self(url)),
        }
    }

    /// Where it leads.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

/// The address that a host is by itself: the client asks no resolver for it.
fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(six) => six.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// Whether it is public, or of a network that is allowed.
pub(super) fn may_be_called(given: IpAddr, rules: &Rules) -> bool {
    let dialled = address::as_dialled(given);
    address::is_public(given) || rules.allow_nets.iter().any(|net| net.contains(dialled))
}

//! What a sandbox is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Faults, SearchFields};

/// What the sandbox serves, and how unkindly.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The number of locations.
    pub locations: usize,
    /// Contacts of each location.
    pub contacts: usize,
    /// The same seed gives the same ids, tokens, records and throws of the dice.
    pub seed: u64,
    /// The limits of each location.
    pub limits: Limits,
    /// How long a call waits before it is worked on, after it was counted; drawn evenly. An empty range is its start.
    pub latency: Range<Duration>,
    /// How much later than a read by id the search sees a change.
    pub search_lag: Duration,
    /// Which fields the search shows of a contact.
    pub search_fields: SearchFields,
    /// The faults from the first call on.
    pub faults: Faults,
    /// What pages of a search look like.
    pub search: SearchShape,
    /// Whether providers of enrichment are doubled below `/_enrich`.
    pub enrich: bool,
}

/// How the pages of a search of contacts look; by default as they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SearchShape {
    /// Pages hold no more than so many, whatever was asked; seen at GHL, where `total` still counts all. 0 for no bound.
    pub most: usize,
    /// Each item is longer by so many bytes: pages of 500 contacts were seen to pass 8 MiB.
    pub padding: usize,
    /// Every so many items one comes without its id. 0 for none.
    pub without_id: usize,
    /// They come with this in the place of their id.
    pub id_instead: Option<String>,
    /// A page takes so many milliseconds for each of its items: a long one outlasts the caller's patience.
    pub ms_per_item: u64,
    /// Pages of more items are never answered: the caller's patience ends, however long it is. 0 for no bound.
    pub unanswered_above: usize,
    /// The last page comes again and again, though `total` says that more follow.
    pub stuck: bool,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            locations: 1,
            contacts: 25,
            seed: 42,
            limits: Limits::default(),
            latency: Duration::ZERO..Duration::ZERO,
            search_lag: Duration::ZERO,
            search_fields: SearchFields::default(),
            faults: Faults::default(),
            search: SearchShape::default(),
            enrich: false,
        }
    }
}

/// The rate limit of each location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls in one interval.
    pub burst: u32,
    /// The length of the interval.
    pub interval: Duration,
    /// Calls in one day; days are counted from the sandbox's start.
    pub daily: u32,
    /// How calls are counted against the interval.
    pub window: Window,
}

impl Default for Limits {
    fn default() -> Self {
        Self { burst: 100, interval: Duration::from_secs(10), daily: 200_000, window: Window::Both }
    }
}

impl Limits {
    /// Those of GHL's sandbox accounts; only the headers of its replies show them.
    #[must_use]
    pub fn small_account() -> Self {
        Self { burst: 25, daily: 10_000, ..Self::default() }
    }
}

/// Which reading of "100 in 10 seconds" answers 429; GHL does not publish its own.
///
/// [`LocationStats`](super::LocationStats) counts violations of both readings, whichever is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Windows that begin at the sandbox's start and follow one another.
    Fixed,
    /// Any stretch of time as long as the interval.
    Sliding,
    /// Whichever is stricter at the moment.
    Both,
}

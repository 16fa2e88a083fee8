//! Where runs wait for what one statement, or one transaction, does for many of them.

use super::at_hand::{AtHand, Pulling};
use super::line::Line;
use super::runs::Run;
use super::settling::Settlement;
use super::starting::Wanted;
use super::tokens::StoredToken;
use super::{Connection, accept};

/// The lines of a process. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    pub(super) starts: Line<Wanted, Option<Run>>,
    pub(super) connections: Line<String, Option<Connection>>,
    pub(super) tokens: Line<String, Option<StoredToken>>,
    pub(super) pulls: Line<Pulling, AtHand>,
    pub(super) erasures: Line<(), bool>,
    pub(super) events: Line<accept::Batch, accept::Outcome>,
    pub(super) settlements: Line<Settlement, ()>,
}

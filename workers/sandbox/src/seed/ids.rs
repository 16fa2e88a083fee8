//! Ids and tokens in GHL's forms, from a seeded stream.

use rand::distr::Alphanumeric;
use rand::{Rng, RngExt};
use uuid::Builder;

/// 20 letters and digits, such as `ve9EPM428h8vShlRW1KT`.
pub(crate) fn record(rng: &mut impl Rng) -> String {
    (0..20).map(|_| char::from(rng.sample(Alphanumeric))).collect()
}

/// A Private Integration Token: `pit-` and a UUID.
pub(super) fn token(rng: &mut impl Rng) -> String {
    format!("pit-{}", Builder::from_random_bytes(rng.random()).into_uuid())
}

//! Money in millionths, of whatever currency the operator pays in: sums are whole numbers, and no fraction of a cent gets lost.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// An amount, in millionths of the operator's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Money(pub i64);

/// The text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount of money from 0 to 1000000 with at most six decimals, as 20 or 0.028")]
pub struct NotMoney;

const UNIT: i64 = 1_000_000;
const MOST: i64 = 1_000_000 * UNIT;
const DECIMALS: usize = 6;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many times the amount.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    /// Both amounts.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl FromStr for Money {
    type Err = NotMoney;

    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || fraction.len() > DECIMALS {
            return Err(NotMoney);
        }
        let parts = (whole.parse::<i64>(), format!("{fraction:0<DECIMALS$}").parse::<i64>());
        let (Ok(whole), Ok(fraction)) = parts else { return Err(NotMoney) };
        let amount = whole.checked_mul(UNIT).and_then(|whole| whole.checked_add(fraction));
        amount.filter(|amount| *amount <= MOST).map(Self).ok_or(NotMoney)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / UNIT, (self.0 % UNIT).unsigned_abs());
        if fraction % 10_000 == 0 {
            return write!(f, "{whole}.{:02}", fraction / 10_000);
        }
        let fraction = format!("{fraction:0DECIMALS$}");
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_reads_as_it_was_written_and_loses_nothing() {
        for (text, amount, shown) in [
            ("20", 20 * UNIT, "20.00"),
            ("0.028", 28_000, "0.028"),
            ("0.000001", 1, "0.000001"),
            ("1.50", 1_500_000, "1.50"),
            ("1000000", MOST, "1000000.00"),
        ] {
            assert_eq!(text.parse(), Ok(Money(amount)), "{text}");
            assert_eq!(Money(amount).to_string(), shown);
        }
        for text in ["", ".", "1.", ".5", "-1", "1,5", "1e3", "0.0000001", "1000000.01", "99999999999999999999"] {
            assert_eq!(text.parse::<Money>(), Err(NotMoney), "{text}");
        }
        assert_eq!(Money(i64::MAX).times(2), Money(i64::MAX));
    }
}

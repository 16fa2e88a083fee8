//! Whether the audit is whole: each row's hash is computed again, from what retention left on to the newest.
//!
//! Who can write to the database can also write a whole new chain. That shows only against a hash that was kept elsewhere: each report has the newest,
//! and takes one of an earlier report ([`Records::verify_audit`]).

use serde::Serialize;

use super::super::sql::sql;
use super::super::{Records, RecordsError};
use super::AuditRow;

/// Rows of one page.
const PAGE: i64 = 1_000;
/// Faults that are listed; the count has all.
const REPORTED: usize = 100;

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FaultKind {
    /// Its hash is not that of its content and of the row before.
    Changed,
    /// There is no row of that number.
    Missing,
    /// It is not the row whose hash was kept elsewhere.
    NotTheOneKept,
}

impl FaultKind {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::NotTheOneKept => "not the one that was kept",
        }
    }
}

/// A place in the chain where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditFault {
    /// The row.
    pub seq: i64,
    /// What is wrong with it.
    pub fault: FaultKind,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditReport {
    /// Rows that were verified.
    pub rows: u64,
    /// The row that the chain begins behind: 0, or the last that retention forgot.
    pub begins_behind: i64,
    /// The newest row; keep it with its hash elsewhere, and give both to the next verification.
    pub newest: i64,
    /// Its hash.
    pub hash: String,
    /// How many faults there are.
    pub fault_count: u64,
    /// The first of them.
    pub faults: Vec<AuditFault>,
}

impl AuditReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.fault_count == 0
    }

    fn add(&mut self, seq: i64, fault: FaultKind) {
        self.fault_count += 1;
        if self.faults.len() < REPORTED {
            self.faults.push(AuditFault { seq, fault });
        }
    }

    /// No row stands where those up to `last` should; of many, the first are named.
    fn miss_up_to(&mut self, last: i64) {
        let first = self.newest.saturating_add(1);
        let missing = u64::try_from(last.saturating_sub(self.newest)).unwrap_or(0);
        (first..=last).take(REPORTED).for_each(|seq| self.add(seq, FaultKind::Missing));
        self.fault_count += missing.saturating_sub(REPORTED as u64);
    }

    /// Takes the next row.
    fn verify(&mut self, row: &AuditRow) {
        match row.seq.saturating_sub(1) == self.newest {
            true if row.hash != row.hash_after(&self.hash) => self.add(row.seq, FaultKind::Changed),
            true => {}
            // Whether it follows from a row that is gone is unknown.
            false => self.miss_up_to(row.seq.saturating_sub(1)),
        }
        (self.newest, self.hash) = (row.seq, row.hash.clone());
        self.rows += 1;
    }
}

impl Records {
    /// Computes the chain again. `kept` is the newest row of an earlier report with its hash, which has to be in the chain unless retention has
    /// forgotten it.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn verify_audit(&self, kept: Option<(i64, &str)>) -> Result<AuditReport, RecordsError> {
        loop {
            let report = self.verify_once(kept).await?;
            // What retention took away meanwhile is not missing.
            if self.audit_ends().await?.forgotten == report.begins_behind {
                return Ok(report);
            }
        }
    }

    async fn verify_once(&self, kept: Option<(i64, &str)>) -> Result<AuditReport, RecordsError> {
        // Read first: every row up to the newest is there by then, and those that come meanwhile follow.
        let Ends { newest, hash, forgotten, forgotten_hash } = self.audit_ends().await?;
        let mut report = AuditReport {
            rows: 0,
            begins_behind: forgotten,
            newest: forgotten,
            hash: forgotten_hash,
            fault_count: 0,
            faults: Vec::new(),
        };
        loop {
            let page = self.page_of_audit(report.newest, PAGE).await?;
            for row in &page {
                report.verify(row);
                if row.seq == newest && row.hash != hash {
                    report.add(row.seq, FaultKind::Changed);
                }
                if kept.is_some_and(|(seq, hash)| seq == row.seq && hash != row.hash) {
                    report.add(row.seq, FaultKind::NotTheOneKept);
                }
            }
            if page.is_empty() {
                break;
            }
        }
        if report.newest < newest {
            report.miss_up_to(newest);
        } else if let Some((seq, _)) = kept.filter(|(seq, _)| *seq > report.newest) {
            report.add(seq, FaultKind::Missing);
        }
        Ok(report)
    }

    async fn audit_ends(&self) -> Result<Ends, RecordsError> {
        let (newest, hash, forgotten, forgotten_hash) =
            sqlx::query_as(sql!("audit_ends")).fetch_one(&self.pool).await?;
        Ok(Ends { newest, hash, forgotten, forgotten_hash })
    }
}

/// Both ends of the chain.
struct Ends {
    newest: i64,
    hash: String,
    forgotten: i64,
    forgotten_hash: String,
}

//! What a comparison of both sides found.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::super::runs::Tx;
use super::super::sql::sql;
use super::super::{Records, RecordsError};
use super::Scan;
use super::rows::corrupt;

/// Where the two sides differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `contact`, `task`, `note` or `appointment`.
    pub record: String,
    /// GHL's id of it, else the one it has here.
    pub record_id: String,
    /// The contact it belongs to.
    pub contact_id: String,
    /// How it differs.
    #[serde(rename = "verdict")]
    pub difference: Difference,
    /// The fields that do.
    pub fields: Vec<String>,
}

/// How a record differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Difference {
    /// GHL has it, the records lack it.
    Missing,
    /// The records have it, GHL lacks it.
    Extra,
    /// Some fields are not the same.
    Different,
}

words!(Difference: Missing "missing", Extra "extra", Different "different");

impl Records {
    /// How many records readers see that a comparison looks at, by kind.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn count_compared(&self, location_id: &str) -> Result<HashMap<String, i64>, RecordsError> {
        let counts: Vec<(String, i64)> =
            sqlx::query_as(sql!("count_compared")).bind(location_id).fetch_all(&self.pool).await?;
        Ok(counts.into_iter().collect())
    }

    /// What a comparison found.
    ///
    /// # Errors
    /// See [`Records::walk`].
    pub async fn findings(&self, scan_id: &str) -> Result<Vec<Finding>, RecordsError> {
        let rows: Vec<(String, String, String, String, String)> =
            sqlx::query_as(sql!("list_findings")).bind(scan_id).fetch_all(&self.pool).await?;
        let finding = |(record, record_id, contact_id, difference, fields): (_, String, _, String, String)| {
            let broken = |reason: &str| corrupt("findings", &record_id, reason);
            let difference =
                Difference::parse(&difference).ok_or_else(|| broken("its difference is of an unknown kind"))?;
            let fields = serde_json::from_str(&fields).map_err(|_| broken("its fields are no list"))?;
            Ok(Finding { record, record_id, contact_id, difference, fields })
        };
        rows.into_iter().map(finding).collect()
    }
}

impl Tx {
    /// Replaces what the scan found in a contact, or adds to it.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn keep_findings(
        &mut self,
        scan: &Scan,
        contact_id: &str,
        findings: &[Finding],
        replace: bool,
    ) -> Result<(), RecordsError> {
        if replace {
            sqlx::query(sql!("forget_findings")).bind(&scan.id).bind(contact_id).execute(self.write.conn()).await?;
        }
        for Finding { record, record_id, contact_id, difference, fields } in findings {
            sqlx::query(sql!("insert_finding"))
                .bind(&scan.id)
                .bind(record)
                .bind(record_id)
                .bind(contact_id)
                .bind(difference.as_str())
                // A list of texts has no way to fail.
                .bind(serde_json::to_string(fields).unwrap_or_default())
                .execute(self.write.conn())
                .await?;
        }
        Ok(())
    }
}

//! The generation of GHL's API that each location is called with.

use super::sql::sql;
use super::{Records, RecordsError};

impl Records {
    /// Has the location called with this generation of the API from its next job on, by the name that the client knows it by.
    /// False where the location is not connected. Connecting it again leaves it at that.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn set_api(&self, location_id: &str, api: &str) -> Result<bool, RecordsError> {
        let _gate = self.gate().await?;
        let set = sqlx::query(sql!("set_api"))
            .bind(api)
            .bind(self.clock.now_ms())
            .bind(location_id)
            .execute(&self.pool)
            .await?;
        Ok(set.rows_affected() == 1)
    }
}

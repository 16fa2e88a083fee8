//! All flows: those that people change, which the database keeps, and those of files.

use serde_json::{Value, json};
use sync_workers::flows::Flow;
use sync_workers::records::{BrokenFlow, KeptFlow, Records, RecordsError};

use super::reports;

/// A flow, wherever it is from.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Of the database.
    Kept(KeptFlow),
    /// Of a file.
    File(Flow),
    /// Of a file that is broken.
    Broken(BrokenFlow),
}

impl Found {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Kept(kept) => &kept.name,
            Self::File(flow) => &flow.name,
            Self::Broken(broken) => &broken.name,
        }
    }

    /// As it runs; none where it can't.
    #[must_use]
    pub fn flow(&self) -> Option<Flow> {
        match self {
            Self::Kept(kept) => {
                let flow = Flow::read(&kept.name, &kept.definition).ok()?;
                Some(Flow { version: Some(kept.version), ..flow })
            }
            Self::File(flow) => Some(flow.clone()),
            Self::Broken(_) => None,
        }
    }

    /// `enabled`, `disabled` or `broken`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Kept(kept) if Flow::read(&kept.name, &kept.definition).is_err() => "broken",
            Self::Kept(kept) if !kept.enabled => "disabled",
            Self::Kept(_) | Self::File(_) => "enabled",
            Self::Broken(_) => "broken",
        }
    }

    /// As programs read it.
    #[must_use]
    pub fn reported(&self) -> Value {
        let flow = self.flow();
        let mut reported = json!({
            "name": self.name(), "source": "file", "state": self.state(), "version": null, "why": null, "author": null,
            "createdAt": null, "updatedAt": null, "mistakes": [],
            "about": null, "on": null, "needsContact": null, "locations": null, "set": null, "steps": null,
        });
        match self {
            Self::Kept(kept) => {
                let KeptFlow { version, why, author, created_at, updated_at, .. } = kept;
                for (name, value) in [
                    ("source", json!("database")),
                    ("version", json!(version)),
                    ("why", json!(why)),
                    ("author", json!(author)),
                    ("createdAt", json!(created_at)),
                    ("updatedAt", json!(updated_at)),
                ] {
                    reported[name] = value;
                }
            }
            Self::File(_) => {}
            Self::Broken(broken) => {
                reported["mistakes"] = json!(broken.mistakes);
            }
        }
        if let (Some(reported), Some(flow)) = (reported.as_object_mut(), &flow) {
            reported.extend(reports::flow(flow));
        }
        reported
    }
}

/// Those that whoever asks sees: of files, those whose locations are seen. A name that a file has is the file's.
///
/// # Errors
/// When the database does not answer.
pub async fn all(records: &Records) -> Result<Vec<Found>, RecordsError> {
    let mut found = Vec::new();
    for flow in records.file_flows().iter() {
        if sees(records, flow).await? {
            found.push(Found::File(flow.clone()));
        }
    }
    let sees_all = records.sees("").await?;
    let broken = records.broken_flows();
    found.extend(broken.iter().filter(|_| sees_all).cloned().map(Found::Broken));
    for kept in records.kept_flows().await? {
        let is_file = found.iter().any(|known| known.name() == kept.name);
        if !is_file {
            found.push(Found::Kept(kept));
        }
    }
    found.sort_by(|one, other| one.name().cmp(other.name()));
    Ok(found)
}

async fn sees(records: &Records, flow: &Flow) -> Result<bool, RecordsError> {
    // Nobody has this id: who sees it sees every location.
    let everywhere = [String::new()];
    for location in flow.locations.as_deref().unwrap_or(&everywhere) {
        if !records.sees(location).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The flow of that name, where whoever asks sees it.
///
/// # Errors
/// See [`all`].
pub async fn find(records: &Records, name: &str) -> Result<Option<Found>, RecordsError> {
    Ok(all(records).await?.into_iter().find(|found| found.name() == name))
}

/// Whether a file of this deployment has that name.
#[must_use]
pub fn is_file(records: &Records, name: &str) -> bool {
    records.file_flows().iter().any(|flow| flow.name == name)
        || records.broken_flows().iter().any(|broken| broken.name == name)
}

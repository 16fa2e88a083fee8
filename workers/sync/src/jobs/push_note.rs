//! `push_note`: creates, updates or deletes a note in GHL.

use std::collections::HashSet;

use sync_model::decide::match_lost_create::{self, NoteFingerprint};
use sync_model::decide::push_note::{NotePlan, plan};
use sync_model::record::Note;

use super::push::{Push, Shown};
use super::{JobError, JobRun};
use crate::mapping::note;
use crate::records::Entry as _;

impl Push for Note {
    async fn list(job: &JobRun<'_>, contact: &str) -> Result<Shown<Self>, JobError> {
        let remote = job.ghl().list_notes(contact).await?;
        Ok(Shown::of(remote, "get-all-notes", |held| note::from_ghl(held, contact)))
    }

    /// GHL finds a note by its contact alone.
    async fn whereabouts(_: &JobRun<'_>, _: &str, _: &Self) -> Result<Option<String>, JobError> {
        Ok(None)
    }

    fn lost<'a>(announced: &Self, remote: &'a [Self], linked: &HashSet<String>) -> Option<&'a str> {
        match_lost_create::lost_note(&NoteFingerprint::of(announced), remote, linked)
    }

    async fn check(&self, _: &JobRun<'_>) -> Result<(), JobError> {
        Ok(())
    }

    async fn create(&self, job: &JobRun<'_>, contact: &str) -> Result<Self, JobError> {
        let mut made = note::from_ghl(job.ghl().create_note(contact, &note::to_new(self)).await?, contact);
        made.read_like(self, None);
        Ok(made)
    }

    async fn change(&self, job: &JobRun<'_>, contact: &str, id: &str, base: &Self) -> Result<Option<Self>, JobError> {
        let NotePlan::Update(changes) = plan(self, Some(base), false) else { return Ok(None) };
        let held = job.ghl().update_note(contact, id, &note::to_update(changes)).await?;
        let mut held = note::from_ghl(held, contact);
        held.read_like(self, None);
        Ok(Some(held))
    }

    async fn delete(job: &JobRun<'_>, contact: &str, id: &str) -> Result<(), JobError> {
        Ok(job.ghl().delete_note(contact, id).await?)
    }
}

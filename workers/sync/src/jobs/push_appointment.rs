//! `push_appointment`: creates, updates or deletes an appointment in GHL.
//!
//! Whether a slot is free, and who may be booked when, is for GHL's calendar to say: its checks are not switched off, and what it refuses is
//! shown on the record.

use std::collections::HashSet;

use sync_model::decide::match_lost_create::{self, AppointmentFingerprint};
use sync_model::decide::push_appointment::{AppointmentPlan, plan};
use sync_model::record::Appointment;

use super::push::{Push, Shown};
use super::{JobError, JobRun};
use crate::mapping::appointment;
use crate::records::Entry;

impl Push for Appointment {
    /// By contact: that needs no scope beyond those of pulls, and lists those of every calendar.
    async fn list(job: &JobRun<'_>, contact: &str) -> Result<Shown<Self>, JobError> {
        let zone = job.environment.time_zones.of(job).await?;
        let remote = job.ghl().list_appointments(contact).await?;
        Ok(Shown::of(remote, "get-appointments-for-contact", |held| appointment::from_ghl(held, contact, &zone)))
    }

    async fn whereabouts(job: &JobRun<'_>, id: &str, _: &Self) -> Result<Option<String>, JobError> {
        Ok(job.ghl().get_appointment(id).await?.contact_id)
    }

    fn lost<'a>(announced: &Self, remote: &'a [Self], linked: &HashSet<String>) -> Option<&'a str> {
        match_lost_create::lost_appointment(&AppointmentFingerprint::of(announced), remote, linked)
    }

    async fn check(&self, job: &JobRun<'_>) -> Result<(), JobError> {
        let zone = job.environment.time_zones.of(job).await?;
        appointment::to_new(self, job.location(), &zone)?;
        Ok(())
    }

    async fn create(&self, job: &JobRun<'_>, contact: &str) -> Result<Self, JobError> {
        let zone = job.environment.time_zones.of(job).await?;
        let new = appointment::to_new(self, job.location(), &zone)?;
        let mut made = appointment::from_ghl(job.ghl().create_appointment(&new).await?, contact, &zone);
        made.read_like(self, None);
        Ok(made)
    }

    async fn change(&self, job: &JobRun<'_>, contact: &str, id: &str, base: &Self) -> Result<Option<Self>, JobError> {
        let AppointmentPlan::Update(changes) = plan(self, Some(base), false) else { return Ok(None) };
        let zone = job.environment.time_zones.of(job).await?;
        let held = job.ghl().update_appointment(id, &appointment::to_update(changes, &zone)).await?;
        let mut held = appointment::from_ghl(held, contact, &zone);
        held.read_like(self, None);
        Ok(Some(held))
    }

    async fn delete(job: &JobRun<'_>, _: &str, id: &str) -> Result<(), JobError> {
        Ok(job.ghl().delete_event(id).await?)
    }
}

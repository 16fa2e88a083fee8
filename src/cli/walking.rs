//! What `import`, `reconcile` and `verify` share: they start a scan of a location, work on it, and
//! show its progress.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use job_engine::{LaneState, LaneView, Priority};
use sync_workers::jobs::new_job;
use sync_workers::records::{JobFilter, JobState, Phase, Purpose, Walk};
use sync_workers::{sweeper, walker};
use tokio::time::sleep;

use super::open_records;
use super::serve::Signals;
use crate::app::{App, Workers};
use crate::config::Config;
use crate::sole::Sole;

mod progress;

use progress::Progress;

const LOOK: Duration = Duration::from_millis(200);

/// An open app that works on the scan, unless another process with the same queue in memory does.
pub(super) struct Walking {
    pub(super) app: App,
    workers: Option<Workers>,
    signals: Signals,
    _sole: Option<Sole>,
}

impl Walking {
    pub(super) async fn start(config: Config, location: &str) -> anyhow::Result<Self> {
        let signals = Signals::listen()?;
        let distributed = config.is_distributed();
        // Looked at first: a shell without the settings makes no data folder.
        open_records(&config).await?.close().await;
        let sole = if distributed { None } else { Sole::take(&config.working_folders())?.taken() };
        let app = if sole.is_some() { App::open_alone(config).await? } else { App::open(config).await? };
        let connection = app.records.connection(location).await?;
        let is_connected = connection.is_some_and(|connection| connection.is_connected());
        ensure!(is_connected, "{location} is not connected; `clienty-sync connect` connects it");
        let workers = if distributed || sole.is_some() {
            let workers = app.start_workers()?;
            if !distributed {
                let told = sweeper::sweep(&app.records, &app.queue, &app.clock, Duration::ZERO, Duration::ZERO).await;
                told.map_err(anyhow::Error::msg).context("can't enqueue the open jobs")?;
            }
            Some(workers)
        } else {
            eprintln!("another process uses this data folder and sends the calls; this one shows the progress");
            None
        };
        Ok(Self { app, workers, signals, _sole: sole })
    }

    /// Starts a scan once no other scan of the location is in progress.
    pub(super) async fn begin(&mut self, location: &str, purpose: Purpose) -> anyhow::Result<Walk> {
        let known_only = walker::keeps_to_known(&self.app.records, location, purpose).await?;
        let mut told = false;
        loop {
            if let Some(walk) = self.app.records.begin_walk(location, purpose, known_only, 0).await? {
                self.push(&walk).await?;
                return Ok(walk);
            }
            // A slow reconciliation would keep the operator waiting for hours.
            if self.app.records.set_aside_walks(location, Some(purpose)).await? == 0 {
                self.wait_for_turn(location, &mut told).await?;
            }
        }
    }

    /// Resumes an interrupted scan, with its dead jobs.
    pub(super) async fn go_on(&mut self, walk: &Walk) -> anyhow::Result<()> {
        let dead: Vec<_> = self.dead(walk).await?.into_iter().map(|(id, _)| id).collect();
        self.app.records.revive_jobs(&dead).await?;
        let mut told = false;
        while !self.app.records.resume_walk(walk).await? {
            self.wait_for_turn(&walk.location_id, &mut told).await?;
        }
        self.push(walk).await
    }

    /// Waits a moment for the end of another scan.
    async fn wait_for_turn(&mut self, location: &str, told: &mut bool) -> anyhow::Result<()> {
        if !std::mem::replace(told, true) {
            eprintln!("another scan of {location} is in progress; waiting for its end");
        }
        tokio::select! {
            () = sleep(LOOK) => Ok(()),
            () = self.signals.next() => bail!("stopped before the scan started"),
        }
    }

    async fn push(&self, walk: &Walk) -> anyhow::Result<()> {
        let jobs: Vec<_> = walk.next_job().iter().map(|key| new_job(key, Priority::Bulk)).collect();
        if self.workers.is_some() {
            self.app.queue.push(&jobs).await?;
        }
        Ok(())
    }

    /// The dead jobs of a scan, with their reasons.
    async fn dead(&self, walk: &Walk) -> anyhow::Result<Vec<(String, String)>> {
        let (state, location_id) = (Some(JobState::Dead), Some(walk.location_id.clone()));
        let kind = walk.next_job().map(|key| key.kind);
        let jobs =
            self.app.records.list_jobs(&JobFilter { state, location_id, kind, ..JobFilter::default() }, 100).await?;
        let of_walk = jobs.into_iter().filter(|job| job.key.record_id == walk.id);
        Ok(of_walk.map(|job| (job.id, job.last_error.unwrap_or_default())).collect())
    }

    /// Waits for the end of the scan and shows its progress.
    pub(super) async fn follow(&mut self, walk: &Walk, quiet: bool) -> anyhow::Result<Walk> {
        let mut progress = Progress::new(walk, self.app.queue.limit(), quiet);
        loop {
            let walk = self.app.records.walk(&walk.id).await?.context("the scan is no longer in the database")?;
            if let Some(ended) = walk.finished_at_ms {
                if walk.phase != Phase::Done {
                    bail!("this scan was stopped in favor of another scan of the location");
                }
                // The pulls that it left belong to it.
                if self.app.records.open_pulls(&walk.location_id, ended).await? == 0 {
                    return Ok(walk);
                }
            } else if let Some((id, reason)) = self.dead(&walk).await?.into_iter().next() {
                let then = match walk.purpose {
                    Purpose::Import => format!("; once the reason is fixed, {}", resume(&walk)),
                    _ => String::new(),
                };
                bail!("job {id} is a dead letter: {reason}{then}");
            }
            let lane = self.app.queue.lane(&walk.location_id).await?;
            let why = if progress.note(&walk) { self.why(&walk, lane.as_ref()).await? } else { None };
            progress.tell(&walk, lane.map_or(0, |lane| lane.day_used), why.as_deref());
            tokio::select! {
                () = sleep(LOOK) => {}
                () = self.signals.next() => {
                    bail!("stopped; {}", self.what_becomes_of(&walk));
                }
            }
        }
    }

    /// What a stalled scan waits for, if it is more than GHL's next answer.
    async fn why(&self, walk: &Walk, lane: Option<&LaneView>) -> anyhow::Result<Option<String>> {
        let Some(key) = walk.next_job() else { return Ok(None) };
        if self.app.queue.paused_kinds().await?.contains(&key.kind) {
            let kind = key.kind;
            return Ok(Some(format!(
                "all {kind} jobs are paused: `clienty-sync jobs resume --kind {kind}` resumes them"
            )));
        }
        let of_lane = lane.and_then(|LaneView { state, held_for, .. }| match state {
            // An import usually waits for GHL's limit: the remaining time says more.
            LaneState::Ready | LaneState::WaitsForTokens => None,
            LaneState::DaySpent => Some(format!("its share of the day's calls is used: continues in {}", told(*held_for))),
            LaneState::Paced => Some(format!("spread over the day: continues in {}", told(*held_for))),
            LaneState::Held => Some(format!(
                "its location is throttled, as GHL refused or calls of an earlier process may still count: continues in {}",
                told(*held_for)
            )),
            LaneState::Broken => Some(format!("its calls fail: retried in {}", told(*held_for))),
            LaneState::Paused => Some(format!("paused: `clienty-sync jobs resume {}` resumes it", walk.location_id)),
        });
        let failed = match lane.map(|lane| lane.state) {
            Some(LaneState::WaitsForTokens | LaneState::Paused | LaneState::DaySpent | LaneState::Paced) => None,
            _ => self.last_error(walk, &key.kind).await?,
        };
        Ok(match (of_lane, failed) {
            (Some(lane), Some(error)) => Some(format!("{lane} ({error})")),
            (None, Some(error)) => Some(format!("it will be retried: {error}")),
            (lane, None) => lane,
        })
    }

    /// The last error of the scan's open job, if it failed.
    async fn last_error(&self, walk: &Walk, kind: &str) -> anyhow::Result<Option<String>> {
        for state in [JobState::Scheduled, JobState::Waiting] {
            let (location_id, kind) = (Some(walk.location_id.clone()), Some(kind.to_owned()));
            let filter = JobFilter { state: Some(state), location_id, kind, ..JobFilter::default() };
            let jobs = self.app.records.list_jobs(&filter, 1).await?;
            if let Some(error) = jobs.into_iter().find_map(|job| job.last_error) {
                return Ok(Some(error));
            }
        }
        Ok(None)
    }

    /// What happens to a scan if this command ends first.
    fn what_becomes_of(&self, walk: &Walk) -> String {
        let stored = match walk.purpose {
            Purpose::Import => "the records read so far are stored",
            Purpose::Sweep | Purpose::Full | Purpose::Details => "the changes found so far are stored",
            Purpose::Verify => "nothing was changed",
        };
        let goes_on = match (&self.workers, self.app.config.is_distributed()) {
            (Some(_), false) => "",
            (Some(_), true) => ", and workers of other processes continue",
            (None, _) => ", and the process that uses this data folder continues",
        };
        match walk.purpose {
            Purpose::Import => format!("{stored}{goes_on}; {}", resume(walk)),
            _ => format!("{stored}{goes_on}"),
        }
    }

    /// Lets the workers finish what they run.
    pub(super) async fn stop(self) {
        if let Some(workers) = self.workers {
            workers.stop().await;
        }
        self.app.records.close().await;
    }
}

fn resume(walk: &Walk) -> String {
    format!("`clienty-sync import --location {} --resume` continues it", walk.location_id)
}

/// A time in a readable unit.
fn told(time: Duration) -> String {
    match time.as_secs_f64() {
        secs if secs < 120.0 => format!("{:.0} s", secs.ceil()),
        secs if secs < 7200.0 => format!("{:.0} min", secs / 60.0),
        secs => format!("{:.1} h", secs / 3600.0),
    }
}

//! What `import`, `reconcile` and `verify` share: they start a scan of a location, work on it, and
//! show its progress.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use job_engine::{LaneState, LaneView, Priority};
use sync_workers::jobs::new_job;
use sync_workers::records::{JobFilter, JobState, Phase, Purpose, Scan};
use sync_workers::{reconcile_scheduler, requeuer};
use tokio::time::sleep;

use super::open_records;
use super::serve::Signals;
use crate::app::{App, Workers};
use crate::config::Config;
use crate::instance_lock::InstanceLock;

mod progress;

use progress::Progress;

const LOOK: Duration = Duration::from_millis(200);

/// An open app that works on the scan, unless another process with the same queue in memory does.
pub(super) struct ScanProgress {
    pub(super) app: App,
    workers: Option<Workers>,
    signals: Signals,
    _sole: Option<InstanceLock>,
}

impl ScanProgress {
    pub(super) async fn start(config: Config, location: &str) -> anyhow::Result<Self> {
        let signals = Signals::listen()?;
        let distributed = config.is_distributed();
        // Looked at first: a shell without the settings makes no data folder.
        open_records(&config).await?.close().await;
        let instance_lock = if distributed { None } else { InstanceLock::take(&config.working_folders())?.taken() };
        let app = if instance_lock.is_some() { App::open_alone(config).await? } else { App::open(config).await? };
        let connection = app.records.connection(location).await?;
        let is_connected = connection.is_some_and(|connection| connection.is_connected());
        ensure!(is_connected, "{location} is not connected; `clienty-sync connect` connects it");
        let workers = if distributed || instance_lock.is_some() {
            let workers = app.start_workers()?;
            if !distributed {
                let reported =
                    requeuer::reconcile(&app.records, &app.queue, &app.clock, Duration::ZERO, Duration::ZERO).await;
                reported.map_err(anyhow::Error::msg).context("can't enqueue the open jobs")?;
            }
            Some(workers)
        } else {
            eprintln!("another process uses this data folder and sends the calls; this one shows the progress");
            None
        };
        Ok(Self { app, workers, signals, _sole: instance_lock })
    }

    /// Starts a scan once no other scan of the location is in progress.
    pub(super) async fn begin(&mut self, location: &str, purpose: Purpose) -> anyhow::Result<Scan> {
        let known_only = reconcile_scheduler::keeps_to_known(&self.app.records, location, purpose).await?;
        let mut reported = false;
        loop {
            if let Some(scan) = self.app.records.begin_scan(location, purpose, known_only, 0).await? {
                self.push(&scan).await?;
                return Ok(scan);
            }
            // A slow reconciliation would keep the operator waiting for hours.
            if self.app.records.set_aside_scans(location, Some(purpose)).await? == 0 {
                self.wait_for_turn(location, &mut reported).await?;
            }
        }
    }

    /// Resumes an interrupted scan, with its dead jobs.
    pub(super) async fn go_on(&mut self, scan: &Scan) -> anyhow::Result<()> {
        let dead: Vec<_> = self.dead(scan).await?.into_iter().map(|(id, _)| id).collect();
        self.app.records.revive_jobs(&dead).await?;
        let mut reported = false;
        while !self.app.records.resume_scan(scan).await? {
            self.wait_for_turn(&scan.location_id, &mut reported).await?;
        }
        self.push(scan).await
    }

    /// Waits a moment for the end of another scan.
    async fn wait_for_turn(&mut self, location: &str, reported: &mut bool) -> anyhow::Result<()> {
        if !std::mem::replace(reported, true) {
            eprintln!("another scan of {location} is in progress; waiting for its end");
        }
        tokio::select! {
            () = sleep(LOOK) => Ok(()),
            () = self.signals.next() => bail!("stopped before the scan started"),
        }
    }

    async fn push(&self, scan: &Scan) -> anyhow::Result<()> {
        let jobs: Vec<_> = scan.next_job().iter().map(|key| new_job(key, Priority::Bulk)).collect();
        if self.workers.is_some() {
            self.app.queue.push(&jobs).await?;
        }
        Ok(())
    }

    /// The dead jobs of a scan, with their reasons.
    async fn dead(&self, scan: &Scan) -> anyhow::Result<Vec<(String, String)>> {
        let (state, location_id) = (Some(JobState::Dead), Some(scan.location_id.clone()));
        let kind = scan.next_job().map(|key| key.kind);
        let jobs =
            self.app.records.list_jobs(&JobFilter { state, location_id, kind, ..JobFilter::default() }, 100).await?;
        let of_scan = jobs.into_iter().filter(|job| job.key.record_id == scan.id);
        Ok(of_scan.map(|job| (job.id, job.last_error.unwrap_or_default())).collect())
    }

    /// Waits for the end of the scan and shows its progress.
    pub(super) async fn follow(&mut self, scan: &Scan, quiet: bool) -> anyhow::Result<Scan> {
        let mut progress = Progress::new(scan, self.app.queue.limit(), quiet);
        loop {
            let scan = self.app.records.scan(&scan.id).await?.context("the scan is no longer in the database")?;
            if let Some(ended) = scan.finished_at_ms {
                if scan.phase != Phase::Done {
                    bail!("this scan was stopped in favor of another scan of the location");
                }
                // The pulls that it left belong to it.
                if self.app.records.open_pulls(&scan.location_id, ended).await? == 0 {
                    return Ok(scan);
                }
            } else if let Some((id, reason)) = self.dead(&scan).await?.into_iter().next() {
                let then = match scan.purpose {
                    Purpose::Import => format!("; once the reason is fixed, {}", resume(&scan)),
                    _ => String::new(),
                };
                bail!("job {id} is a dead letter: {reason}{then}");
            }
            let lane = self.app.queue.lane(&scan.location_id).await?;
            let why = if progress.note(&scan) { self.why(&scan, lane.as_ref()).await? } else { None };
            progress.report(&scan, lane.map_or(0, |lane| lane.day_used), why.as_deref());
            tokio::select! {
                () = sleep(LOOK) => {}
                () = self.signals.next() => {
                    bail!("stopped; {}", self.what_becomes_of(&scan));
                }
            }
        }
    }

    /// What a stalled scan waits for, if it is more than GHL's next answer.
    async fn why(&self, scan: &Scan, lane: Option<&LaneView>) -> anyhow::Result<Option<String>> {
        let Some(key) = scan.next_job() else { return Ok(None) };
        if self.app.queue.paused_kinds().await?.contains(&key.kind) {
            let kind = key.kind;
            return Ok(Some(format!(
                "all {kind} jobs are paused: `clienty-sync jobs resume --kind {kind}` resumes them"
            )));
        }
        let of_lane = lane.and_then(|LaneView { state, held_for, .. }| match state {
            // An import usually waits for GHL's limit: the remaining time says more.
            LaneState::Ready | LaneState::WaitsForTokens => None,
            LaneState::DaySpent => Some(format!("its share of the day's calls is used: continues in {}", reported(*held_for))),
            LaneState::Paced => Some(format!("spread over the day: continues in {}", reported(*held_for))),
            LaneState::Held => Some(format!(
                "its location is throttled, as GHL refused or calls of an earlier process may still count: continues in {}",
                reported(*held_for)
            )),
            LaneState::Broken => Some(format!("its calls fail: retried in {}", reported(*held_for))),
            LaneState::Paused => Some(format!("paused: `clienty-sync jobs resume {}` resumes it", scan.location_id)),
        });
        let failed = match lane.map(|lane| lane.state) {
            Some(LaneState::WaitsForTokens | LaneState::Paused | LaneState::DaySpent | LaneState::Paced) => None,
            _ => self.last_error(scan, &key.kind).await?,
        };
        Ok(match (of_lane, failed) {
            (Some(lane), Some(error)) => Some(format!("{lane} ({error})")),
            (None, Some(error)) => Some(format!("it will be retried: {error}")),
            (lane, None) => lane,
        })
    }

    /// The last error of the scan's open job, if it failed.
    async fn last_error(&self, scan: &Scan, kind: &str) -> anyhow::Result<Option<String>> {
        for state in [JobState::Scheduled, JobState::Waiting] {
            let (location_id, kind) = (Some(scan.location_id.clone()), Some(kind.to_owned()));
            let filter = JobFilter { state: Some(state), location_id, kind, ..JobFilter::default() };
            let jobs = self.app.records.list_jobs(&filter, 1).await?;
            if let Some(error) = jobs.into_iter().find_map(|job| job.last_error) {
                return Ok(Some(error));
            }
        }
        Ok(None)
    }

    /// What happens to a scan if this command ends first.
    fn what_becomes_of(&self, scan: &Scan) -> String {
        let stored = match scan.purpose {
            Purpose::Import => "the records read so far are stored",
            Purpose::Reconcile | Purpose::Full | Purpose::Details => "the changes found so far are stored",
            Purpose::Verify => "nothing was changed",
        };
        let goes_on = match (&self.workers, self.app.config.is_distributed()) {
            (Some(_), false) => "",
            (Some(_), true) => ", and workers of other processes continue",
            (None, _) => ", and the process that uses this data folder continues",
        };
        match scan.purpose {
            Purpose::Import => format!("{stored}{goes_on}; {}", resume(scan)),
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

fn resume(scan: &Scan) -> String {
    format!("`clienty-sync import --location {} --resume` continues it", scan.location_id)
}

/// A time in a readable unit.
fn reported(time: Duration) -> String {
    match time.as_secs_f64() {
        secs if secs < 120.0 => format!("{:.0} s", secs.ceil()),
        secs if secs < 7200.0 => format!("{:.0} min", secs / 60.0),
        secs => format!("{:.1} h", secs / 3600.0),
    }
}

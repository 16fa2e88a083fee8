//! What `import`, `sweep` and `verify` share: they begin a walk over a location, help with its work, and tell how far it is.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use job_engine::Priority;
use sync_workers::jobs::new_job;
use sync_workers::records::{JobFilter, JobState, Purpose, Walk};
use sync_workers::{sweeper, walker};
use tokio::time::{Instant, sleep};

use super::serve::Signals;
use crate::app::{App, Workers};
use crate::config::Config;
use crate::sole::Sole;

const LOOK: Duration = Duration::from_millis(200);
/// Between two lines where nobody looks at a terminal.
const LINE: Duration = Duration::from_secs(10);
/// The share of a day's calls that bulk work may take.
const BULK_SHARE: f64 = 0.8;
const DAY_SECS: f64 = 86_400.0;

/// An open app that works for the walk, unless another process over the same queue in memory does.
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
        let sole = if distributed { None } else { Sole::take(&config.data.dir)? };
        let app = App::open(config).await?;
        let connection = app.records.connection(location).await?;
        ensure!(connection.is_some(), "{location} is not connected; `clienty-sync connect` connects it");
        let workers = if distributed || sole.is_some() {
            let workers = app.start_workers()?;
            if !distributed {
                let told = sweeper::sweep(&app.records, &app.queue, &app.clock, Duration::ZERO, Duration::ZERO).await;
                told.map_err(anyhow::Error::msg).context("the queue can't be told of the open jobs")?;
            }
            Some(workers)
        } else {
            eprintln!("another process works over this data folder, and does the calls; this one looks on");
            None
        };
        Ok(Self { app, workers, signals, _sole: sole })
    }

    /// Begins a walk, once no other one of the location is in its way.
    pub(super) async fn begin(&mut self, location: &str, purpose: Purpose) -> anyhow::Result<Walk> {
        let known_only = walker::keeps_to_known(&self.app.records, location, purpose).await?;
        let mut told = false;
        loop {
            if let Some(walk) = self.app.records.begin_walk(location, purpose, known_only, 0).await? {
                self.push(&walk).await?;
                return Ok(walk);
            }
            if !std::mem::replace(&mut told, true) {
                eprintln!("an import, a sweep or a comparison of {location} is under way; waiting for its end");
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = self.signals.next() => bail!("stopped before it began"),
            }
        }
    }

    /// Lets a walk go on that was broken off, its dead jobs as well.
    pub(super) async fn go_on(&self, walk: &Walk) -> anyhow::Result<()> {
        let dead: Vec<_> = self.dead(walk).await?.into_iter().map(|(id, _)| id).collect();
        self.app.records.revive_jobs(&dead).await?;
        self.push(walk).await
    }

    async fn push(&self, walk: &Walk) -> anyhow::Result<()> {
        let jobs: Vec<_> = walk.next_job().iter().map(|key| new_job(key, Priority::Bulk)).collect();
        if self.workers.is_some() {
            self.app.queue.push(&jobs).await?;
        }
        Ok(())
    }

    /// The dead jobs of a walk, with their reasons.
    async fn dead(&self, walk: &Walk) -> anyhow::Result<Vec<(String, String)>> {
        let (state, location_id) = (Some(JobState::Dead), Some(walk.location_id.clone()));
        let kind = walk.next_job().map(|key| key.kind);
        let jobs = self.app.records.list_jobs(&JobFilter { state, location_id, kind, error: None }, 100).await?;
        let of_walk = jobs.into_iter().filter(|job| job.key.record_id == walk.id);
        Ok(of_walk.map(|job| (job.id, job.last_error.unwrap_or_default())).collect())
    }

    /// Waits until the walk is at its end, telling how far it is.
    pub(super) async fn follow(&mut self, walk: &Walk, quiet: bool) -> anyhow::Result<Walk> {
        let mut progress = Progress::new(walk, self.app.config.ghl.daily_limit, quiet);
        loop {
            let walk = self.app.records.walk(&walk.id).await?.context("the walk is not in the database any more")?;
            if let Some(ended) = walk.finished_at_ms {
                // What it left to pulls belongs to it, for whoever asked for it.
                if self.app.records.open_pulls(&walk.location_id, ended).await? == 0 {
                    progress.end();
                    return Ok(walk);
                }
            } else if let Some((id, reason)) = self.dead(&walk).await?.into_iter().next() {
                progress.end();
                bail!("job {id} was given up: {reason}");
            }
            let lane = self.app.queue.lane(&walk.location_id).await?;
            progress.tell(&walk, lane.map_or(0, |lane| lane.day_used));
            tokio::select! {
                () = sleep(LOOK) => {}
                () = self.signals.next() => {
                    progress.end();
                    bail!("stopped; what was read is stored, and the workers of other processes go on");
                }
            }
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

/// Tells people how far a walk is: a bar on a terminal, else a line now and then.
struct Progress {
    began: Instant,
    calls_before: i64,
    daily: f64,
    told: Option<Instant>,
    terminal: bool,
    quiet: bool,
}

impl Progress {
    fn new(walk: &Walk, daily_limit: u32, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let daily = f64::from(daily_limit) * BULK_SHARE;
        Self { began: Instant::now(), calls_before: walk.calls, daily, told: None, terminal, quiet }
    }

    fn tell(&mut self, walk: &Walk, day_used: u32) {
        let every = if self.terminal { LOOK } else { LINE };
        if self.quiet || self.told.is_some_and(|told| told.elapsed() < every) {
            return;
        }
        self.told = Some(Instant::now());
        let line = self.line(walk, day_used);
        let mut out = std::io::stderr().lock();
        // A bar that can't be shown is no reason to stop.
        let _ = if self.terminal { write!(out, "\r\x1b[2K{line}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }

    fn line(&self, walk: &Walk, day_used: u32) -> String {
        let left = calls_left(walk);
        let share = walk.calls as f64 / (walk.calls as f64 + left).max(1.0);
        let rate = (walk.calls - self.calls_before) as f64 / self.began.elapsed().as_secs_f64().max(0.1);
        let filled = (share * 20.0) as usize;
        let bar = format!("{}{}", "#".repeat(filled), "-".repeat(20 - filled.min(20)));
        let total = walk.total.map_or_else(|| "?".to_owned(), |total| total.to_string());
        let eta = eta(left, rate, self.daily - f64::from(day_used), self.daily);
        let (read, detailed, calls, percent) = (walk.contacts, walk.detailed, walk.calls, share * 100.0);
        format!(
            "[{bar}] {percent:.0} %  {read}/{total} contacts, {detailed} with details, {calls} calls, {rate:.1}/s, {eta}"
        )
    }

    fn end(&self) {
        if self.terminal && !self.quiet && self.told.is_some() {
            eprintln!();
        }
    }
}

/// The calls that a walk still needs, about.
fn calls_left(walk: &Walk) -> f64 {
    let total = walk.total.unwrap_or(0) as f64;
    let each = if walk.tasks_apart { 3.0 } else { 2.0 };
    let pages = (total - walk.contacts as f64).max(0.0) / 100.0;
    let details = if walk.purpose == Purpose::Sweep { 0.0 } else { (total - walk.detailed as f64).max(0.0) * each };
    pages + details
}

/// How long that takes at the rate, and with what the day still gives: then a day passes for each further share of it.
fn eta(left: f64, rate: f64, today: f64, daily: f64) -> String {
    if rate <= 0.0 {
        return "time left unknown".to_owned();
    }
    let days = ((left - today.max(0.0)) / daily.max(1.0)).ceil().max(0.0);
    let secs = left / rate + days * DAY_SECS;
    match secs {
        secs if secs < 120.0 => format!("{secs:.0} s left"),
        secs if secs < 7200.0 => format!("{:.0} min left", secs / 60.0),
        secs if days > 0.0 => format!("{:.1} h left, the day's quota included", secs / 3600.0),
        secs => format!("{:.1} h left", secs / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_day_does_not_give_waits_for_the_next() {
        assert_eq!(eta(100.0, 10.0, 1000.0, 1000.0), "10 s left");
        assert_eq!(eta(36_000.0, 10.0, 100_000.0, 160_000.0), "60 min left");
        assert_eq!(eta(200_000.0, 10.0, 160_000.0, 160_000.0), "29.6 h left, the day's quota included");
        assert_eq!(eta(100.0, 0.0, 1000.0, 1000.0), "time left unknown");
    }
}

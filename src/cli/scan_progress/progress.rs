//! Shows the progress of a scan: a bar on a terminal, else a line now and then.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::Duration;

use job_engine::Limit;
use sync_workers::records::{Phase, Purpose, Scan};
use tokio::time::Instant;

use crate::telemetry::terminal;

/// Between two bars.
const BAR: Duration = Duration::from_millis(200);
/// Between two lines if the output is no terminal.
const LINE: Duration = Duration::from_secs(10);
/// Period of the rate: a pause shows, and one page more or less does not.
const RECENT: Duration = Duration::from_secs(60);
/// A scan that stalls for so long shows what it waits for.
const STILL: Duration = Duration::from_secs(2);
/// Narrow: on 80 columns the end of the line is cut off.
const WIDTH: usize = 10;

pub(super) struct Progress {
    limit: Limit,
    /// When the scan had sent how many calls, oldest first.
    recent: VecDeque<(Instant, i64)>,
    moved: Instant,
    reported: Option<Instant>,
    terminal: bool,
    quiet: bool,
}

impl Progress {
    pub(super) fn new(scan: &Scan, limit: Limit, quiet: bool) -> Self {
        let (now, terminal) = (Instant::now(), std::io::stderr().is_terminal());
        Self { limit, recent: VecDeque::from([(now, scan.calls)]), moved: now, reported: None, terminal, quiet }
    }

    /// Records the progress; returns whether the scan has stalled.
    pub(super) fn note(&mut self, scan: &Scan) -> bool {
        let now = Instant::now();
        if self.recent.back().is_none_or(|(_, calls)| *calls != scan.calls) {
            self.moved = now;
            self.recent.push_back((now, scan.calls));
        }
        // The oldest stays until the next one is old enough itself.
        while self.recent.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= RECENT) {
            self.recent.pop_front();
        }
        !self.quiet && now.duration_since(self.moved) >= STILL
    }

    /// Prints the progress if it is time to. `why`: what the scan waits for.
    pub(super) fn report(&mut self, scan: &Scan, day_used: u32, why: Option<&str>) {
        let every = if self.terminal { BAR } else { LINE };
        if self.quiet || self.reported.is_some_and(|reported| reported.elapsed() < every) {
            return;
        }
        self.reported = Some(Instant::now());
        let line = line(scan, self.rate(), |calls| self.limit.bulk_spread(calls, day_used), why);
        match self.terminal {
            true => terminal().show(&line),
            false => eprintln!("{line}"),
        }
    }

    /// Calls a second.
    fn rate(&self) -> f64 {
        let (Some((since, before)), Some((_, calls))) = (self.recent.front(), self.recent.back()) else { return 0.0 };
        (calls - before) as f64 / since.elapsed().as_secs_f64().max(0.1)
    }
}

impl Drop for Progress {
    /// Removes the bar before other output.
    fn drop(&mut self) {
        terminal().clear();
    }
}

/// The most important part comes first. `spread`: over how long the day spreads so many calls.
fn line(scan: &Scan, rate: f64, spread: impl Fn(u32) -> Duration, why: Option<&str>) -> String {
    let left = calls_left(scan);
    let share = scan.calls as f64 / (scan.calls as f64 + left.unwrap_or(f64::INFINITY)).max(1.0);
    let filled = ((share * WIDTH as f64) as usize).min(WIDTH);
    let bar = format!("{}{}", "#".repeat(filled), "-".repeat(WIDTH - filled));
    let total = scan.total.map_or_else(|| "?".to_owned(), |total| total.to_string());
    let (read, detailed, calls, percent) = (scan.contacts, scan.detailed, scan.calls, share * 100.0);
    let doing = match (scan.phase, scan.purpose) {
        (Phase::Contacts, _) => format!("{read} of {total} contacts"),
        (Phase::Details, _) => format!("{detailed} of {total} contacts' notes and appointments"),
        (_, Purpose::Verify) => "checking differences again".to_owned(),
        (_, _) => "looking for deleted contacts".to_owned(),
    };
    let time = match (why, left) {
        (Some(why), _) => why.to_owned(),
        (None, Some(left)) => format!("{}, {rate:.1} calls/s", eta(left, rate, spread(left as u32))),
        (None, None) => "time left unknown".to_owned(),
    };
    format!("[{bar}] {percent:3.0} %  {time}, {doing}, {calls} calls")
}

/// An estimate of the calls that a scan still needs; none before GHL has reported the number of contacts.
fn calls_left(scan: &Scan) -> Option<f64> {
    let total = scan.total? as f64;
    let each = if scan.tasks_apart { 3.0 } else { 2.0 };
    let pages = if scan.phase == Phase::Contacts { (total - scan.contacts as f64).max(0.0) / 100.0 } else { 0.0 };
    let is_detailed = !matches!(scan.purpose, Purpose::Reconcile | Purpose::Full)
        && matches!(scan.phase, Phase::Contacts | Phase::Details);
    let details = if is_detailed { (total - scan.detailed as f64).max(0.0) * each } else { 0.0 };
    Some(pages + details)
}

/// How long that takes at the rate, or as the day spreads it if that is longer.
fn eta(left: f64, rate: f64, spread: Duration) -> String {
    if rate <= 0.0 {
        return "time left unknown".to_owned();
    }
    let secs = (left / rate).max(spread.as_secs_f64());
    match secs {
        secs if secs < 120.0 => format!("{secs:.0} s left"),
        secs if secs < 7200.0 => format!("{:.0} min left", secs / 60.0),
        secs if !spread.is_zero() => format!("{:.1} h left, the day's quota included", secs / 3600.0),
        secs => format!("{:.1} h left", secs / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(purpose: Purpose, phase: Phase, contacts: i64, detailed: i64, calls: i64) -> Scan {
        Scan {
            id: "w".to_owned(),
            location_id: "l".to_owned(),
            purpose,
            phase,
            cursor: None,
            page_limit: 500,
            known_only: false,
            tasks_apart: false,
            pause_ms: 0,
            next_at_ms: 0,
            total: Some(1000),
            contacts,
            tasks: 0,
            notes: 0,
            appointments: 0,
            detailed,
            calls,
            passed_over: 0,
            not_shown: 0,
            found: 0,
            since_ms: None,
            created_after_ms: None,
            reached: None,
            started_at_ms: 0,
            updated_at_ms: 0,
            finished_at_ms: None,
            uncompared: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn the_day_can_take_longer_than_the_rate() {
        let hour = Duration::from_secs(3600);
        assert_eq!(eta(100.0, 10.0, Duration::ZERO), "10 s left");
        assert_eq!(eta(36_000.0, 10.0, Duration::ZERO), "60 min left");
        assert_eq!(eta(72_000.0, 2.0, Duration::ZERO), "10.0 h left");
        assert_eq!(eta(36_000.0, 10.0, hour * 25), "25.0 h left, the day's quota included");
        assert_eq!(eta(200_000.0, 1.8, hour * 25), "30.9 h left, the day's quota included");
        assert_eq!(eta(100.0, 0.0, Duration::ZERO), "time left unknown");
    }

    #[test]
    fn the_bar_reports_what_is_done_and_what_it_waits_for() {
        let reported = |scan: &Scan, why| line(scan, 10.0, |_| Duration::ZERO, why);
        assert_eq!(
            reported(&scan(Purpose::Import, Phase::Contacts, 500, 0, 6), None),
            "[----------]   0 %  3 min left, 10.0 calls/s, 500 of 1000 contacts, 6 calls"
        );
        assert_eq!(
            reported(&scan(Purpose::Import, Phase::Details, 1000, 500, 1012), Some("its location is paused")),
            "[#####-----]  50 %  its location is paused, 500 of 1000 contacts' notes and appointments, 1012 calls"
        );
        assert_eq!(
            reported(&scan(Purpose::Verify, Phase::Rest, 1000, 1000, 2012), None),
            "[##########] 100 %  0 s left, 10.0 calls/s, checking differences again, 2012 calls"
        );
        let unknown = Scan { total: None, ..scan(Purpose::Reconcile, Phase::Contacts, 0, 0, 0) };
        assert_eq!(reported(&unknown, None), "[----------]   0 %  time left unknown, 0 of ? contacts, 0 calls");
    }
}

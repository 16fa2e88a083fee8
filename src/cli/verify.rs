//! `verify`: compares the records with GHL, record by record and field by field.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use clap::Parser;
use job_engine::Priority;
use serde::Serialize;
use serde_json::json;
use sync_workers::events::{IncomingEvent, NewEvent};
use sync_workers::records::{Change, Difference, Finding, JobKind, Purpose, Scan};
use tokio::time::sleep;

use super::scan_progress::ScanProgress;
use super::table::table;
use super::{Context, Outcome};

/// Findings that the table lists.
const LISTED: usize = 50;
/// Events of one transaction.
const BATCH: usize = 500;

#[derive(Debug, Parser)]
pub(super) struct Args {
    /// GHL's id of the location
    #[arg(long, value_name = "ID", value_parser = super::id)]
    location: String,
    /// Fetch the contacts that differ again, and compare once more
    #[arg(long)]
    repair: bool,
}

/// What is printed. Ids and names of fields; no value of any.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    location_id: String,
    /// Contacts that were fetched again.
    repaired: usize,
    calls: i64,
    /// By kind of record.
    counts: BTreeMap<&'static str, Count>,
    findings: Vec<Finding>,
    /// Fields of contacts that one side does not show, with the number of contacts.
    uncompared: BTreeMap<String, i64>,
    /// Contacts of GHL's that could not be read.
    passed_over: i64,
    /// Contacts that GHL counts and its pages do not show.
    not_shown: i64,
}

#[derive(Debug, Default, Serialize)]
struct Count {
    equal: i64,
    missing: i64,
    extra: i64,
    different: i64,
}

pub(super) async fn run(context: Context, args: Args) -> anyhow::Result<Outcome> {
    let Context { config, output } = context;
    let mut scan_progress = ScanProgress::start(config, &args.location).await?;
    let report = verify(&mut scan_progress, &args, output.json).await;
    scan_progress.stop().await;
    let report = report?;
    output.print(&json!(report), |_| report.report())?;
    Ok(match (report.findings.is_empty(), report.is_whole()) {
        (false, _) => Outcome::Differs,
        (true, true) => Outcome::Done,
        (true, false) => Outcome::Failed,
    })
}

async fn verify(scan_progress: &mut ScanProgress, args: &Args, quiet: bool) -> anyhow::Result<Report> {
    let first = compare(scan_progress, &args.location, quiet).await?;
    if !args.repair || first.findings.is_empty() {
        return Ok(first);
    }
    let contacts: BTreeSet<_> = first.findings.iter().map(|finding| finding.contact_id.clone()).collect();
    repair(scan_progress, &args.location, &contacts).await?;
    let second = compare(scan_progress, &args.location, quiet).await?;
    Ok(Report { repaired: contacts.len(), calls: first.calls + second.calls, ..second })
}

async fn compare(scan_progress: &mut ScanProgress, location: &str, quiet: bool) -> anyhow::Result<Report> {
    let scan = scan_progress.begin(location, Purpose::Verify).await?;
    let scan = scan_progress.follow(&scan, quiet).await?;
    let records = &scan_progress.app.records;
    let (findings, held) = (records.findings(&scan.id).await?, records.count_compared(location).await?);
    Ok(Report::new(&scan, findings, &held))
}

/// Pulls the contacts again, and waits for the last of them.
async fn repair(scan_progress: &ScanProgress, location: &str, contacts: &BTreeSet<String>) -> anyhow::Result<()> {
    let trigger = |contact: &String| IncomingEvent {
        event: NewEvent {
            id: None,
            occurred_at: None,
            source: "cli".to_owned(),
            event_type: "verify.repair".to_owned(),
            location_id: location.to_owned(),
            contact_id: Some(contact.clone()),
            data: json!({}),
        },
        kind: JobKind::PullContact,
        priority: Priority::Bulk,
        change: Change::None { record_id: contact.clone() },
    };
    let triggers: Vec<_> = contacts.iter().map(trigger).collect();
    let mut jobs = Vec::new();
    for chunk in triggers.chunks(BATCH) {
        jobs.extend(scan_progress.app.producer().send(chunk).await?.into_iter().map(|accepted| accepted.job_id));
    }
    for job in jobs {
        while scan_progress.app.records.job(&job).await?.is_some_and(|job| job.finished_at.is_none()) {
            sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

impl Report {
    /// `held`: the compared records here, by kind. Those without a finding are equal. The scan's own count would not show that,
    /// since it reads some records twice, and only findings of contacts that are missing here.
    fn new(scan: &Scan, findings: Vec<Finding>, held: &HashMap<String, i64>) -> Self {
        let count = |record: &'static str| {
            let mut count = Count::default();
            for finding in findings.iter().filter(|finding| finding.record == record) {
                match finding.difference {
                    Difference::Missing => count.missing += 1,
                    Difference::Extra => count.extra += 1,
                    Difference::Different => count.different += 1,
                }
            }
            let held = held.get(record).copied().unwrap_or_default();
            // What was edited meanwhile may have gone after it was found.
            count.equal = (held - count.extra - count.different).max(0);
            (record, count)
        };
        let counts = ["contact", "task", "note", "appointment"].into_iter().map(count).collect();
        let (location_id, uncompared) = (scan.location_id.clone(), scan.uncompared.clone());
        let Scan { calls, passed_over, not_shown, .. } = *scan;
        Self { location_id, repaired: 0, calls, counts, findings, uncompared, passed_over, not_shown }
    }

    /// Whether all of GHL's contacts were compared.
    fn is_whole(&self) -> bool {
        self.passed_over == 0 && self.not_shown == 0
    }

    fn report(&self) -> String {
        let rows: Vec<_> = self
            .counts
            .iter()
            .map(|(record, Count { equal, missing, extra, different })| {
                [record.to_string(), equal.to_string(), missing.to_string(), extra.to_string(), different.to_string()]
            })
            .collect();
        let mut text = table(["RECORD", "EQUAL", "MISSING", "EXTRA", "DIFFERENT"], &rows);
        if !self.findings.is_empty() {
            let rows: Vec<_> = self
                .findings
                .iter()
                .take(LISTED)
                .map(|Finding { record, record_id, contact_id, difference, fields }| {
                    let difference = difference.as_str().to_owned();
                    [record.clone(), record_id.clone(), contact_id.clone(), difference, fields.join(", ")]
                })
                .collect();
            text = format!("{text}\n\n{}", table(["RECORD", "ID", "CONTACT", "IS", "FIELDS"], &rows));
            if self.findings.len() > LISTED {
                text = format!("{text}\nand {} more; --json lists all", self.findings.len() - LISTED);
            }
        }
        if !self.uncompared.is_empty() {
            let fields: Vec<_> =
                self.uncompared.iter().map(|(field, contacts)| format!("{field} (contacts: {contacts})")).collect();
            text = format!("{text}\n\nnot compared, since GHL's lists do not show them: {}", fields.join(", "));
        }
        if self.passed_over > 0 {
            text = format!(
                "{text}\n\n{} of GHL's contacts could not be read, so they were not compared",
                self.passed_over
            );
        }
        if self.not_shown > 0 {
            text = format!(
                "{text}\n\nGHL counts {} more contacts than its pages showed, so they were not compared; run the command again",
                self.not_shown
            );
        }
        if self.repaired > 0 {
            text = format!("{text}\n\n{} contacts were fetched again before this comparison", self.repaired);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_records_and_fields() {
        let finding = |record: &str, difference, fields: &[&str]| Finding {
            record: record.to_owned(),
            record_id: format!("{record}-1"),
            contact_id: "c1".to_owned(),
            difference,
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        };
        let findings = vec![
            finding("contact", Difference::Different, &["city", "phone"]),
            finding("note", Difference::Extra, &[]),
        ];
        let counts = BTreeMap::from([("contact", Count { equal: 6, different: 1, ..Count::default() })]);
        let uncompared = BTreeMap::from([("timezone".to_owned(), 7)]);
        let report = Report {
            location_id: "l".to_owned(),
            repaired: 0,
            calls: 9,
            counts,
            findings,
            uncompared,
            passed_over: 2,
            not_shown: 0,
        };
        let expected = "RECORD   EQUAL  MISSING  EXTRA  DIFFERENT\n\
                        contact  6      0        0      1\n\n\
                        RECORD   ID         CONTACT  IS         FIELDS\n\
                        contact  contact-1  c1       different  city, phone\n\
                        note     note-1     c1       extra\n\n\
                        not compared, since GHL's lists do not show them: timezone (contacts: 7)\n\n\
                        2 of GHL's contacts could not be read, so they were not compared";
        assert_eq!(report.report(), expected);
    }
}

//! SQLite on a disk that is full, fails, or became read-only, at each of its changes in turn.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use super::story::{Fault, Story};
use crate::support::disk_faults::{DiskFaults, order, traced};
use crate::support::installation::Installation;
use crate::support::test_app::Setup;
use crate::support::wait_until_async;

/// Set for the inner test alone, which runs in a process of its own under the library.
const INNER: &str = "DISK_FAULTS_KIND";

struct Disk {
    kind: String,
    control: PathBuf,
    trace: PathBuf,
    faults_before: std::cell::Cell<usize>,
}

impl Disk {
    fn faults(&self) -> usize {
        traced(&self.trace).iter().filter(|line| *line == "fault").count()
    }
}

impl Fault for Disk {
    fn strike_after(&self, steps: usize) {
        self.faults_before.set(self.faults());
        order(&self.control, &format!("{} {steps}", self.kind));
    }

    fn has_struck(&self) -> bool {
        self.faults() > self.faults_before.get()
    }

    fn mend(&self) {
        std::fs::remove_file(&self.control).unwrap();
    }
}

/// The changes of the disk after which it fails. The first ones one by one, for they are one accept; then wider.
fn steps() -> impl Iterator<Item = usize> {
    (0..16).chain((16..160).step_by(9))
}

fn every_fault_heals(kind: &str) {
    let faults = DiskFaults::new();
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "faults::disk::inner", "--ignored", "--nocapture"]);
    // The database of the inner test lies in a folder of this name.
    let files = std::env::temp_dir().join("clienty-it-jobs-");
    inner.envs(faults.environment(&files)).env(INNER, kind);
    let ended = inner.output().unwrap();
    let reported = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && reported.contains("1 passed"),
        "{reported}\n{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

#[test]
fn a_full_disk_loses_nothing_and_heals() {
    every_fault_heals("ENOSPC");
}

#[test]
fn a_failing_disk_loses_nothing_and_heals() {
    every_fault_heals("EIO");
}

#[test]
fn a_disk_that_becomes_read_only_loses_nothing_and_heals() {
    every_fault_heals("EROFS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the tests above run it, in a process whose disk they control"]
async fn inner() {
    let setting = |name| std::env::var_os(name).expect("it is run by the tests above");
    let disk = Disk {
        kind: setting(INNER).into_string().unwrap(),
        control: setting("DISK_FAULTS_CONTROL").into(),
        trace: setting("DISK_FAULTS_TRACE").into(),
        faults_before: std::cell::Cell::new(0),
    };
    let mut story = Story::begin(Setup::impatient()).await;
    let mut struck = 0;
    for steps in steps() {
        struck += usize::from(story.report_under(&disk, steps).await);
    }
    assert!(struck > steps().count() / 2, "it struck {struck} times");
    story.end().await;
}

#[tokio::test]
async fn while_the_disk_is_full_nothing_is_accepted_and_readyz_says_so_and_then_all_goes_on() {
    for kind in ["ENOSPC", "EROFS"] {
        let faults = DiskFaults::new();
        let mut installation = Installation::new(&[]).await;
        for (name, value) in faults.environment(&installation.data_folder()) {
            installation.set(name, &value);
        }
        let (_program, api) = installation.serve("up");
        let event = json!({"type": "contact.selected", "locationId": installation.location,
            "contactId": installation.contacts[0]});
        api.done(&event).await;
        let ready = async || api.request("GET", "/readyz", |request| request).await;
        assert_eq!(ready().await.status, 200);

        faults.order(&format!("{kind} 0"));
        for _ in 0..20 {
            let answer = api.post(event.to_string()).await;
            answer.problem(503);
        }
        wait_until_async("/readyz answers 503", async || ready().await.status == 503).await;
        let reported = ready().await.json();
        assert!(reported["database"].as_str().unwrap().contains("does not write"), "{reported}");
        assert_eq!(api.request("GET", "/healthz", |request| request).await.status, 200);

        faults.heal();
        wait_until_async("/readyz answers 200", async || ready().await.status == 200).await;
        for _ in 0..20 {
            api.done(&event).await;
        }
        let stats = installation.json(&["jobs", "stats"]);
        assert_eq!(stats["dead"], 0, "{stats}");
    }
}

//! Looks now and then whether the files of flows have changed, so that an edited file is in force without a restart.
//!
//! A file that is broken while somebody edits it takes its flow out of force, and says so; the last good one is not kept, as nobody could show
//! which one runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sync_workers::records::Records;
use tokio::time::sleep;

use super::{Broken, files, load};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// By which it is known that a file has changed.
type Signs = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// Runs until it is aborted.
pub async fn run(folder: PathBuf, records: Records) {
    let mut known = signs(&folder);
    loop {
        sleep(LOOK).await;
        let now = signs(&folder);
        if now == known {
            continue;
        }
        match load(&folder) {
            Ok(loaded) => {
                report(&loaded.broken);
                tracing::info!(
                    flows = loaded.flows.len(),
                    broken = loaded.broken.len(),
                    "the files of flows were read again"
                );
                let broken = loaded.broken.iter().map(Broken::kept).collect();
                records.set_file_flows(loaded.flows, broken);
                known = now;
            }
            Err(error) => tracing::error!(%error, "the folder of flows can't be read; the flows stay as they were"),
        }
    }
}

/// Logs each mistake: the flow of that file starts no run.
pub fn report(broken: &[Broken]) {
    for broken in broken {
        for mistake in &broken.mistakes {
            tracing::error!(
                flow = broken.name,
                place = mistake.place,
                field = mistake.key,
                problem = mistake.problem,
                "a flow is broken, and starts no run until its file is mended; the others run"
            );
        }
    }
}

fn signs(folder: &Path) -> Signs {
    let sign = |file: PathBuf| {
        let about = file.metadata().ok();
        let changed = about.as_ref().and_then(|about| about.modified().ok());
        let length = about.map_or(0, |about| about.len());
        (file, changed, length)
    };
    // A script is part of each flow that names it.
    let listed = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let scripts = listed.filter(|file| file.extension().is_some_and(|extension| extension == "rhai"));
    let mut scripts: Vec<_> = scripts.collect();
    scripts.sort();
    files(folder).unwrap_or_default().into_iter().chain(scripts).map(sign).collect()
}

//! `queue-model prove [SCENE]` goes through all states of the large scenes; `queue-model replay FILE…` checks traces of the real queue.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::ExitCode;
use std::time::Instant;

use queue_model::replay::Replay;
use queue_model::rules::Rules;
use queue_model::scenes;
use queue_model::search::search;

const USAGE: &str = "usage: queue-model prove [SCENE] | queue-model replay FILE...";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["prove"] => prove(None),
        ["prove", scene] => prove(Some(scene)),
        ["replay", ref files @ ..] if !files.is_empty() => replay(files),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn prove(only: Option<&str>) -> Result<(), Box<dyn Error>> {
    let (mut states, began) = (0, Instant::now());
    for scene in scenes::large().into_iter().filter(|scene| only.is_none_or(|only| scene.name == only)) {
        let searched = Instant::now();
        let rules = Rules::new(scene.limits.clone());
        let report = search(&rules, &scene, |depth, states| eprint!("\r{depth} steps, {states} states  "));
        eprint!("\r");
        println!(
            "{:<12} {} workers, {} jobs: {} {} states, {} steps, the farthest after {}; {} s",
            scene.name,
            scene.workers,
            scene.jobs.len(),
            if report.complete { "all" } else { "the nearest" },
            report.states,
            report.steps,
            report.depth,
            searched.elapsed().as_secs()
        );
        if let Some(found) = report.found {
            return Err(format!("a law is broken:\n{found}").into());
        }
        states += report.states;
    }
    println!("No law is broken in any of {states} states; {} s", began.elapsed().as_secs());
    Ok(())
}

fn replay(files: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut replay = Replay::default();
    let open = |file: &&str| Ok(BufReader::new(File::open(file).map_err(|error| format!("{file}: {error}"))?).lines());
    let mut traces = files.iter().map(open).collect::<Result<Vec<_>, String>>()?;
    // A line of each in turn: those of several processes belong together.
    while !traces.is_empty() {
        let mut read = Ok(());
        traces.retain_mut(|lines| match lines.next() {
            Some(line) if read.is_ok() => {
                read = line
                    .map_err(|error| error.to_string())
                    .and_then(|line| replay.read(&line).map_err(|rejected| rejected.to_string()));
                true
            }
            line => line.is_some(),
        });
        read?;
    }
    let (taken, passed_over) = replay.end().map_err(|rejected| rejected.to_string())?;
    println!("The model takes all of {taken} lines; {passed_over} more follow on an older state.");
    Ok(())
}

//! The rooms: which crate may use which, what an image without the simulated GHL is built from, and the circles within a crate.
//!
//! Cargo holds the arrows between crates once they are written down; that no more are written down, this test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::{files, read, root};

/// The crates by folder, and which of ours each may use. Arrows go down only.
const CRATES: [(&str, &[&str]); 9] = [
    (".", &["ghl", "ghl-sandbox", "job-engine", "outbound", "sync-model", "sync-workers"]),
    ("workers/sync", &["ghl", "job-engine", "outbound", "sync-model"]),
    ("workers/outbound", &[]),
    ("workers/ghl", &["job-engine", "sync-model"]),
    ("workers/ghl/testing", &[]),
    ("workers/model", &[]),
    ("workers/engine", &[]),
    ("workers/engine/model", &[]),
    ("workers/sandbox", &[]),
];

/// The arrows between the modules of a crate that are part of a circle, as `from > to`. Take out what is gone; nothing is added.
const CIRCLES: [(&str, &[&str]); 7] = [
    (
        "src",
        &[
            "app > console",
            "app > gateway",
            "config > flows",
            "console > app",
            "console > gateway",
            "flows > config",
            "gateway > console",
        ],
    ),
    ("workers/engine/src", &["pool > queue", "queue > pool"]),
    (
        "workers/ghl/src",
        &[
            "api > model",
            "lenient > model",
            "model > api",
            "model > lenient",
            "operations > reply",
            "reply > operations",
        ],
    ),
    ("workers/model/src", &["decide > record", "record > decide"]),
    ("workers/outbound/src", &[]),
    (
        "workers/sandbox/src",
        &[
            "appointment > contact",
            "contact > store",
            "found > contact",
            "seed > contact",
            "seed > state",
            "seed > store",
            "state > found",
            "state > seed",
            "state > store",
            "store > appointment",
            "store > contact",
            "store > seed",
        ],
    ),
    ("workers/sync/src", &[]),
];

/// The modules of the records that are in a circle with others of them. Take out what is gone; nothing is added.
const RECORDS: [&str; 31] = [
    "accept",
    "activity",
    "audit",
    "change",
    "conflicts",
    "contacts",
    "context",
    "custom_fields",
    "enrichments",
    "entries",
    "erase",
    "event_ids",
    "feed",
    "flows",
    "detected_change",
    "history",
    "ledger",
    "mappings",
    "merging",
    "missing",
    "notices",
    "triggers",
    "taking_back",
    "page",
    "pull",
    "refusals",
    "rules",
    "runs",
    "reported_times",
    "unanswered",
    "webhooks",
];

fn manifest(folder: &str) -> toml::Table {
    read(&root().join(folder).join("Cargo.toml")).parse().unwrap()
}

#[test]
fn each_crate_uses_those_below_it_and_no_other() {
    let workspace = manifest(".");
    let folders = workspace["workspace"]["members"].as_array().unwrap().iter().map(|folder| folder.as_str().unwrap());
    let folders: BTreeSet<&str> = folders.chain(["."]).collect();
    assert_eq!(folders, CRATES.iter().map(|(folder, _)| *folder).collect(), "each crate of ours is in the table");
    let name = |folder: &&str| manifest(folder)["package"]["name"].as_str().unwrap().to_owned();
    let ours: BTreeSet<String> = folders.iter().map(name).collect();
    for (folder, allowed) in CRATES {
        let manifest = manifest(folder);
        let used = manifest["dependencies"].as_table().unwrap().keys().filter(|name| ours.contains(*name));
        let used: BTreeSet<&str> = used.map(String::as_str).collect();
        assert_eq!(used, allowed.iter().copied().collect(), "the crates of ours that {folder} uses");
    }
}

#[test]
fn the_image_is_built_without_the_simulated_ghl() {
    let sandbox = &manifest(".")["dependencies"]["ghl-sandbox"];
    assert_eq!(sandbox["optional"].as_bool(), Some(true));
    for file in ["deploy/Dockerfile", "Makefile"] {
        let text = read(&root().join(file));
        assert!(text.contains("--no-default-features"), "{file} builds the program without its default features");
    }
}

/// The image has what code takes in when it is compiled.
#[test]
fn the_image_is_built_from_all_that_code_includes() {
    let ignored = read(&root().join(".dockerignore"));
    let kept: Vec<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut seen = 0;
    for folder in ["src", "workers"] {
        for path in files(&root().join(folder), &["rs"]) {
            for rest in read(&path).split("include_str!(").skip(1) {
                let Some(name) = rest.strip_prefix("concat!(").unwrap_or(rest).strip_prefix('"') else { continue };
                let included = path.parent().unwrap().join(name.split('"').next().unwrap());
                let included = normal(&included);
                let included = included.strip_prefix(root()).unwrap();
                seen += 1;
                assert!(
                    kept.iter().any(|kept| included.starts_with(kept)),
                    "{}: .dockerignore leaves it out",
                    included.display()
                );
            }
        }
    }
    assert!(seen > 100, "only {seen} were found");
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, part| {
        match part {
            Component::ParentDir => drop(normal.pop()),
            part => normal.push(part),
        }
        normal
    })
}

/// The code of a file, without comments and without its unit tests.
fn code(path: &Path) -> String {
    let text = read(path);
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The first names of a path after `crate::`: one, or all in braces.
fn first_names(rest: &str) -> Vec<&str> {
    let name =
        |text: &'_ str| text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    let Some(list) = rest.strip_prefix('{') else { return vec![&rest[..name(rest)]] };
    let mut depth = 0;
    let mut names = Vec::new();
    let mut begins = 0;
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(&list[begins..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(&list[begins..at]);
                begins = at + 1;
            }
            _ => {}
        }
    }
    names.into_iter().map(str::trim).map(|one| &one[..name(one)]).filter(|name| !name.is_empty()).collect()
}

/// Which modules in a folder use which, by the top of each; `path` is how others name the folder.
fn arrows(folder: &str, path: &str) -> BTreeMap<String, BTreeSet<String>> {
    let folder = root().join(folder);
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files(&folder, &["rs"]) {
        let place = file.strip_prefix(&folder).unwrap().with_extension("");
        let parts: Vec<_> = place.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if parts == ["lib"] || parts.iter().any(|part| part == "tests") {
            continue;
        }
        let code = code(&file);
        let up = "super::".repeat(parts.len());
        let mut used: BTreeSet<String> = BTreeSet::new();
        for begin in [path, up.as_str()] {
            for rest in code.split(begin).skip(1) {
                used.extend(first_names(rest).into_iter().map(str::to_owned));
            }
        }
        used.remove(&parts[0]);
        arrows.entry(parts[0].clone()).or_default().extend(used);
    }
    let modules: BTreeSet<String> = arrows.keys().cloned().collect();
    arrows.values_mut().for_each(|used| used.retain(|name| modules.contains(name)));
    arrows
}

/// All that can be reached from a module.
fn reached<'a>(arrows: &'a BTreeMap<String, BTreeSet<String>>, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        for next in arrows.get(name).into_iter().flatten() {
            if reached.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    reached
}

/// The arrows that are part of a circle: from where they lead, a way goes back.
fn in_circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let pairs = arrows.iter().flat_map(|(from, used)| used.iter().map(move |to| (from, to)));
    pairs
        .filter(|(from, to)| reached(arrows, to).contains(from.as_str()))
        .map(|(from, to)| format!("{from} > {to}"))
        .collect()
}

#[test]
fn the_circles_of_arrows_are_found() {
    assert_eq!(first_names("one::Two;"), ["one"]);
    assert_eq!(first_names("{one::{A, B}, two, three::C};"), ["one", "two", "three"]);
    let arrows = [("a", vec!["b", "d"]), ("b", vec!["c"]), ("c", vec!["a", "d"]), ("d", vec![])];
    let arrows = arrows.map(|(from, to)| (from.to_owned(), to.into_iter().map(str::to_owned).collect()));
    assert_eq!(in_circles(&arrows.into()), ["a > b", "b > c", "c > a"].map(str::to_owned).into());
}

/// Modules in a circle can't be read, tested or moved one by one.
#[test]
fn no_circle_of_modules_is_added() {
    for (folder, known) in CIRCLES {
        let found = in_circles(&arrows(folder, "crate::"));
        let known: BTreeSet<String> = known.iter().map(|arrow| (*arrow).to_owned()).collect();
        let added: Vec<_> = found.difference(&known).collect();
        assert!(added.is_empty(), "{folder}: these arrows close a circle: {added:#?}");
        let gone: Vec<_> = known.difference(&found).collect();
        assert!(
            gone.is_empty(),
            "{folder}: these are no longer part of a circle; take them out of the list: {gone:#?}"
        );
    }
}

#[test]
fn no_module_of_the_records_joins_a_circle() {
    let arrows = arrows("workers/sync/src/records", "crate::records::");
    let found: BTreeSet<&str> =
        arrows.keys().map(String::as_str).filter(|name| reached(&arrows, name).contains(name)).collect();
    let known = BTreeSet::from(RECORDS);
    let added: Vec<_> = found.difference(&known).collect();
    assert!(added.is_empty(), "these are in a circle now: {added:?}");
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(gone.is_empty(), "these are in no circle any more; take them out of the list: {gone:?}");
}

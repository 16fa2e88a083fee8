//! `deploy/prometheus` and `deploy/alertmanager` say what is so: rules that ring when they must and not otherwise, numbers that there are,
//! sections of the runbook that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

fn text(of: &str) -> String {
    fs::read_to_string(path(of)).unwrap_or_else(|error| panic!("{of}: {error}"))
}

fn yaml(of: &str) -> Value {
    serde_saphyr::from_str(&text(of)).unwrap_or_else(|error| panic!("{of}: {error}"))
}

fn rules() -> Vec<Value> {
    yaml("deploy/prometheus/rules.yml")["groups"][0]["rules"].as_array().unwrap().clone()
}

fn promtool(args: &[&str]) {
    let ran = Command::new("promtool").args(args).current_dir(path("deploy/prometheus")).output();
    let ran = ran.expect("promtool is missing: `tests/install-tools` installs it");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &*String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "promtool {args:?}: {said}");
}

#[test]
fn the_rules_and_the_configuration_are_valid() {
    promtool(&["check", "rules", "rules.yml"]);
    promtool(&["check", "config", "prometheus.yml"]);
}

#[test]
fn each_alert_rings_when_it_must_and_only_then() {
    promtool(&["test", "rules", "rules.test.yml"]);
    let tests = yaml("deploy/prometheus/rules.test.yml");
    let names: BTreeSet<&str> =
        tests["tests"].as_array().unwrap().iter().filter_map(|test| test["name"].as_str()).collect();
    for rule in rules() {
        let alert = rule["alert"].as_str().unwrap();
        for case in ["rings", "is quiet"] {
            assert!(names.contains(format!("{alert} {case}").as_str()), "no test in which {alert} {case}");
        }
    }
}

#[test]
fn each_alert_has_a_severity_that_calls_somebody_and_a_section_of_the_runbook() {
    let runbook = text("deploy/runbook.md");
    let sections: BTreeSet<String> =
        runbook.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_lowercase).collect();
    let alertmanager = text("deploy/alertmanager/alertmanager.yml");
    for rule in rules() {
        let alert = rule["alert"].as_str().unwrap();
        assert!(["page", "ticket"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{alert}");
        let section = rule["annotations"]["runbook"].as_str().unwrap().strip_prefix("deploy/runbook.md#").unwrap();
        assert!(sections.contains(section), "{alert}: the runbook has no section {section}");
    }
    for inhibited in alertmanager.split(['"', '|']).filter(|word| word.starts_with("Clienty")) {
        assert!(rules().iter().any(|rule| rule["alert"] == inhibited), "no alert is called {inhibited}");
    }
}

/// The names that an expression reads.
fn numbers(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let strip = |word: &str| word.trim_end_matches("_bucket").to_owned();
    words.filter(|word| word.starts_with("clienty_")).map(strip).collect()
}

/// The names of metrics that the program's sources register.
fn registered() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![path("src"), path("workers")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                found.extend(source.split('"').filter(|word| word.starts_with("clienty_")).map(str::to_owned));
            }
        }
    }
    found
}

#[test]
fn rules_and_dashboard_read_numbers_that_there_are() {
    let mut read: BTreeSet<String> = rules().iter().flat_map(|rule| numbers(rule["expr"].as_str().unwrap())).collect();
    read.extend(numbers(&text("deploy/grafana/dashboards/clienty-sync.json")));
    assert_eq!(read.difference(&registered()).collect::<Vec<_>>(), [""; 0], "no process reports them");
}

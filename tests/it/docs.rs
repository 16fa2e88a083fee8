//! The pages: the README stays short, links lead somewhere, the table of laws names what is cited, and it and the rules of the sync name tests that
//! there are.
//!
//! What there is of routes, commands, settings and problems has to be on its page. What a page says of it is not read here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clienty_sync::gateway::Gateway;

use crate::support::program::{clienty_sync, run};

mod rooms;
mod samples;
mod words;

/// Folders that hold no page and no code of ours.
const FOREIGN: [&str; 4] = ["target", "node_modules", ".venv", ".git"];
/// Files in which laws are cited.
const CODE: [&str; 6] = ["rs", "lua", "sql", "toml", "yaml", "md"];
/// The programs of tests, as the table names them, and where their files are.
const PROGRAMS: [(&str, &str); 10] = [
    ("clienty_sync", "src"),
    ("it", "tests/it"),
    ("records", "workers/sync/tests/records"),
    ("ghl", "workers/ghl/src"),
    ("ghl_sandbox", "workers/sandbox/src"),
    ("job_engine", "workers/engine/src"),
    ("queue_model", "workers/engine/model/src"),
    ("outbound", "workers/outbound/src"),
    ("sync_model", "workers/model/src"),
    ("sync_workers", "workers/sync/src"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below `folder` with one of these endings.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_dir() && !FOREIGN.contains(&name) {
            found.extend(files(&path, endings));
        } else if path.is_file() && endings.contains(&ending) {
            found.push(path);
        }
    }
    found
}

fn pages() -> Vec<PathBuf> {
    let mut pages = files(&root().join("docs"), &["md"]);
    pages.push(root().join("README.md"));
    pages.push(root().join("deploy/runbook.md"));
    pages
}

/// The lines of a page that are no sample.
fn prose(page: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced && !line.starts_with("    ") {
            lines.push(line);
        }
    }
    lines
}

/// The anchor of a heading: letters, digits, `-` and `_` in lower case, a `-` for each blank.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect::<String>().to_lowercase()
}

fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).into_iter().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// Where the links of a page lead.
fn links(page: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(page) {
        for rest in line.split("](").skip(1) {
            links.extend(rest.split(')').next().map(str::to_owned));
        }
    }
    links
}

/// The laws that a text cites, as in "law 7" or "laws 1 and 2".
fn cited(text: &str) -> BTreeSet<u32> {
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut laws = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        let most = match *word {
            "law" => 1,
            "laws" => 8,
            _ => continue,
        };
        let after = words[at + 1..].iter().take_while(|word| **word == "and" || word.parse::<u32>().is_ok());
        laws.extend(after.filter_map(|word| word.parse::<u32>().ok()).take(most));
    }
    laws
}

/// The rows of the table of laws: the number, and all of the row.
fn laws() -> Vec<(u32, String)> {
    let page = read(&root().join("docs/ARCHITECTURE.md"));
    let rows = page.lines().filter_map(|line| {
        let number = line.strip_prefix("| ")?.split(' ').next()?.parse().ok()?;
        Some((number, line.to_owned()))
    });
    rows.collect()
}

/// The rows of the rules of the sync: the name, as `I1`, and all of the row.
fn rules() -> Vec<(String, String)> {
    let page = read(&root().join("docs/SYNC.md"));
    let rows = page.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("| ")?.split_once(". ")?;
        let number = name.strip_prefix(|letter: char| letter.is_ascii_uppercase())?;
        number.parse::<u32>().ok()?;
        Some((name.to_owned(), line.to_owned()))
    });
    rows.collect()
}

/// The names of tests in a row of one of these tables.
fn named_tests(row: &str) -> Vec<&str> {
    row.split('`').skip(1).step_by(2).filter(|code| code.contains("::")).collect()
}

/// Whether the file of the test's module has a function of that name.
fn exists(test: &str) -> bool {
    let mut parts: Vec<&str> = test.split("::").collect();
    let Some(name) = parts.pop() else { return false };
    let Some((_, folder)) = PROGRAMS.iter().find(|(program, _)| *program == parts[0]) else { return false };
    let has = |modules: &[&str]| {
        let file = root().join(folder).join(format!("{}.rs", modules.join("/")));
        fs::read_to_string(file).is_ok_and(|code| code.contains(&format!("fn {name}(")))
    };
    let modules = &parts[1..];
    // Unit tests are in their module's own file, or in one of theirs.
    has(modules) || modules.strip_suffix(&["tests"]).is_some_and(has)
}

/// Each row names tests that there are, or says that there are none yet.
fn assert_that_named_tests_exist(rows: Vec<(String, String)>) {
    let mut missing = Vec::new();
    for (name, row) in rows {
        let tests = named_tests(&row);
        assert!(!tests.is_empty() || row.contains("Not yet"), "{name} names no test and does not say so");
        missing.extend(tests.into_iter().filter(|test| !exists(test)).map(|test| format!("{name}: {test}")));
    }
    assert!(missing.is_empty(), "there are no such tests:\n{}", missing.join("\n"));
}

#[test]
fn the_readme_is_short() {
    let lines = read(&root().join("README.md")).lines().count();
    assert!(lines <= 120, "README.md has {lines} lines; more belongs on a page in docs/");
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    assert_eq!(anchor(" \"Contact X\" isn't `that`: why?"), "contact-x-isnt-that-why");
    let mut seen = 0;
    let mut broken = Vec::new();
    for path in pages() {
        let page = read(&path);
        for link in links(&page) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (file, part) = link.split_once('#').unwrap_or((link.as_str(), ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let is_right =
                target.exists() && (part.is_empty() || target.is_file() && anchors(&read(&target)).contains(part));
            if !is_right {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
    assert!(seen > 50, "only {seen} links were found");
}

#[test]
fn every_law_that_is_cited_is_in_the_table() {
    assert_eq!(cited("Law 9 of the design; (laws 1 and 2)"), BTreeSet::from([1, 2, 9]));
    assert_eq!(cited("by law 4, and 10 lawful ones"), BTreeSet::from([4]));
    let known: BTreeSet<u32> = laws().into_iter().map(|(number, _)| number).collect();
    assert_eq!(known, (1..=20).collect::<BTreeSet<u32>>(), "the laws of docs/ARCHITECTURE.md");
    let mut seen = 0;
    for folder in ["src", "workers", "tests", "deploy"] {
        for path in files(&root().join(folder), &CODE) {
            // The examples above.
            if path.ends_with("tests/it/docs.rs") {
                continue;
            }
            let laws = cited(&read(&path));
            seen += laws.len();
            let unknown: Vec<_> = laws.difference(&known).collect();
            assert!(unknown.is_empty(), "{}: laws {unknown:?} are not in docs/ARCHITECTURE.md", path.display());
        }
    }
    assert!(seen > 40, "only {seen} citations were found");
}

#[test]
fn every_test_that_the_laws_name_exists() {
    assert!(!exists("it::docs::a_test_that_was_renamed") && !exists("elsewhere::a") && exists("it::docs::exists"));
    assert_that_named_tests_exist(laws().into_iter().map(|(number, row)| (format!("law {number}"), row)).collect());
}

#[test]
fn every_test_that_the_rules_of_the_sync_name_exists() {
    let rules = rules();
    assert!(rules.len() > 50, "only {} rules were found", rules.len());
    assert_that_named_tests_exist(rules);
}

/// A path with its parameters left empty: code and pages name them differently.
fn shape(path: &str) -> String {
    let parts: Vec<_> = path.split('/').map(|part| if part.starts_with('{') { "*" } else { part }).collect();
    parts.join("/")
}

/// What stands in code spans, word by word.
fn code_words(page: &str) -> BTreeSet<&str> {
    page.split('`').skip(1).step_by(2).flat_map(str::split_whitespace).collect()
}

#[test]
fn every_route_is_on_the_page_of_the_api() {
    let page = read(&root().join("docs/HTTP-API.md"));
    let shown: BTreeSet<String> = code_words(&page).into_iter().map(shape).collect();
    let routes = Gateway::every_route();
    assert!(routes.len() > 15, "{routes:?}");
    let missing: Vec<_> = routes.into_iter().filter(|route| !shown.contains(&shape(route.path))).collect();
    assert!(missing.is_empty(), "docs/HTTP-API.md lacks {missing:?}");
}

#[test]
fn every_problem_is_in_the_table_of_errors() {
    let page = read(&root().join("docs/HTTP-API.md"));
    let problems = read(&root().join("docs/PROBLEMS.md"));
    let codes: Vec<_> = problems.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(codes.len() > 15, "{codes:?}");
    let missing: Vec<_> = codes.into_iter().filter(|code| !page.contains(&format!("(PROBLEMS.md#{code})"))).collect();
    assert!(missing.is_empty(), "docs/HTTP-API.md lacks {missing:?}");
}

#[test]
fn every_setting_is_on_its_page() {
    let page = read(&root().join("docs/SETTINGS.md"));
    let shown: BTreeSet<&str> = code_words(&page).into_iter().map(|word| word.trim_end_matches(',')).collect();
    let defaults = read(&root().join("src/config/default.toml"));
    let is_variable = |word: &&str| {
        word.contains('_')
            && word.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
    };
    let variables = defaults.split('[').skip(1).filter_map(|rest| rest.split(']').next()).filter(is_variable);
    let variables: Vec<_> = variables.collect();
    assert!(variables.len() > 40, "{variables:?}");
    let missing: Vec<_> = variables.into_iter().filter(|variable| !shown.contains(variable)).collect();
    assert!(missing.is_empty(), "docs/SETTINGS.md lacks {missing:?}");
}

#[test]
fn every_command_is_on_its_page() {
    let page = read(&root().join("docs/CLI.md"));
    let shown = code_words(&page);
    let help = String::from_utf8(run(clienty_sync(&["--help"], &[])).stdout).unwrap();
    let listed = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
    // A description that takes several lines is indented further.
    let commands = listed.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let commands: Vec<_> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 15, "{commands:?}");
    let missing: Vec<_> = commands.into_iter().filter(|name| *name != "help" && !shown.contains(name)).collect();
    assert!(missing.is_empty(), "docs/CLI.md lacks {missing:?}");
}

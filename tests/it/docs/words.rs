//! The words of what people read: no page, help text, alert, panel, setting, log line or error uses a word that docs/GLOSSARY.md has replaced.
//!
//! Code in Markdown and names with `_` are not read: settings, metrics and columns keep their names.

use std::path::{Path, PathBuf};

use super::{files, pages, prose, read, root};
use crate::support::program::{clienty_sync, run};

/// The replaced words, each with the words to use.
const REPLACED: [(&str, &str); 33] = [
    ("told", "reported, shown, sent"),
    ("tells", "reports, shows, lists"),
    ("untold", "not enqueued"),
    ("heard", "known, received"),
    ("hears", "gets"),
    ("verdict", "outcome"),
    ("verdicts", "outcomes"),
    ("sweep", "reconciliation"),
    ("sweeps", "reconciliations"),
    ("sweeper", "requeuer"),
    ("walk", "scan"),
    ("walks", "scans"),
    ("walker", "reconcile scheduler"),
    ("walking", "scanning"),
    ("lane", "location"),
    ("lanes", "locations"),
    ("nobody", "no user, no process"),
    ("somebody", "an operator, another program"),
    ("occasion", "trigger"),
    ("occasions", "triggers"),
    ("owed", "pending"),
    ("owes", "has pending"),
    ("rests", "waits, is throttled"),
    ("buried", "a dead letter"),
    ("housekeeper", "retention"),
    ("catalogue", "catalog"),
    ("broken off", "circuit open"),
    ("breaks off", "fails"),
    ("broke off", "failed"),
    ("given up", "a dead letter"),
    ("come again", "retry later"),
    ("comes again", "is repeated"),
    ("said again", "repeated"),
];

/// Where a lane is the engine's own term.
const OF_THE_ENGINE: [&str; 4] = ["docs/GLOSSARY.md", "docs/PERFORMANCE.md", "workers/engine/", "tests/bench/"];

/// Files and folders whose texts still have such words.
const NOT_YET: [&str; 3] = ["deploy/flows/welcome.toml", "src/console/", "workers/sync/src/flows/check.rs"];

fn is_not_yet(path: &Path) -> bool {
    let place = place(path);
    NOT_YET.iter().any(|start| place.starts_with(start))
}

/// The words of a text in lower case, with a blank around each.
fn words(text: &str) -> String {
    let letters = text.chars().map(|letter| if letter.is_alphanumeric() || letter == '_' { letter } else { ' ' });
    let plain = letters.collect::<String>().to_lowercase();
    format!(" {} ", plain.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The replaced words of a text, for the report.
fn replaced(place: &str, text: &str) -> Vec<String> {
    let words = words(text);
    let is_engine = OF_THE_ENGINE.iter().any(|own| place.starts_with(own));
    let found = REPLACED.iter().filter(|(old, _)| words.contains(&format!(" {old} ")));
    let found = found.filter(|(old, _)| !(is_engine && old.starts_with("lane")));
    found.map(|(old, new)| format!("{place}: {old:?} (use: {new}) in {:?}", text.trim())).collect()
}

fn place(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "docs/GLOSSARY.md has other words:\n{}", found.join("\n"));
}

#[test]
fn a_replaced_word_is_found_as_a_word() {
    assert_eq!(replaced("a", "The job was given\nup, as told.").len(), 2);
    assert_eq!(replaced("a", "a table, walked by sweep_every_minutes, is given upwards"), Vec::<String>::new());
    assert_eq!((replaced("a", "its lane").len(), replaced("workers/engine/README.md", "its lane").len()), (1, 0));
}

#[test]
fn no_page_has_a_replaced_word() {
    let mut paths = pages();
    for folder in ["deploy/docs", "workers", "tests/bench", "integrations"] {
        paths.extend(files(&root().join(folder), &["md"]));
    }
    let mut found = Vec::new();
    let mut lines = 0;
    for path in paths {
        let page = read(&path);
        for line in prose(&page) {
            lines += 1;
            // What stands between backquotes is code.
            let text: Vec<_> = line.split('`').step_by(2).collect();
            found.extend(replaced(&place(&path), &text.join(" ")));
        }
    }
    assert!(lines > 1000, "only {lines} lines were read");
    assert_none(&found);
}

#[test]
fn no_alert_panel_or_setting_has_a_replaced_word() {
    let mut paths = files(&root().join("deploy"), &["yml", "yaml", "json", "toml", "conf"]);
    paths.extend(["Makefile", "deploy/.env.example", "src/config/default.toml"].map(|file| root().join(file)));
    let mut found = Vec::new();
    let mut lines = 0;
    for path in paths.into_iter().filter(|path| !is_not_yet(path)) {
        let text = read(&path);
        // A table of settings keeps its name.
        for line in text.lines().filter(|line| !line.starts_with('[')) {
            lines += 1;
            found.extend(replaced(&place(&path), line));
        }
    }
    assert!(lines > 500, "only {lines} lines were read");
    assert_none(&found);
}

/// The help of a command and of all below it, each with the arguments that name it.
fn helps(command: &[String]) -> Vec<(String, String)> {
    let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = String::from_utf8(run(clienty_sync(&arguments, &[])).stdout).unwrap();
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default().lines().take_while(|line| !line.is_empty());
    // A description that takes several lines is indented further.
    let names = listed.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let names: Vec<_> =
        names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    let below = names.into_iter().flat_map(|name| helps(&[command, &[name.to_owned()]].concat()));
    let below: Vec<_> = below.collect();
    [vec![(command.join(" "), help)], below].concat()
}

/// A help without the aliases of commands, which keep their names.
fn without_aliases(help: &str) -> String {
    let mut parts = help.split("[alias");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(']').map_or("", |(_, after)| after))
}

#[test]
fn no_help_text_has_a_replaced_word() {
    assert_eq!(without_aliases("find it [aliases: sweep], now"), "find it , now");
    let helps = helps(&[]);
    assert!(helps.len() > 40, "{:?}", helps.iter().map(|(command, _)| command).collect::<Vec<_>>());
    let mut found = Vec::new();
    for (command, help) in helps {
        found.extend(without_aliases(&help).lines().flat_map(|line| replaced(&command, line)));
    }
    assert_none(&found);
}

/// The texts between quotes in Rust code.
fn literals(code: &str) -> Vec<&str> {
    let mut literals = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, from) = rest.split_at(at);
        rest = match from.as_bytes() {
            [b'/', b'/', ..] => from.split_once('\n').map_or("", |(_, after)| after),
            [b'"', ..] => {
                let marks = before.trim_end_matches('#');
                let end = if marks.ends_with('r') {
                    let quote = format!("\"{}", "#".repeat(before.len() - marks.len()));
                    from[1..].find(&quote).map(|end| (end + 1, end + 1 + quote.len()))
                } else {
                    closing(from).map(|end| (end, end + 1))
                };
                let Some((end, after)) = end else { break };
                literals.push(&from[1..end]);
                &from[after..]
            }
            // A character, or a lifetime.
            [b'\'', b'\\', _, ..] => from[3..].split_once('\'').map_or("", |(_, after)| after),
            [b'\'', ..] => {
                let mut letters = from[1..].chars();
                match (letters.next(), letters.next()) {
                    (Some(_), Some('\'')) => letters.as_str(),
                    _ => &from[1..],
                }
            }
            _ => &from[1..],
        };
    }
    literals
}

/// Where the quote that closes the one at the beginning is.
fn closing(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().enumerate().skip(1).find_map(|(at, byte)| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes.then_some(at)
    })
}

/// A literal as it is read: without escapes, and without the names of what is put in.
fn text(literal: &str) -> String {
    let text = literal.replace("\\n", " ").replace("{{", " ").replace("}}", " ");
    let mut parts = text.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + " " + part.split_once('}').map_or("", |(_, after)| after))
}

fn is_sql(text: &str) -> bool {
    let first = words(text).split_whitespace().next().unwrap_or_default().to_owned();
    let verbs = [
        "select", "insert", "update", "delete", "with", "create", "alter", "and", "or", "where", "from", "on", "order",
        "set",
    ];
    verbs.contains(&first.as_str())
}

/// The files of the programs, without those of their tests.
fn code() -> Vec<PathBuf> {
    let all = ["src", "workers/sync/src", "workers/sandbox/src", "workers/engine/src"]
        .map(|folder| files(&root().join(folder), &["rs"]));
    let tests = ["tests", "tests.rs", "conformance", "conformance.rs"];
    let is_test = |path: &Path| place(path).split('/').any(|part| tests.contains(&part));
    all.concat().into_iter().filter(|path| !is_test(path)).collect()
}

#[test]
fn the_literals_of_code_are_found() {
    let code = r##"let a = "one \"two\" 'x'"; // no "comment"
        let b = ('"', '\'', '\\', 'é', "three"); fn f<'a>(x: &'a str) {} r#"four "x""#; r"five\"; x / "six""##;
    assert_eq!(literals(code), ["one \\\"two\\\" 'x'", "three", "four \"x\"", "five\\", "six"]);
    assert_eq!(text("job {id} of {{x}}\\nis {}"), "job   of  x  is  ");
}

#[test]
fn no_log_line_or_error_has_a_replaced_word() {
    let mut found = Vec::new();
    let mut count = 0;
    for path in code() {
        if is_not_yet(&path) {
            continue;
        }
        let place = place(&path);
        let file = read(&path);
        // Unit tests stand at the end of a file.
        let code = file.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for literal in literals(code) {
            let text = text(literal);
            if text.split_whitespace().count() > 1 && !is_sql(&text) {
                count += 1;
                found.extend(replaced(&place, &text));
            }
        }
    }
    assert!(count > 1000, "only {count} texts were found");
    assert_none(&found);
}

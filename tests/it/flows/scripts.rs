//! Scripts as steps: what they compute, what they may take, and what becomes of a run whose script fails.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use sync_workers::records::JobState;
use sync_workers::scripts::{Limits, Ran, Scripts, Source};

use super::Flowing;
use crate::support::folder::Folder;
use crate::support::installation::{Installation, document};
use crate::support::program::{clienty_sync, run, this_program};

const SCORE: &str = r#"
fn run(input) {
    let score = 0;
    for tag in input.contact.tags {
        score += if tag == "vip" { 50 } else { 10 };
    }
    print(`${input.contact.tags.len} tags`);
    #{ score: score, is_hot: score >= 50 }
}
"#;

const SCORED: &str = r#"
[[step]]
name = "score"
script = "score.rhai"
input.contact = "{contact}"

[[step]]
event = "contact.tagged"
data.tags = ["hot"]
only_if.score.is_hot.is = true

[[step]]
event = "note.created"
data.noteText = "The score is {score.score}"
"#;

#[tokio::test]
async fn a_script_answers_and_later_steps_speak_of_its_answer() {
    let flowing = Flowing::calm(&[("scored", SCORED), ("score.rhai", SCORE)]).await;
    let contact = flowing.app.contact_by_hand(None, json!({"firstName": "Ada", "tags": ["vip", "lead"]})).await;
    flowing.settle().await;
    let id = flowing.begin("scored", Some(&contact)).await;
    let run = flowing.ended(&id).await;
    flowing.settle().await;
    assert_eq!(run.outcome.as_deref(), Some("done"), "{run:?}");
    assert_eq!(flowing.held("notes", &contact, "body"), ["The score is 60"]);
    assert!(flowing.tags(&contact).contains(&"hot".to_owned()));
    // A run keeps its script.
    let kept = &run.definition["scripts"]["score.rhai"];
    assert_eq!(kept["text"], SCORE);
    assert_eq!(kept["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(run.knows, Default::default(), "what it printed is forgotten");
    flowing.finish().await;
}

const FAILS: &str = r#"
[[step]]
event = "note.created"
data.noteText = "before"

[[step]]
name = "score"
script = "fails.rhai"
input.name = "{contact.firstName}"

[[step]]
event = "note.created"
data.noteText = "after"
"#;

const FAILING: &str = "fn run(input) {\n    print(\"looking at \" + input.name);\n    input.name.no_such()\n}\n";

#[tokio::test]
async fn a_failing_script_ends_its_run_dead_at_that_step_and_is_not_tried_again() {
    let flowing = Flowing::calm(&[("fails", FAILS), ("fails.rhai", FAILING)]).await;
    let contact = flowing.app.contact_by_hand(None, json!({"firstName": "Ada"})).await;
    flowing.settle().await;
    let id = flowing.begin("fails", Some(&contact)).await;
    let dead = async || flowing.app.app.records.dead_flow_runs().await.unwrap();
    flowing.app.wait_until("the run is dead", async || !dead().await.is_empty()).await;
    let reason = dead().await.remove(0).reason.unwrap();
    assert!(
        reason.contains("flow fails, score: fails.rhai, line 3, column 16: there is no function no_such"),
        "{reason}"
    );
    assert!(!reason.contains("Ada"), "{reason}");
    let jobs = flowing.app.jobs_in(JobState::Dead).await;
    assert_eq!((jobs.len(), jobs[0].attempts), (1, 1), "{jobs:?}");
    let run = flowing.run(&id).await;
    assert_eq!(run.knows.printed.get("score").map(String::as_str), Some("looking at Ada\n"));
    assert_eq!(flowing.held("notes", &contact, "body"), ["before"]);
    flowing.finish_with_dead(1).await;
}

#[tokio::test]
async fn check_says_where_a_script_is_wrong_and_try_shows_what_it_makes_of_a_contact() {
    let folder = Folder::new("scripts");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("scored.toml", SCORED);
    let settings = [("CLIENTY_FLOWS_DIR", folder.path().to_str().unwrap())];
    let checked = || document(&run(clienty_sync(&["flows", "check", "--json"], &settings)));
    let problem = |shown: &Value| shown["errors"][0]["problem"].as_str().unwrap_or_default().to_owned();
    assert!(problem(&checked()).contains("no file score.rhai beside the flow"), "{}", checked());
    write("score.rhai", "fn run(input) {\n    let x = ;\n}\n");
    let shown = checked();
    assert!(problem(&shown).starts_with("score.rhai, line 2, column 13: "), "{shown}");
    assert!(shown["errors"][0]["place"].as_str().unwrap().ends_with("scored.toml:4:1"), "{shown}");
    write("score.rhai", SCORE);
    assert_eq!(checked()["flows"], json!(["scored"]));

    write("ada.json", &json!({"firstName": "Ada", "tags": ["vip"]}).to_string());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let tried =
        run(clienty_sync(&["flows", "try", &file("scored.toml"), "--contact", &file("ada.json"), "--json"], &settings));
    let tried = document(&tried);
    assert_eq!(
        (&tried["outcome"], &tried["steps"][0]["answer"]),
        (&json!("done"), &json!({"score": 50, "is_hot": true}))
    );
    assert_eq!(
        (&tried["steps"][0]["printed"], &tried["steps"][2]["data"]["noteText"]),
        (&json!("1 tags\n"), &json!("The score is 50"))
    );

    write(
        "scored.test.toml",
        "[[test]]\ngiven.contact.tags = [\"vip\"]\nexpect.outcome = \"done\"\nexpect.step.score.answer.score = 50\n\n\
         [[test]]\ngiven.contact.firstName = \"Ada\"\nexpect.outcome = \"failed\"\nexpect.step.score.error = \"score.rhai, line 4\"\n",
    );
    let tested = document(&run(clienty_sync(&["flows", "test", "--json"], &settings)));
    assert_eq!((&tested["passed"], &tested["failed"]), (&json!(2), &json!(0)), "{tested:#}");
}

#[tokio::test]
async fn push_takes_the_script_with_the_flow() {
    let folder = Folder::new("pushed");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("scored.toml", SCORED);
    let odd = format!("// '''\" and \\ \u{7}\n{SCORE}");
    write("score.rhai", &odd);
    let mut installation = Installation::new(&[]).await;
    installation.json(&["migrate"]);
    let file = folder.path().join("scored.toml").display().to_string();
    installation.json(&["flows", "push", &file]);
    let pulled = installation.json(&["flows", "pull", "scored"]);
    let toml: Value = toml::from_str(pulled["toml"].as_str().unwrap()).unwrap();
    assert_eq!(toml["scripts"]["score.rhai"]["text"], odd);
    // Pushed again, it is the same.
    write("again.toml", pulled["toml"].as_str().unwrap());
    let again = folder.path().join("again.toml").display().to_string();
    installation.json(&["flows", "push", &again]);
    assert_eq!(installation.json(&["flows", "pull", "again"])["toml"], pulled["toml"]);
    installation.set("CLIENTY_FLOWS_DIR", folder.path().to_str().unwrap());
}

/// Each is ended by one of these limits.
const HOSTILE: &[(&str, &[&str], &str)] = &[
    ("an endless loop", &["operations", "time"], "fn run(input) { loop { } }"),
    ("an endless range", &["operations", "time"], "fn run(input) { for i in 0..9000000000000000000 { } #{} }"),
    ("an endless recursion", &["depth"], "fn f(n) { f(n + 1) }\nfn run(input) { f(0) }"),
    ("a recursion in deep expressions", &["depth"], "fn f(n) { [[[[[[[[f(n + 1)]]]]]]]] }\nfn run(input) { f(0) }"),
    ("a doubling text", &["size"], "fn run(input) { let s = \"a\"; loop { s += s; } }"),
    ("a padded text", &["size"], "fn run(input) { let s = \"a\"; s.pad(1000000000, \"b\"); #{} }"),
    ("nested lists", &["size"], "fn run(input) { let a = []; loop { a = [a, a]; } }"),
    ("a list in itself", &["size", "operations"], "fn run(input) { let a = [1]; loop { a.push(a); } }"),
    ("a padded list", &["size"], "fn run(input) { let a = []; a.pad(1000000000, 1); #{} }"),
    (
        "a huge map",
        &["size", "time"],
        "fn run(input) { let m = #{}; let i = 0; loop { m[i.to_string()] = i; i += 1; } }",
    ),
    (
        "long names in many maps",
        &["memory", "operations", "time", "variables", "size"],
        "fn f(n) { let s = \"\"; s.pad(65000, \"x\"); let m = #{}; for i in 0..400 { m[s + i] = i; } \
         let a = m; let b = m; let c = m; let d = m; f(n + 1) + m.len + a.len + b.len + c.len + d.len }\n\
         fn run(input) { f(0) }",
    ),
    (
        "many long texts in many calls",
        &["memory", "depth", "operations", "time", "variables"],
        "fn f(n) { let s = \"\"; s.pad(65000, \"x\"); let a = s + n; let b = a + 1; let c = a + 2; let d = a + 3; let e = a + 4; \
         let g = a + 5; let h = a + 6; let i = a + 7; let j = a + 8; let k = a + 9; \
         let l = [a, 1]; f(n + 1) + b.len + c.len + d.len + e.len + g.len + h.len + i.len + j.len + k.len }\n\
         fn run(input) { f(0) }",
    ),
    (
        "many lists in many calls",
        &["memory", "depth", "operations", "time"],
        "fn f(n) { let a = []; a.pad(4900, n); let b = a; let c = a; let d = a; let e = a; let g = a; let h = a; f(n + 1) + b.len + c.len + d.len + e.len + g.len + h.len }\n\
         fn run(input) { f(0) }",
    ),
    (
        "sorting again and again",
        &["operations", "time"],
        "fn run(input) { let a = []; for i in 0..4000 { a.push(4000 - i); } loop { let b = a; b.sort(|x, y| x - y); } }",
    ),
    (
        "searching again and again",
        &["operations", "time"],
        "fn run(input) { let s = \"\"; s.pad(60000, \"a\"); loop { s.contains(\"ab\"); } }",
    ),
    ("an answer that is too large", &["answer"], "fn run(input) { let s = \"\"; s.pad(60000, \"\\\"\"); #{ s: s } }"),
    ("too many variables", &["variables"], VARIABLES),
    ("eval", &[], "fn run(input) { eval(\"#{}\") }"),
    ("import", &[], "import \"os\" as os;\nfn run(input) { #{} }"),
    ("sleep", &[], "fn run(input) { sleep(3600) }"),
    ("a deep expression", &[], DEEP),
    ("exit", &[], "fn run(input) { exit() }"),
];

const VARIABLES: &str = "fn run(input) { let a = 1; LETS #{} }";
const DEEP: &str = "fn run(input) { OPENCLOSE }";

fn text_of(text: &str) -> String {
    let lets: String = (0..200).map(|n| format!("let v{n} = {n}; ")).collect();
    text.replace("LETS", &lets).replace("OPEN", &"(".repeat(5_000)).replace("CLOSE", &format!("1{}", ")".repeat(5_000)))
}

/// Each in a process of its own, as workers run them, of which the system reports the peak.
#[tokio::test]
async fn hostile_scripts_end_by_the_limit_that_they_run_into() {
    let scripts = Scripts::new(this_program(), Limits::default());
    let mut worst = (Duration::ZERO, 0);
    for (what, limits, text) in HOSTILE {
        let source = Source { name: "hostile.rhai".to_owned(), text: text_of(text) };
        let begun = Instant::now();
        let Ran { answer, peak_kib, .. } = scripts.run(&source, Map::new()).await.unwrap();
        let took = begun.elapsed();
        let failure = answer.expect_err(what);
        let limit = failure.limit.as_deref();
        println!("{what}: {} ms, {} KiB, {}", took.as_millis(), peak_kib.unwrap_or(0), failure.of(&source.name));
        match limits {
            [] => assert_eq!(limit, None, "{what}: {failure:?}"),
            limits => assert!(limit.is_some_and(|limit| limits.contains(&limit)), "{what}: {failure:?}"),
        }
        worst = (worst.0.max(took), worst.1.max(peak_kib.unwrap_or(0)));
        assert!(peak_kib.unwrap_or(0) <= 64 * 1024 + PROGRAM_KIB, "{what}: {peak_kib:?}");
    }
    println!("{} hostile scripts: at most {} ms and {} KiB", HOSTILE.len(), worst.0.as_millis(), worst.1);
}

/// What the pages of the program itself take that a script's process shares with all others.
const PROGRAM_KIB: u64 = 64 * 1024;

#[tokio::test]
async fn a_killed_process_of_a_script_is_no_fault_of_the_script() {
    let source = Source { name: "a.rhai".to_owned(), text: "fn run(input) { #{} }".to_owned() };
    let none = Scripts::new("/nonexistent/clienty-sync", Limits::default());
    assert!(none.run(&source, Map::new()).await.is_err());
    let silent = Scripts::new("/bin/true", Limits::default());
    assert!(silent.run(&source, Map::new()).await.is_err());
}

/// The samples of the page below a heading, each as it stands there.
fn samples(heading: &str) -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/FLOWS.md")).unwrap();
    let section = page.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut samples: Vec<String> = Vec::new();
    let mut is_within = false;
    for line in section.lines() {
        match line.strip_prefix("    ") {
            Some(line) if is_within => samples.last_mut().unwrap().push_str(&format!("{line}\n")),
            Some(line) => samples.push(format!("{line}\n")),
            None if line.is_empty() && is_within => {
                samples.last_mut().unwrap().push('\n');
                continue;
            }
            None => {}
        }
        is_within = line.starts_with("    ");
    }
    samples
}

#[test]
fn the_samples_of_the_page_are_flows_without_a_mistake() {
    let folder = Folder::new("samples");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let scripts = samples("Scripts");
    write("scored.toml", &format!("on = \"contact.created\"\n{}", scripts[0]));
    write("score.rhai", &scripts[1]);
    let step = "[[step]]\nname = \"score\"\nscript = \"score.rhai\"\ninput.contact = \"{contact}\"\n";
    write("whole.toml", &format!("{step}{}", scripts[2]));
    write("asks.toml", &samples("HTTP steps")[0]);
    write("either.toml", &samples("If not, else")[0]);
    let settings = [("CLIENTY_FLOWS_DIR", folder.path().to_str().unwrap())];
    let checked = document(&run(clienty_sync(&["flows", "check", "--json"], &settings)));
    assert_eq!(checked["flows"], json!(["asks", "either", "scored", "whole"]), "{checked:#}");
    write("ada.json", &json!({"firstName": "Ada", "tags": ["vip", "lead"]}).to_string());
    let file = |name: &str| folder.path().join(name).display().to_string();
    for (flow, wanted) in [("scored.toml", json!({"points": 60})), ("whole.toml", json!({"points": 2}))] {
        let tried = ["flows", "try", &file(flow), "--contact", &file("ada.json"), "--json"];
        assert_eq!(document(&run(clienty_sync(&tried, &settings)))["steps"][0]["answer"], wanted, "{flow}");
    }
}

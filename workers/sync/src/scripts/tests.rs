use serde_json::{Map, Value, json};

use super::*;

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn ran(text: &str, input: Value) -> Ran {
    run(text, &map(input), &Limits::default())
}

fn failed(text: &str) -> Failure {
    ran(text, json!({"tags": ["a"]})).answer.unwrap_err()
}

#[test]
fn a_script_turns_a_map_into_another_one() {
    let text = r#"
        fn points(tag) { if tag == "vip" { 50 } else { 10 } }
        fn run(input) {
            let score = 0;
            for tag in input.contact.tags { score += points(tag); }
            let long = input.contact.tags.filter(|tag| tag.len > 3);
            print(`score ${score}`);
            #{ score: score, half: score / 2.0, name: input.contact.firstName.to_upper(), none: (), long: long }
        }"#;
    let ran = ran(text, json!({"contact": {"firstName": "Ada", "tags": ["vip", "lead"], "x": null, "n": 1.5}}));
    let wanted = json!({"score": 60, "half": 30.0, "name": "ADA", "none": null, "long": ["lead"]});
    assert_eq!(ran.answer, Ok(map(wanted)));
    assert_eq!(ran.printed, "score 60\n");
}

#[test]
fn what_is_wrong_with_a_script_has_its_line_and_column() {
    let wrong = check("fn run(input) {\n  let x = ;\n}").unwrap_err();
    assert_eq!(wrong.at, Some((2, 11)), "{wrong:?}");
    assert_eq!(
        check("fn other(a) { a }").unwrap_err().message,
        "has no function run(input); it begins with: fn run(input) {"
    );
    let unknown = failed("fn run(input) {\n  missing\n}");
    assert_eq!(unknown.of("a.rhai"), "a.rhai, line 2, column 3: there is no variable missing");
    let within = failed("fn inner(x) {\n  x.no_such()\n}\nfn run(input) { inner(1) }");
    assert_eq!(within.at, Some((2, 5)), "{within:?}");
    assert!(failed("fn run(input) { 7 }").message.contains("must return a map, as #{ score: 7 }, not a number"));
    assert!(check(&" ".repeat(LONGEST + 1)).is_err());
}

#[test]
fn no_failure_holds_a_value() {
    for text in [
        "fn run(input) { throw input.secret }",
        "fn run(input) { input.list[99] }",
        "fn run(input) { let x = input.number; x / 0 }",
        "fn run(input) { input.secret.no_such() }",
        "fn run(input) { input.secret - 1 }",
        "fn run(input) { input[input.secret].x.y }",
        "fn run(input) { input.secret }",
    ] {
        let ran = run(text, &map(json!({"secret": "s3cr3t", "number": 4711, "list": ["s3cr3t"]})), &Limits::default());
        let failure = ran.answer.unwrap_err();
        assert!(!failure.message.contains("s3cr3t") && !failure.message.contains("4711"), "{text}: {failure:?}");
    }
    assert_eq!(ran("fn run(input) { throw \"no email\" }", json!({})).printed, "no email\n");
}

#[test]
fn a_script_has_no_way_out_no_clock_and_no_dice() {
    for text in [
        "fn run(input) { eval(\"1\") }",
        "import \"a\" as a;\nfn run(input) { #{} }",
        "fn run(input) { sleep(1) }",
        "fn run(input) { timestamp() }",
        "fn run(input) { rand() }",
        "fn run(input) { exit(#{}) }",
        "fn run(input) { open_file(\"/etc/passwd\") }",
        "fn run(input) { parse_json(\"{}\") }",
        "fn run(input) { let a = 1; let f = || a; #{ f: f.call() } }",
    ] {
        let compiled = check(text);
        let ends = compiled.is_err() || run(text, &Map::new(), &Limits::default()).answer.is_err();
        assert!(ends, "{text}: {:?}", run(text, &Map::new(), &Limits::default()));
    }
}

#[test]
fn what_is_printed_is_cut() {
    let ran = ran("fn run(input) { for i in 0..2000 { print(\"ähm ähm ähm\"); } #{} }", json!({}));
    assert!(
        ran.answer.is_ok() && ran.printed.len() <= PRINTED && ran.printed.len() > PRINTED - 20,
        "{}",
        ran.printed.len()
    );
}

#[test]
fn names_are_those_of_files_beside_the_flow() {
    for (name, is) in [
        ("score.rhai", true),
        ("a-1_b.rhai", true),
        (".rhai", false),
        ("../a.rhai", false),
        ("a.toml", false),
        ("A.rhai", false),
    ] {
        assert_eq!(is_name(name), is, "{name}");
    }
}

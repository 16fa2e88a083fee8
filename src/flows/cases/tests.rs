//! What a file of tests may say, and what it reports.

use super::*;
use crate::flows::parse;
use sync_workers::scripts::Limits;

const FLOW: &str = "on = \"contact.tagged=vip\"\nonly_if.contact.email.is_set = true\n\n[set]\nowner = \"U1\"\n\n[[step]]\nevent = \"task.created\"\ndata.title = \"Call {contact.phone | digits | truncate 4}\"\ndata.assignedTo = \"{set.owner}\"\ndata.dueDate = \"{in 1d}\"\n\n[[step]]\nname = \"company\"\ncall = \"create-business\"\nbody.name = \"{contact.companyName}\"\nonly_if.contact.companyName.is_set = true\n\n[[step]]\nwait = \"2d\"\n\n[[step]]\ncall = \"add-remove-contact-from-business\"\nbody.ids = [\"{contact.id}\"]\nbody.businessId = \"{company.id}\"\n";

fn flow() -> Flow {
    parse("vip", FLOW).unwrap()
}

fn given(document: Value) -> Given {
    let mut mistakes = Vec::new();
    let given = Given::read(document.as_object().unwrap(), "given", &mut mistakes);
    assert_eq!(mistakes, []);
    given
}

fn states(trial: &Trial) -> Vec<&str> {
    trial.steps.iter().map(|step| step["state"].as_str().unwrap()).collect()
}

#[test]
fn a_run_is_tried_step_by_step() {
    let ada = json!({"email": "ada@x.de", "phone": "+49 151", "companyName": "Ada GmbH"});
    let now = "2026-03-01T09:00:00Z";
    let trial = trial::run(&flow(), &given(json!({"now": now, "contact": ada})), &Limits::default()).unwrap();
    assert_eq!((trial.outcome, states(&trial)), ("open", vec!["done", "done", "done", "open"]), "{trial:#?}");
    let first = &trial.steps[0];
    assert_eq!(
        (&first["data"]["title"], &first["data"]["dueDate"]),
        (&json!("Call 4915"), &json!("2026-03-02T09:00:00Z"))
    );
    let pipes = json!([{"pipe": "digits", "gives": "49151"}, {"pipe": "truncate", "gives": "4915"}]);
    let place = first["places"].as_array().unwrap().iter().find(|place| place["field"] == "data.title").unwrap();
    assert_eq!((&place["found"], &place["pipes"]), (&json!("+49 151"), &pipes));

    let answered = json!({"contact": {"contact": ada}, "answers": {"company": {"id": "B"}}});
    let trial = trial::run(&flow(), &given(answered), &Limits::default()).unwrap();
    assert_eq!((trial.outcome, &trial.steps[3]["body"]), ("done", &json!({"ids": ["contact"], "businessId": "B"})));

    // Who needs what was passed over is passed over.
    let trial = trial::run(&flow(), &given(json!({"contact": {"email": "a@x.de"}})), &Limits::default()).unwrap();
    assert_eq!((trial.outcome, states(&trial)), ("done", vec!["done", "skipped", "done", "skipped"]));
    let trial = trial::run(&flow(), &given(json!({"contact": {}})), &Limits::default()).unwrap();
    assert_eq!((trial.outcome, states(&trial)), ("skipped", vec!["notReached"; 4]));
    // A pipe that can do nothing with its value ends the run there.
    let wrong = json!({"contact": {"email": "a@x.de", "phone": ["1"]}});
    let trial = trial::run(&flow(), &given(wrong), &Limits::default()).unwrap();
    assert_eq!((trial.outcome, states(&trial)[1]), ("failed", "notReached"));
    assert!(trial.steps[0]["error"].as_str().unwrap().contains("the pipe digits expects"), "{trial:#?}");
}

#[test]
fn what_is_given_wrong_is_named() {
    let document = json!({"contact": {"emial": "x"}, "set": {"ownr": "x"}, "answers": {"compny": {}}});
    let named = |part: &str| {
        let document = json!({"contact": {}, part: document[part]});
        trial::run(&flow(), &given(document), &Limits::default()).unwrap_err()[0].field.clone()
    };
    assert_eq!(["contact", "set", "answers"].map(named), ["contact.emial", "set.ownr", "answers.compny"]);
    assert_eq!(trial::run(&flow(), &Given::default(), &Limits::default()).unwrap_err()[0].field, "contact");
}

#[test]
fn each_difference_has_its_line() {
    let text = "[[test]]\nname = \"right\"\ngiven.contact.email = \"a@x.de\"\nexpect.steps = [\"1\", \"3\"]\nexpect.step.company.error = \"do not hold\"\n\n[[test]]\ngiven.contact.email = \"a@x.de\"\n[test.expect]\noutcome = \"failed\"\n[test.expect.step.1]\nevent = \"task.created\"\ndata.title = \"Call Ada\"\ndata.body = \"x\"\n";
    let cases = Cases::read(Path::new("flows/vip.test.toml"), text).unwrap();
    assert_eq!(cases.flow, Path::new("flows/vip.toml"));
    let names: Vec<_> = cases.cases.iter().map(|case| (case.name.as_str(), case.line)).collect();
    assert_eq!(names, [("right", 1), ("test 2", 7)]);
    assert_eq!(cases.cases[0].run(&flow(), text, &Limits::default()), Ok(Vec::new()));
    let differences = cases.cases[1].run(&flow(), text, &Limits::default()).unwrap();
    let differences: Vec<_> =
        differences.iter().map(|difference| (difference.line, difference.field.as_str(), &difference.got)).collect();
    let expected = [
        (10, "outcome", &Some(json!("done"))),
        (14, "step.1.data.body", &None),
        (13, "step.1.data.title", &Some(json!("Call "))),
    ];
    assert_eq!(differences, expected);
}

#[test]
fn a_mistake_in_a_file_of_tests_has_its_place() {
    let read = |text: &str| {
        let mistakes = Cases::read(Path::new("vip.test.toml"), text).unwrap_err();
        mistakes.into_iter().map(|mistake| (mistake.line, mistake.column, mistake.field)).collect::<Vec<_>>()
    };
    assert_eq!(read(""), [(1, 1, "test".to_owned())]);
    assert_eq!(read("[[test]]\nname = \"x\"\n"), [(1, 1, "test[0].expect".to_owned())]);
    let text = "[[test]]\ngiven.contct = 1\nexpect.outcome = \"fine\"\nexpect.stps = 1\n";
    let fields = ["test[0].given.contct", "test[0].expect.outcome", "test[0].expect.stps"];
    assert_eq!(read(text).into_iter().map(|(_, _, field)| field).collect::<Vec<_>>(), fields);
    let text = "[[test]]\nexpect.step.compny.state = \"done\"\ngiven.contact.email = \"x\"\n";
    let cases = Cases::read(Path::new("vip.test.toml"), text).unwrap();
    let mistakes = cases.cases[0].run(&flow(), text, &Limits::default()).unwrap_err();
    assert_eq!((mistakes[0].line, mistakes[0].column), (2, 13), "{mistakes:?}");
}

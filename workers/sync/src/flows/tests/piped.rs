//! Pipes in the values of flows: what is filled in, and what is reported before a run.

use super::*;

#[test]
fn what_comes_out_of_pipes_is_filled_in_and_keeps_its_type_where_it_is_alone() {
    let contact = json!({"id": "C", "phone": "(0151) 2345678", "email": " Ada@X.de", "tags": ["b", "a", "b"], "city": null,
        "dateAdded": "2026-03-01T23:30:00Z", "dnd": true, "companyName": "Ada & Co"});
    let (answers, set) = (
        json!({"deal": {"value": 1234.5}}).as_object().unwrap().clone(),
        json!({"word": "LEAD"}).as_object().unwrap().clone(),
    );
    let known = known(&contact, &answers, &set);
    for (text, expected) in [
        ("{contact.tags | unique}", json!(["b", "a"])),
        ("{contact.tags|count}", json!(3)),
        ("{ contact.tags | first | upper }", json!("B")),
        ("{contact.city | default 'none'}", json!("none")),
        ("{contact.city | count}", json!(0)),
        ("{contact.fax | upper | default 0}", json!(0)),
        ("{contact.phone | e164 \"DE\"}", json!("+491512345678")),
        ("{deal.value | money 'EUR' decimal=','}", json!("1234,50 EUR")),
        ("{deal.nothing | default 'x'}", json!("x")),
        ("{set.word | map lead='Lead'}", json!("Lead")),
        ("{now | date 'DD.MM.YYYY'}", json!("01.03.2026")),
        ("{in 2d | time 'HH:mm' 'Europe/Berlin'}", json!("10:00")),
        ("{contact.city | default '}'}", json!("}")),
        ("{contact.city | default \"{a|'\\\"}\"}", json!("{a|'\"}")),
        ("a {contact.tags | unique}, {contact.city | upper}!", json!("a b, a, !")),
        (
            "{contact.email | trim | lower}: {{{contact.dateAdded | date zone='Europe/Berlin'}}}",
            json!("ada@x.de: {2026-03-02}"),
        ),
        ("{contact.tags | count}{contact.dnd | text}", json!("3true")),
        // Who has no name is called otherwise within a text, unless the author says how.
        ("Dear {contact.name}", json!("Dear Ada & Co")),
        ("Dear {contact.name | upper}", json!("Dear ADA & CO")),
        ("Dear {contact.name | default 'friend'}", json!("Dear friend")),
        ("{{contact.tags | first}}", json!("{contact.tags | first}")),
    ] {
        assert_eq!(fill(&json!(text), &known), Ok(Some(expected)), "{text}");
    }
    assert_eq!(
        fill(&json!({"a": "{contact.city | upper}", "b": ["{contact.tags | split}"]}), &known),
        Err(MissingValue::Unfit {
            place: "contact.tags | split".to_owned(),
            mistake: sync_model::pipes::Pipes::parse("split", 1).unwrap().apply(Some(json!(["b"]))).unwrap_err(),
        })
    );
    assert_eq!(fill(&json!({"a": "{contact.city | upper}", "b": 1}), &known), Ok(Some(json!({"b": 1}))), "left out");
}

#[test]
fn what_a_pipe_can_do_nothing_with_is_reported_without_the_value() {
    let contact = json!({"phone": "s3cret", "tags": []});
    let (answers, set) = (json!({"deal": null}).as_object().unwrap().clone(), Map::new());
    let known = known(&contact, &answers, &set);
    for text in ["{contact.phone | date}", "Call {contact.phone | date}", "{contact.phone | date | default 'x'}"] {
        let missing = fill(&json!(text), &known).unwrap_err().to_string();
        assert!(
            missing.starts_with("{contact.phone | date") && missing.contains("the pipe date expects a time"),
            "{missing}"
        );
        assert!(!missing.contains("s3cret"), "{missing}");
    }
    // What was passed over is passed over, whatever its pipes say of nothing.
    assert_eq!(
        fill(&json!("{deal.id | default 1}"), &known),
        Err(MissingValue::PassedOver { step: "deal".to_owned() })
    );
    let answers = json!({"deal": {}}).as_object().unwrap().clone();
    let known = Known { answers: &answers, ..known };
    assert!(matches!(fill(&json!("{deal.id | upper}"), &known), Err(MissingValue::Unanswered { .. })));
    // A rehearsal leaves such a place as it is written.
    let dry_run = Known { is_dry_run: true, ..known };
    let text = "Call {contact.phone | date}";
    assert_eq!(fill(&json!(text), &dry_run), Ok(Some(json!(text))));
    let document =
        json!({"step": [tag(), {"event": "note.created", "data": {"noteText": text, "userId": "{tag.id | upper}"}}]});
    let unfit = Flow::read("f", &document).unwrap().steps[1].unfit(&dry_run);
    assert!(matches!(unfit.as_slice(), [(field, MissingValue::Unfit { .. })] if field == "data.noteText"), "{unfit:?}");
}

#[test]
fn a_condition_holds_against_what_comes_out_of_pipes_and_never_against_a_mistake() {
    let contact = json!({"source": "Web", "city": "web", "dateAdded": "2026-02-27T09:00:00Z", "phone": "s3cret"});
    let (answers, set) = (Map::new(), Map::new());
    let known = known(&contact, &answers, &set);
    let holds = |asks: Value| {
        let document = json!({"only_if": {"contact": asks}, "step": [{"wait": "1d"}]});
        Flow::read("f", &document).unwrap().only_if[0].holds(&known)
    };
    assert_eq!(holds(json!({"source": {"is": "{contact.city | upper}"}})), Ok(true));
    assert_eq!(holds(json!({"dateAdded": {"at_most": "{now | add_days -1}"}})), Ok(true));
    assert_eq!(holds(json!({"dateAdded": {"at_most": "{now | add_days -7}"}})), Ok(false));
    for asks in ["is", "is_not"] {
        assert!(
            matches!(holds(json!({"source": {asks: "{contact.phone | number}"}})), Err(MissingValue::Unfit { .. })),
            "{asks}"
        );
    }
}

#[test]
fn pipes_are_checked_before_a_run_with_place_and_column() {
    let found = |on: Option<&str>, text: &str| {
        let mut document = json!({
            "set": {"who": ["me"], "when": "soon", "day": "2026-03-01", "blank": "", "n": 5},
            "step": [tag(), {"event": "note.created", "data": {"noteText": text}}],
        });
        document["on"] = json!(on);
        mistakes(document)
    };
    for right in [
        "{contact.phone | digits | default \"none\"}",
        "{contact.tags | first | date}",
        "{contact.dateAdded | date} {contact.dateOfBirth | date 'DD.MM.'} {now | add_days 3} {in 2d | time}",
        "{contact.customFieldsByKey.size | round 2} {contact.customFieldsByKey | count}",
        "{set.who | join} {set.day | date} {set.blank | date} {set.n | money 'EUR'} {tag.contactId | upper}",
        "{contact.city | default '}'}",
    ] {
        assert_eq!(found(None, right), [], "{right}");
    }
    for (wrong, hint) in [
        (
            "{contact.phone | digts}",
            "{contact.phone | digts}, character 18: there is no pipe digts; did you mean digits?",
        ),
        (
            "Hi {contact.tags | date}",
            "{contact.tags | date}, character 17: date takes a text, a number, a date or a time, not a list",
        ),
        ("{contact.email | split | upper}", "character 26: upper takes"),
        ("{contact.dnd | date}", "not true or false"),
        ("{now | join}", "character 8: join takes a list, not a time"),
        ("{in 2d | e164}", "not a time"),
        ("{contact.mail | upper}", "did you mean {contact.email}?"),
        ("{later.id | upper}", "{later.id} is not known"),
        ("{contact.phone | default 'none}", "character 26: the quote ' is never closed"),
        ("{contact.phone | default none}", "a text stands in quotes"),
        ("{contact.phone |}", "character 17: the name of a pipe is missing"),
        ("{ | upper}", "is no place"),
        ("{set.who | upper}", "upper takes"),
        ("{set.when | date}", "{set.when | date}: the pipe date expects a time"),
        ("{set.n | add_days 1 | number}", "character 23: number takes"),
    ] {
        let found = found(None, wrong);
        assert!(
            found.len() == 1 && found[0].0 == "step[1].data.noteText" && found[0].1.contains(hint),
            "{wrong}: {found:?}"
        );
    }
    for (on, right, wrong) in [
        ("contact.tagged=a", "{event.tag | upper}", "{event.tag | join}"),
        (
            "task.completed",
            "{event.data.title | upper} {event.data.dueDate | date} {event.record | count}",
            "{event.data.completed | date}",
        ),
        ("contact.updated", "{event.data.tags | join}", "{event.data.tags | lower}"),
        ("OpportunityCreate", "{event.name | upper}", "{event.name | join}"),
    ] {
        assert_eq!(found(Some(on), right), [], "{right}");
        assert_eq!(found(Some(on), wrong).len(), 1, "{wrong}");
    }
    let condition =
        json!({"only_if": {"contact": {"source": {"is": "{contact.tags | upper}"}}}, "step": [{"wait": "1d"}]});
    assert_eq!(fields(condition), ["only_if.contact.source.is"]);
}

#[test]
fn pipes_do_not_hide_of_what_a_place_speaks() {
    let flow = |text: &str| {
        Flow::checked(
            "f",
            &json!({"step": [tag(), {"event": "note.created", "contactId": "D", "data": {"noteText": text}}]}),
        )
        .unwrap()
    };
    assert!(flow("{contact.city | upper}").needs_contact());
    assert!(flow("{tag.contactId | upper}").reports_of(0, "tag") && !flow("{now | date}").reports_of(0, "tag"));
    assert!(flow("{tag.contactId | upper}").steps[1].awaits_answers());
    assert!(!flow("{contact.city | upper}").steps[1].awaits_answers());
}

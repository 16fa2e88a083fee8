use serde_json::{Value, json};

use super::*;

mod piped;

fn mistakes(document: Value) -> Vec<(String, String)> {
    let found = Flow::checked("f", &document).err().unwrap_or_default();
    found.into_iter().map(|mistake| (mistake.field, mistake.message)).collect()
}

fn fields(document: Value) -> Vec<String> {
    mistakes(document).into_iter().map(|(field, _)| field).collect()
}

fn tag() -> Value {
    json!({"name": "tag", "event": "contact.tagged", "data": {"tags": ["a"]}})
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let document = json!({
        "abuot": "x",
        "on": "contact.deletd",
        "only_if": {"contact": {"tags": {"holds": "vip"}}, "is": 1},
        "step": [
            {"name": "Tag", "event": "contact.tagged"},
            {"wait": "2 weeks"},
            {"wait": "1d", "call": "get-contact", "names": "x"},
            {"name": "same", "wait": "1d"},
            {"name": "same", "wait": "1d"},
            {"event": "note.created", "data": {"noteText": "{contact.name"}},
        ],
    });
    let expected = [
        "only_if.contact.tags.holds",
        "only_if.is",
        "step[0].data.tags",
        "step[0].name",
        "step[1].wait",
        "step[2]",
        "step[2].names",
        "step[4].name",
        "on",
        "abuot",
        "step[5].data.noteText",
    ];
    let mut found = fields(document);
    found.sort();
    let mut expected = expected.map(str::to_owned);
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(fields(json!({})), ["step"]);
    assert_eq!(fields(json!({"step": [7]})), ["step[0]"]);
}

#[test]
fn a_step_looks_the_runs_contact_up() {
    let document = json!({"step": [{"enrich": true}, {"wait": "1d"}]});
    let flow = Flow::checked("f", &document).unwrap();
    assert!(flow.needs_contact());
    let event = Event { event_type: "contact.enrich".to_owned(), contact_id: None, data: serde_json::Map::new() };
    assert_eq!(flow.steps[0].action, StepAction::Event(event));
    assert_eq!(fields(json!({"step": [{"enrich": false}]})), ["step[0].enrich"]);
    assert_eq!(fields(json!({"step": [{"enrich": true, "wait": "1d"}]})), ["step[0]"]);
}

#[test]
fn what_a_step_says_is_checked_as_the_gateway_does() {
    let document = json!({"step": [
        {"event": "task.created", "data": {"titel": "x", "dueDate": "soon"}},
        {"call": "create_task", "body": {}},
        {"call": "create-task", "body": {"title": 7, "dueDate": "{in 2d}", "completed": "{set.x}"}},
        {"call": "add-contact-to-workflow", "parameters": {"workflowId": "w"}},
        {"event": "contact.taged", "data": {"tags": ["a"]}},
        {"call": "add-tags", "body": {"tags": ["vip"]}},
    ], "set": {"x": true}});
    let found = mistakes(document);
    let named: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
    let expected = [
        "step[0].data.title",
        "step[0].data.dueDate",
        "step[0].data.titel",
        "step[1].call",
        "step[2].body.title",
        "step[3].confirm",
        "step[4].event",
        "step[5].call",
    ];
    assert_eq!(named, expected, "{found:?}");
    assert!(found[3].1.contains("did you mean create-task"), "{found:?}");
    assert!(found[6].1.contains("did you mean contact.tagged"), "{found:?}");
}

#[test]
fn a_place_is_one_that_is_known_by_then() {
    let say = |text: &str| json!({"name": "say", "event": "note.created", "data": {"noteText": text}});
    let found = |text: &str, on: Option<&str>| {
        let mut document =
            json!({"set": {"who": "me"}, "step": [tag(), say(text), {"name": "later", "call": "get-contact"}]});
        document["on"] = json!(on);
        mistakes(document)
    };
    for right in [
        "{contact.email}",
        "{set.who}",
        "{tag.contactId}",
        "{now} {in 2d}",
        "{{contact.mail}}",
        "{contact.customFieldsByKey.size}",
    ] {
        assert_eq!(found(right, None), [], "{right}");
    }
    assert_eq!(found("{event.tag}", Some("contact.tagged=a")), []);
    assert_eq!(found("{event.data.title}", Some("task.completed")), []);
    for (wrong, hint) in [
        ("{contact.mail}", "{contact.email}"),
        ("{set.whom}", "{set.who}"),
        ("{later.id}", "no earlier"),
        ("{say.id}", "no earlier"),
        ("{tog.id}", "did you mean tag"),
        ("{event.tag}", "only an occasion"),
        ("{in 2w}", "30m, 4h, 2d"),
    ] {
        let found = found(wrong, None);
        assert!(
            found.len() == 1 && found[0].0 == "step[1].data.noteText" && found[0].1.contains(hint),
            "{wrong}: {found:?}"
        );
    }
}

/// What a run of the tests below knows.
fn known<'a>(contact: &'a Value, answers: &'a Map<String, Value>, set: &'a Map<String, Value>) -> Known<'a> {
    Known {
        now: "2026-03-01T09:00:00.7Z".parse().unwrap(),
        contact: Some(contact),
        event: &Value::Null,
        set,
        answers,
        is_dry_run: false,
    }
}

#[test]
fn a_place_alone_keeps_its_type_and_nothing_is_left_out() {
    let (contact, answers, set) =
        (json!({"id": "C", "email": "a@x.de", "tags": ["a", "b"], "phone": null}), Map::new(), Map::new());
    let known = known(&contact, &answers, &set);
    let value = json!({"tags": "{contact.tags}", "phone": "{contact.phone}", "text": "{{{contact.name}}} has {contact.tags}, {contact.phone}.", "due": "{in 2d}", "n": 7});
    let filled = fill(&value, &known).unwrap().unwrap();
    let expected = json!({"tags": ["a", "b"], "text": "{a@x.de} has a, b, .", "due": "2026-03-03T09:00:00Z", "n": 7});
    assert_eq!(filled, expected);
}

#[test]
fn what_needs_the_answer_of_a_step_that_was_passed_over_is_passed_over() {
    let contact = json!({});
    let answers = json!({"deal": null, "task": {"id": 5}}).as_object().unwrap().clone();
    let set = Map::new();
    let known = known(&contact, &answers, &set);
    assert_eq!(fill(&json!("{deal.id}"), &known), Err(MissingValue::PassedOver { step: "deal".to_owned() }));
    assert!(matches!(fill(&json!("{task.name}"), &known), Err(MissingValue::Unanswered { .. })));
    assert_eq!(fill(&json!("{task.id}"), &known), Ok(Some(json!(5))));
    let dry_run = Known { answers: &set, is_dry_run: true, ..known };
    assert_eq!(fill(&json!("a {task.id}"), &dry_run), Ok(Some(json!("a {task.id}"))));
}

#[test]
fn conditions_ask_what_they_say() {
    let contact = json!({"tags": ["vip"], "email": "Ada@x.de", "phone": null, "dateAdded": "2026-01-01T00:00:00Z"});
    let (answers, set) = (json!({"deal": {"value": 100}}).as_object().unwrap().clone(), Map::new());
    let known = known(&contact, &answers, &set);
    let holds = |only_if: Value| {
        let document = json!({"only_if": only_if, "step": [{"wait": "1d"}]});
        Flow::read("f", &document).unwrap().only_if[0].holds(&known).unwrap()
    };
    for yes in [
        json!({"contact": {"tags": {"has": "VIP"}}}),
        json!({"contact": {"tags": {"has_not": "customer"}}}),
        json!({"contact": {"email": {"is": ["bob@x.de", "ada@x.de"]}}}),
        json!({"contact": {"email": {"has": "@x.de"}}}),
        json!({"contact": {"phone": {"is_set": false}}}),
        json!({"contact": {"email": {"is_set": true}}}),
        json!({"contact": {"dateAdded": {"at_most": "{now}"}}}),
        json!({"deal": {"value": {"at_least": 100}}}),
        json!({"deal": {"nothing": {"is_not": 1}}}),
    ] {
        assert!(holds(yes.clone()), "{yes}");
    }
    for no in [
        json!({"contact": {"tags": {"has": "vi"}}}),
        json!({"contact": {"phone": {"at_least": 1}}}),
        json!({"contact": {"phone": {"is_set": true}}}),
        json!({"deal": {"value": {"at_most": 99}}}),
    ] {
        assert!(!holds(no.clone()), "{no}");
    }
}

#[test]
fn a_step_is_about_the_contact_of_its_run_unless_it_says_otherwise() {
    let (contact, answers, set) = (json!({}), Map::new(), Map::new());
    let known = known(&contact, &answers, &set);
    let of = WorkOf {
        flow: "f",
        run: "r",
        step: 2,
        location_id: "L",
        contact_id: Some("C"),
        priority: job_engine::Priority::Realtime,
    };
    let work = |step: Value| {
        let flow = Flow::checked("f", &json!({"step": [step]})).unwrap();
        let work = flow.steps[0].work(&of, &known).unwrap().unwrap();
        assert!(of.trigger(&work).is_ok_and(|trigger| trigger.is_some()));
        work
    };
    let Work::Event(event) = work(json!({"event": "task.created", "data": {"title": "Call", "dueDate": "{in 1h}"}}))
    else {
        panic!()
    };
    assert_eq!((&event["contactId"], &event["data"]["clientyTaskId"]), (&json!("C"), &json!("flow-f-r.2")));
    let Work::Event(event) = work(json!({"event": "contact.created", "data": {"email": "a@x.de"}})) else { panic!() };
    assert_eq!(event.get("contactId"), None, "it would be fetched");
    let Work::Event(event) = work(json!({"event": "contact.tagged", "contactId": "D", "data": {"tags": ["a"]}})) else {
        panic!()
    };
    assert_eq!(event["contactId"], "D");
    let Work::Call(_, request) = work(json!({"call": "get-contact"})) else { panic!() };
    assert_eq!(request["parameters"]["contactId"], "C");
}

#[test]
fn a_flow_waits_for_what_clienty_does_not_keep_and_for_no_other_webhook() {
    let on = |on: &str, text: &str| {
        fields(
            json!({"on": on, "step": [{"wait": text}, {"call": "create-business", "body": {"name": "{event.name}"}}]}),
        )
    };
    for right in
        ["OpportunityStatusUpdate", "OpportunityCreate", "LocationUpdate", "VoiceAiCallEnd", "SupportTicketUpdate"]
    {
        assert_eq!(on(right, "1d"), [""; 0], "{right}");
    }
    assert_eq!(on("InboundMessage", "1d"), ["step[1].body.name"], "it tells of no name");
    for wrong in ["ContactCreate", "TaskComplete", "OpportunityStatus", "AppUninstall"] {
        assert_eq!(on(wrong, "1d"), ["on"], "{wrong}");
    }
    assert_eq!(object_of(&json!({"_id": "o1"})), Some("o1"));
}

#[test]
fn a_condition_that_can_never_hold_is_a_mistake() {
    let on = |on: &str, only_if: Value| fields(json!({"on": on, "only_if": only_if, "step": [{"wait": "1d"}]}));
    let of = |part: &str, field: &str, asks: Value| json!({"event": {part: {field: asks}}});
    for (event, part, field, asks) in [
        ("appointment.updated", "data", "status", json!({"is": "noshow"})),
        ("appointment.updated", "record", "status", json!({"is": ["noshow", "cancelled"]})),
        ("appointment.updated", "data", "status", json!({"is_not": "elsewhere"})),
        ("appointment.created", "data", "startTime", json!({"is_set": true})),
        ("task.updated", "data", "assignedTo", json!({"is_set": true})),
        ("task.completed", "record", "status", json!({"is": "completed"})),
        ("contact.updated", "data", "city", json!({"is": "Bonn"})),
        ("contact.updated=city", "before", "city", json!({"is": "Bonn"})),
        ("appointment.noshow", "record", "status", json!({"is": "NoShow"})),
        ("appointment.noshow", "before", "status", json!({"is": "confirmed"})),
        ("appointment.moved", "data", "status", json!({"is": "cancelled"})),
        ("task.deleted", "record", "title", json!({"is": "Call"})),
        ("task.deleted", "data", "taskId", json!({"is_set": true})),
    ] {
        assert_eq!(on(event, of(part, field, asks)), [""; 0], "{event} {part}.{field}");
    }
    for (event, part, field, asks) in [
        ("appointment.updated", "data", "status", json!({"is": "no-show"})),
        ("appointment.updated", "record", "status", json!({"is": ["missed", "skipped"]})),
        ("appointment.updated", "data", "appointmentStatus", json!({"is": "noshow"})),
        ("task.completed", "data", "name", json!({"is": "Call"})),
        ("note.created", "data", "text", json!({"has": "x"})),
        ("contact.updated", "data", "town", json!({"is": "Bonn"})),
        ("contact.selected", "data", "anything", json!({"is": "said"})),
        ("appointment.noshow", "data", "status", json!({"is": "showed"})),
        ("appointment.noshow", "record", "status", json!({"is": ["cancelled", "confirmed"]})),
        ("appointment.cancelled", "record", "status", json!({"is": "confirmed"})),
        ("appointment.moved", "record", "status", json!({"is": "late"})),
        ("appointment.updated=status", "data", "status", json!({"is": "missed"})),
        ("contact.updated=city", "data", "town", json!({"is": "Bonn"})),
        ("task.completed", "record", "completed", json!({"is": false})),
        ("task.completed", "data", "status", json!({"is": "open"})),
        ("task.deleted", "data", "title", json!({"is": "Call"})),
        ("contact.deleted", "record", "email", json!({"is_set": true})),
    ] {
        assert_eq!(on(event, of(part, field, asks)).len(), 1, "{event} {part}.{field}");
    }
}

#[test]
fn a_condition_on_the_event_itself_that_can_never_hold_is_a_mistake() {
    let on = |on: &str, only_if: Value| fields(json!({"on": on, "only_if": only_if, "step": [{"wait": "1d"}]}));
    for (event, part, word) in [
        ("contact.tagged=vip", "tag", json!("VIP")),
        ("contact.tagged=*", "tag", json!(["gold", "silver"])),
        ("contact.created", "type", json!("contact.created")),
        ("appointment.noshow", "origin", json!("ghl")),
        ("task.updated=dueDate", "type", json!("task.updated")),
    ] {
        assert_eq!(on(event, json!({"event": {part: {"is": word}}})), [""; 0], "{event} {part}");
    }
    for (event, part, word) in [
        ("contact.tagged=vip", "tag", json!("gold")),
        ("contact.untagged=vip", "tag", json!(["gold", "silver"])),
        ("contact.created", "type", json!("contact.updated")),
        ("appointment.noshow", "origin", json!("staff")),
        ("task.updated=dueDate", "type", json!("task.completed")),
    ] {
        assert_eq!(on(event, json!({"event": {part: {"is": word}}})).len(), 1, "{event} {part}");
    }
}

#[test]
fn a_trigger_names_what_can_happen() {
    let on = |on: &str| fields(json!({"on": on, "step": [{"wait": "1d"}]}));
    for right in [
        "appointment.moved",
        "appointment.cancelled",
        "appointment.noshow",
        "appointment.showed",
        "contact.updated=email",
        "contact.updated=tags",
        "contact.updated=customFields",
        "contact.updated=customFields.f1",
        "task.updated=dueDate",
        "note.updated=noteText",
        "appointment.updated=status",
        "contact.tagged=*",
        "contact.untagged=*",
    ] {
        assert_eq!(on(right), [""; 0], "{right}");
    }
    for wrong in [
        "appointment.missed",
        "appointment.moved=status",
        "contact.updated=",
        "contact.updated=town",
        "contact.updated=id",
        "task.updated=titel",
        "deal.updated=name",
        "contact.tagged",
    ] {
        assert_eq!(on(wrong), ["on"], "{wrong}");
    }
    let place = |on: &str| {
        let step = json!({"call": "create-business", "body": {"name": "{event.before.email}"}});
        fields(json!({"on": on, "step": [step]}))
    };
    assert_eq!((place("contact.updated=email"), place("task.created").len()), (vec![], 1));
}

#[test]
fn of_a_contact_that_is_gone_nothing_can_be_said() {
    let step = |step: Value| fields(json!({"on": "contact.deleted", "step": [step]}));
    let call = |name: &str| json!({"call": "create-business", "body": {"name": name}});
    assert_eq!(step(call("was {event.contactId}")), [""; 0]);
    assert_eq!(step(call("was {contact.email}")), ["on"]);
    assert_eq!(step(json!({"event": "note.created", "data": {"noteText": "gone"}})), ["on"]);
}

#[test]
fn an_http_step_says_whom_it_asks_and_keeps_secrets_in_headers() {
    let fine = json!({"step": [{"name": "ask", "http": "https://example.com/{contact.id}", "headers": {"x-key": "{secret.KEY}"}, "body": {"c": "{contact}"}}]});
    let flow = Flow::checked("f", &fine).unwrap();
    assert_eq!(flow.secrets().into_iter().collect::<Vec<_>>(), ["KEY"]);
    for (step, field) in [
        (json!({"http": "ftp://example.com"}), "step[0].http"),
        (json!({"http": "https://{contact.website}/x"}), "step[0].http"),
        (json!({"http": "https://a.{contact.city}.com/x"}), "step[0].http"),
        (json!({"http": "https://example.com", "method": "TRACE"}), "step[0].method"),
        (json!({"http": "https://example.com", "method": "GET", "body": {}}), "step[0].body"),
        (json!({"http": "https://example.com", "again": "often"}), "step[0].again"),
        (json!({"http": "https://example.com", "headers": {"webhook-id": "x"}}), "step[0].headers.webhook-id"),
        (json!({"http": "https://example.com", "headers": {"x": "a\nb"}}), "step[0].headers.x"),
        (json!({"http": "https://example.com", "headers": {"x": "{secret.KEY | upper}"}}), "step[0].headers.x"),
        (json!({"http": "https://example.com", "body": {"x": "{secret.KEY}"}}), "step[0].body.x"),
        (json!({"http": "https://example.com/{secret.KEY}"}), "step[0].http"),
        (json!({"event": "note.created", "data": {"noteText": "{secret.KEY}"}}), "step[0].data.noteText"),
        (json!({"event": "note.created", "data": {"noteText": "{contact}"}}), "step[0].data.noteText"),
        (json!({"script": "x.rhai"}), "step[0].script"),
    ] {
        let mistakes = Flow::checked("f", &json!({"step": [step]})).unwrap_err();
        assert_eq!(mistakes[0].field, field, "{step} {mistakes:?}");
    }
}

#[test]
fn a_script_that_was_altered_is_refused() {
    let text = "fn run(input) { #{} }";
    let step = json!([{"script": "a.rhai", "input": {"all": "{event}"}}]);
    let flow = Flow::checked("f", &json!({"step": step, "scripts": {"a.rhai": {"text": text}}})).unwrap();
    assert_eq!(Flow::read("f", &flow.definition).unwrap().definition, flow.definition);
    let mut altered = flow.definition.clone();
    altered["scripts"]["a.rhai"]["text"] = "fn run(input) { #{ x: 1 } }".into();
    assert_eq!(Flow::read("f", &altered).unwrap_err()[0].field, "scripts.a.rhai.sha256");
}

#[test]
fn else_names_an_earlier_step() {
    let note = |more: Value| {
        let mut step = json!({"event": "note.created", "data": {"noteText": "x"}});
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        step
    };
    let flow = json!({"step": [note(json!({"name": "a"})), note(json!({"else": "a"}))]});
    let read = Flow::checked("f", &flow).unwrap();
    assert_eq!((read.steps[0].instead_of, read.steps[1].instead_of), (None, Some(0)));
    for step in [note(json!({"else": "later"})), note(json!({"name": "me", "else": "me"}))] {
        let flow = json!({"step": [step, note(json!({"name": "later"}))]});
        assert_eq!(Flow::checked("f", &flow).unwrap_err()[0].field, "step[0].else");
    }
}

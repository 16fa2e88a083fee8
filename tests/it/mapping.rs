//! Mappings, from the text that a person writes to what GHL holds and what readers see.

use serde_json::{Value, json};

use crate::support::api::{Answer, Api};
use crate::support::installation::Installation;
use crate::support::test_app::{Setup, TestApp};

/// The sample of docs/MAPPING.md.
fn sample() -> String {
    let page = include_str!("../../docs/MAPPING.md");
    page.split("```toml\n").nth(1).and_then(|rest| rest.split_once("```")).expect("a sample").0.to_owned()
}

async fn put(api: &Api, path: &str, toml: &str, tag: Option<&str>) -> Answer {
    let shape = |request: reqwest::RequestBuilder| {
        let request = request.bearer_auth(&api.key).header("content-type", "application/toml").body(toml.to_owned());
        tag.into_iter().fold(request, |request, tag| request.header("if-match", tag))
    };
    api.request("PUT", path, shape).await
}

#[tokio::test]
async fn a_mapping_is_suggested_checked_previewed_and_in_force() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let key = installation.json(&["keys", "create", "--name", "editor", "--role", "admin"]);
    let api = api.with_key(key["key"].as_str().unwrap());
    let Installation { location, contacts, .. } = &installation;
    let path = format!("/v1/locations/{location}/mapping");
    let nothing = api.get(&path).await;
    assert_eq!((nothing.header("etag"), &nothing.json()["source"]), ("\"0\"", &json!("none")));
    for contact in contacts {
        api.pulled(location, contact).await;
    }

    let suggested = api.get(&format!("{path}/suggest")).await.json();
    let toml = suggested["toml"].as_str().unwrap();
    assert!(toml.contains("[contact.favouriteColour]") && toml.contains("contract holds FILE_UPLOAD"), "{suggested}");
    let wrong = "[contact.plan]\nghl = \"contact.plann\"\ntype = \"number\"\n\n[contact.visits]\nghl = \"contact.visits\"\n  type = \"date\"\n";
    let refused = put(&api, &path, wrong, None).await;
    let places: Vec<_> = refused.problem(422)["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["line"].clone(), error["column"].clone(), error["field"].clone()))
        .collect();
    assert_eq!(
        places,
        [(json!(2), json!(1), json!("contact.plan.ghl")), (json!(7), json!(3), json!("contact.visits.type"))],
        "{}",
        refused.text
    );
    assert!(refused.text.contains("Did you mean contact.plan?"), "{}", refused.text);

    let made = put(&api, &path, toml, Some("\"0\"")).await;
    assert_eq!((made.status, made.header("etag")), (201, "\"1\""), "{}", made.text);
    let late = put(&api, &path, &sample(), Some("\"0\"")).await;
    assert_eq!(late.problem(412)["type"], "/problems/mapping-changed");

    let preview = |request: reqwest::RequestBuilder| {
        request.bearer_auth(&api.key).header("content-type", "application/toml").body(sample())
    };
    let previewed = api.request("POST", &format!("{path}/preview"), preview).await.json();
    let before = api.get(&format!("/v1/locations/{location}/contacts?limit=100")).await.json();
    assert_eq!(put(&api, &path, &sample(), Some("\"1\"")).await.status, 200);
    let after = api.get(&format!("/v1/locations/{location}/contacts?limit=100")).await.json();
    let fields = |page: &Value| {
        page["contacts"].as_array().unwrap().iter().map(|contact| contact["fields"].clone()).collect::<Vec<_>>()
    };
    let changed = fields(&before).iter().zip(fields(&after)).filter(|(before, after)| *before != after).count();
    assert_eq!((&previewed["contacts"], &previewed["changed"]), (&json!(contacts.len()), &json!(changed)));

    // Producers write by the names of the mapping, and GHL gets its own words.
    let said = |data: Value| json!({"type": "contact.updated", "locationId": location, "contactId": contacts[0], "data": {"fields": data}});
    for (wrong, field) in [(json!({"plan": "gold"}), "plan"), (json!({"renewal": "2026-01-01"}), "renewal")] {
        let refused = api.post(said(wrong).to_string()).await;
        assert_eq!(refused.faults(422), [(None, format!("data.fields.{field}"))]);
    }
    api.done(&said(json!({"plan": "enterprise", "color": "night blue", "town": "Lovelace"}))).await;
    let view = api.get(&format!("/v1/locations/{location}/contacts/{}", contacts[0])).await.json();
    let contact = &view["contact"];
    assert_eq!(contact["fields"]["plan"], "enterprise", "{contact}");
    assert_eq!(contact["customFieldsByKey"]["plan"], "Enterprise", "{contact}");
    assert_eq!(contact["customFieldsByKey"]["favourite_colour"], "Night Blue", "{contact}");
    assert_eq!((&contact["city"], &contact["sync"]["state"]), (&json!("Lovelace"), &json!("applied")));

    let history = api.get(&format!("{path}/history")).await.json();
    assert_eq!(history["versions"].as_array().unwrap().len(), 2);
    let gone = api.request("DELETE", &path, |request| request.bearer_auth(&api.key)).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
}

#[tokio::test]
async fn the_commands_do_what_the_routes_do() {
    let installation = Installation::new(&[]).await;
    let location = installation.location.as_str();
    let folder = installation.data_folder();
    let file = |name: &str| folder.join(name).display().to_string();
    std::fs::write(file("sample.toml"), sample()).unwrap();
    std::fs::write(file("wrong.toml"), "[contact.a]\nghl = \"contact.a\"\ntype = \"txt\"\n").unwrap();
    assert_eq!(installation.json(&["mapping", "check", &file("sample.toml")])["fields"], 4);
    let wrong = installation.run(&["mapping", "check", &file("wrong.toml"), "--json"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    let wrong = String::from_utf8(wrong.stdout).unwrap();
    assert!(wrong.contains("wrong.toml:3:1") && wrong.contains("did you mean text?"), "{wrong}");

    let applied = installation.json(&["mapping", "apply", &file("sample.toml")]);
    assert_eq!(applied["mappings"][0]["locationId"], "*");
    let shown = installation.json(&["mapping", "show", "--location", location]);
    assert_eq!((&shown["source"], &shown["etag"]), (&json!("default"), &json!("default-1")));
    let apply = ["mapping", "apply", &file("sample.toml"), "--location", location, "--if-match"];
    assert_eq!(installation.json(&[&apply[..], &["default-1"]].concat())["mappings"][0]["version"], 1);
    assert_eq!(installation.run(&[&apply[..], &["default-1"]].concat()).status.code(), Some(1), "a second editor");
    assert_eq!(installation.json(&["mapping", "preview", &file("sample.toml"), "--location", location])["changed"], 0);

    let exported = installation.json(&["mapping", "export", &file("all")]);
    assert_eq!(exported["files"].as_array().unwrap().len(), 2, "{exported}");
    installation.json(&["mapping", "delete", "--location", location]);
    let text = std::fs::read_to_string(folder.join("all").join(format!("{location}.toml"))).unwrap();
    std::fs::write(folder.join("all").join(format!("{location}.toml")), text.replace("both", "from_ghl")).unwrap();
    installation.json(&["mapping", "import", &file(&format!("all/{location}.toml")), &file("all/default.toml")]);
    let shown = installation.json(&["mapping", "show", "--location", location]);
    assert_eq!((&shown["version"], &shown["source"]), (&json!(3), &json!("own")));
    let versions = installation.json(&["mapping", "history", "--location", location]);
    assert_eq!(versions["versions"].as_array().unwrap().len(), 3);
    let audited = installation.json(&["audit", "list"]).to_string();
    assert!(audited.contains("mapping.write") && audited.contains("mapping.delete"), "{audited}");
    assert!(!installation.run(&["mapping", "suggest", "--location", location]).status.success(), "never read");
}

#[tokio::test]
async fn applying_calls_ghl_for_nothing_and_touches_nothing() {
    let app = TestApp::working(Setup { contacts: 6, ..Setup::default() }).await;
    let location = app.location().id;
    for contact in app.contacts(&location) {
        app.report("contact.selected", &contact, json!({})).await;
    }
    app.settle().await;
    let records = &app.app.records;
    let (calls, before) = (app.all_calls(&location), app.state(&location)["contacts"].clone());
    let written = clienty_sync::mapping::read_for(records, &location, &sample()).await.unwrap().unwrap();
    let put = records.put_mapping(&location, &written.toml, &written.document, &Default::default()).await;
    put.unwrap();
    app.settle().await;
    assert_eq!((app.all_calls(&location), &app.state(&location)["contacts"]), (calls, &before));
    let held = async || {
        let mut fields = Vec::new();
        for contact in app.contacts(&location) {
            fields.push(app.view(&contact).await.unwrap()["contact"]["fields"].clone());
        }
        fields
    };
    assert!(held().await.iter().any(|fields| fields.is_object()), "the sandbox seeds custom fields");
    app.finish().await;
}

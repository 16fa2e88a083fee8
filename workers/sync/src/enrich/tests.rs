//! The language of providers, and what their answers mean.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sync_model::decide::fields::Fields;
use sync_model::record::Contact;

use super::*;
use outbound::outside::{Fetched, OutsideError};

fn document() -> Value {
    json!({
        "about": "A provider", "url": "https://api.example.com/v1/people/{key.email | hash}", "needs": ["email"],
        "query": {"domain": "{key.domain}"}, "headers": {"x-api-key": "{secret}"}, "limit": "10/1m", "credits": 2, "price": 0.05,
        "charged": "match", "spent": "X-Credits", "missing": [404], "throttled": [403], "found": "{data.person}",
        "confidence": "{data.likelihood}", "confidence_most": 10, "keeps": "90d", "keeps_misses": "30d",
        "fields": {"companyName": "{data.person.company.name | trim}", "website": "{data.person.site | url}", "country": "{data.person.country}"},
    })
}

fn provider() -> Provider {
    Provider::read("one", &document()).unwrap()
}

fn keys() -> Keys {
    let text = |text: &str| Some(text.to_owned());
    Keys::of(&Contact { email: text(" Ada@Acme.io "), phone: text("+49 151 2345678"), ..Contact::default() })
}

fn faults(change: impl Fn(&mut Value)) -> Vec<String> {
    let mut document = document();
    change(&mut document);
    let mistakes = Provider::read("one", &document).expect_err("refused");
    mistakes.into_iter().map(|mistake| mistake.field).collect()
}

fn answered(status: u16, body: &Value, headers: &[(&str, &str)]) -> Reply {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    let fetched = Fetched {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: None,
        headers: map,
        body: body.to_string().into_bytes(),
        is_whole: true,
    };
    provider().means(Ok(fetched), &keys())
}

#[test]
fn the_keys_of_a_contact_are_in_one_form() {
    let keys = keys();
    let all = KEYS.map(|name| keys.get(name).unwrap_or_default().to_owned());
    assert_eq!(all, ["ada@acme.io", "+491512345678", "acme.io", "DE", "", "", "", ""]);
    let of = |email: &str, website: &str| {
        let (email, website) = (Some(email.to_owned()), Some(website.to_owned()));
        Keys::of(&Contact { email, website, ..Contact::default() }).get("domain").map(str::to_owned)
    };
    assert_eq!(of("ada@gmail.com", ""), None, "everybody's mail is no company");
    assert_eq!(of("ada@mail.gmx.de", "https://www.Acme.io/x"), Some("acme.io".to_owned()));
    assert_eq!(of("ada@yahoo.fr", "acme"), None);
}

#[test]
fn a_provider_says_what_it_costs_and_what_it_is_reported() {
    let provider = provider();
    assert_eq!((provider.cost(), provider.costs(1)), (Money(100_000), Money(50_000)));
    assert_eq!(provider.sends(), ["domain", "email (hashed)"]);
    assert!(provider.takes_secret() && provider.calls() && provider.can_ask(&keys()));
    assert!(!provider.can_ask(&Keys::default()));
    assert_eq!(provider.gives().collect::<Vec<_>>(), ["companyName", "country", "website"]);
}

#[test]
fn every_mistake_of_a_file_names_its_field() {
    for (field, value, wrong) in [
        ("url", json!("ftp"), "url"),
        ("url", json!("https://{key.domain}/x"), "url"),
        ("url", json!("https://x.de/?a=b"), "url"),
        ("method", json!("PUT"), "method"),
        ("needs", json!([]), "needs"),
        ("needs", json!(["mail"]), "needs"),
        ("limit", json!("fast"), "limit"),
        ("credits", json!(-1), "credits"),
        ("price", json!("cheap"), "price"),
        ("charged", json!("never"), "charged"),
        ("missing", json!([99]), "missing"),
        ("keeps", json!("1y"), "keeps"),
        ("fields", json!({"tags": "{data.tags}"}), "fields.tags"),
        ("fields", json!({"city": "{data.city | upside}"}), "fields.city"),
        ("fields", json!({"city": "{secret}"}), "fields.city"),
        ("query", json!({"a": "{data.x}"}), "query.a"),
        ("query", json!({"a": "{key.iban}"}), "query.a"),
        ("headers", json!({"bad header": "x"}), "headers.bad header"),
        ("found", json!("{contact.name}"), "found"),
        ("body", json!({"a": 1}), "body"),
        ("cost", json!(1), "cost"),
    ] {
        assert_eq!(faults(|document| document[field] = value.clone()), [wrong], "{field} = {value}");
    }
    assert_eq!(faults(|document| *document = json!({})), ["about", "fields"], "who calls no one needs nothing");
    assert_eq!(faults(|document| drop(document.as_object_mut().unwrap().remove("needs"))), ["needs"]);
    assert_eq!(Provider::read("Bad Name", &document()).unwrap_err()[0].field, "");
}

#[test]
fn an_answer_means_what_the_file_says() {
    let person =
        json!({"person": {"company": {"name": " Acme "}, "site": "acme.io", "country": "de"}, "likelihood": 8});
    let fields = json!({"companyName": "Acme", "website": "https://acme.io", "country": "DE"});
    let fields = serde_json::from_value(fields).unwrap();
    let matched = |credits| Reply::Match { fields: Fields::clone(&fields), confidence: Some(800), credits };
    assert_eq!(answered(200, &person, &[]), matched(2));
    assert_eq!(answered(200, &person, &[("x-credits", "1")]), matched(1));
    assert_eq!(answered(200, &json!({"person": {}}), &[]), Reply::Miss { credits: 0 });
    assert_eq!(answered(404, &json!({}), &[]), Reply::Miss { credits: 0 });
    assert_eq!(answered(404, &json!({}), &[("x-credits", "1")]), Reply::Miss { credits: 1 });
    assert_eq!(answered(403, &json!({}), &[]), Reply::Throttled { after: None });
    assert_eq!(answered(401, &json!({}), &[]), Reply::Refused);
    assert!(matches!(answered(500, &json!({}), &[]), Reply::Failed { .. }));
    assert!(matches!(answered(400, &json!({}), &[]), Reply::Rejected { .. }));
    assert!(matches!(answered(504, &json!({}), &[]), Reply::Unknown { .. }));
    let lost = provider().means(Err(OutsideError::TimedOut), &keys());
    assert!(matches!(lost, Reply::Unknown { .. }));
    let unsent = provider().means(Err(OutsideError::NotConnected("refused".to_owned())), &keys());
    assert!(matches!(unsent, Reply::Failed { .. }));
    // What does not fit its field is left out, and no other.
    let odd = json!({"person": {"company": {"name": ""}, "site": 5, "country": "Germany"}, "likelihood": "high"});
    assert_eq!(answered(200, &odd, &[]), Reply::Match { fields: Fields::new(), confidence: None, credits: 2 });
}

#[test]
fn consent_is_a_tag_or_written_out_and_dnd_is_no() {
    let mut rules = Rules {
        order: Vec::new(),
        want: Vec::new(),
        consent: Consent::parse("tag:Marketing-OK").unwrap(),
        overwrite: Overwrite::Never,
        provider_month: Money::ZERO,
        location_day: Money::ZERO,
    };
    let mut contact = Contact { tags: vec!["vip".to_owned()], ..Contact::default() };
    assert_eq!(rules.withheld(&contact), Some(Withheld::NoConsent));
    contact.tags.push("marketing-ok".to_owned());
    assert_eq!(rules.withheld(&contact), None);
    contact.dnd = Some(true);
    assert_eq!(rules.withheld(&contact), Some(Withheld::DoNotDisturb));
    contact = Contact::default();
    rules.consent = Consent::parse("legitimate_interest").unwrap();
    assert_eq!(rules.withheld(&contact), None);
    for text in ["", "tag:", "yes", "legitimate"] {
        assert_eq!(Consent::parse(text), None, "{text}");
    }
}

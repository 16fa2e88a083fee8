//! Fields that both sides edited: looked at, and taken back.

use serde_json::{Value, json};

use crate::support::api::{Answer, Api};
use crate::support::installation::Installation;

/// Where GHL wins, GHL is read before it is written: what a person did there is met for certain.
const GHL_WINS: [(&str, &str); 1] = [("CLIENTY_MERGE_POLICY", "ghl")];

struct Sides<'a> {
    installation: &'a Installation,
    api: Api,
    /// GHL, as a person who works there.
    ghl: Api,
}

impl<'a> Sides<'a> {
    fn new(installation: &'a Installation, api: Api) -> Self {
        Self { installation, api, ghl: Api::new(&installation.ghl, &installation.token) }
    }

    async fn in_ghl(&self, method: &str, contact: &str, body: Option<Value>) -> Value {
        let shape = |request: reqwest::RequestBuilder| {
            let request = request.bearer_auth(&self.ghl.key).header("version", "2021-07-28");
            match &body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        let answer = self.ghl.request(method, &format!("/contacts/{contact}"), shape).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["contact"].clone()
    }

    async fn in_clienty(&self, contact: &str, data: Value) {
        let location = &self.installation.location;
        let event = json!({"type": "contact.updated", "locationId": location, "contactId": contact, "data": data});
        self.api.done(&event).await;
    }

    /// Both sides give the contact a city, and GHL wins.
    async fn clash(&self, contact: &str, ours: &str, theirs: &str) {
        self.api.pulled(&self.installation.location, contact).await;
        self.in_ghl("PUT", contact, Some(json!({"city": theirs}))).await;
        self.in_clienty(contact, json!({"city": ours})).await;
    }

    async fn list(&self, query: &str) -> Value {
        let answer = self.api.get(&format!("/v1/locations/{}/conflicts{query}", self.installation.location)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    async fn undo(&self, location: &str, id: &str) -> Answer {
        let path = format!("/v1/locations/{location}/conflicts/{id}/undo");
        self.api.request("POST", &path, |request| request.bearer_auth(&self.api.key)).await
    }
}

#[tokio::test]
async fn a_conflict_is_shown_and_undone_once_and_ghl_gets_the_value_that_lost() {
    let installation = Installation::new(&GHL_WINS).await;
    let (_program, api) = installation.serve("up");
    let (location, contact) = (&installation.location, &installation.contacts[0]);
    let sides = Sides::new(&installation, api);
    assert_eq!(sides.list("").await, json!({"conflicts": [], "nextCursor": null}));
    sides.clash(contact, "Berlin", "Hamburg").await;
    assert_eq!(sides.in_ghl("GET", contact, None).await["city"], "Hamburg");

    let conflict = sides.list("").await["conflicts"][0].clone();
    assert_eq!(
        [&conflict["contactId"], &conflict["record"], &conflict["field"], &conflict["winner"], &conflict["undoneAt"]],
        [&json!(contact), &json!("contact"), &json!("city"), &json!("ghl"), &Value::Null]
    );
    assert_eq!([&conflict["ours"], &conflict["theirs"]], [&json!("Berlin"), &json!("Hamburg")]);

    let id = conflict["id"].as_str().unwrap();
    let undone = sides.undo(location, id).await;
    assert_eq!(undone.status, 202, "{}", undone.text);
    sides.api.job_in_state(undone.json()["jobId"].as_str().unwrap(), "done").await;
    assert_eq!(sides.in_ghl("GET", contact, None).await["city"], "Berlin");
    let listed = sides.list("").await;
    assert_eq!(listed["conflicts"].as_array().unwrap().len(), 1, "{listed}");
    assert!(listed["conflicts"][0]["undoneAt"].is_string(), "{listed}");

    sides.undo(location, id).await.problem(409);
    assert_eq!(sides.in_ghl("GET", contact, None).await["city"], "Berlin");
}

#[tokio::test]
async fn a_field_that_was_edited_since_is_not_taken_back() {
    let installation = Installation::new(&GHL_WINS).await;
    let (_program, api) = installation.serve("up");
    let (location, contact) = (&installation.location, &installation.contacts[0]);
    let sides = Sides::new(&installation, api);
    sides.clash(contact, "Berlin", "Hamburg").await;
    sides.in_clienty(contact, json!({"city": "Bonn"})).await;
    let conflict = sides.list("").await["conflicts"][0].clone();
    let problem = sides.undo(location, conflict["id"].as_str().unwrap()).await.problem(409);
    assert!(problem["detail"].as_str().unwrap().contains("edited since"), "{problem}");
    assert_eq!(sides.in_ghl("GET", contact, None).await["city"], "Bonn");
    // It stands there as before: nothing was half done.
    assert_eq!(sides.list("").await["conflicts"], json!([conflict]));
}

#[tokio::test]
async fn conflicts_are_listed_by_contact_and_in_pages_newest_first() {
    let installation = Installation::new(&GHL_WINS).await;
    let (_program, api) = installation.serve("up");
    let (one, other) = (&installation.contacts[0], &installation.contacts[1]);
    let sides = Sides::new(&installation, api);
    sides.clash(one, "Berlin", "Hamburg").await;
    sides.clash(other, "Rome", "Milan").await;
    let whose = |page: &Value| -> Vec<String> {
        let conflicts = page["conflicts"].as_array().unwrap().iter();
        conflicts.map(|conflict| conflict["contactId"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(whose(&sides.list("").await), [other.clone(), one.clone()]);
    assert_eq!(whose(&sides.list(&format!("?contactId={one}")).await), vec![one.clone()]);
    let first = sides.list("?limit=1").await;
    let second = sides.list(&format!("?limit=1&cursor={}", first["nextCursor"].as_str().unwrap())).await;
    assert_eq!((whose(&first), whose(&second)), (vec![other.clone()], vec![one.clone()]));
    assert_eq!(second["nextCursor"], Value::Null);
}

#[tokio::test]
async fn an_unknown_conflict_is_not_found_and_what_makes_no_sense_is_refused() {
    let installation = Installation::new(&GHL_WINS).await;
    let (_program, api) = installation.serve("up");
    let sides = Sides::new(&installation, api);
    let location = &installation.location;
    sides.clash(&installation.contacts[0], "Berlin", "Hamburg").await;
    let id = sides.list("").await["conflicts"][0]["id"].as_str().unwrap().to_owned();
    sides.undo(location, "0192f0c1-0000-7000-8000-000000000000").await.problem(404);
    // A conflict of one location is none of another's.
    sides.undo("elsewhere", &id).await.problem(404);
    let list = format!("/v1/locations/{location}/conflicts");
    for (query, field) in [("?limit=0", "limit"), ("?cursor=yesterday", "cursor"), ("?contact=c1", "contact")] {
        let faults = sides.api.get(&format!("{list}{query}")).await.faults(400);
        assert_eq!(faults, [(None, field.to_owned())]);
    }
    let stranger = sides.api.with_key("nobody");
    stranger.get(&list).await.problem(401);
    let undo = format!("{list}/{id}/undo");
    stranger.request("POST", &undo, |request| request.bearer_auth(&stranger.key)).await.problem(401);
}

//! Enrichment through the whole system: from an event to GHL, and from a provider's double to the bill.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::installation::Installation;
use crate::support::wait_until_async;

mod money;
mod providers;

/// Where the program may call the doubles.
const DOORS: [(&str, &str); 2] = [("CLIENTY_HOOKS_ALLOW_HTTP", "on"), ("CLIENTY_OUTSIDE_ALLOW_NETS", "127.0.0.1/32")];

/// A location with people who have agreed to be looked up, and nothing but an e-mail.
struct World {
    installation: Installation,
    ghl: Api,
}

impl World {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let mut installation = Installation::with_sandbox(&["--enrich"], &[DOORS.as_slice(), settings].concat()).await;
        let doubles = format!("{}/_enrich", installation.ghl);
        installation.set("CLIENTY_ENRICH_SANDBOX_URL", &doubles);
        let ghl = Api::new(&installation.ghl, &installation.token);
        Self { installation, ghl }
    }

    /// Adds a contact in GHL, and fetches it.
    async fn person(&self, api: &Api, email: &str, more: Value) -> String {
        let mut fields = json!({"email": email, "tags": ["marketing-ok"], "firstName": "Ada"});
        for (name, value) in more.as_object().into_iter().flatten() {
            fields[name] = value.clone();
        }
        let path = format!("/_sandbox/locations/{}/contacts", self.installation.location);
        let made = self.ghl.request("POST", &path, |request| request.json(&fields)).await;
        assert!(made.status < 300, "{}", made.text);
        let made = made.json();
        let id = made["id"].as_str().or(made["contact"]["id"].as_str()).unwrap().to_owned();
        api.pulled(&self.installation.location, &id).await;
        id
    }

    fn event(&self, contact: &str) -> Value {
        json!({"type": "contact.enrich", "locationId": self.installation.location, "contactId": contact})
    }

    /// The contact as GHL has it.
    async fn in_ghl(&self, contact: &str) -> Value {
        let path = format!("/_sandbox/locations/{}/state", self.installation.location);
        let state = self.ghl.get(&path).await.json();
        let contacts = state["contacts"].as_array().cloned().unwrap_or_else(|| {
            state["contacts"].as_object().into_iter().flatten().map(|(_, contact)| contact.clone()).collect()
        });
        contacts.into_iter().find(|one| one["id"] == contact).unwrap_or_default()
    }

    async fn until_in_ghl(&self, contact: &str, field: &str, value: &str) {
        wait_until_async("GHL has the value", async || self.in_ghl(contact).await[field] == value).await;
    }

    /// What was looked up about a person.
    async fn enrichment(&self, api: &Api, contact: &str) -> Value {
        let path = format!("/v1/locations/{}/contacts/{contact}/enrichment", self.installation.location);
        let answer = api.get(&path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// What a double has seen.
    async fn seen(&self, provider: &str) -> Value {
        self.ghl.get("/_sandbox/enrich").await.json()[provider].clone()
    }

    async fn request(&self, requests: Value) {
        let set = self.ghl.request("POST", "/_sandbox/enrich", |request| request.json(&requests)).await;
        assert_eq!(set.status, 204, "{}", set.text);
    }

    /// Gives a provider a key.
    fn connect(&self, provider: &str, key: &str) {
        let file = self.installation.data_folder().join(format!("{provider}.key"));
        std::fs::write(&file, format!("{key}\n")).unwrap();
        let arguments = ["enrich", "connect", "--provider", provider, "--key-file", file.to_str().unwrap()];
        assert_eq!(self.installation.json(&arguments)["connected"], true);
    }
}

/// The values by field.
fn values(enrichment: &Value) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fields = enrichment["fields"].as_array().into_iter().flatten();
    fields.map(|one| (text(&one["field"]), text(&one["provider"]), one["value"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_fills_what_is_missing_without_any_account_and_an_erasure_takes_it() {
    let world = World::new(&[]).await;
    let (_program, api) = world.installation.serve("up");
    let location = &world.installation.location;
    let contact = world.person(&api, "ada@lovelace-engines.io", json!({"phone": "+4915112345678"})).await;
    let begin = api.get("/v1/changes?limit=1000").await.json()["nextCursor"].as_str().unwrap().to_owned();
    api.done(&world.event(&contact)).await;
    world.until_in_ghl(&contact, "website", "https://lovelace-engines.io").await;

    let looked_up = world.enrichment(&api, &contact).await;
    assert_eq!((&looked_up["ground"], &looked_up["withheld"]), (&json!("tag:marketing-ok"), &Value::Null));
    let website = values(&looked_up).into_iter().find(|(field, ..)| field == "website").unwrap();
    assert_eq!(website, ("website".to_owned(), "local".to_owned(), json!("https://lovelace-engines.io")));
    assert_eq!(looked_up["asked"], json!([]), "no service was asked");
    let changes = api.get(&format!("/v1/changes?limit=1000&cursor={begin}")).await.json();
    let origins: Vec<_> = changes["changes"].as_array().unwrap().iter().map(|change| &change["origin"]).collect();
    assert!(origins.contains(&&json!("enrichment")), "{changes}");
    let why = api.get(&format!("/v1/locations/{location}/contacts/{contact}/fields/website/why")).await.json();
    assert!(why["chain"].to_string().contains("\"local\""), "{why}");
    api.metrics_with("clienty_enrich_total{outcome=\"match\",provider=\"local\"} 1").await;

    // A person edits the value: it is the person's from then on, and no provider's.
    let edit = json!({"type": "contact.updated", "locationId": location, "contactId": contact, "data": {"website": "https://ada.dev"}});
    api.done(&edit).await;
    api.done(&world.event(&contact)).await;
    world.until_in_ghl(&contact, "website", "https://ada.dev").await;
    let looked_up = world.enrichment(&api, &contact).await;
    let website = looked_up["fields"].as_array().unwrap().iter().find(|one| one["field"] == "website").unwrap();
    assert_eq!(website["inForce"], false, "{looked_up}");

    let path = format!("/v1/locations/{location}/contacts/{contact}/data");
    let erased = api.request("DELETE", &path, |request| request.bearer_auth(&api.key)).await;
    if erased.status == 403 {
        let admin = world.installation.json(&["keys", "create", "--name", "admin", "--role", "admin"]);
        let key = admin["key"].as_str().unwrap().to_owned();
        let erased = api.request("DELETE", &path, |request| request.bearer_auth(&key)).await;
        assert!(erased.json()["erased"]["enrichments"].as_u64().unwrap() >= 1, "{}", erased.text);
    } else {
        assert!(erased.json()["erased"]["enrichments"].as_u64().unwrap() >= 1, "{}", erased.text);
    }
    let gone = api.get(&format!("/v1/locations/{location}/contacts/{contact}/enrichment")).await;
    assert_eq!(gone.status, 404, "{}", gone.text);
    let refused = api.post(world.event(&contact).to_string()).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_agreed_or_is_not_to_be_disturbed_is_not_looked_up() {
    let world = World::new(&[]).await;
    let (_program, api) = world.installation.serve("up");
    for (email, more, withheld) in [
        ("ada@one-company.io", json!({"tags": ["vip"]}), "no_consent"),
        ("ada@other-company.io", json!({"dnd": true}), "do_not_disturb"),
    ] {
        let contact = world.person(&api, email, more).await;
        api.done(&world.event(&contact)).await;
        let looked_up = world.enrichment(&api, &contact).await;
        assert_eq!((&looked_up["withheld"], &looked_up["fields"]), (&json!(withheld), &json!([])), "{email}");
    }
    let unknown = api.accepted(&world.event("nobody-knows-it")).await;
    let dead = api.job_in_state(unknown[0]["jobId"].as_str().unwrap(), "dead").await;
    assert!(dead["lastError"].as_str().unwrap().contains("contact.selected fetches it"), "{dead}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_flow_looks_the_contact_up_and_the_next_one_reads_what_was_found() {
    let world = World::new(&[]).await;
    let location = &world.installation.location;
    let (_program, api) = world.installation.serve("up");
    let contact = world.person(&api, "ada@flowing-works.io", json!({})).await;
    let folder = world.installation.data_folder();
    let flow = "[[step]]\nenrich = true\n\n[[step]]\nevent = \"task.created\"\ndata.title = \"Visit {contact.website}\"\n\
         data.dueDate = \"{in 1d}\"\n";
    let file = folder.join("look-up.toml");
    std::fs::write(&file, flow).unwrap();
    world.installation.json(&["flows", "push", file.to_str().unwrap()]);
    let run = ["flows", "run", "look-up", "--location", location, "--contact", &contact];
    world.installation.json(&run);
    let view = api.get(&format!("/v1/locations/{location}/contacts/{contact}")).await.json();
    assert_eq!(view["tasks"][0]["title"], "Visit https://flowing-works.io", "{view}");
    let website = view["enrichment"].as_array().unwrap().iter().find(|one| one["field"] == "website").unwrap();
    assert_eq!((&website["provider"], &website["inForce"]), (&json!("local"), &json!(true)));
    assert!(view["contact"].get("enrichment").is_none(), "{view}");
}

//! Mappings: versions, two editors, what readers see, what producers write, and that a preview is what applying does.

use serde_json::{Value, json};
use sync_model::field_mapping::Mapping;
use sync_model::record::CustomField;
use sync_workers::records::*;

use crate::support::*;

promises! {
    a_mapping_has_versions_and_two_editors_are_kept_apart,
    readers_and_producers_use_the_names_of_the_mapping,
    the_mapping_of_all_locations_holds_where_there_is_none,
    a_preview_is_what_applying_does,
    who_wins_is_the_mappings_to_say,
}

fn document() -> Value {
    json!({"contact": {
        "plan": {"ghl": "contact.plan", "type": "choice", "values": {"free": "Free", "pro": "Pro"}},
        "score": {"ghl": "contact.score", "type": "number", "direction": "from_ghl"},
        "employer": {"ghl": "companyName", "type": "text", "wins": "ghl"},
    }})
}

async fn put(db: &Db, location: &str, document: &Value, expected: &Expected) -> Result<(KeptMapping, bool), NoMapping> {
    Mapping::read(document).unwrap();
    db.records.put_mapping(location, &document.to_string(), document, expected).await
}

async fn know(db: &Db) {
    let fields = [("f1", "contact.plan"), ("f2", "contact.score")];
    let fields = fields.map(|(id, key)| (id.to_owned(), key.to_owned()));
    db.records.save_custom_fields(LOC, &fields).await.unwrap();
}

/// Pulls a contact that has these values.
async fn pull(db: &Db, epoch: i64, id: &str, plan: Value, score: Value) {
    let mut pulled = pulled(id, &[]);
    let field = |id: &str, value: Value| CustomField { id: id.to_owned(), value };
    pulled.contact.custom_fields = vec![field("f1", plan), field("f2", score)];
    pulled.contact.company_name = Some("Engines".to_owned());
    db.pull(epoch, &pulled).await;
}

async fn fields(db: &Db, id: &str) -> Value {
    json!(db.records.contact_view(LOC, id).await.unwrap().unwrap().contact.record.fields)
}

async fn a_mapping_has_versions_and_two_editors_are_kept_apart(db: Db) {
    let (first, is_new) = put(&db, LOC, &document(), &Expected::Nothing).await.unwrap();
    assert_eq!((first.version, is_new), (1, true));
    let other = json!({"contact": {}});
    let of_first = Expected::Tagged(vec!["1".to_owned()]);
    assert_eq!(put(&db, LOC, &other, &of_first).await.unwrap().0.version, 2);
    let late = put(&db, LOC, &document(), &of_first).await;
    assert!(matches!(&late, Err(NoMapping::Otherwise(tag)) if tag == "2"), "{late:?}");
    assert_eq!(put(&db, LOC, &other, &Expected::Something).await.unwrap().0.version, 2, "the same text is no version");
    assert!(matches!(put(&db, "nowhere", &other, &Expected::Anything).await, Err(NoMapping::Unconnected)));
    assert!(db.records.delete_mapping(LOC, &Expected::Anything).await.unwrap());
    assert!(!db.records.delete_mapping(LOC, &Expected::Anything).await.unwrap());
    let versions = db.records.mapping_versions(LOC).await.unwrap();
    let versions: Vec<_> = versions.iter().map(|one| (one.version, one.deleted)).collect();
    assert_eq!(versions, [(3, true), (2, false), (1, false)]);
    assert_eq!(db.records.mapping_version(LOC, 1).await.unwrap(), Some(document().to_string()));
}

async fn readers_and_producers_use_the_names_of_the_mapping(db: Db) {
    know(&db).await;
    pull(&db, 1, "c1", json!("Pro"), json!("many")).await;
    assert_eq!(fields(&db, "c1").await, json!({}));
    put(&db, LOC, &document(), &Expected::Anything).await.unwrap();
    let unmapped = json!({"unmapped": {"raw": "many", "why": "expected a number, as 12.5"}});
    assert_eq!(fields(&db, "c1").await, json!({"plan": "pro", "score": unmapped, "employer": "Engines"}));

    let said = |said: Value| {
        let event = json!({"type": "contact.updated", "locationId": LOC, "contactId": "c1", "data": {"fields": said}});
        sync_workers::events::translate(&event).unwrap()
    };
    for (wrong, place) in [
        (json!({"plann": "pro"}), "data.fields.plann"),
        (json!({"plan": "gold"}), "data.fields.plan"),
        (json!({"score": 5}), "data.fields.score"),
    ] {
        let refused = db.records.accept(&[said(wrong)]).await;
        assert!(
            matches!(&refused, Err(AcceptError::Unmapped { index: 0, field, .. }) if field == place),
            "{refused:?}"
        );
    }
    let accepted = db.records.accept(&[said(json!({"plan": "free", "employer": null}))]).await.unwrap();
    let row = db.records.contact_row(LOC, &accepted[0].key.record_id).await.unwrap().unwrap();
    let pending = json!(row.pending().fields);
    assert_eq!(
        pending,
        json!({"customFields.f1": "Free", "companyName": null}),
        "what does not parse is not written back"
    );
    assert_eq!(fields(&db, "c1").await, json!({"plan": "free", "score": unmapped}));
}

async fn the_mapping_of_all_locations_holds_where_there_is_none(db: Db) {
    know(&db).await;
    pull(&db, 1, "c1", json!("Pro"), json!(7)).await;
    put(&db, "*", &document(), &Expected::Anything).await.unwrap();
    assert_eq!(fields(&db, "c1").await["plan"], "pro");
    assert_eq!(db.records.held_mapping(LOC).await.unwrap().tag(), "default-1");
    let seen = Expected::Tagged(vec!["default-1".to_owned()]);
    put(&db, LOC, &json!({"contact": {}}), &seen).await.unwrap();
    assert_eq!(fields(&db, "c1").await, json!({}));
    // Another process sees it as soon as it looks.
    let options = Options { clock: db.clock.clone(), ..Options::default() };
    let other = Records::open(&db.url, options).await.unwrap();
    assert!(other.mapping_of(LOC).await.unwrap().fields.is_empty());
    db.records.delete_mapping(LOC, &Expected::Anything).await.unwrap();
    db.clock.set("2026-06-01T12:00:02Z".parse().unwrap());
    assert_eq!(other.mapping_of(LOC).await.unwrap().fields.len(), 3);
    other.close().await;
}

async fn a_preview_is_what_applying_does(db: Db) {
    know(&db).await;
    let plans = ["Free", "Pro", "Gold", ""];
    let all = 24;
    for number in 0..all {
        let score = if number % 5 == 0 { json!("many") } else { json!(number) };
        pull(&db, 1, &format!("c{number:02}"), json!(plans[number % 4]), score).await;
    }
    let shown = async || {
        let page = db.records.list_contacts(LOC, &ListQuery { limit: 100, ..ListQuery::default() }).await.unwrap();
        page.items.into_iter().map(|shown| json!(shown.record.fields)).collect::<Vec<_>>()
    };
    let mut narrow = document();
    narrow["contact"].as_object_mut().unwrap().remove("employer");
    narrow["contact"]["plan"]["values"]["gold"] = json!("Gold");
    for document in [document(), narrow, json!({})] {
        let before = shown().await;
        let preview = db.records.preview_mapping(LOC, &Mapping::read(&document).unwrap()).await.unwrap();
        put(&db, LOC, &document, &Expected::Anything).await.unwrap();
        let after = shown().await;
        let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        let unmapped = json!(after).to_string().matches("\"unmapped\"").count();
        assert_eq!(
            (preview.contacts, preview.changed, preview.unmapped),
            (24, changed as u64, unmapped as u64),
            "{document}"
        );
        let of_fields: u64 = preview.fields.values().map(|field| field.unmapped).sum();
        assert_eq!(of_fields, preview.unmapped);
    }
}

async fn who_wins_is_the_mappings_to_say(db: Db) {
    use sync_model::decide::merge::Policy;
    know(&db).await;
    let mut document = document();
    document["contact"]["plan"]["wins"] = json!("clienty");
    put(&db, LOC, &document, &Expected::Anything).await.unwrap();
    let policies = db.records.policies_of(LOC).await.unwrap();
    let of = |name: &str| policies.of("contact", name);
    assert_eq!(
        [of("companyName"), of("customFields.f1"), of("customFields.f2")],
        [Policy::Ghl, Policy::Clienty, Policy::Newest]
    );
}

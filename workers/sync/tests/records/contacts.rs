//! Contacts that both sides edit: before GHL has them, while they are written, and afterwards.

use serde_json::{Value, json};
use sync_model::decide::fields::Fields;
use sync_model::decide::sync_status::Progress;
use sync_model::record::Contact;
use sync_workers::records::*;

use crate::support::*;

promises! {
    a_new_contact_moves_to_ghls_id_with_all_that_hangs_on_it,
    two_contacts_of_a_producer_become_one_where_it_says_so,
    a_contact_that_a_pull_met_first_is_one_contact,
    the_reply_to_a_create_takes_nothing_back_that_a_pull_read_before,
    an_edit_during_a_write_stays_pending_and_what_was_not_applied_is_reported,
    a_blind_edit_wins_over_what_is_read_and_everything_else_follows_ghl,
    an_edit_back_during_a_look_has_pending_another_one,
    a_reply_without_its_last_call_takes_nothing_back_that_was_shown_since,
    a_deletion_is_pending_until_ghl_has_it,
    a_pull_neither_removes_nor_overwrites_a_contact_that_ghl_lacks,
}

fn fields(value: Value) -> Fields {
    serde_json::from_value(value).unwrap()
}

async fn row(db: &Db, row_id: &str) -> ContactRow {
    db.records.contact_row(LOC, row_id).await.unwrap().unwrap()
}

async fn begin(db: &Db, row_id: &str, epoch: i64) -> Tx {
    let run = db.records.start_run(&JobKey::new(JobKind::PushContact, LOC, row_id), epoch).await.unwrap().unwrap();
    db.records.begin(&run).await.unwrap()
}

/// Creates the contact in GHL as `theirs`.
async fn link(db: &Db, row_id: &str, theirs: &Contact) -> Option<String> {
    let row = row(db, row_id).await;
    let mut tx = begin(db, row_id, 1).await;
    let asked = sync_model::decide::fields::fields(&row.doc);
    let pending = tx.contact_linked(&row, theirs, Some(&asked)).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    pending
}

async fn shown(db: &Db, id: &str) -> Option<ContactView> {
    db.records.contact_view(LOC, id).await.unwrap()
}

async fn a_new_contact_moves_to_ghls_id_with_all_that_hangs_on_it(db: Db) {
    let row_id = accept(&db, change(Act::Create, None, Some("k1"), json!({"firstName": "Ada"}))).await;
    assert_eq!(accept(&db, change(Act::Create, None, Some("k1"), json!({"city": "London"}))).await, row_id);
    db.edit(new_task("t1", "k1", "Call")).await;
    let view = shown(&db, "k1").await.unwrap();
    assert_eq!((view.contact.record.id.as_str(), view.synced_at), ("k1", None));
    assert_eq!(db.records.is_pending(LOC, "k1").await.unwrap(), Some(true));

    link(&db, &row_id, &remote("g1", json!({"firstName": "Ada", "city": "London", "country": "GB"}))).await;
    for id in ["k1", "g1"] {
        let view = shown(&db, id).await.unwrap();
        let contact = view.contact.record;
        assert_eq!((contact.id.as_str(), contact.clienty_contact_id.as_deref()), ("g1", Some("k1")));
        assert_eq!((contact.country.as_deref(), db.titles(id).await), (Some("GB"), vec!["Call".to_owned()]));
    }
    assert!(row(&db, &row_id).await.is_settled());
    assert_eq!(
        accept(&db, change(Act::Edit, Some("g1"), None, json!({"city": "Paris"}))).await,
        row_id,
        "one key for ever"
    );
    db.edit(new_task("t2", "k1", "Write")).await;
    assert_eq!(db.titles("g1").await, ["Call", "Write"]);
}

async fn two_contacts_of_a_producer_become_one_where_it_says_so(db: Db) {
    let first = accept(&db, change(Act::Create, None, Some("k1"), json!({"email": "a@x.de"}))).await;
    link(&db, &first, &remote("g1", json!({"email": "a@x.de"}))).await;
    accept(&db, change(Act::Create, None, Some("k2"), json!({"email": "a@x.de", "city": "Bonn"}))).await;
    assert_eq!(accept(&db, change(Act::Edit, Some("g1"), Some("k2"), json!({}))).await, first);
    for id in ["k1", "k2", "g1"] {
        let contact = shown(&db, id).await.unwrap().contact.record;
        assert_eq!(
            (contact.city.as_deref(), contact.clienty_contact_id.as_deref()),
            (Some("Bonn"), Some("k1")),
            "{id}"
        );
    }
    assert!(!row(&db, &first).await.is_settled(), "the city is owed");
}

async fn a_contact_that_a_pull_met_first_is_one_contact(db: Db) {
    let row_id = accept(&db, change(Act::Create, None, Some("k1"), json!({"firstName": "Ada"}))).await;
    db.pull(1, &pulled("g1", &[("t1", "Theirs")])).await;
    link(&db, &row_id, &remote("g1", json!({"firstName": "Ada"}))).await;
    let page = db.records.list_contacts(LOC, &ListQuery { limit: 10, ..ListQuery::default() }).await.unwrap();
    assert_eq!((page.items.len(), db.titles("k1").await), (1, vec!["Theirs".to_owned()]));
    db.pull(2, &pulled("g1", &[("t1", "Theirs")])).await;
    assert_eq!(shown(&db, "k1").await.unwrap().contact.record.clienty_contact_id.as_deref(), Some("k1"));
}

/// Our create is slow to answer. Meanwhile GHL's user edits what it made, and a pull reads that.
async fn the_reply_to_a_create_takes_nothing_back_that_a_pull_read_before(db: Db) {
    let set = json!({"firstName": "Ada", "city": "London", "tags.ours": true});
    let row_id = accept(&db, change(Act::Create, None, Some("k1"), set)).await;
    let run = db.records.start_run(&JobKey::new(JobKind::PushContact, LOC, row_id.as_str()), 1).await.unwrap().unwrap();
    let sent = row(&db, &row_id).await.doc;
    db.records.set_contact_intent(&run, Some(&sent)).await.unwrap();
    let there = json!({"firstName": "Ada", "city": "Paris", "state": "IDF", "tags": ["ours", "vip"]});
    db.pull(1, &Pulled { contact: remote("g1", there), ..pulled("g1", &[]) }).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    let asked = sync_model::decide::fields::fields(&sent);
    let reply = remote("g1", json!({"firstName": "Ada", "city": "London", "tags": ["ours"]}));
    tx.contact_linked(&row(&db, &row_id).await, &reply, Some(&asked)).await.unwrap();
    tx.close_run(&[]).await.unwrap();
    let row = row(&db, &row_id).await;
    let contact = shown(&db, "k1").await.unwrap().contact.record;
    assert_eq!(
        (contact.city.as_deref(), contact.state.as_deref(), contact.tags.len()),
        (Some("Paris"), Some("IDF"), 2)
    );
    assert!(row.is_settled() && row.is_made_here() && row.intent.is_none(), "{row:?}");
    assert_eq!(row.status().state, Progress::Applied);
    assert_eq!(db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items, []);
}

async fn an_edit_during_a_write_stays_pending_and_what_was_not_applied_is_reported(db: Db) {
    db.pull(1, &pulled("g1", &[])).await;
    let row_id = accept(&db, change(Act::Edit, Some("g1"), None, json!({"city": "Bonn", "companyName": "Deo"}))).await;
    let mut tx_fields = fields(json!({"city": "Bonn", "companyName": "Deo"}));
    let run = db.records.start_run(&JobKey::new(JobKind::PushContact, LOC, &*row_id), 1).await.unwrap().unwrap();
    accept(&db, change(Act::Edit, Some("g1"), None, json!({"city": "Köln"}))).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    let contact = remote("g1", json!({"name": "Ada Lovelace", "city": "Bonn", "state": "NW"}));
    let asked = std::mem::take(&mut tx_fields);
    let reply = ContactReply { asked, contact, refused: Vec::new(), is_partial: false, unread: Default::default() };
    let (state, settled) = tx.contact_written(&row_id, &reply).await.unwrap().unwrap();
    tx.close_run(&[]).await.unwrap();
    assert_eq!((state.fields.len(), state.fields[0].field.as_str(), settled), (1, "companyName", false));
    let row = row(&db, &row_id).await;
    assert_eq!(
        (row.doc.city.as_deref(), row.doc.state.as_deref(), row.doc.company_name),
        (Some("Köln"), Some("NW"), None)
    );
    assert_eq!(row.edits.keys().collect::<Vec<_>>(), ["city"]);
    let sync = shown(&db, "g1").await.unwrap().contact.sync;
    let reported: Vec<_> = sync.fields.iter().map(|one| (one.field.as_str(), one.state)).collect();
    assert_eq!(reported, [("city", Progress::Pending), ("companyName", Progress::PartlyApplied)]);
    assert_eq!(sync.state, Progress::Pending, "the edit of the meantime is not in GHL yet");
    assert_eq!(db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items, []);
}

async fn a_blind_edit_wins_over_what_is_read_and_everything_else_follows_ghl(db: Db) {
    let row_id = accept(&db, change(Act::Edit, Some("g1"), None, json!({"city": "Bonn", "tags.old": null}))).await;
    assert!(row(&db, &row_id).await.is_unread());
    let mut tx = begin(&db, &row_id, 1).await;
    let theirs = remote("g1", json!({"city": "Berlin", "state": "BE", "tags": ["old", "vip"]}));
    tx.contact_looked(&row(&db, &row_id).await, &theirs).await.unwrap();
    tx.keep_open().await.unwrap();
    let row = row(&db, &row_id).await;
    assert_eq!(
        (row.doc.city.as_deref(), row.doc.state.as_deref(), &row.doc.tags[..]),
        (Some("Bonn"), Some("BE"), &["vip".to_owned()][..])
    );
    assert!(!row.is_unread() && !row.is_settled());
}

/// The write may still arrive. It was looked for only because the same was about to be sent again, which is not so any more.
async fn an_edit_back_during_a_look_has_pending_another_one(db: Db) {
    db.pull(1, &pulled("g1", &[])).await;
    let there = row(&db, &accept(&db, change(Act::Edit, Some("g1"), None, json!({"city": "Bonn"}))).await).await;
    let row_id = there.row_id.clone();
    let run = db.records.start_run(&JobKey::new(JobKind::PushContact, LOC, &*row_id), 1).await.unwrap().unwrap();
    db.records.set_contact_asked(&run, &there.pending().fields).await.unwrap();
    let before = row(&db, &row_id).await;
    let back = before.base.as_ref().unwrap().city.clone();
    accept(&db, change(Act::Edit, Some("g1"), None, json!({"city": back}))).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.contact_looked(&before, &before.base.clone().unwrap()).await.unwrap();
    tx.keep_open().await.unwrap();
    let row = row(&db, &row_id).await;
    assert!(row.unanswered.needs_look() && row.unanswered.is_open() && !row.is_settled(), "{row:?}");
    assert_eq!(row.doc.city, back);
}

async fn a_reply_without_its_last_call_takes_nothing_back_that_was_shown_since(db: Db) {
    db.pull(1, &pulled("g1", &[])).await;
    let edit = json!({"city": "Bonn", "tags.vip": true});
    let before = row(&db, &accept(&db, change(Act::Edit, Some("g1"), None, edit)).await).await;
    let row_id = before.row_id.clone();
    let run = db.records.start_run(&JobKey::new(JobKind::PushContact, LOC, &*row_id), 1).await.unwrap().unwrap();
    db.records.set_contact_asked(&run, &before.pending().fields).await.unwrap();
    // Both calls have arrived, and a reading shows it, before the answer to the second is lost.
    let shown = sync_model::record::Contact {
        tags: vec!["vip".to_owned()],
        ..remote("g1", json!({"name": "Ada Lovelace", "city": "Bonn"}))
    };
    let mut seen = pulled("g1", &[]);
    seen.contact = shown.clone();
    db.pull(2, &seen).await;
    let met = row(&db, &row_id).await;
    assert_eq!((&met.doc.tags, met.base.as_ref().map(|base| &base.tags)), (&shown.tags, Some(&shown.tags)), "{met:?}");

    let contact = remote("g1", json!({"name": "Ada Lovelace", "city": "Bonn"}));
    let asked = fields(json!({"city": "Bonn"}));
    let reply = ContactReply { asked, contact, refused: Vec::new(), is_partial: true, unread: Default::default() };
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.contact_written(&row_id, &reply).await.unwrap().unwrap();
    tx.keep_open().await.unwrap();
    let row = row(&db, &row_id).await;
    assert_eq!((row.doc.tags, row.doc.city.as_deref()), (shown.tags, Some("Bonn")));
    assert_eq!(db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items, []);
}

async fn a_deletion_is_pending_until_ghl_has_it(db: Db) {
    db.pull(1, &pulled("g1", &[("t1", "Call")])).await;
    let row_id = accept(&db, change(Act::Delete, Some("g1"), None, json!({}))).await;
    assert_eq!(shown(&db, "g1").await, None);
    db.pull(2, &pulled("g1", &[("t1", "Call")])).await;
    assert_eq!(shown(&db, "g1").await, None, "a pull does not bring it back");
    assert!(!row(&db, &row_id).await.is_settled());
    let mut tx = begin(&db, &row_id, 1).await;
    tx.mark_contact_gone("g1").await.unwrap();
    tx.close_run(&[]).await.unwrap();
    assert!(row(&db, &row_id).await.is_settled());
}

async fn a_pull_neither_removes_nor_overwrites_a_contact_that_ghl_lacks(db: Db) {
    let row_id = accept(&db, change(Act::Create, None, Some("k1"), json!({"firstName": "Ada"}))).await;
    db.edit(new_task("t1", "k1", "Call")).await;
    let run = db.pull_run("k1", 1).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    tx.mark_contact_gone("k1").await.unwrap();
    tx.close_run(&[]).await.unwrap();
    assert!(row(&db, &row_id).await.is_pending());
    assert_eq!(db.titles("k1").await, ["Call"]);
}

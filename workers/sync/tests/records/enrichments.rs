//! Enrichment as the records keep it: below people, within its ceiling, gone with the person.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use sync_model::decide::enrichment::Overwrite;
use sync_model::decide::fields::Fields;
use sync_model::money::Money;
use sync_workers::events::IncomingEvent;
use sync_workers::records::*;

use crate::support::*;

promises! {
    what_is_empty_is_filled_and_goes_to_ghl_by_the_ordinary_push,
    a_persons_word_is_above_a_providers,
    a_value_that_a_person_gives_meanwhile_in_ghl_wins_without_a_conflict,
    what_a_provider_gave_is_taken_back_where_no_person_touched_it,
    no_interleaving_passes_a_ceiling_or_asks_twice,
    a_call_whose_outcome_is_lost_counts_as_paid_and_is_not_repeated,
    what_is_left_of_a_ceiling_is_used_and_a_new_month_begins_anew,
    an_answer_counts_until_it_expires,
    what_was_found_goes_with_the_person,
    an_answer_that_comes_after_the_erasure_is_not_kept,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn fields(of: Value) -> Fields {
    serde_json::from_value(of).unwrap()
}

/// Takes the run of a contact that is looked up.
async fn enriching(db: &Db, contact_id: &str, epoch: i64) -> Run {
    let trigger = IncomingEvent {
        event: event(None, "contact.enrich", Some(contact_id)),
        kind: JobKind::EnrichContact,
        priority: job_engine::Priority::Bulk,
        change: Change::None { record_id: contact_id.to_owned() },
    };
    let key = db.records.accept(&[trigger]).await.unwrap().remove(0).key;
    db.records.start_run(&key, epoch).await.unwrap().unwrap()
}

fn answer(db: &Db, provider: &str, of: Value) -> Answer {
    let at_ms = db.clock.now_ms();
    Answer {
        provider: provider.to_owned(),
        fields: fields(of),
        confidence: Some(900),
        at_ms,
        expires_ms: at_ms + DAY_MS,
    }
}

async fn row(db: &Db, contact_id: &str) -> ContactRow {
    db.records.find_contact(LOC, contact_id).await.unwrap().unwrap()
}

/// The contact takes what a provider found; what it took.
async fn found(db: &Db, epoch: i64, answer: &Answer, overwrite: Overwrite) -> Vec<String> {
    let run = enriching(db, "c1", epoch).await;
    let mut tx = db.records.begin(&run).await.unwrap();
    let filled = tx.enrich(&row(db, "c1").await.row_id, answer, overwrite).await.unwrap().filled;
    tx.close_run(&[]).await.unwrap();
    filled
}

async fn one_contact(db: &Db) {
    let contact = remote("c1", json!({"firstName": "Ada", "email": "ada@acme.io", "city": "London"}));
    db.pull(1, &Pulled { contact, tasks: vec![], notes: vec![], appointments: vec![] }).await;
}

async fn in_force(db: &Db) -> Vec<(String, String, bool)> {
    let (_, all) = db.records.enrichments(LOC, "c1").await.unwrap().unwrap();
    all.into_iter().map(|one| (one.field, one.provider, one.in_force)).collect()
}

async fn what_is_empty_is_filled_and_goes_to_ghl_by_the_ordinary_push(db: Db) {
    one_contact(&db).await;
    let of_pdl =
        answer(&db, "pdl", json!({"website": "https://acme.io", "city": "Bonn", "customFields.linkedin": "x"}));
    assert_eq!(found(&db, 2, &of_pdl, Overwrite::Never).await, ["website"], "the location has no such custom field");
    let row = row(&db, "c1").await;
    assert_eq!((row.doc.website.as_deref(), row.doc.city.as_deref()), (Some("https://acme.io"), Some("London")));
    assert_eq!(row.pending().fields, fields(json!({"website": "https://acme.io"})));
    assert!(db.records.is_pushed(&row).await.unwrap(), "an ordinary push takes it to GHL");
    let changes = db.records.list_changes(None, 100).await.unwrap().items;
    let last = changes.last().unwrap();
    assert_eq!((last.origin, last.fields.clone()), (Some(Origin::Enrichment), Some(vec!["website".to_owned()])));
    assert_eq!(in_force(&db).await, [("website".to_owned(), "pdl".to_owned(), true)]);
    assert_eq!(found(&db, 3, &of_pdl, Overwrite::Own).await, [""; 0], "nothing is new");
}

async fn a_persons_word_is_above_a_providers(db: Db) {
    one_contact(&db).await;
    let first = json!({"website": "https://acme.io", "companyName": "Acme"});
    assert_eq!(found(&db, 2, &answer(&db, "pdl", first), Overwrite::Never).await, ["companyName", "website"]);
    let edit = json!({"website": "https://ada.dev", "city": null});
    accept(&db, change(Act::Edit, Some("c1"), None, edit)).await;
    let again = json!({"website": "https://other.io", "companyName": "Acme Ltd", "city": "Bonn"});
    let again = answer(&db, "pdl", again);
    assert_eq!(found(&db, 3, &again, Overwrite::Never).await, [""; 0], "what was emptied stays empty");
    assert_eq!(found(&db, 4, &again, Overwrite::Own).await, ["companyName"], "its own value, which nobody touched");
    let row = row(&db, "c1").await;
    assert_eq!((row.doc.website.as_deref(), row.doc.city), (Some("https://ada.dev"), None));
    let website = in_force(&db).await.into_iter().find(|(field, ..)| field == "website").unwrap();
    assert!(!website.2, "the mark is gone with the edit");
}

async fn a_value_that_a_person_gives_meanwhile_in_ghl_wins_without_a_conflict(db: Db) {
    one_contact(&db).await;
    found(&db, 2, &answer(&db, "pdl", json!({"website": "https://acme.io"})), Overwrite::Never).await;
    // The push has not come yet; a reading shows what a person has typed in GHL.
    let theirs = json!({"firstName": "Ada", "email": "ada@acme.io", "city": "London", "website": "https://typed.io"});
    let contact = remote("c1", theirs);
    db.pull(3, &Pulled { contact, tasks: vec![], notes: vec![], appointments: vec![] }).await;
    let row = row(&db, "c1").await;
    assert_eq!(row.doc.website.as_deref(), Some("https://typed.io"));
    assert!(row.pending().fields.is_empty(), "nothing is left to write");
    let conflicts = db.records.list_conflicts(LOC, None, None, 10).await.unwrap().items;
    assert_eq!(conflicts, [], "a machine's word is none to look at");
    assert_eq!(in_force(&db).await, [("website".to_owned(), "pdl".to_owned(), false)]);
}

async fn what_a_provider_gave_is_taken_back_where_no_person_touched_it(db: Db) {
    one_contact(&db).await;
    let of_pdl = json!({"website": "https://acme.io", "companyName": "Acme"});
    found(&db, 2, &answer(&db, "pdl", of_pdl), Overwrite::Never).await;
    found(&db, 3, &answer(&db, "local", json!({"country": "GB"})), Overwrite::Never).await;
    accept(&db, change(Act::Edit, Some("c1"), None, json!({"companyName": "Acme Ltd"}))).await;
    let late = db.records.undo_enrichments(LOC, "pdl", db.clock.now_ms() + 1).await.unwrap();
    assert_eq!(late, Undone::default(), "none is so young");
    let undone = db.records.undo_enrichments(LOC, "pdl", 0).await.unwrap();
    assert_eq!(undone, Undone { contacts: 1, fields: 1, kept: 1 });
    let row = row(&db, "c1").await;
    assert_eq!((row.doc.website.clone(), row.doc.company_name.as_deref()), (None, Some("Acme Ltd")));
    assert_eq!(row.doc.country.as_deref(), Some("GB"), "another's value stays");
    assert_eq!(in_force(&db).await, [("country".to_owned(), "local".to_owned(), true)]);
    let again = db.records.undo_enrichments(LOC, "pdl", 0).await.unwrap();
    assert_eq!(again, Undone::default());
}

fn question<'a>(name: &'a str, cost: i64) -> Question<'a> {
    Question { provider: "pdl", contact_id: "c1", name, cost: Money(cost), sent: &[], keeps_ms: DAY_MS }
}

fn ceilings(month: i64, day: i64) -> Ceilings {
    Ceilings { provider_month: Money(month), location_day: Money(day) }
}

async fn spent(db: &Db) -> i64 {
    let spend = db.records.enrich_spend(0).await.unwrap();
    let of_provider = spend.iter().filter(|spend| spend.scope == "provider:pdl");
    of_provider.map(|spend| spend.spent.0).sum()
}

/// Sixteen workers at once, each with contacts of its own and some that others have as well.
async fn no_interleaving_passes_a_ceiling_or_asks_twice(db: Db) {
    let (cost, ceiling) = (7, 100);
    let mut workers = Vec::new();
    for worker in 0..16_i64 {
        let run = enriching(&db, &format!("c{worker}"), 1).await;
        let records = db.records.clone();
        workers.push(tokio::spawn(async move {
            let mut sent = Vec::new();
            for number in 0..6_i64 {
                let name = format!("question {}", (worker + number * 5) % 24);
                loop {
                    let asked = records.reserve_call(&run, &question(&name, cost), ceilings(ceiling, 10_000)).await;
                    match asked {
                        Ok(Reserved::Yes(call)) => {
                            sent.push(name.clone());
                            // A third is never settled, a third costs less, a third nothing.
                            match number % 3 {
                                0 => {}
                                1 => records
                                    .settle_call(&run, &call, Money(5), &Settle::Miss { keeps_ms: DAY_MS })
                                    .await
                                    .unwrap(),
                                _ => records.settle_call(&run, &call, Money::ZERO, &Settle::Unknown).await.unwrap(),
                            }
                        }
                        Ok(_) => {}
                        Err(error) if error.is_passing() => continue,
                        Err(error) => panic!("{error}"),
                    }
                    break;
                }
            }
            sent
        }));
    }
    let mut all = Vec::new();
    while !workers.iter().all(tokio::task::JoinHandle::is_finished) {
        let spent = spent(&db).await;
        assert!(spent <= ceiling, "{spent}");
        tokio::task::yield_now().await;
    }
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "no question was sent twice: {all:?}");
    assert!(spent(&db).await <= ceiling && !all.is_empty());
}

async fn a_call_whose_outcome_is_lost_counts_as_paid_and_is_not_repeated(db: Db) {
    let run = enriching(&db, "c1", 1).await;
    let Reserved::Yes(call) = db.records.reserve_call(&run, &question("q", 10), ceilings(100, 100)).await.unwrap()
    else {
        panic!("there is room")
    };
    // The process dies here, and another one takes over.
    let names = ["other".to_owned(), "q".to_owned()];
    let KnownAnswer::Asked { name, call_id, .. } = db.records.known_answer(&names).await.unwrap() else {
        panic!("it is noted")
    };
    db.records.give_answer_up(&name, &call_id).await.unwrap();
    assert_eq!((db.records.known_answer(&names).await.unwrap(), spent(&db).await), (KnownAnswer::Unknown, 10));
    let again = db.records.reserve_call(&run, &question("q", 10), ceilings(100, 100)).await.unwrap();
    assert_eq!((again, spent(&db).await), (Reserved::Taken, 10));
    // Its answer comes after all, and changes nothing.
    let settle = Settle::Match { fields: fields(json!({"city": "Bonn"})), confidence: None, keeps_ms: DAY_MS };
    db.records.settle_call(&run, &call, Money::ZERO, &settle).await.unwrap();
    assert_eq!((db.records.known_answer(&names).await.unwrap(), spent(&db).await), (KnownAnswer::Unknown, 10));
    // A zombie neither reserves nor settles.
    let newer = db.records.start_run(&run.key, 2).await.unwrap().unwrap();
    assert!(is_lost(db.records.reserve_call(&run, &question("z", 10), ceilings(100, 100)).await));
    assert_eq!(spent(&db).await, 10);
    let Reserved::Yes(call) = db.records.reserve_call(&newer, &question("z", 10), ceilings(100, 100)).await.unwrap()
    else {
        panic!("there is room")
    };
    assert!(is_lost(db.records.settle_call(&run, &call, Money::ZERO, &Settle::Failed).await));
    assert_eq!(spent(&db).await, 20, "what was reserved stays so");
}

async fn what_is_left_of_a_ceiling_is_used_and_a_new_month_begins_anew(db: Db) {
    let run = enriching(&db, "c1", 1).await;
    let ask = async |name: &str, cost: i64, month: i64, day: i64| {
        db.records.reserve_call(&run, &question(name, cost), ceilings(month, day)).await.unwrap()
    };
    assert!(matches!(ask("a", 60, 100, 1000).await, Reserved::Yes(_)));
    let until: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
    assert_eq!(ask("b", 41, 100, 1000).await, Reserved::ProviderMonth(until));
    assert!(matches!(ask("b", 40, 100, 1000).await, Reserved::Yes(_)));
    let until: Timestamp = "2026-06-02T00:00:00Z".parse().unwrap();
    assert_eq!(ask("c", 1, 1000, 100).await, Reserved::LocationDay(until));
    assert!(matches!(ask("free", 0, 0, 0).await, Reserved::Yes(_)), "what costs nothing needs no room");
    assert_eq!(ask("d", 1, 0, 0).await, Reserved::ProviderMonth("2026-07-01T00:00:00Z".parse().unwrap()));
    db.clock.set("2026-07-01T00:00:01Z".parse().unwrap());
    assert!(matches!(ask("c", 100, 100, 100).await, Reserved::Yes(_)));
}

async fn an_answer_counts_until_it_expires(db: Db) {
    let run = enriching(&db, "c1", 1).await;
    let names = ["q".to_owned()];
    let reserve = async || db.records.reserve_call(&run, &question("q", 1), ceilings(100, 100)).await.unwrap();
    let Reserved::Yes(call) = reserve().await else { panic!("it was never asked") };
    db.records.settle_call(&run, &call, Money::ZERO, &Settle::Failed).await.unwrap();
    assert_eq!(db.records.known_answer(&names).await.unwrap(), KnownAnswer::None, "what failed may be asked again");
    let Reserved::Yes(call) = reserve().await else { panic!("it failed") };
    let settle = Settle::Match { fields: fields(json!({"city": "Bonn"})), confidence: Some(800), keeps_ms: DAY_MS };
    db.records.settle_call(&run, &call, Money(1), &settle).await.unwrap();
    assert!(
        matches!(db.records.known_answer(&names).await.unwrap(), KnownAnswer::Match(answer) if answer.fields["city"] == "Bonn")
    );
    assert_eq!(reserve().await, Reserved::Taken);
    let asked = db.records.questions(LOC, "c1").await.unwrap();
    assert_eq!((asked.len(), asked[0].outcome.as_str()), (1, "match"));
    let later = Timestamp::from_millisecond(db.clock.now_ms() + DAY_MS).unwrap();
    db.clock.set(later);
    assert_eq!(db.records.known_answer(&names).await.unwrap(), KnownAnswer::None);
    assert!(matches!(reserve().await, Reserved::Yes(_)));
    assert_eq!(db.forget(Old::EnrichAnswers, db.clock.now_ms()).await, 0, "it is asked again");
    assert_eq!(db.forget(Old::EnrichAnswers, db.clock.now_ms() + 2 * DAY_MS).await, 1);
}

async fn what_was_found_goes_with_the_person(db: Db) {
    one_contact(&db).await;
    found(&db, 2, &answer(&db, "pdl", json!({"website": "https://acme.io"})), Overwrite::Never).await;
    let run = enriching(&db, "c1", 3).await;
    db.records.reserve_call(&run, &question("q", 1), ceilings(100, 100)).await.unwrap();
    let receipt = db.records.erase(LOC, "c1").await.unwrap().unwrap();
    assert_eq!((receipt.erased["enrichments"], receipt.erased["enrichmentAnswers"]), (1, 1));
    assert_eq!(db.columns_with("acme.io").await, [""; 0]);
    assert_eq!(spent(&db).await, 1, "money is of no person");
}

async fn an_answer_that_comes_after_the_erasure_is_not_kept(db: Db) {
    one_contact(&db).await;
    let run = enriching(&db, "c1", 2).await;
    let Reserved::Yes(call) = db.records.reserve_call(&run, &question("q", 10), ceilings(100, 100)).await.unwrap()
    else {
        panic!("there is room")
    };
    db.records.erase(LOC, "c1").await.unwrap().unwrap();
    let settle = Settle::Match { fields: fields(json!({"city": "Secret"})), confidence: None, keeps_ms: DAY_MS };
    db.records.settle_call(&run, &call, Money(4), &settle).await.unwrap();
    assert_eq!((db.columns_with("Secret").await, spent(&db).await), (Vec::<String>::new(), 4));
    assert_eq!(db.records.known_answer(&["q".to_owned()]).await.unwrap(), KnownAnswer::None);
    let again = db.records.reserve_call(&run, &question("z", 10), ceilings(100, 100)).await;
    assert!(matches!(again, Err(RecordsError::Erased { .. })), "{again:?}");
}

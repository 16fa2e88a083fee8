//! Whatever two rows owe, the one that is left of them owes it.

use std::collections::BTreeMap;

use proptest::collection::btree_map;
use proptest::prelude::*;
use serde_json::{Value, json};
use sync_model::decide::absent::Unread;

use super::*;
use crate::records::contacts::bare;

const NAMES: [&str; 5] = ["city", "email", "firstName", "tags.a", "tags.b"];

/// Fields by name: which value, and when it was edited.
fn edits(values: std::ops::Range<u8>) -> impl Strategy<Value = BTreeMap<&'static str, (u8, i64)>> {
    btree_map(prop::sample::select(&NAMES[..]), (values, 1..20_i64), 0..5)
}

fn value_of(name: &str, pick: u8) -> Value {
    match (name.starts_with("tags."), pick) {
        (_, 0) => Value::Null,
        (true, _) => json!(true),
        (false, pick) => json!(format!("{name}{pick}@x.de")),
    }
}

fn set(doc: &Contact, edits: &BTreeMap<&'static str, (u8, i64)>) -> Contact {
    let mut now = fields(doc);
    for (name, (pick, _)) in edits {
        fields::set(&mut now, name, value_of(name, *pick));
    }
    with_fields(doc, &now)
}

fn times(edits: &BTreeMap<&'static str, (u8, i64)>) -> Edits {
    edits.iter().map(|(name, (_, at))| ((*name).to_owned(), *at)).collect()
}

proptest! {
    #[test]
    fn what_either_pending_is_pending(
        held in edits(1..4),
        theirs in edits(0..4),
        ours in edits(1..4),
        (is_unread, is_another, deletes) in any::<(bool, bool, bool)>(),
    ) {
        let base = if is_unread { bare("l", "g").doc } else { set(&bare("l", "g").doc, &held) };
        let mut other = bare("l", "g");
        (other.doc, other.edits, other.base) = (set(&base, &theirs), times(&theirs), Some(base.clone()));
        other.synced_at_ms = i64::from(!is_unread);
        other.clienty_id = is_another.then(|| "k2".to_owned());
        other.unanswered.asked = Fields::from([("state".to_owned(), json!("BE"))]);
        other.unread = Unread::from(["source".to_owned()]);
        other.fingerprints.remember(&other.unanswered.asked.clone(), &Fields::new());
        let mut pending = bare("l", "k1");
        pending.clienty_id = Some("k1".to_owned());
        (pending.doc, pending.edits) = (set(&pending.doc, &ours), times(&ours));
        pending.deleted_at_ms = deletes.then_some(1);
        let said = Fields::from([("country".to_owned(), json!("DE"))]);
        pending.fingerprints.remember(&said, &Fields::new());

        let (row, conflicts) = joined(&Policies::default(), &pending, &other, &Fields::new(), is_another);
        let (now, ours_now, theirs_now) = (fields(&row.doc), fields(&pending.doc), fields(&other.doc));
        for name in NAMES {
            let [now, our, their, there] =
                [&now, &ours_now, &theirs_now, &fields(&base)].map(|side| fields::value(side, name));
            let our_at = ours.get(name).map(|(_, at)| *at);
            match theirs.get(name).map(|(_, at)| *at) {
                Some(at) if our_at.is_some_and(|mine| mine > at) => prop_assert!(now == our || now == their, "{name}"),
                Some(_) => prop_assert_eq!(&now, &their, "{}", name),
                None if our_at.is_some() && now != our => {
                    prop_assert!(conflicts.iter().any(|one| one.field == name && one.ours == our), "{}", name);
                }
                None if our_at.is_none() => prop_assert_eq!(&now, &there, "{}", name),
                None => {}
            }
            prop_assert!(now == there || row.edits.contains_key(name), "what is owed has the time of its edit: {}", name);
        }
        prop_assert_eq!((row.contact_id.as_str(), row.base.is_some()), ("g", true));
        prop_assert_eq!((row.is_visible(), row.is_unread()), (!deletes, is_unread));
        prop_assert_eq!((&row.unanswered, &row.unread), (&other.unanswered, &other.unread));
        prop_assert!(row.fingerprints.knows("state", &json!("BE")) && row.fingerprints.knows("country", &json!("DE")));
        let kept = if is_another { ("g", "k2") } else { ("k1", "k1") };
        prop_assert_eq!((row.row_id.as_str(), row.clienty_id.as_deref()), (kept.0, Some(kept.1)));
    }
}

#[test]
fn a_deletion_that_waits_waits_on() {
    let mut other = bare("l", "g");
    (other.base, other.deleted_at_ms) = (Some(other.doc.clone()), Some(5));
    let pending = bare("l", "k1");
    assert!(joined(&Policies::default(), &pending, &other, &Fields::new(), false).0.awaits_deletion());
    // What is gone from GHL, and there again, owes nothing.
    other.base = None;
    assert!(joined(&Policies::default(), &pending, &other, &Fields::new(), false).0.is_pending());
}

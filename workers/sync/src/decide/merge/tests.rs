use proptest::collection::btree_map;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn of(fields: Value) -> Fields {
    serde_json::from_value(fields).unwrap()
}

fn merged(base: Value, ours: Value, theirs: Value, times: &Times<'_>, policies: &Policies) -> Merged {
    merge("contact", &of(base), &of(ours), &of(theirs), times, policies, &Prints::default())
}

fn only(policy: Policy) -> Policies {
    Policies { default: policy, ..Policies::default() }
}

#[test]
fn where_one_side_changed_it_wins() {
    let base = json!({"email": "a@x.de", "city": "Berlin", "state": "BE"});
    let (ours, theirs) =
        (json!({"email": "b@x.de", "city": "Berlin", "state": "BE"}), json!({"email": "a@x.de", "city": "Bonn"}));
    let merged = merged(base, ours, theirs, &Times::default(), &Policies::default());
    assert_eq!(merged, Merged { fields: of(json!({"email": "b@x.de", "city": "Bonn"})), conflicts: vec![] });
}

#[test]
fn each_tag_is_a_matter_of_its_own() {
    let (base, ours) = (json!({"tags.a": true, "tags.b": true}), json!({"tags.a": true, "tags.c": true}));
    let theirs = json!({"tags.a": true, "tags.b": true, "tags.d": true});
    let merged = merged(base, ours, theirs, &Times::default(), &Policies::default());
    assert_eq!(merged.fields, of(json!({"tags.a": true, "tags.c": true, "tags.d": true})));
    assert_eq!(merged.conflicts, []);
}

#[test]
fn what_ghl_only_rewrote_is_no_edit_and_its_form_is_taken() {
    let (base, theirs) = (json!({"phone": "0151 2345678"}), json!({"phone": "+491512345678"}));
    let merged = merged(base.clone(), base, theirs.clone(), &Times::default(), &only(Policy::Clienty));
    assert_eq!(merged, Merged { fields: of(theirs), conflicts: vec![] });
}

#[test]
fn the_policy_decides_and_the_conflict_tells_all_three_values() {
    let conflict = |winner| Conflict {
        field: "city".to_owned(),
        base: json!("Berlin"),
        ours: json!("Bonn"),
        theirs: json!("Köln"),
        winner,
    };
    for (policy, winner, city) in [(Policy::Ghl, Side::Ghl, "Köln"), (Policy::Clienty, Side::Clienty, "Bonn")] {
        let (base, ours, theirs) = (json!({"city": "Berlin"}), json!({"city": "Bonn"}), json!({"city": "Köln"}));
        let merged = merged(base, ours, theirs, &Times::default(), &only(policy));
        assert_eq!(merged, Merged { fields: of(json!({"city": city})), conflicts: vec![conflict(winner)] });
    }
}

#[test]
fn the_newest_edit_of_the_field_wins_and_ours_where_ghl_tells_no_time() {
    let ours_at = BTreeMap::from([("city".to_owned(), 5_000), ("email".to_owned(), 9_000)]);
    let newest = |field: &str, theirs: Option<i64>| {
        let theirs = theirs.map(|ms| Timestamp::from_millisecond(ms).unwrap());
        let times = Times { ours: Some(&ours_at), theirs };
        merged(json!({field: "a"}), json!({field: "b"}), json!({field: "c"}), &times, &Policies::default()).conflicts[0]
            .winner
    };
    assert_eq!(newest("city", Some(6_000)), Side::Ghl);
    assert_eq!(newest("email", Some(6_000)), Side::Clienty, "another field's later edit does not count");
    assert_eq!(newest("city", Some(5_000)), Side::Clienty);
    assert_eq!(newest("city", None), Side::Clienty);
}

#[test]
fn the_longest_name_that_fits_tells_the_policy() {
    let set = |name: &str, policy| (name.to_owned(), policy);
    let fields = BTreeMap::from([set("contact", Policy::Clienty), set("contact.tags", Policy::Ghl)]);
    let policies = Policies { default: Policy::Newest, fields };
    assert_eq!(policies.of("contact", "email"), Policy::Clienty);
    assert_eq!(policies.of("contact", "tags.vip"), Policy::Ghl);
    assert_eq!(policies.of("task", "title"), Policy::Newest);
}

fn side() -> impl Strategy<Value = Fields> {
    btree_map("[ab]|tags\\.[xy]", "[abc]?".prop_map(|text| json!(text)), 0..4).prop_map(|mut fields| {
        fields.retain(|_, value| !fields::is_nothing(value));
        fields
    })
}

proptest! {
    /// After a merge GHL is sent what differs from it; then both are equal, and merging again has nothing left to decide.
    #[test]
    fn a_merge_ends_with_one_state_that_stays(base in side(), ours in side(), theirs in side(), policy in 0..3) {
        let policies = only([Policy::Newest, Policy::Ghl, Policy::Clienty][usize::try_from(policy).unwrap()]);
        let first = merge("contact", &base, &ours, &theirs, &Times::default(), &policies, &Prints::default());
        let again = merge("contact", &theirs, &first.fields, &theirs, &Times::default(), &policies, &Prints::default());
        prop_assert_eq!(&again.fields, &first.fields);
        prop_assert_eq!(again.conflicts, vec![]);
        let agreed = merge("contact", &first.fields, &first.fields, &first.fields, &Times::default(), &policies, &Prints::default());
        prop_assert_eq!(agreed.fields, first.fields);
    }

    /// No value appears that neither side has, and none is lost that only one side touched.
    #[test]
    fn a_merge_invents_and_loses_nothing(base in side(), ours in side(), theirs in side()) {
        let merged = merge("contact", &base, &ours, &theirs, &Times::default(), &Policies::default(), &Prints::default());
        for name in base.keys().chain(ours.keys()).chain(theirs.keys()) {
            let [before, our, their, now] = [&base, &ours, &theirs, &merged.fields].map(|side| fields::value(side, name));
            prop_assert!(now == our || now == their);
            if our == before { prop_assert_eq!(&now, &their) }
            if their == before { prop_assert_eq!(&now, &our) }
            let told = merged.conflicts.iter().any(|conflict| conflict.field == *name);
            prop_assert_eq!(told, our != before && their != before && our != their);
        }
    }
}

use proptest::collection::btree_map;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn of(fields: Value) -> Fields {
    serde_json::from_value(fields).unwrap()
}

fn merged(base: Value, ours: Value, theirs: Value, times: &Times<'_>, policies: &Policies) -> Merged {
    merge("contact", &[], &of(base), &of(ours), &of(theirs), times, policies, &Fingerprints::default())
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
fn the_policy_decides_and_the_conflict_reports_all_three_values() {
    let conflict = |winner| Conflict {
        field: "city".to_owned(),
        base: json!("Berlin"),
        ours: json!("Bonn"),
        theirs: json!("Köln"),
        winner,
        ours_at: None,
        theirs_at: None,
    };
    for (policy, winner, city) in [(Policy::Ghl, Side::Ghl, "Köln"), (Policy::Clienty, Side::Clienty, "Bonn")] {
        let (base, ours, theirs) = (json!({"city": "Berlin"}), json!({"city": "Bonn"}), json!({"city": "Köln"}));
        let merged = merged(base, ours, theirs, &Times::default(), &only(policy));
        assert_eq!(merged, Merged { fields: of(json!({"city": city})), conflicts: vec![conflict(winner)] });
    }
}

#[test]
fn what_no_person_said_loses_against_any_other_edit_and_is_no_conflict() {
    let ours_at = BTreeMap::from([("city".to_owned(), OF_A_MACHINE)]);
    let times = Times { ours: Some(&ours_at), theirs: None };
    for policy in [Policy::Newest, Policy::Ghl, Policy::Clienty] {
        let sides = |theirs: Value| merged(json!({}), json!({"city": "Bonn"}), theirs, &times, &only(policy));
        assert_eq!(sides(json!({"city": "Köln"})), Merged { fields: of(json!({"city": "Köln"})), conflicts: vec![] });
        assert_eq!(sides(json!({})).fields, of(json!({"city": "Bonn"})), "nothing stands against it");
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

/// Both edited the city, we at 5,000, and GHL what is in `more` as well; what GHL reported times, who wins, and which time the conflict reports.
#[test]
fn the_newest_edit_of_the_field_wins_and_ours_where_ghl_reports_no_time() {
    let ours_at = BTreeMap::from([("city".to_owned(), 5_000), ("email".to_owned(), 9_000)]);
    let reported = |city: Option<i64>, not_before: Option<i64>, not_after: Option<i64>| TheirTimes {
        fields: city.map(|ms| ("city".to_owned(), at(ms))).into_iter().collect(),
        not_before: not_before.map(at),
        not_after: not_after.map(at),
    };
    let (alone, tagged) = (json!({}), json!({"tags.vip": true}));
    let table = [
        (&alone, reported(Some(6_000), None, None), Side::Ghl, Some(6_000)),
        (&alone, reported(Some(4_000), None, None), Side::Clienty, Some(4_000)),
        (&alone, reported(Some(5_000), None, None), Side::Clienty, Some(5_000)),
        (&alone, reported(None, None, None), Side::Clienty, None),
        // The record's last change is that of the only field that changed, and not of one beside which another changed.
        (&alone, reported(None, None, Some(6_000)), Side::Ghl, Some(6_000)),
        (&tagged, reported(None, None, Some(6_000)), Side::Clienty, None),
        (&tagged, reported(Some(4_000), None, Some(6_000)), Side::Clienty, Some(4_000)),
        (&tagged, reported(Some(6_000), None, Some(8_000)), Side::Ghl, Some(6_000)),
        // Whatever GHL changed since a state that is newer than our edit is newer, too.
        (&tagged, reported(None, Some(6_000), Some(8_000)), Side::Ghl, None),
        (&tagged, reported(None, Some(4_000), Some(8_000)), Side::Clienty, None),
    ];
    for (more, reported, winner, theirs_at) in table {
        let mut theirs = of(json!({"city": "c"}));
        theirs.extend(of(more.clone()));
        let times = Times { ours: Some(&ours_at), theirs: Some(&reported) };
        let (base, ours) = (of(json!({"city": "a"})), of(json!({"city": "b"})));
        let merged =
            merge("contact", &[], &base, &ours, &theirs, &times, &Policies::default(), &Fingerprints::default());
        let conflict = &merged.conflicts[0];
        let expected = (winner, Some(5_000), theirs_at.map(at));
        assert_eq!((conflict.winner, conflict.ours_at, conflict.theirs_at), expected, "{reported:?} beside {more}");
    }
}

#[test]
fn a_field_has_the_time_at_which_it_was_first_reported_to_read_as_it_does() {
    let reported = |ms: i64, fields: Value| (at(ms), of(fields));
    let events = vec![
        reported(10, json!({"city": "Ulm", "state": "BW"})),
        reported(40, json!({"city": "Bonn", "state": "BW", "country": null})),
        reported(20, json!({"city": "Köln", "state": "BW"})),
        reported(30, json!({"city": "Bonn", "email": "a@x.de"})),
    ];
    let now = of(json!({"city": "Bonn", "state": "BW", "email": "b@x.de"}));
    let first = first_reported(&now, events, &Fingerprints::default());
    let expected = [("city", 30), ("country", 40), ("state", 10)].map(|(name, ms)| (name.to_owned(), at(ms)));
    assert_eq!(first, BTreeMap::from(expected), "of an e-mail that no event tells nobody knows the time");
}

const TIMES: [&str; 2] = ["startTime", "endTime"];

fn times(start: u8, end: u8) -> Fields {
    let at = |hour: u8| json!(format!("2026-03-01T{hour:02}:00:00Z"));
    of(json!({"startTime": at(start), "endTime": at(end)}))
}

/// A start and an end are one: whoever wins has both, and one conflict reports both.
#[test]
fn fields_that_belong_together_are_decided_as_one() {
    let base = times(10, 11);
    let table = [
        // ours, theirs, whether both changed it
        (times(10, 12), times(14, 15), true),
        (times(9, 11), times(10, 12), true),
        (times(9, 10), times(14, 15), true),
        (times(10, 11), times(14, 15), false),
        (times(10, 12), times(10, 11), false),
        (times(14, 15), times(14, 15), false),
    ];
    for (ours, theirs, is_disputed) in table {
        for (policy, winner) in [(Policy::Ghl, &theirs), (Policy::Clienty, &ours)] {
            let policies =
                Policies { fields: [("appointment.endTime".to_owned(), policy)].into(), ..only(Policy::Newest) };
            let (none, at) = (Fingerprints::default(), Times::default());
            let merged = merge("appointment", &TIMES, &base, &ours, &theirs, &at, &policies, &none);
            let expected = match (is_disputed, ours == base) {
                (true, _) => winner,
                (false, true) => &theirs,
                (false, false) => &ours,
            };
            assert_eq!(merged.fields, *expected, "{ours:?} and {theirs:?}");
            let reported: Vec<_> =
                merged.conflicts.iter().map(|one| (one.field.as_str(), &one.ours, &one.theirs)).collect();
            let disputed = ("startTime", &json!(ours), &json!(theirs));
            assert_eq!(reported, if is_disputed { vec![disputed] } else { vec![] });
        }
    }
}

#[test]
fn the_longest_name_that_fits_reports_the_policy() {
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
        let first = merge("contact", &[], &base, &ours, &theirs, &Times::default(), &policies, &Fingerprints::default());
        let again = merge("contact", &[], &theirs, &first.fields, &theirs, &Times::default(), &policies, &Fingerprints::default());
        prop_assert_eq!(&again.fields, &first.fields);
        prop_assert_eq!(again.conflicts, vec![]);
        let agreed = merge("contact", &[], &first.fields, &first.fields, &first.fields, &Times::default(), &policies, &Fingerprints::default());
        prop_assert_eq!(agreed.fields, first.fields);
    }

    /// What is possible on both sides is possible after the merge: an end stays after its start.
    #[test]
    fn a_merge_ends_no_appointment_before_it_starts(hours in proptest::array::uniform6(0_u8..20), policy in 0..3) {
        let policies = only([Policy::Newest, Policy::Ghl, Policy::Clienty][usize::try_from(policy).unwrap()]);
        let side = |at: usize| times(hours[at], hours[at] + 1 + hours[at + 1] % 4);
        let (base, ours, theirs) = (side(0), side(2), side(4));
        let merged = merge("appointment", &TIMES, &base, &ours, &theirs, &Times::default(), &policies, &Fingerprints::default());
        let [start, end] = TIMES.map(|name| merged.fields[name].as_str().unwrap().to_owned());
        prop_assert!(start < end);
        prop_assert!(merged.fields == ours || merged.fields == theirs);
    }

    /// No value appears that neither side has, and none is lost that only one side touched.
    #[test]
    fn a_merge_invents_and_loses_nothing(base in side(), ours in side(), theirs in side()) {
        let merged = merge("contact", &[], &base, &ours, &theirs, &Times::default(), &Policies::default(), &Fingerprints::default());
        for name in base.keys().chain(ours.keys()).chain(theirs.keys()) {
            let [before, our, their, now] = [&base, &ours, &theirs, &merged.fields].map(|side| fields::value(side, name));
            prop_assert!(now == our || now == their);
            if our == before { prop_assert_eq!(&now, &their) }
            if their == before { prop_assert_eq!(&now, &our) }
            let reported = merged.conflicts.iter().any(|conflict| conflict.field == *name);
            prop_assert_eq!(reported, our != before && their != before && our != their);
        }
    }
}

//! How a contact of a producer gets into GHL, with the fewest calls.
//!
//! `base` is what GHL is known to hold, and only what differs from it is sent, so an edit made in GHL to another field survives. Tags go
//! by routes of their own: in an update they would replace all, and with them a tag that someone just added.

use serde_json::Value;

use super::echo::Fingerprints;
use super::fields::{Fields, difference};
use crate::record::is_key;

/// GHL takes it with a create, and with no update.
const ONLY_CREATED: &str = "companyName";

/// What to send.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ContactPlan {
    /// To change in one call; null takes away.
    pub update: Fields,
    /// Tags to add, in one call.
    pub add_tags: Vec<String>,
    /// Tags to take away, in one call.
    pub remove_tags: Vec<String>,
    /// What no call can change: a company, a custom field that the location does not have.
    pub unsendable: Fields,
}

impl ContactPlan {
    /// Calls that it takes.
    #[must_use]
    pub fn calls(&self) -> u32 {
        u32::from(!self.update.is_empty())
            + u32::from(!self.add_tags.is_empty())
            + u32::from(!self.remove_tags.is_empty())
    }

    /// All that it asks for, in the words of [`Fields`].
    #[must_use]
    pub fn asked(&self) -> Fields {
        let added = self.add_tags.iter().map(|tag| (format!("tags.{tag}"), Value::Bool(true)));
        let removed = self.remove_tags.iter().map(|tag| (format!("tags.{tag}"), Value::Null));
        let own = self.update.iter().chain(&self.unsendable).map(|(name, value)| (name.clone(), value.clone()));
        own.chain(added).chain(removed).collect()
    }
}

/// The calls that make GHL, which holds `base`, hold `wanted`. What `prints` know as GHL's form of it is no difference.
#[must_use]
pub fn plan(wanted: &Fields, base: &Fields, fingerprints: &Fingerprints) -> ContactPlan {
    let mut plan = ContactPlan::default();
    for (name, value) in difference(base, wanted) {
        if let Some(tag) = name.strip_prefix("tags.") {
            let list = if value.is_null() { &mut plan.remove_tags } else { &mut plan.add_tags };
            list.push(tag.to_owned());
        } else if name == ONLY_CREATED || name.strip_prefix("customFields.").is_some_and(is_key) {
            plan.unsendable.insert(name, value);
        } else if !fingerprints.same(&name, &value, base.get(&name).unwrap_or(&Value::Null)) {
            plan.update.insert(name, value);
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decide::same::Habits;

    fn of(fields: Value) -> Fields {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn only_what_differs_is_sent_and_tags_by_their_own_calls() {
        let base =
            of(json!({"email": "a@x.de", "city": "Berlin", "phone": "+491512345678", "tags.a": true, "tags.b": true}));
        let wanted = of(
            json!({"email": "b@x.de", "phone": "0151 2345678", "tags.b": true, "tags.c": true, "companyName": "Deo"}),
        );
        let germany = Fingerprints::default().in_location(Habits::of(Some("DE"), None));
        let plan = plan(&wanted, &base, &germany);
        let expected = ContactPlan {
            update: of(json!({"email": "b@x.de", "city": null})),
            add_tags: vec!["c".to_owned()],
            remove_tags: vec!["a".to_owned()],
            unsendable: of(json!({"companyName": "Deo"})),
        };
        assert_eq!((plan.calls(), &plan), (3, &expected));
        assert_eq!(
            plan.asked(),
            of(json!({"email": "b@x.de", "city": null, "tags.c": true, "tags.a": null, "companyName": "Deo"}))
        );
    }

    /// An edit that another country's number hides is lost on both sides.
    #[test]
    fn a_national_phone_is_sent_unless_it_is_known_to_be_the_one_that_ghl_has() {
        let (base, wanted) = (of(json!({"phone": "+917894563210"})), of(json!({"phone": "(789) 456-3210"})));
        let calls = |fingerprints: &Fingerprints| plan(&wanted, &base, fingerprints).calls();
        let in_country = |country| Fingerprints::default().in_location(Habits::of(country, None));
        assert_eq!(
            (calls(&in_country(Some("US"))), calls(&in_country(None)), calls(&in_country(Some("IN")))),
            (1, 1, 0)
        );
        let mut answered = in_country(None);
        answered.remember(&wanted, &base);
        assert_eq!(calls(&answered), 0);
    }

    #[test]
    fn a_code_with_a_leading_zero_is_sent() {
        let field = |value: &str| of(json!({"customFields.f": value}));
        assert_eq!(plan(&field("0123456789"), &field("123456789"), &Fingerprints::default()).calls(), 1);
    }

    #[test]
    fn what_ghl_has_so_costs_no_call() {
        let base = of(json!({"email": "a@x.de", "phone": "+491512345678"}));
        assert_eq!(plan(&base, &base, &Fingerprints::default()), ContactPlan::default());
        assert_eq!(
            plan(&of(json!({"email": "A@x.de", "phone": "+491512345678"})), &base, &Fingerprints::default()).calls(),
            0
        );
    }
}

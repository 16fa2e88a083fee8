//! Who is who: whether two contacts are one person, and which contact two ids mean (law 17).
//!
//! A mistake in either direction harms somebody: who is taken for another is overwritten and deleted as that other; who is not recognized is there
//! twice. So what contradicts is never the same, whatever else agrees, and an id that was sent always counts.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{Fields, fields, is_nothing, value};
use super::match_lost_create::predates;
use super::same::answers;
use crate::record::Contact;

/// What GHL keeps unique, where a location allows no duplicates.
pub const UNIQUE: [&str; 2] = ["email", "phone"];

/// Whether two contacts are one person, as far as they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// They share an identifier, and none differs.
    Same,
    /// An identifier of the one is not the other's.
    Contradicts,
    /// They have no identifier in common.
    Unknown,
}

/// Compares by e-mail and phone. Families and firms share a phone: if it alone agrees, the names must agree, too.
#[must_use]
pub fn compare(ours: &Contact, theirs: &Contact) -> Identity {
    let (ours, theirs) = (fields(ours), fields(theirs));
    let [email, phone] = UNIQUE.map(|name| agree(name, &ours, &theirs));
    let named_otherwise = ["firstName", "lastName"].iter().any(|name| agree(name, &ours, &theirs) == Some(false));
    match (email, phone) {
        (Some(false), _) | (_, Some(false)) => Identity::Contradicts,
        (Some(true), _) => Identity::Same,
        (None, Some(true)) if named_otherwise => Identity::Contradicts,
        (None, Some(true)) => Identity::Same,
        (None, None) => Identity::Unknown,
    }
}

/// The identifiers that both have.
#[must_use]
pub fn shared(ours: &Contact, theirs: &Contact) -> Vec<&'static str> {
    let (ours, theirs) = (fields(ours), fields(theirs));
    UNIQUE.into_iter().filter(|name| agree(name, &ours, &theirs) == Some(true)).collect()
}

/// Whether both have the field and mean the same; none where one of them lacks it.
fn agree(name: &str, ours: &Fields, theirs: &Fields) -> Option<bool> {
    let (ours, theirs) = (value(ours, name), value(theirs, name));
    let lower = |value: &Value| value.as_str().map_or_else(|| value.clone(), |text| text.to_lowercase().into());
    let has_both = !is_nothing(&ours) && !is_nothing(&theirs);
    has_both.then(|| answers(name, &lower(&ours), &lower(&theirs)))
}

/// What an id names here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Nothing that is known. GHL may have it.
    Unknown,
    /// A contact that GHL is yet to get; `in_doubt`: it may have got it.
    Pending {
        /// Whether a create was sent and not answered.
        in_doubt: bool,
    },
    /// A contact of GHL's.
    Known,
    /// A contact that was deleted on either side; `in_doubt`: its create was sent and not answered.
    Hidden {
        /// Whether a create was sent and not answered.
        in_doubt: bool,
    },
}

/// What an event means that names a contact by a `contactId` and by Clienty's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    /// The one contact that both name.
    One,
    /// The contact of the `contactId`; Clienty's id leads to it from now on.
    Link,
    /// GHL has the pending contact of Clienty's id under the `contactId`.
    Join,
    /// Nobody can say yet.
    InDoubt,
    /// Two contacts.
    Contradiction,
}

/// What the two ids mean together, where `is_one` reports that they name one row. No id that was sent is passed over: either both lead to one contact
/// afterwards, or the event is refused. Who deletes has to be understood at once: no id is moved by it.
#[must_use]
pub fn meant(contact: Named, clienty: Named, is_one: bool, deletes: bool) -> Meant {
    match (contact, clienty) {
        _ if is_one => Meant::One,
        (_, Named::Unknown) => Meant::Link,
        (Named::Unknown, Named::Pending { .. }) | (Named::Known, Named::Pending { in_doubt: false }) => Meant::Join,
        (Named::Known, Named::Pending { in_doubt: true }) => Meant::InDoubt,
        // The contact went, and its id is free for the one that has taken its place, as where GHL merged the two.
        (Named::Unknown | Named::Known | Named::Pending { .. }, Named::Hidden { in_doubt }) if !deletes => {
            if in_doubt {
                Meant::InDoubt
            } else {
                Meant::Link
            }
        }
        _ => Meant::Contradiction,
    }
}

/// What is remembered of an erased person whose create was never answered, so that the contact is known once GHL shows it. Salted hashes: enough to
/// compare with, and nothing to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Awaited {
    at_ms: i64,
    #[serde(rename = "prints")]
    fingerprints: Vec<String>,
}

/// So long after its announcement a create may have been carried out, by GHL's clock.
const ARRIVES_WITHIN: SignedDuration = SignedDuration::from_mins(30);

impl Awaited {
    /// Of the create of `sent` that was announced at `at_ms`.
    #[must_use]
    pub fn of(sent: &Contact, at_ms: i64, salt: &str) -> Self {
        Self { at_ms, fingerprints: fingerprints(sent, salt) }
    }

    /// Whether `theirs` may be what the create made.
    #[must_use]
    pub fn fits(&self, theirs: &Contact, salt: &str) -> bool {
        let Self { at_ms, fingerprints: awaited } = self;
        let until = Timestamp::from_millisecond(*at_ms).ok().and_then(|at| at.checked_add(ARRIVES_WITHIN).ok());
        let is_later = theirs.date_added.zip(until).is_some_and(|(added, until)| added > until);
        let is_older = predates(theirs.date_added, Some(*at_ms));
        let shown = fingerprints(theirs, salt);
        !is_later && !is_older && awaited.iter().any(|print| shown.contains(print))
    }
}

/// One hash for each identifier; of who has none, for the name.
fn fingerprints(contact: &Contact, salt: &str) -> Vec<String> {
    let Contact { email, phone, first_name, last_name, company_name, .. } = contact;
    let own_digits = |phone: &String| {
        let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
        digits[digits.len().saturating_sub(OWN_DIGITS)..].iter().collect::<String>()
    };
    let named = [first_name, last_name, company_name].map(|part| part.as_deref().unwrap_or_default().trim());
    let parts = [
        ("email", email.as_ref().map(|email| email.trim().to_lowercase())),
        ("phone", phone.as_ref().map(own_digits)),
        ("name", Some(named.join(" ").to_lowercase()).filter(|_| email.is_none() && phone.is_none())),
    ];
    let hash = |(kind, text): (&str, String)| {
        let hash = digest(&SHA256, format!("{salt} {kind} {text}").as_bytes());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let said = parts.into_iter().filter_map(|(kind, text)| Some((kind, text?)));
    said.filter(|(_, text)| !text.trim().is_empty()).map(hash).collect()
}

/// Digits that report one phone from another; GHL puts a country before them.
const OWN_DIGITS: usize = 7;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contact(fields: Value) -> Contact {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn what_one_identifier_says_another_may_contradict() {
        let ann = contact(json!({"firstName": "Ann", "email": "ann@x.de", "phone": "+14155550101"}));
        for (ours, expected) in [
            (json!({"email": "ANN@x.de"}), Identity::Same),
            (json!({"email": "ann@x.de", "firstName": "Annie"}), Identity::Same),
            (json!({"phone": "(415) 555-0101"}), Identity::Same),
            (json!({"phone": "+14155550101", "firstName": "ann"}), Identity::Same),
            (json!({"phone": "+14155550101", "firstName": "Bob"}), Identity::Contradicts),
            (json!({"phone": "+14155550101", "email": "bob@x.de"}), Identity::Contradicts),
            (json!({"phone": "+14155550999", "email": "ann@x.de"}), Identity::Contradicts),
            (json!({"firstName": "Ann"}), Identity::Unknown),
            (json!({"email": ""}), Identity::Unknown),
        ] {
            assert_eq!(compare(&contact(ours.clone()), &ann), expected, "{ours}");
        }
        assert_eq!(shared(&contact(json!({"phone": "+14155550101", "email": "bob@x.de"})), &ann), ["phone"]);
    }

    const PENDING: Named = Named::Pending { in_doubt: false };
    const HIDDEN: Named = Named::Hidden { in_doubt: false };
    const ALL: [Named; 4] = [Named::Known, Named::Unknown, PENDING, HIDDEN];

    #[test]
    fn every_pair_of_ids_is_one_contact_or_a_contradiction() {
        use Meant::{Contradiction as No, Join, Link};
        // By contactId; by Clienty's id: known, unknown, pending, hidden.
        let table = [
            (Named::Known, [No, Link, Join, Link], [No, Link, Join, No]),
            (Named::Unknown, [No, Link, Join, Link], [No, Link, Join, No]),
            (PENDING, [No, Link, No, Link], [No, Link, No, No]),
            (HIDDEN, [No, Link, No, No], [No, Link, No, No]),
        ];
        for (contact, edited, deleted) in table {
            for (index, clienty) in ALL.into_iter().enumerate() {
                assert_eq!(meant(contact, clienty, false, false), edited[index], "{contact:?} {clienty:?}");
                assert_eq!(meant(contact, clienty, false, true), deleted[index], "{contact:?} {clienty:?}, deleted");
                assert_eq!(meant(contact, clienty, true, true), Meant::One);
            }
        }
        for in_doubt in [Named::Pending { in_doubt: true }, Named::Hidden { in_doubt: true }] {
            assert_eq!(meant(Named::Known, in_doubt, false, false), Meant::InDoubt);
        }
    }

    #[test]
    fn an_awaited_contact_is_known_by_hashes_within_its_time() {
        let at = Timestamp::from_second(1_772_355_600).unwrap();
        let sent = contact(json!({"firstName": "Ada", "email": "ada@x.de", "phone": "0151 2345678"}));
        let awaited = Awaited::of(&sent, at.as_millisecond(), "salt");
        let shown = |seconds: i64, fields: Value| Contact {
            date_added: Some(at + SignedDuration::from_secs(seconds)),
            ..contact(fields)
        };
        assert!(awaited.fits(&shown(1, json!({"email": "Ada@x.de"})), "salt"));
        assert!(awaited.fits(&shown(1, json!({"phone": "+491512345678"})), "salt"));
        assert!(awaited.fits(&contact(json!({"email": "ada@x.de"})), "salt"));
        assert!(!awaited.fits(&shown(1, json!({"email": "ada@x.de"})), "another salt"));
        assert!(!awaited.fits(&shown(1, json!({"firstName": "Ada"})), "salt"), "a name is none of her identifiers");
        for away in [-86_400, 86_400] {
            assert!(!awaited.fits(&shown(away, json!({"email": "ada@x.de"})), "salt"));
        }
        let named = Awaited::of(&contact(json!({"firstName": "Ada", "lastName": "L"})), at.as_millisecond(), "salt");
        assert!(named.fits(&shown(1, json!({"firstName": "ada", "lastName": "l"})), "salt"));
        assert!(!serde_json::to_string(&awaited).unwrap().contains("ada"));
    }
}

//! Which fields GHL's words name.
//!
//! GHL says what it objects to in sentences: `assignedTo must be a valid user`, `Phone number is invalid`, `First name is too long`, `User with id … not
//! found`. A field is named by its own name or by what GHL and people call it, in any spelling: `postalCode`, `postal_code`, `Postal code`. Of one
//! sentence the field that comes first is meant: `phone is not valid for this country` objects to no country.

use std::collections::HashSet;

use crate::words::words_of;

use super::fields::{Fields, Record};

/// What else a field is called, as `contact.phone` or, in every record, `assignedTo`.
const CALLED: [(&str, &[&str]); 17] = [
    ("contact.phone", &["phone number", "mobile number"]),
    ("contact.email", &["email address", "e mail"]),
    ("contact.address1", &["address", "address 1", "street address"]),
    ("contact.postalCode", &["zip code", "post code", "postcode"]),
    ("contact.dateOfBirth", &["birth date", "birthday", "dob"]),
    ("contact.timezone", &["time zone"]),
    ("contact.companyName", &["company"]),
    ("contact.website", &["web site"]),
    ("contact.customFields", &["custom field", "custom field value"]),
    ("contact.tags", &["tag"]),
    ("note.noteText", &["body", "note text"]),
    ("task.body", &["description"]),
    ("appointment.status", &["appointment status", "appoinment status"]),
    ("appointment.notes", &["description"]),
    ("appointment.calendarId", &["calendar"]),
    ("appointment.startTime", &["start date", "slot"]),
    ("appointment.endTime", &["end date"]),
];

/// Words that name a field only where no field is named outright.
const HINTS: [(&str, &[&str]); 6] = [
    ("assignedTo", &["assigned user", "assignee", "user", "owner"]),
    ("assignedUserId", &["assigned user", "assigned to", "assignee", "team member", "user", "owner"]),
    ("userId", &["user", "author"]),
    ("phone", &["mobile"]),
    ("postalCode", &["zip"]),
    ("address1", &["street"]),
];

/// Words that hold the name of a field and speak of something else.
const NO_NAMES: [&[&str]; 4] =
    [&["request", "body"], &["status", "code"], &["body", "must", "be", "a", "json"], &["error", "status"]];

/// The names of those of the fields `asked` that `words`, one sentence each, name.
#[must_use]
pub fn named<'a, R: Record>(asked: &'a Fields, words: &[&str]) -> HashSet<&'a str> {
    let mut named = HashSet::new();
    for text in words.iter().flat_map(|text| text.split([';', '\n'])) {
        // A custom field may be named by its id, of which no other text is the like.
        let tokens: HashSet<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
        let by_id =
            |name: &&'a String| name.split_once('.').is_some_and(|(_, id)| id.len() >= 8 && tokens.contains(id));
        let mut found: Vec<&str> = asked.keys().filter(by_id).map(String::as_str).collect();
        let text = without_other_meanings(words_of(text));
        if found.is_empty() {
            found = first(asked, &text, outright::<R>);
        }
        if found.is_empty() {
            found = first(asked, &text, hints);
        }
        named.extend(found);
    }
    named
}

/// The fields that come first in `text`, by any of the ways in which each is `called`; of two that begin with one word, the longer.
fn first<'a>(asked: &'a Fields, text: &[String], called: fn(&str) -> Vec<Vec<String>>) -> Vec<&'a str> {
    let place = |name: &str| {
        let places = called(name).into_iter().filter_map(|called| Some((place_of(&called, text)?, called.len())));
        places.min_by_key(|(at, length)| (*at, usize::MAX - length))
    };
    let places: Vec<_> = asked.keys().filter_map(|name| Some((name.as_str(), place(name)?))).collect();
    let Some(first) = places.iter().map(|(_, (at, length))| (*at, usize::MAX - length)).min() else {
        return Vec::new();
    };
    places.into_iter().filter(|(_, (at, length))| (*at, usize::MAX - length) == first).map(|(name, _)| name).collect()
}

fn place_of(called: &[String], text: &[String]) -> Option<usize> {
    text.windows(called.len()).position(|words| words == called)
}

fn outright<R: Record>(name: &str) -> Vec<Vec<String>> {
    let name = name.split('.').next().unwrap_or(name);
    let full = format!("{}.{name}", R::NAME);
    let others = CALLED.iter().filter(|(field, _)| *field == full).flat_map(|(_, called)| called.iter().copied());
    std::iter::once(name).chain(others).map(words_of).collect()
}

fn hints(name: &str) -> Vec<Vec<String>> {
    HINTS
        .iter()
        .filter(|(field, _)| *field == name)
        .flat_map(|(_, called)| called.iter().copied().map(words_of))
        .collect()
}

fn without_other_meanings(mut words: Vec<String>) -> Vec<String> {
    for phrase in NO_NAMES {
        while let Some(at) = words.windows(phrase.len()).position(|words| words.iter().eq(phrase.iter())) {
            words.drain(at..at + phrase.len());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::{Appointment, Contact, Note, Task};

    fn all(names: &[&str]) -> Fields {
        names.iter().map(|name| ((*name).to_owned(), json!("x"))).collect()
    }

    fn reported<R: Record>(names: &[&str], words: &str) -> Vec<String> {
        let asked = all(names);
        let mut named: Vec<_> = named::<R>(&asked, &[words]).into_iter().map(str::to_owned).collect();
        named.sort();
        named
    }

    #[test]
    fn a_contacts_field_is_named_in_every_wording() {
        let names = [
            "firstName",
            "lastName",
            "email",
            "phone",
            "address1",
            "city",
            "state",
            "country",
            "postalCode",
            "website",
            "timezone",
            "source",
            "assignedTo",
            "dateOfBirth",
            "dnd",
            "companyName",
            "tags.vip",
            "customFields.aB3dE5fG7h",
            "customFields.zZ3dE5fG7h",
        ];
        let both = ["customFields.aB3dE5fG7h", "customFields.zZ3dE5fG7h"];
        for (words, expected) in [
            ("email must be an email", &["email"][..]),
            ("Email is invalid", &["email"]),
            ("Email address is invalid", &["email"]),
            ("E-mail … is invalid", &["email"]),
            ("EMAIL IS INVALID", &["email"]),
            ("phone is not valid for this country", &["phone"]),
            ("Phone number is invalid", &["phone"]),
            ("Invalid phone number", &["phone"]),
            ("The mobile … can't be called", &["phone"]),
            ("Invalid country calling code", &["country"]),
            ("firstName must be shorter than or equal to 100 characters", &["firstName"]),
            ("First name is too long", &["firstName"]),
            ("first_name is too long", &["firstName"]),
            ("Postal code is invalid", &["postalCode"]),
            ("postalCode is invalid", &["postalCode"]),
            ("zip … is invalid", &["postalCode"]),
            ("Invalid date of birth", &["dateOfBirth"]),
            ("dateOfBirth must be a valid ISO 8601 date string", &["dateOfBirth"]),
            ("address1 must be a string", &["address1"]),
            ("Address is too long", &["address1"]),
            ("timezone must be a valid timezone", &["timezone"]),
            ("Time zone is unknown", &["timezone"]),
            ("assignedTo must be a valid user", &["assignedTo"]),
            ("User with id … not found", &["assignedTo"]),
            ("each value in tags must be a string", &["tags.vip"]),
            ("customFields must be objects", &both),
            ("customFields.0.field_value must be a string", &both),
            ("Custom field zZ3dE5fG7h does not accept this value", &["customFields.zZ3dE5fG7h"]),
            ("property companyName should not exist", &["companyName"]),
            ("website must be a URL address", &["website"]),
            // Of several sentences each names its own.
            ("email must be an email; phone must be a phone", &["email", "phone"]),
            // What names none.
            ("Invalid field additionalEmails", &[]),
            ("Request failed with status code 400", &[]),
            ("Something went wrong, please try again", &[]),
            ("Bad Request", &[]),
            ("", &[]),
        ] {
            assert_eq!(reported::<Contact>(&names, words), expected, "{words}");
        }
    }

    #[test]
    fn a_field_of_a_task_a_note_or_an_appointment_is_named_as_ghl_calls_it() {
        let task = ["title", "body", "dueDate", "assignedTo", "completed"];
        for (words, expected) in [
            ("assignedTo must be a valid user", &["assignedTo"][..]),
            ("Assignee does not exist", &["assignedTo"]),
            ("Due date is in the past", &["dueDate"]),
            ("dueDate must be a valid ISO 8601 date string", &["dueDate"]),
            ("Body is too long", &["body"]),
            ("Invalid request body", &[]),
            ("title should not be empty", &["title"]),
        ] {
            assert_eq!(reported::<Task>(&task, words), expected, "{words}");
        }
        for (words, expected) in [
            ("body must be a string", &["noteText"][..]),
            ("userId must be a user", &["userId"]),
            ("User with id … not found", &["userId"]),
        ] {
            assert_eq!(reported::<Note>(&["noteText", "userId"], words), expected, "{words}");
        }
        let appointment =
            ["title", "status", "startTime", "endTime", "address", "notes", "assignedUserId", "calendarId"];
        for (words, expected) in [
            ("appointmentStatus must be one of: new, confirmed", &["status"][..]),
            ("Request failed with status code 422", &[]),
            ("The slot you have selected is no longer available.", &["startTime"]),
            ("assignedUserId is not part of the calendar team", &["assignedUserId"]),
            ("Assigned user is not on the team", &["assignedUserId"]),
            ("description must be a string", &["notes"]),
            ("address is not allowed for this calendar", &["address"]),
            ("calendarId is unknown", &["calendarId"]),
        ] {
            assert_eq!(reported::<Appointment>(&appointment, words), expected, "{words}");
        }
    }
}

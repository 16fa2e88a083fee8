//! A note, both ways. The text is the body as it is, HTML or not: cleaning it here would write the cleaning back.

use ::ghl::model as ghl;
use jiff::tz::TimeZone;
use sync_model::decide::absent::{Absent, Unread};
use sync_model::decide::push_note::NoteChanges;
use sync_model::record::Note;

use super::take;

/// The note in Clienty's words. It was read for `contact_id`; whether a producer knows it by an id of its own is not in
/// GHL, so `clienty_note_id` is none.
#[must_use]
pub fn from_ghl(note: ghl::Note, contact_id: &str) -> Note {
    let ghl::Note { id, body, user_id, date_added, contact_id: reported_contact_id } = note;
    let mut absent = Absent::default();
    Note {
        note_id: Some(id),
        clienty_note_id: None,
        contact_id: reported_contact_id.unwrap_or_else(|| contact_id.to_owned()),
        note_text: take("noteText", body, &mut absent).unwrap_or_default(),
        user_id: take("userId", user_id, &mut absent),
        created_at: take("createdAt", date_added.and_then(|time| time.instant_in(&TimeZone::UTC)), &mut absent),
        unread: Unread::new(),
        absent,
    }
}

/// The body that creates `note`. When it was created is GHL's to say.
#[must_use]
pub fn to_new(note: &Note) -> ghl::NewNote {
    let Note { note_id: _, clienty_note_id: _, contact_id: _, note_text, user_id, created_at: _, unread: _, absent: _ } =
        note;
    ghl::NewNote { body: note_text.clone(), user_id: user_id.clone() }
}

/// The body that makes `changes`.
#[must_use]
pub fn to_update(changes: NoteChanges) -> ghl::UpdateNote {
    let NoteChanges { note_text, user_id } = changes;
    ghl::UpdateNote { body: note_text, user_id }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::option;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn note() -> impl Strategy<Value = Note> {
        let created = 0_i64..4_102_444_800_000;
        ("[^\\s]\\PC{0,60}", option::of("[A-Za-z0-9]{20}"), created).prop_map(|(note_text, user_id, created)| Note {
            note_id: Some("n1".to_owned()),
            clienty_note_id: None,
            contact_id: "c1".to_owned(),
            note_text,
            user_id,
            created_at: Some(Timestamp::from_millisecond(created).unwrap()),
            ..Note::default()
        })
    }

    /// What GHL answers to a body: the same, with ids and its date.
    fn answered(body: impl serde::Serialize, created_at: Option<Timestamp>) -> Note {
        let mut reply = serde_json::to_value(body).unwrap();
        reply["id"] = json!("n1");
        reply["contactId"] = json!("c1");
        reply["dateAdded"] = json!(created_at);
        Note { absent: Absent::default(), ..from_ghl(serde_json::from_value(reply).unwrap(), "c1") }
    }

    proptest! {
        #[test]
        fn a_note_comes_back_as_it_was_created(note in note()) {
            prop_assert_eq!(answered(to_new(&note), note.created_at), note);
        }

        #[test]
        fn a_note_comes_back_as_it_was_updated(note in note()) {
            let Note { note_text, user_id, created_at, .. } = note.clone();
            let changes = NoteChanges { note_text: Some(note_text), user_id };
            prop_assert_eq!(answered(to_update(changes), created_at), note);
        }
    }

    #[test]
    fn html_is_left_as_it_is() {
        let html = "<p>Hello &amp; welcome</p>\r\n";
        let note = from_ghl(serde_json::from_value(json!({"id": "n1", "body": html})).unwrap(), "c1");
        assert_eq!(note.note_text, html);
        assert_eq!(to_new(&note).body, html);
    }
}

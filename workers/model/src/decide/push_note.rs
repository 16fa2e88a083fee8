//! How a note of a producer gets into GHL, with the fewest calls.
//!
//! `base` is what GHL is known to hold. The author can be changed but not taken away.

use crate::record::Note;

/// What to send.
#[derive(Debug, Clone, PartialEq)]
pub enum NotePlan {
    /// GHL already has it so.
    Nothing,
    /// Create it.
    Create,
    /// Change these fields.
    Update(NoteChanges),
    /// Delete it.
    Delete,
}

/// The fields that differ, with the values they shall have.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NoteChanges {
    /// The new text.
    pub note_text: Option<String>,
    /// The GHL user who has written it.
    pub user_id: Option<String>,
}

/// The calls that make GHL, which holds `base`, hold `wanted`; or nothing of it, where `deleted`.
#[must_use]
pub fn plan(wanted: &Note, base: Option<&Note>, deleted: bool) -> NotePlan {
    match (base, deleted) {
        (None, true) => NotePlan::Nothing,
        (Some(_), true) => NotePlan::Delete,
        (None, false) => NotePlan::Create,
        (Some(base), false) => {
            let changes = changes(wanted, base);
            if changes == NoteChanges::default() { NotePlan::Nothing } else { NotePlan::Update(changes) }
        }
    }
}

fn changes(wanted: &Note, base: &Note) -> NoteChanges {
    // The ids say which note it is, and its date is GHL's.
    let Note { note_id: _, clienty_note_id: _, contact_id: _, note_text, user_id, created_at: _, unread: _, absent: _ } =
        wanted;
    NoteChanges {
        note_text: (*note_text != base.note_text).then(|| note_text.clone()),
        user_id: user_id.clone().filter(|_| *user_id != base.user_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        Note {
            note_id: Some("n1".to_owned()),
            clienty_note_id: Some("k1".to_owned()),
            contact_id: "c1".to_owned(),
            note_text: "Likes tea".to_owned(),
            user_id: Some("u1".to_owned()),
            created_at: Some("2026-03-01T09:00:00Z".parse().unwrap()),
            ..Note::default()
        }
    }

    #[test]
    fn a_note_that_ghl_lacks_is_created() {
        assert_eq!(plan(&note(), None, false), NotePlan::Create);
    }

    #[test]
    fn a_note_that_ghl_has_so_costs_no_call() {
        let wanted = Note { created_at: None, user_id: None, note_id: None, ..note() };
        assert_eq!(plan(&wanted, Some(&note()), false), NotePlan::Nothing);
    }

    #[test]
    fn only_fields_that_differ_are_sent() {
        let wanted = Note { note_text: "Likes coffee".to_owned(), ..note() };
        let changes = NoteChanges { note_text: Some("Likes coffee".to_owned()), user_id: None };
        assert_eq!(plan(&wanted, Some(&note()), false), NotePlan::Update(changes));
    }

    #[test]
    fn a_deleted_note_is_deleted_once() {
        assert_eq!(plan(&note(), Some(&note()), true), NotePlan::Delete);
        assert_eq!(plan(&note(), None, true), NotePlan::Nothing);
    }
}

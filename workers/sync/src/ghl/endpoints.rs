//! The table of operations: what GHL's documents say of each, in one place.

use reqwest::Method;

use super::endpoint::{Endpoint, Replay};

const V2021_07_28: &str = "2021-07-28";

const CONTACTS_READ: &[&str] = &["contacts.readonly"];
const CONTACTS_WRITE: &[&str] = &["contacts.write"];
const LOCATIONS_READ: &[&str] = &["locations.readonly"];

macro_rules! endpoints {
    ($($(#[$doc:meta])* $name:ident: $operation:literal $method:ident $path:literal $version:ident $scopes:ident $replay:ident;)*) => {
        $(
            $(#[$doc])*
            pub static $name: Endpoint = Endpoint {
                operation: $operation,
                method: Method::$method,
                path: $path,
                version: $version,
                scopes: $scopes,
                replay: Replay::$replay,
            };
        )*

        /// Every operation that the client has.
        pub static ALL: &[&Endpoint] = &[$(&$name),*];
    };
}

endpoints! {
    /// A location, for its time zone.
    GET_LOCATION: "get-location" GET "/locations/{locationId}" V2021_07_28 LOCATIONS_READ Safe;
    /// One contact.
    GET_CONTACT: "get-contact" GET "/contacts/{contactId}" V2021_07_28 CONTACTS_READ Safe;

    /// All tasks of a contact; there is no paging.
    LIST_TASKS: "get-all-tasks" GET "/contacts/{contactId}/tasks" V2021_07_28 CONTACTS_READ Safe;
    /// One task.
    GET_TASK: "get-task" GET "/contacts/{contactId}/tasks/{taskId}" V2021_07_28 CONTACTS_READ Safe;
    /// A new task.
    CREATE_TASK: "create-task" POST "/contacts/{contactId}/tasks" V2021_07_28 CONTACTS_WRITE Guarded;
    /// Changes the named fields of a task.
    UPDATE_TASK: "update-task" PUT "/contacts/{contactId}/tasks/{taskId}" V2021_07_28 CONTACTS_WRITE ReplaySafe;
    /// Completes or reopens a task.
    COMPLETE_TASK: "update-task-completed" PUT "/contacts/{contactId}/tasks/{taskId}/completed" V2021_07_28 CONTACTS_WRITE ReplaySafe;
    /// Deletes a task.
    DELETE_TASK: "delete-task" DELETE "/contacts/{contactId}/tasks/{taskId}" V2021_07_28 CONTACTS_WRITE ReplaySafe;

    /// All notes of a contact; there is no paging.
    LIST_NOTES: "get-all-notes" GET "/contacts/{contactId}/notes" V2021_07_28 CONTACTS_READ Safe;
    /// A new note.
    CREATE_NOTE: "create-note" POST "/contacts/{contactId}/notes" V2021_07_28 CONTACTS_WRITE Guarded;
    /// Changes the named fields of a note.
    UPDATE_NOTE: "update-note" PUT "/contacts/{contactId}/notes/{id}" V2021_07_28 CONTACTS_WRITE ReplaySafe;
    /// Deletes a note.
    DELETE_NOTE: "delete-note" DELETE "/contacts/{contactId}/notes/{id}" V2021_07_28 CONTACTS_WRITE ReplaySafe;

    /// All appointments of a contact.
    LIST_APPOINTMENTS: "get-appointments-for-contact" GET "/contacts/{contactId}/appointments" V2021_07_28 CONTACTS_READ Safe;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_operations_share_a_name() {
        let names: HashSet<_> = ALL.iter().map(|endpoint| endpoint.operation).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn only_reads_are_safe_and_every_post_is_guarded() {
        for endpoint in ALL {
            assert_eq!(endpoint.method == Method::GET, endpoint.replay == Replay::Safe, "{}", endpoint.operation);
            assert_eq!(endpoint.method == Method::POST, endpoint.replay == Replay::Guarded, "{}", endpoint.operation);
        }
    }
}

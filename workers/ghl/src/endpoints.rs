//! The table of operations: what GHL's documents say of each, in one place.
//!
//! A replay class is ours: the documents have none. A POST that only searches is `Safe`; one that sets what is set already
//! (tags, followers, a business) is `ReplaySafe`; what starts a campaign or workflow again may send messages to a person
//! twice, and is `Never`.

use reqwest::Method;

use super::endpoint::{Endpoint, InV3, Replay};

const V2021_07_28: &str = "2021-07-28";
const V2021_04_15: &str = "2021-04-15";

const CONTACTS_READ: &[&str] = &["contacts.readonly"];
const CONTACTS_WRITE: &[&str] = &["contacts.write"];
const LOCATIONS_READ: &[&str] = &["locations.readonly"];
const CUSTOM_FIELDS_READ: &[&str] = &["locations/customFields.readonly"];
const LOCATION_TAGS_READ: &[&str] = &["locations/tags.readonly"];
const LOCATION_TASKS_READ: &[&str] = &["locations/tasks.readonly"];
const EVENTS_READ: &[&str] = &["calendars/events.readonly"];
const EVENTS_WRITE: &[&str] = &["calendars/events.write"];

macro_rules! in_v3 {
    () => {
        InV3::Same
    };
    (Absent) => {
        InV3::Absent
    };
    ($path:literal) => {
        InV3::Renamed($path)
    };
}

macro_rules! endpoints {
    ($(
        $(#[$doc:meta])*
        $name:ident: $operation:literal $method:ident $path:literal $version:ident $scopes:ident $replay:ident $(=> $v3:tt)?;
    )*) => {
        $(
            $(#[$doc])*
            pub static $name: Endpoint = Endpoint {
                operation: $operation,
                method: Method::$method,
                path: $path,
                version: $version,
                v3: in_v3!($($v3)?),
                scopes: $scopes,
                cost: 1,
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
    /// The definitions of custom fields: contacts name theirs by id alone.
    LIST_CUSTOM_FIELDS: "get-custom-fields" GET "/locations/{locationId}/customFields" V2021_07_28 CUSTOM_FIELDS_READ Safe;
    /// The tags that a location knows.
    LIST_LOCATION_TAGS: "get-location-tags" GET "/locations/{locationId}/tags" V2021_07_28 LOCATION_TAGS_READ Safe;
    /// Tasks of all contacts, by pages.
    SEARCH_TASKS: "task-search" POST "/locations/{locationId}/tasks/search" V2021_07_28 LOCATION_TASKS_READ Safe;

    /// One contact.
    GET_CONTACT: "get-contact" GET "/contacts/{contactId}" V2021_07_28 CONTACTS_READ Safe;
    /// Contacts by filters, by pages.
    SEARCH_CONTACTS: "search-contacts-advanced" POST "/contacts/search" V2021_07_28 CONTACTS_READ Safe;
    /// The contact that a create would be a duplicate of.
    FIND_DUPLICATE_CONTACT: "get-duplicate-contact" GET "/contacts/search/duplicate" V2021_07_28 CONTACTS_READ Safe;
    /// Contacts by pages, as it was before the search.
    LIST_CONTACTS: "get-contacts" GET "/contacts/" V2021_07_28 CONTACTS_READ Safe => Absent;
    /// The contacts of a business, by pages.
    LIST_CONTACTS_OF_BUSINESS: "get-contacts-by-businessId" GET "/contacts/business/{businessId}" V2021_07_28 CONTACTS_READ Safe;
    /// A new contact.
    CREATE_CONTACT: "create-contact" POST "/contacts/" V2021_07_28 CONTACTS_WRITE Guarded;
    /// Creates a contact, or changes the one that has its e-mail or phone. Without either it creates each time.
    UPSERT_CONTACT: "upsert-contact" POST "/contacts/upsert" V2021_07_28 CONTACTS_WRITE Guarded;
    /// Changes the named fields of a contact.
    UPDATE_CONTACT: "update-contact" PUT "/contacts/{contactId}" V2021_07_28 CONTACTS_WRITE ReplaySafe;
    /// Deletes a contact with all that hangs on it.
    DELETE_CONTACT: "delete-contact" DELETE "/contacts/{contactId}" V2021_07_28 CONTACTS_WRITE ReplaySafe;

    /// Adds tags to a contact.
    ADD_TAGS: "add-tags" POST "/contacts/{contactId}/tags" V2021_07_28 CONTACTS_WRITE ReplaySafe;
    /// Takes tags from a contact; the DELETE has a body.
    REMOVE_TAGS: "remove-tags" DELETE "/contacts/{contactId}/tags" V2021_07_28 CONTACTS_WRITE ReplaySafe;
    /// Adds followers to a contact.
    ADD_FOLLOWERS: "add-followers-contact" POST "/contacts/{contactId}/followers" V2021_07_28 CONTACTS_WRITE ReplaySafe;
    /// Takes followers from a contact; the DELETE has a body.
    REMOVE_FOLLOWERS: "remove-followers-contact" DELETE "/contacts/{contactId}/followers" V2021_07_28 CONTACTS_WRITE ReplaySafe;
    /// Starts a campaign for a contact.
    ADD_TO_CAMPAIGN: "add-contact-to-campaign" POST "/contacts/{contactId}/campaigns/{campaignId}" V2021_07_28 CONTACTS_WRITE Never;
    /// Ends a campaign for a contact.
    REMOVE_FROM_CAMPAIGN: "remove-contact-from-campaign" DELETE "/contacts/{contactId}/campaigns/{campaignId}" V2021_07_28 CONTACTS_WRITE ReplaySafe;
    /// Ends all campaigns for a contact.
    REMOVE_FROM_ALL_CAMPAIGNS: "remove-contact-from-every-campaign" DELETE "/contacts/{contactId}/campaigns/removeAll" V2021_07_28 CONTACTS_WRITE ReplaySafe
        => "/contacts/{contactId}/campaigns/remove-all";
    /// Starts a workflow for a contact.
    ADD_TO_WORKFLOW: "add-contact-to-workflow" POST "/contacts/{contactId}/workflow/{workflowId}" V2021_07_28 CONTACTS_WRITE Never;
    /// Ends a workflow for a contact; the DELETE has a body.
    REMOVE_FROM_WORKFLOW: "delete-contact-from-workflow" DELETE "/contacts/{contactId}/workflow/{workflowId}" V2021_07_28 CONTACTS_WRITE ReplaySafe;
    /// Adds tags to many contacts or takes them away. The documents name no scope; it needs this one.
    BULK_TAGS: "create-association" POST "/contacts/bulk/tags/update/{type}" V2021_07_28 CONTACTS_WRITE ReplaySafe;
    /// Puts many contacts into a business or takes them out. The documents name no scope; it needs this one.
    BULK_BUSINESS: "add-remove-contact-from-business" POST "/contacts/bulk/business" V2021_07_28 CONTACTS_WRITE ReplaySafe;

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
    /// One note.
    GET_NOTE: "get-note" GET "/contacts/{contactId}/notes/{id}" V2021_07_28 CONTACTS_READ Safe;
    /// A new note.
    CREATE_NOTE: "create-note" POST "/contacts/{contactId}/notes" V2021_07_28 CONTACTS_WRITE Guarded;
    /// Changes the named fields of a note.
    UPDATE_NOTE: "update-note" PUT "/contacts/{contactId}/notes/{id}" V2021_07_28 CONTACTS_WRITE ReplaySafe;
    /// Deletes a note.
    DELETE_NOTE: "delete-note" DELETE "/contacts/{contactId}/notes/{id}" V2021_07_28 CONTACTS_WRITE ReplaySafe;

    /// All appointments of a contact.
    LIST_APPOINTMENTS: "get-appointments-for-contact" GET "/contacts/{contactId}/appointments" V2021_07_28 CONTACTS_READ Safe;
    /// The events of one user, calendar or group that start in a span of time.
    LIST_EVENTS: "get-calendar-events" GET "/calendars/events" V2021_04_15 EVENTS_READ Safe;
    /// One appointment.
    GET_APPOINTMENT: "get-appointment" GET "/calendars/events/appointments/{eventId}" V2021_04_15 EVENTS_READ Safe;
    /// A new appointment.
    CREATE_APPOINTMENT: "create-appointment" POST "/calendars/events/appointments" V2021_04_15 EVENTS_WRITE Guarded;
    /// Changes the named fields of an appointment.
    UPDATE_APPOINTMENT: "edit-appointment" PUT "/calendars/events/appointments/{eventId}" V2021_04_15 EVENTS_WRITE ReplaySafe;
    /// Deletes an appointment or another event; the DELETE has a body, and answers 201.
    DELETE_EVENT: "delete-event" DELETE "/calendars/events/{eventId}" V2021_04_15 EVENTS_WRITE ReplaySafe;
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
    fn a_read_is_safe_and_no_write_is() {
        for endpoint in ALL {
            let reads = endpoint.method == Method::GET || endpoint.path.ends_with("/search");
            assert_eq!(reads, endpoint.replay == Replay::Safe, "{}", endpoint.operation);
            let needs_write = endpoint.scopes.iter().any(|scope| scope.ends_with(".write"));
            assert_eq!(!reads, needs_write, "{}", endpoint.operation);
        }
    }

    #[test]
    fn all_that_creates_is_guarded() {
        for endpoint in ALL {
            // GHL calls its bulk change of tags `create-association`.
            let operation = endpoint.operation.replace("create-association", "bulk-tags");
            let creates = operation.starts_with("create-") || operation == "upsert-contact";
            assert_eq!(creates, endpoint.replay == Replay::Guarded, "{operation}");
        }
    }
}

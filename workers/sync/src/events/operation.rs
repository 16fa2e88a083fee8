//! A call of any operation of the catalog, as a trigger like any other.

use ghl::catalog::{Wish, catalog};
use sync_model::change::Change;
use sync_model::ids;
use sync_model::job::JobKind;
use sync_model::json_fields::nuls;

use super::{IncomingEvent, NewEvent};
use job_engine::Priority;
use serde_json::{Value, json};
use uuid::Uuid;

use super::FieldError;

/// The type of such an event in the ledger and in metrics.
pub const EVENT_TYPE: &str = "operation.called";

/// The trigger that calls `name` as wished. `source` is who asks; by `id` a repetition is known.
///
/// # Errors
/// One [`FieldError`] a mistake, all at once.
pub fn call(name: &str, request: Wish, source: &str, id: Option<String>) -> Result<IncomingEvent, Vec<FieldError>> {
    let Some(operation) = catalog().operation(name) else {
        return Err(vec![FieldError { field: "operation".to_owned(), message: unknown(name) }]);
    };
    let location_id = request.location_id.clone();
    let bad = |field: &str, id: &str| {
        ids::check(id).err().map(|bad| FieldError { field: field.to_owned(), message: bad.to_string() })
    };
    let mut faults: Vec<_> =
        bad("locationId", &location_id).into_iter().chain(id.as_deref().and_then(|id| bad("id", id))).collect();
    faults.extend(request.parameters.iter().flat_map(|(name, value)| nuls(value, &format!("parameters.{name}"))));
    faults.extend(request.body.iter().flat_map(|body| nuls(body, "body")));
    if !faults.is_empty() {
        return Err(faults);
    }
    let contact_id = contact_of(&request);
    let call = operation.call(request).map_err(|mistakes| {
        let faults = mistakes.into_iter();
        faults.map(|mistake| FieldError { field: mistake.field, message: mistake.message }).collect::<Vec<_>>()
    })?;
    let event = NewEvent {
        id,
        occurred_at: None,
        source: source.to_owned(),
        event_type: EVENT_TYPE.to_owned(),
        location_id,
        contact_id,
        data: json!(call),
    };
    // A record of its own, so that no call is served by another's run.
    let change = Change::None { record_id: Uuid::now_v7().to_string() };
    Ok(IncomingEvent { event, kind: JobKind::CallOperation, priority: Priority::Interactive, change })
}

/// The contact that a call names, in its path, its query or its body: an erasure of that person's data finds the call by it.
fn contact_of(request: &Wish) -> Option<String> {
    const NAME: &str = "contactId";
    let named = [request.parameters.get(NAME), request.body.as_ref().and_then(|body| body.get(NAME))];
    named.into_iter().flatten().filter_map(Value::as_str).find(|id| ids::is_id(id)).map(str::to_owned)
}

/// What to say of a name that is not in the catalog.
#[must_use]
pub fn unknown(name: &str) -> String {
    let similar = catalog().similar(name);
    let hint = match similar.as_slice() {
        [] => "`clienty-sync catalog list` shows all".to_owned(),
        names => format!("did you mean {}? `clienty-sync catalog list` shows all", names.join(" or ")),
    };
    format!("is not in the catalog; {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Wish {
        let parameters = json!({"contactId": "C"}).as_object().unwrap().clone();
        Wish { location_id: "L".to_owned(), parameters, ..Wish::default() }
    }

    #[test]
    fn an_unknown_operation_is_refused_with_those_like_it() {
        let faults = |name| call(name, request(), "api", None).expect_err("refused");
        let found = faults("get_contact");
        assert_eq!(found[0].field, "operation");
        assert!(found[0].message.contains("get-contact"), "{}", found[0].message);
        assert!(faults("xyzzy")[0].message.contains("catalog list"));
    }

    #[test]
    fn a_call_is_about_the_contact_that_it_names() {
        let body = |body| Wish { location_id: "L".to_owned(), body: Some(body), confirmed: true, ..Wish::default() };
        let by_body = json!({"type": "SMS", "subType": "x", "status": "pending", "contactId": "C", "message": "Hello"});
        let of_nobody = json!({"firstName": "Ada", "locationId": "L"});
        for (name, request, contact_id) in [
            ("get-contact", request(), Some("C")),
            ("send-a-new-message", body(by_body), Some("C")),
            ("create-contact", body(of_nobody), None),
        ] {
            let event = call(name, request, "api", None).unwrap_or_else(|faults| panic!("{name}: {faults:?}")).event;
            assert_eq!(event.contact_id.as_deref(), contact_id, "{name}");
        }
    }

    #[test]
    fn two_calls_are_two_jobs() {
        let record = || match call("get-contact", request(), "cli", None).unwrap().change {
            Change::None { record_id } => record_id,
            other => panic!("{other:?}"),
        };
        assert_ne!(record(), record());
    }
}

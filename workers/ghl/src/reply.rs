//! A reply that has been read to its end, and the ways to take a value out of it.

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sync_model::clean::one_line;

use super::error::GhlError;
use super::json;
use super::model::{Listed, SearchAfter};
use super::operations::Answer;

/// GHL's words for "it is done", one a family of endpoints and one of them misspelt.
const DONE_WORDS: [&str; 3] = ["succeded", "succeeded", "success"];

/// Of a claimed media type, so many characters are kept.
const LONGEST_TYPE: usize = 80;

/// Of an id that is none, so many characters are logged.
const LONGEST_ID: usize = 40;

/// Status, headers and the whole body.
pub(super) struct Reply {
    pub(super) operation: &'static str,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// The record under `key`, or the body itself where GHL leaves the wrapper out. A body that denies success is a refusal.
    pub(super) fn record<T: DeserializeOwned>(&self, key: &str) -> Result<T, GhlError> {
        let mut body = self.json()?;
        self.denied(&body)?;
        let record = match body.get_mut(key) {
            Some(wrapped) if wrapped.is_object() => wrapped.take(),
            _ => body,
        };
        self.shaped(record, key)
    }

    /// The record under `key`, none where GHL says null. An absent key is an error: what did not come is not known to be
    /// missing.
    pub(super) fn record_or_none<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, GhlError> {
        match self.json()?.get_mut(key).map(Value::take) {
            Some(Value::Null) => Ok(None),
            Some(record) => self.shaped(record, key).map(Some),
            None => Err(self.undecodable(key, "it is missing")),
        }
    }

    /// The records under `key`, or the body itself where it is a list. An item that can't be read, or has no id, is passed over and
    /// reported: it must not cost the others.
    ///
    /// An explicit null is an empty list. An absent one is an error: a list that did not come must not read as "all were
    /// deleted".
    pub(super) fn records<T: DeserializeOwned>(&self, key: &str) -> Result<Listed<T>, GhlError> {
        let mut body = self.json()?;
        let list = match body.get_mut(key) {
            Some(wrapped) => wrapped.take(),
            None => body,
        };
        match list {
            Value::Null if !self.body.trim_ascii().eq(b"null") => Ok(Listed::default()),
            Value::Array(items) => {
                let mut listed = Listed::default();
                for (at, item) in items.into_iter().enumerate() {
                    let id = item.get("id").or_else(|| item.get("_id")).and_then(Value::as_str);
                    let id = id.map(|id| one_line(id, LONGEST_ID));
                    match self.shaped(item, &format!("{key}[{at}]")) {
                        Ok(item) => listed.items.push(item),
                        Err(error) => {
                            listed.passed_over += 1;
                            tracing::warn!(
                                ghl.operation = self.operation,
                                ghl.record = id,
                                %error,
                                "GHL lists an item that can't be read; it is passed over"
                            );
                        }
                    }
                }
                Ok(listed)
            }
            _ => Err(self.undecodable(key, "it is missing or no list")),
        }
    }

    /// The last cursor of the items under `key`, also of one that can't be read.
    pub(super) fn last_cursor(&self, key: &str) -> Option<SearchAfter> {
        let mut body = self.json().ok()?;
        let items = body.get_mut(key)?.as_array_mut()?;
        items.iter_mut().rev().find_map(|item| SearchAfter::read(item.get_mut("searchAfter")?.take()))
    }

    /// The list of texts under `key`; null is an empty one.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, GhlError> {
        let mut body = self.json()?;
        self.denied(&body)?;
        let list = body.get_mut(key).map(Value::take).ok_or_else(|| self.undecodable(key, "it is missing"))?;
        match list {
            Value::Null => Ok(Vec::new()),
            list => Vec::deserialize(list).map_err(|_| self.undecodable(key, "it is no list of texts")),
        }
    }

    /// The whole body, as what all of it says together.
    pub(super) fn whole<T: DeserializeOwned>(&self) -> Result<T, GhlError> {
        let body = self.json()?;
        self.denied(&body)?;
        self.shaped(body, "body")
    }

    /// Nothing but that it was done. An empty body says so too; a body that denies it is a refusal.
    pub(super) fn done(&self) -> Result<(), GhlError> {
        if self.is_page() {
            return Err(self.undecodable("body", "it is a page for people"));
        }
        self.json().map_or(Ok(()), |body| self.denied(&body))
    }

    /// The refusal of a success that denies itself.
    fn denied(&self, body: &Value) -> Result<(), GhlError> {
        match DONE_WORDS.into_iter().find(|word| body.get(word) == Some(&Value::Bool(false))) {
            None => Ok(()),
            Some(word) => {
                let messages = vec![format!("`{word}` is false")];
                Err(GhlError::Invalid { status: self.status.as_u16(), messages })
            }
        }
    }

    /// `value` as a record of ours. `place` is where it stands in the reply.
    fn shaped<T: DeserializeOwned>(&self, mut value: Value, place: &str) -> Result<T, GhlError> {
        let Some(fields) = value.as_object_mut() else {
            return Err(self.undecodable(place, "it is no object"));
        };
        // The search of tasks gives the database's own name to the id.
        if !fields.contains_key("id")
            && let Some(id) = fields.remove("_id")
        {
            fields.insert("id".to_owned(), id);
        }
        T::deserialize(value).map_err(|error| match missing_field(&error) {
            Some(field) if place == "body" => self.undecodable(field, "it is missing or empty"),
            Some(field) => self.undecodable(format!("{place}.{field}"), "it is missing or empty"),
            None => self.undecodable(place, "it is not of the expected shape"),
        })
    }

    /// The reply as it is, whatever it holds. A body that denies success is a refusal.
    pub(super) fn answer(&self) -> Result<Answer, GhlError> {
        let status = self.status.as_u16();
        if self.is_page() {
            return Err(self.undecodable("body", "it is a page for people"));
        }
        if self.body.trim_ascii().is_empty() {
            return Ok(Answer { status, body: Value::Null });
        }
        let body = match self.json() {
            Ok(body) => body,
            Err(error) if self.content_type().contains("json") => return Err(error),
            Err(_) => str::from_utf8(&self.body).map_or(Value::Null, Value::from),
        };
        self.denied(&body)?;
        Ok(Answer { status, body })
    }

    /// Whether this is a page for people: not from the API.
    pub(super) fn is_page(&self) -> bool {
        self.content_type().contains("html") || self.body.trim_ascii_start().starts_with(b"<")
    }

    /// The error of a success that can't be read. `reason` says what is wrong with the field, never what stands there.
    pub(super) fn undecodable(&self, field: impl Into<String>, reason: impl Into<String>) -> GhlError {
        GhlError::Undecodable {
            operation: self.operation,
            field: field.into(),
            status: self.status.as_u16(),
            content_type: one_line(self.content_type(), LONGEST_TYPE),
            length: self.body.len(),
            reason: reason.into(),
        }
    }

    fn json(&self) -> Result<Value, GhlError> {
        json::read(&self.body).map(|document| document.value).map_err(|error| {
            let reason = format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column());
            self.undecodable("body", reason)
        })
    }

    fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("no content type")
    }

    #[cfg(test)]
    pub(super) fn canned(status: u16, content_type: &'static str, body: &[u8]) -> Self {
        let headers = [(CONTENT_TYPE, reqwest::header::HeaderValue::from_static(content_type))].into_iter().collect();
        Self { operation: "canned", status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_vec() }
    }
}

/// The field that serde misses. Its other messages may quote values.
fn missing_field(error: &serde_json::Error) -> Option<String> {
    let message = error.to_string();
    let (field, _) = message.strip_prefix("missing field `")?.split_once('`')?;
    Some(field.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::model::Task;
    use super::*;

    fn reply(body: &str) -> Reply {
        Reply::canned(200, "application/json", body.as_bytes())
    }

    #[test]
    fn a_record_may_come_wrapped_or_bare() {
        let wrapped: Task = reply(r#"{"task":{"id":"t1"},"traceId":"x"}"#).record("task").unwrap();
        let bare: Task = reply(r#"{"id":"t1"}"#).record("task").unwrap();
        assert_eq!(wrapped, bare);
    }

    #[test]
    fn a_record_without_an_id_is_no_record() {
        for body in [r#"{"task":{"title":"x"}}"#, r#"{"task":null}"#, r#"{"task":{"id":""}}"#, "{}", "[]", "null"] {
            assert!(matches!(reply(body).record::<Task>("task"), Err(GhlError::Undecodable { .. })), "{body}");
        }
    }

    #[test]
    fn an_id_may_bear_the_databases_name() {
        let tasks = reply(r#"{"tasks":[{"_id":"t1"},{"_id":"x","id":"t2"}]}"#).records::<Task>("tasks").unwrap();
        assert_eq!(tasks.items.iter().map(|task| task.id.as_str()).collect::<Vec<_>>(), ["t1", "t2"]);
    }

    #[test]
    fn a_record_that_may_be_missing_is_null_and_not_absent() {
        assert_eq!(reply(r#"{"task":null}"#).record_or_none::<Task>("task").unwrap(), None);
        assert!(reply(r#"{"task":{"id":"t1"}}"#).record_or_none::<Task>("task").unwrap().is_some());
        for body in ["{}", "[]", "null", r#"{"task":{}}"#, r#"{"task":[]}"#] {
            assert!(matches!(reply(body).record_or_none::<Task>("task"), Err(GhlError::Undecodable { .. })), "{body}");
        }
    }

    #[test]
    fn an_unreadable_list_names_operation_and_field() {
        let named = |body: &str| match reply(body).records::<Task>("tasks") {
            Err(GhlError::Undecodable { operation: "canned", field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(named("{}"), "tasks");
        assert_eq!(named("{"), "body");
    }

    #[test]
    fn an_item_that_cannot_be_read_or_has_no_id_is_passed_over_and_counted() {
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(5000));
        let whole =
            [r#"{"id":""}"#, r#"{"title":"x"}"#, r#"{"id":null}"#, r#"{"id":["a"]}"#, "7", "null", r#""text""#, "[]"];
        // What no database keeps or no path addresses.
        let ids = [long.as_str(), r#"{"id":"a\u0000b"}"#, r#"{"id":"a\ud83d"}"#, r#"{"id":".\t."}"#, r#"{"id":".."}"#];
        for odd in whole.into_iter().chain(ids) {
            let listed = reply(&format!(r#"{{"tasks":[{{"id":"a"}},{odd},{{"id":"b"}}]}}"#)).records::<Task>("tasks");
            let Listed { items, passed_over } = listed.unwrap();
            let ids: Vec<_> = items.iter().map(|task| task.id.as_str()).collect();
            assert_eq!((ids, passed_over), (vec!["a", "b"], 1), "{odd}");
        }
    }

    #[test]
    fn odd_characters_in_one_text_cost_nothing_but_themselves() {
        for (odd, read) in
            [(&br#"Cut \ud83d"#[..], "Cut \u{fffd}"), (b"bad \xff", "bad \u{fffd}"), (br"a\u0000b", "a\u{fffd}b")]
        {
            let body = [br#"{"tasks":[{"id":"a","title":""#, odd, br#""},{"id":"b","title":"whole"}]}"#].concat();
            let tasks = Reply::canned(200, "application/json", &body).records::<Task>("tasks").unwrap();
            assert_eq!(tasks.passed_over, 0);
            let titles: Vec<_> = tasks.items.iter().map(|task| task.title.as_value().unwrap().as_str()).collect();
            assert_eq!(titles, [read, "whole"]);
        }
    }

    #[test]
    fn a_null_list_is_empty_and_an_absent_one_an_error() {
        assert_eq!(reply(r#"{"tasks":null}"#).records::<Task>("tasks").unwrap(), Listed::default());
        assert_eq!(reply("[]").records::<Task>("tasks").unwrap(), Listed::default());
        for body in ["{}", "null", r#"{"tasks":{}}"#] {
            assert!(matches!(reply(body).records::<Task>("tasks"), Err(GhlError::Undecodable { .. })), "{body}");
        }
    }

    #[test]
    fn a_denied_success_is_a_refusal() {
        assert_eq!(reply(r#"{"succeded":true}"#).done(), Ok(()));
        assert_eq!(reply("").done(), Ok(()));
        for word in DONE_WORDS {
            let denied = reply(&format!(r#"{{"{word}":false,"task":{{"id":"t1"}}}}"#));
            assert!(matches!(denied.done(), Err(GhlError::Invalid { status: 200, .. })), "{word}");
            assert!(matches!(denied.record::<Task>("task"), Err(GhlError::Invalid { status: 200, .. })), "{word}");
        }
    }

    #[test]
    fn a_page_does_not_say_that_it_was_done() {
        let page = Reply::canned(200, "text/html", b"<html>log in</html>");
        assert!(matches!(page.done(), Err(GhlError::Undecodable { .. })));
    }

    #[test]
    fn an_undecodable_reply_names_the_place_and_not_what_stands_there() {
        let error = reply(r#"{"task":{"title":"Call Jane"#).record::<Task>("task").unwrap_err();
        let printed = format!("{error} {error:?}");
        assert!(printed.contains("line 1") && !printed.contains("Jane"), "{printed}");
    }
}

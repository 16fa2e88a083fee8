//! A reply that has been read to its end, and the ways to take a value out of it.

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::GhlError;

/// GHL's words for "it is done", one a family of endpoints and one of them misspelt.
const DONE_WORDS: [&str; 3] = ["succeded", "succeeded", "success"];

/// Status, headers and the whole body.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// The record under `key`, or the body itself where GHL leaves the wrapper out.
    pub(super) fn record<T: DeserializeOwned>(&self, key: &str) -> Result<T, GhlError> {
        let mut body = self.json()?;
        let record = match body.get_mut(key) {
            Some(wrapped) if wrapped.is_object() => wrapped.take(),
            _ => body,
        };
        T::deserialize(record).map_err(|_| self.undecodable(format!("no `{key}` of the expected shape")))
    }

    /// The records under `key`, or the body itself where it is a list.
    ///
    /// An explicit null is an empty list. An absent one is an error: a list that did not come must not read as "all were
    /// deleted".
    pub(super) fn records<T: DeserializeOwned>(&self, key: &str) -> Result<Vec<T>, GhlError> {
        let mut body = self.json()?;
        let list = match body.get_mut(key) {
            Some(wrapped) => wrapped.take(),
            None => body,
        };
        match list {
            Value::Null if !self.body.trim_ascii().eq(b"null") => Ok(Vec::new()),
            Value::Array(items) => items
                .into_iter()
                .enumerate()
                .map(|(at, item)| {
                    T::deserialize(item)
                        .map_err(|_| self.undecodable(format!("`{key}[{at}]` is not of the expected shape")))
                })
                .collect(),
            _ => Err(self.undecodable(format!("no list `{key}`"))),
        }
    }

    /// Nothing but that it was done. An empty body says so too; a body that denies it is a refusal.
    pub(super) fn done(&self) -> Result<(), GhlError> {
        if self.is_page() {
            return Err(self.undecodable("it is a page for people".to_owned()));
        }
        let Ok(body) = self.json() else { return Ok(()) };
        match DONE_WORDS.into_iter().find(|word| body[word] == Value::Bool(false)) {
            None => Ok(()),
            Some(word) => {
                let messages = vec![format!("`{word}` is false")];
                Err(GhlError::Invalid { status: self.status.as_u16(), messages })
            }
        }
    }

    /// Whether this is a page for people: not from the API.
    pub(super) fn is_page(&self) -> bool {
        self.content_type().contains("html") || self.body.trim_ascii_start().starts_with(b"<")
    }

    /// The error of a success that can't be read. `reason` names the place, never what stands there.
    pub(super) fn undecodable(&self, reason: String) -> GhlError {
        GhlError::Undecodable {
            status: self.status.as_u16(),
            content_type: self.content_type().to_owned(),
            length: self.body.len(),
            reason,
        }
    }

    fn json(&self) -> Result<Value, GhlError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let reason = format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column());
            self.undecodable(reason)
        })
    }

    fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("no content type")
    }

    #[cfg(test)]
    pub(super) fn canned(status: u16, content_type: &'static str, body: &[u8]) -> Self {
        let headers = [(CONTENT_TYPE, reqwest::header::HeaderValue::from_static(content_type))].into_iter().collect();
        Self { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_vec() }
    }
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
    fn a_null_list_is_empty_and_an_absent_one_an_error() {
        assert_eq!(reply(r#"{"tasks":null}"#).records::<Task>("tasks").unwrap(), Vec::new());
        assert_eq!(reply("[]").records::<Task>("tasks").unwrap(), Vec::new());
        for body in ["{}", "null", r#"{"tasks":{}}"#, r#"{"tasks":[{"id":"a"},{}]}"#] {
            assert!(matches!(reply(body).records::<Task>("tasks"), Err(GhlError::Undecodable { .. })), "{body}");
        }
    }

    #[test]
    fn a_denied_success_is_a_refusal() {
        assert_eq!(reply(r#"{"succeded":true}"#).done(), Ok(()));
        assert_eq!(reply("").done(), Ok(()));
        assert!(matches!(reply(r#"{"succeded":false}"#).done(), Err(GhlError::Invalid { status: 200, .. })));
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

//! JSON of a request, read in memory that is in proportion to its bytes.
//!
//! A parsed value takes ten times the memory of its text where the text is `[{},{},…]`. So a text is first looked through without
//! building anything: how many events an array has, and how many values there are in all.

use std::fmt;

use axum::http::StatusCode;
use serde::Deserializer;
use serde::de::{SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Problem;

/// The most events in one request.
pub(super) const MOST_EVENTS: usize = 1000;
/// The most values in one request, counted by the commas and brackets that stand before them.
pub(super) const MOST_VALUES: usize = 100_000;

/// The texts of the events in a body; none of them is parsed yet.
#[derive(Debug)]
pub(super) struct Texts<'a> {
    pub(super) list: Vec<&'a RawValue>,
    /// An array was sent: faults name the position.
    pub(super) batch: bool,
}

/// Takes a body apart: one event, or an array of them.
pub(super) fn texts(body: &[u8]) -> Result<Texts<'_>, Problem> {
    check_values(body)?;
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if !is_array {
        let one: &RawValue = serde_json::from_slice(body).map_err(|error| syntax(body, 0, &error))?;
        return Ok(Texts { list: vec![one], batch: false });
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let items = reader.deserialize_seq(Items).and_then(|items| reader.end().map(|()| items));
    let Counted { list, count } = items.map_err(|error| syntax(body, 0, &error))?;
    match count {
        0 => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "No event", "the array is empty")),
        1..=MOST_EVENTS => Ok(Texts { list, batch: true }),
        _ => {
            let detail = format!("{count} events were sent; a request has at most {MOST_EVENTS}");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Too many events", detail))
        }
    }
}

/// The value of a text that lies within `body`.
pub(super) fn value(body: &[u8], text: &RawValue) -> Result<Value, Problem> {
    let start = text.get().as_ptr() as usize - body.as_ptr() as usize;
    serde_json::from_str(text.get()).map_err(|error| syntax(body, start, &error))
}

/// The value of a whole body.
pub(super) fn json_of(body: &[u8]) -> Result<Value, Problem> {
    check_values(body)?;
    serde_json::from_slice(body).map_err(|error| syntax(body, 0, &error))
}

/// Refuses a body of too many values. What is no JSON may pass: its parser stops at the fault.
fn check_values(body: &[u8]) -> Result<(), Problem> {
    let (mut count, mut in_text, mut escaped) = (0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' | b',' if !in_text => count += 1,
            _ => {}
        }
    }
    if count <= MOST_VALUES {
        return Ok(());
    }
    let detail = format!("a body has at most {MOST_VALUES} values; send less at once");
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Too many values", detail))
}

/// 400 that says where in the body it is no JSON, `start` being where the text in question begins; without the words of serde, which
/// may quote the body.
fn syntax(body: &[u8], start: usize, error: &serde_json::Error) -> Problem {
    let before = &body[..start];
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    let columns = before.iter().rev().take_while(|byte| **byte != b'\n').count();
    let column = if error.line() > 1 { error.column() } else { columns + error.column() };
    let what = if error.is_eof() { "it ends too early" } else { "this is not how JSON goes on" };
    let detail = format!("line {}, column {column}: {what}", lines + error.line());
    Problem::new(StatusCode::BAD_REQUEST, "The body is no JSON", detail)
}

/// Reads the items of an array as texts, and beyond [`MOST_EVENTS`] only counts them.
struct Items;

struct Counted<'a> {
    list: Vec<&'a RawValue>,
    count: usize,
}

impl<'de> Visitor<'de> for Items {
    type Value = Counted<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (mut list, mut count) = (Vec::new(), 0);
        while let Some(item) = items.next_element::<&RawValue>()? {
            count += 1;
            if count <= MOST_EVENTS {
                list.push(item);
            }
        }
        Ok(Counted { list, count })
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use proptest::prelude::*;

    use super::*;

    fn refused<T: fmt::Debug>(read: Result<T, Problem>) -> (u16, String) {
        let problem = read.expect_err("refused");
        let reported = serde_json::to_value(&problem).unwrap()["detail"].as_str().unwrap().to_owned();
        (problem.into_response().status().as_u16(), reported)
    }

    #[test]
    fn events_are_counted_before_a_value_is_built() {
        let many = format!("[{}]", vec!["{}"; 50_000].join(","));
        assert_eq!(refused(texts(many.as_bytes())).0, 413);
        assert!(refused(texts(many.as_bytes())).1.starts_with("50000 events were sent"));
        let more = format!("[{}]", vec!["{}"; 350_000].join(","));
        assert!(more.len() > 1024 * 1024);
        assert!(refused(texts(more.as_bytes())).1.contains("at most 100000 values"));
        let in_one = format!(r#"{{"type":"x","data":{more}}}"#);
        for read in [refused(texts(in_one.as_bytes())), refused(json_of(in_one.as_bytes()))] {
            assert_eq!(read.0, 413, "{}", read.1);
        }
        // Commas and brackets in texts are no values.
        let text = serde_json::to_string(&vec![r#"[{,\"[{,"#.repeat(100_000)]).unwrap();
        assert_eq!(texts(text.as_bytes()).unwrap().list.len(), 1);
    }

    #[test]
    fn a_fault_within_an_event_is_placed_in_the_body() {
        let deep = format!("[{{}},\n  {}1{}]", "[".repeat(200), "]".repeat(200));
        for (body, place) in [
            ("[{},\n {\"a\": \"\\ud83d\"}]", "line 2, column "),
            ("[{}, {\"a\": 1e999}]", "line 1, column "),
            (deep.as_str(), "line 2, column 13"),
        ] {
            let texts = texts(body.as_bytes()).unwrap();
            assert!(texts.batch && texts.list.len() == 2);
            assert!(value(body.as_bytes(), texts.list[0]).is_ok());
            let (status, detail) = refused(value(body.as_bytes(), texts.list[1]));
            assert_eq!(status, 400);
            assert!(detail.starts_with(place), "{detail}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_as_serde_reads_them_or_refused(body in prop::collection::vec(
            prop::sample::select(b"[]{}\",:\\ \n1atrue".to_vec()), 0..40,
        )) {
            let whole: Result<Value, _> = serde_json::from_slice(&body);
            let parts = texts(&body).and_then(|texts| {
                let values: Result<Vec<_>, _> = texts.list.iter().map(|text| value(&body, text)).collect();
                Ok((values?, texts.batch))
            });
            match (whole, parts) {
                (Ok(Value::Array(list)), Ok((values, true))) => prop_assert_eq!(list, values),
                (Ok(Value::Array(list)), Err(_)) => prop_assert!(list.is_empty()),
                (Ok(one), Ok((values, false))) => prop_assert_eq!(vec![one], values),
                (Err(_), Err(_)) => {}
                (whole, parts) => prop_assert!(false, "{whole:?} {parts:?}"),
            }
        }
    }
}

//! Places in the values of a flow, `{contact.email}`, and how they are filled.
//!
//! A value that is one place alone keeps the type of what stands there, and is left out where nothing does; within a text it is written out,
//! as nothing where nothing is. `{{` and `}}` are braces. Pipes change what stands there before it is used, `{contact.phone | digits}`.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use sync_model::decide::{rules, span};
use sync_model::pipes::{self, Pipes};
use sync_model::record::Contact;

use super::http::is_secret_name;

/// What stands between braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The moment of the step.
    Now,
    /// So long after it: `{in 2d}`.
    In(SignedDuration),
    /// A value of the contact, the event, the flow's own values, or the answer of a step.
    Path(Vec<String>),
    /// A secret of a header, which nothing but the request itself is filled with.
    Secret(String),
    /// What comes out of pipes.
    Piped(Box<Piped>),
}

/// A place with pipes behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piped {
    /// The place.
    pub of: Place,
    /// What is done to what stands there.
    pub pipes: Pipes,
    /// As it is written, without braces.
    pub text: String,
}

/// What a run knows.
#[derive(Debug)]
pub struct Known<'a> {
    /// The moment.
    pub now: Timestamp,
    /// The contact as readers see it now; none where the run has none.
    pub contact: Option<&'a Value>,
    /// What started the run.
    pub event: &'a Value,
    /// The flow's own values.
    pub set: &'a Map<String, Value>,
    /// What steps answered, by name; null for one that was passed over.
    pub answers: &'a Map<String, Value>,
    /// Whether nothing is sent, so that the answers of steps are not known yet.
    pub is_dry_run: bool,
}

/// Why a place can't be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MissingValue {
    /// The step that it speaks of was passed over, and so is whatever needs its answer.
    #[error("needs the answer of {step}, which was passed over")]
    PassedOver {
        /// That step.
        step: String,
    },
    /// The step's answer has nothing there.
    #[error("there is no {{{place}}} in what {step} answered")]
    Unanswered {
        /// That step.
        step: String,
        /// The place, without braces.
        place: String,
    },
    /// A pipe can do nothing with what stands there.
    #[error("{{{place}}}: {mistake}")]
    Unfit {
        /// The place, without braces.
        place: String,
        /// What the pipe expects.
        mistake: pipes::Mistake,
    },
    /// It is only a rehearsal.
    #[error("is not known before it runs")]
    Open,
}

enum Piece {
    Text(String),
    Place(Place),
}

impl Place {
    /// Reads what stands between the braces.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some((of, row)) = text.split_once('|') {
            let of = Self::parse(of)?;
            // Columns count from the brace.
            let column = text.chars().count() - row.chars().count() + 2;
            let pipes = Pipes::parse(row, column).map_err(|wrong| format!("{{{text}}}, {wrong}"))?;
            return Ok(Self::Piped(Box::new(Piped { of, pipes, text: text.to_owned() })));
        }
        if text == "now" {
            return Ok(Self::Now);
        }
        if let Some(long) = text.strip_prefix("in ") {
            return span::parse(long.trim()).map(Self::In).map_err(|expected| format!("{{{text}}} must be {expected}"));
        }
        if let Some(name) = text.strip_prefix("secret.") {
            return match is_secret_name(name) {
                true => Ok(Self::Secret(name.to_owned())),
                false => Err(format!("{{{text}}} is no name of a secret: letters, digits, - and _")),
            };
        }
        let path: Vec<_> = text.split('.').map(str::to_owned).collect();
        let is_word =
            |word: &String| !word.is_empty() && !word.contains(|letter: char| letter == '{' || letter.is_whitespace());
        match path.iter().all(is_word) {
            true => Ok(Self::Path(path)),
            false => Err(format!(
                "{{{text}}} is no place, as {{contact.email}} and {{in 2d}} are; braces of a text are doubled"
            )),
        }
    }

    /// Of what it speaks first.
    #[must_use]
    pub fn root(&self) -> Option<&str> {
        match self.bare() {
            Self::Path(path) => path.first().map(String::as_str),
            Self::Now | Self::In(_) | Self::Secret(_) | Self::Piped(_) => None,
        }
    }

    /// The place without its pipes.
    #[must_use]
    pub fn bare(&self) -> &Self {
        if let Self::Piped(piped) = self { piped.of.bare() } else { self }
    }
}

impl Known<'_> {
    /// What stands at a place; none where nothing does.
    ///
    /// # Errors
    /// [`MissingValue`], for the answers of steps.
    pub fn find(&self, place: &Place) -> Result<Option<Value>, MissingValue> {
        let path = match place {
            Place::Now => return Ok(Some(self.in_a_while(SignedDuration::ZERO))),
            Place::In(long) => return Ok(Some(self.in_a_while(*long))),
            Place::Path(path) => path,
            Place::Secret(name) => return Ok(Some(json!(format!("{{secret.{name}}}")))),
            Place::Piped(piped) => return self.through(piped),
        };
        let (root, rest) = path.split_first().map_or(("", &[][..]), |(root, rest)| (root.as_str(), rest));
        let own = match root {
            "contact" => self.contact.cloned(),
            "event" => Some(self.event.clone()),
            "set" => Some(Value::Object(self.set.clone())),
            step => return self.answer(step, rest, &path.join(".")),
        };
        Ok(own.as_ref().and_then(|own| below(own, rest)).cloned())
    }

    fn through(&self, piped: &Piped) -> Result<Option<Value>, MissingValue> {
        let found = match self.find(&piped.of) {
            // Whoever says what stands for nothing, expects nothing.
            Err(MissingValue::Unanswered { .. }) if piped.pipes.take_absent() => None,
            found => found?,
        };
        piped.pipes.apply(found).map_err(|mistake| MissingValue::Unfit { place: piped.text.clone(), mistake })
    }

    fn answer(&self, step: &str, rest: &[String], place: &str) -> Result<Option<Value>, MissingValue> {
        match self.answers.get(step) {
            None if self.is_dry_run => Err(MissingValue::Open),
            Some(Value::Null) => Err(MissingValue::PassedOver { step: step.to_owned() }),
            answer => {
                let found = answer.and_then(|answer| below(answer, rest)).cloned();
                found
                    .map(Some)
                    .ok_or_else(|| MissingValue::Unanswered { step: step.to_owned(), place: place.to_owned() })
            }
        }
    }

    /// To the second: GHL refuses more of the dates of tasks.
    fn in_a_while(&self, long: SignedDuration) -> Value {
        let at = self.now.checked_add(long).unwrap_or(self.now);
        json!(Timestamp::from_second(at.as_second()).unwrap_or(at))
    }
}

/// What stands there, unless it is null.
fn below<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    let found = path.iter().try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        value => value.get(name),
    });
    found.filter(|value| !value.is_null())
}

/// The value with its places filled; none where it is one place with nothing in it.
///
/// # Errors
/// The first [`MissingValue`]. A rehearsal leaves such a place as it was written.
pub fn fill(value: &Value, known: &Known<'_>) -> Result<Option<Value>, MissingValue> {
    Ok(Some(match value {
        Value::String(text) => return fill_text(text, known),
        Value::Array(items) => {
            let filled = items.iter().filter_map(|item| fill(item, known).transpose());
            Value::Array(filled.collect::<Result<_, _>>()?)
        }
        Value::Object(members) => Value::Object(fill_members(members, known)?),
        plain => plain.clone(),
    }))
}

pub(super) fn fill_members(
    members: &Map<String, Value>,
    known: &Known<'_>,
) -> Result<Map<String, Value>, MissingValue> {
    let fill =
        |(name, value): (&String, &Value)| Some(fill(value, known).transpose()?.map(|value| (name.clone(), value)));
    members.iter().filter_map(fill).collect()
}

fn fill_text(text: &str, known: &Known<'_>) -> Result<Option<Value>, MissingValue> {
    // What does not read as a text with places is refused before it runs.
    let Ok(pieces) = pieces(text) else { return Ok(Some(text.into())) };
    if let [Piece::Place(place)] = pieces.as_slice() {
        return match known.find(place) {
            Err(_) if known.is_dry_run => Ok(Some(text.into())),
            found => found,
        };
    }
    let mut filled = String::new();
    for piece in &pieces {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Place(place) => match known.find(place) {
                Err(_) if known.is_dry_run => return Ok(Some(text.into())),
                found => filled.push_str(&in_words(place, found?, known)),
            },
        }
    }
    Ok(Some(filled.into()))
}

/// A piece of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderPart {
    /// As it is sent.
    Text(String),
    /// The name of a secret.
    Secret(String),
}

/// Fills a header, but for its secrets.
pub(super) fn fill_header(text: &str, known: &Known<'_>) -> Result<Vec<HeaderPart>, MissingValue> {
    let parts = pieces(text).unwrap_or_default().into_iter().map(|piece| {
        Ok(match piece {
            Piece::Text(text) => HeaderPart::Text(text),
            Piece::Place(Place::Secret(name)) => HeaderPart::Secret(name),
            // A line of its own would be another header.
            Piece::Place(place) => HeaderPart::Text(filled(&place, known)?.replace(char::is_control, " ")),
        })
    });
    parts.collect()
}

/// Fills a URL: what stands at a place is one segment of the path or one value of the query.
pub(super) fn fill_url(text: &str, known: &Known<'_>) -> Result<String, MissingValue> {
    let parts = pieces(text).unwrap_or_default().into_iter().map(|piece| {
        Ok(match piece {
            Piece::Text(text) => text,
            Piece::Place(place) => escaped(&filled(&place, known)?),
        })
    });
    parts.collect()
}

/// In words; of a rehearsal that does not know it, as it is written.
fn filled(place: &Place, known: &Known<'_>) -> Result<String, MissingValue> {
    match known.find(place) {
        Err(MissingValue::Open) => Ok(format!("{{{place}}}")),
        found => Ok(in_words(place, found?, known)),
    }
}

fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    match text {
        // They would leave the path.
        "." | ".." => text.replace('.', "%2E"),
        text => text.bytes().map(byte).collect(),
    }
}

fn in_words(place: &Place, found: Option<Value>, known: &Known<'_>) -> String {
    match found {
        None if *place.bare() == Place::Path(vec!["contact".to_owned(), "name".to_owned()]) => {
            let contact = known.contact.and_then(|contact| serde_json::from_value::<Contact>(contact.clone()).ok());
            let called = contact.map(|contact| rules::called(&contact).to_owned()).unwrap_or_default();
            let Place::Piped(piped) = place else { return called };
            let changed = piped.pipes.apply(Some(called.into())).ok().flatten();
            changed.map_or_else(String::new, |changed| in_words(&Place::Now, Some(changed), known))
        }
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(Value::Array(items)) => {
            let items = items.into_iter().map(|item| in_words(&Place::Now, Some(item), known));
            items.collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

/// What is wrong with the texts in a value, each with its place below `field`.
pub(crate) fn misread(value: &Value, field: &str) -> Vec<(String, String)> {
    each_text(value, field, &|text| pieces(text).err().into_iter().collect())
}

/// The places in a value, each with where it stands.
pub(crate) fn places_of(value: &Value, field: &str) -> Vec<(String, Place)> {
    let places = |text: &str| {
        let pieces = pieces(text).unwrap_or_default().into_iter();
        pieces.filter_map(|piece| if let Piece::Place(place) = piece { Some(place) } else { None }).collect()
    };
    each_text(value, field, &places)
}

fn each_text<T>(value: &Value, field: &str, of: &impl Fn(&str) -> Vec<T>) -> Vec<(String, T)> {
    match value {
        Value::String(text) => of(text).into_iter().map(|found| (field.to_owned(), found)).collect(),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(at, item)| each_text(item, &format!("{field}[{at}]"), of)).collect()
        }
        Value::Object(members) => {
            members.iter().flat_map(|(name, value)| each_text(value, &format!("{field}.{name}"), of)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        plain.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if rest.starts_with(brace) {
            plain.push_str(brace);
            rest = &rest[1..];
        } else if brace == "}" {
            return Err("holds a } that closes nothing; braces of a text are doubled".to_owned());
        } else {
            let (place, after) = closed(rest).ok_or("holds a { that nothing closes; braces of a text are doubled")?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Place(Place::parse(place)?));
            rest = after;
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// What stands before the brace that closes a place, and what after it. In the texts of pipes braces are braces; where a quote is never closed, the
/// first brace does, so that the pipes report the quote.
fn closed(text: &str) -> Option<(&str, &str)> {
    let (mut quote, mut is_piped, mut is_escaped) = (None, false, false);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            _ if std::mem::take(&mut is_escaped) => {}
            (Some(_), '\\') => is_escaped = true,
            (Some(open), letter) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '}') => return Some((&text[..at], &text[at + 1..])),
            (None, '|') => is_piped = true,
            (None, '"' | '\'') if is_piped => quote = Some(letter),
            (None, _) => {}
        }
    }
    text.split_once('}')
}

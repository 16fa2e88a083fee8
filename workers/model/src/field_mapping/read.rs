//! From a document to a mapping: what words there are, and every mistake at once, each with its place.

use crate::suggest::nearest;
use serde_json::{Map, Value};

use super::{Direction, GhlField, MOST_FIELDS, MappedField, Mapping, Reading, ValueType};
use crate::decide::merge::Policy;
use crate::json_fields::{FieldError, kind_of};
use crate::pipes::{Kind, Pipes};

/// The fields that every contact has and that can be mapped.
pub(super) const STANDARD: [&str; 16] = [
    "firstName",
    "lastName",
    "email",
    "phone",
    "companyName",
    "address1",
    "city",
    "state",
    "country",
    "postalCode",
    "website",
    "source",
    "assignedTo",
    "timezone",
    "dateOfBirth",
    "dnd",
];

/// What a field of a mapping may say.
const WORDS: [&str; 7] = ["ghl", "type", "values", "direction", "wins", "in", "out"];
/// Letters of a name.
const LONGEST_NAME: usize = 64;
/// Choices of one field.
const MOST_CHOICES: usize = 500;

type Mistakes = Vec<FieldError>;

fn refuse(mistakes: &mut Mistakes, field: &str, message: impl Into<String>) {
    mistakes.push(FieldError { field: field.to_owned(), message: message.into() });
}

impl Mapping {
    /// Reads a document that somebody wrote: `{"contact": {NAME: {"ghl": …, "type": …}}}`.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn read(document: &Value) -> Result<Self, Vec<FieldError>> {
        let mut mistakes = Vec::new();
        let empty = Map::new();
        let all = document.as_object().unwrap_or(&empty);
        for name in all.keys().filter(|name| *name != "contact") {
            refuse(&mut mistakes, name, "is not known here; fields of contacts stand under [contact.NAME]");
        }
        let listed = match all.get("contact") {
            None => &empty,
            Some(Value::Object(listed)) => listed,
            Some(other) => {
                let message = format!("must hold a table for each field, [contact.NAME], not {}", kind_of(other));
                refuse(&mut mistakes, "contact", message);
                &empty
            }
        };
        if listed.len() > MOST_FIELDS {
            let message = format!("holds {} fields; a mapping has at most {MOST_FIELDS}", listed.len());
            refuse(&mut mistakes, "contact", message);
        }
        let fields: Vec<_> = listed.iter().filter_map(|(name, value)| field(name, value, &mut mistakes)).collect();
        for (index, field) in fields.iter().enumerate().filter(|(_, field)| field.direction.is_written()) {
            let mut before = fields[..index].iter().filter(|other| other.direction.is_written());
            if let Some(other) = before.find(|other| other.ghl == field.ghl) {
                let message =
                    format!("is written by {} as well; one of the two has to say direction = \"from_ghl\"", other.name);
                refuse(&mut mistakes, &format!("contact.{}.ghl", field.name), message);
            }
        }
        if mistakes.is_empty() { Ok(Self { fields }) } else { Err(mistakes) }
    }
}

fn field(name: &str, value: &Value, mistakes: &mut Mistakes) -> Option<MappedField> {
    let before = mistakes.len();
    let place = format!("contact.{name}");
    let is_name = name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.len() <= LONGEST_NAME
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !is_name {
        refuse(mistakes, &place, format!("must be a letter, then letters, digits and _, {LONGEST_NAME} at most"));
    }
    let Some(table) = value.as_object() else {
        refuse(mistakes, &place, format!("must be a table, not {}", kind_of(value)));
        return None;
    };
    for word in table.keys().filter(|word| !WORDS.contains(&word.as_str())) {
        let message = match nearest(word, WORDS) {
            Some(meant) => format!("is not known here; did you mean {meant}?"),
            None => format!("is not known here; known are {}", WORDS.join(", ")),
        };
        refuse(mistakes, &format!("{place}.{word}"), message);
    }
    let mut reader = Reader { table, place, mistakes };
    let ghl = reader.required("ghl", ghl_field);
    let value_type = reader.required("type", |word| one_of(word, &ValueType::ALL.map(|one| (one.word(), one))));
    let directions = [("both", Direction::Both), ("from_ghl", Direction::FromGhl), ("to_ghl", Direction::ToGhl)];
    let direction = reader.optional("direction", |word| one_of(word, &directions)).unwrap_or_default();
    let sides = [("clienty", Policy::Clienty), ("ghl", Policy::Ghl), ("newest", Policy::Newest)];
    let wins = reader.optional("wins", |word| one_of(word, &sides));
    let values = reader.values(value_type);
    let in_pipes = reader.optional("in", pipes).unwrap_or_default();
    let out_pipes = reader.optional("out", pipes).unwrap_or_default();
    let field = MappedField {
        name: name.to_owned(),
        ghl: ghl?,
        value_type: value_type?,
        values,
        direction,
        wins,
        in_pipes,
        out_pipes,
    };
    reader.check(&field);
    (mistakes.len() == before).then_some(field)
}

struct Reader<'a> {
    table: &'a Map<String, Value>,
    place: String,
    mistakes: &'a mut Mistakes,
}

impl Reader<'_> {
    fn refuse(&mut self, word: &str, message: impl Into<String>) {
        refuse(self.mistakes, &format!("{}.{word}", self.place), message);
    }

    fn optional<T>(&mut self, word: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let read = match self.table.get(word)? {
            Value::String(text) => read(text),
            other => Err(format!("must be a text, not {}", kind_of(other))),
        };
        read.map_err(|message| self.refuse(word, message)).ok()
    }

    fn required<T>(&mut self, word: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if !self.table.contains_key(word) {
            self.refuse(word, "is missing");
        }
        self.optional(word, read)
    }

    fn values(&mut self, value_type: Option<ValueType>) -> Vec<(String, String)> {
        let has_choices = matches!(value_type, Some(ValueType::Choice | ValueType::Choices));
        let Some(value) = self.table.get("values") else {
            if has_choices {
                self.refuse("values", "is missing; name each choice, as values = { lead = \"Lead\" }");
            }
            return Vec::new();
        };
        let Some(table) = value.as_object() else {
            self.refuse("values", format!("must be a table of GHL's choices by Clienty's, not {}", kind_of(value)));
            return Vec::new();
        };
        if !has_choices && !matches!(value_type, Some(ValueType::Bool) | None) {
            self.refuse("values", "is for the types choice, choices and bool; leave it out");
        }
        if has_choices && (table.is_empty() || table.len() > MOST_CHOICES) {
            self.refuse("values", format!("must name 1 to {MOST_CHOICES} choices"));
        }
        let mut values: Vec<(String, String)> = Vec::new();
        for (own, ghls) in table {
            let place = format!("values.{own}");
            match ghls.as_str().filter(|text| !text.trim().is_empty()) {
                None => self.refuse(&place, "must be a choice of GHL's, as a text that is not empty"),
                Some(ghls) => match values.iter().find(|(_, other)| other == ghls) {
                    Some((other, _)) => self.refuse(&place, format!("is the choice of {other} as well")),
                    None => values.push((own.clone(), ghls.to_owned())),
                },
            }
        }
        let is_flag = |own: &String| own == "true" || own == "false";
        if value_type == Some(ValueType::Bool) && (table.len() != 2 || !table.keys().all(is_flag)) {
            self.refuse("values", "must name both of a bool: values = { true = \"Yes\", false = \"No\" }");
        }
        values
    }

    /// What its parts say of each other.
    fn check(&mut self, field: &MappedField) {
        use ValueType::{Bool, Choice, Date, Datetime, Email, Phone, Text, Url};
        if let GhlField::Standard(name) = field.ghl {
            let fits: &[ValueType] = match name {
                "dnd" => &[Bool],
                "dateOfBirth" => &[Date],
                _ => &[Text, Choice, Email, Phone, Url, Date, Datetime],
            };
            if !fits.contains(&field.value_type) {
                let fits: Vec<_> = fits.iter().map(|one| one.word()).collect();
                self.refuse("type", format!("does not fit {name}; {} would", fits.join(", ")));
            }
            if name == "dnd" && !field.values.is_empty() {
                self.refuse("values", "is not for dnd, which is true or false in GHL too; leave it out");
            }
        }
        match field.in_pipes.gives(Kind::Any) {
            Ok(kind) if !field.value_type.may_read(kind) => {
                let message = format!("gives {}, which never reads as {}", kind.words(), field.value_type.word());
                self.refuse("in", message);
            }
            Ok(_) => {}
            Err(misread) => self.refuse("in", misread.to_string()),
        }
        let written = if field.ghl == GhlField::Standard("dnd") { Kind::Bool } else { field.value_type.written_kind() };
        if let Err(misread) = field.out_pipes.gives(written) {
            self.refuse("out", misread.to_string());
        }
        self.check_choices(field);
    }

    /// Each choice has to read as itself once it was written.
    fn check_choices(&mut self, field: &MappedField) {
        if field.direction != Direction::Both || field.value_type == ValueType::Bool {
            return;
        }
        for (own, _) in &field.values {
            let value: Value = match field.value_type {
                ValueType::Choices => vec![own.clone()].into(),
                _ => own.as_str().into(),
            };
            let back = field.output(&value).map(|written| field.input(&written));
            if back != Ok(Reading::Value(value)) {
                let word = if self.table.contains_key("out") { "out" } else { "in" };
                self.refuse(word, format!("makes of {own} what does not read as {own} again"));
                return;
            }
        }
    }
}

fn one_of<T: Copy>(word: &str, known: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, found)) = known.iter().find(|(name, _)| *name == word) {
        return Ok(*found);
    }
    let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    let meant =
        nearest(word, names.iter().copied()).map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
    Err(format!("must be one of {}{meant}", names.join(", ")))
}

fn ghl_field(word: &str) -> Result<GhlField, String> {
    let key = word.strip_prefix("contact.");
    match (key, STANDARD.iter().find(|name| **name == word)) {
        (Some(key), _) if !key.is_empty() && !key.contains(|letter: char| letter.is_whitespace() || letter == '.') => {
            Ok(GhlField::Custom(key.to_owned()))
        }
        (None, Some(name)) => Ok(GhlField::Standard(name)),
        _ => {
            let meant = nearest(word, STANDARD).map_or_else(|| format!("contact.{word}"), str::to_owned);
            Err(format!(
                "must be the key of a custom field, as contact.lifecycle_stage, or one of {}; did you mean {meant}?",
                STANDARD.join(", ")
            ))
        }
    }
}

/// Reads `{value | trim | lower}`.
fn pipes(text: &str) -> Result<Pipes, String> {
    let form = || "must be {value | …} with the pipes that a value goes through, as {value | trim}".to_owned();
    let inner = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(form)?;
    let rest = inner.trim_start().strip_prefix("value").ok_or_else(form)?;
    if rest.trim().is_empty() {
        return Ok(Pipes::default());
    }
    let row = rest.trim_start().strip_prefix('|').ok_or_else(form)?;
    // The brace at the end stands behind the row, and maybe spaces.
    let column = text.trim_end().chars().count() - row.chars().count();
    Pipes::parse(row, column).map_err(|misread| misread.to_string())
}

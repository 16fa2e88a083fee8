//! The types of mapped values: what is read as one, and how it is written.
//!
//! Reading and writing go by pipes where there is one that knows the form, so a number is a number here and in flows alike.

use std::sync::LazyLock;

use crate::suggest::nearest;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::Serialize;
use serde_json::{Value, json};

use crate::pipes::{Kind, Pipes};

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// Any text.
    Text,
    /// A number.
    Number,
    /// An amount, a number without its currency.
    Money,
    /// A day, `2026-03-01`.
    Date,
    /// An instant to the second, `2026-03-01T09:00:00Z`.
    Datetime,
    /// True or false.
    Bool,
    /// One of the words of `values`.
    Choice,
    /// Some of the words of `values`, as a list.
    Choices,
    /// An e-mail address in small letters.
    Email,
    /// A phone in E.164.
    Phone,
    /// An address of the web.
    Url,
}

/// Milliseconds since 1970 have at least so many digits.
const FEWEST_EPOCH_DIGITS: usize = 9;

static NUMBER: LazyLock<Pipes> = LazyLock::new(|| pipes("number"));
static DAY: LazyLock<Pipes> = LazyLock::new(|| pipes("date"));
static INSTANT: LazyLock<Pipes> = LazyLock::new(|| pipes("date \"YYYY-MM-DD[T]HH:mm:ss[Z]\""));
static BOOL: LazyLock<Pipes> = LazyLock::new(|| pipes("bool"));
static PHONE: LazyLock<Pipes> = LazyLock::new(|| pipes("e164"));
static URL: LazyLock<Pipes> = LazyLock::new(|| pipes("url"));

/// Pipes of this file, which a test reads.
fn pipes(text: &str) -> Pipes {
    Pipes::parse(text, 1).unwrap_or_default()
}

/// What comes out of pipes; none where nothing fits.
fn through(pipes: &Pipes, value: Value) -> Option<Value> {
    pipes.apply(Some(value)).ok().flatten()
}

impl ValueType {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Text,
        Self::Number,
        Self::Money,
        Self::Date,
        Self::Datetime,
        Self::Bool,
        Self::Choice,
        Self::Choices,
        Self::Email,
        Self::Phone,
        Self::Url,
    ];

    /// As a mapping writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Money => "money",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Bool => "bool",
            Self::Choice => "choice",
            Self::Choices => "choices",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
        }
    }

    /// What a value of it has to be.
    #[must_use]
    pub fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number, as 12.5",
            Self::Money => "an amount, as 12.50",
            Self::Date => "a day, as 2026-03-01",
            Self::Datetime => "a time, as 2026-03-01T09:00:00Z",
            Self::Bool => "true or false",
            Self::Choice => "one of the choices",
            Self::Choices => "a list of choices",
            Self::Email => "an e-mail address, as ada@example.com",
            Self::Phone => {
                "a phone that begins with +; of national ones, in = '{value | e164 \"DE\"}' knows the country"
            }
            Self::Url => "an address of the web, as https://example.com",
        }
    }

    /// The kind of what is written to GHL.
    pub(super) fn written_kind(self) -> Kind {
        match self {
            Self::Number | Self::Money => Kind::Number,
            Self::Date => Kind::Date,
            Self::Datetime => Kind::Time,
            Self::Choices => Kind::List,
            Self::Text | Self::Bool | Self::Choice | Self::Email | Self::Phone | Self::Url => Kind::Text,
        }
    }

    /// Whether a value of that kind may read as one of this type.
    pub(super) fn may_read(self, kind: Kind) -> bool {
        match kind {
            Kind::Any => true,
            Kind::Object => false,
            Kind::List => matches!(self, Self::Choice | Self::Choices),
            Kind::Bool => matches!(self, Self::Bool | Self::Text | Self::Choice | Self::Choices),
            Kind::Number => !matches!(self, Self::Email | Self::Url),
            Kind::Text | Kind::Date | Kind::Time => true,
        }
    }

    /// A value of GHL's in Clienty's form, or what was expected.
    pub(super) fn read(self, value: &Value, values: &[(String, String)]) -> Result<Value, String> {
        match self {
            Self::Choice => match value {
                // GHL gives a single choice back as a list of one.
                Value::Array(one) if one.len() == 1 => clientys(&one[0], values),
                value => clientys(value, values),
            },
            Self::Choices => match value {
                Value::Array(many) => many.iter().map(|one| clientys(one, values)).collect(),
                one => clientys(one, values).map(|one| json!([one])),
            },
            Self::Bool if !values.is_empty() => {
                let word = clientys(value, values)?;
                Ok(json!(word == "true"))
            }
            _ => self.plain(value).ok_or_else(|| self.expected().to_owned()),
        }
    }

    /// A value of Clienty's in GHL's form; `is_flag` of a field of GHL's that is true or false itself.
    pub(super) fn write(self, value: &Value, values: &[(String, String)], is_flag: bool) -> Result<Value, String> {
        match self {
            Self::Choice => ghls(value, values),
            Self::Choices => match value.as_array() {
                Some(many) => many.iter().map(|one| ghls(one, values)).collect(),
                None => Err(format!("must be a list of {}", words(values))),
            },
            _ => {
                let plain = self.plain(value).ok_or_else(|| format!("must be {}", self.expected()))?;
                match plain {
                    Value::Bool(is) if !values.is_empty() => ghls(&is.to_string().into(), values),
                    Value::Bool(is) if !is_flag => Ok(is.to_string().into()),
                    plain => Ok(plain),
                }
            }
        }
    }

    /// A value of a type without choices, in Clienty's form.
    fn plain(self, value: &Value) -> Option<Value> {
        let text = value.as_str().map(str::trim);
        match self {
            Self::Text => match value {
                Value::String(_) => Some(value.clone()),
                Value::Number(_) | Value::Bool(_) => Some(value.to_string().into()),
                _ => None,
            },
            Self::Number => through(&NUMBER, value.clone()),
            Self::Money => match text {
                Some(text) => through(&NUMBER, without_currency(text).into()),
                None => through(&NUMBER, value.clone()),
            },
            Self::Date => day(value),
            Self::Datetime => match text.and_then(epoch) {
                Some(ms) => through(&INSTANT, ms.into()),
                None => through(&INSTANT, value.clone()),
            },
            Self::Bool => through(&BOOL, value.clone()),
            Self::Email => email(text?),
            Self::Phone => through(&PHONE, value.clone()),
            Self::Url => through(&URL, text?.into()),
            Self::Choice | Self::Choices => None,
        }
    }
}

/// `"$1,234.50"` and `"1,234.50 EUR"` without their currency.
fn without_currency(text: &str) -> &str {
    let is_currency = |letter: char| letter.is_alphabetic() || letter.is_whitespace() || "$€£¥₹".contains(letter);
    text.trim_matches(is_currency)
}

/// Milliseconds since 1970, written out.
fn epoch(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_epoch = digits.len() >= FEWEST_EPOCH_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_epoch { text.parse().ok() } else { None }
}

/// A calendar day: as it is written, or in UTC of milliseconds.
fn day(value: &Value) -> Option<Value> {
    let Some(text) = value.as_str().map(str::trim) else { return through(&DAY, value.clone()) };
    if let Some(ms) = epoch(text) {
        return through(&DAY, ms.into());
    }
    let (day, rest) = text.split_at_checked(10)?;
    let is_time = || text.parse::<Timestamp>().is_ok() || text.parse::<DateTime>().is_ok();
    (day.parse::<Date>().is_ok() && (rest.is_empty() || is_time())).then(|| day.into())
}

fn email(text: &str) -> Option<Value> {
    let (user, host) = text.rsplit_once('@')?;
    let is_host = host.contains('.') && !host.starts_with('.') && !host.ends_with('.');
    (is_host && !user.is_empty() && !text.contains(char::is_whitespace)).then(|| text.to_lowercase().into())
}

/// `lead, customer`.
fn words(values: &[(String, String)]) -> String {
    values.iter().map(|(own, _)| own.as_str()).collect::<Vec<_>>().join(", ")
}

/// Clienty's word for a choice of GHL's. Case counts only where two choices differ in nothing else.
fn clientys(value: &Value, values: &[(String, String)]) -> Result<Value, String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return Err("a choice of GHL's that values names".to_owned()),
    };
    let exact = values.iter().find(|(_, ghls)| ghls.trim() == text);
    let found = exact.or_else(|| values.iter().find(|(_, ghls)| ghls.trim().to_lowercase() == text.to_lowercase()));
    found.map(|(own, _)| own.as_str().into()).ok_or_else(|| {
        let ghls: Vec<_> = values.iter().map(|(_, ghls)| format!("{ghls:?}")).collect();
        format!("one of {}, which values names", ghls.join(", "))
    })
}

/// GHL's choice for Clienty's word.
fn ghls(value: &Value, values: &[(String, String)]) -> Result<Value, String> {
    let word = value.as_str().unwrap_or_default();
    match values.iter().find(|(own, _)| own == word) {
        Some((_, ghls)) => Ok(ghls.as_str().into()),
        None => Err(match nearest(word, values.iter().map(|(own, _)| own.as_str())).filter(|_| !word.is_empty()) {
            Some(meant) => format!("must be one of {}; did you mean {meant}?", words(values)),
            None => format!("must be one of {}", words(values)),
        }),
    }
}

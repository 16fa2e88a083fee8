//! The pipes that there are: what each takes and gives, and what its arguments mean.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::decimal::{Form, places_of};
use super::kind::{BOOLEAN, COUNTED, EVERY, Kind, LIST, NUMERIC, SCALAR, WHEN};
use super::parse::Arguments;
use super::times::Pattern;
use super::{Fit, LONGEST, Misread, decimal, lists, texts, times};
use crate::decide::same::calling_code;

/// A pipe by its name.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) takes: &'static [Kind],
}

/// Every pipe.
pub(super) const KNOWN: [Known; 28] = [
    Known { name: "trim", takes: SCALAR },
    Known { name: "lower", takes: SCALAR },
    Known { name: "upper", takes: SCALAR },
    Known { name: "title", takes: SCALAR },
    Known { name: "digits", takes: SCALAR },
    Known { name: "e164", takes: NUMERIC },
    Known { name: "url", takes: &[Kind::Text] },
    Known { name: "domain", takes: &[Kind::Text] },
    Known { name: "date", takes: WHEN },
    Known { name: "time", takes: WHEN },
    Known { name: "add_days", takes: WHEN },
    Known { name: "number", takes: NUMERIC },
    Known { name: "round", takes: NUMERIC },
    Known { name: "money", takes: NUMERIC },
    Known { name: "bool", takes: BOOLEAN },
    Known { name: "text", takes: SCALAR },
    Known { name: "split", takes: SCALAR },
    Known { name: "join", takes: LIST },
    Known { name: "first", takes: LIST },
    Known { name: "last", takes: LIST },
    Known { name: "unique", takes: LIST },
    Known { name: "count", takes: COUNTED },
    Known { name: "default", takes: EVERY },
    Known { name: "map", takes: SCALAR },
    Known { name: "replace", takes: SCALAR },
    Known { name: "hash", takes: SCALAR },
    Known { name: "truncate", takes: SCALAR },
    Known { name: "json", takes: EVERY },
];

/// The names of all pipes.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name)
}

/// A pipe with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Function {
    Trim,
    Lower,
    Upper,
    Title,
    Digits,
    /// With the calling code of the country of national phones.
    E164(Option<&'static str>),
    Url,
    Domain,
    Written(Pattern, TimeZone),
    AddDays(i64, TimeZone),
    /// With the sign before decimals.
    Number(char),
    Round(u32),
    Money(Form),
    /// With one more word for each.
    Bool(Option<String>, Option<String>),
    Text,
    Split(String),
    Join(String),
    First,
    Last,
    Unique,
    Count,
    Default(Value),
    Map(Vec<(String, Value)>),
    Replace(String, String),
    Hash,
    Truncate(usize, String),
    Json,
}

/// The function of that name, with what its arguments say.
pub(super) fn build(name: &str, arguments: &mut Arguments) -> Result<Function, Misread> {
    Ok(match name {
        "trim" => Function::Trim,
        "lower" => Function::Lower,
        "upper" => Function::Upper,
        "title" => Function::Title,
        "digits" => Function::Digits,
        "e164" => Function::E164(country(arguments)?),
        "url" => Function::Url,
        "domain" => Function::Domain,
        "date" => written(arguments, "YYYY-MM-DD")?,
        "time" => written(arguments, "HH:mm")?,
        "add_days" => {
            let days = arguments.whole("days", -36_500, 36_500)?;
            Function::AddDays(arguments.needed(days, "add_days 7")?, zone(arguments)?)
        }
        "number" => Function::Number(sign(arguments, "decimal")?.unwrap_or('.')),
        "round" => {
            let places = arguments.whole("places", 0, 12)?.unwrap_or(0);
            Function::Round(u32::try_from(places).unwrap_or(0))
        }
        "money" => Function::Money(money(arguments)?),
        "bool" => {
            let mut word = |name| Ok(arguments.text(name)?.map(|(_, word)| word.trim().to_lowercase()));
            Function::Bool(word("yes")?, word("no")?)
        }
        "text" => Function::Text,
        "split" => {
            let by = arguments.text("by")?;
            if let Some((column, _)) = by.as_ref().filter(|(_, by)| by.is_empty()) {
                return Err(arguments.wrong(*column, "by must not be empty"));
            }
            Function::Split(by.map_or_else(|| ",".to_owned(), |(_, by)| by))
        }
        "join" => Function::Join(arguments.text("by")?.map_or_else(|| ", ".to_owned(), |(_, by)| by)),
        "first" => Function::First,
        "last" => Function::Last,
        "unique" => Function::Unique,
        "count" => Function::Count,
        "default" => {
            let value = arguments.take("value");
            Function::Default(arguments.needed(value, "default \"none\"")?.1)
        }
        "map" => Function::Map(map(arguments)?),
        "replace" => {
            let (from, to) = (arguments.text("from")?, arguments.text("to")?);
            let (column, from) = arguments.needed(from, "replace \"this\" \"that\"")?;
            if from.is_empty() {
                return Err(arguments.wrong(column, "from must not be empty"));
            }
            Function::Replace(from, arguments.needed(to, "replace \"this\" \"that\"")?.1)
        }
        "hash" => Function::Hash,
        "truncate" => truncate(arguments)?,
        "json" => Function::Json,
        // The table has no other name, and a test goes through it.
        other => return Err(arguments.wrong(1, &format!("there is no pipe {other}"))),
    })
}

fn country(arguments: &mut Arguments) -> Result<Option<&'static str>, Misread> {
    let Some((column, country)) = arguments.text("country")? else { return Ok(None) };
    let code = calling_code(&country);
    let wrong = || arguments.wrong(column, "country must be one of two letters (ISO 3166), as \"DE\"");
    code.map(Some).ok_or_else(wrong)
}

fn zone(arguments: &mut Arguments) -> Result<TimeZone, Misread> {
    let Some((column, zone)) = arguments.text("zone")? else { return Ok(TimeZone::UTC) };
    TimeZone::get(zone.trim())
        .map_err(|_| arguments.wrong(column, "zone must be a time zone, as \"Europe/Berlin\" or \"UTC\""))
}

fn written(arguments: &mut Arguments, usual: &str) -> Result<Function, Misread> {
    let (column, format) = arguments.text("format")?.unwrap_or_else(|| (1, usual.to_owned()));
    let pattern = Pattern::parse(&format).map_err(|wrong| arguments.wrong(column, &wrong))?;
    Ok(Function::Written(pattern, zone(arguments)?))
}

fn sign(arguments: &mut Arguments, name: &'static str) -> Result<Option<char>, Misread> {
    let Some((column, sign)) = arguments.text(name)? else { return Ok(None) };
    match sign.as_str() {
        "." => Ok(Some('.')),
        "," => Ok(Some(',')),
        _ => Err(arguments.wrong(column, &format!("{name} must be \".\" or \",\""))),
    }
}

fn money(arguments: &mut Arguments) -> Result<Form, Misread> {
    let currency = arguments.text("currency")?;
    let (column, currency) = arguments.needed(currency, "money \"EUR\"")?;
    if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Err(arguments.wrong(column, "currency must be three capitals (ISO 4217), as \"EUR\""));
    }
    let decimal = sign(arguments, "decimal")?.unwrap_or('.');
    let group = arguments.text("group")?;
    if let Some((column, group)) = &group {
        let is_plain = ["", " ", ".", ",", "'", "\u{a0}", "\u{202f}"].contains(&group.as_str());
        if !is_plain || *group == decimal.to_string() {
            return Err(
                arguments.wrong(*column, "group must be \",\", \".\", \"'\", a space or nothing, and not decimal")
            );
        }
    }
    let group = group.and_then(|(_, group)| group.chars().next());
    Ok(Form { places: places_of(&currency), currency, decimal, group })
}

fn map(arguments: &mut Arguments) -> Result<Vec<(String, Value)>, Misread> {
    let mut pairs: Vec<(String, Value)> = Vec::new();
    for (column, from, to) in arguments.named() {
        let from = from.trim().to_lowercase();
        if pairs.iter().any(|(other, _)| *other == from) {
            return Err(arguments.wrong(column, "maps the same word twice; case does not matter"));
        }
        pairs.push((from, to));
    }
    let some = (!pairs.is_empty()).then_some(pairs);
    arguments.needed(some, "map lead=\"Lead\" customer=\"Kunde\"")
}

fn truncate(arguments: &mut Arguments) -> Result<Function, Misread> {
    let most = arguments.whole("most", 1, i64::try_from(LONGEST).unwrap_or(i64::MAX))?;
    let most = arguments.needed(most, "truncate 80")?;
    let most = usize::try_from(most).unwrap_or(LONGEST);
    let end = arguments.text("end")?;
    if let Some((column, _)) = end.as_ref().filter(|(_, end)| end.chars().count() > most) {
        return Err(arguments.wrong(*column, "end is longer than all that may stand"));
    }
    Ok(Function::Truncate(most, end.map(|(_, end)| end).unwrap_or_default()))
}

impl Function {
    /// Whether it makes something of nothing.
    pub(super) fn takes_absent(&self) -> bool {
        matches!(self, Self::Default(_) | Self::Count)
    }

    /// The kind of what comes out, where a value of the kind `from` goes in.
    pub(super) fn gives(&self, from: Kind) -> Kind {
        match self {
            Self::Trim
            | Self::Lower
            | Self::Upper
            | Self::Title
            | Self::Digits
            | Self::E164(_)
            | Self::Url
            | Self::Domain
            | Self::Money(_)
            | Self::Text
            | Self::Join(_)
            | Self::Replace(..)
            | Self::Hash
            | Self::Truncate(..)
            | Self::Json => Kind::Text,
            Self::Written(pattern, _) if pattern.is_day() => Kind::Date,
            Self::Written(..) => Kind::Text,
            Self::AddDays(..) => match from {
                Kind::Date => Kind::Date,
                Kind::Time | Kind::Number => Kind::Time,
                _ => Kind::Text,
            },
            Self::Number(_) | Self::Round(_) | Self::Count => Kind::Number,
            Self::Bool(..) => Kind::Bool,
            Self::Split(_) | Self::Unique => Kind::List,
            Self::First | Self::Last => Kind::Any,
            Self::Default(value) => one_of(from, Kind::of(value)),
            Self::Map(pairs) => {
                let mut kinds = pairs.iter().map(|(_, value)| Kind::of(value));
                let first = kinds.next().unwrap_or(Kind::Any);
                kinds.fold(first, one_of)
            }
        }
    }

    /// What comes out. What goes in is of a kind that it takes, and within bounds.
    pub(super) fn apply(&self, value: Option<Value>) -> Fit<Option<Value>> {
        match (self, value) {
            (Self::Default(other), value) => {
                Ok(Some(value.filter(|value| !lists::is_blank(value)).unwrap_or(other.clone())))
            }
            (Self::Count, value) => Ok(Some(lists::count(value.as_ref()).into())),
            (_, None) => Ok(None),
            (function, Some(value)) => function.change(value),
        }
    }

    fn change(&self, value: Value) -> Fit<Option<Value>> {
        let text = |change: &dyn Fn(&str) -> String| Ok(Some(Value::String(change(&texts::written(&value)))));
        match self {
            Self::Trim => text(&|text| text.trim().to_owned()),
            Self::Lower => text(&str::to_lowercase),
            Self::Upper => text(&str::to_uppercase),
            Self::Title => text(&texts::title),
            Self::Digits => text(&|text| text.chars().filter(char::is_ascii_digit).collect()),
            Self::Text => text(&str::to_owned),
            Self::Hash => text(&texts::hash),
            Self::Truncate(most, end) => text(&|text| texts::truncate(text, *most, end)),
            Self::Replace(from, to) => texts::replace(&texts::written(&value), from, to).map(Some),
            Self::E164(code) => texts::phone(&texts::written(&value), *code).map(Some),
            Self::Url => texts::url(&texts::written(&value)).map(Some),
            Self::Domain => texts::domain(&texts::written(&value)).map(Some),
            Self::Written(pattern, zone) => times::write(&value, pattern, zone).map(Some),
            Self::AddDays(days, zone) => times::add_days(&value, *days, zone).map(Some),
            Self::Number(point) => decimal::number(value, *point).map(Some),
            Self::Round(places) => decimal::round(&value, *places).map(Some),
            Self::Money(form) => decimal::money(&value, form).map(Some),
            Self::Bool(yes, no) => texts::boolean(&value, yes.as_deref(), no.as_deref()).map(Some),
            Self::Split(by) => Ok(Some(lists::split(&texts::written(&value), by))),
            Self::Join(by) => lists::join(&value, by).map(Some),
            Self::First => Ok(lists::of(value).into_iter().next()),
            Self::Last => Ok(lists::of(value).pop()),
            Self::Unique => Ok(Some(lists::unique(value))),
            Self::Map(pairs) => {
                let text = texts::written(&value).trim().to_lowercase();
                Ok(pairs.iter().find(|(from, _)| *from == text).map(|(_, to)| to.clone()))
            }
            Self::Json => Ok(Some(value.to_string().into())),
            // They take what is absent too, and are done with.
            Self::Default(_) | Self::Count => Ok(Some(value)),
        }
    }
}

fn one_of(one: Kind, other: Kind) -> Kind {
    match (one, other) {
        (one, other) if one == other => one,
        (Kind::Text | Kind::Date | Kind::Time, Kind::Text | Kind::Date | Kind::Time) => Kind::Text,
        _ => Kind::Any,
    }
}

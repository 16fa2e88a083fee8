//! The gallery: flows to start from, in `deploy/flows/gallery`.
//!
//! Each begins with a head of comments that people and programs read: in plain English what the flow does, then for whom it is, the scopes that it
//! needs, and how many calls of GHL a run makes at most. A test runs each from its trigger to its records, and holds the head against its steps.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use serde_json::Value;
use sync_model::suggest::nearest;
use sync_workers::flows::Flow;
use toml::de::{DeTable, DeValue};

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        &[$(Template { name: $name, text: include_str!(concat!("../../deploy/flows/gallery/", $name, ".toml")) }),*]
    };
}

/// All of them, by name.
pub const TEMPLATES: &[Template] = templates![
    "assign-owner",
    "birthday",
    "booking-note",
    "cancelled-task",
    "company",
    "do-not-disturb",
    "form-task",
    "hand-over-note",
    "lead-score",
    "lead-task",
    "moved-note",
    "next-task",
    "no-show-follow-up",
    "re-engage",
    "review-request",
    "score-by-service",
    "stale-lead",
    "tag-hygiene",
    "vip-alert",
    "welcome-task",
    "won-deal",
];

/// A flow to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// The file's stem.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

/// What the head of a template says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    /// What it does, in plain English.
    pub does: String,
    /// For whom it is.
    #[serde(rename = "for")]
    pub audience: String,
    /// The scopes that the location's token needs.
    pub needs: Vec<String>,
    /// The most calls of GHL that a run makes.
    pub costs: usize,
}

/// The template of that name.
///
/// # Errors
/// The name that was perhaps meant.
pub fn find(name: &str) -> Result<&'static Template, String> {
    TEMPLATES.iter().find(|template| template.name == name).ok_or_else(|| {
        let meant = nearest(name, TEMPLATES.iter().map(|template| template.name));
        let meant = meant.map_or(String::new(), |meant| format!("; did you mean {meant}?"));
        format!("there is no template {name}{meant}")
    })
}

/// The flow `name` that a text holds.
///
/// # Errors
/// Every mistake.
pub fn read(name: &str, text: &str) -> Result<Flow, Vec<String>> {
    let document: Value = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
    let in_words = |mistakes: Vec<sync_workers::events::FieldError>| {
        mistakes.iter().map(|mistake| format!("{} {}", mistake.field, mistake.message).trim().to_owned()).collect()
    };
    Flow::checked(name, &document).map_err(in_words)
}

impl Template {
    /// What its head says.
    ///
    /// # Errors
    /// The line that is not as a head has it.
    pub fn head(&self) -> Result<Head, String> {
        let mut lines = self.text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
        let does: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let wrong = |wanted: &str, line: &str| format!("{}: the head says {line:?} where it needs {wanted}", self.name);
        if does.is_empty() {
            return Err(wrong("what the flow does, and an empty line after it", ""));
        }
        let mut field = |name: &str| {
            let line = lines.next().unwrap_or_default();
            let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")).map(str::trim);
            value.filter(|value| !value.is_empty()).ok_or_else(|| wrong(&format!("`{name}: …`"), line))
        };
        let (audience, needs, costs) = (field("for")?, field("needs")?, field("costs")?);
        let count = costs.strip_suffix(" calls").or_else(|| costs.strip_suffix(" call"));
        let costs =
            count.and_then(|count| count.parse::<usize>().ok()).ok_or_else(|| wrong("`costs: 2 calls`", costs))?;
        if let Some(line) = lines.next() {
            return Err(wrong("its end", line));
        }
        let needs = needs.split(',').map(|scope| scope.trim().to_owned()).collect();
        Ok(Head { does: does.join(" "), audience: audience.to_owned(), needs, costs })
    }

    /// Its text with other values in `[set]`; comments and order stay.
    ///
    /// # Errors
    /// Every setting that the template does not have, or that is not of its type.
    pub fn filled(&self, settings: &[(String, String)]) -> Result<String, Vec<String>> {
        let (table, _) = DeTable::parse_recoverable(self.text);
        let set = table.get_ref().iter().find(|(key, _)| key.get_ref() == "set").map(|(_, set)| set.get_ref());
        let known: BTreeMap<&str, (Range<usize>, &DeValue<'_>)> = match set {
            Some(DeValue::Table(set)) => {
                set.iter().map(|(name, value)| (&**name.get_ref(), (value.span(), value.get_ref()))).collect()
            }
            _ => BTreeMap::new(),
        };
        let (mut mistakes, mut edits) = (Vec::new(), BTreeMap::new());
        for (name, text) in settings {
            match known.get(name.as_str()).map(|(span, like)| (span, literal(like, text))) {
                Some((span, Some(literal))) => drop(edits.insert(span.start, (span.clone(), literal))),
                Some((_, None)) => {
                    mistakes.push(format!("--set {name} must be a list of texts, as a,b or [\"a\", \"b\"]"))
                }
                None if known.is_empty() => mistakes.push(format!("--set {name}: {} has no values to set", self.name)),
                None => {
                    let known: Vec<_> = known.keys().copied().collect();
                    mistakes.push(format!("--set {name} is not known; known are {}", known.join(", ")));
                }
            }
        }
        let mut filled = self.text.to_owned();
        // From the end, so that the places before stay where they are.
        for (span, literal) in edits.into_values().rev() {
            filled.replace_range(span, &literal);
        }
        if mistakes.is_empty() { Ok(filled) } else { Err(mistakes) }
    }
}

/// A value of the same type, as TOML writes it; templates have texts and lists of texts.
fn literal(like: &DeValue<'_>, text: &str) -> Option<String> {
    match like {
        DeValue::String(_) => Some(quoted(text)),
        DeValue::Array(_) if text.trim_start().starts_with('[') => {
            let items: Vec<String> = serde_json::from_str(text).ok()?;
            Some(list(items.iter().map(String::as_str)))
        }
        DeValue::Array(_) => Some(list(text.split(',').map(str::trim).filter(|item| !item.is_empty()))),
        _ => None,
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", items.map(quoted).collect::<Vec<_>>().join(", "))
}

/// JSON's texts are TOML's, but for one letter that only TOML refuses.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SAMPLE: Template = Template {
        name: "sample",
        text: "# Does this,\n# and that.\n#\n# for: all\n# needs: contacts.write, x.readonly\n# costs: 2 calls\non = \"contact.created\"\n\n[set]\nowner = \"\"    # who\nlists = [\"a\"]  # which\n\n[[step]]\nevent = \"contact.tagged\"\ndata.tags = \"{set.lists}\"\n",
    };

    fn settings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_head_is_read_and_what_is_wrong_with_one_is_named() {
        let needs = vec!["contacts.write".to_owned(), "x.readonly".to_owned()];
        let head = Head { does: "Does this, and that.".to_owned(), audience: "all".to_owned(), needs, costs: 2 };
        assert_eq!(SAMPLE.head(), Ok(head));
        let wrong = [
            ("# Does this,\n# and that.\n", ""),
            ("# for: all\n", ""),
            ("# for: all", "# for:"),
            ("# needs: contacts.write, x.readonly\n", ""),
            ("2 calls", "two calls"),
            ("2 calls", "2"),
            ("2 calls\n", "2 calls\n# more\n"),
        ];
        for (part, instead) in wrong {
            let text: &'static str = SAMPLE.text.replacen(part, instead, 1).leak();
            assert_ne!(text, SAMPLE.text);
            assert!(Template { name: "sample", text }.head().is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_replaced_and_all_else_stays() {
        assert_eq!(SAMPLE.filled(&[]).unwrap(), SAMPLE.text);
        let odd = "a \"b\" \\ c\n\u{7f}\u{1}ü";
        let filled = SAMPLE.filled(&settings(&[("owner", "first"), ("lists", "x, y"), ("owner", odd)])).unwrap();
        assert!(filled.contains("    # who\n") && filled.contains("[\"x\", \"y\"]  # which\n"), "{filled}");
        let set = read("sample", &filled).unwrap().set;
        assert_eq!(Value::Object(set), json!({"owner": odd, "lists": ["x", "y"]}));
        for (text, expected) in [("[\"a,b\"]", json!(["a,b"])), ("", json!([])), ("one", json!(["one"]))] {
            let filled = SAMPLE.filled(&settings(&[("lists", text)])).unwrap();
            assert_eq!(read("sample", &filled).unwrap().set["lists"], expected);
        }
        let wrong = SAMPLE.filled(&settings(&[("ownr", "x"), ("lists", "[1]"), ("owner", "fine")])).unwrap_err();
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].contains("ownr") && wrong[0].contains("lists, owner") && wrong[1].contains("lists"));
    }

    #[test]
    fn a_template_is_found_by_its_name() {
        assert_eq!(find("birthday").unwrap().name, "birthday");
        assert!(find("birthdya").unwrap_err().contains("did you mean birthday?"));
        assert!(TEMPLATES.is_sorted_by_key(|template| template.name));
    }
}

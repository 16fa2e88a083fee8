//! Looks a setting up in the environment, the file and the defaults, in this order, and collects what is wrong.
//!
//! A setting that cannot be read yields its default for the moment, so that reading goes on and finds the other mistakes;
//! [`Sources::finish`] then refuses the whole.

use std::collections::{BTreeMap, BTreeSet};

use sync_model::suggest::nearest;

use super::effective::{Origin, Privacy, Shown};
use super::error::{ConfigError, ConfigErrors};
use super::file::{ConfigFile, Entry, Given};
use super::parse::Parsed;

/// Variables with these beginnings that are almost a setting's name are slips. Others may be somebody's own, as the CLIENTY_API_KEY that a
/// person exports for curl: they are named, and no more.
const OWN_VARIABLES: [&str; 2] = ["CLIENTY_", "GHL_"];
/// Of a name that a person makes up.
const LONGEST_NAME: usize = 40;

pub(super) struct Sources {
    defaults: BTreeMap<String, Entry>,
    file_name: String,
    file: BTreeMap<String, Entry>,
    environment: BTreeMap<String, String>,
    shown: Vec<Shown>,
    errors: Vec<ConfigError>,
}

impl Sources {
    pub(super) fn new(
        defaults: &str,
        file: Option<ConfigFile>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let defaults = ConfigFile::parse("default.toml", defaults).entries;
        let ConfigFile { name, entries, errors } = file.unwrap_or_else(|| ConfigFile::parse("", ""));
        // An empty variable is how compose files and shells write "not set".
        let environment = environment.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { defaults, file_name: name, file: entries, environment, shown: Vec::new(), errors }
    }

    /// The setting with this key in the file and this name in the environment.
    pub(super) fn setting(&mut self, key: &str, variable: &str) -> Setting<'_> {
        Setting { sources: self, key: key.to_owned(), variable: variable.to_owned(), privacy: Privacy::Open }
    }

    /// The names that people have made up for parts of the table `prefix`, in the file, or in variables between `before` and `after`.
    pub(super) fn names(&mut self, prefix: &str, before: &str, after: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let in_file =
            self.file.iter().filter_map(|(key, entry)| Some((key.strip_prefix(prefix)?.split_once('.')?.0, entry)));
        for (name, Entry { line, .. }) in in_file {
            let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
            if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_plain) {
                let problem = format!("a name has 1 to {LONGEST_NAME} lower-case letters, digits and _");
                let place = format!("{}:{line}", self.file_name);
                self.errors.push(ConfigError { place, key: format!("{prefix}{name}"), problem });
            }
            names.insert(name.to_owned());
        }
        let in_environment = self.environment.keys().filter_map(|name| name.strip_prefix(before)?.strip_suffix(after));
        names.extend(in_environment.filter(|name| !name.is_empty()).map(str::to_lowercase));
        names
    }

    /// A setting that was read and does not go with others.
    pub(super) fn refuse(&mut self, key: &str, problem: String) {
        let Some(Shown { variable, origin, .. }) = self.shown.iter().find(|setting| setting.key == key) else { return };
        let (place, key) = match (origin, self.file.get(key)) {
            (Origin::File, Some(entry)) => (format!("{}:{}", self.file_name, entry.line), key.to_owned()),
            _ => ("environment".to_owned(), variable.clone()),
        };
        self.errors.push(ConfigError { place, key, problem });
    }

    /// All settings as people may see them, or all mistakes. To be called when every setting has been read: what is left
    /// over in the sources is then unknown.
    pub(super) fn finish(mut self) -> Result<Read, ConfigErrors> {
        self.report_unknown_keys();
        let ignored_variables = self.report_unknown_variables();
        if self.errors.is_empty() {
            Ok(Read { shown: self.shown, ignored_variables })
        } else {
            Err(ConfigErrors(self.errors))
        }
    }

    fn report_unknown_keys(&mut self) {
        let known: Vec<&str> = self.shown.iter().map(|setting| setting.key.as_str()).collect();
        for (key, entry) in self.file.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            self.errors.push(ConfigError {
                place: format!("{}:{}", self.file_name, entry.line),
                key: key.clone(),
                problem: match nearest(key, known.iter().copied()) {
                    Some(meant) => format!("unknown key; did you mean {meant}?"),
                    None => "unknown key; `clienty-sync config show --defaults` lists all".to_owned(),
                },
            });
        }
    }

    /// Refuses slips; returns the names that are like no setting's.
    fn report_unknown_variables(&mut self) -> Vec<String> {
        let known: Vec<&str> = self.shown.iter().map(|setting| setting.variable.as_str()).collect();
        let is_ours = |name: &&String| OWN_VARIABLES.iter().any(|beginning| name.starts_with(beginning));
        let mut ignored = Vec::new();
        for name in self.environment.keys().filter(is_ours).filter(|name| !known.contains(&name.as_str())) {
            // What both begin with makes them no more alike.
            let meant = OWN_VARIABLES.iter().find_map(|beginning| {
                let own = name.strip_prefix(beginning)?;
                let meant = nearest(own, known.iter().filter_map(|known| known.strip_prefix(beginning)))?;
                Some(format!("{beginning}{meant}"))
            });
            let Some(meant) = meant else {
                ignored.push(name.clone());
                continue;
            };
            self.errors.push(ConfigError {
                place: "environment".to_owned(),
                key: name.clone(),
                problem: format!("unknown variable; did you mean {meant}?"),
            });
        }
        ignored
    }
}

/// What was read without a mistake.
pub(super) struct Read {
    pub(super) shown: Vec<Shown>,
    /// Variables that look like settings and are none.
    pub(super) ignored_variables: Vec<String>,
}

/// A setting about to be read.
pub(super) struct Setting<'a> {
    sources: &'a mut Sources,
    key: String,
    variable: String,
    privacy: Privacy,
}

/// A value that was found, and where.
struct Found {
    given: Given,
    origin: Origin,
    place: String,
    key: String,
}

impl Setting<'_> {
    /// People never see its value.
    pub(super) fn secret(mut self) -> Self {
        self.privacy = Privacy::Secret;
        self
    }

    /// People see its value without the password.
    pub(super) fn with_password(mut self) -> Self {
        self.privacy = Privacy::Credentials;
        self
    }

    /// A setting that has a default.
    pub(super) fn required<T>(self, parse: impl Fn(&str) -> Parsed<T>) -> T {
        let default = match self.sources.defaults.get(&self.key) {
            Some(Entry { given: Given::Word(text), .. }) => parse(text).ok(),
            _ => None,
        };
        self.optional(parse).or(default).expect("default.toml has a good value for each required setting")
    }

    /// A setting that has no default and must be there, as others of its kind are.
    pub(super) fn needed<T>(self, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        if self.find().is_none() {
            let Self { sources, key, variable, .. } = self;
            let expected = parse("").err().unwrap_or_default();
            let problem = format!("is missing (or {variable}), expected {expected}");
            let place = if sources.file_name.is_empty() { "environment" } else { &sources.file_name }.to_owned();
            sources.errors.push(ConfigError { place, key: key.clone(), problem });
            sources.shown.push(Shown { key, variable, value: None, origin: Origin::Default });
            return None;
        }
        self.optional(parse)
    }

    /// A setting that may be absent.
    pub(super) fn optional<T>(self, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        let privacy = self.privacy;
        self.read(|given| match given {
            Given::Word(text) => parse(text).map_err(|expected| vec![refusal(privacy, text, &expected)]),
            Given::List(_) => Err(vec!["got an array, expected one value".to_owned()]),
            Given::Other(what) => Err(vec![format!("got {what}, expected a string or a whole number")]),
        })
    }

    /// A setting with any number of values: an array in the file, or words with commas or blanks between them.
    pub(super) fn list<T>(self, parse: impl Fn(&str) -> Parsed<T>) -> Vec<T> {
        let privacy = self.privacy;
        self.read(|given| {
            let texts: Vec<&str> = match given {
                Given::Word(text) => words(text).collect(),
                Given::List(items) => items.iter().map(String::as_str).collect(),
                Given::Other(what) => return Err(vec![format!("got {what}, expected an array of strings")]),
            };
            let (mut values, mut problems) = (Vec::new(), Vec::new());
            for text in texts {
                match parse(text) {
                    Ok(value) => values.push(value),
                    Err(expected) => problems.push(refusal(privacy, text, &expected)),
                }
            }
            if problems.is_empty() { Ok(values) } else { Err(problems) }
        })
        .unwrap_or_default()
    }

    /// `parse` reports all that is wrong with the value.
    fn read<T>(self, parse: impl FnOnce(&Given) -> Result<T, Vec<String>>) -> Option<T> {
        let found = self.find();
        let Self { sources, key, variable, privacy } = self;
        let value = found.as_ref().map(|found| match &found.given {
            Given::Word(text) => privacy.mask(text),
            Given::List(items) => items.iter().map(|item| privacy.mask(item)).collect::<Vec<_>>().join(","),
            Given::Other(what) => (*what).to_owned(),
        });
        let origin = found.as_ref().map_or(Origin::Default, |found| found.origin);
        sources.shown.push(Shown { key, variable, value, origin });

        let Found { given, place, key, .. } = found?;
        let error = |problem| ConfigError { place: place.clone(), key: key.clone(), problem };
        parse(&given).map_err(|problems| sources.errors.extend(problems.into_iter().map(error))).ok()
    }

    fn find(&self) -> Option<Found> {
        let Self { sources, key, variable, .. } = self;
        if let Some(text) = sources.environment.get(variable) {
            let (given, place) = (Given::Word(text.clone()), "environment".to_owned());
            return Some(Found { given, origin: Origin::Environment, place, key: variable.clone() });
        }
        if let Some(Entry { line, given }) = sources.file.get(key) {
            let place = format!("{}:{line}", sources.file_name);
            return Some(Found { given: given.clone(), origin: Origin::File, place, key: key.clone() });
        }
        let Entry { line, given } = sources.defaults.get(key)?;
        Some(Found {
            given: given.clone(),
            origin: Origin::Default,
            place: format!("default.toml:{line}"),
            key: key.clone(),
        })
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty())
}

fn refusal(privacy: Privacy, got: &str, expected: &str) -> String {
    match privacy {
        Privacy::Open => format!("got {got:?}, expected {expected}"),
        Privacy::Credentials | Privacy::Secret => format!("expected {expected}"),
    }
}

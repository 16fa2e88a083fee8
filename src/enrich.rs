//! The providers of enrichment: those that are built in, and the operator's folder, one TOML file each, its stem the provider's name.
//!
//! What a provider is, and what is wrong with one, `sync_workers::enrich` says of a document without lines; here each mistake gets its place.

use std::fs;

use sync_model::suggest::nearest;
use sync_workers::enrich::Provider;

use crate::config::{ConfigError, ConfigErrors, Enrich};
use crate::flows;
use crate::toml_text::{self, Mistake};

/// The files of `deploy/enrich`, which are compiled into the program.
const BUILT_IN: [(&str, &str); 6] = [
    ("apollo", include_str!("../deploy/enrich/apollo.toml")),
    ("gravatar", include_str!("../deploy/enrich/gravatar.toml")),
    ("http", include_str!("../deploy/enrich/http.toml")),
    ("hunter", include_str!("../deploy/enrich/hunter.toml")),
    ("local", include_str!("../deploy/enrich/local.toml")),
    ("pdl", include_str!("../deploy/enrich/pdl.toml")),
];

/// All providers that can be named, by name.
///
/// # Errors
/// Every mistake of the folder's files, and each name of the order that is no provider's.
pub fn providers(settings: &Enrich) -> Result<Vec<Provider>, ConfigErrors> {
    let mut errors = Vec::new();
    let mut providers: Vec<Provider> = Vec::new();
    let mut add = |name: &str, place: &str, text: &str| match toml_text::read("provider", text, |document| {
        Provider::read(name, document)
    }) {
        Ok(provider) => {
            providers.retain(|known| known.name != provider.name);
            providers.push(provider);
        }
        Err(mistakes) => errors.extend(mistakes.into_iter().map(|Mistake { line, column, field, message }| {
            ConfigError { place: format!("{place}:{line}:{column}"), key: field, problem: message }
        })),
    };
    for (name, text) in BUILT_IN {
        add(name, &format!("deploy/enrich/{name}.toml"), text);
    }
    for file in flows::files(&settings.dir)? {
        let place = file.display().to_string();
        match fs::read_to_string(&file) {
            Ok(text) => add(&flows::stem(&file), &place, &text),
            Err(error) => {
                let problem = format!("can't be read: {error}");
                return Err(ConfigErrors(vec![ConfigError { place, key: String::new(), problem }]));
            }
        }
    }
    providers.sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
    let is_whole = errors.is_empty();
    for name in settings.rules.order.iter().filter(|name| is_whole && !names.contains(&name.as_str())) {
        let meant = nearest(name, names.iter().copied())
            .map_or_else(|| format!("known are {}", names.join(", ")), |meant| format!("did you mean {meant}?"));
        let (place, key) = ("settings".to_owned(), "enrich.order".to_owned());
        errors.push(ConfigError { place, key, problem: format!("{name:?} is no provider; {meant}") });
    }
    if !errors.is_empty() {
        return Err(ConfigErrors(errors));
    }
    Ok(match &settings.sandbox_url {
        Some(base) => providers.into_iter().map(|provider| provider.at(base)).collect(),
        None => providers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn settings(variables: &[(&str, &str)]) -> Enrich {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(None, variables).unwrap().enrich
    }

    #[test]
    fn every_built_in_provider_is_right() {
        let providers = providers(&settings(&[])).unwrap_or_else(|errors| panic!("{errors}"));
        let names: Vec<_> = providers.iter().map(|provider| provider.name.as_str()).collect();
        assert_eq!(names, ["apollo", "gravatar", "http", "hunter", "local", "pdl"]);
        let calls: Vec<_> =
            providers.iter().filter(|provider| !provider.calls()).map(|provider| &provider.name).collect();
        assert_eq!(calls, ["local"], "all others ask somebody");
        for provider in providers.iter().filter(|provider| provider.calls()) {
            assert!(provider.limit.is_some() && !provider.sends().is_empty(), "{}", provider.name);
        }
    }

    #[test]
    fn a_file_of_the_folder_takes_the_place_of_a_built_in_one_and_a_mistake_has_its_line() {
        let folder = std::env::temp_dir().join(format!("clienty-enrich-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        let settings =
            settings(&[("CLIENTY_ENRICH_DIR", folder.to_str().unwrap()), ("CLIENTY_ENRICH_ORDER", "local,own")]);
        let missing = providers(&settings).unwrap_err().0;
        assert_eq!((missing[0].key.as_str(), missing.len()), ("enrich.order", 1));
        fs::write(folder.join("own.toml"), "about = 'Ours'\n[fields]\ncity = '{key.city}'\n").unwrap();
        let wrong = providers(&settings).unwrap_err().0.remove(0);
        assert!(wrong.place.ends_with("own.toml:3:1"), "{}", wrong.place);
        assert!(wrong.problem.contains("keys are email"), "{}", wrong.problem);
        fs::write(folder.join("own.toml"), "about = 'Ours'\nfields.website = '{key.domain}'\n").unwrap();
        fs::write(folder.join("local.toml"), "about = 'Another'\nfields.country = '{key.country}'\n").unwrap();
        let providers = providers(&settings).unwrap();
        assert_eq!(providers.iter().find(|provider| provider.name == "local").unwrap().about, "Another");
        fs::remove_dir_all(folder).unwrap();
    }
}
